from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from skeino_site import __version__
from skeino_site.errors import catch_all


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    response = Client().get("/openapi.json")
    assert response.status_code == 200
    return dict(response.json())


def paths(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[str]:
    """All paths of the API, as OpenAPI writes them."""
    found = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern) and pattern.callback is not catch_all:
            found.append("/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route))
        elif isinstance(pattern, URLResolver) and not route.startswith("admin/"):
            found += paths(pattern.url_patterns, route)
    return found


def test_the_schema_is_made_without_a_warning() -> None:
    errors = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO(), stderr=errors)
    assert errors.getvalue() == ""


def test_the_schema_says_what_it_describes(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    assert (schema["info"]["title"], schema["info"]["version"]) == ("Skeino", __version__)


def test_every_path_is_described(schema: dict[str, Any]) -> None:
    assert {*paths(get_resolver().url_patterns)} - {"/openapi.json", "/docs"} == {*schema["paths"]}


def test_every_operation_has_a_name_of_its_own_and_a_sentence(schema: dict[str, Any]) -> None:
    operations = [operation for methods in schema["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation.get("description") for operation in operations)


@pytest.mark.parametrize("query", ["format=nonsense", "lang=%00", "lang=../..", "version=%FF", "format=yaml"])
def test_no_query_confuses_it(query: str) -> None:
    response = Client().get(f"/openapi.json?{query}")
    assert response.json()["openapi"].startswith("3.1")


def test_the_page_loads_nothing_from_elsewhere() -> None:
    response = Client().get("/docs")
    assert response.status_code == 200
    for text in (response.content.decode(), Client().get("/docs?script=").content.decode()):
        assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", text)
        assert "cdn" not in text.lower()


def test_what_the_page_loads_is_there() -> None:
    files = re.findall(r"(?:src|href)=[\"']/static/([^\"']+)", Client().get("/docs").content.decode())
    assert any(name.endswith(".js") for name in files)
    assert any(name.endswith(".css") for name in files)
    assert all(finders.find(name) for name in files)
