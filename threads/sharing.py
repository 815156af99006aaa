from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone

from assistants.users import groups_of, has_permission
from threads.exceptions import GroupNotFound, ShareNotFound
from threads.policy import Access

if TYPE_CHECKING:
    from threads.models import Thread


def groups_open_to(user: Any) -> models.QuerySet[Group]:
    """The groups that a user may share threads with: their own, or all if they may see all."""
    return Group.objects.all() if has_permission(user, "auth.view_group") else groups_of(user)


class ThreadShareQuerySet(models.QuerySet["ThreadShare"]):
    def share(self, thread: Thread, group_name: str, access: str, *, user: Any) -> ThreadShare:
        """Let a group read the thread, or read and run; whatever it might before.

        Raises GroupNotFound for a group that the user is not in, as for one that is not there, unless the
        user may see all groups.
        """
        group = groups_open_to(user).filter(name=group_name).first()
        if group is None:
            raise GroupNotFound(group_name)
        share, _ = self.update_or_create(thread=thread, group=group, defaults={"access": access})
        return share

    def end(self, thread: Thread, group_id: int) -> None:
        """Take the thread away from the group. Raises ShareNotFound."""
        deleted, _ = self.filter(thread=thread, group=group_id).delete()
        if not deleted:
            raise ShareNotFound(group_id)


class ThreadShare(models.Model):
    """What a group may do with a thread that is not its members'."""

    LEVELS = [(Access.READ.value, "Read"), (Access.RUN.value, "Read and run")]

    thread = models.ForeignKey("threads.Thread", on_delete=models.CASCADE, related_name="shares")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    access = models.CharField(max_length=8, choices=LEVELS, default=Access.READ.value)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ThreadShareQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["thread", "group"], name="one_share_per_thread_and_group")
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.access}"
