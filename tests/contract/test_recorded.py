from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract import record, recordings, transcripts
from tests.contract.comparing import Difference, Finding, matches
from tests.contract.differences import DIFFERENCES
from tests.contract.replaying import Replay

Replays = Callable[[str], Replay]

EXCHANGES = [
    pytest.param(name, number, id=f"{name}-{number}-{recorded.label}".rstrip("-"))
    for name in recordings.names()
    for number, recorded in recordings.load(name).items()
]


def identify(name: str, number: int) -> str:
    return f"{name.partition('_')[0]}/{number}"


@pytest.fixture(scope="session")
def findings(replay: Replays) -> list[tuple[str, Finding]]:
    """All differences of all exchanges."""
    return [
        (identify(name, number), finding)
        for name in recordings.names()
        for number, found in replay(name).findings.items()
        for finding in found
    ]


@pytest.mark.parametrize(("name", "number"), EXCHANGES)
def test_it_answers_as_the_official_server_but_for_listed_differences(
    replay: Replays, name: str, number: int
) -> None:
    exchange = identify(name, number)
    found = replay(name).findings[number]
    unlisted = [f for f in found if not any(difference.covers(exchange, f) for difference in DIFFERENCES)]
    assert not unlisted, "\n".join(map(str, unlisted))


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.here[:60])
def test_every_listed_difference_is_still_one(
    findings: list[tuple[str, Finding]], difference: Difference
) -> None:
    assert not list(stale(difference, findings))


def stale(difference: Difference, findings: list[tuple[str, Finding]]) -> Iterator[str]:
    """The parts of the difference that nothing shows any more."""
    covered = [(exchange, finding) for exchange, finding in findings if difference.covers(exchange, finding)]
    for place in difference.places:
        if not any(matches(place, exchange) for exchange, _ in covered):
            yield place
    for what in difference.findings:
        if not any(matches(what, finding.what) for _, finding in covered):
            yield what


@pytest.mark.skipif(not transcripts.FOLDER.is_dir(), reason="The transcripts are not part of the repository.")
@pytest.mark.parametrize("name", record.TRANSCRIPTS)
def test_recordings_are_what_the_transcripts_say(name: str) -> None:
    exchanges = record.record(name, transcripts.read(record.source(name, transcripts.FOLDER)))
    assert recordings.dump(exchanges) == (recordings.FOLDER / f"{name}.json").read_text()
