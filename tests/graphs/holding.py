"""A graph whose nodes use the project's models, and hold a connection until they are told to let go of it."""

import time
from pathlib import Path

from django.contrib.auth import get_user_model
from langgraph.graph import END, START, StateGraph

from tests.graphs.told import Told


async def look(state: Told) -> Told:
    await get_user_model().objects.aexists()
    return {"done": ["look"]}


def hold(state: Told) -> Told:
    """Use the database, and wait for the file ``gate``."""
    get_user_model().objects.exists()
    while not (Path(state["folder"]) / "gate").exists():
        time.sleep(0.01)
    return {"done": ["hold"]}


builder = StateGraph(Told)
builder.add_node("look", look)
builder.add_node("hold", hold)
builder.add_edge(START, "look")
builder.add_edge("look", "hold")
builder.add_edge("hold", END)
graph = builder.compile()
