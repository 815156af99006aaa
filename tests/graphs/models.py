"""A graph whose nodes use the project's models, as nodes of a Django project do."""

import operator
from typing import Annotated

from django.contrib.auth import get_user_model
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class Counts(TypedDict, total=False):
    counts: Annotated[list[int], operator.add]


def count_users(state: Counts) -> Counts:
    return {"counts": [get_user_model().objects.count()]}


async def count_users_again(state: Counts) -> Counts:
    return {"counts": [await get_user_model().objects.acount()]}


builder = StateGraph(Counts)
builder.add_node("synchronous", count_users)
builder.add_node("asynchronous", count_users_again)
builder.add_edge(START, "synchronous")
builder.add_edge("synchronous", "asynchronous")
builder.add_edge("asynchronous", END)
graph = builder.compile()
