"""Reading ``langgraph.json``. Plain values in, plain values out: the settings module uses it too."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

# What the official command line understands in the file, and this server has no use for: building
# images, front ends, its own authentication. Anything outside both lists is probably a typing error.
IGNORED_KEYS = {
    "$schema",
    "python_version",
    "node_version",
    "pip_config_file",
    "pip_installer",
    "dockerfile_lines",
    "base_image",
    "image_distro",
    "keep_pkg_tools",
    "api_version",
    "source",
    "ui",
    "ui_config",
    "auth",
    "checkpointer",
    "webhooks",
}
KNOWN_KEYS = {"graphs", "env", "dependencies", "store", "http"}
KNOWN_STORE_KEYS = {"index", "ttl"}


class LanggraphJsonError(Exception):
    """The file is missing or does not say what it should. The message is one line and names the file."""


@dataclass(frozen=True)
class LanggraphJson:
    """The parts of the file that are used. Paths in it are relative to ``folder``."""

    folder: Path
    graphs: dict[str, str]
    descriptions: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] | str | None = None
    dependencies: list[str] = field(default_factory=list)
    store: dict[str, Any] = field(default_factory=dict)
    http: dict[str, Any] = field(default_factory=dict)
    unknown_keys: list[str] = field(default_factory=list)


class Cors(TypedDict, total=False):
    """``http.cors`` as the file has it."""

    allow_origins: list[str] | None
    allow_origin_regex: str | None
    allow_credentials: bool | None
    allow_headers: list[str] | None
    allow_methods: list[str] | None
    expose_headers: list[str] | None
    max_age: int | None


CORS: TypeAdapter[Cors | None] = TypeAdapter(Cors | None)


class CorsSettings(TypedDict):
    origins: list[str]
    origin_regexes: list[str]
    credentials: bool
    headers: list[str]
    methods: list[str]
    expose_headers: list[str]
    max_age: int


# How the official server answers when the file says nothing (wire contract 2.1).
EXPOSED_HEADERS = ["content-location", "location", "x-pagination-total", "x-pagination-next"]
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
HEADERS = [
    "accept",
    "authorization",
    "cache-control",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "prefer",
    "user-agent",
    "x-api-key",
    "x-auth-scheme",
    "x-csrftoken",
    "x-request-id",
    "x-requested-with",
]


@lru_cache(maxsize=8)
def read(path: Path) -> LanggraphJson:
    """Read and check the file, once in the life of the process, as the graphs that it names are loaded once.

    Raises LanggraphJsonError with one line that names the file and what is wrong in it.
    """
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError as exc:
        raise LanggraphJsonError(
            f"{path} does not exist; set LANGGRAPH_JSON to your langgraph.json."
        ) from exc
    except OSError as exc:
        raise LanggraphJsonError(f"{path} cannot be read: {exc.strerror}.") from exc
    except ValueError as exc:
        raise LanggraphJsonError(f"{path} is not valid JSON: {exc}.") from exc
    if not isinstance(document, dict):
        raise LanggraphJsonError(f"{path} must hold a JSON object.")
    return LanggraphJson(
        folder=path.parent,
        graphs=_graphs(path, document),
        descriptions={
            graph_id: str(entry["description"])
            for graph_id, entry in document["graphs"].items()
            if isinstance(entry, dict) and entry.get("description")
        },
        env=_typed(path, document, "env", (dict, str), None),
        dependencies=_dependencies(path, document),
        store=_typed(path, document, "store", (dict,), {}) or {},
        http=_http(path, document),
        unknown_keys=sorted(document.keys() - KNOWN_KEYS - IGNORED_KEYS)
        + [f"store.{key}" for key in sorted((document.get("store") or {}).keys() - KNOWN_STORE_KEYS)]
        + [f"http.{key}" for key in sorted((document.get("http") or {}).keys() - {"cors"})],
    )


def _graphs(path: Path, document: dict[str, Any]) -> dict[str, str]:
    graphs = document.get("graphs")
    if not isinstance(graphs, dict) or not graphs:
        raise LanggraphJsonError(f'{path} must name at least one graph under "graphs".')
    found = {}
    for graph_id, entry in graphs.items():
        target = entry.get("path") if isinstance(entry, dict) else entry
        if not isinstance(target, str) or ":" not in target:
            raise LanggraphJsonError(
                f'{path}: graph "{graph_id}" must be "./file.py:variable" or "package.module:variable".'
            )
        found[graph_id] = target
    return found


def _dependencies(path: Path, document: dict[str, Any]) -> list[str]:
    dependencies = _typed(path, document, "dependencies", (list,), []) or []
    if not all(isinstance(dependency, str) for dependency in dependencies):
        raise LanggraphJsonError(f'{path}: "dependencies" must be a list of paths.')
    return dependencies


def _http(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    http = _typed(path, document, "http", (dict,), {}) or {}
    try:
        CORS.validate_python(http.get("cors"))
    except ValidationError as exc:
        reason = exc.errors()[0]
        where = ".".join(str(part) for part in ("http.cors", *reason["loc"]) if part != "Cors")
        raise LanggraphJsonError(f'{path}: "{where}": {reason["msg"]}.') from exc
    return http


def _typed(path: Path, document: dict[str, Any], key: str, kinds: tuple[type, ...], default: Any) -> Any:
    value = document.get(key, default)
    if value is not default and value is not None and not isinstance(value, kinds):
        raise LanggraphJsonError(f'{path}: "{key}" must be {" or ".join(kind.__name__ for kind in kinds)}.')
    return value


def cors_settings(path: Path) -> CorsSettings:
    """The file's ``http.cors``, with the official server's defaults for what it leaves out.

    A file that cannot be read counts as one that says nothing: it is reported where graphs are loaded.
    """
    try:
        cors = read(path).http.get("cors") or {}
    except LanggraphJsonError:
        cors = {}
    headers = cors.get("allow_headers") or []
    methods = cors.get("allow_methods") or []
    regex = cors.get("allow_origin_regex")
    return {
        "origins": list(cors.get("allow_origins") or ([] if regex else ["*"])),
        "origin_regexes": [regex] if regex else [],
        "credentials": bool(cors.get("allow_credentials", False)),
        "headers": HEADERS + [h.lower() for h in headers if h != "*" and h.lower() not in HEADERS],
        "methods": METHODS if not methods or "*" in methods else list(methods),
        "expose_headers": [*EXPOSED_HEADERS, *(cors.get("expose_headers") or [])],
        "max_age": int(cors.get("max_age") or 600),
    }
