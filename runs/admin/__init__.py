from __future__ import annotations

from runs.admin.runs import RunAdmin
from runs.admin.threads import ThreadAdmin

__all__ = ["RunAdmin", "ThreadAdmin"]
