from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from assistants.models import Assistant
from runs.models import Run, RunEvent
from skeino_site import urls  # noqa: F401  (finds the pages)
from tests.live import TEST_GRAPHS
from tests.threads.running import count_rows, execute, human
from threads.models import Thread

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert('x')</script>"
OURS = [Thread, Run, Assistant]
Objects = dict[type[Model], Model]
EVIL = {SCRIPT: [SCRIPT, {"deep": f"\"'>{SCRIPT}"}]}


@pytest.fixture(autouse=True)
def test_settings(settings: Settings) -> None:
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a quick one


@pytest.fixture
def thread(admin_user: User) -> Thread:
    return Thread.objects.create(
        owner=admin_user,
        metadata=EVIL,
        config=EVIL,
        values=EVIL,
        interrupts=EVIL,
        error=EVIL,
        external_id=SCRIPT,
    )


@pytest.fixture
def run(thread: Thread) -> Run:
    assistant = Assistant.objects.create(graph_id="echo", name=SCRIPT, description=SCRIPT, metadata=EVIL)
    run = Run.objects.create(
        thread=thread, assistant=assistant, job_id=1, kwargs=EVIL, metadata=EVIL, error=EVIL, usage=EVIL
    )
    RunEvent.objects.create(run=run, seq=1, event=SCRIPT, data=f'"{SCRIPT}"')
    RunEvent.objects.create(run=run, seq=2, event="values", data="x" * 100_000)
    return run


@pytest.fixture
def objects(run: Run) -> dict[type[Model], Model]:
    """One of each model of ours."""
    return {type(obj): obj for obj in (run, run.thread, run.assistant)}


def url(obj: Model | type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{page}", args=args)


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


# Every page opens


def test_the_lists_of_all_models_open(admin_client: Client, run: Run) -> None:
    for model in admin.site._registry:
        page(admin_client, url(model, "changelist"))


def test_a_search_in_every_list_finds_nothing_and_fails_not(admin_client: Client, run: Run) -> None:
    for model, options in admin.site._registry.items():
        if options.search_fields:
            page(admin_client, url(model, "changelist") + "?q=nothing-%27%22%25")


def test_the_pages_of_all_objects_open(admin_client: Client, objects: Objects) -> None:
    for obj in [*objects.values(), Group.objects.create(name="g"), User.objects.get()]:
        page(admin_client, url(obj, "change", obj.pk))
        page(admin_client, url(obj, "history", obj.pk))


@pytest.mark.parametrize("model", OURS)
def test_an_id_finds_its_row(admin_client: Client, objects: Objects, model: type[Model]) -> None:
    obj = objects[model]
    assert url(obj, "change", obj.pk) in page(admin_client, url(model, "changelist") + f"?q={obj.pk}")


def test_lists_take_the_same_number_of_queries_for_many_rows(
    admin_client: Client, run: Run, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    Thread.objects.bulk_create(Thread(owner=run.thread.owner, values=EVIL) for _ in range(50))
    with django_assert_max_num_queries(10):
        page(admin_client, url(Thread, "changelist"))


# What graphs and users wrote is only text


@pytest.mark.parametrize("name", ["changelist", "change", "delete", "history"])
@pytest.mark.parametrize("model", OURS)
def test_what_is_shown_is_escaped(
    admin_client: Client, objects: Objects, model: type[Model], name: str
) -> None:
    args = [] if name == "changelist" else [objects[model].pk]
    assert SCRIPT not in page(admin_client, url(model, name, *args))


def test_the_log_of_a_run_shows_its_events_shortened(admin_client: Client, run: Run) -> None:
    content = page(admin_client, url(run, "events", run.pk))
    assert "&lt;script&gt;alert" in content
    assert SCRIPT not in content
    assert "x" * 400 in content
    assert "x" * 3000 not in content


# What may be done


def test_nobody_makes_or_edits_runs(admin_client: Client, run: Run) -> None:
    assert admin_client.get(url(Run, "add")).status_code == 403
    assert admin_client.post(url(run, "change", run.pk), {"status": "success"}).status_code == 403


def test_what_workers_own_cannot_be_edited_on_a_thread(admin_client: Client, thread: Thread) -> None:
    form = {"metadata": "{}", "config": "{}", "ttl_strategy": "delete", "status": "busy", "values": "{}"}
    form |= {"shares-TOTAL_FORMS": "0", "shares-INITIAL_FORMS": "0"}
    response = admin_client.post(url(thread, "change", thread.pk), form)
    thread.refresh_from_db()
    assert response.status_code == 302
    assert (thread.status, thread.values, thread.metadata) == ("idle", EVIL, {})


def test_a_thread_is_deleted_with_all_that_belongs_to_it(admin_client: Client, run: Run) -> None:
    execute(run.thread, "echo", human("hi"))
    admin_client.post(url(Thread, "delete", run.thread.pk), {"post": "yes"})
    assert not any([Thread.objects.exists(), Run.objects.exists(), *count_rows(run.thread.pk).values()])


def test_chosen_threads_are_deleted_with_all_that_belongs_to_them(admin_client: Client, run: Run) -> None:
    execute(run.thread, "echo", human("hi"))
    form = {"action": "delete_selected", "_selected_action": [str(run.thread.pk)], "post": "yes"}
    admin_client.post(url(Thread, "changelist"), form)
    assert not any([Thread.objects.exists(), Run.objects.exists(), *count_rows(run.thread.pk).values()])


def test_a_user_is_deleted_with_all_that_belongs_to_them(admin_client: Client, run: Run) -> None:
    run.thread.owner = User.objects.create_user("bob")
    run.thread.save()
    execute(run.thread, "echo", human("hi"))
    admin_client.post(url(User, "delete", run.thread.owner.pk), {"post": "yes"})
    assert not any([Thread.objects.exists(), Run.objects.exists(), *count_rows(run.thread.pk).values()])


def test_an_active_run_is_not_deleted_under_its_worker(admin_client: Client, run: Run) -> None:
    """Its thread would stay busy for ever."""
    Thread.objects.update(status="busy")
    admin_client.post(url(run, "delete", run.pk), {"post": "yes"})
    assert Run.objects.exists() or Thread.objects.get().status == "idle"


@pytest.mark.parametrize("model", OURS)
def test_staff_without_permissions_see_nothing(client: Client, objects: Objects, model: type[Model]) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(url(model, "changelist")).status_code == 403
    assert client.get(url(model, "change", objects[model].pk)).status_code == 403


def log_in_staff(client: Client, *codenames: str) -> User:
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(staff)
    return staff


def test_staff_who_may_look_may_not_edit(client: Client, thread: Thread) -> None:
    log_in_staff(client, "view_thread", "view_all_threads")
    assert client.get(url(thread, "change", thread.pk)).status_code == 200
    assert client.post(url(thread, "change", thread.pk), {"metadata": "{}"}).status_code == 403
    assert client.post(url(thread, "delete", thread.pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", [Thread, Run])
def test_staff_see_the_threads_that_the_api_shows_them(
    client: Client, objects: Objects, model: type[Model]
) -> None:
    staff, obj = log_in_staff(client, "view_thread", "view_run"), objects[model]
    assert str(obj.pk) not in page(client, url(model, "changelist"))
    for name in ("change", "history"):
        assert client.get(url(obj, name, obj.pk)).status_code == 302
    Thread.objects.update(owner=staff)
    assert str(obj.pk) in page(client, url(model, "changelist"))
    page(client, url(obj, "change", obj.pk))


@pytest.mark.parametrize("model", [Thread, Run])
def test_staff_change_and_delete_only_what_they_manage(
    client: Client, objects: Objects, model: type[Model]
) -> None:
    """Whatever permissions Django's own admin would go by."""
    names = [f"{verb}_{name}" for verb in ("view", "change", "delete") for name in ("thread", "run")]
    staff, obj = log_in_staff(client, *names, "delete_threadshare", "view_all_threads"), objects[model]
    chosen = {"action": "delete_selected", "_selected_action": [str(obj.pk)], "post": "yes"}
    assert client.post(url(obj, "change", obj.pk), {}).status_code == 403
    assert client.post(url(obj, "delete", obj.pk), {"post": "yes"}).status_code == 403
    assert client.post(url(model, "changelist"), chosen).status_code == 403
    assert model._default_manager.filter(pk=obj.pk).exists()
    staff.user_permissions.add(Permission.objects.get(codename="manage_all_threads"))
    assert client.post(url(obj, "delete", obj.pk), {"post": "yes"}).status_code == 302
    assert not model._default_manager.filter(pk=obj.pk).exists()


@pytest.mark.parametrize("model", [Thread, Run])
def test_staff_operate_without_reading(client: Client, objects: Objects, model: type[Model]) -> None:
    staff = log_in_staff(client, "view_thread", "view_run", "view_all_threads")
    content = "what was said"
    Thread.objects.update(values={"messages": [content]})
    Run.objects.update(kwargs={"input": content})
    assert content not in page(client, url(objects[model], "change", objects[model].pk))
    staff.user_permissions.add(Permission.objects.get(codename="view_thread_content"))
    where = "conversation" if model is Thread else "change"
    assert content in page(client, url(objects[model], where, objects[model].pk))


def test_a_thread_is_shared_in_the_admin(admin_client: Client, thread: Thread) -> None:
    group = Group.objects.create(name="Team")
    form = {
        "metadata": "{}",
        "config": "{}",
        "ttl_strategy": "delete",
        "shares-TOTAL_FORMS": "1",
        "shares-INITIAL_FORMS": "0",
        "shares-0-group": str(group.pk),
        "shares-0-access": "run",
    }
    assert admin_client.post(url(thread, "change", thread.pk), form).status_code == 302
    assert [(share.group, share.access) for share in thread.shares.all()] == [(group, "run")]


def test_others_are_asked_to_log_in(client: Client, thread: Thread, django_user_model: type[User]) -> None:
    client.force_login(django_user_model.objects.create_user("bob"))
    response = client.get(url(thread, "change", thread.pk))
    assert response.headers["Location"].startswith("/admin/login/")
