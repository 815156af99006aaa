"""A graph whose subgraph talks to a model and writes events of its own."""

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from examples.fake_model import FakeModel
from tests.graphs.plain import Chat, one_node


async def talk(state: Chat) -> Chat:
    get_stream_writer()({"about": "to talk"})
    return {"messages": [await FakeModel(delay=0, says="one two").ainvoke(state["messages"])]}


builder = StateGraph(Chat)
builder.add_node("child", one_node(Chat, talk).compile())
builder.add_edge(START, "child")
builder.add_edge("child", END)
graph = builder.compile()
