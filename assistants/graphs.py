"""The graphs this server runs: where they are named, how they are loaded, how one is built for a run."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync
from dotenv import dotenv_values
from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from assistants import langgraph_json
from assistants.conf import conf

Factory = Callable[..., Any]


class GraphLoadError(Exception):
    """A graph cannot be loaded. The message is one line and names the graph and where it was looked for."""


class GraphRegistry:
    """The graphs named by ``SKEINO_GRAPHS``, else by ``langgraph.json``, by graph id and in that order.

    Loaded objects are kept for the life of the process, by where they came from: a changed setting
    loads what it names. A factory is called anew for every build.
    """

    def ids(self) -> list[str]:
        """Graph ids, without importing anything. Raises LanggraphJsonError."""
        return list(self._targets())

    def default_id(self) -> str:
        return conf.SKEINO_DEFAULT_ASSISTANT or self.ids()[0]

    def load_all(self) -> dict[str, Pregel | Factory]:
        """Import every graph. Raises GraphLoadError or LanggraphJsonError, each with a one-line message."""
        loaded = {graph_id: self._loaded(graph_id) for graph_id in self.ids()}
        if conf.SKEINO_DEFAULT_ASSISTANT and conf.SKEINO_DEFAULT_ASSISTANT not in loaded:
            raise GraphLoadError(
                f'SKEINO_DEFAULT_ASSISTANT is "{conf.SKEINO_DEFAULT_ASSISTANT}", '
                f"which is none of the graphs: {', '.join(loaded)}."
            )
        return loaded

    def description(self, graph_id: str) -> str | None:
        """What langgraph.json says of the graph."""
        if conf.SKEINO_GRAPHS:
            return None
        return langgraph_json.read(conf.SKEINO_LANGGRAPH_JSON).descriptions.get(graph_id)

    def build(self, graph_id: str, config: RunnableConfig | None = None) -> Pregel:
        """The compiled graph. Factories are called with ``config``, asynchronous ones on a loop."""
        built = self._built(graph_id, config)
        if inspect.isawaitable(built):
            built = async_to_sync(_awaited)(built)
        return _compiled(graph_id, built)

    async def abuild(self, graph_id: str, config: RunnableConfig | None = None) -> Pregel:
        """As ``build``."""
        built = self._built(graph_id, config)
        if inspect.isawaitable(built):
            built = await built
        return _compiled(graph_id, built)

    def is_factory(self, graph_id: str) -> bool:
        return not isinstance(self._loaded(graph_id), Pregel)

    def _built(self, graph_id: str, config: RunnableConfig | None) -> Any:
        loaded = self._loaded(graph_id)
        if isinstance(loaded, Pregel):
            return loaded
        takes_config = bool(inspect.signature(loaded).parameters)
        return loaded(config or RunnableConfig(configurable={})) if takes_config else loaded()

    def _targets(self) -> dict[str, Any]:
        return conf.SKEINO_GRAPHS or langgraph_json.read(conf.SKEINO_LANGGRAPH_JSON).graphs

    def _loaded(self, graph_id: str) -> Pregel | Factory:
        target = self._targets()[graph_id]
        if not isinstance(target, str):
            return _usable_object(graph_id, target)
        if not conf.SKEINO_GRAPHS:
            prepare_environment(conf.SKEINO_LANGGRAPH_JSON)
        return _load(graph_id, target, conf.SKEINO_LANGGRAPH_JSON.parent)


registry = GraphRegistry()


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


@cache
def prepare_environment(path: Path) -> None:
    """Do once what the file's ``dependencies`` and ``env`` ask for, before its graphs are imported.

    Variables that are set already win over the file's.
    """
    document = langgraph_json.read(path)
    for dependency in document.dependencies:
        folder = (document.folder / dependency).resolve()
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.append(str(folder))
    env = document.env
    values = dotenv_values(document.folder / env) if isinstance(env, str) else env or {}
    for name, value in values.items():
        if value is not None:
            os.environ.setdefault(name, str(value))


@cache
def _load(graph_id: str, target: str, folder: Path) -> Pregel | Factory:
    return _usable(graph_id, import_target(f'Graph "{graph_id}"', target, folder))


def import_target(what: str, target: str, folder: Path) -> Any:
    """The object that ``./file.py:variable`` or ``package.module:variable`` names.

    Raises GraphLoadError, beginning with ``what``.
    """
    source, _, variable = target.rpartition(":")
    try:
        module = _import_file(folder / source) if source.endswith(".py") else importlib.import_module(source)
    except FileNotFoundError as exc:
        raise GraphLoadError(f"{what}: {exc.filename or exc} does not exist.") from exc
    except Exception as exc:  # whatever the module itself raises while it is imported
        reason = " ".join(str(exc).split())
        raise GraphLoadError(f"{what}: {source} cannot be imported: {type(exc).__name__}: {reason}") from exc
    if not hasattr(module, variable):
        raise GraphLoadError(f'{what}: {source} has no "{variable}".')
    return getattr(module, variable)


def _import_file(path: Path) -> Any:
    """Import by the dotted name under which other modules import the file, where it has one.

    A second import under another name would make second classes of its state types.
    """
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(path)
    for entry in sys.path:
        root = Path(entry or ".").resolve()
        if path.is_relative_to(root):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            spec = _find_spec(name)
            if spec and spec.origin and Path(spec.origin).resolve() == path:
                return importlib.import_module(name)
    name = f"skeino_graph_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _find_spec(name: str) -> Any:
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    try:
        return importlib.util.find_spec(name)
    except ImportError:
        return None


def equipped(graph: Pregel, **resources: Any) -> Pregel:
    """The graph with a checkpointer, or a store, of the server's."""
    copy = graph.copy(update=resources)
    # The types that checkpoints of this graph may hold, which `copy` forgets (langgraph 1.2).
    copy._serde_allowlist = graph._serde_allowlist
    return copy


def _usable(graph_id: str, loaded: Any) -> Pregel | Factory:
    if isinstance(loaded, StateGraph):
        return _compiled(graph_id, loaded)
    if isinstance(loaded, Pregel) or callable(loaded):
        return loaded
    raise GraphLoadError(
        f'Graph "{graph_id}" is a {type(loaded).__name__}, not a graph or a function making one.'
    )


# For graphs that a setting holds: a StateGraph is compiled once.
_usable_object = cache(_usable)


def _compiled(graph_id: str, built: Any) -> Pregel:
    if isinstance(built, StateGraph):
        return built.compile(name=graph_id)
    if isinstance(built, Pregel):
        return built
    raise GraphLoadError(f'The factory of graph "{graph_id}" made a {type(built).__name__}, not a graph.')
