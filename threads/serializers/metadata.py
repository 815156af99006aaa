from __future__ import annotations

from typing import Any

from rest_framework import serializers

from threads.conf import conf
from threads.encoding import encode


class MetadataField(serializers.DictField):
    """An object of the client's own, of at most SKEINO_MAX_METADATA_BYTES as JSON."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        value = super().to_internal_value(data)
        most = conf.SKEINO_MAX_METADATA_BYTES
        if len(encode(value).encode()) > most:
            raise serializers.ValidationError(f"Must not be larger than {most} bytes.")
        return value
