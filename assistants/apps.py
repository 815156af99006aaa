from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate


class AssistantsConfig(AppConfig):
    name = "assistants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from assistants import checks  # noqa: F401  (registers the system checks)
        from assistants.conf import conf
        from assistants.setting_checks import register_settings

        register_settings(conf, "assistants")

        post_migrate.connect(sync_assistants, sender=self)
        post_migrate.connect(setup_store, sender=self)


def sync_assistants(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """After every ``migrate``, as Django does for its content types and permissions."""
    from assistants.langgraph_json import LanggraphJsonError
    from assistants.models import Assistant

    try:
        Assistant.objects.using(using).sync()
    except LanggraphJsonError:
        return  # `check` reports it; a database can be migrated without graphs


def setup_store(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """After every ``migrate``: LangGraph numbers the migrations of its store and applies what is missing."""
    from assistants import store

    if using == DEFAULT_DB_ALIAS:
        store.setup()
