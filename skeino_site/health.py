"""For those who start, stop and load-balance the server: does the process live, and can it do its work?"""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from runs import jobs
from runs.conf import conf
from runs.connections import bounded
from skeino_site.probes import Probe

# Less than the time after which those who ask commonly give up.
PATIENCE_SECONDS = 2.0

DETAILS = {
    "database": "The database cannot be reached.",
    "migrations": "The database's migrations are not all applied.",
    "workers": "No worker is alive.",
}


class ReadinessSerializer(serializers.Serializer[None]):
    ready = serializers.BooleanField()
    detail = serializers.CharField(help_text="What is missing first, in a sentence.")
    checks = inline_serializer(
        "ReadinessChecks",
        {
            "database": serializers.BooleanField(help_text="It can be reached."),
            "migrations": serializers.BooleanField(allow_null=True, help_text="All are applied."),
            "workers": serializers.BooleanField(allow_null=True, help_text="At least one is alive."),
        },
    )


@extend_schema(tags=["Meta"])
class HealthViewSet(ViewSet):
    """Open to everybody."""

    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(
        operation_id="get_live",
        responses=inline_serializer("Live", {"live": serializers.BooleanField()}),
    )
    def live(self, request: Request) -> Response:
        """Whether the process answers, whatever the database does. If not, start it anew."""
        return Response({"live": True})

    @extend_schema(operation_id="get_ready", responses={200: ReadinessSerializer, 503: ReadinessSerializer})
    def ready(self, request: Request) -> Response:
        """Whether requests can be served: database, migrations and a worker are there.

        Answers within a few seconds. A check is null where an earlier one has failed.
        """
        checks = readiness()
        missing = next((name for name, passed in checks.items() if not passed), None)
        body = {
            "ready": missing is None,
            "detail": "Ready." if missing is None else DETAILS[missing],
            "checks": checks,
        }
        response = Response(body, status=200 if missing is None else 503)
        # Or Django would log an error whenever somebody asks.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response


def readiness() -> dict[str, Any]:
    """What is there, in the order in which one needs the other."""
    try:
        return {"database": True, **probe.answer(PATIENCE_SECONDS)}
    except (TimeoutError, DatabaseError, InterfaceError):
        return {"database": False, "migrations": None, "workers": None}


class Look:
    # Once true it stays: nobody migrates backwards under a running process, and looking reads many files.
    migrated = False

    def __call__(self) -> dict[str, Any]:
        with bounded(PATIENCE_SECONDS):
            self.migrated = self.migrated or self._is_migrated()
            if not self.migrated:
                return {"migrations": False, "workers": None}
            return {"migrations": True, "workers": jobs.live_workers(conf.SKEINO_HEARTBEAT_SECONDS) > 0}

    def _is_migrated(self) -> bool:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())


probe = Probe(Look())
