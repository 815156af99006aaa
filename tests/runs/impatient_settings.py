"""The project's settings for a worker process whose loss is noticed soon, and that stops soon."""

from skeino_site.settings import *  # noqa: F403

SKEINO_HEARTBEAT_SECONDS = 1.0
SKEINO_WORKER_SHUTDOWN_SECONDS = 0.5
SKEINO_CANCEL_SECONDS = 0.5
