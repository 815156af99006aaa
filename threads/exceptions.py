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


class ThreadForbidden(APIException):
    """The user may read the thread, but not do this with it."""

    status_code = 403
    default_code = "permission_denied"

    def __init__(self, access: str) -> None:
        super().__init__(
            f"You may read this thread, but not {access} {'it' if access == 'manage' else 'on it'}"
        )


class GroupNotFound(APIException):
    """No such group, or none that the user is in."""

    status_code = 422
    default_code = "group_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"You are in no group '{name}'")


class ShareNotFound(APIException):
    """The thread is not shared with that group."""

    status_code = 404
    default_code = "share_not_found"

    def __init__(self, group_id: object) -> None:
        super().__init__(f"The thread is not shared with group {group_id}")


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


class InvalidStateUpdate(APIException):
    """The graph refuses these values, this node, or both."""

    status_code = 400
    default_code = "invalid_state_update"
    default_detail = __doc__


class ThreadHasNoGraph(APIException):
    """The thread's graph is not known, or not served any more."""

    status_code = 400
    default_code = "thread_has_no_graph"

    def __init__(self, thread_id: object) -> None:
        super().__init__(
            f"Thread '{thread_id}' has no assigned graph ID, or its graph is not served any more. "
            "Set 'graph_id' in its metadata, or run an assistant on it."
        )


class ThreadNotPrunable(APIException):
    """The thread's state needs its earlier checkpoints: none can be deleted."""

    status_code = 409
    default_code = "thread_not_prunable"
    default_detail = __doc__
