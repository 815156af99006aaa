"""What the benchmark reads: event streams in any pieces, and the log of Postgres."""

from __future__ import annotations

import pytest

from bench.client import Events
from bench.growth.statements import statements_in

STREAM = (
    b'event: metadata\r\ndata: {"run_id": "1"}\r\n\r\n: heartbeat\n\n'
    b'id: 2\nevent: messages\ndata: ["0.5 "]\n\ndata: {}\r\n\r\n'
)
LOG = """\
2026-01-02 03:04:05.678 UTC [12] ours LOG:  statement: SET search_path TO 'x'
2026-01-02 03:04:05.679 UTC [12] ours LOG:  execute <unnamed>: select a
\tfrom b where c = $1 AND d = $10 AND e = $2
2026-01-02 03:04:05.679 UTC [12] ours DETAIL:  Parameters: $1 = 'it''s
\tlong', $2 = NULL, $10 = '{"f": 1}'
2026-01-02 03:04:05.680 UTC [14] theirs LOG:  statement: SELECT elsewhere
2026-01-02 03:04:05.680 UTC [15]  LOG:  checkpoint starting: immediate force wait
2026-01-02 03:04:05.680 UTC [13] ours LOG:  statement: SELECT '$1' FROM threads
2026-01-02 03:04:05.681 UTC [13] ours ERROR:  SELECT is no statement here
"""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_in_whatever_pieces_they_come(size: int) -> None:
    events = Events()
    for start in range(0, len(STREAM), size):
        events.feed(STREAM[start : start + size])
    assert [event.name for event in events.all] == [b"metadata", b"messages", b"message"]
    assert [event.name for event in events.data] == [b"messages", b"message"]
    assert b'["0.5 "]' in events.data[0].block
    assert not events.failed


def test_an_error_event_fails_a_stream() -> None:
    events = Events()
    events.feed(b"event: error\ndata: {}\n\n")
    assert events.failed
    assert events.data == []


def test_the_log_tells_a_databases_queries_with_their_parameters_in_place() -> None:
    assert list(statements_in(LOG, "ours")) == [
        "select a\nfrom b where c = 'it''s\nlong' AND d = '{\"f\": 1}' AND e = NULL",
        "SELECT '$1' FROM threads",
    ]
