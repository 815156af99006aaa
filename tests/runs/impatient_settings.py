"""The project's settings for a worker process whose loss is noticed soon."""

from skeino_site.settings import *  # noqa: F403

SKEINO_HEARTBEAT_SECONDS = 1.0
