from __future__ import annotations

from typing import Any

from rest_framework.exceptions import APIException


class AssistantNotFound(APIException):
    """No assistant of that id is served here."""

    status_code = 404
    default_code = "assistant_not_found"

    def __init__(self, assistant_id: object) -> None:
        super().__init__(f"Assistant {assistant_id} not found")


class InvalidAssistant(APIException):
    """A name that is neither a UUID nor a graph that is served here."""

    status_code = 422
    default_code = "invalid_assistant"

    def __init__(self, name: object, graph_ids: list[str]) -> None:
        super().__init__(
            f"Invalid assistant: '{name}'. Must be either: a valid assistant UUID, "
            f"or one of the registered graphs: {', '.join(graph_ids)}"
        )


class GraphNotFound(APIException):
    """A search for a graph that is not served here."""

    status_code = 404
    default_code = "graph_not_found"

    def __init__(self, graph_id: str, graph_ids: list[str]) -> None:
        super().__init__(f"Graph '{graph_id}' not found. Expected one of: {graph_ids}")


def first_error(errors: Any, path: str = "") -> str:
    """One sentence for all that a serializer finds wrong: the first, with where it is."""
    if isinstance(errors, dict):
        key, value = next(iter(errors.items()))
        return first_error(value, path if key == "non_field_errors" else f"{path}.{key}".lstrip("."))
    if isinstance(errors, list):
        index, error = next((i, e) for i, e in enumerate(errors) if e)  # items without an error are empty
        return first_error(error, f"{path}.{index}".lstrip(".") if isinstance(error, (dict, list)) else path)
    return f"{path}: {errors}" if path else str(errors)
