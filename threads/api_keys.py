from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

# The name by which scanners find keys that were published by mistake, what the key is recognised by, and
# 238 bits of secret.
KEY = re.compile(r"skeino_([A-Za-z0-9]{8})_([A-Za-z0-9]{40})")
STAMPED_EVERY = timedelta(minutes=1)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def issue(
        self, user: AbstractUser, *, name: str, expires_at: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """A new key of the user's, and its text, which is nowhere kept."""
        key = ApiKey(user=user, name=name, expires_at=expires_at)  # type: ignore[misc]
        text = key.assign()
        key.save(force_insert=True)
        return key, text

    def usable(self) -> ApiKeyQuerySet:
        """Those that are neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)

    def authenticate(self, text: str) -> ApiKey | None:
        """The usable key of that text, with its user; None whatever is wrong with it. One query."""
        match = KEY.fullmatch(text)
        key = match and self.usable().select_related("user").filter(prefix=match[1]).first()
        if not key or not constant_time_compare(key.digest, digest(text)) or not key.user.is_active:
            return None
        return key


class ApiKey(models.Model):
    """A user's credential for programs. Of its text only a digest is kept, and the part to recognise it by.

    The text is random and long: one round of SHA-256 keeps it as well as a slow password hash would.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100, help_text="What it is for.")
    prefix = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="It never expires without.")
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} (skeino_{self.prefix}_…)"

    def assign(self) -> str:
        """Make up the key's text and keep what is to be kept of it."""
        self.prefix = get_random_string(8)
        text = f"skeino_{self.prefix}_{get_random_string(40)}"
        self.digest = digest(text)
        return text

    def note_use(self) -> None:
        """Stamp the key as used, once a minute at most.

        Waits for nobody: while another request stamps it, this one leaves it alone.
        """
        now = timezone.now()
        if self.last_used_at is not None and now - self.last_used_at < STAMPED_EVERY:
            return
        with transaction.atomic():
            free = ApiKey.objects.select_for_update(skip_locked=True).filter(pk=self.pk)
            ApiKey.objects.filter(pk__in=free).update(last_used_at=now)

    def revoke(self) -> bool:
        """End the key for good. False if it had been revoked before."""
        now = timezone.now()
        return bool(ApiKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
