from __future__ import annotations

from rest_framework import serializers

from threads.sharing import ThreadShare


class ShareSerializer(serializers.ModelSerializer[ThreadShare]):
    """A group that a thread is shared with, and what it may do."""

    group = serializers.CharField(max_length=150, source="group.name", help_text="The group's name.")
    group_id = serializers.IntegerField(read_only=True)
    created_at = serializers.DateTimeField(format=None, read_only=True)

    class Meta:
        model = ThreadShare
        fields = ["group", "group_id", "access", "created_at"]
