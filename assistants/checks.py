from __future__ import annotations

import os
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register

from assistants import langgraph_json
from assistants.conf import THROTTLE_RATES, conf


@register("skeino")
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


@register(Tags.security, deploy=True)
def check_deserialisation(**kwargs: Any) -> list[CheckMessage]:
    if os.environ.get("LANGGRAPH_STRICT_MSGPACK", "").lower() in ("1", "true", "yes"):
        return []
    return [
        Warning(
            "LANGGRAPH_STRICT_MSGPACK is off: whoever writes to the checkpoints' tables may run code.",
            hint="Take it out of the environment.",
            id="assistants.W002",
        )
    ]


@register(Tags.security, deploy=True)
def check_throttling(**kwargs: Any) -> list[CheckMessage]:
    unlimited = [name for name in THROTTLE_RATES if not conf.SKEINO_THROTTLE_RATES.get(name)]
    if not unlimited:
        return []
    return [
        Warning(
            f"SKEINO_THROTTLE_RATES has no limit for {', '.join(unlimited)}.",
            hint="Give each a rate, such as 1000/min, unless something before this server does.",
            id="assistants.W003",
        )
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
