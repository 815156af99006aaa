from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assistants import langgraph_json
from assistants.langgraph_json import LanggraphJsonError, cors_settings

GRAPHS = {"echo": "./echo.py:graph"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "langgraph.json"


def write(path: Path, **document: Any) -> Path:
    path.write_text(json.dumps({"graphs": GRAPHS, **document}))
    return path


def refused(path: Path) -> str:
    """The one line that says what is wrong."""
    with pytest.raises(LanggraphJsonError) as raised:
        langgraph_json.read(path)
    (message,) = str(raised.value).splitlines()
    assert str(path) in message
    return message


def test_it_reads_what_the_server_uses(path: Path) -> None:
    found = langgraph_json.read(write(path, dependencies=["."], env=".env", http={"cors": {}}))
    assert (found.folder, found.graphs) == (path.parent, GRAPHS)
    assert (found.dependencies, found.env, found.http) == (["."], ".env", {"cors": {}})


def test_what_is_left_out_has_a_default(path: Path) -> None:
    found = langgraph_json.read(write(path))
    assert (found.env, found.dependencies, found.store, found.http) == (None, [], {}, {})


@pytest.mark.parametrize("key", ["dependencies", "store", "http"])
def test_null_is_as_if_it_were_left_out(path: Path, key: str) -> None:
    assert getattr(langgraph_json.read(write(path, **{key: None})), key) is not None


def test_a_graph_may_be_an_object_with_a_path(path: Path) -> None:
    graphs = {"echo": {"path": "./echo.py:graph", "description": "Says it again."}}
    assert langgraph_json.read(write(path, graphs=graphs)).graphs == GRAPHS


def test_graphs_keep_their_order(path: Path) -> None:
    graphs = dict.fromkeys(("z", "a", "m"), "./graph.py:graph")
    assert list(langgraph_json.read(write(path, graphs=graphs)).graphs) == ["z", "a", "m"]


def test_keys_that_nobody_knows_are_noted(path: Path) -> None:
    found = langgraph_json.read(write(path, grpahs={}, dependancies=[]))
    assert found.unknown_keys == ["dependancies", "grpahs"]


def test_keys_for_building_images_are_no_mistake(path: Path) -> None:
    found = langgraph_json.read(write(path, python_version="3.12", dockerfile_lines=[], ui={}, auth={}))
    assert found.unknown_keys == []


def test_a_missing_file_is_named_with_the_variable_that_names_it(path: Path) -> None:
    assert refused(path).endswith("does not exist; set LANGGRAPH_JSON to your langgraph.json.")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"{'graphs': {}}", b"\xff\xfe", b"// comment\n{}"])
def test_what_is_no_json_is_refused(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    assert "is not valid JSON" in refused(path)


@pytest.mark.parametrize("document", [[], "text", 1, None])
def test_json_that_is_no_object_is_refused(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document))
    assert "must hold a JSON object" in refused(path)


@pytest.mark.parametrize("graphs", [None, {}, [], "./echo.py:graph", ["./echo.py:graph"]])
def test_at_least_one_graph_must_be_named(path: Path, graphs: Any) -> None:
    assert 'at least one graph under "graphs"' in refused(write(path, graphs=graphs))


@pytest.mark.parametrize(
    "target", ["./echo.py", "", None, 1, ["./echo.py:graph"], {}, {"path": 1}, {"path": "x"}]
)
def test_a_graph_must_name_a_variable_in_a_module(path: Path, target: Any) -> None:
    assert 'graph "odd" must be' in refused(write(path, graphs={"echo": "./echo.py:graph", "odd": target}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("env", ["A=1"]),
        ("env", 1),
        ("dependencies", "."),
        ("dependencies", {"a": 1}),
        ("store", "postgres"),
        ("store", ["a"]),
        ("http", []),
        ("http", ["cors"]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(path: Path, key: str, value: Any) -> None:
    assert f'"{key}" must be' in refused(write(path, **{key: value}))


@pytest.mark.parametrize("dependencies", [[1], [None], [{"path": "."}]])
def test_dependencies_must_be_text(path: Path, dependencies: list[Any]) -> None:
    assert '"dependencies"' in refused(write(path, dependencies=dependencies))


def test_by_default_every_origin_is_welcome(path: Path) -> None:
    found = cors_settings(write(path))
    assert (found["origins"], found["origin_regexes"], found["credentials"]) == (["*"], [], False)
    assert found["max_age"] == 600
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(found["methods"])


def test_browsers_may_send_what_clients_send_and_see_what_they_need(path: Path) -> None:
    found = cors_settings(write(path))
    assert {"x-api-key", "x-auth-scheme", "last-event-id", "content-type"} <= set(found["headers"])
    assert {"location", "content-location", "x-pagination-total", "x-pagination-next"} <= set(
        found["expose_headers"]
    )


def test_the_file_says_who_is_welcome(path: Path) -> None:
    cors = {"allow_origins": ["https://a.example"], "allow_credentials": True, "max_age": 5}
    found = cors_settings(write(path, http={"cors": cors}))
    assert (found["origins"], found["credentials"], found["max_age"]) == (["https://a.example"], True, 5)


def test_a_pattern_alone_does_not_welcome_everybody(path: Path) -> None:
    found = cors_settings(write(path, http={"cors": {"allow_origin_regex": r"https://.*\.example"}}))
    assert (found["origins"], found["origin_regexes"]) == ([], [r"https://.*\.example"])


def test_headers_of_the_file_are_added_to_those_that_clients_need(path: Path) -> None:
    cors = {"allow_headers": ["X-Tenant", "Content-Type", "*"], "expose_headers": ["x-cost"]}
    found = cors_settings(write(path, http={"cors": cors}))
    assert found["headers"].count("x-tenant") == found["headers"].count("content-type") == 1
    assert "*" not in found["headers"]
    assert {"x-cost", "content-location"} <= set(found["expose_headers"])


@pytest.mark.parametrize(("methods", "allowed"), [(["GET"], False), (["*"], True), ([], True)])
def test_methods_of_the_file_replace_the_default(path: Path, methods: list[str], allowed: bool) -> None:
    found = cors_settings(write(path, http={"cors": {"allow_methods": methods}}))
    assert ("DELETE" in found["methods"]) is allowed


def test_a_file_that_cannot_be_read_says_nothing_about_origins(path: Path) -> None:
    assert cors_settings(path) == cors_settings(write(path))


@pytest.mark.parametrize(
    "cors",
    [
        ["https://a.example"],
        "https://a.example",
        {"allow_origins": "https://a.example"},
        {"allow_origins": 1},
        {"allow_headers": [1]},
        {"max_age": "soon"},
    ],
)
def test_a_wrong_section_is_refused_where_graphs_are_loaded_and_says_nothing_before(
    path: Path, cors: Any
) -> None:
    write(path, http={"cors": cors})
    assert cors_settings(path) == cors_settings(path.with_name("missing.json"))
    assert "cors" in refused(path)
