"""What the official server answered, as facts to compare with. ``record`` writes them from transcripts.

A recording is one file of JSON, an exchange a line and an event a line. In it ``<id7>`` is the same id
wherever it stands, and within a list of events ``=`` is what stood at that place of the latest event of
that kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recorded"
SAME = "="
MIN_SAME = 24  # shorter values are written out


@dataclass
class Recorded:
    """An exchange to repeat. ``text`` is a body that is no JSON.

    ``begins``: it is under way when the exchange of that number begins. ``after``: the exchange of the first
    number is under way, and has sent as many events as the second says. ``until``: a GET of the path shows,
    under the keys, the value. ``leaves``: the client left after so many events; after none, then at once or
    after ``until``.
    """

    number: int
    label: str
    method: str
    path: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    text: str | None = None
    begins: int | None = None
    after: list[int] | None = None
    until: list[Any] | None = None
    leaves: int | None = None
    binds: dict[str, list[str | int]] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: Any = None
    length: int | None = None
    webhook: Any = None
    heartbeats: bool = False
    with_ids: bool = False
    events: list[tuple[str, Any]] | None = None


def kind(event: str) -> str:
    """The name of an event without the namespace behind it."""
    return event.partition("|")[0]


@cache
def load(name: str) -> dict[int, Recorded]:
    """The exchanges of a recording by their numbers."""
    loaded = [Recorded(**entry) for entry in json.loads((FOLDER / f"{name}.json").read_text())]
    for recorded in loaded:
        recorded.events = expanded(recorded.events)
    return {recorded.number: recorded for recorded in loaded}


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def save(name: str, exchanges: Iterable[Recorded]) -> None:
    (FOLDER / f"{name}.json").write_text(dump(exchanges))


def dump(exchanges: Iterable[Recorded]) -> str:
    return "[\n" + ",\n".join(_dump(exchange) for exchange in exchanges) + "\n]\n"


def _dump(exchange: Recorded) -> str:
    fields = asdict(exchange)
    events = squeezed(fields.pop("events"))
    always = ("number", "label", "method", "path", "status", "body", "answer")
    kept = {k: v for k, v in fields.items() if v is not None and (k in always or not (v == {} or v is False))}
    line = json.dumps(kept, ensure_ascii=False)
    if events is None:
        return line
    lines = ",\n".join(f"  {json.dumps(event, ensure_ascii=False)}" for event in events)
    return f'{line[:-1]}, "events": [\n{lines}]}}'


def squeezed(events: list[tuple[str, Any]] | None) -> list[tuple[str, Any]] | None:
    return _against_latest(events, _squeezed)


def expanded(events: list[tuple[str, Any]] | None) -> list[tuple[str, Any]] | None:
    return _against_latest(events, _expanded)


def _against_latest(events: Any, change: Any) -> Any:
    """Every event's data changed, knowing the whole data of the latest event of that kind."""
    if events is None:
        return None
    latest: dict[str, Any] = {}
    found = []
    for name, data in events:
        changed = change(data, latest.get(kind(name)))
        latest[kind(name)] = changed if change is _expanded else data
        found.append((name, changed))
    return found


def _squeezed(value: Any, before: Any) -> Any:
    if value == before and len(json.dumps(value)) >= MIN_SAME:
        return SAME
    return _each(value, before, _squeezed)


def _expanded(value: Any, before: Any) -> Any:
    return before if value == SAME else _each(value, before, _expanded)


def _each(value: Any, before: Any, change: Any) -> Any:
    if isinstance(value, dict):
        known = before if isinstance(before, dict) else {}
        return {key: change(item, known.get(key)) for key, item in value.items()}
    if isinstance(value, list):
        items = before if isinstance(before, list) else []
        return [change(item, items[i] if i < len(items) else None) for i, item in enumerate(value)]
    return value
