"""Writes docs/authorization.md: ``python -m tests.authorization.page``."""

from __future__ import annotations

from pathlib import Path

from tests.authorization.table import OK, OPERATIONS, PEOPLE, SOCKETS, Rule

PAGE = Path(__file__).resolve().parents[2] / "docs" / "authorization.md"
HEAD = """# Who may do what

Made by `python -m tests.authorization.page` from `tests/authorization/table.py`, which the tests hold
against every operation of the API and every WebSocket. [auth.md](auth.md) explains it. With
`SKEINO_MODEL_PERMISSIONS` it takes Django's permissions besides: who lacks them is answered with 403.

"""
NOTE = """
In all that is answered, nobody finds a word of what they may not read. Sockets close with 4000 and the
number: 4401, 4404.
"""


def made() -> str:
    people = "".join(f"- **{name}**: {about}\n" for name, about in PEOPLE.items())
    head = f"\n| | {' | '.join(PEOPLE)} |\n|---|{'---|' * len(PEOPLE)}\n"
    rows = [(f"`{name}`", rule) for name, (rule, _) in OPERATIONS.items()]
    rows += [(f"socket `{path}`", rule) for path, rule in SOCKETS.items()]
    return HEAD + people + head + "".join(_row(*row) for row in rows) + NOTE


def _row(name: str, rule: Rule) -> str:
    outcomes = (rule.outcome(person) for person in PEOPLE)
    return f"| {name} | {' | '.join('yes' if one == OK else str(one) for one in outcomes)} |\n"


if __name__ == "__main__":
    PAGE.write_text(made())
