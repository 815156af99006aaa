"""What lists say of a conversation without reading it: columns that Postgres works out from ``values``."""

from __future__ import annotations

from django.db.models import F, Func, IntegerField, TextField, Value
from django.db.models.functions import Cast, Coalesce, Left

TITLE_LENGTH = 200

# Messages are dicts here: LangChain's have a `type`, those of other makers a `role`.
FIRST_HUMAN = '$.messages[*] ? (@.type == "human" || @.role == "user" || @.role == "human")'
# Content is a text, or a list of blocks and texts.
TEXT = '$.content ? (@.type() == "string")'
TEXT_OF_BLOCK = '$.content[*].text ? (@.type() == "string")'


def _first(document: F | Func, path: str) -> Func:
    return Func(document, Value(path), function="jsonb_path_query_first")


def _text(document: Func) -> Func:
    return Func(document, template="(%(expressions)s #>> '{}')", output_field=TextField())


_MESSAGE = _first(F("values"), FIRST_HUMAN)

# The beginning of the first thing that a person said; "" without one.
TITLE = Left(
    Coalesce(
        _text(_first(_MESSAGE, TEXT)),
        _text(_first(_MESSAGE, TEXT_OF_BLOCK)),
        Value(""),
        output_field=TextField(),
    ),
    TITLE_LENGTH,
)
# Null where the state has no messages.
MESSAGE_COUNT = Cast(_text(_first(F("values"), "$.messages.size()")), IntegerField())
