"""What the fake model answers: the same conversation always gets the same reply."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from textwrap import shorten
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

WEATHER = re.compile(r"\b(?:weather|forecast|temperature)\b", re.IGNORECASE)
TIME = re.compile(
    r"\b(?:what time|time is it|(?:current|local) time|(?<!all )the time|the date|what day)\b", re.IGNORECASE
)
PLACE = re.compile(
    r".*?\b(?:in|for|at)\s+([^\W\d][\w'’ -]*?)(?=\s+(?:and|today|tomorrow|now|right|please)\b|[^\w'’ -]|$)",
    re.IGNORECASE | re.DOTALL,
)
EXPRESSION = r"([-+(.\d][-+*/%^×÷().\d\s]*)"
# Digits alone ask for nothing: "we are open 24/7, on Sundays from 10-12".
ASKED_SUM = re.compile(
    rf"\b(?:what(?:['’]s| is)|how much is|calculate|compute|evaluate|work out)[\s:]+{EXPRESSION}",
    re.IGNORECASE,
)
BARE_SUM = re.compile(EXPRESSION)
OPERATION = re.compile(r"\d[\s)]*[-+*/%^×÷]")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")


def reply(messages: Sequence[BaseMessage], tools: Sequence[str]) -> AIMessage:
    """Call the tools that the last message asks for, report what they returned, or else make conversation."""
    results = list(takewhile(lambda message: isinstance(message, ToolMessage), reversed(messages)))
    if results:
        return AIMessage(_report([result.text for result in reversed(results)]))
    said = [message.text for message in messages if isinstance(message, HumanMessage)]
    calls = _calls(said[-1], tools, len(messages)) if said else []
    return AIMessage(_announcement(calls) if calls else _conversation(said, tools), tool_calls=calls)


def _calls(text: str, tools: Sequence[str], position: int) -> list[ToolCall]:
    # The position makes the ids unique in a thread and still the same each time it is replayed.
    return [
        ToolCall(name=name, args=args, id=f"call_{position}_{name}", type="tool_call")
        for name in tools
        if name in WANTED and (args := WANTED[name](text)) is not None
    ]


def _announcement(calls: list[ToolCall]) -> str:
    if any(call["name"] == "send_email" for call in calls):
        return "I have drafted an e-mail. Please look it over before it goes out."
    return "Let me look that up."


def _report(results: list[str]) -> str:
    if len(results) == 1:
        return results[0]
    return "Here is what I found:\n\n" + "\n".join(f"- {result}" for result in results)


def _conversation(said: Sequence[str], tools: Sequence[str]) -> str:
    if not said:
        return "Hello! Say something and I will answer."
    sentences = [f"You said “{_quoted(said[-1])}”."]
    if len(said) == 1:
        sentences.append("This is the first turn of our conversation.")
    else:
        sentences.append(
            f"This is turn {len(said)} of our conversation; before that you said “{_quoted(said[-2])}”."
        )
    sentences.append("I am a small stand-in for a real model, so I cannot say much about it.")
    if tools:
        sentences.append("But ask me for the weather in a city, for the time, or what 12 * (3 + 4) is!")
    return " ".join(sentences)


def _quoted(text: str) -> str:
    return shorten(text, width=120, placeholder=" …")


def _weather(text: str) -> dict[str, Any] | None:
    asked = WEATHER.search(text)
    return {"city": _place(text, asked.end()) or "London"} if asked else None


def _time(text: str) -> dict[str, Any] | None:
    asked = TIME.search(text)
    if not asked:
        return None
    place = _place(text, asked.end())
    return {"place": place} if place else {}


def _place(text: str, position: int) -> str | None:
    found = PLACE.match(text, position)
    if not found:
        return None
    return found[1].title() if found[1].islower() else found[1]


def _arithmetic(text: str) -> dict[str, Any] | None:
    found = ASKED_SUM.search(text) or BARE_SUM.fullmatch(text.strip(" =?\n"))
    if not found or not OPERATION.search(found[1]):
        return None
    expression = found[1].strip().rstrip(".")
    if expression.count("(") != expression.count(")"):
        expression = expression.strip("()")
    return {"expression": expression.strip()}


def _email(text: str) -> dict[str, Any]:
    address = ADDRESS.search(text)
    topic = ADDRESS.sub("", text).strip(" .!?,:") or "A short note"
    body = f"Hello,\n\nI am writing about this: {_quoted(topic)}.\n\nKind regards"
    return {
        "to": address[0] if address else "team@example.com",
        "subject": shorten(topic, width=60, placeholder=" …"),
        "body": body,
    }


WANTED: dict[str, Callable[[str], dict[str, Any] | None]] = {
    "get_weather": _weather,
    "calculator": _arithmetic,
    "clock": _time,
    "send_email": _email,
}
