from __future__ import annotations

from threads.admin.api_keys import ApiKeyAdmin
from threads.admin.threads import ThreadAdmin

__all__ = ["ApiKeyAdmin", "ThreadAdmin"]
