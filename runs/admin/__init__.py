from __future__ import annotations

from runs.admin.assistants import AssistantAdmin
from runs.admin.queue import JobAdmin, WorkerAdmin
from runs.admin.runs import RunAdmin
from runs.admin.threads import ThreadAdmin

__all__ = ["AssistantAdmin", "JobAdmin", "RunAdmin", "ThreadAdmin", "WorkerAdmin"]
