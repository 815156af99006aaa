"""Something for screenshots to show: conversations with the example graphs, and a day's runs."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

import httpx

CONVERSATIONS = {
    "ada": [
        ["What is the weather in Paris?", "And in Oslo?", "What is 12 * (3 + 4)?"],
        ["What time is it?"],
        ["What is the weather in Lisbon?"],
    ],
    "grace": [["What is 7 * 6?", "What is the weather in Rome?"], ["Hello! What can you do?"]],
    "linus": [["What is the weather in Helsinki?"], ["What is 2 ** 16?"]],
}
DAY_RUNS = 400
KINDS = ["success"] * 22 + ["error"] * 2 + ["interrupted", "timeout"]


def converse(url: str, assistant_id: str) -> dict[str, str]:
    """Run the example graphs on threads, and the assistant; returns the ids of some, by what they show."""
    shown: dict[str, str] = {}
    with httpx.Client(base_url=url, timeout=60) as client:
        for owner, conversations in CONVERSATIONS.items():
            for questions in conversations:
                thread = _asked(client, assistant_id if owner == "ada" else "agent", questions)
                shown.setdefault(owner, thread)
                _give(thread, owner)
        shown["report"] = _asked(client, "research", ["Look into tidal power"])
        shown["approval"] = _asked(client, "approval", ["Write to ada@example.com about lunch on Friday"])
    for name in ("report", "approval"):
        _give(shown[name], "grace")
    return shown


def _asked(client: httpx.Client, assistant_id: str, questions: list[str]) -> str:
    thread = str(client.post("/threads", json={}).json()["thread_id"])
    for question in questions:
        given = {"messages": [{"role": "user", "content": question}]}
        body = {"assistant_id": assistant_id, "input": given, "stream_mode": ["values", "messages"]}
        client.post(f"/threads/{thread}/runs/stream", json=body).raise_for_status()
    return thread


def _give(thread: str, owner: str) -> None:
    from django.contrib.auth.models import User

    from threads.models import Thread

    user, _made = User.objects.get_or_create(username=owner)
    Thread.objects.filter(pk=thread).update(owner=user)


def fill_a_day() -> None:
    """Runs that were never executed, over the last day, more of them at noon than at night."""
    from django.utils import timezone

    from assistants.models import Assistant
    from runs.models import Run
    from tests.runs.many import run_id_of
    from threads.models import Thread

    chance = random.Random(7)
    assistants = list(Assistant.objects.order_by("name"))
    thread, now = Thread.objects.create(temporary=True), timezone.now()
    runs: list[Any] = []
    for _ in range(DAY_RUNS):
        ago = chance.choices(range(24), [2 + math.sin(hour / 24 * 2 * math.pi) for hour in range(24)])[0]
        begun = now - timedelta(hours=ago, minutes=chance.random() * 60)
        took = timedelta(seconds=chance.expovariate(0.3))
        runs.append(
            Run(
                id=run_id_of(begun),
                thread=thread,
                assistant=chance.choices(assistants, [6, 2, 1, 3])[0],
                job_id=0,
                status=chance.choice(KINDS),
                attempt=1,
                usage={"total_tokens": chance.randrange(200, 4000)},
                created_at=begun,
                started_at=begun,
                finished_at=begun + took,
            )
        )
    Run.objects.bulk_create(runs)


def tell_a_webhook(thread: str) -> Any:
    """The thread's last run, with a webhook that has answered at the third time of asking."""
    from runs.models import Run, WebhookDelivery

    run = Run.objects.filter(thread_id=thread).order_by("-id")[:1].get()
    run.kwargs["webhook"] = "https://hooks.example.com/runs"
    run.save(update_fields=["kwargs"])
    refused = "ConnectError: [Errno 111] Connection refused"
    for seconds, status, error in ((10.01, None, refused), (0.42, 503, ""), (0.18, 204, "")):
        WebhookDelivery.objects.begin(run).end(seconds=seconds, status=status, error=error)
    return run


def make_assistant() -> Any:
    from assistants.models import Assistant

    return Assistant.objects.create(
        graph_id="agent",
        name="Support desk",
        description="Answers customers, slowly.",
        context={"delay": 0.03},
        config={"recursion_limit": 12},
    )


def restrict(assistant: Any) -> None:
    """From now on it is for some groups alone."""
    from django.contrib.auth.models import Group

    assistant.groups.set([Group.objects.create(name=name) for name in ("support", "support leads")])
