"""The permissions that runs take, where SKEINO_MODEL_PERMISSIONS is on."""

from __future__ import annotations

ADD = ("runs.add_run",)
VIEW = ("runs.view_run", "threads.view_thread_content")
CANCEL = ("runs.cancel_run",)
REDELIVER = ("runs.redeliver_webhook",)
DELETE = ("runs.delete_run",)
