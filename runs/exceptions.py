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


class NoWebhook(APIException):
    """The run has no webhook, or has not ended."""

    status_code = 409
    default_code = "no_webhook"
    default_detail = __doc__


class NothingToCancel(APIException):
    """No matching runs to cancel. They have ended, or were deleted."""

    status_code = 404
    default_code = "nothing_to_cancel"
    default_detail = __doc__


class ThreadNeeded(APIException):
    """You must provide a thread_id when resuming."""

    status_code = 400
    default_code = "thread_needed"
    default_detail = __doc__


class IdempotencyKeyReused(APIException):
    """This Idempotency-Key was used for another request."""

    status_code = 422
    default_code = "idempotency_key_reused"
    default_detail = __doc__


class TooManyRuns(APIException):
    """The user has as many runs waiting and executing as they may."""

    status_code = 429
    default_code = "too_many_runs"
    wait = 5  # seconds, for `Retry-After`

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} runs waiting or executing, which is as many as you may have.")


class TooManyStreams(APIException):
    """This server has as many streams open as it may. Try again soon."""

    status_code = 429
    default_code = "too_many_streams"
    default_detail = __doc__
    wait = 1  # seconds, for `Retry-After`


class InvalidEventId(APIException):
    """Invalid event ID: this stream sends none like it"""

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
