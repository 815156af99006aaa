"""Who may do what: one table, from which docs/authorization.md is written and which the tests hold true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OK, NO_ACCOUNT, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404

PEOPLE = {
    "nobody": "a request without credentials",
    "anonymous": "the same where `SKEINO_ALLOW_ANONYMOUS` is on",
    "owner": "the thread's owner",
    "stranger": "another user",
    "reader": "a member of a group that the thread is shared with, to read",
    "runner": "a member of a group that the thread is shared with, to read and run",
    "staff": "staff without permissions",
    "viewer": "staff with `threads.view_all_threads`",
    "manager": "staff with `threads.manage_all_threads`",
}


@dataclass(frozen=True)
class Rule:
    """What each of PEOPLE is answered; those who are not named, ``others``. ``about`` is for the page."""

    about: str
    others: int
    named: dict[str, int]

    def outcome(self, person: str) -> int:
        return self.named.get(person, self.others)


def _who_may(*people: str, instead: dict[str, int] | None = None) -> dict[str, int]:
    return {"nobody": NO_ACCOUNT, **dict.fromkeys(people, OK), **(instead or {})}


READERS = ("owner", "reader", "runner", "viewer", "manager")

OPEN = Rule("open to everybody", OK, {})
ACCOUNT = Rule("everybody with an account, for themselves", OK, _who_may())
LIST = Rule("everybody with an account; finds what they may read", OK, _who_may())
READ = Rule("who may read the thread", NOT_FOUND, _who_may(*READERS))
RUN = Rule(
    "who may run on the thread",
    NOT_FOUND,
    _who_may("owner", "runner", "manager", instead={"reader": FORBIDDEN, "viewer": FORBIDDEN}),
)
MANAGE = Rule(
    "who may manage the thread",
    NOT_FOUND,
    _who_may("owner", "manager", instead=dict.fromkeys(("reader", "runner", "viewer"), FORBIDDEN)),
)
CANCEL = Rule(
    "who may run on the threads; other runs are not found", NOT_FOUND, _who_may("owner", "runner", "manager")
)

Body = dict[str, Any] | list[Any] | None
_RUN = {"assistant_id": "echo", "input": {"messages": []}, "after_seconds": 3600}
_CALL = {
    "messages": [{"role": "user", "content": "hi"}],
    "config": {"thread_id": "{thread_id}"},
    "assistant_id": "echo",
}

# What is asked for. Paths and bodies name the thread, its run, and a group that it is shared with.
OPERATIONS: dict[str, tuple[Rule, Body]] = {
    "GET /ok": (OPEN, None),
    "GET /live": (OPEN, None),
    "GET /ready": (OPEN, None),
    "GET /metrics": (OPEN, None),
    "GET /info": (OPEN, None),
    "GET /api/health": (OPEN, None),
    "GET /api/initial-message": (OPEN, None),
    "POST /assistants/search": (ACCOUNT, {}),
    "GET /assistants/{assistant_id}": (ACCOUNT, None),
    "GET /assistants/{assistant_id}/schemas": (ACCOUNT, None),
    "GET /assistants/{assistant_id}/graph": (ACCOUNT, None),
    "GET /assistants/{assistant_id}/subgraphs": (ACCOUNT, None),
    "GET /assistants/{assistant_id}/subgraphs/{namespace}": (ACCOUNT, None),
    "POST /threads": (ACCOUNT, {}),
    "POST /threads/search": (LIST, {}),
    "GET /threads/{thread_id}": (READ, None),
    "PATCH /threads/{thread_id}": (MANAGE, {"metadata": {"a": 1}}),
    "DELETE /threads/{thread_id}": (MANAGE, None),
    "POST /threads/{thread_id}/copy": (READ, None),
    "GET /threads/{thread_id}/shares": (MANAGE, None),
    "POST /threads/{thread_id}/shares": (MANAGE, {"group": "Readers", "access": "run"}),
    "DELETE /threads/{thread_id}/shares/{group_id}": (MANAGE, None),
    "GET /threads/{thread_id}/state": (READ, None),
    "POST /threads/{thread_id}/state": (RUN, {"values": {"messages": []}}),
    "GET /threads/{thread_id}/state/{checkpoint_id}": (READ, None),
    "POST /threads/{thread_id}/state/checkpoint": (READ, {}),
    "GET /threads/{thread_id}/history": (READ, None),
    "POST /threads/{thread_id}/history": (READ, {}),
    "GET /threads/{thread_id}/stream": (READ, None),
    "GET /threads/{thread_id}/runs": (READ, None),
    "POST /threads/{thread_id}/runs": (RUN, _RUN),
    "POST /threads/{thread_id}/runs/stream": (RUN, _RUN),
    "POST /threads/{thread_id}/runs/wait": (RUN, _RUN),
    "GET /threads/{thread_id}/runs/{run_id}": (READ, None),
    "DELETE /threads/{thread_id}/runs/{run_id}": (MANAGE, None),
    "GET /threads/{thread_id}/runs/{run_id}/join": (READ, None),
    "GET /threads/{thread_id}/runs/{run_id}/stream": (READ, None),
    "POST /threads/{thread_id}/runs/{run_id}/cancel": (RUN, None),
    "POST /runs": (ACCOUNT, _RUN),
    "POST /runs/stream": (ACCOUNT, _RUN),
    "POST /runs/wait": (ACCOUNT, _RUN),
    "POST /runs/batch": (ACCOUNT, [_RUN]),
    "POST /runs/cancel": (CANCEL, {"thread_id": "{thread_id}", "run_ids": ["{run_id}"]}),
    "GET /runs/{run_id}": (READ, None),
    "GET /runs/{run_id}/join": (READ, None),
    "GET /runs/{run_id}/stream": (READ, None),
    "GET /ping": (OPEN, None),
    "GET /v1/graph": (ACCOUNT, None),
    "GET /v1/graph:StateSchema": (ACCOUNT, None),
    "POST /v1/graph/invoke": (RUN, _CALL),
    "POST /v1/graph/stream": (RUN, _CALL),
    "POST /v1/graph/stop": (RUN, {"thread_id": "{thread_id}"}),
}

# Ways to more than the operation is for: by the query, and by naming others' things in the body.
DETOURS: list[tuple[str, Rule, Body]] = [
    ("GET /threads/{thread_id}/runs/{run_id}/join?cancel_on_disconnect=true", RUN, None),
    ("GET /threads/{thread_id}/runs/{run_id}/stream?cancel_on_disconnect=true", RUN, None),
    ("POST /threads/{thread_id}/runs", RUN, {**_RUN, "if_not_exists": "create"}),
    ("POST /threads/{thread_id}/copy?history=true", READ, None),
    ("POST /threads/search", LIST, {"ids": ["{thread_id}"]}),
    ("POST /threads/search", LIST, {"metadata": {"topic": "between us"}}),
    ("POST /threads/search", LIST, {"values": {"topic": "between us"}}),
    ("POST /runs/cancel", CANCEL, {"status": "pending"}),
]

# Sockets close with 4000 and the status.
SOCKETS: dict[str, Rule] = {
    "/ws/threads/{thread_id}/runs/{run_id}/stream": READ,
}
