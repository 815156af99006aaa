"""Requests that are repeated with their Idempotency-Key make no second run."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client
from httpx_sse import connect_sse
from pytest_django import Settings

from tests.runs.api import create_thread, human, names, path_of
from tests.runs.engine import at_once
from tests.runs.told import Folder
from threads.models import Thread

REUSED = "This Idempotency-Key was used for another request."

SLOW: dict[str, Any] = {"assistant_id": "slow", "input": {"text": "0"}}
PATHS = [
    "/threads/{}/runs",
    "/threads/{}/runs/stream",
    "/threads/{}/runs/wait",
    "/runs",
    "/runs/stream",
    "/runs/wait",
]


@pytest.fixture
def key() -> dict[str, str]:
    """The header of a key that nobody has used."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def run_id_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.headers["Content-Location"].rpartition("/")[2]


@pytest.mark.parametrize("path", PATHS)
def test_the_same_request_answers_with_the_same_run(
    client: httpx.Client, thread_id: str, key: dict[str, str], path: str
) -> None:
    asked = [client.post(path.format(thread_id), json=SLOW, headers=key) for _ in range(3)]
    assert len({run_id_of(response) for response in asked}) == 1
    if path != "/runs":  # which answers with the run as it is
        assert len({response.text for response in asked}) == 1
    if "{}" in path:
        assert len(client.get(f"/threads/{thread_id}/runs").json()) == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", [{}, {"multitask_strategy": "reject"}, {"multitask_strategy": "rollback"}])
def test_of_eight_clients_at_once_one_makes_the_run(
    client: httpx.Client, thread_id: str, key: dict[str, str], tmp_path: Path, path: str, how: dict[str, str]
) -> None:
    with ThreadPoolExecutor(8) as clients, Folder(tmp_path) as folder:
        body = {"assistant_id": "two_steps", "input": folder.input, **how}
        asked = [
            clients.submit(client.post, path.format(thread_id), json=body, headers=key) for _ in range(8)
        ]
        folder.wait_for_line("second")
        folder.open("gate")
        assert len({run_id_of(one.result()) for one in asked}) == 1
    assert folder.lines == ["first", "second"]


def test_of_eight_clients_at_once_one_makes_the_thread_too(client: httpx.Client, key: dict[str, str]) -> None:
    body = {**SLOW, "if_not_exists": "create"}
    path = f"/threads/{uuid.uuid4()}/runs"
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(client.post, path, json=body, headers=key) for _ in range(8)]
        assert len({run_id_of(one.result()) for one in asked}) == 1


def test_a_stream_that_is_asked_for_again_begins_at_its_beginning(
    client: httpx.Client, thread_id: str, key: dict[str, str], tmp_path: Path
) -> None:
    body = {"assistant_id": "two_steps", "input": {"folder": str(tmp_path)}, "stream_mode": "custom"}
    path = f"/threads/{thread_id}/runs/stream"
    with Folder(tmp_path) as folder:
        with client.stream("POST", path, json=body, headers=key):
            folder.wait_for_line("second")
        with connect_sse(client, "POST", path, json=body, headers=key) as source:
            folder.open("gate")
            assert names(list(source.iter_sse())) == ["metadata", "custom"]
    assert folder.lines == ["first", "second"]


@pytest.mark.parametrize("strategy", ["reject", "interrupt", "rollback"])
def test_a_run_does_not_stand_in_its_own_way(
    client: httpx.Client, thread_id: str, key: dict[str, str], tmp_path: Path, strategy: str
) -> None:
    headers = {**key, "Prefer": "respond-async"}
    with Folder(tmp_path) as folder:
        body = {"assistant_id": "two_steps", "input": folder.input, "multitask_strategy": strategy}
        first = client.post(f"/threads/{thread_id}/runs", json=body, headers=headers)
        folder.wait_for_line("second")
        again = client.post(f"/threads/{thread_id}/runs", json=body, headers=headers)
        assert run_id_of(again) == run_id_of(first)
        folder.open("gate")


@pytest.mark.parametrize(
    "other",
    [
        {"assistant_id": "echo"},
        {"input": {"text": "1"}},
        {"stream_mode": ["custom"]},
        {"config": {"tags": ["other"]}},
        {"on_disconnect": "cancel"},
    ],
)
def test_another_request_with_the_key_is_refused(
    client: httpx.Client, thread_id: str, key: dict[str, str], other: dict[str, Any]
) -> None:
    path = f"/threads/{thread_id}/runs"
    client.post(path, json=SLOW, headers=key).raise_for_status()
    for asked in (path, "/runs"):
        response = client.post(asked, json={**SLOW, **other}, headers=key)
        assert (response.status_code, response.json()["detail"]) == (422, REUSED)
    assert len(client.get(path).json()) == 1


def test_the_key_is_of_one_thread(client: httpx.Client, thread_id: str, key: dict[str, str]) -> None:
    client.post(f"/threads/{thread_id}/runs", json=SLOW, headers=key).raise_for_status()
    response = client.post(f"/threads/{create_thread(client)}/runs", json=SLOW, headers=key)
    assert (response.status_code, response.json()["detail"]) == (422, REUSED)


def test_a_thread_may_be_named_in_capitals(client: httpx.Client, thread_id: str, key: dict[str, str]) -> None:
    asked = [
        client.post(f"/threads/{name}/runs", json=SLOW, headers=key)
        for name in (thread_id, thread_id.upper(), thread_id.replace("-", ""))
    ]
    assert len({run_id_of(response) for response in asked}) == 1


@pytest.mark.parametrize(
    "input",
    [
        {"text": "0", "number": 1.0, "small": 1e-7, "large": 1e300, "exact": 12345678901234567890},
        {"text": "0", "nothing": None, "nested": [{"ü": ["\u2028", "\\u0000", "𝄞"]}]},
        {"text": "0", "zero": -0.0, "more": 0.1 + 0.2},
    ],
)
def test_what_is_stored_is_what_was_sent(
    client: httpx.Client, thread_id: str, key: dict[str, str], input: dict[str, Any]
) -> None:
    body = {
        "assistant_id": "slow",
        "input": input,
        "config": {"recursion_limit": 9, "configurable": {"x": input}},
        "context": None,
        "timeout_seconds": 30,
        "checkpoint": {"checkpoint_ns": ""},
        "interrupt_after": ["nowhere"],
    }
    asked = [client.post(f"/threads/{thread_id}/runs", json=body, headers=key) for _ in range(2)]
    assert len({run_id_of(response) for response in asked}) == 1


def test_without_a_key_every_request_makes_a_run(client: httpx.Client, thread_id: str) -> None:
    for headers in ({}, {}, {"Idempotency-Key": ""}):
        client.post(f"/threads/{thread_id}/runs", json=SLOW, headers=headers).raise_for_status()
    assert len(client.get(f"/threads/{thread_id}/runs").json()) == 3


def test_a_request_that_failed_has_not_used_its_key(
    client: httpx.Client, thread_id: str, key: dict[str, str]
) -> None:
    wrong = client.post(f"/threads/{thread_id}/runs", json={"assistant_id": "nobody"}, headers=key)
    assert wrong.status_code == 422
    missing = client.post(f"/threads/{uuid.uuid4()}/runs", json=SLOW, headers=key)
    assert missing.status_code == 404
    assert client.post(f"/threads/{thread_id}/runs", json=SLOW, headers=key).status_code == 200


@pytest.mark.parametrize("key", ["x" * 151, "tab\tin", "next\x85line"])
def test_a_key_that_is_too_long_or_odd_is_unprocessable(
    client: httpx.Client, thread_id: str, key: str
) -> None:
    headers: Any = {"Idempotency-Key": key.encode("latin-1")}
    response = client.post(f"/threads/{thread_id}/runs", json=SLOW, headers=headers)
    assert response.status_code == 422
    assert response.json()["detail"].startswith("Idempotency-Key: ")


def test_a_longest_key_is_taken(client: httpx.Client, thread_id: str) -> None:
    headers = {"Idempotency-Key": (uuid.uuid4().hex * 5)[:150]}
    assert len({run_id_of(client.post("/runs", json=SLOW, headers=headers)) for _ in range(2)}) == 1


def test_a_key_is_for_a_deleted_run_no_longer(
    client: httpx.Client, thread_id: str, key: dict[str, str]
) -> None:
    path = f"/threads/{thread_id}/runs"
    first = client.post(path, json=SLOW, headers=key).json()
    client.delete(path_of(first)).raise_for_status()
    assert client.post(path, json=SLOW, headers=key).json()["run_id"] != first["run_id"]


@pytest.mark.usefixtures("engine_db")
def test_a_key_is_of_one_user() -> None:
    made = []
    for name in ("alice", "bob", "alice"):
        api = Client()
        api.force_login(User.objects.get_or_create(username=name)[0])
        headers = {"Idempotency-Key": "mine"}
        made.append(
            api.post("/runs", SLOW, content_type="application/json", headers=headers).json()["run_id"]
        )
    assert made[0] == made[2] != made[1]


@pytest.mark.usefixtures("engine_db")
def test_a_run_does_not_stand_in_its_own_way_where_a_user_may_have_only_one(settings: Settings) -> None:
    settings.SKEINO_MAX_RUNS_PER_USER = 1
    user = User.objects.create(username="alice")

    def ask() -> Any:
        api = Client()
        api.force_login(user)
        return api.post(
            "/runs", SLOW, content_type="application/json", headers={"Idempotency-Key": "mine"}
        ).json()

    assert len({answer["run_id"] for answer in at_once(*[ask] * 4)}) == 1


@pytest.mark.usefixtures("engine_db")
def test_a_run_on_a_thread_that_is_no_longer_the_users_is_not_found() -> None:
    user, other = (User.objects.create(username=name) for name in ("alice", "bob"))
    thread = Thread.objects.open(user=user)
    api = Client()
    api.force_login(user)

    def ask() -> int:
        headers = {"Idempotency-Key": "mine", "Prefer": "respond-async"}
        path = f"/threads/{thread.pk}/runs"
        return int(api.post(path, SLOW, content_type="application/json", headers=headers).status_code)

    assert ask() == 200
    Thread.objects.update(owner=other)
    assert ask() == 404


# --- batches ---


def test_the_same_batch_answers_with_the_same_runs(client: httpx.Client, key: dict[str, str]) -> None:
    items = [SLOW, {"assistant_id": "echo", "input": human("hi")}, SLOW]
    first, again = (client.post("/runs/batch", json=items, headers=key).json() for _ in range(2))
    assert len({run["run_id"] for run in first}) == 3
    assert [run["run_id"] for run in again] == [run["run_id"] for run in first]


def test_of_eight_clients_at_once_one_makes_the_batch(client: httpx.Client, key: dict[str, str]) -> None:
    def ask(_: int) -> list[str]:
        answer = client.post("/runs/batch", json=[SLOW] * 5, headers=key).raise_for_status()
        return [run["run_id"] for run in answer.json()]

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(ask, range(8)))
    assert answers == [answers[0]] * 8
    assert len(set(answers[0])) == 5


def test_another_batch_with_the_key_is_refused(client: httpx.Client, key: dict[str, str]) -> None:
    client.post("/runs/batch", json=[SLOW, SLOW], headers=key).raise_for_status()
    other = {**SLOW, "input": {"text": "1"}}
    response = client.post("/runs/batch", json=[SLOW, other], headers=key)
    assert (response.status_code, response.json()["detail"]) == (422, REUSED)


def test_a_batchs_key_and_a_runs_key_are_two(client: httpx.Client, key: dict[str, str]) -> None:
    [made] = client.post("/runs/batch", json=[SLOW], headers=key).json()
    for name in (key["Idempotency-Key"], f"{key['Idempotency-Key']}/0"):
        response = client.post("/runs", json=SLOW, headers={"Idempotency-Key": name})
        assert run_id_of(response) != made["run_id"]
