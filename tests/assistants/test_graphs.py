from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from pytest_django import Settings

from assistants.graphs import GraphLoadError, registry
from assistants.langgraph_json import LanggraphJsonError
from tests.graphs import factories, plain

SOURCE = """
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

class State(TypedDict, total=False):
    text: str

builder = StateGraph(State)
builder.add_node("node", lambda state: {"text": "done"})
builder.add_edge(START, "node")
graph = builder.compile()
second = builder.compile()
"""


class Project:
    """A folder with a langgraph.json, served for the length of a test."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.write("langgraph.json", "{}")
        settings.SKEINO_LANGGRAPH_JSON = folder / "langgraph.json"

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    def serve(self, graphs: dict[str, str], **document: Any) -> None:
        self.write("langgraph.json", json.dumps({"graphs": graphs, **document}))

    def refusal(self, target: str) -> str:
        """The one line that says why the graph cannot be loaded."""
        self.serve({"mine": target})
        with pytest.raises(GraphLoadError) as raised:
            registry.load_all()
        (message,) = str(raised.value).splitlines()
        assert message.startswith('Graph "mine"')
        return message


@pytest.fixture
def project(folder: Path, settings: Settings) -> Project:
    return Project(folder, settings)


# Which graphs there are


def test_graphs_are_listed_in_the_order_of_the_file_and_without_importing_them(project: Project) -> None:
    project.serve({"z": "./missing.py:graph", "a": "nowhere.at.all:graph"})
    assert registry.ids() == ["z", "a"]


def test_graphs_of_the_settings_replace_those_of_the_file(settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"mine": plain.echo}
    assert registry.ids() == ["mine"]
    assert registry.build("mine") is plain.echo


def test_a_file_that_is_not_there_is_an_error(settings: Settings, tmp_path: Path) -> None:
    settings.SKEINO_LANGGRAPH_JSON = tmp_path / "langgraph.json"
    with pytest.raises(LanggraphJsonError, match="does not exist"):
        registry.ids()


def test_the_first_graph_is_the_default(project: Project) -> None:
    project.serve({"z": "./z.py:graph", "a": "./a.py:graph"})
    assert registry.default_id() == "z"


def test_a_setting_names_another_default(settings: Settings) -> None:
    settings.SKEINO_DEFAULT_ASSISTANT = "slow"
    assert registry.default_id() == "slow"


def test_a_default_that_is_no_graph_is_an_error(settings: Settings) -> None:
    settings.SKEINO_DEFAULT_ASSISTANT = "nobody"
    with pytest.raises(GraphLoadError, match='SKEINO_DEFAULT_ASSISTANT is "nobody"'):
        registry.load_all()


def test_all_test_graphs_can_be_loaded() -> None:
    assert list(registry.load_all()) == registry.ids()


# What a graph may be


def test_a_compiled_graph_is_served_as_it_is() -> None:
    assert registry.build("echo") is plain.echo


def test_a_graph_that_is_not_compiled_is_compiled_once() -> None:
    tokens = registry.build("tokens")
    assert isinstance(tokens, CompiledStateGraph)
    assert registry.build("tokens") is tokens


def test_a_module_may_be_named_by_its_dotted_name(settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"mine": "tests.graphs.plain:echo"}
    assert registry.build("mine") is plain.echo


async def test_a_factory_is_called_with_the_config_of_the_run() -> None:
    graph = await registry.abuild("factory", RunnableConfig(configurable={"greeting": "ahoy"}))
    assert (await graph.ainvoke({"text": "x"}))["log"] == ["ahoy x"]


async def test_a_factory_is_called_without_a_config_too() -> None:
    graph = await registry.abuild("factory")
    assert (await graph.ainvoke({"text": "x"}))["log"] == ["hello x"]


def test_a_factory_is_called_anew_for_every_build() -> None:
    assert registry.build("factory") is not registry.build("factory")
    assert registry.is_factory("factory")
    assert not registry.is_factory("echo")


def test_a_factory_without_parameters_is_called_without_any(settings: Settings) -> None:
    settings.SKEINO_GRAPHS = {"mine": lambda: plain.echo}
    assert registry.build("mine", RunnableConfig(configurable={"a": 1})) is plain.echo


async def test_an_asynchronous_factory_is_awaited() -> None:
    graph = await registry.abuild("async_factory")
    assert (await graph.ainvoke({}))["log"] == ["made asynchronously"]


def test_an_asynchronous_factory_is_called_from_synchronous_code_too() -> None:
    assert isinstance(registry.build("async_factory"), CompiledStateGraph)


@pytest.mark.parametrize("made", [None, "graph", plain.Text])
async def test_a_factory_that_makes_no_graph_is_an_error(settings: Settings, made: Any) -> None:
    settings.SKEINO_GRAPHS = {"mine": lambda: made}
    with pytest.raises(GraphLoadError, match=f'"mine" made a {type(made).__name__}, not a graph'):
        await registry.abuild("mine")


# Why a graph cannot be loaded


def test_a_missing_file_is_named(project: Project) -> None:
    assert f"{project.folder / 'missing.py'} does not exist" in project.refusal("./missing.py:graph")


def test_a_missing_module_is_named(project: Project) -> None:
    assert "ModuleNotFoundError: No module named 'nowhere'" in project.refusal("nowhere.at.all:graph")


def test_a_missing_variable_is_named(project: Project) -> None:
    project.write("mine.py", SOURCE)
    assert 'has no "grpah"' in project.refusal("./mine.py:grpah")


def test_what_is_no_graph_is_named(project: Project) -> None:
    project.write("mine.py", "graph = 5")
    assert "is a int, not a graph" in project.refusal("./mine.py:graph")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ValueError('first\\nsecond')", "ValueError: first second"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("def graph(:", "SyntaxError"),
        ("import os\nos.nothing", "AttributeError: module 'os' has no attribute 'nothing'"),
        ("raise RuntimeError", "RuntimeError"),
    ],
)
def test_an_error_in_the_graphs_own_module_is_told_in_one_line(
    project: Project, source: str, reason: str
) -> None:
    project.write("mine.py", source)
    refusal = project.refusal("./mine.py:graph")
    assert "./mine.py cannot be imported" in refusal
    assert reason in refusal


def test_a_file_that_the_graphs_module_misses_is_the_one_that_is_named(project: Project) -> None:
    project.write("mine.py", "open('/nowhere/prompt.txt')")
    refusal = project.refusal("./mine.py:graph")
    assert "/nowhere/prompt.txt" in refusal
    assert "mine.py does not exist" not in refusal


def test_a_module_that_was_broken_is_loaded_when_it_is_mended(project: Project) -> None:
    project.write("mine.py", "half = 1\nraise ValueError")
    project.refusal("./mine.py:graph")
    project.write("mine.py", SOURCE)
    assert list(registry.load_all()) == ["mine"]


# One module, imported once


def test_a_file_is_the_module_that_others_import() -> None:
    assert registry.build("factory").builder.state_schema is factories.Text  # type: ignore[attr-defined]
    assert registry.build("sub") is importlib.import_module("tests.graphs.nested").graph


def test_graphs_of_one_file_share_its_module(project: Project) -> None:
    project.write("mine.py", SOURCE)
    project.serve({"one": "./mine.py:graph", "two": "./mine.py:second"})
    one, two = registry.build("one"), registry.build("two")
    assert one.builder.state_schema is two.builder.state_schema  # type: ignore[attr-defined]


def test_files_of_one_name_in_different_folders_are_different_modules(project: Project) -> None:
    project.write("a/graph.py", SOURCE)
    project.write("b/graph.py", SOURCE)
    project.serve({"a": "./a/graph.py:graph", "b": "./b/graph.py:graph"})
    assert registry.build("a") is not registry.build("b")


def test_a_file_whose_name_is_no_identifier_can_be_loaded(project: Project) -> None:
    project.write("my-graph 2.py", SOURCE)
    project.serve({"mine": "./my-graph 2.py:graph"}, dependencies=["."])
    assert isinstance(registry.build("mine"), CompiledStateGraph)


def test_a_graphs_module_finds_itself_by_its_name(project: Project) -> None:
    """Which dataclasses and pickled objects need."""
    project.write("mine.py", f"{SOURCE}\nimport sys\nassert sys.modules[__name__].builder is builder")
    project.serve({"mine": "./mine.py:graph"})
    assert registry.load_all()


# What the file's other keys do


def test_graphs_may_import_from_the_folders_of_their_dependencies(project: Project) -> None:
    project.write("library/shared_by_graphs.py", SOURCE)
    project.write("mine.py", "from shared_by_graphs import graph")
    project.serve({"mine": "./mine.py:graph"}, dependencies=["./library", "./missing", "requests"])
    assert registry.build("mine") is sys.modules["shared_by_graphs"].graph


def test_the_environment_of_the_file_is_there_when_graphs_are_imported(project: Project) -> None:
    project.write("mine.py", f"{SOURCE}\nimport os\nassert os.environ['SKEINO_TEST_COLOUR'] == 'red'")
    project.serve({"mine": "./mine.py:graph"}, env={"SKEINO_TEST_COLOUR": "red"})
    assert registry.load_all()


def test_an_environment_file_is_read(project: Project) -> None:
    project.write(".env", "SKEINO_TEST_COLOUR='dark red'\nSKEINO_TEST_UNSET\n")
    project.write("mine.py", SOURCE)
    project.serve({"mine": "./mine.py:graph"}, env=".env")
    registry.load_all()
    assert os.environ["SKEINO_TEST_COLOUR"] == "dark red"
    assert "SKEINO_TEST_UNSET" not in os.environ


def test_variables_that_are_set_already_win(project: Project) -> None:
    os.environ["SKEINO_TEST_COLOUR"] = "blue"
    project.write("mine.py", SOURCE)
    project.serve({"mine": "./mine.py:graph"}, env={"SKEINO_TEST_COLOUR": "red"})
    registry.load_all()
    assert os.environ["SKEINO_TEST_COLOUR"] == "blue"


def test_importing_nothing_is_not_done_by_listing(project: Project) -> None:
    project.write("mine.py", "raise SystemExit('imported')")
    project.serve({"mine": "./mine.py:graph"}, env={"SKEINO_TEST_COLOUR": "red"})
    assert registry.ids() == ["mine"]
    assert "SKEINO_TEST_COLOUR" not in os.environ
