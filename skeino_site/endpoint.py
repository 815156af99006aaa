"""Where ``manage.py serve`` listens."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import socket
from dataclasses import dataclass

from django.conf import settings
from django.core.management.base import CommandError

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # nosec B104  (no address to listen on)


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def url(self, path: str) -> str:
        host = ANY_ADDRESS.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{path}"

    def check_is_free(self) -> None:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
                probe.bind(address)
        except socket.gaierror as exc:
            raise CommandError(f"The host {self.host} is not known: {exc.strerror}.") from exc
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                reason = "is in use. Stop what uses it, or set PORT to another one."
            else:
                reason = f"cannot be used: {exc.strerror}."
            raise CommandError(f"Port {self.port} on {self.host} {reason}") from exc

    def answers(self) -> bool:
        """Whether GET /ok is answered with 200."""
        connection = http.client.HTTPConnection(ANY_ADDRESS.get(self.host, self.host), self.port, timeout=2)
        try:
            connection.request("GET", "/ok", headers={"Host": _allowed_host()})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _allowed_host() -> str:
    """A Host header that Django accepts, whatever address it is asked at."""
    named = [host.removeprefix(".") for host in settings.ALLOWED_HOSTS if host != "*"]
    return named[0] if named else "localhost"
