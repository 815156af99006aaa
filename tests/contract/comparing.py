"""Comparing what this server answers with what was recorded of the official one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from tests.contract.masks import ANYTHING, ID, REST, SYMBOL, TEXT, TIME, TIME_MASK, each_string
from tests.contract.recordings import kind

MARK = re.compile(f"({SYMBOL.pattern}|{TIME_MASK})")


@dataclass(frozen=True)
class Finding:
    """A difference: ``what`` names the place, without positions in lists, and what is the matter there."""

    what: str
    recorded: Any = None
    here: Any = None

    def __str__(self) -> str:
        return f"{self.what} (recorded: {_short(self.recorded)}; here: {_short(self.here)})"


@dataclass(frozen=True)
class Difference:
    """A difference that is meant. ``here`` says what this server does, ``why`` gives the reason.

    ``where`` names exchanges, as recording/number, and ``what`` findings, a line each. ``*`` is anything.
    """

    here: str
    why: str
    where: str
    what: str

    @property
    def places(self) -> list[str]:
        return self.where.split()

    @property
    def findings(self) -> list[str]:
        return [line.strip() for line in self.what.strip().splitlines()]

    def covers(self, exchange: str, finding: Finding) -> bool:
        return any(matches(place, exchange) for place in self.places) and any(
            matches(what, finding.what) for what in self.findings
        )


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))))


def matches(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


class UnknownId(LookupError):
    """A request needs an id that no answer has given yet."""


class Comparison:
    """Compares answers one after another, and learns which id here is which in the recording.

    The same id there must be the same here, and two there two here.
    """

    def __init__(self) -> None:
        self._here: dict[str, str] = {}
        self._recorded: dict[str, str] = {}

    def bind(self, symbol: str, value: str) -> bool:
        """Hold the id for that of the recording; False if either is known as another."""
        known = self._here.setdefault(symbol, value), self._recorded.setdefault(value, symbol)
        return known == (value, symbol)

    def filled_in(self, value: Any) -> Any:
        """A recorded request with the ids of this server. Raises UnknownId."""
        return each_string(value, lambda text: SYMBOL.sub(lambda found: self._known(found[0]), text))

    def _known(self, symbol: str) -> str:
        if symbol not in self._here:
            raise UnknownId(symbol)
        return self._here[symbol]

    def values(self, where: str, recorded: Any, here: Any) -> Iterator[Finding]:
        """The differences of two JSON values."""
        if recorded == ANYTHING or (recorded == TEXT and isinstance(here, str)):
            return
        if isinstance(recorded, dict) and isinstance(here, dict):
            yield from self._objects(where, recorded, here)
        elif isinstance(recorded, list) and isinstance(here, list):
            yield from self._lists(where, recorded, here)
        elif isinstance(recorded, str) and isinstance(here, str):
            if not self.same_text(recorded, here):
                yield Finding(f"{where} differs", recorded, here)
        elif recorded != here or isinstance(recorded, bool) != isinstance(here, bool):
            yield Finding(f"{where} differs", recorded, here)

    def _objects(self, where: str, recorded: dict[str, Any], here: dict[str, Any]) -> Iterator[Finding]:
        pairs, missing, extra = self._paired(where, recorded, here)
        for key, own_key in pairs:
            yield from self.values(f"{where}.{MARK.sub('ID', key)}", recorded[key], here[own_key])
        for key in missing:
            yield Finding(f"{where}.{MARK.sub('ID', key)} missing", recorded[key])
        if REST not in recorded:
            for key in extra:
                yield Finding(f"{where}.{ID.sub('ID', key)} extra", here=here[key])

    def _paired(
        self, where: str, recorded: dict[str, Any], here: dict[str, Any]
    ) -> tuple[list[tuple[str, str]], list[str], list[str]]:
        """Which keys belong together: those that are equal, and ids whose values differ the least."""
        pairs = [(key, key) for key in recorded if key in here]
        left = [key for key in recorded if key not in here and key != REST]
        extra = [key for key in here if key not in recorded]
        for key in [key for key in left if MARK.search(key)]:
            fitting = [own for own in extra if self._pattern(key).fullmatch(own)]
            if fitting:
                found = min(fitting, key=lambda own: self._count(where, (key, own), recorded, here))
                self.same_text(key, found)
                pairs.append((key, found))
                left.remove(key)
                extra.remove(found)
        return pairs, left, extra

    def _count(self, where: str, pair: tuple[str, str], recorded: Any, here: Any) -> int:
        """How many differences there would be if these keys belonged together."""
        trial = Comparison()
        trial._here, trial._recorded = dict(self._here), dict(self._recorded)
        wrong = not trial.same_text(*pair)
        return wrong + len(list(trial.values(where, recorded[pair[0]], here[pair[1]])))

    def _lists(self, where: str, recorded: list[Any], here: list[Any]) -> Iterator[Finding]:
        whole = not recorded or recorded[-1] != REST
        recorded = recorded if whole else recorded[:-1]
        for item, own_item in zip(recorded, here, strict=False):
            yield from self.values(f"{where}[]", item, own_item)
        if len(here) < len(recorded) or (whole and len(here) > len(recorded)):
            yield Finding(f"{where}[] length", len(recorded), len(here))

    def same_text(self, recorded: str, here: str) -> bool:
        """Whether the texts are equal, ids and times aside; ids are bound."""
        found = self._pattern(recorded).fullmatch(here)
        if found is None:
            return False
        symbols = SYMBOL.findall(recorded)
        bound = [self.bind(symbol, key) for symbol, key in zip(symbols, found.groups(), strict=True)]
        return all(bound)

    def _pattern(self, recorded: str) -> re.Pattern[str]:
        parts = MARK.split(recorded)
        parts[::2] = map(re.escape, parts[::2])
        parts[1::2] = [TIME.pattern if part == TIME_MASK else f"({ID.pattern})" for part in parts[1::2]]
        return re.compile("".join(parts), re.DOTALL)

    def events(self, recorded: list[tuple[str, Any]], here: list[tuple[str, Any]]) -> Iterator[Finding]:
        """The differences of two streams: their events' names in order, and their data."""
        names, own_names = [_shape(name) for name, _ in recorded], [_shape(name) for name, _ in here]
        for change, i, j, k, m in SequenceMatcher(None, names, own_names, autojunk=False).get_opcodes():
            if change == "equal":
                for (name, data), (own_name, own_data) in zip(recorded[i:j], here[k:m], strict=True):
                    if not self.same_text(name, own_name):
                        yield Finding(f"event {kind(name)} name", name, own_name)
                    yield from self.values(f"event {kind(name)}", data, own_data)
                continue
            for name, data in recorded[i:j]:
                yield Finding(f"event {kind(name)} missing", data)
            for name, data in here[k:m]:
                yield Finding(f"event {kind(name)} extra", here=data)


def _shape(event: str) -> str:
    """The name of an event, with its namespace's nodes and without their ids."""
    return ID.sub("ID", MARK.sub("ID", event))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 100 else f"{text[:97]}…"
