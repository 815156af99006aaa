from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import quote, unquote

import hypothesis
import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import strategies as st
from pytest_django import Settings
from rest_framework.exceptions import ErrorDetail
from rest_framework.test import APIClient

from assistants.exceptions import first_error
from tests.live import TEST_GRAPHS
from threads.models import Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(settings: Settings) -> APIClient:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    return APIClient(raise_request_exception=False)


# Slashes


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("get", "/ok/", "/ok"),
        ("get", "/info//", "/info"),
        ("get", "/assistants/echo/", "/assistants/echo"),
        ("post", "/assistants/search/", "/assistants/search"),
        ("post", "/threads/", "/threads"),
        ("patch", "/threads/mine/", "/threads/mine"),
        ("delete", "/threads/mine/", "/threads/mine"),
        ("post", "/threads/mine/runs/stream/", "/threads/mine/runs/stream"),
        ("get", "/docs/", "/docs"),
        ("get", "/admin", "/admin/"),
    ],
)
def test_a_slash_too_many_or_too_few_is_redirected_with_its_body(
    api: APIClient, method: str, path: str, target: str
) -> None:
    response = getattr(api, method)(path, {})
    assert (response.status_code, response.headers["Location"].split("?")[0]) == (307, target)


def test_the_query_is_kept_as_it_is(api: APIClient) -> None:
    query = "limit=5&before=a%2Fb%26c&x=%00%FF"
    response = api.get(f"/threads/mine/history/?{query}")
    assert response.headers["Location"] == f"/threads/mine/history?{query}"


def test_the_target_stays_below_a_mount_point(api: APIClient) -> None:
    response = api.get("/ok/", SCRIPT_NAME="/skeino")
    assert response.headers["Location"] == "/skeino/ok"


def test_a_redirect_can_be_followed(api: APIClient) -> None:
    response = api.post("/threads/", {"metadata": {"a": 1}}, follow=True)
    assert response.json()["metadata"] == {"a": 1}


@pytest.mark.parametrize("junk", ["%3F", "%23", "%25", "%252F", "a%3Fb%3Dc", "%C3%BC", "%5B"])
def test_a_redirect_names_the_same_resource(api: APIClient, junk: str) -> None:
    location = api.get(f"/threads/{junk}/").headers["Location"]
    assert "?" not in location
    assert "#" not in location
    assert unquote(location) == f"/threads/{unquote(junk)}"


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "//evil.example/ok/", "/\\evil.example/ok/", "//ok/", "///", "/%2F/evil.example/"],
)
def test_nobody_is_sent_to_another_site(api: APIClient, path: str) -> None:
    location = api.get("/", PATH_INFO=path).headers.get("Location", "/")
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


# Paths and methods that are not there


@pytest.mark.parametrize(
    "path",
    ["/", "/nowhere", "/nowhere/", "/threads/mine/nowhere", "/ok/ok", "/threads//runs", "/%00", "/%FF"],
)
@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "options"])
def test_an_unknown_path_is_not_found(api: APIClient, path: str, method: str) -> None:
    response = getattr(api, method)(path)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("application/json")
    assert response.json() == {"detail": "Not Found"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("post", "/ok", {"GET", "HEAD"}),
        ("post", "/info", {"GET", "HEAD"}),
        ("put", "/threads", {"POST"}),
        ("get", "/threads", {"POST"}),
        ("post", "/threads/mine", {"GET", "PATCH", "DELETE"}),
        ("delete", "/threads/mine/history", {"GET", "POST"}),
        ("delete", "/assistants/echo", {"GET"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    api: APIClient, method: str, path: str, allowed: set[str]
) -> None:
    response = getattr(api, method)(path, {})
    assert response.status_code == 405
    assert response.json() == {"detail": "Method Not Allowed"}
    assert {name.strip() for name in response.headers["Allow"].split(",")} >= allowed


@pytest.mark.parametrize("path", ["/ok", "/info", "/assistants/echo"])
def test_whatever_can_be_got_has_a_head(api: APIClient, path: str) -> None:
    response = api.head(path)
    assert (response.status_code, response.content) == (200, b"")


# What an error looks like


def test_a_bad_field_is_told_in_a_sentence_and_in_detail(api: APIClient) -> None:
    response = api.post("/threads/search", {"limit": 0, "ids": ["mine"]})
    assert response.status_code == 422
    assert response.json()["detail"] == "ids.0: Must be a valid UUID."
    assert response.json()["errors"] == {
        "ids": {"0": ["Must be a valid UUID."]},
        "limit": ["Ensure this value is greater than or equal to 1."],
    }


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ({"a": ["no"], "b": ["never"]}, "a: no"),
        ({"a": {"b": {0: ["no"]}}}, "a.b.0: no"),
        ({"non_field_errors": ["no"]}, "no"),
        ({"a": {"non_field_errors": ["no"]}}, "a: no"),
        (["no", "never"], "no"),
        ({"a": [{}, {"b": ["no"]}]}, "a.1.b: no"),
        (ErrorDetail("no"), "no"),
    ],
)
def test_the_first_error_is_told_with_where_it_is(errors: Any, sentence: str) -> None:
    assert first_error(errors) == sentence


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("get", f"/threads/{uuid.UUID(int=1)}", None, 404),
        ("get", f"/assistants/{uuid.UUID(int=1)}", None, 404),
        ("get", f"/threads/{uuid.UUID(int=1)}/runs", None, 404),
        ("post", "/assistants/search", {"graph_id": "nope"}, 404),
        ("post", "/threads", {"thread_id": str(uuid.UUID(int=2))}, 409),
        ("get", "/threads/mine", None, 422),
        ("get", "/assistants/nobody", None, 422),
        ("post", "/threads", {"metadata": 1}, 422),
        ("post", "/threads", [], 422),
    ],
)
def test_every_refusal_has_its_status_and_one_sentence(
    api: APIClient, method: str, path: str, body: Any, status: int
) -> None:
    Thread.objects.create(id=uuid.UUID(int=2))
    response = getattr(api, method)(path, body)
    assert response.status_code == status
    assert isinstance(response.json()["detail"], str)
    assert response.json().keys() <= {"detail", "errors"}


def test_what_a_client_accepts_does_not_matter_to_errors(api: APIClient) -> None:
    response = api.post("/threads/search", {"limit": 0}, headers={"accept": "text/event-stream"})
    assert response.status_code == 422
    assert response.headers["Content-Type"].startswith("application/json")


def test_an_unexpected_error_is_json_and_tells_no_secrets(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("threads.models.ThreadQuerySet.search", fail)
    response = api.post("/threads/search", {})
    assert response.status_code == 500
    assert response.json() == {"detail": "Internal Server Error"}
    assert "hunter2" in caplog.text


def test_a_host_that_is_not_ours_is_refused(api: APIClient) -> None:
    response = api.get("/ok", headers={"host": "evil.example"})
    assert (response.status_code, response.json()) == (400, {"detail": "Bad Request"})


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"]
)
def test_a_body_beyond_the_limit_is_too_large(api: APIClient, settings: Settings, content_type: str) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = api.generic("POST", "/threads", '{"a":"%s"}' % ("x" * 1000), content_type)
    assert response.status_code == 413
    assert isinstance(response.json()["detail"], str)


def test_a_body_of_a_user_with_a_session_is_too_large_as_well(settings: Settings, admin_user: User) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    api = Client(enforce_csrf_checks=True, raise_request_exception=False)
    api.force_login(admin_user)
    api.cookies["csrftoken"] = "x" * 32  # then the token is looked for in the body
    response = api.generic("POST", "/threads", "a=" + "x" * 1000, "application/x-www-form-urlencoded")
    assert (response.status_code, list(response.json())) == (413, ["detail"])


# Whatever is sent


THREAD = uuid.UUID(int=2)
WORDS = [
    "threads",
    "assistants",
    "runs",
    "state",
    "history",
    "search",
    "copy",
    "graph",
    "echo",
    str(THREAD),
    "..",
]
KEYS = [
    "configurable",
    "checkpoint_id",
    "checkpoint_ns",
    "thread_id",
    "ttl",
    "updates",
    "command",
    "goto",
    "node",
]

parts = st.lists(st.sampled_from(WORDS).map(str.encode) | st.binary(max_size=6), min_size=1, max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("method", ["get", "post", "patch", "delete", "options", "head"])
def test_no_path_is_a_server_error(api: APIClient, method: str) -> None:
    Thread.objects.create(id=THREAD, metadata={"graph_id": "echo"})

    @hypothesis.settings(max_examples=50, deadline=None, derandomize=True)
    @hypothesis.given(parts)
    def ask(parts: list[bytes]) -> None:
        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        assert api.generic(method.upper(), path, "{}", "application/json").status_code < 500

    ask()


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/threads", ["thread_id", "metadata", "if_exists", "ttl", "supersteps"]),
        ("/threads/search", ["ids", "metadata", "values", "limit", "sort_by", "select", "extract"]),
        ("/assistants/search", ["metadata", "graph_id", "name", "limit", "offset", "sort_by", "select"]),
        (f"/threads/{THREAD}/history", ["limit", "before", "metadata", "checkpoint"]),
        (f"/threads/{THREAD}/state", ["values", "as_node", "checkpoint", "checkpoint_id"]),
        (f"/threads/{THREAD}/state/checkpoint", ["checkpoint", "checkpoint_id", "checkpoint_ns"]),
    ],
)
def test_no_body_is_a_server_error(api: APIClient, path: str, keys: list[str]) -> None:
    Thread.objects.create(id=THREAD, metadata={"graph_id": "echo"})

    @hypothesis.settings(max_examples=50, deadline=None, derandomize=True)
    @hypothesis.given(st.fixed_dictionaries({}, optional=dict.fromkeys(keys, values)))
    def ask(body: dict[str, Any]) -> None:
        assert api.generic("POST", path, json.dumps(body), "application/json").status_code < 500

    ask()
