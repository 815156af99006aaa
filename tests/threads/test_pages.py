"""Pages of threads that are read past the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Q
from pytest_django import Settings

from assistants.database import page
from threads.models import Thread
from threads.policy import Access, ThreadPolicy
from threads.querysets import FOUND

if TYPE_CHECKING:
    from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def test_threads() -> None:
    owners = [User.objects.create_user(name) for name in ("alice", "bob")]
    for number in range(6):
        Thread.objects.create(owner=owners[number % 2], metadata={"50%": number // 2}, values=[number])
    Thread.objects.create(owner=None)


class ByName(ThreadPolicy):
    """Asks another table."""

    def allowed(self, threads: Any, user: Any, access: Access) -> Any:
        return threads.filter(owner__username="alice")


@pytest.mark.parametrize(
    "rows",
    [
        Thread.objects.all(),
        Thread.objects.none(),
        Thread.objects.filter(owner=None),
        Thread.objects.exclude(owner=None).filter(
            pk__in=Thread.objects.filter(metadata__contains={"50%": 1})
        ),
        Thread.objects.filter(Q(metadata__contains={"50%": 1}) | Q(owner=None)),
    ],
)
@pytest.mark.parametrize("order_by", ["created_at", "-updated_at"])
def test_it_has_the_querysets_rows(rows: Any, order_by: str) -> None:
    sign = "-" if order_by.startswith("-") else ""
    expected = list(rows.order_by(order_by, f"{sign}id").values_list("id", flat=True)[1:4])
    found = page(rows, FOUND, order_by=order_by, limit=3, offset=1)
    assert found is not None
    assert [row["id"] for row in found] == expected


@pytest.mark.parametrize("rows", [Thread.objects.filter(owner__username="alice"), Thread.objects.distinct()])
def test_what_needs_more_than_its_table_is_left_to_models(rows: Any) -> None:
    assert page(rows, FOUND, order_by="created_at", limit=3, offset=0) is None


def test_a_search_shows_the_same_either_way(api: APIClient, settings: Settings) -> None:
    settings.SKEINO_THREAD_POLICY = f"{__name__}.ByName"
    through_models = api.post("/threads/search", {"limit": 2}).json()
    settings.SKEINO_THREAD_POLICY = "threads.policy.ThreadPolicy"
    api.force_authenticate(User.objects.get(username="alice"))
    response = api.post("/threads/search", {"limit": 2})
    assert len(through_models) == 2
    assert response.json() == through_models
    assert response.headers["x-pagination-next"] == "2"
