from __future__ import annotations

from typing import Any

import pytest

from runs.handshake import BrowserOriginValidator
from tests.sockets import PatientCommunicator


async def accept(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})


async def is_let_in(origin: str | bytes | None, *allowed: str) -> bool:
    validator = BrowserOriginValidator(
        accept, list(allowed or ["skeino.example", ".wide.example", "localhost", "[::1]"])
    )
    value = origin.encode() if isinstance(origin, str) else origin
    headers = [] if value is None else [(b"origin", value)]
    communicator = PatientCommunicator(validator, "/ws", headers=headers)
    connected, _ = await communicator.connect()
    await communicator.disconnect()
    return bool(connected)


@pytest.mark.parametrize(
    "origin",
    [
        "https://skeino.example",
        "http://skeino.example:2024",
        "https://SKEINO.example",
        "https://wide.example",
        "https://deep.down.wide.example",
        "http://localhost:3000",
        "http://[::1]:2024",
    ],
)
async def test_our_own_pages_are_let_in(origin: str) -> None:
    assert await is_let_in(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://skeino.example.evil.example",
        "https://evilskeino.example",
        "https://notwide.example",
        "https://skeino.example@evil.example",
        "null",
        "",
        "file://",
        "skeino.example",
        "nonsense",
        b"\xff\xfe",
        "http://[",
    ],
)
async def test_pages_of_other_sites_are_not(origin: str | bytes) -> None:
    assert not await is_let_in(origin)


async def test_what_is_no_browser_is_let_in() -> None:
    assert await is_let_in(None)


async def test_a_star_lets_all_in() -> None:
    assert await is_let_in("https://evil.example", "*")
