from __future__ import annotations

import uuid

import pytest
from rest_framework.test import APIClient

from threads.encoding import encode_for_jsonb
from threads.models import Thread

pytestmark = pytest.mark.django_db


def test_it_shows_what_the_latest_run_left(api: APIClient) -> None:
    thread = Thread.objects.create(
        status=Thread.Status.ERROR,
        metadata={"graph_id": "echo"},
        config={"configurable": {}},
        values={"text": "x"},
        interrupts={"task": [{"id": "1", "value": "sure?"}]},
        error={"error": "ValueError", "message": "boom"},
    )
    found = api.get(f"/threads/{thread.pk}").json()
    assert (found["thread_id"], found["status"]) == (str(thread.pk), "error")
    assert (found["metadata"], found["config"]) == ({"graph_id": "echo"}, {"configurable": {}})
    assert (found["values"], found["interrupts"]) == ({"text": "x"}, thread.interrupts)
    assert found["error"] == {"error": "ValueError", "message": "boom"}


@pytest.mark.parametrize("form", ["{}", "{}".upper(), "urn:uuid:{}", "{{{}}}"])
def test_a_uuid_may_be_spelt_in_its_usual_ways(api: APIClient, form: str) -> None:
    thread = Thread.objects.create()
    assert api.get(f"/threads/{form.format(thread.pk)}").json()["thread_id"] == str(thread.pk)


def test_an_unknown_thread_is_not_found(api: APIClient) -> None:
    missing = uuid.uuid4()
    response = api.get(f"/threads/{missing}")
    assert response.status_code == 404
    assert response.json() == {"detail": f"Thread with ID {missing} not found"}


@pytest.mark.parametrize(
    "junk", ["mine", "1", "%00", "%FF%FE", "%ED%A0%80", "%F0%9F%92%A9", "a%0D%0Ab", "%25", "'--", "x" * 5000]
)
def test_an_id_that_is_no_uuid_is_unprocessable(api: APIClient, junk: str) -> None:
    response = api.get(f"/threads/{junk}")
    assert response.status_code == 422
    assert response.json() == {"detail": "Invalid thread ID: must be a UUID"}


@pytest.mark.parametrize(
    "number", [2**64, -(2**70), 10**400, -(10**5000)], ids=["2^64", "-2^70", "1e400", "-1e5000"]
)
def test_a_thread_whose_graph_counts_far_can_be_read_and_listed(api: APIClient, number: int) -> None:
    thread = Thread.objects.create(values=encode_for_jsonb({"number": number}))
    assert api.get(f"/threads/{thread.pk}").status_code == 200
    assert len(api.post("/threads/search", {}).json()) == 1
