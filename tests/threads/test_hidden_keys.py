"""What the output schemas of graphs and of their subgraphs leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import BaseModel
from typing_extensions import TypedDict

from tests.graphs import plain
from tests.threads import graphs
from threads.encoding import encode
from threads.visibility import Visibility, hidden_keys, may_hide_messages

CHILD, GRANDCHILD = ("child:1",), ("child:1", "child:2")


class Shown(TypedDict, total=False):
    text: str


class WithPin(Shown, total=False):
    pin: str


class WithKey(WithPin, total=False):
    key: str


@dataclass
class DataclassState:
    text: str
    secret: str


class ModelState(BaseModel):
    text: str
    secret: str


def around(node: Any, schema: Any, output: Any) -> Any:
    builder: Any = StateGraph(schema, output_schema=output)
    builder.add_node("child", node)
    builder.add_edge(START, "child")
    return builder.compile()


@pytest.fixture(scope="module")
def deep() -> Visibility:
    """Of three graphs in each other: the inner one keeps a key to itself, the middle one a pin."""
    inner = around(lambda state: state, WithKey, WithPin)
    return Visibility(around(around(inner, WithPin, Shown), Shown, Shown))


def test_keys_that_are_not_in_the_output_are_hidden() -> None:
    assert hidden_keys(plain.hidden) == {"secret"}
    assert hidden_keys(plain.echo) == set()


def test_a_state_is_shown_without_them() -> None:
    visible = Visibility(plain.hidden).of_state
    assert visible((), {"text": "x", "secret": "hunter2"}) == {"text": "x"}
    assert visible((), [{"secret": "hunter2"}, {"text": "x"}]) == [{}, {"text": "x"}]


@pytest.mark.parametrize("state", [None, "text", 1, [], {}, {"text": {"secret": 1}}])
def test_what_has_none_of_them_is_shown_as_it_is(state: Any) -> None:
    assert Visibility(plain.hidden).of_state((), state) == state


def test_a_graph_that_hides_nothing_shows_all() -> None:
    state = {"messages": [], "secret": "hunter2"}
    assert Visibility(plain.echo).of_state((), state) is state
    assert Visibility(plain.echo).of_anything(state) is state


def test_a_subgraph_hides_what_it_and_all_around_it_keep_to_themselves(deep: Visibility) -> None:
    state = {"text": "x", "pin": "0000", "key": "k"}
    assert deep.of_state(CHILD, state).keys() == {"text", "key"}
    assert deep.of_state(GRANDCHILD, state).keys() == {"text"}


def test_a_subgraph_in_a_secretive_graph_shows_no_secret() -> None:
    visible = Visibility(graphs.nested).of_state
    assert visible(CHILD, {"text": "x", "secret": "hunter2"}) == {"text": "x"}


def test_where_the_place_is_not_known_hidden_keys_are_left_out_everywhere() -> None:
    value = {
        "input": {"secret": "hunter2", "list": [{"secret": "hunter2"}, ({"secret": "hunter2", "a": 1},)]}
    }
    assert Visibility(plain.hidden).of_anything(value) == {"input": {"list": [{}, [{"a": 1}]]}}


@pytest.mark.parametrize("state_type", [DataclassState, ModelState])
def test_states_that_are_objects_are_no_exception(state_type: Any) -> None:
    visible = Visibility(plain.hidden)
    state = state_type(text="x", secret="hunter2")
    assert "hunter2" not in encode(visible.of_anything({"input": state, "list": [state]}))
    assert "hunter2" not in encode(visible.of_state((), state))


# Whether messages may be hidden


@pytest.mark.parametrize(
    ("kind", "hides"),
    [
        (str, False),
        (int | None, False),
        (dict[str, list[float]], False),
        (tuple[int, ...], False),
        (Literal["a", "b"], False),
        (UUID, False),
        (AIMessage, True),
        (list[AnyMessage], True),
        (Annotated[list[AnyMessage], add_messages], True),
        (dict[str, Any], True),
        (list, True),
        (Any, True),
        (ModelState, True),
    ],
)
def test_a_hidden_key_may_hold_messages_unless_its_type_says_no(kind: Any, hides: bool) -> None:
    State = TypedDict("State", {"text": str, "kept": kind})  # noqa: UP013  (the type is a parameter)
    assert may_hide_messages(around(lambda state: state, State, Shown)) is hides
    assert may_hide_messages(around(lambda state: state, State, State)) is False


def test_what_a_subgraph_hides_counts_too() -> None:
    State = TypedDict("State", {"text": str, "kept": AIMessage})  # noqa: UP013
    inner = around(lambda state: state, State, Shown)
    assert may_hide_messages(around(inner, Shown, Shown)) is True
