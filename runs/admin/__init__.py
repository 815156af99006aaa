from __future__ import annotations

from runs.admin.queue import JobAdmin, WorkerAdmin
from runs.admin.runs import RunAdmin
from runs.admin.threads import ThreadAdmin

__all__ = ["JobAdmin", "RunAdmin", "ThreadAdmin", "WorkerAdmin"]
