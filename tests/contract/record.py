"""Writes ``recorded/`` from transcripts: ``python -m tests.contract.record [FOLDER]``.

It leaves out what this server has no endpoint for, masks ids and times, and drops the wording of errors.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.contract import recordings, timing, transcripts
from tests.contract.masks import ANYTHING, ID, ITSELF, RECEIVER, TEXT, TIME, TIME_MASK, closed, each_string
from tests.contract.recordings import Recorded
from tests.contract.transcripts import Exchange

GRAPHS = ("agent", "echo", "interrupting", "sub", "fails", "slow", "quiet", "subint", "parint", "ui")
NAMESPACE = uuid.UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
RECEIVED_AT = "http://127.0.0.1:28199"  # where webhooks went

TRANSCRIPTS = (
    "01_meta",
    "02_assistants",
    "03_threads",
    "04_stream_modes_echo_agent",
    "05_stream_slow_custom",
    "06_stream_subgraphs",
    "07_stream_error",
    "08_interrupts",
    "09_runs_lifecycle",
    "09b_runs_stopped",
    "10_multitask",
    "11_join_resume",
    "12_on_disconnect",
    "13_heartbeat_delay_webhook",
    "14_checkpoints_durability",
    "15_stateless",
    "19_thread_stream_join",
    "22_webhook_body_config",
    "22b_webhook_body",
    "23_interrupt_subgraph_parallel",
    "42_messages_both",
    "44_stateless_run_paths",
    "45_join_stream_ids",
)
# Recordings that are part of another's transcript: for a server with other settings.
PART_OF = {"09b_runs_stopped": "09_runs_lifecycle"}

# Operations that this server does not have. docs/compatibility.md lists them.
MISSING = re.compile(
    r"(GET /metrics.*"
    r"|POST /(assistants|threads)/count"
    r"|(POST|PATCH|DELETE) /assistants(/[^/]+)?(/versions|/latest)?"
    r"|POST /threads/prune|GET /threads/[^/]+/storage)"
)
EXISTING = re.compile(r"POST /assistants/search")

# Exchanges that say nothing about this server: what came before them is missing here, the official server was
# configured for them, or their answer is a matter of milliseconds.
SKIPPED: dict[str, set[int]] = {
    "02_assistants": {53, 54, 58},
    "03_threads": {84},
    "09_runs_lifecycle": {*range(13, 21), *range(48, 99)},
    "09b_runs_stopped": {*range(3, 13), *range(21, 48), 51, 59, 61, 62, 69},
    "10_multitask": {24, 25, 31, 32},
    "12_on_disconnect": {15},
    "15_stateless": {4, 19},
    "22_webhook_body_config": set(range(1, 8)),
}

# Shorter waits than those that were recorded.
SHORTER = {
    ("13_heartbeat_delay_webhook", 2): ('"12"', '"6"'),
    ("13_heartbeat_delay_webhook", 4): ('"11"', '"6"'),
    ("13_heartbeat_delay_webhook", 6): (": 3", ": 1"),
    ("11_join_resume", 16): ('"n"}', '"n"}, "after_seconds": 0.5'),  # it was pending for as long
}

# Ids that stand in a part of an answer that the transcript leaves out: in which exchange's answer, and where.
HIDDEN_IDS: dict[str, dict[str, tuple[int, list[str | int]]]] = {
    "14_checkpoints_durability": {
        "1f1e5d35-1f67-6458-8003-bff1df1191dd": (3, [3, "checkpoint", "checkpoint_id"])
    }
}

# What the recorded server's own authentication stamped on threads, and what LangGraph keeps for itself.
OF_OTHERS = re.compile("owner|__pregel_.*")

# What the official server says of itself in metadata and in `configurable`.
OF_ITSELF = {
    "__after_seconds__",
    "__request_start_time_ms__",
    "langgraph_api_url",
    "langgraph_api_version",
    "langgraph_host",
    "langgraph_plan",
    "langgraph_version",
}

HEADERS = (
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-location",
    "content-type",
    "location",
    "x-accel-buffering",
    "x-pagination-next",
    "x-pagination-total",
)

CUT_OFF = re.compile(r"\n\.\.\. \[\d+ chars in all\]\s*$")
CHECKPOINTS = re.compile(r"number of checkpoints (\d+)|(\d+) checkpoints")
WEBHOOK = re.compile(r"WEBHOOK RECEIVED: .*\n.*\nbody=(.*)")


class Masking:
    """Gives every id of a transcript a symbol. Ids that a client chose keep their own names."""

    def __init__(self, hidden: dict[str, tuple[int, list[str | int]]]) -> None:
        self._known = {str(uuid.uuid5(NAMESPACE, graph)): "" for graph in GRAPHS}
        self._symbols = 0
        self.binds: dict[int, dict[str, list[str | int]]] = {}
        for key, (number, path) in hidden.items():
            self.binds.setdefault(number, {})[self._symbol(key)] = path

    def request(self, value: Any) -> Any:
        return each_string(value, lambda text: ID.sub(lambda found: self._known_or_own(found[0]), text))

    def answer(self, value: Any) -> Any:
        def mask(text: str) -> str:
            return ID.sub(lambda found: self._symbol(found[0]), TIME.sub(TIME_MASK, text))

        return each_string(value, mask)

    def _known_or_own(self, key: str) -> str:
        return self._known.setdefault(key, "") or key

    def _symbol(self, key: str) -> str:
        if key not in self._known:
            self._symbols += 1
            self._known[key] = f"<id{self._symbols}>"
        return self._known[key] or key


def record(name: str, exchanges: list[Exchange]) -> Iterator[Recorded]:
    masking = Masking(HIDDEN_IDS.get(name, {}))
    _hand_out_webhooks(exchanges)
    _name_events(exchanges)
    for exchange in exchanges:
        if is_missing(exchange) or exchange.number in SKIPPED.get(name, ()):
            continue
        yield _recorded(name, exchange, masking)


def is_missing(exchange: Exchange) -> bool:
    operation = f"{exchange.method} {exchange.path}"
    return bool(MISSING.fullmatch(operation)) and not EXISTING.fullmatch(operation)


def _recorded(name: str, exchange: Exchange, masking: Masking) -> Recorded:
    shorter = SHORTER.get((name, exchange.number), ("", ""))
    exchange.answer = exchange.answer.replace(*shorter)
    body = None if exchange.body is None else exchange.body.replace(*shorter).replace(RECEIVED_AT, RECEIVER)
    recorded = Recorded(
        exchange.number,
        exchange.label.removeprefix("(setup) "),
        exchange.method,
        masking.request(exchange.path),
        exchange.status,
        headers={name: value for name, value in exchange.headers.items() if name != "x-api-key"},
        leaves=len(exchange.frames or ()) if exchange.left else None,
    )
    for what, value in timing.of(name, exchange.number, exchange.path).items():
        setattr(recorded, what, masking.request(value))
    if body is not None:
        try:
            recorded.body = masking.request(json.loads(body))
        except ValueError:
            recorded.text = body
    recorded.binds = masking.binds.get(exchange.number, {})
    _record_answer(recorded, exchange, masking)
    return recorded


def _record_answer(recorded: Recorded, exchange: Exchange, masking: Masking) -> None:
    recorded.answer_headers = masking.answer(
        {name: exchange.answer_headers[name] for name in HEADERS if name in exchange.answer_headers}
    )
    if exchange.frames is not None:
        recorded.events = [
            (masking.answer(frame.event), masking.answer(trimmed(json.loads(frame.data))))
            for frame in exchange.frames[: recorded.leaves]
        ]
        recorded.with_ids = any(frame.has_id for frame in exchange.frames)
        recorded.heartbeats = bool(exchange.heartbeats)
    elif exchange.answer:
        recorded.answer = masking.answer(_answer(exchange))
        recorded.heartbeats = bool(exchange.heartbeats)
    for note in exchange.notes:
        if found := CHECKPOINTS.search(note):
            recorded.length = int(found[1] or found[2])
        if found := WEBHOOK.match(note):
            recorded.webhook = masking.answer(trimmed(json.loads(found[1].replace(RECEIVED_AT, RECEIVER))))


def _answer(exchange: Exchange) -> Any:
    media_type = exchange.answer_headers.get("content-type", "application/json")
    if media_type != "application/json" or exchange.path == "/openapi.json":
        return ANYTHING
    if exchange.status >= 400:
        return {"detail": TEXT}
    whole = CUT_OFF.sub("", exchange.answer)
    return trimmed(json.loads(whole if whole == exchange.answer else closed(whole)))


def trimmed(value: Any) -> Any:
    """Without what the official server says of itself, and what LangChain's messages are in detail."""
    if isinstance(value, list):
        return [trimmed(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: dict.fromkeys(item, ANYTHING) if key == "$defs" else trimmed(item)
        for key, item in value.items()
        if key not in OF_ITSELF and not OF_OTHERS.fullmatch(key)
    }
    return kept if value.keys().isdisjoint(OF_ITSELF) else {**kept, ITSELF: None}


def _name_events(exchanges: list[Exchange]) -> None:
    """Whoever went on after an event named its id. Here that is `event` and where it was: exchange/place."""
    for exchange in exchanges:
        last = exchange.headers.get("last-event-id")
        for earlier in exchanges[: exchanges.index(exchange)]:
            ids = [frame.id for frame in earlier.frames or ()]
            if last in ids:
                exchange.headers["last-event-id"] = f"event {earlier.number}/{ids.index(last)}"
                break


def _hand_out_webhooks(exchanges: list[Exchange]) -> None:
    """What was received in the end belongs to the exchanges that asked for it."""
    for exchange in exchanges:
        received = [note for note in exchange.notes if WEBHOOK.match(note)]
        exchange.notes = [note for note in exchange.notes if note not in received]
        for note in received:
            run_id = json.loads(WEBHOOK.match(note)[1])["run_id"]  # type: ignore[index]
            for asked in exchanges:
                if run_id in asked.answer_headers.get("content-location", ""):
                    asked.notes.append(note)


def source(name: str, folder: Path) -> Path:
    return folder / f"{PART_OF.get(name, name)}.txt"


def main(folder: Path) -> None:
    for name in TRANSCRIPTS:
        exchanges = list(record(name, transcripts.read(source(name, folder))))
        recordings.save(name, exchanges)
        print(f"{name}: {len(exchanges)} exchanges")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else transcripts.FOLDER)
