"""A person in the loop: drafts an e-mail and waits until somebody approves, edits or rejects it.

Any of these resumes it, alone or as ``{"decisions": [...]}``, which is what agent-chat-ui sends::

    {"type": "approve"}
    {"type": "edit", "edited_action": {"name": "send_email", "args": {"subject": "Lunch at one"}}}
    {"type": "reject", "message": "Too formal."}
"""

import operator
from typing import Annotated, Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph, add_messages
from langgraph.prebuilt import tools_condition
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from examples.fake_model import FakeModel, ModelSettings


class Email(TypedDict):
    """An e-mail."""

    to: str
    subject: str
    body: str


class Conversation(TypedDict):
    """What the e-mail should be about."""

    messages: Annotated[list[AnyMessage], add_messages]


class State(Conversation):
    """The conversation, and the e-mails that were approved in it."""

    outbox: Annotated[list[Email], operator.add]


@tool
def send_email(to: str, subject: str, body: str) -> str:
    """Send an e-mail. This example only puts it into the outbox in the graph's state."""
    return f"The e-mail “{subject}” to {to} is on its way."


def model(config: RunnableConfig) -> Runnable[Any, Any]:
    return FakeModel.configured(config).bind_tools([send_email])


def speak(state: State, config: RunnableConfig) -> Conversation:
    return {"messages": [model(config).invoke(state["messages"], config)]}


async def aspeak(state: State, config: RunnableConfig) -> Conversation:
    """See speak()."""
    return {"messages": [await model(config).ainvoke(state["messages"], config)]}


def review(state: State) -> Command[Literal["send", "report", "review"]]:
    """Wait for a person. An answer that makes no sense is asked for again."""
    draft = _draft(state)
    decision = _decision(interrupt(_request(draft.tool_calls[0]["args"])))
    match decision:
        case {"type": "approve"}:
            return Command(goto="send")
        case {"type": "edit", "edited_action": {"args": {**changes}}}:
            return Command(goto="send", update={"messages": [_edited(draft, changes)]})
        case {"type": "reject"}:
            return Command(goto="report", update={"messages": [_rejection(draft, decision.get("message"))]})
    return Command(goto="review")


def send(state: State) -> State:
    call = _draft(state).tool_calls[0]
    email = Email(to=call["args"]["to"], subject=call["args"]["subject"], body=call["args"]["body"])
    return {"messages": [send_email.invoke(call)], "outbox": [email]}


def _draft(state: State) -> AIMessage:
    return next(message for message in reversed(state["messages"]) if isinstance(message, AIMessage))


def _request(email: dict[str, Any]) -> dict[str, Any]:
    """Describe the decision in the form that agent-chat-ui shows with buttons and fields."""
    allowed = ["approve", "edit", "reject"]
    question = f"Send this e-mail to {email['to']}?"
    return {
        "action_requests": [{"name": "send_email", "args": email, "description": question}],
        "review_configs": [{"action_name": "send_email", "allowed_decisions": allowed}],
    }


def _decision(answer: Any) -> Any:
    match answer:
        case {"decisions": [decision, *_]}:
            return decision
        case "approve" | "reject":
            return {"type": answer}
    return answer


def _edited(draft: AIMessage, changes: dict[Any, Any]) -> AIMessage:
    """Change the call in place (same message id), so that the conversation shows what was really sent."""
    call = draft.tool_calls[0]
    args = {key: str(changes.get(key, value)) for key, value in call["args"].items()}
    return draft.model_copy(update={"tool_calls": [{**call, "args": args}]})


def _rejection(draft: AIMessage, reason: str | None) -> ToolMessage:
    text = f"I have thrown the e-mail away{f', because you said: {reason}' if reason else '.'}"
    return ToolMessage(text, tool_call_id=draft.tool_calls[0]["id"], name="send_email", status="error")


# Not compiled: the server does that, with its checkpointer.
graph = (
    StateGraph(State, input_schema=Conversation, context_schema=ModelSettings)
    .add_node("draft", RunnableLambda(speak, aspeak))
    .add_node("review", review)
    .add_node("send", send)
    .add_node("report", RunnableLambda(speak, aspeak))
    .add_edge(START, "draft")
    .add_conditional_edges("draft", tools_condition, {"tools": "review", END: END})
    .add_edge("send", "report")
    .add_edge("report", END)
)
