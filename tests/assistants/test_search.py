from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from assistants.graphs import registry
from assistants.models import Assistant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def served() -> None:
    Assistant.objects.sync()


def search(api: APIClient, **body: Any) -> list[dict[str, Any]]:
    response = api.post("/assistants/search", body)
    assert response.status_code == 200, response.content
    return list(response.json())


def names(api: APIClient, **body: Any) -> list[str]:
    return [assistant["name"] for assistant in search(api, **body)]


def test_it_finds_the_assistant_of_every_graph(api: APIClient) -> None:
    assert sorted(names(api, limit=100)) == sorted(registry.ids())


def test_it_finds_the_newest_first(api: APIClient) -> None:
    Assistant.objects.create(graph_id="echo", name="Newest")
    assert names(api)[0] == "Newest"


def test_it_leaves_out_assistants_whose_graph_is_gone(api: APIClient) -> None:
    Assistant.objects.create(graph_id="gone", name="Gone")
    assert "Gone" not in names(api, limit=100)


def test_all_conditions_must_hold(api: APIClient) -> None:
    Assistant.objects.create(graph_id="echo", name="Mine", metadata={"team": "red", "level": 1})
    assert names(api, graph_id="echo", name="Mine", metadata={"team": "red"}) == ["Mine"]
    assert names(api, graph_id="echo", name="Mine", metadata={"team": "blue"}) == []
    assert names(api, graph_id="slow", name="Mine", metadata={"team": "red"}) == []


def test_metadata_may_name_a_part_of_what_is_there(api: APIClient) -> None:
    Assistant.objects.create(graph_id="echo", name="Mine", metadata={"deep": {"a": 1, "b": [1, 2]}})
    assert names(api, metadata={"deep": {"b": [2]}}) == ["Mine"]


def test_a_name_is_found_by_any_part_of_it_in_any_case(api: APIClient) -> None:
    Assistant.objects.create(graph_id="echo", name="100% of the Weather")
    assert names(api, name="WEATHER") == ["100% of the Weather"]
    assert names(api, name="100% of") == ["100% of the Weather"]


def test_a_name_is_no_pattern(api: APIClient) -> None:
    assert names(api, name="%") == []
    assert names(api, name="e_ho") == []


def test_null_is_no_condition(api: APIClient) -> None:
    body = dict.fromkeys(["metadata", "graph_id", "name", "sort_by", "sort_order"])
    assert len(search(api, **body, limit=100)) == len(registry.ids())


def test_unknown_keys_are_ignored(api: APIClient) -> None:
    assert len(search(api, limit=100, graphId="echo", surprise=1)) == len(registry.ids())


def test_only_what_is_asked_for_is_shown(api: APIClient) -> None:
    assert search(api, graph_id="echo", select=["name", "graph_id"]) == [{"name": "echo", "graph_id": "echo"}]


def test_it_sorts_by_what_is_asked_for(api: APIClient) -> None:
    expected = sorted(registry.ids())
    assert names(api, limit=100, sort_by="name", sort_order="asc") == expected
    assert names(api, limit=100, sort_by="name", sort_order="desc") == expected[::-1]


@pytest.mark.parametrize("field", ["assistant_id", "graph_id", "name", "created_at", "updated_at"])
def test_it_sorts_by_each_of_these_fields(api: APIClient, field: str) -> None:
    found = [assistant[field] for assistant in search(api, limit=100, sort_by=field, sort_order="asc")]
    assert found == sorted(found)


def test_pages_follow_each_other_without_gaps(api: APIClient) -> None:
    pages = [names(api, limit=4, offset=offset) for offset in range(0, len(registry.ids()), 4)]
    assert {len(page) for page in pages[:-1]} == {4}
    assert [name for page in pages for name in page] == names(api, limit=100)


def test_headers_say_how_many_there_are_and_where_the_next_page_begins(api: APIClient) -> None:
    response = api.post("/assistants/search", {"limit": 4, "offset": 2})
    assert response.headers["x-pagination-total"] == str(len(registry.ids()))
    assert response.headers["x-pagination-next"] == "6"


def test_the_last_page_names_no_next_one(api: APIClient) -> None:
    response = api.post("/assistants/search", {"limit": len(registry.ids())})
    assert "x-pagination-next" not in response.headers


def test_a_page_beyond_the_end_is_empty(api: APIClient) -> None:
    assert search(api, offset=1000) == []


def test_the_number_of_queries_does_not_grow_with_the_page(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Assistant.objects.bulk_create(Assistant(graph_id="echo", name=str(number)) for number in range(50))
    with django_assert_num_queries(2):
        assert len(search(api, limit=50)) == 50


def test_a_graph_that_is_not_served_is_not_found(api: APIClient) -> None:
    response = api.post("/assistants/search", {"graph_id": "nope"})
    assert response.status_code == 404
    assert response.json()["detail"].startswith("Graph 'nope' not found. Expected one of: ['echo', ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", 0),
        ("limit", 1001),
        ("limit", "many"),
        ("limit", None),
        ("offset", -1),
        ("offset", 2**40),
        ("metadata", ["list"]),
        ("metadata", "text"),
        ("graph_id", {"a": 1}),
        ("name", ["list"]),
        ("sort_by", "password"),
        ("sort_by", ["name"]),
        ("sort_order", "up"),
        ("select", ["secret"]),
        ("select", "name"),
    ],
)
def test_a_wrong_value_is_unprocessable_and_named(api: APIClient, field: str, value: Any) -> None:
    response = api.post("/assistants/search", {field: value})
    assert response.status_code == 422
    assert response.json()["detail"].startswith(field)
    assert list(response.json()["errors"]) == [field]


def test_a_search_is_a_post(api: APIClient) -> None:
    response = api.get("/assistants/search")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


def test_without_credentials_nothing_is_found_where_they_are_needed(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    response = APIClient().post("/assistants/search", {})
    assert response.status_code in (401, 403)
    assert isinstance(response.json()["detail"], str)
