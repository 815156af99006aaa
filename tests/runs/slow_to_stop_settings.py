"""The project's settings for a worker process that stops more slowly than others notice its loss."""

from skeino_site.settings import *  # noqa: F403

SKEINO_HEARTBEAT_SECONDS = 1.0
SKEINO_WORKER_SHUTDOWN_SECONDS = 10.0
