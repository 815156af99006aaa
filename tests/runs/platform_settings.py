"""The project's settings for a server that behaves as the official one does, and soon breaks silence."""

from skeino_site.settings import *  # noqa: F403

SKEINO_RUN_CREATE = "background"
SKEINO_BUSY = "platform"
SKEINO_STREAM_HEARTBEAT_SECONDS = 0.1
SKEINO_EVENT_POLL_SECONDS = 60.0
