"""Django's PostgreSQL backend, connected to the embedded server."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base

from skeino_site import embedded_postgres


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        """The first call starts the server: whoever only looks at the settings does not."""
        address = embedded_postgres.start(settings.DATA_DIR)
        return {
            **super().get_connection_params(),
            "host": address.socket_dir,
            "port": address.port,
            "user": address.user,
        }
