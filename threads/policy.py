"""Who may do what with which thread: one rule, for both APIs, sockets and the admin."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, F, Func, Q, TextChoices
from django.utils.module_loading import import_string

from assistants.users import groups_of, has_permission
from threads.conf import conf

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from threads.models import Thread
    from threads.querysets import ThreadQuerySet

    User = AbstractBaseUser | AnonymousUser


class Access(TextChoices):
    """What somebody may do with a thread, each including those before it."""

    READ = "read"
    RUN = "run"  # and cancel runs, and edit the state, as a run may
    MANAGE = "manage"  # change its metadata, share it, delete it and its runs


class ThreadPolicy:
    """The threads one owns; those shared with one's groups; with a permission, all.

    A subclass, or a class with these two methods, takes its place by SKEINO_THREAD_POLICY.
    """

    ALL = {
        Access.READ: ("threads.view_all_threads", "threads.manage_all_threads"),
        Access.RUN: ("threads.manage_all_threads",),
        Access.MANAGE: ("threads.manage_all_threads",),
    }

    def allowed(self, threads: ThreadQuerySet, user: User, access: Access) -> ThreadQuerySet:
        """Those of the threads to which the user has that access."""
        if not user.is_authenticated:
            return threads.filter(owner=None) if conf.SKEINO_ALLOW_ANONYMOUS else threads.none()
        if any(has_permission(user, permission) for permission in self.ALL[access]):
            return threads
        return threads.filter(Q(owner=user.pk) | self._shared(user, access))

    def allows(self, thread: Thread, user: User, access: Access) -> bool:
        """Whether the user has that access to the thread. A rule of a subclass's own is always asked."""
        if self._is_own_rule:  # what it would say of these is known without a query
            if not user.is_authenticated:
                return conf.SKEINO_ALLOW_ANONYMOUS and thread.owner_id is None
            if thread.owner_id == user.pk:
                return True
        return self.allowed(type(thread).objects.filter(pk=thread.pk), user, access).exists()

    def allows_all_of_own(self, user: User) -> bool:
        """Whether the user has every access to the threads that are theirs, without being asked for each."""
        is_own_rule = self._is_own_rule and type(self).allows is ThreadPolicy.allows
        return is_own_rule and (user.is_authenticated or conf.SKEINO_ALLOW_ANONYMOUS)

    @property
    def _is_own_rule(self) -> bool:
        return type(self).allowed is ThreadPolicy.allowed

    def _shared(self, user: User, access: Access) -> Q:
        from threads.sharing import ThreadShare  # models come later than what their querysets use

        if access == Access.MANAGE:
            return Q(pk__in=[])
        shares = ThreadShare.objects.filter(group__in=groups_of(user))
        if access == Access.RUN:
            shares = shares.filter(access=Access.RUN)
        return Q(_IsAnyOf(F("pk"), ArraySubquery(shares.order_by().values("thread_id"))))


class _IsAnyOf(Func):
    """``id = ANY (ARRAY(…))``: the array is read once, and goes together with the index of owners.

    ``id IN (…)`` beside another condition would test every thread there is.
    """

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field: Any = BooleanField()


def thread_policy() -> Any:
    """An instance of the class that SKEINO_THREAD_POLICY names."""
    return _policy(conf.SKEINO_THREAD_POLICY)


@cache
def _policy(path: str) -> Any:
    return import_string(path)()
