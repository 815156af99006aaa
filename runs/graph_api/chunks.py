"""What a graph does, told in chunks: the stream of this API, made by the worker and kept in the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    RemoveMessage,
    ToolMessage,
)
from langgraph.pregel import Pregel

from runs.graph_api.messages import joined, read, role
from threads.visibility import Visibility, may_hide_messages

Namespace = tuple[str, ...]
Chunk = tuple[str, dict[str, Any]]

INTERRUPT = "__interrupt__"


class Spoken:
    """A message that its model is saying.

    ``call`` is what LangGraph hands on with each of its pieces, one and the same object. It tells them from
    those of others; ids do not, for OpenAI's change on the way.
    """

    def __init__(self, call: dict[str, Any], namespace: Namespace, message_id: str) -> None:
        self.call, self.namespace, self.message_id = call, namespace, message_id
        self.pieces: list[BaseMessageChunk] = []
        self.is_whole = False

    @property
    def message(self) -> BaseMessage:
        first, *others = self.pieces
        return first + others if others else first


class Chunks:
    """Makes one run's chunks from three of LangGraph's stream modes. Each chunk comes with its type.

    Of ``messages`` come the pieces of messages while models say them. All other messages are taken from what
    nodes write to the state, as far as the output schema shows it: from ``updates``, as each node ends, those
    that have an id; from ``values``, after the step, those that get theirs only in the state.

    Nobody knows of a message, while a model says it, to which key it will be written. So where the graph
    hides keys that may hold messages, none is told before it stands in a key that is shown.
    """

    def __init__(self, graph: Pregel, visibility: Visibility, **stamp: str) -> None:
        self._stamp = stamp
        self._visible = visibility.of_state
        self._tells_at_once = not may_hide_messages(graph)
        self._spoken: list[Spoken] = []
        # Messages that have been told, or were there before: ids, and places of those without.
        self._known: set[str] = set()
        # Of those told at once: the texts of such as have not been met in the state, by id.
        self._unmet: dict[str, str] = {}
        # What the nodes of the current step have written, by namespace; an entry says that a step has ended.
        self._written: defaultdict[Namespace, list[tuple[str, Any]]] = defaultdict(list)
        self._interrupts: list[Any] | None = None

    def of_message(
        self, namespace: Namespace, streamed: tuple[BaseMessage, dict[str, Any]]
    ) -> Iterator[Chunk]:
        piece, call = streamed
        if not self._tells_at_once or not isinstance(piece, BaseMessageChunk):
            return
        spoken = next((one for one in self._spoken if one.call is call), None)
        if spoken is None and piece.id in self._known and not piece.text:
            return  # counts that come after the end
        if spoken is None:
            spoken = Spoken(call, namespace, str(piece.id))
            self._spoken.append(spoken)
            yield self._start(spoken.message_id, piece, call["langgraph_node"])
        self._known.add(str(piece.id))
        spoken.pieces.append(piece)
        if piece.text:
            yield self._piece(spoken.message_id, piece.text)
        if getattr(piece, "chunk_position", None) == "last":
            spoken.is_whole = True
            yield from self._finish(spoken)

    def of_updates(self, namespace: Namespace, updates: dict[str, Any]) -> Iterator[Chunk]:
        for node, written in updates.items():
            if node == INTERRUPT:
                if not namespace:  # a subgraph's reach the root too
                    self._interrupts = [*(self._interrupts or []), *written]
                continue
            shown = self._visible(namespace, written)
            self._written[namespace].append((node, shown))
            for key, message in _messages(namespace, shown):
                if key == message.id:
                    yield from self._tell(key, message, node)

    def of_values(self, namespace: Namespace, values: Any) -> Iterator[Chunk]:
        if isinstance(values, dict) and INTERRUPT in values:
            return  # the step goes on
        found = _messages(namespace, self._visible(namespace, values))
        if namespace not in self._written:  # what there was before the first step, the input too
            self._known.update(key for key, _ in found)
            return
        for key, message in found:
            yield from self._tell(key, message, self._writer(namespace, message))
        self._written[namespace].clear()
        yield from self._finish_all(namespace)

    def last(self) -> Iterator[Chunk]:
        """When the graph has ended, or waits."""
        yield from self._finish_all(())
        if self._interrupts is not None:
            yield self._chunk("interrupt", interrupts=self._interrupts)

    def _tell(self, key: str, message: BaseMessage, node: str) -> Iterator[Chunk]:
        """A message that stands in the state, unless it is known."""
        if key in self._known:
            self._unmet.pop(key, None)
            return
        self._known.add(key)
        if isinstance(message, ToolMessage):
            yield self._chunk(
                "tool_result",
                tool_call_id=message.tool_call_id,
                name=message.name,
                content=joined(message.content),
                status=message.status,
            )
            return
        # What a model has said and its node has written as a message of its own is told already.
        same = next((told for told, said in self._unmet.items() if said == message.text), None)
        if same is not None and message.text and isinstance(message, AIMessage):
            del self._unmet[same]
            return
        message_id = message.id or str(uuid4())
        yield self._start(message_id, message, node)
        if message.text:
            yield self._piece(message_id, message.text)
        yield from self._calls_and_end(message_id, message)

    def _finish_all(self, namespace: Namespace) -> Iterator[Chunk]:
        """No node of the namespace says any more."""
        for spoken in list(self._spoken):
            if spoken.namespace[: len(namespace)] == namespace and not spoken.is_whole:
                yield from self._finish(spoken)

    def _finish(self, spoken: Spoken) -> Iterator[Chunk]:
        self._spoken.remove(spoken)
        message = spoken.message
        self._unmet[str(message.id)] = message.text
        yield from self._calls_and_end(spoken.message_id, message, spoken.is_whole)

    def _calls_and_end(self, message_id: str, message: BaseMessage, is_whole: bool = True) -> Iterator[Chunk]:
        # Of a message that broke off, the arguments may have, too.
        for call in message.tool_calls if isinstance(message, AIMessage) and is_whole else ():
            yield self._chunk(
                "tool_call",
                tool_call_id=call["id"],
                name=call["name"],
                args=call["args"],
                message_id=message_id,
            )
        usage = getattr(message, "usage_metadata", None)
        yield self._chunk(
            "message_end",
            message_id=message_id,
            content=str(message.text),
            **({"usage": usage} if usage else {}),
        )

    def _start(self, message_id: str, message: BaseMessage, node: str) -> Chunk:
        return self._chunk("message_start", message_id=message_id, role=role(message), node=node)

    def _piece(self, message_id: str, text: str) -> Chunk:
        return self._chunk("message_chunk", content=str(text), message_id=message_id)

    def _chunk(self, kind: str, **fields: Any) -> Chunk:
        return kind, {"type": kind, **fields, **self._stamp}

    def _writer(self, namespace: Namespace, message: BaseMessage) -> str:
        """The node of the step that wrote a message, as far as can be told."""
        nodes = self._written[namespace]
        for node, written in nodes:
            if any(other.text == message.text for _, other in _messages(namespace, written)):
                return node
        return nodes[-1][0] if nodes else ""


def _messages(namespace: Namespace, state: Any) -> list[tuple[str, BaseMessage]]:
    """The messages in a state, or in what a node wrote, by id; by their place if they have none."""
    found = []
    for key, value in _entries(state):
        for index, item in enumerate(value if isinstance(value, (list, tuple)) else [value]):
            message = read(item) if key == "messages" or isinstance(item, BaseMessage) else None
            if message is not None and not isinstance(message, RemoveMessage):
                found.append((message.id or "|".join((*namespace, key, str(index))), message))
    return found


def _entries(state: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(state, dict):
        yield from ((key, value) for key, value in state.items() if key != INTERRUPT)
    elif isinstance(state, (list, tuple)) and any(isinstance(update, dict) for update in state):
        for update in state:  # several updates of one node
            yield from _entries(update)
    else:
        yield "", state
