"""How the server is doing: what waits, what the last day's runs came to, and what they took."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from django.db import OperationalError
from django.utils import timezone
from django.utils.translation import gettext as _

from assistants.models import Assistant
from runs import backlog
from runs.admin.charts import bar, stacked
from runs.connections import bounded
from runs.models import Run
from runs.retention import smallest_id

HOURS = 24
# A dashboard that takes longer is not shown, and does not hold up the database.
SECONDS = 5.0
ASSISTANTS_SHOWN = 10

# Ids begin with the time of their making.
RUNS = """
SELECT date_trunc('hour', created_at), status, assistant_id, count(*),
    coalesce(sum(CASE WHEN jsonb_typeof(usage -> 'total_tokens') = 'number'
        THEN (usage ->> 'total_tokens')::numeric END), 0)::bigint
FROM runs_run WHERE id >= %s GROUP BY 1, 2, 3
"""


def measured() -> dict[str, Any]:
    """What the page shows; ``failed`` alone when it would take too long."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=ago) for ago in reversed(range(HOURS))]
    try:
        waits = backlog.measure(SECONDS)
        with bounded(SECONDS) as cursor:
            cursor.execute(RUNS, [smallest_id(hours[0])])
            rows = cursor.fetchall()
    except OperationalError:
        return {"failed": True}
    by_hour: dict[Any, Counter[str]] = defaultdict(Counter)
    statuses: Counter[str] = Counter()
    tokens: Counter[Any] = Counter()
    for hour, status, assistant_id, count, total in rows:
        by_hour[hour][status] += count
        statuses[status] += count
        tokens[assistant_id] += total
    return {
        "backlog": waits,
        "hours": HOURS,
        "total": statuses.total(),
        "error_rate": _error_rate(statuses),
        "statuses": [(status, Run.Status(status).label, count) for status, count in statuses.most_common()],
        "runs": _chart(hours, by_hour),
        "tokens": _tokens(tokens),
    }


def _error_rate(statuses: Counter[str]) -> float | None:
    """In percent, of those that ended; None without any."""
    ended = sum(count for status, count in statuses.items() if status not in Run.ACTIVE)
    failed = statuses[Run.Status.ERROR] + statuses[Run.Status.TIMEOUT]
    return 100 * failed / ended if ended else None


def _chart(hours: list[Any], by_hour: dict[Any, Counter[str]]) -> Any:
    bars = [
        (
            f"{timezone.localtime(hour):%H:%M}",
            {status: by_hour[hour][status] for status in Run.Status.values if by_hour[hour][status]},
        )
        for hour in hours
    ]
    return stacked(bars, label=_("Runs by status and hour"))


def _tokens(tokens: Counter[Any]) -> list[tuple[str, int, Any]]:
    most = [(pk, count) for pk, count in tokens.most_common(ASSISTANTS_SHOWN) if count]
    names = dict(Assistant.objects.filter(pk__in=[pk for pk, _count in most]).values_list("pk", "name"))
    return [(names.get(pk, str(pk)), count, bar(count, most[0][1])) for pk, count in most]
