from __future__ import annotations

from django.apps import AppConfig


class SkeinoSiteConfig(AppConfig):
    name = "skeino_site"
    verbose_name = "Skeino"

    def ready(self) -> None:
        from django.contrib import admin

        from assistants.setting_checks import register_settings
        from skeino_site import checks  # noqa: F401  (registers the system checks)
        from skeino_site.conf import conf

        register_settings(conf, "skeino_site")
        admin.site.site_header = admin.site.site_title = "Skeino"
        admin.site.index_template = "admin/skeino_site/index.html"
