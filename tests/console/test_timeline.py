from __future__ import annotations

import re
import uuid

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.console.pages import SCRIPT, page, url
from tests.threads.running import execute, human
from threads import state, timeline
from threads.admin import branches
from threads.admin.branches import Line
from threads.models import Thread
from threads.timeline import Step

pytestmark = pytest.mark.django_db


def step(name: int, parent: int | None) -> Step:
    """A checkpoint that does not matter but for its place."""
    parent_id = None if parent is None else id_of(parent)
    return Step(id_of(name), parent_id, None, None, "loop", name, [], [])


def id_of(number: int) -> str:
    return str(uuid.UUID(int=number))


def lanes(*steps: tuple[int, int | None]) -> list[int]:
    rows, lines = branches.rows([step(*one) for one in steps], [])
    assert lines == []
    return [row.lane for row in rows]


# The tree


def test_a_line_of_checkpoints_is_one_lane() -> None:
    assert lanes((3, 2), (2, 1), (1, None)) == [0, 0, 0]


def test_a_branch_has_its_own_lane_until_it_comes_from_the_other() -> None:
    rows, _lines = branches.rows([step(4, 1), step(3, 2), step(2, 1), step(1, None)], [])
    assert [row.lane for row in rows] == [0, 1, 1, 0]
    assert rows[3].joining == {0, 1}
    assert rows[2].above == rows[2].below == {0, 1}


def test_a_lane_is_used_again() -> None:
    assert lanes((6, 5), (5, 4), (4, 3), (3, 1), (2, 1), (1, None)) == [0, 0, 0, 0, 1, 0]
    assert lanes((6, 4), (5, 4), (4, 1), (3, 2), (2, 1), (1, None)) == [0, 1, 0, 1, 1, 0]


@pytest.mark.parametrize("cut", range(1, 8))
def test_pages_together_are_the_whole(cut: int) -> None:
    steps = [step(*one) for one in [(8, 7), (7, 2), (6, 3), (5, 4), (4, 2), (3, 1), (2, 1), (1, None)]]
    whole, _ = branches.rows(steps, [])
    first, lines = branches.rows(steps[:cut], [])
    second, _ = branches.rows(steps[cut:], branches.parse(branches.written(lines)))
    assert [*first, *second] == whole


def test_many_branches_share_the_last_lane() -> None:
    rows, lines = branches.rows([step(number, 1) for number in range(60, 1, -1)], [])
    assert branches.width(rows) == branches.MAX_LANES
    assert len(branches.written(lines).split(",")) == branches.MAX_OPEN
    assert all("<svg" in branches.drawn(row) for row in rows)


@pytest.mark.parametrize(
    "text", ["", "x", "0.x", "9.9", f"99.{id_of(1)}", f"-1.{id_of(1)}", ",,,", "²." + id_of(1)]
)
def test_odd_lines_are_none(text: str) -> None:
    assert branches.parse(text) == []


def test_lines_are_read_as_they_were_written() -> None:
    lines = [Line(0, id_of(1)), Line(7, id_of(2))]
    assert branches.parse(branches.written(lines)) == lines


# The page


def fork(thread: Thread, place: int, text: str) -> str:
    """Write a message at the checkpoint at that place of the timeline; returns its id."""
    at = timeline.steps(thread)[0][place].checkpoint_id
    state.update(thread, [human(text)], as_node="node", checkpoint={"checkpoint_id": at})
    return at


def test_a_fork_says_where_it_comes_from(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("one"))
    execute(thread, "echo", human("two"))
    at = fork(thread, 3, "another")
    content = page(admin_client, url(thread, "checkpoints", thread.pk))
    assert "branches from step 1" in content
    assert f'title="{at}"' in content
    assert "console-lanes-2" in content
    assert content.count("console-tip") == 2
    assert content.count(">latest<") == 1


ID = "lpad((20000 + {})::text, 8, '2') || '-0000-6000-8000-000000000000'"
MORE = f"""
INSERT INTO checkpoints
SELECT thread_id, '', {ID.format("n")}, CASE WHEN n = 1 THEN checkpoint_id ELSE {ID.format("n - 1")} END,
    type, checkpoint, metadata
FROM (SELECT * FROM checkpoints WHERE thread_id = %s ORDER BY checkpoint_id DESC LIMIT 1) latest,
    generate_series(1, %s) n
"""


def many(thread: Thread, count: int) -> None:
    """Let the thread have so many more checkpoints, each the next of that before."""
    with connection.cursor() as cursor:
        cursor.execute(MORE, [str(thread.pk), count])


def test_of_many_checkpoints_a_page_is_read(
    admin_client: Client, thread: Thread, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    execute(thread, "echo", human("hi"))
    many(thread, 2000)
    with django_assert_max_num_queries(5):
        content = page(admin_client, url(thread, "checkpoints", thread.pk))
    assert content.count("console-rail") == timeline.PER_PAGE
    assert len(content) < 60_000
    seen = timeline.PER_PAGE
    while more := re.search(r'href="([^"]*before=[^"]*)"', content):
        with django_assert_max_num_queries(5):
            content = page(admin_client, more[1].replace("&amp;", "&"))
        seen += content.count("console-rail")
    assert seen == 2003
    assert "console-lanes-1" in content


@pytest.mark.parametrize("query", ["before=x", "before=%00", "lines=0.x", "before=9&lines=%27", "lines=9.9"])
def test_odd_pages_are_no_errors(admin_client: Client, thread: Thread, query: str) -> None:
    execute(thread, "echo", human("hi"))
    page(admin_client, f"{url(thread, 'checkpoints', thread.pk)}?{query}")


def test_what_was_pruned_ends_the_tree(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    with connection.cursor() as cursor:
        newest = timeline.steps(thread)[0][0].checkpoint_id
        cursor.execute("DELETE FROM checkpoints WHERE checkpoint_id <> %s", [newest])
    [only] = timeline.steps(thread)[0]
    assert only.parent_id is None
    assert "What it changed" in page(admin_client, url(thread, "checkpoints", thread.pk))


# A step


def test_a_checkpoint_of_another_thread_is_not_found(admin_client: Client, thread: Thread) -> None:
    other = Thread.objects.create()
    execute(other, "echo", human("hi"))
    for checkpoint_id in (timeline.steps(other)[0][0].checkpoint_id, uuid.uuid4()):
        assert admin_client.get(url(thread, "checkpoint", thread.pk, checkpoint_id)).status_code == 404


def test_large_states_are_not_compared(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("x" * (timeline.MAX_COMPARED + 1)))
    for found in timeline.steps(thread)[0][:2]:
        content = page(admin_client, url(thread, "checkpoint", thread.pk, found.checkpoint_id))
        assert "too large" in content
        assert len(content) < 50_000


def test_many_changed_keys_are_capped(
    admin_client: Client, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(thread, "echo", human("one"))
    then = timeline.steps(thread)[0][0].checkpoint_id
    changes = [timeline.Change(f"{SCRIPT}{n}", None, [SCRIPT] * 10_000) for n in range(60)]
    monkeypatch.setattr(timeline, "changes", lambda *given: changes)
    content = page(admin_client, url(thread, "checkpoint", thread.pk, then))
    assert "10 more keys changed" in content
    assert SCRIPT not in content
    assert len(content) < 6_000_000


def test_values_of_a_checkpoint_are_those_of_then(thread: Thread) -> None:
    execute(thread, "echo", human("one"))
    then = timeline.steps(thread)[0][0].checkpoint_id
    execute(thread, "echo", human("two"))
    found = timeline.values(thread, then)
    assert found is not None
    assert [message["content"] for message in found["messages"]] == ["one", "echo: one"]
