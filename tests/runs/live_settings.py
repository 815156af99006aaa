"""The project's settings for a server whose streams hear of what is told, and else of nothing for long."""

from skeino_site.settings import *  # noqa: F403

SKEINO_EVENT_POLL_SECONDS = 60.0
