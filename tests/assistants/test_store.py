from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from assistants import store
from assistants.graphs import GraphLoadError
from tests.graphs import plain

Configure = Callable[..., None]


@pytest.fixture
def configure(folder: Path, settings: Settings) -> Configure:
    """Serves a langgraph.json with these settings of the store."""

    def configure(**options: Any) -> None:
        (folder / "embed.py").write_text(
            "def embed(texts):\n    return [[float(len(t)), 1.0] for t in texts]\n"
        )
        document = {"graphs": {"mine": "./mine.py:graph"}, "store": options}
        (folder / "langgraph.json").write_text(json.dumps(document))
        settings.SKEINO_LANGGRAPH_JSON = folder / "langgraph.json"

    return configure


@pytest.mark.django_db
def test_migrating_makes_its_tables() -> None:
    assert {"store", "store_migrations"} <= set(connection.introspection.table_names())


def test_it_is_plain_unless_told_otherwise(configure: Configure, settings: Settings, tmp_path: Path) -> None:
    assert store._options() == {}
    configure()
    assert store._options() == {}
    settings.SKEINO_LANGGRAPH_JSON = tmp_path / "missing.json"
    assert store._options() == {}


def test_graphs_of_the_settings_have_a_plain_one(configure: Configure, settings: Settings) -> None:
    configure(ttl={"default_ttl": 60})
    settings.SKEINO_GRAPHS = {"echo": plain.echo}
    assert store._options() == {}


def test_the_file_says_how_long_things_are_remembered(configure: Configure) -> None:
    configure(ttl={"default_ttl": 60, "refresh_on_read": True}, index=None)
    assert store._options() == {"ttl": {"default_ttl": 60, "refresh_on_read": True}}


def test_a_function_of_ones_own_may_embed_texts(configure: Configure) -> None:
    configure(index={"dims": 2, "embed": "./embed.py:embed", "fields": ["$"]})
    index = store._options()["index"]
    assert (index["dims"], index["fields"]) == (2, ["$"])
    assert index["embed"](["abc"]) == [[3.0, 1.0]]


def test_a_provider_is_left_to_the_library(configure: Configure) -> None:
    configure(index={"dims": 2, "embed": "openai:text-embedding-3-small"})
    assert store._options()["index"]["embed"] == "openai:text-embedding-3-small"


def test_a_function_that_is_not_there_is_an_error_in_one_line(configure: Configure) -> None:
    configure(index={"dims": 2, "embed": "./missing.py:embed"})
    with pytest.raises(GraphLoadError, match=r"^The store's index: .*missing\.py does not exist\.$"):
        store._options()
