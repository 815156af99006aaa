from __future__ import annotations

from rest_framework.exceptions import APIException


class InvalidRunId(APIException):
    """Invalid run ID: must be a UUID"""

    status_code = 422
    default_code = "invalid_run_id"
    default_detail = __doc__


class RunNotFound(APIException):
    """No such run on the thread."""

    status_code = 404
    default_code = "run_not_found"

    def __init__(self, run_id: object) -> None:
        super().__init__(f"Run with ID {run_id} not found")


class RunNotRetryable(APIException):
    """Only a run that did not go well, and is its thread's latest, can be tried again."""

    status_code = 409
    default_code = "run_not_retryable"


class InvalidEventId(APIException):
    """Invalid event ID: must be a number"""

    status_code = 422
    default_code = "invalid_event_id"
    default_detail = __doc__


class RunLost(Exception):
    """The run is no longer this worker's: it was deleted, or another attempt has taken it over."""


class HandedBack(Exception):
    """The worker stops, or may have been given up: the run goes on from its last checkpoint elsewhere."""


class EventTooLarge(Exception):
    """The graph emitted more at once than a stream carries. The run fails with it."""

    def __init__(self, event: str, size: int, limit: int) -> None:
        super().__init__(
            f"An event '{event}' has {size:,} bytes, more than the {limit:,} of a stream's events."
        )
