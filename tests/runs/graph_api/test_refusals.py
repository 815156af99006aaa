from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle

from runs.exceptions import TooManyStreams
from runs.graph_api.views import GraphCallViewSet
from tests.runs.graph_api.api import call, error, invoke, new_name

MESSAGE = {"role": "user", "content": "hi"}
CONFIG = {"thread_id": "x"}
CALLS = ["/v1/graph/invoke", "/v1/graph/stream"]
PATHS = [
    ("get", "/v1/graph"),
    ("get", "/v1/graph:StateSchema"),
    ("post", "/v1/graph/invoke"),
    ("post", "/v1/graph/stream"),
    ("post", "/v1/graph/stop"),
]

# The body, and where it is wrong.
BAD_BODIES: list[tuple[dict[str, Any], list[Any]]] = [
    ({}, ["messages"]),
    ({"messages": []}, ["messages"]),
    ({"messages": None}, ["messages"]),
    ({"messages": "hi"}, ["messages"]),
    ({"messages": ["hi"]}, ["messages", 0]),
    ({"messages": [{}]}, ["messages", 0, "role"]),
    ({"messages": [MESSAGE, {"role": "nobody", "content": "hi"}]}, ["messages", 1, "role"]),
    ({"messages": [{"role": 1, "content": "hi"}]}, ["messages", 0, "role"]),
    ({"messages": [{"role": "user"}]}, ["messages", 0, "content"]),
    ({"messages": [{"role": "user", "content": 1}]}, ["messages", 0, "content"]),
    ({"messages": [{"role": "user", "content": {"type": "text"}}]}, ["messages", 0, "content"]),
    ({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, ["messages", 0, "content"]),
    ({"messages": [{"role": "tool", "content": "hi"}]}, ["messages", 0, "tool_call_id"]),
    ({"messages": [{**MESSAGE, "message_id": 1.5}]}, ["messages", 0, "message_id"]),
    ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"x": 1}]}]}, ["messages", 0]),
    ({"messages": [{"role": "assistant", "tool_calls": "x"}]}, ["messages", 0, "tool_calls"]),
    ({"config": "x"}, ["config"]),
    ({"config": {"thread_id": True}}, ["config", "thread_id"]),
    ({"config": {"thread_id": 1.5}}, ["config", "thread_id"]),
    ({"config": {"thread_id": ["x"]}}, ["config", "thread_id"]),
    ({"config": {"thread_id": "x" * 256}}, ["config", "thread_id"]),
    ({"config": {"configurable": {"thread_id": {}}}}, ["config", "configurable", "thread_id"]),
    ({"config": {"configurable": []}}, ["config", "configurable"]),
    ({"config": {**CONFIG, "recursion_limit": 0}}, ["config", "recursion_limit"]),
    ({"recursion_limit": "many"}, ["recursion_limit"]),
    ({"initial_state": []}, ["initial_state"]),
    ({"assistant_id": {}}, ["assistant_id"]),
]


@pytest.fixture
def api(settings: Settings, test_graphs: None) -> APIClient:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    return APIClient(raise_request_exception=False)


def refusal(response: Any) -> tuple[int, str]:
    return error(response)


# Bodies


@pytest.mark.django_db
@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(("body", "place"), BAD_BODIES)
def test_a_bad_body_is_told_where_it_is_bad(
    api: APIClient, path: str, body: dict[str, Any], place: list[Any]
) -> None:
    whole = body if body == {} else {"messages": [MESSAGE], "config": CONFIG} | body
    response = api.post(path, whole)
    details = response.json()["error"]["details"]
    assert refusal(response) == (422, "VALIDATION_ERROR")
    assert details[0]["loc"] == ["body", *place]
    assert all(detail.keys() == {"loc", "msg", "type"} for detail in details)
    assert details[0]["msg"] in response.json()["error"]["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    "config", [None, {}, {"thread_id": None}, {"thread_id": ""}, {"thread_id": "  "}, {"configurable": {}}]
)
def test_a_thread_id_is_required(api: APIClient, path: str, config: Any) -> None:
    response = api.post(path, {"messages": [MESSAGE], "config": config})
    [detail] = response.json()["error"]["details"]
    assert refusal(response) == (422, "THREAD_ID_REQUIRED")
    assert detail["loc"] == ["body", "config", "thread_id"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", [*CALLS, "/v1/graph/stop"])
@pytest.mark.parametrize("raw", ["{", "[]", '"x"', '{"a": NaN}', '{"a": "\\u0000"}'])
def test_what_is_no_json_object_is_refused(api: APIClient, path: str, raw: str) -> None:
    response = api.generic("POST", path, raw, "application/json")
    assert refusal(response) == (422, "VALIDATION_ERROR")
    assert response.json()["error"]["details"][0]["loc"] == ["body"]


@pytest.mark.django_db
def test_unknown_keys_are_ignored(client: httpx.Client) -> None:
    message = {**MESSAGE, "metadata": {}, "timestamp": 0}
    assert invoke(client, None, new_name(), messages=[message], response_granularity="full")


@pytest.mark.django_db
@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("name", ["nobody", "01920000-0000-7000-8000-000000000000"])
def test_an_unknown_graph_is_not_found(api: APIClient, path: str, name: str) -> None:
    assert refusal(api.post(path, call("hi", "x", name))) == (404, "ASSISTANT_NOT_FOUND")


# What the framework refuses


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/v1/graph/nowhere", "/v1/graph/", "/v1/graph/invoke/more", "/v1/graph:Nothing", "/v1/graph:"]
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_path_is_not_found(api: APIClient, method: str, path: str) -> None:
    response = getattr(api, method)(path, follow=False)
    if path == "/v1/graph/":
        assert (response.status_code, response.headers["Location"]) == (307, "/v1/graph")
    else:
        assert refusal(response) == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/v1/graphs", "/v1", "/v1/graphing/x"])
def test_other_paths_have_no_envelope(api: APIClient, path: str) -> None:
    assert api.get(path).json() == {"detail": "Not Found"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "/v1/graph"), ("put", "/v1/graph:StateSchema"), ("get", "/v1/graph/invoke"), ("post", "/ping")],
)
def test_a_wrong_method_is_told_the_right_ones(api: APIClient, method: str, path: str) -> None:
    response = getattr(api, method)(path)
    assert refusal(response) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["Allow"]


@pytest.mark.django_db
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_body_beyond_the_limit_is_too_large(api: APIClient, settings: Settings, content_type: str) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = api.generic("POST", "/v1/graph/invoke", "x" * 101, content_type)
    assert refusal(response) == (413, "TOO_LARGE")


@pytest.mark.django_db
def test_a_form_of_a_user_with_a_session_is_too_large_as_well(settings: Settings, admin_user: User) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    api = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    api.force_login(admin_user)
    api.cookies["csrftoken"] = "x" * 32
    response = api.generic("POST", "/v1/graph/stop", "a=" + "x" * 100, "application/x-www-form-urlencoded")
    assert refusal(response) == (413, "TOO_LARGE")


@pytest.mark.django_db
def test_too_many_requests_are_told_when_to_come_back(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Throttle(BaseThrottle):
        def allow_request(self, request: Any, view: Any) -> bool:
            return False

        def wait(self) -> float:
            return 7

    monkeypatch.setattr(GraphCallViewSet, "throttle_classes", [Throttle])
    response = api.post("/v1/graph/invoke", {})
    assert refusal(response) == (429, "THROTTLED")
    assert response.headers["Retry-After"] == "7"


@pytest.mark.django_db
def test_too_many_streams_are_refused(api: APIClient, settings: Settings) -> None:
    settings.SKEINO_MAX_STREAMS = 0
    response = api.post("/v1/graph/stream", call("hi", "x"))
    assert refusal(response) == (429, "TOO_MANY_STREAMS")
    assert response.headers["Retry-After"] == str(TooManyStreams.wait)


@pytest.mark.django_db
def test_a_host_that_is_not_ours_is_refused(api: APIClient) -> None:
    assert refusal(api.get("/v1/graph", headers={"host": "evil.example"})) == (400, "BAD_REQUEST")


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_error_tells_its_secrets_to_developers_alone(
    api: APIClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: Any, debug: bool
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the password is hunter2")

    settings.DEBUG = debug
    monkeypatch.setattr("threads.querysets.ThreadQuerySet.find_named", fail)
    response = api.post("/v1/graph/stop", {"thread_id": "x"}, headers={"x-request-id": "r1"})
    assert refusal(response) == (500, "INTERNAL_ERROR")
    assert response.json()["metadata"]["request_id"] == "r1"
    assert ("hunter2" in response.text) is debug
    assert "hunter2" in caplog.text


# Credentials


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_without_credentials_nothing_is_answered(settings: Settings, method: str, path: str) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        response = getattr(APIClient(), method)(path, {}, headers=headers)
        assert refusal(response) == (401, "NOT_AUTHENTICATED")
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
def test_a_session_alone_changes_nothing(admin_user: User) -> None:
    api = APIClient(enforce_csrf_checks=True)
    api.force_login(admin_user)
    assert refusal(api.post("/v1/graph/stop", {"thread_id": "x"})) == (403, "PERMISSION_DENIED")


def test_ping_takes_no_credentials(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    response = APIClient().get("/ping", headers={"Authorization": "Bearer wrong"})
    assert (response.status_code, response.json()["data"]) == (200, "pong")


# The envelope


def test_the_envelope_names_request_and_time() -> None:
    body = APIClient().get("/ping", headers={"x-request-id": "mine-1"}).json()
    assert body.keys() == {"success", "data", "metadata"}
    assert (body["success"], body["metadata"]["request_id"], body["metadata"]["message"]) == (
        True,
        "mine-1",
        "OK",
    )
    assert datetime.fromisoformat(body["metadata"]["timestamp"]).tzinfo


def test_a_failed_run_has_an_envelope_too(client: httpx.Client) -> None:
    headers = {"x-request-id": "mine-2"}
    response = client.post("/v1/graph/invoke", json=call("hi", new_name(), "chat_fails"), headers=headers)
    assert error(response) == (500, "GRAPH_ERROR")
    assert response.headers["x-request-id"] == response.json()["metadata"]["request_id"] == "mine-2"


@pytest.mark.django_db
def test_options_have_one_as_well(api: APIClient) -> None:
    assert api.options("/v1/graph/invoke").json()["success"] is True
