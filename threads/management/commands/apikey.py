from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from threads.api_keys import ApiKey


class Command(BaseCommand):
    help = "Make, list and revoke the keys by which programs use the API."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="Make a key and print it, this once.")
        create.add_argument("user", help="Whose it is: what they log in with.")
        create.add_argument("--name", required=True, help="What it is for.")
        create.add_argument("--days", type=int, help="How long it may be used. Default: until it is revoked.")
        listed = actions.add_parser("list", help="Print what is known of the keys; never the keys.")
        listed.add_argument("user", nargs="?", help="Whose. Default: everybody's.")
        revoke = actions.add_parser("revoke", help="End a key for good.")
        revoke.add_argument("prefix", help="The part behind skeino_, as `list` prints it.")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        getattr(self, action)(**options)

    def create(self, *, user: str, name: str, days: int | None, **options: Any) -> None:
        if days is not None and not 1 <= days <= 36_500:
            raise CommandError("--days must be from 1 to 36500.")
        if not name or len(name) > 100:
            raise CommandError("--name must have 1 to 100 characters.")
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        _, text = ApiKey.objects.issue(_user(user), name=name, expires_at=expires_at)
        self.stdout.write(text)

    def list(self, *, user: str | None, **options: Any) -> None:
        keys = ApiKey.objects.select_related("user")
        for key in keys if user is None else keys.filter(user=_user(user)):
            self.stdout.write(f"{key.prefix}  {key.user}  {key.name}  {_state(key)}  {_use(key)}")

    def revoke(self, *, prefix: str, **options: Any) -> None:
        key = ApiKey.objects.filter(prefix=prefix).first()
        if key is None:
            raise CommandError(f"There is no key {prefix}.")
        if not key.revoke():
            raise CommandError(f"The key {prefix} has been revoked before.")
        self.stdout.write(f"Revoked {key}.")


def _user(name: str) -> Any:
    users = get_user_model()
    try:
        return users._default_manager.get_by_natural_key(name)
    except users.DoesNotExist:
        raise CommandError(f"There is no user {name}.") from None


def _use(key: ApiKey) -> str:
    return "never used" if key.last_used_at is None else f"last used {key.last_used_at:%Y-%m-%d %H:%M}"


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "does not expire"
    verb = "expires" if key.expires_at > timezone.now() else "expired"
    return f"{verb} {key.expires_at:%Y-%m-%d}"
