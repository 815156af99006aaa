"""The project's settings for processes that are to be lost: their loss is noticed soon."""

from skeino_site.settings import *  # noqa: F403

SKEINO_HEARTBEAT_SECONDS = 2.0
SKEINO_WORKER_SHUTDOWN_SECONDS = 2.0
SKEINO_WORKER_CONCURRENCY = 8  # so that runs wait, and losses spread over many of them
SKEINO_MAX_ATTEMPTS = 1000
SKEINO_STREAM_HEARTBEAT_SECONDS = 1.0
SKEINO_EVENT_POLL_SECONDS = 1.0
