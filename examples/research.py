"""Looks into a topic: plans questions, searches for them side by side in a subgraph, writes a report."""

import operator
import re
from functools import partial
from typing import Annotated, Any

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph, add_messages
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

from examples.fake_model import FakeModel, ModelSettings

QUESTIONS = ["What is {}?", "How is {} used?", "What does {} cost?", "Where is {} heading?"]
REQUEST = re.compile(r"^(?:please\s+)?(?:research|look into|tell me about|write about)\s+", re.IGNORECASE)


class Source(TypedDict):
    """Where an answer was found."""

    question: str
    url: str


class Conversation(TypedDict):
    """The topic is the last message."""

    messages: Annotated[list[AnyMessage], add_messages]


class Plan(TypedDict):
    topic: str
    questions: list[str]


class Findings(TypedDict):
    notes: str
    sources: Annotated[list[Source], operator.add]


class Report(Conversation):
    """The report is the last message."""

    sources: list[Source]


class State(Report, Plan):
    notes: str


class Research(Plan, Findings):
    """The subgraph's own state: it shares the plan and the findings with its parent, but no messages."""


class ResearchSettings(ModelSettings, total=False):
    """The number of questions, and so of searches side by side, from 1 to 4."""

    questions: int


def make_graph(config: RunnableConfig) -> CompiledStateGraph[State, ResearchSettings, Conversation, Report]:
    """Build the graph with as many searches as the configuration asks for (``questions``)."""
    count = int(config.get("configurable", {}).get("questions", 3))
    count = min(max(count, 1), len(QUESTIONS))
    return (
        StateGraph(State, context_schema=ResearchSettings, input_schema=Conversation, output_schema=Report)
        .add_node("plan", partial(plan, count))
        .add_node("research", research_graph(count))
        .add_node("write", RunnableLambda(write, awrite))
        .add_edge(START, "plan")
        .add_edge("plan", "research")
        .add_edge("research", "write")
        .add_edge("write", END)
        .compile(name="research")
    )


def research_graph(count: int) -> CompiledStateGraph[Research, ResearchSettings, Plan, Findings]:
    builder = StateGraph(Research, context_schema=ResearchSettings, input_schema=Plan, output_schema=Findings)
    builder.add_node("summarise", RunnableLambda(summarise, asummarise))
    for number in range(count):
        builder.add_node(f"search_{number + 1}", partial(search, number))
        builder.add_edge(START, f"search_{number + 1}")
    builder.add_edge([f"search_{number + 1}" for number in range(count)], "summarise")
    builder.add_edge("summarise", END)
    return builder.compile(name="research_subgraph")


def plan(count: int, state: Conversation) -> Plan:
    asked = [message.text for message in state["messages"] if isinstance(message, HumanMessage)]
    topic = REQUEST.sub("", asked[-1].strip()).rstrip(" .?!") if asked else ""
    topic = topic or "nothing in particular"
    questions = [question.format(topic) for question in QUESTIONS[:count]]
    _progress("plan", questions=questions)
    return {"topic": topic, "questions": questions}


def search(number: int, state: Plan) -> dict[str, list[Source]]:
    question = state["questions"][number]
    slug = re.sub(r"\W+", "-", question.lower()).strip("-")
    source = Source(question=question, url=f"https://example.com/{slug}")
    _progress("search", **source)
    return {"sources": [source]}


def summarise(state: Research, config: RunnableConfig) -> dict[str, str]:
    return {"notes": _summariser(state, config).invoke(state["topic"], config).text}


async def asummarise(state: Research, config: RunnableConfig) -> dict[str, str]:
    """See summarise()."""
    return {"notes": (await _summariser(state, config).ainvoke(state["topic"], config)).text}


def write(state: State, config: RunnableConfig) -> Conversation:
    return {"messages": [_writer(state, config).invoke(state["messages"], config)]}


async def awrite(state: State, config: RunnableConfig) -> Conversation:
    """See write()."""
    return {"messages": [await _writer(state, config).ainvoke(state["messages"], config)]}


def _summariser(state: Research, config: RunnableConfig) -> FakeModel:
    _progress("summarise", sources=len(state["sources"]))
    answers = [f"- {source['question']} One source had an answer." for source in state["sources"]]
    return FakeModel.configured(config, says="\n".join(answers))


def _writer(state: State, config: RunnableConfig) -> FakeModel:
    _progress("write", topic=state["topic"])
    links = "\n".join(f"{number}. {source['url']}" for number, source in enumerate(state["sources"], start=1))
    report = f"## A report on {state['topic']}\n\n{state['notes']}\n\n### Sources\n\n{links}"
    return FakeModel.configured(config, says=report)


def _progress(step: str, **details: Any) -> None:
    """Report to whoever listens with the stream mode ``custom``."""
    get_stream_writer()({"step": step, **details})
