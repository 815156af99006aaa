from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ThreadsConfig(AppConfig):
    name = "threads"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from assistants.setting_checks import register_settings
        from threads import checks, signals  # noqa: F401  (registers checks, connects receivers)
        from threads.conf import conf

        register_settings(conf, "threads")

        post_migrate.connect(setup_checkpointer, sender=self)


def setup_checkpointer(**kwargs: Any) -> None:
    """After every ``migrate``: LangGraph numbers its own migrations and applies what is missing."""
    from threads import checkpointer

    checkpointer.setup()
