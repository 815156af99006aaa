from __future__ import annotations

import json
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.console.pages import SCRIPT, do, do_to_all, log_in_staff, page, submit, url
from tests.threads.running import count_rows, execute, human
from threads.models import Thread

pytestmark = pytest.mark.django_db

PANELS = ["conversation", "state", "interrupts", "checkpoints"]


def talk(*texts: str) -> dict[str, object]:
    roles = ["human", "ai"]
    return {"messages": [{"type": roles[place % 2], "content": text} for place, text in enumerate(texts)]}


def found(client: Client, term: str) -> int:
    response = client.get(url(Thread, "changelist"), {"q": term})
    return len(response.context["cl"].result_list)


# Titles


@pytest.mark.parametrize(
    ("values", "title", "count"),
    [
        (talk("Where is my parcel?", "On its way"), "Where is my parcel?", 2),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}, "u", 2),
        (
            {"messages": [{"type": "human", "content": [{"type": "text", "text": "in a block"}]}]},
            "in a block",
            1,
        ),
        ({"messages": [{"type": "human", "content": ["x"]}]}, "x", 1),
        ({"messages": [{"type": "ai", "content": "a"}]}, "", 1),
        ({"messages": [{"type": "human", "content": None}, 3, None]}, "", 3),
        ({"messages": []}, "", 0),
        ({"messages": "text"}, "", 1),
        ({"other": 1}, "", None),
        (["a", "list"], "", None),
        ("a string", "", None),
        (None, "", None),
        (talk("x" * 1000), "x" * 200, 1),
    ],
)
def test_the_title_is_the_first_human_message(values: object, title: str, count: int | None) -> None:
    thread = Thread.objects.create(values=values)
    thread.refresh_from_db()
    assert (thread.title, thread.message_count) == (title, count)


def test_the_title_follows_the_state(thread: Thread) -> None:
    from threads import state

    execute(thread, "echo", human("first"))
    state.update(thread, [human("second")])
    thread.refresh_from_db()
    assert (thread.title, thread.message_count) == ("first", len(thread.values["messages"]))


# The list


def test_the_list_takes_the_same_few_queries_and_reads_no_state(
    admin_client: Client, admin_user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    metadata = {"graph_id": "echo", "assistant_id": str(uuid.uuid4())}
    Thread.objects.bulk_create(
        Thread(owner=admin_user, values=talk(f"Question {n}"), metadata=metadata) for n in range(60)
    )
    with django_assert_max_num_queries(10) as queries:
        content = page(admin_client, url(Thread, "changelist"))
    assert "Question 59" in content
    assert not any('"values"' in query["sql"] for query in queries.captured_queries)


def test_titles_are_escaped_and_only_for_those_who_may_read(client: Client) -> None:
    Thread.objects.create(values=talk(SCRIPT))
    staff = log_in_staff(client, "threads.view_thread")
    content = page(client, url(Thread, "changelist"))
    assert "alert" not in content
    staff.delete()
    log_in_staff(client, "threads.view_thread", "threads.view_thread_content")
    content = page(client, url(Thread, "changelist"))
    assert SCRIPT not in content
    assert "&lt;script&gt;alert" in content


def test_threads_are_found_by_id_external_id_owner_and_words(admin_client: Client) -> None:
    ada = User.objects.create_user("ada")
    thread = Thread.objects.create(owner=ada, external_id="ticket-77", values=talk("My parcel is late"))
    Thread.objects.create(values=talk("Another"))
    terms = [str(thread.pk), str(thread.pk)[:-1], "ticket-77", "ticket", "ada", "PARCEL late", "parc"]
    assert [found(admin_client, term) for term in terms] == [1] * len(terms)
    assert found(admin_client, "nothing at all") == 0


def test_words_are_not_searched_for_those_who_may_not_read(client: Client) -> None:
    log_in_staff(client, "threads.view_thread")
    Thread.objects.create(values=talk("parcel"))
    assert found(client, "parcel") == 0


@pytest.mark.parametrize("term", ["'", "&|!", "a:*b", "\\", "(", '"', "😀", "x " * 500])
def test_odd_searches_are_no_errors(admin_client: Client, thread: Thread, term: str) -> None:
    assert found(admin_client, term) == 0


def test_the_list_is_filtered_by_graph_and_status(admin_client: Client) -> None:
    Thread.objects.create(metadata={"graph_id": "echo"}, status="error", values=talk("mine"))
    Thread.objects.create(metadata={"graph_id": "agent"}, values=talk("other"))
    for query in ("graph=echo", "status__exact=error"):
        content = page(admin_client, f"{url(Thread, 'changelist')}?{query}")
        assert "mine" in content
        assert "other</a>" not in content


# The page of a thread


def test_the_page_reads_no_state(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    thread = Thread.objects.create(values={"big": "x" * 1_000_000})
    with django_assert_max_num_queries(20) as queries:
        content = page(admin_client, url(thread, "change", thread.pk))
    assert len(content) < 100_000
    assert not any('"threads_thread"."values"' in query["sql"] for query in queries.captured_queries)


def test_the_conversation_shows_roles_and_tool_calls_escaped(admin_client: Client) -> None:
    messages = [
        {"type": "human", "content": SCRIPT},
        {"type": "ai", "content": "", "tool_calls": [{"name": SCRIPT, "args": {"q": SCRIPT}}]},
        {"type": "tool", "name": "search", "content": [{"type": "text", "text": SCRIPT}, {"image": SCRIPT}]},
        {"type": SCRIPT, "content": {"odd": SCRIPT}, "tool_calls": [1], "name": 3},
        SCRIPT,
        None,
        7,
    ]
    thread = Thread.objects.create(values={"messages": messages})
    content = page(admin_client, url(thread, "conversation", thread.pk))
    assert SCRIPT not in content
    assert "&lt;script&gt;" in content
    assert [role in content for role in ("Human", "Assistant", "Tool")] == [True] * 3


def test_the_conversation_is_paged_from_its_end(admin_client: Client) -> None:
    thread = Thread.objects.create(values=talk(*(f"number {n}." for n in range(100))))
    last = page(admin_client, url(thread, "conversation", thread.pk))
    assert "number 99." in last
    assert "number 69." not in last
    assert "before=70" in last
    assert "number 69." in page(admin_client, url(thread, "conversation", thread.pk) + "?before=70")
    first = page(admin_client, url(thread, "conversation", thread.pk) + "?before=10")
    assert "number 0." in first
    assert "before=" not in first


def test_a_state_of_20_mb_is_cut_by_the_database(admin_client: Client) -> None:
    values = {"messages": [{"type": "human", "content": "y" * 10_000_000}], "notes": ["z" * 100] * 100_000}
    thread = Thread.objects.create(values=values)
    for name in ("conversation", "state"):
        content = page(admin_client, url(thread, name, thread.pk))
        assert "too large" in content.lower()
        assert len(content) < 100_000


def test_interrupts_of_20_mb_are_not_read(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    thread = Thread.objects.create(interrupts={"task": [{"value": [str(n) * 8 for n in range(400_000)]}]})
    with django_assert_max_num_queries(4) as queries:
        assert "Too large" in page(admin_client, url(thread, "interrupts", thread.pk))
    assert not any('"interrupts",' in query["sql"] for query in queries.captured_queries)


def test_the_state_folds_and_is_escaped(admin_client: Client) -> None:
    thread = Thread.objects.create(values={SCRIPT: {SCRIPT: [SCRIPT, 1, None, True, {}]}})
    content = page(admin_client, url(thread, "state", thread.pk))
    assert SCRIPT not in content
    assert "<details" in content


@pytest.mark.parametrize("values", [None, [], "text", 5, [1, 2], {"messages": {"a": 1}}])
@pytest.mark.parametrize("name", PANELS)
def test_states_that_are_no_objects_are_no_errors(admin_client: Client, values: object, name: str) -> None:
    thread = Thread.objects.create(values=values, interrupts=values)
    page(admin_client, url(thread, name, thread.pk))


def test_the_timeline_says_which_nodes_changed_what(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    content = page(admin_client, url(thread, "checkpoints", thread.pk))
    assert content.count("<li") >= 3
    assert "console-node" in content


def test_a_step_shows_what_it_added(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human(SCRIPT))
    from threads import timeline

    newest = timeline.steps(thread)[0][0]
    content = page(admin_client, url(thread, "checkpoint", thread.pk, newest.checkpoint_id))
    assert "Added" in content
    assert SCRIPT not in content


@pytest.mark.parametrize("name", PANELS)
def test_content_takes_its_permission(client: Client, thread: Thread, name: str) -> None:
    log_in_staff(client, "threads.view_thread")
    assert client.get(url(thread, name, thread.pk)).status_code == 403
    assert url(thread, name, thread.pk) not in page(client, url(thread, "change", thread.pk))


# What may be done


def test_editing_changes_nothing_else(admin_client: Client, thread: Thread) -> None:
    """A run that ends between the reading and the writing of the form is not undone."""
    form = {"metadata": '{"a": 1}', "config": "{}", "ttl_strategy": "delete", "ttl_minutes": "5"}
    form |= {"shares-TOTAL_FORMS": "0", "shares-INITIAL_FORMS": "0"}
    queries: list[str] = []
    from django.db import connection

    def note(execute, sql, *args):
        queries.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(note):
        assert admin_client.post(url(thread, "change", thread.pk), form).status_code == 302
    [update] = [sql for sql in queries if sql.startswith('UPDATE "threads_thread"')]
    assert "status" not in update
    thread.refresh_from_db()
    assert (thread.metadata, thread.ttl_minutes) == ({"a": 1}, 5.0)
    assert thread.expires_at is not None


def test_a_thread_is_copied(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    do(admin_client, thread, "copy")
    assert Thread.objects.filter(metadata__forked_from=str(thread.pk)).exists()
    assert LogEntry.objects.get().object_id == str(thread.pk)


@pytest.mark.django_db(transaction=True)
def test_old_checkpoints_are_deleted_after_a_question(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    assert b"Are you sure" in do_to_all(admin_client, [thread], "prune").content
    assert count_rows(thread.pk)["checkpoints"] > 1
    do_to_all(admin_client, [thread], "prune", confirmed="yes")
    assert count_rows(thread.pk)["checkpoints"] == 1
    assert LogEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_busy_thread_is_not_pruned(admin_client: Client, thread: Thread) -> None:
    execute(thread, "echo", human("hi"))
    before = count_rows(thread.pk)
    submit(thread)
    do(admin_client, thread, "prune")
    assert count_rows(thread.pk) == before


def test_deleting_many_runs_asks_in_few_words(admin_client: Client, thread: Thread) -> None:
    submit(thread)
    response = do_to_all(admin_client, [thread], "delete_selected")
    assert str(thread.pk) in response.content.decode()
    do_to_all(admin_client, [thread], "delete_selected", post="yes")
    assert not Thread.objects.exists()


def test_chosen_threads_are_exported(admin_client: Client, client: Client) -> None:
    threads = [Thread.objects.create(values=talk(SCRIPT)) for _ in range(3)]
    response = do_to_all(admin_client, threads, "export")
    exported = json.loads(b"".join(response.streaming_content))  # type: ignore[attr-defined]
    assert {item["thread_id"] for item in exported} == {str(thread.pk) for thread in threads}
    assert exported[0]["values"] == talk(SCRIPT)
    log_in_staff(client, "threads.view_thread")
    assert "export" not in page(client, url(Thread, "changelist"))


@pytest.mark.parametrize("verb", ["copy", "prune"])
def test_verbs_take_their_permission(client: Client, thread: Thread, verb: str) -> None:
    log_in_staff(client, "threads.view_thread")
    assert do(client, thread, verb).status_code == 403
    assert do(client, Thread(pk=uuid.uuid4()), verb).status_code == 404
