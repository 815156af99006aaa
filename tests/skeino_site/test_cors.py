from __future__ import annotations

import pytest
from django.http import HttpResponseBase
from django.test import Client
from pytest_django import Settings

ORIGIN = "https://app.example"


def preflight(
    path: str = "/threads", method: str = "POST", headers: str = "content-type", **more: str
) -> HttpResponseBase:
    asked = {"access-control-request-method": method, "access-control-request-headers": headers}
    return Client().options(path, headers={"origin": ORIGIN, **asked, **more})


def listed(response: HttpResponseBase, header: str) -> set[str]:
    return {value.strip().lower() for value in response.headers.get(header, "").split(",")}


def test_every_origin_is_welcome_by_default() -> None:
    response = Client().get("/ok", headers={"origin": ORIGIN})
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("path", ["/threads", "/threads/mine", "/threads/mine/runs/stream", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE"])
def test_a_browser_may_ask_with_every_method(path: str, method: str) -> None:
    response = preflight(path, method)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert method.lower() in listed(response, "Access-Control-Allow-Methods")
    assert response.headers["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize(
    "header",
    [
        "content-type",
        "x-api-key",
        "x-auth-scheme",
        "authorization",
        "last-event-id",
        "prefer",
        "cache-control",
    ],
)
def test_a_browser_may_send_the_headers_that_clients_send(header: str) -> None:
    assert header in listed(preflight(headers=header), "Access-Control-Allow-Headers")


@pytest.mark.parametrize(
    "header", ["content-location", "location", "x-pagination-total", "x-pagination-next"]
)
def test_a_browser_shows_the_headers_that_clients_read(header: str) -> None:
    response = Client().get("/ok", headers={"origin": ORIGIN})
    assert header in listed(response, "Access-Control-Expose-Headers")


def test_a_page_on_the_internet_may_ask_a_server_at_home() -> None:
    response = preflight(**{"access-control-request-private-network": "true"})
    assert response.headers["Access-Control-Allow-Private-Network"] == "true"


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/ok/", 307), ("/assistants/search", 405)])
def test_a_browser_may_read_errors_too(path: str, status: int, settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    response = Client().get(path, headers={"origin": ORIGIN})
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.django_db
def test_the_admin_is_for_nobodys_pages() -> None:
    response = Client().get("/admin/login/", headers={"origin": ORIGIN})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers


def test_origins_can_be_limited(settings: Settings) -> None:
    settings.CORS_ALLOW_ALL_ORIGINS = False
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    welcome = Client().get("/ok", headers={"origin": ORIGIN})
    other = Client().get("/ok", headers={"origin": "https://evil.example"})
    assert welcome.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Origin" not in other.headers
