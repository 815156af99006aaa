from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate
from pytest_django import DjangoAssertNumQueries, Settings

from assistants.apps import sync_assistants
from assistants.graphs import registry
from assistants.models import Assistant, system_assistant_id
from tests.graphs import plain
from tests.runs.engine import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty() -> None:
    Assistant.objects.all().delete()


def test_every_graph_has_a_system_assistant(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2):
        Assistant.objects.sync()
    found = Assistant.objects.values_list("pk", "graph_id", "name", "version", "metadata")
    expected = [(system_assistant_id(i), i, i, 1, {"created_by": "system"}) for i in registry.ids()]
    assert sorted(found) == sorted(expected)


def test_a_second_time_changes_nothing() -> None:
    Assistant.objects.sync()
    before = list(Assistant.objects.order_by("pk").values())
    Assistant.objects.sync()
    assert list(Assistant.objects.order_by("pk").values()) == before


def test_what_was_edited_stays_edited() -> None:
    Assistant.objects.sync()
    Assistant.objects.filter(graph_id="echo").update(name="Echo", config={"tags": ["a"]})
    Assistant.objects.sync()
    echo = Assistant.objects.find("echo")
    assert (echo.name, echo.config) == ("Echo", {"tags": ["a"]})


def test_the_description_in_the_file_is_that_of_the_assistant(settings: Settings, tmp_path: Path) -> None:
    for number, description in enumerate(("Says it again.", "Repeats.", None)):
        entry = {"path": "./echo.py:graph", "description": description}
        settings.SKEINO_LANGGRAPH_JSON = path = tmp_path / f"{number}.json"  # each is read once
        path.write_text(json.dumps({"graphs": {"echo": entry, "other": "./a.py:b"}}))
        Assistant.objects.sync()
        assert Assistant.objects.find("echo").description == description


def test_a_graph_that_comes_later_gets_one_too(settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"echo": plain.echo}
    Assistant.objects.sync()
    settings.SKEINO_GRAPHS = {"echo": plain.echo, "slow": plain.slow}
    Assistant.objects.sync()
    assert set(Assistant.objects.values_list("graph_id", flat=True)) == {"echo", "slow"}


def test_that_of_a_graph_that_is_gone_stays(settings: Settings) -> None:
    Assistant.objects.create(graph_id="gone", name="Gone")
    Assistant.objects.sync()
    assert Assistant.objects.filter(graph_id="gone").exists()


def test_migrating_does_it() -> None:
    post_migrate.send(
        sender=apps.get_app_config("assistants"),
        app_config=apps.get_app_config("assistants"),
        verbosity=0,
        interactive=False,
        using=connection.alias,
        apps=apps,
        plan=[],
    )
    assert Assistant.objects.count() == len(registry.ids())


def test_a_database_can_be_migrated_without_graphs(settings: Settings, tmp_path: Path) -> None:
    settings.SKEINO_LANGGRAPH_JSON = tmp_path / "langgraph.json"
    sync_assistants()
    assert not Assistant.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_together_do_not_fail_each_other() -> None:
    at_once(*[Assistant.objects.sync] * 8)
    assert Assistant.objects.count() == len(registry.ids())
