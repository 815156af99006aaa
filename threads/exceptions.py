from __future__ import annotations

from rest_framework.exceptions import APIException


class InvalidThreadId(APIException):
    """Invalid thread ID: must be a UUID"""

    status_code = 422
    default_code = "invalid_thread_id"
    default_detail = __doc__


class ThreadNotFound(APIException):
    """No such thread, or none that this user may see."""

    status_code = 404
    default_code = "thread_not_found"

    def __init__(self, thread_id: object) -> None:
        super().__init__(f"Thread with ID {thread_id} not found")


class ThreadExists(APIException):
    """A thread of that id is there already."""

    status_code = 409
    default_code = "thread_exists"

    def __init__(self, thread_id: object) -> None:
        super().__init__(f"Thread with ID {thread_id} already exists")


class ThreadBusy(APIException):
    """Thread is already running a task. Wait for it to finish or choose a different multitask strategy."""

    status_code = 409
    default_code = "thread_busy"
    default_detail = __doc__
