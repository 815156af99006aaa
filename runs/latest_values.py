from __future__ import annotations

from typing import Any

from threads.encoding import EncodedJSON, encode, for_jsonb


class LatestValues:
    """The state that a graph has last told of, by the root's values that it streams."""

    def __init__(self) -> None:
        self.is_interrupted = False
        self._values: Any = None
        self._text = ""  # if an event has them encoded already

    def take(self, chunk: Any) -> None:
        if isinstance(chunk, dict) and "__interrupt__" in chunk:
            self.is_interrupted = True
            chunk = {key: value for key, value in chunk.items() if key != "__interrupt__"}
        self._values, self._text = chunk, ""

    def note_encoded(self, data: Any, text: str) -> None:
        """An event's data have been encoded as this text: they may be these values."""
        if data is self._values:
            self._text = text

    def encoded(self) -> EncodedJSON | None:
        """None if the graph has told of none."""
        return None if self._values is None else for_jsonb(self._text or encode(self._values))
