from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from assistants import langgraph_json
from assistants.conf import conf


@register()
def check_graphs(**kwargs: Any) -> list[CheckMessage]:
    """Whether the settings name graphs. Importing them is left to those who run them."""
    if conf.SKEINO_GRAPHS:
        return _check_targets(conf.SKEINO_GRAPHS)
    try:
        document = langgraph_json.read(conf.SKEINO_LANGGRAPH_JSON)
    except langgraph_json.LanggraphJsonError as exc:
        return [Error(str(exc), hint="Or name your graphs in SKEINO_GRAPHS.", id="assistants.E001")]
    return [
        Warning(
            f'{conf.SKEINO_LANGGRAPH_JSON} has a key that is not understood: "{key}".',
            hint="It is ignored. Is it a typing error?",
            id="assistants.W001",
        )
        for key in document.unknown_keys
    ]


def _check_targets(graphs: Any) -> list[CheckMessage]:
    if not isinstance(graphs, dict):
        return [Error("SKEINO_GRAPHS must be a dict of graphs by id.", id="assistants.E002")]
    return [
        Error(
            f'SKEINO_GRAPHS["{graph_id}"] must be "module:variable", "./file.py:variable" or a graph.',
            id="assistants.E002",
        )
        for graph_id, target in graphs.items()
        if isinstance(target, str) and ":" not in target
    ]
