"""Graphs, and the assistants that run them."""

import os

# LangGraph reads this once, when it is first imported: checkpoints may then only be deserialised into
# the types that LangGraph knows and those that the graphs' own schemas name.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
