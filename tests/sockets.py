from __future__ import annotations

from typing import Any

from channels.testing import WebsocketCommunicator

PATIENCE = 30.0  # seconds


class PatientCommunicator(WebsocketCommunicator):
    """Does not give up on a machine that is busy with something else: Channels' own waits a second."""

    async def receive_output(self, timeout: float = PATIENCE) -> Any:
        return await super().receive_output(max(timeout, PATIENCE))
