"""Who a request comes from, by its headers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries, Settings

if TYPE_CHECKING:
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

UNKNOWN = f"skeino_{'a' * 8}_{'b' * 40}"


@pytest.fixture(autouse=True)
def no_anonymous_access(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False


@pytest.fixture
def alice() -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def key(alice: User) -> str:
    from threads.api_keys import ApiKey

    return ApiKey.objects.issue(alice, name="laptop")[1]


def api(**headers: str) -> APIClient:
    from rest_framework.test import APIClient

    return APIClient(headers=headers)


def owner(response: Any) -> Any:
    from threads.models import Thread

    assert response.status_code == 200, response.content
    return Thread.objects.get(pk=response.json()["thread_id"]).owner


@pytest.mark.parametrize(
    "header", ["X-Api-Key: {}", "Authorization: Bearer {}", "Authorization: bearer  {} "]
)
def test_a_key_says_whose_the_request_is(alice: User, key: str, header: str) -> None:
    name, _, value = header.format(key).partition(": ")
    assert owner(api(**{name: value}).post("/threads", {})) == alice


def test_a_key_of_another_service_beside_ours_does_no_harm(alice: User, key: str) -> None:
    """The SDKs send LANGSMITH_API_KEY as X-Api-Key, asked or not."""
    both = {"X-Api-Key": "lsv2_pt_abc", "Authorization": f"Bearer {key}"}
    assert owner(api(**both).post("/threads", {})) == alice


def test_the_body_does_not_say_whose_a_thread_is(alice: User, key: str) -> None:
    bob = User.objects.create(username="bob")
    body = {"owner": bob.pk, "owner_id": bob.pk, "user": bob.pk, "metadata": {"owner": bob.pk}}
    assert owner(api(**{"X-Api-Key": key}).post("/threads", body)) == alice


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Api-Key": "lsv2_pt_abc"},
        {"X-Api-Key": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": f"Basic {UNKNOWN}"},
        {"Authorization": f"Token {UNKNOWN}"},
        {"X-Api-Key": UNKNOWN},
        {"Authorization": f"Bearer {UNKNOWN}"},
    ],
)
def test_without_a_key_of_ours_the_answer_is_401(headers: dict[str, str]) -> None:
    response = api(**headers).post("/threads", {})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert isinstance(response.json()["detail"], str)


def test_all_that_is_wrong_with_a_key_looks_the_same(alice: User) -> None:
    from django.utils import timezone

    from threads.api_keys import ApiKey

    expired = ApiKey.objects.issue(alice, name="expired", expires_at=timezone.now())[1]
    revoked_key, revoked = ApiKey.objects.issue(alice, name="revoked")
    revoked_key.revoke()
    locked_out = ApiKey.objects.issue(User.objects.create(username="b", is_active=False), name="x")[1]
    answers = {
        (response.status_code, response.content)
        for key in (expired, revoked, locked_out, UNKNOWN, revoked[:-1] + "x")
        for response in [api(**{"X-Api-Key": key}).post("/threads", {})]
    }
    assert answers == {(401, b'{"detail":"Invalid API key."}')}


def test_a_wrong_key_is_refused_where_none_is_needed(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    assert api(**{"X-Api-Key": UNKNOWN}).post("/threads", {}).status_code == 401
    assert api(**{"X-Api-Key": "lsv2_pt_abc"}).post("/threads", {}).status_code == 200


def test_a_key_goes_before_a_session(alice: User, key: str) -> None:
    client = api(**{"X-Api-Key": key})
    client.force_login(User.objects.create(username="bob"))
    assert owner(client.post("/threads", {})) == alice


def test_a_key_costs_one_query(
    alice: User, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = api(**{"X-Api-Key": key})
    client.post("/threads", {})  # stamps the key
    with django_assert_num_queries(1):
        assert client.get("/threads/01920000-0000-7000-8000-000000000000").status_code == 404


@pytest.mark.parametrize("path", ["/ok", "/info", "/docs", "/openapi.json", "/api/health"])
def test_what_the_server_says_of_itself_is_open(path: str) -> None:
    assert api().get(path).status_code == 200
    assert api(**{"X-Api-Key": UNKNOWN}).get(path).status_code == 200


def test_the_documentation_names_the_headers() -> None:
    document = api().get("/openapi.json").json()
    assert document["components"]["securitySchemes"] == {
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookieAuth": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
    }
    assert {"apiKey": []} in document["paths"]["/threads"]["post"]["security"]


# What pages of other sites could make a browser send


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_with_a_session_a_body_must_say_that_it_is_json(alice: User, content_type: str) -> None:
    """On top of the token that Django wants, which the test's client does without."""
    client = api()
    client.force_login(alice)
    assert client.generic("POST", "/threads", "{}", content_type).status_code == 415
    for declared in ("application/json", "application/json; charset=utf-8", "application/vnd.x+json"):
        assert owner(client.generic("POST", "/threads", "{}", declared)) == alice


@pytest.mark.parametrize("header", ["X-Api-Key", "Authorization"])
def test_with_a_key_a_body_may_be_called_text(alice: User, key: str, header: str) -> None:
    client = api(**{header: f"Bearer {key}" if header == "Authorization" else key})
    assert owner(client.generic("POST", "/threads", "{}", "text/plain;charset=UTF-8")) == alice


def test_without_an_account_a_body_may_be_called_text(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    assert owner(api().generic("POST", "/threads", "{}", "text/plain")) is None


def test_what_needs_no_body_needs_no_content_type(alice: User) -> None:
    from threads.models import Thread

    client = api()
    client.force_login(alice)
    thread = Thread.objects.create(owner=alice)
    assert client.generic("POST", f"/threads/{thread.pk}/copy").status_code == 200


# What is not told


@pytest.mark.parametrize("path", ["/threads", "/docs", "/admin/login/", "/nowhere", "/ok"])
def test_answers_say_what_browsers_may_do_with_them(path: str) -> None:
    headers = api().get(path).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "script" not in headers["Content-Security-Policy"]  # so 'self' alone
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


def test_logs_have_neither_keys_nor_what_was_said(key: str, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("django.request", "runs", "threads", "skeino_site", "rest_framework"):
        caplog.set_level(logging.DEBUG, logger=name)
    said = {"messages": [{"role": "user", "content": "between us"}]}
    for text in (key, UNKNOWN):
        client = api(**{"X-Api-Key": text})
        client.post("/runs", {"assistant_id": "agent", "input": said, "after_seconds": 3600})
        client.post("/runs", {"assistant_id": "nobody", "input": said})
        client.post("/threads", {"metadata": "between us", "thread_id": "between us"})
    assert caplog.records
    for secret in (key.rpartition("_")[2], "between us"):
        assert secret not in caplog.text
