from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from assistants.conf import conf

if TYPE_CHECKING:  # this module is loaded while that one is
    from rest_framework.views import APIView

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class RateThrottle(SimpleRateThrottle):
    """So many reads, writes and runs in a time, per user, or per address of those who have no account.

    Unlike REST framework's own, it counts in fixed windows: one number in the cache, not a list of times that
    every request reads and writes whole.
    """

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        scope, asker = scope_of(view), self._asker(request)
        limit, seconds = self.parse_rate(conf.SKEINO_THROTTLE_RATES.get(f"{asker[0]}_{scope}"))
        if limit is None or seconds is None:
            return True
        now = time.time()
        window = int(now // seconds)
        if self._count(f"skeino_{scope}_{'_'.join(asker)}_{window}", seconds) <= limit:
            return True
        self._wait = (window + 1) * seconds - now
        return False

    def wait(self) -> float | None:
        return self._wait

    def _asker(self, request: Request) -> tuple[str, str]:
        if request.user.is_authenticated:
            return "user", str(request.user.pk)
        return "anonymous", self.get_ident(request)

    def _count(self, key: str, seconds: int) -> int:
        cache.add(key, 0, seconds)
        try:
            return cache.incr(key)
        except ValueError:  # a full cache has dropped it meanwhile
            return 1


def scope_of(view: Any) -> str:
    """``run`` for what makes runs, ``read`` for what takes permissions to view alone, else ``write``."""
    permissions = getattr(view, "permissions", {}).get(getattr(view, "action", None), ())
    if "runs.add_run" in permissions:
        return "run"
    viewing = all(permission.partition(".")[2].startswith("view_") for permission in permissions)
    return "read" if viewing else "write"
