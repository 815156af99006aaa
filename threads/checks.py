from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register

from threads.conf import conf


@register(Tags.security, deploy=True)
def check_anonymous_access(**kwargs: Any) -> list[CheckMessage]:
    if not conf.SKEINO_ALLOW_ANONYMOUS:
        return []
    return [
        Warning(
            "SKEINO_ALLOW_ANONYMOUS is on: anybody who reaches the server may run graphs.",
            hint="Turn it off, and DEBUG, where the server is reached from outside.",
            id="threads.W001",
        )
    ]
