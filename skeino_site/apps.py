from __future__ import annotations

from django.apps import AppConfig


class SkeinoSiteConfig(AppConfig):
    name = "skeino_site"
    verbose_name = "Skeino"

    def ready(self) -> None:
        from skeino_site import checks  # noqa: F401  (registers the system checks)
