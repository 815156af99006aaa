from __future__ import annotations

import re
import uuid

import httpx
import pytest

from tests.contract import page

ROW = re.compile(r"^\| `([A-Z]+) (/\S*)` \| (yes|partly|no) \|", re.MULTILINE)
OPERATIONS = ROW.findall(page.PAGE.read_text())


def test_the_page_has_the_table_of_differences() -> None:
    assert page.PAGE.read_text() == f"{page.kept()}{page.BEGIN}\n\n{page.made()}"


@pytest.mark.parametrize(("method", "path", "here"), OPERATIONS)
def test_an_operation_exists_if_and_only_if_the_page_says_so(
    client: httpx.Client, method: str, path: str, here: str
) -> None:
    if method == "GET" and "{" not in path:
        exists = client.get(path).status_code != 404
    else:
        response = client.options(re.sub(r"\{\w+\}", str(uuid.uuid4()), path))
        exists = response.is_success and method in response.headers["allow"].split(", ")
    assert exists == (here != "no")


def test_the_page_names_every_operation(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    on_page = {(method, path) for method, path, _ in OPERATIONS}
    beside = {
        (method, path) for method, path in documented if path == "/ping" or path.startswith("/v1/graph")
    }
    ours = {("GET", path) for path in ("/api/health", "/api/initial-message", "/live", "/ready")}
    ours |= {("GET", f"/runs/{{run_id}}{rest}") for rest in ("", "/join", "/stream")}
    shares = "/threads/{thread_id}/shares"
    ours |= {("GET", shares), ("POST", shares), ("DELETE", f"{shares}/{{group_id}}")}
    assert documented - on_page - beside == ours
    assert beside
