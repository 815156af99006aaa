"""Commands and supersteps: from the forms that clients send to LangGraph's."""

from __future__ import annotations

from typing import Any

from langgraph.types import Command, Send, StateUpdate


def as_command(command: dict[str, Any]) -> Command[Any]:
    """A command as clients send it: goto as a node, a ``{node, input}`` or a list of both."""
    goto = command.get("goto")
    targets = goto if isinstance(goto, list) else [] if goto is None else [goto]
    update = command.get("update")
    return Command(
        resume=command.get("resume"),
        update=[tuple(pair) for pair in update] if isinstance(update, list) else update,
        goto=[
            Send(target["node"], target.get("input")) if isinstance(target, dict) else target
            for target in targets
        ],
    )


def as_supersteps(supersteps: list[dict[str, Any]]) -> list[list[StateUpdate]]:
    """The updates of each superstep; an update is what a node wrote, or its command."""
    return [[_update(update) for update in superstep["updates"]] for superstep in supersteps]


def _update(update: dict[str, Any]) -> StateUpdate:
    command = update.get("command")
    values: Any = update.get("values") if command is None else as_command(command)
    return StateUpdate(values, update.get("as_node"))
