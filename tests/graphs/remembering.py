"""A graph that keeps what it is told in the store, which outlives its threads."""

from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore

from tests.graphs.plain import Text, one_node


async def remember(state: Text, runtime: Runtime[None]) -> Text:
    """Answer with how many texts are remembered."""
    store = runtime.store
    assert isinstance(store, BaseStore)
    text = state.get("text", "")
    await store.aput(("texts",), text, {"text": text})
    return {"log": [f"{len(await store.asearch(('texts',), limit=1000))} texts"]}


graph = one_node(Text, remember).compile()
