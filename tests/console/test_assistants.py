from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from langgraph.graph import START, StateGraph
from pydantic import BaseModel, Field
from pytest_django import DjangoAssertNumQueries, Settings
from typing_extensions import TypedDict

from assistants.console import lists
from assistants.console.schema_form import fields_of
from assistants.models import Assistant
from tests.console.pages import SCRIPT, log_in_staff, make_run, page, url
from threads.models import Thread

pytestmark = pytest.mark.django_db


class Tone(BaseModel):
    warmth: int = 3


class Context(BaseModel):
    model: Literal["small", "large"] = "small"
    temperature: Annotated[float, Field(ge=0, le=2, description=f"How odd. {SCRIPT}")] = 0.5
    retries: int | None = None
    prompt: str = "Be kind."
    verbose: bool = False
    tools: list[str] = []
    tone: Tone = Tone()


class State(TypedDict):
    text: str


def graph() -> Any:
    return StateGraph(State, context_schema=Context).add_node("a", lambda state: state).add_edge(START, "a")


@pytest.fixture
def assistant(settings: Settings) -> Assistant:
    settings.SKEINO_GRAPHS = {"described": graph(), "plain": graph_without()}
    return Assistant.objects.create(graph_id="described", name="helper")


def graph_without() -> Any:
    return StateGraph(State).add_node("a", lambda state: state).add_edge(START, "a")


def save(client: Client, assistant: Assistant, **fields: str) -> Any:
    """As the page's form: keys are ``context.model`` and the like."""
    form = {"name": assistant.name, "graph_id": assistant.graph_id, "version": "1", "metadata": "{}"}
    response = client.post(url(assistant, "change", assistant.pk), {**form, **fields})
    assistant.refresh_from_db()
    return response


# Context and config


def test_the_form_has_a_field_for_what_the_schema_names(admin_client: Client, assistant: Assistant) -> None:
    content = page(admin_client, url(assistant, "change", assistant.pk))
    for name in ("model", "temperature", "retries", "prompt", "verbose", "tools", "tone", "others"):
        assert f'name="context.{name}"' in content
    assert "config.recursion_limit" in content
    assert "How odd." in content
    assert SCRIPT not in content


def test_what_is_filled_in_is_saved_with_its_type(admin_client: Client, assistant: Assistant) -> None:
    fields = {
        "context.model": '"large"',
        "context.temperature": "1.5",
        "context.retries": "0",
        "context.prompt": " Be brief. ",
        "context.verbose": "false",
        "context.tools": '["search"]',
        "context.tone": '{"warmth": 5}',
        "context.others": '{"extra": 1}',
        "config.recursion_limit": "7",
        "config.others": '{"configurable": {"a": 1}}',
    }
    assert save(admin_client, assistant, **fields).status_code == 302
    assert assistant.context == {
        "model": "large",
        "temperature": 1.5,
        "retries": 0,
        "prompt": " Be brief. ",
        "verbose": False,
        "tools": ["search"],
        "tone": {"warmth": 5},
        "extra": 1,
    }
    assert assistant.config == {"recursion_limit": 7, "configurable": {"a": 1}}


def test_what_is_left_empty_is_not_set(admin_client: Client, assistant: Assistant) -> None:
    Assistant.objects.update(context={"model": "large", "retries": 2}, config={"recursion_limit": 7})
    save(admin_client, assistant, **{"context.retries": "2"})
    assert (assistant.context, assistant.config) == ({"retries": 2}, {})


def test_what_was_saved_comes_back_and_saving_it_again_changes_nothing(
    admin_client: Client, assistant: Assistant
) -> None:
    context = {"model": "large", "verbose": True, "temperature": 0.0, "tone": {"warmth": 1}, "own": [1]}
    Assistant.objects.update(context=context, config={"tags": ["x"], "configurable": {"b": None}})
    response = admin_client.get(url(assistant, "change", assistant.pk))
    form = response.context["adminform"].form
    fields = {name: form[name].value() for name in form.fields if "." in name}
    assert (
        save(admin_client, assistant, **{k: v for k, v in fields.items() if v is not None}).status_code == 302
    )
    assert assistant.context == context
    assert assistant.config == {"tags": ["x"], "configurable": {"b": None}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context.model", '"huge"'),
        ("context.temperature", "3"),
        ("context.temperature", "warm"),
        ("context.retries", "1.5"),
        ("context.tools", '{"a": 1}'),
        ("context.tools", "["),
        ("context.tone", "[]"),
        ("context.others", "[1]"),
        ("config.recursion_limit", "0"),
        ("config.others", '{"configurable": [1]}'),
    ],
)
def test_what_is_wrong_is_said_and_not_saved(
    admin_client: Client, assistant: Assistant, name: str, value: str
) -> None:
    response = save(admin_client, assistant, **{name: value, "name": "renamed"})
    assert response.status_code == 200
    assert b"errorlist" in response.content
    assert (assistant.name, assistant.context, assistant.config) == ("helper", {}, {})


@pytest.mark.parametrize("value", ["x", 5, {"a": 1}, True, "", [[]]])
def test_values_that_the_schema_does_not_allow_are_shown_as_they_are(
    admin_client: Client, assistant: Assistant, value: object
) -> None:
    context = {"model": value, "temperature": str(value), "verbose": value if value is not True else 1}
    Assistant.objects.update(context=context)
    response = admin_client.get(url(assistant, "change", assistant.pk))
    form = response.context["adminform"].form
    fields = {name: form[name].value() for name in form.fields if name.startswith("context.")}
    save(admin_client, assistant, **{k: v for k, v in fields.items() if v is not None})
    assert assistant.context == context


@pytest.mark.parametrize("empty", ["", "null", "{}"])
def test_what_is_emptied_is_an_empty_object(admin_client: Client, assistant: Assistant, empty: str) -> None:
    Assistant.objects.update(graph_id="plain", context={"a": 1}, metadata={"a": 1})
    assistant.refresh_from_db()
    assert save(admin_client, assistant, context=empty, metadata=empty).status_code == 302
    assert (assistant.context, assistant.metadata) == ({}, {})


@pytest.mark.parametrize("name", ["context.others", "context.tools", "metadata", "config.others"])
@pytest.mark.parametrize("value", ["[" * 100_000, "5", '"x"'])
def test_json_of_another_kind_is_refused(
    admin_client: Client, assistant: Assistant, name: str, value: str
) -> None:
    assert save(admin_client, assistant, **{name: value}).status_code == 200


def test_the_history_says_what_was_changed(admin_client: Client, assistant: Assistant) -> None:
    save(admin_client, assistant, **{"context.retries": "2", "initial-metadata": "{}"})
    [entry] = LogEntry.objects.all()
    assert entry.get_change_message() == "Changed retries."


@pytest.mark.parametrize("graph_id", ["plain", "gone"])
def test_without_a_schema_context_is_json(admin_client: Client, assistant: Assistant, graph_id: str) -> None:
    Assistant.objects.update(graph_id=graph_id)
    assistant.refresh_from_db()
    assert 'name="context"' in page(admin_client, url(assistant, "change", assistant.pk))
    assert save(admin_client, assistant, context="[1]").status_code == 200
    assert save(admin_client, assistant, context='{"a": 1}').status_code == 302
    assert assistant.context == {"a": 1}


def test_an_assistant_is_added_with_json(admin_client: Client, assistant: Assistant) -> None:
    form = {"name": "new", "graph_id": "described", "version": "1", "metadata": "{}"}
    form |= {"context": '{"model": "large"}', "config": "{}"}
    assert admin_client.post(url(Assistant, "add"), form).status_code == 302
    assert Assistant.objects.get(name="new").context == {"model": "large"}


def test_staff_who_may_only_view_see_it(client: Client, assistant: Assistant) -> None:
    Assistant.objects.update(context={"model": "large"})
    log_in_viewer(client)
    assert "large" in page(client, url(assistant, "change", assistant.pk))


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        {"properties": []},
        {"properties": {"a": None, "b": 5, "c": {"$ref": "#/$defs/none"}}},
        {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"properties": {"a": {"type": "string", "pattern": "("}}},
        {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}},
        {"properties": {"a": {"enum": []}, "b": {"enum": [None, {"x": 1}]}, "c": {"type": ["a"]}}},
        {"properties": {str(n): {} for n in range(1000)}},
    ],
)
def test_odd_schemas_are_no_errors(schema: Any) -> None:
    for field in fields_of(schema, {"a": 1}).values():
        field.widget.render("name", field.initial)


# Where it is used


def log_in_viewer(client: Client, *permissions: str) -> None:
    from django.contrib.auth.models import Permission

    staff = log_in_staff(client, *permissions)
    staff.user_permissions.add(Permission.objects.get(codename="view_assistant"))


def test_where_it_is_used_is_counted_with_links(
    admin_client: Client, assistant: Assistant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    other = make_run(Thread.objects.create())
    for status in ("success", "pending"):
        thread = Thread.objects.create(metadata={"assistant_id": str(assistant.pk)})
        run = make_run(thread, status)
        run.assistant = assistant
        run.save(update_fields=["assistant"])
    with django_assert_max_num_queries(7):
        content = page(admin_client, url(assistant, "used", assistant.pk))
    links = [part.split('"')[0].replace("&amp;", "&") for part in content.split('href="')[1:]]
    links = [link for link in links if "/?" in link]
    assert len(links) == 3
    counts = [admin_client.get(link).context["cl"].result_count for link in links]
    assert counts == [2, 2, 1]
    assert [f">{count}</a>" in content for count in counts] == [True] * 3
    assert str(other.pk) not in content


def test_counting_stops_somewhere(
    admin_client: Client, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MAX_COUNTED", 2)
    for _ in range(3):
        Thread.objects.create(metadata={"assistant_id": str(assistant.pk)})
    assert ">2+</a>" in page(admin_client, url(assistant, "used", assistant.pk))


def test_staff_see_counts_of_what_they_may_view(client: Client, assistant: Assistant) -> None:
    log_in_viewer(client, "runs.view_run")
    content = page(client, url(assistant, "used", assistant.pk))
    assert "runs/run/?" in content
    assert "threads/thread/?" not in content


# Groups


def test_the_list_shows_and_filters_who_may_use_it(
    admin_client: Client, assistant: Assistant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    groups = [Group.objects.create(name=f"team {n}") for n in range(3)]
    assistant.groups.set(groups[:2])
    for n in range(30):
        Assistant.objects.create(graph_id="described", name=f"open {n}").groups.set(groups[2:])
    Assistant.objects.create(graph_id="described", name="for all")
    with django_assert_max_num_queries(9):
        content = page(admin_client, url(Assistant, "changelist"))
    assert "team 0, team 1" in content
    assert "everybody" in content
    mine = page(admin_client, url(Assistant, "changelist") + f"?group={groups[0].pk}")
    assert "helper" in mine
    assert "open 1" not in mine
    everybody = page(admin_client, url(Assistant, "changelist") + "?group=all")
    assert "for all" in everybody
    assert "helper" not in everybody
