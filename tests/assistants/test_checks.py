from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

from assistants.checks import check_graphs
from tests.graphs import plain


def ids() -> list[str | None]:
    return [message.id for message in check_graphs()]


def test_settings_that_name_graphs_are_in_order() -> None:
    assert ids() == []


def test_a_missing_langgraph_json_is_an_error_with_a_hint(settings: Settings, tmp_path: Path) -> None:
    settings.SKEINO_LANGGRAPH_JSON = tmp_path / "langgraph.json"
    [message] = check_graphs()
    assert message.id == "assistants.E001"
    assert str(tmp_path) in message.msg
    assert message.hint == "Or name your graphs in SKEINO_GRAPHS."


def test_a_key_that_nobody_knows_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    settings.SKEINO_LANGGRAPH_JSON = tmp_path / "langgraph.json"
    document = {"graphs": {"a": "./a.py:graph"}, "grahps": {}, "htpp": {}}
    (tmp_path / "langgraph.json").write_text(json.dumps(document))
    assert ids() == ["assistants.W001", "assistants.W001"]
    assert '"grahps"' in check_graphs()[0].msg


def test_graphs_of_the_settings_make_the_file_unnecessary(settings: Settings, tmp_path: Path) -> None:
    settings.SKEINO_LANGGRAPH_JSON = tmp_path / "langgraph.json"
    settings.SKEINO_GRAPHS = {"echo": plain.echo, "slow": "tests.graphs.plain:slow", "a": "./a.py:graph"}
    assert ids() == []


@pytest.mark.parametrize("target", ["tests.graphs.plain", "./a.py", ""])
def test_a_graph_of_the_settings_must_name_a_variable(settings: Settings, target: str) -> None:
    settings.SKEINO_GRAPHS = {"echo": plain.echo, "odd": target}
    [message] = check_graphs()
    assert message.id == "assistants.E002"
    assert 'SKEINO_GRAPHS["odd"]' in message.msg


@pytest.mark.parametrize("graphs", [["tests.graphs.plain:echo"], "tests.graphs.plain:echo"])
def test_graphs_of_the_settings_must_have_names(settings: Settings, graphs: Any) -> None:
    settings.SKEINO_GRAPHS = graphs
    assert ids() == ["assistants.E002"]


def test_manage_py_check_runs_it(settings: Settings, tmp_path: Path) -> None:
    settings.SKEINO_LANGGRAPH_JSON = tmp_path / "langgraph.json"
    assert "assistants.E001" in [message.id for message in checks.run_checks()]
