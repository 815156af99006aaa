"""For Prometheus: what waits in the queue of all processes, and what this process has done."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.db import DatabaseError, InterfaceError
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, inline_serializer
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from runs.backlog import Backlog, measure
from runs.events import reader
from runs.metrics import FOLLOWERS
from skeino_site.openapi import ErrorSerializer
from skeino_site.probes import Probe

# Prometheus gives up after ten seconds unless told otherwise.
PATIENCE_SECONDS = 3.0

FOLLOWERS.set_function(reader.open_streams)

probe = Probe(partial(measure, PATIENCE_SECONDS))


def backlog() -> Backlog | None:
    """None when the database does not say in time."""
    try:
        return probe.answer(PATIENCE_SECONDS)
    except (TimeoutError, DatabaseError, InterfaceError):
        return None


class BacklogCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        found = backlog()
        yield GaugeMetricFamily("skeino_database_up", "Whether the database answers.", int(found is not None))
        if found is None:
            return
        yield _by_state(
            "skeino_queue_jobs",
            "Jobs: ready to begin, behind another of their thread, for later, and being done.",
            {
                "waiting": found.waiting,
                "behind": found.behind,
                "scheduled": found.scheduled,
                "executing": found.executing,
            },
        )
        yield GaugeMetricFamily(
            "skeino_queue_oldest_waiting_seconds",
            "How long the first of the jobs that are ready to begin has been waiting.",
            found.oldest_seconds,
        )
        runs = {"pending": found.pending_runs, "running": found.running_runs}
        yield _by_state("skeino_runs", "Runs that have not ended.", runs, label="status")
        yield _by_state("skeino_threads", "Threads with such.", {"busy": found.busy_threads}, label="status")
        yield GaugeMetricFamily("skeino_workers", "Worker processes that live.", found.live_workers)


def _by_state(name: str, text: str, values: dict[str, int], *, label: str = "state") -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for state, value in values.items():
        family.add_metric([state], value)
    return family


# Apart from this process's own metrics, for workers have those too and need not look into the database.
_of_all = CollectorRegistry()
_of_all.register(BacklogCollector())


class MetricsQuerySerializer(serializers.Serializer[None]):
    format = serializers.ChoiceField(["prometheus", "json"], default="prometheus")


@extend_schema(tags=["Meta"])
class MetricsViewSet(ViewSet):
    """Open to everybody."""

    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(
        operation_id="system_metrics_metrics_get",
        parameters=[MetricsQuerySerializer],
        responses={
            (200, "text/plain"): OpenApiTypes.STR,
            (200, "application/json"): inline_serializer(
                "Metrics",
                {
                    "queue": inline_serializer(
                        "QueueMetrics",
                        {
                            "n_pending": serializers.IntegerField(),
                            "n_running": serializers.IntegerField(),
                            "pending_unblocked_runs_wait_time_max_secs": serializers.FloatField(),
                        },
                        allow_null=True,
                    )
                },
            ),
            422: ErrorSerializer,
        },
    )
    def metrics(self, request: Request) -> HttpResponseBase:
        """Metrics in Prometheus' text format, or those of the queue as JSON.

        What the queue holds is the same in every process; the rest is what this process has done.
        """
        query = MetricsQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        if query.validated_data["format"] == "json":
            return Response({"queue": _queue(backlog())})
        content = generate_latest(_of_all) + generate_latest(REGISTRY)
        return HttpResponse(content, content_type=CONTENT_TYPE_LATEST)


def _queue(found: Backlog | None) -> dict[str, float] | None:
    """In the words of the official server."""
    if found is None:
        return None
    return {
        "n_pending": found.pending_runs,
        "n_running": found.running_runs,
        "pending_unblocked_runs_wait_time_max_secs": found.oldest_seconds,
    }
