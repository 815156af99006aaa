from __future__ import annotations

from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "runs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from assistants.setting_checks import register_settings
        from runs import checks, signals  # noqa: F401  (registers system checks, connects receivers)
        from runs.conf import conf

        register_settings(conf, "runs")
