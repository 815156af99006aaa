"""What became of telling a run's webhook of its end."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from assistants.console.verbs import Panel
from runs.models import Run, WebhookDelivery
from threads.admin.managed import ManagedAdmin

SHOWN = 50


class RunDeliveries(ManagedAdmin):
    """A panel for who may view the run. Where it was sent, and errors, which may say so, are content."""

    def panels(self, request: HttpRequest, obj: Run) -> list[Panel]:
        if not obj.kwargs.get("webhook"):
            return []
        return [Panel("deliveries", _("Webhook deliveries"), self.url("deliveries", obj.pk), open=True)]

    def get_urls(self) -> list[URLPattern]:
        return [self.page("deliveries", "<uuid:pk>/deliveries/", self.deliveries_view), *super().get_urls()]

    def deliveries_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The latest of them, newest first."""
        run = self.found(request, pk)
        found = WebhookDelivery.objects.filter(run=run).order_by("-number")
        context: dict[str, Any] = {"deliveries": found[:SHOWN], "sees_content": self.sees_content(request)}
        template, title = "admin/runs/deliveries.html", _("Webhook deliveries")
        return self.panel(request, template, title, object=run, **context)
