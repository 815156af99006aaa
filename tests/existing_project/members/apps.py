from __future__ import annotations

from django.apps import AppConfig


class MembersConfig(AppConfig):
    name = "tests.existing_project.members"
    label = "members"
