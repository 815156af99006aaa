"""System checks of an app's settings, from what its ``conf`` says of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, get_type_hints

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from pydantic import TypeAdapter, ValidationError

_known: set[str] = set()


def register_settings(conf: object, app: str) -> None:
    """Check the settings of one app: each has the type that the property of its name returns.

    What is wrong is error E010 of the app.
    """
    types = {
        name: get_type_hints(found.fget, include_extras=True)["return"]
        for name, found in inspect.getmembers(type(conf), lambda member: isinstance(member, property))
    }
    _known.update(types)
    register(_checking(conf, app, types), "skeino")


def _checking(conf: object, app: str, types: dict[str, Any]) -> Callable[..., list[CheckMessage]]:
    def check_settings(**kwargs: Any) -> list[CheckMessage]:
        return [
            Error(f"The setting {name} is wrong: {problem}.", hint=f"It is {value!r}.", id=f"{app}.E010")
            for name, expected in types.items()
            if (problem := _problem(expected, value := getattr(conf, name)))
        ]

    return check_settings


def _problem(expected: Any, value: Any) -> str:
    try:
        TypeAdapter(expected, config={"arbitrary_types_allowed": True}).validate_python(value, strict=True)
    except ValidationError as exc:
        return str(exc.errors()[0]["msg"])
    return ""


@register("skeino")
def check_unknown_settings(**kwargs: Any) -> list[CheckMessage]:
    unknown = {name for name in dir(settings) if name.startswith("SKEINO_")} - _known
    return [
        Warning(
            f"There is no setting {name}.",
            hint=" ".join(f"Do you mean {near}?" for near in get_close_matches(name, _known, 1)) or None,
            id="assistants.W010",
        )
        for name in sorted(unknown)
    ]
