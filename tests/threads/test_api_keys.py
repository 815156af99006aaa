"""Keys: what is kept of them, what ends them, and how they are made, listed and revoked."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from tests.runs.engine import at_once
from threads.api_keys import KEY, ApiKey

pytestmark = pytest.mark.django_db

LIST = "/admin/threads/apikey/"


def issue(user: User, **options: Any) -> tuple[ApiKey, str]:
    return ApiKey.objects.issue(user, name="laptop", **options)


def command(*args: str) -> str:
    out = StringIO()
    call_command("apikey", *args, stdout=out)
    return out.getvalue().strip()


def staff(*codenames: str) -> User:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


# What is kept


def test_a_key_is_found_by_its_text_alone(alice: User) -> None:
    key, text = issue(alice)
    assert ApiKey.objects.authenticate(text) == key
    for wrong in (text[:-1], text + "a", text.swapcase(), key.prefix, f"skeino_{key.prefix}_{'a' * 40}", ""):
        assert ApiKey.objects.authenticate(wrong) is None


def test_the_text_is_nowhere_kept(alice: User) -> None:
    key, text = issue(alice)
    secret = text.rpartition("_")[2]
    assert secret not in repr(ApiKey.objects.filter(pk=key.pk).values().get())
    assert secret not in str(key)


def test_two_keys_have_nothing_in_common(alice: User) -> None:
    one, other = (KEY.fullmatch(issue(alice)[1]) for _ in range(2))
    assert one and other
    assert one[1] != other[1]
    assert one[0] != other[0]


def test_a_key_and_its_user_take_one_query(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _, text = issue(alice)
    with django_assert_num_queries(1):
        key = ApiKey.objects.authenticate(text)
        assert key and key.user.username == "alice"


# What ends it


def test_an_expired_key_is_none(alice: User) -> None:
    now = timezone.now()
    assert ApiKey.objects.authenticate(issue(alice, expires_at=now + timedelta(minutes=1))[1])
    assert ApiKey.objects.authenticate(issue(alice, expires_at=now)[1]) is None


def test_a_revoked_key_is_none_and_stays_it(alice: User) -> None:
    key, text = issue(alice)
    assert key.revoke()
    revoked_at = ApiKey.objects.get().revoked_at
    assert not key.revoke()
    assert ApiKey.objects.authenticate(text) is None
    assert ApiKey.objects.get().revoked_at == revoked_at


def test_the_keys_of_a_user_who_is_locked_out_are_none(alice: User) -> None:
    _, text = issue(alice)
    User.objects.update(is_active=False)
    assert ApiKey.objects.authenticate(text) is None


# When it was last used


def test_use_is_stamped_once_a_minute(alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    key, _ = issue(alice)
    key.note_use()
    key.refresh_from_db()
    assert key.last_used_at is not None
    with django_assert_num_queries(0):
        key.note_use()
    key.last_used_at = timezone.now() - timedelta(minutes=1)
    key.note_use()
    key.refresh_from_db()
    assert timezone.now() - key.last_used_at < timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_stamping_does_not_wait_for_who_holds_the_row(alice: User) -> None:
    key, _ = issue(alice)
    with transaction.atomic():
        ApiKey.objects.select_for_update().get(pk=key.pk)
        assert at_once(key.note_use) == [None]
    key.refresh_from_db()
    assert key.last_used_at is None


@pytest.mark.django_db(transaction=True)
def test_of_several_who_revoke_a_key_one_has_done_it(alice: User) -> None:
    key, _ = issue(alice)
    assert sorted(at_once(*[key.revoke] * 4)) == [False, False, False, True]


# manage.py apikey


def test_a_key_is_made_and_printed(alice: User) -> None:
    key = ApiKey.objects.authenticate(command("create", "alice", "--name", "CI", "--days", "30"))
    assert key and (key.user, key.name) == (alice, "CI")
    assert key.expires_at and timedelta(29) < key.expires_at - timezone.now() <= timedelta(30)


def test_keys_are_listed_without_their_texts(alice: User, bob: User) -> None:
    one, text = issue(alice)
    other, _ = issue(bob, expires_at=timezone.now())
    other.revoke()
    assert text not in command("list")
    assert [line.split()[:2] for line in command("list").splitlines()] == [
        [other.prefix, "bob"],
        [one.prefix, "alice"],
    ]
    assert "revoked" in command("list", "bob")
    assert command("list", "alice").endswith("laptop  does not expire  never used")


def test_a_key_is_revoked_by_its_prefix(alice: User) -> None:
    key, text = issue(alice)
    assert command("revoke", key.prefix) == f"Revoked laptop (skeino_{key.prefix}_…)."
    assert ApiKey.objects.authenticate(text) is None


@pytest.mark.parametrize(
    "args",
    [
        ("create", "nobody", "--name", "x"),
        ("create", "alice", "--name", ""),
        ("create", "alice", "--name", "x" * 101),
        ("create", "alice", "--name", "x", "--days", "0"),
        ("create", "alice"),
        ("list", "nobody"),
        ("revoke", "nothing"),
        (),
    ],
)
def test_what_cannot_be_done_is_said(alice: User, args: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        command(*args)
    assert not ApiKey.objects.exists()


# The admin


def test_the_admin_makes_a_key_and_shows_it_once(admin_client: Client, alice: User) -> None:
    response = admin_client.post(f"{LIST}add/", {"user": alice.pk, "name": "laptop"})
    [found] = KEY.finditer(response.content.decode())
    key = ApiKey.objects.authenticate(found[0])
    assert key and key.user == alice
    assert "no-store" in response.headers["Cache-Control"]
    assert LogEntry.objects.get().object_id == str(key.pk)
    for path in (LIST, f"{LIST}{key.pk}/change/", f"{LIST}{key.pk}/history/"):
        page = admin_client.get(path).content.decode()
        assert key.prefix in page
        assert found[0] not in page and key.digest not in page


def test_the_admin_revokes_keys_and_notes_who_did(admin_client: Client, alice: User) -> None:
    key, text = issue(alice)
    admin_client.post(LIST, {"action": "revoke", "_selected_action": [str(key.pk)]})
    assert ApiKey.objects.authenticate(text) is None
    assert LogEntry.objects.get().get_change_message() == "Revoked."
    form = {"name": "again", "revoked_at_0": "", "expires_at_0": ""}
    admin_client.post(f"{LIST}{key.pk}/change/", form)
    assert ApiKey.objects.get().name == "laptop"


def test_staff_cannot_become_another_user_by_a_key(client: Client, alice: User) -> None:
    issue(alice)
    client.force_login(staff("add_apikey", "view_apikey", "change_apikey"))
    assert "alice" not in client.get(f"{LIST}add/").content.decode()
    assert "laptop" not in client.get(LIST).content.decode()
    response = client.post(f"{LIST}add/", {"user": alice.pk, "name": "mine"})
    assert "Select a valid choice" in response.content.decode()
    assert not ApiKey.objects.filter(name="mine").exists()


def test_staff_may_look_at_keys_without_revoking_them(client: Client) -> None:
    user = staff("view_apikey")
    key, text = issue(user)
    client.force_login(user)
    assert "laptop" in client.get(LIST).content.decode()
    client.post(LIST, {"action": "revoke", "_selected_action": [str(key.pk)]})
    assert ApiKey.objects.authenticate(text)
