"""Which addresses this server calls when a client names them: public ones, unless a setting allows all."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit, urlunsplit

from runs.conf import conf


class AddressRefused(Exception):
    """An address this server does not call. The message says why."""


def check_url(url: str) -> None:
    """Raises AddressRefused for what is no http(s) address, or a private one that is written out.

    Names are resolved and checked when the webhook is sent, for what they resolve to may change.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as exc:
        raise AddressRefused(f"The webhook is no valid URL: {exc}.") from exc
    if parts.scheme not in ("http", "https") or not host:
        raise AddressRefused("The webhook must be an absolute http or https URL.")
    if conf.SKEINO_WEBHOOK_ALLOW_PRIVATE:
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
            raise AddressRefused("The webhook's host is private.") from None
        return
    if not address.is_global or address.is_multicast:
        raise AddressRefused("The webhook's address is private.")


def pinned(url: str) -> tuple[str, str]:
    """The URL with its host resolved, so that what is checked is what is called; and the host.

    Raises AddressRefused for a private address, socket.gaierror for a name that does not resolve.
    """
    parts = urlsplit(url)
    host = str(parts.hostname)
    found = socket.getaddrinfo(host, parts.port or parts.scheme, proto=socket.IPPROTO_TCP)
    address = ipaddress.ip_address(found[0][4][0])
    if not conf.SKEINO_WEBHOOK_ALLOW_PRIVATE and (not address.is_global or address.is_multicast):
        raise AddressRefused("The webhook's host resolves to a private address.")
    literal = f"[{address}]" if address.version == 6 else str(address)
    netloc = literal if parts.port is None else f"{literal}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc)), host
