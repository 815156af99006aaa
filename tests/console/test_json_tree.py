from __future__ import annotations

import pytest

from assistants.console.json_tree import MAX_DEPTH, json_tree
from tests.console.pages import SCRIPT


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (0, "0"),
        (1.0, "1.0"),
        ("1", "1"),
        ([], "[0]"),
    ],
)
def test_values_are_shown_as_json_has_them(value: object, shown: str) -> None:
    assert f">{shown}</span>" in json_tree([value])


def test_names_and_texts_are_escaped() -> None:
    assert SCRIPT not in json_tree({SCRIPT: [SCRIPT]})


def test_what_is_left_out_is_told() -> None:
    assert "991 more are not shown" in json_tree([0] * 1000, max_nodes=10)
    deep: list[object] = []
    for _ in range(2 * MAX_DEPTH):
        deep = [deep]
    assert json_tree(deep).count("<details") == MAX_DEPTH + 1
    assert "1 more are not shown" in json_tree(deep)
