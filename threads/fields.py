from __future__ import annotations

import json
from typing import Any

import orjson
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.fields.json import KeyTransform
from psycopg.types.json import Jsonb

from threads.encoding import EncodedJSON


class JSONField(models.JSONField):
    """Django's JSONField, quicker on large values: read by orjson, and EncodedJSON is written as it is."""

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        if isinstance(value, EncodedJSON):
            return Jsonb(value, dumps=str)
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        if value is None or (isinstance(expression, KeyTransform) and not isinstance(value, str)):
            return value
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return json.loads(value)  # numbers beyond a double, which jsonb can hold
