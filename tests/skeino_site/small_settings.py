"""The project's settings for processes that reach all their limits soon."""

from skeino_site.settings import *  # noqa: F403

SKEINO_WEB_THREADS = 3
SKEINO_WORKER_POOL_SIZE = 4
SKEINO_WORKER_NODE_THREADS = 5
