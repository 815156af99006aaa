"""The OpenAPI document says what the server does: requests made from it are answered as it says."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

EXAMPLES = 15
SECONDS = 20
STREAMS = ("text/event-stream", "application/x-ndjson")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
PATHS: dict[str, dict[str, Any]] = SchemaGenerator().get_schema(request=None, public=True)["paths"]
OPERATIONS = sorted((method.upper(), path) for path, methods in PATHS.items() for method in methods)
UNKNOWN = "00000000-0000-4000-8000-000000000000"

Known = dict[str, list[str]]


@pytest.fixture(scope="session")
def client(live_more: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_more, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def known(client: httpx.Client) -> Known:
    """What may stand in paths: things that exist, one that does not, and no id at all."""
    thread = create_thread(client)
    body = {"assistant_id": "echo", "input": {"text": "x"}}
    run = client.post(f"/threads/{thread}/runs", json=body).json()["run_id"]
    state = client.get(f"/threads/{thread}/state").json()
    return {
        "thread_id": [thread, thread, UNKNOWN, "bad"],
        "run_id": [run, UNKNOWN, "bad"],
        "assistant_id": ["echo", "sub", UNKNOWN, "bad"],
        "checkpoint_id": [state["checkpoint_id"], UNKNOWN, "bad"],
        "namespace": ["child", "bad"],
        "group_id": ["1", "bad"],
    }


def active(client: httpx.Client) -> Known:
    """A run that goes on, on a thread of its own."""
    body, headers = {"assistant_id": "slow", "input": {"text": "x"}}, {"Prefer": "respond-async"}
    thread = create_thread(client)
    run = client.post(f"/threads/{thread}/runs", json=body, headers=headers).json()["run_id"]
    return {"thread_id": [thread, thread, thread, "bad"], "run_id": [run, run, UNKNOWN]}


@contextmanager
def deleted_soon(client: httpx.Client, case: Any) -> Iterator[None]:
    """The thread, if it is one, is another that is deleted in a moment: its stream would not end before."""
    if case.path_parameters["thread_id"] not in (UNKNOWN, "bad"):
        case.path_parameters["thread_id"] = create_thread(client)
    deletion = Timer(0.3, client.delete, [f"/threads/{case.path_parameters['thread_id']}"])
    deletion.start()
    yield
    deletion.join()


def create_thread(client: httpx.Client) -> str:
    return str(client.post("/threads", json={}).json()["thread_id"])


@pytest.fixture(scope="session")
def schema(live_more: str) -> Any:
    return schemathesis.openapi.from_url(f"{live_more}/openapi.json")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_operation_answers_as_its_documentation_says(
    client: httpx.Client, schema: Any, known: Known, method: str, path: str
) -> None:
    operation = schema[path][method]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        ends_runs = method == "DELETE" or path.endswith("/cancel")
        meet_what_is_there(case, {**known, **active(client)} if ends_runs else known)
        with deleted_soon(client, case) if path == "/threads/{thread_id}/stream" else nullcontext():
            response = case.call(timeout=SECONDS)
        # The schema of a stream is that of its text or its chunks, not of the whole.
        is_stream = response.headers.get("content-type", [""])[0].startswith(STREAMS)
        checks = CHECKS if is_stream else [*CHECKS, response_schema_conformance]
        if response.status_code == 500 and "500" in PATHS[path][method.lower()]["responses"]:
            assert response.json()["error"]["code"] in ("GRAPH_ERROR", "GRAPH_RECURSION")
            checks = [check for check in checks if check is not not_a_server_error]
        case.validate_response(response, checks=checks)

    check()


def meet_what_is_there(case: Any, known: Known) -> None:
    """Let the request name things that exist, most of the time; a run's graph ends soon.

    It asks for whole objects: only they have all that the schemas require.
    """
    for name, value in (case.path_parameters or {}).items():
        case.path_parameters[name] = choice(known[name], value)
    for asked in (case.body, case.query):
        if isinstance(asked, dict):
            asked.pop("select", None)
    for body in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(body, dict) and "assistant_id" in body:
            body["assistant_id"] = choice(["echo", "fails", "bad"], body["assistant_id"])
            body.pop("after_seconds", None)
        if isinstance(body, dict) and body.get("run_ids"):
            body |= {"thread_id": known["thread_id"][0], "run_ids": known["run_id"][:1]}


def choice(values: list[str], made_up: object) -> str:
    """One of the values, the same whenever the same was made up."""
    return values[zlib.crc32(repr(made_up).encode()) % len(values)]


def documented() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for method, path in OPERATIONS:
        yield method, path, PATHS[path][method.lower()]


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [operation.get("operationId") for _, _, operation in documented()]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_operations_have_the_ids_of_the_official_document() -> None:
    """Clients are generated from them. The list is that of LangGraph's published OpenAPI document."""
    official = json.loads((Path(__file__).parent / "operation_ids.json").read_text())
    ours = {f"{method} {path}": operation["operationId"] for method, path, operation in documented()}
    assert ours.keys() & official.keys()
    assert {name: official[name] for name in ours if name in official} == {
        name: ours[name] for name in ours if name in official
    }


def test_every_operation_documents_what_it_answers_when_it_succeeds() -> None:
    wrong = {
        f"{method} {path}"
        for method, path, operation in documented()
        if not {"200", "204"} & operation["responses"].keys() or "201" in operation["responses"]
    }
    assert not wrong


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_operation_documents_its_errors(method: str, path: str) -> None:
    responses = PATHS[path][method.lower()]["responses"]
    assert expected_errors(method, path) <= responses.keys()


@cache
def expected_errors(method: str, path: str) -> frozenset[str]:
    operation = PATHS[path][method.lower()]
    errors = set()
    if "{" in path:
        errors |= {"404", "422"}
    if operation.get("requestBody") or any(p["in"] == "query" for p in operation.get("parameters", [])):
        errors.add("422")
    if path.endswith(("/runs", "/runs/stream", "/runs/wait")) and method == "POST":
        errors.add("409")
    if method == "POST" and path in ("/threads", "/threads/{thread_id}/state"):
        errors |= {"400", "409"}
    return frozenset(errors)
