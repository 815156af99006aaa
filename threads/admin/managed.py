from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from assistants.console.verbs import ConsoleAdmin, Verb
from threads.models import Thread
from threads.policy import Access, thread_policy


class ManagedAdmin(ConsoleAdmin):
    """For threads and what belongs to them: Django's permissions count for threads one may manage.

    So do the permissions of verbs, for threads to which one has the access that the verb takes.
    """

    def thread_of(self, obj: Any) -> Thread:
        raise NotImplementedError

    def manages(self, request: HttpRequest, obj: Model) -> bool:
        return self._allows(request, obj, Access.MANAGE)

    def may(self, request: HttpRequest, verb: Verb, obj: Model | None = None) -> bool:
        if not super().may(request, verb, obj):
            return False
        return obj is None or self._allows(request, obj, Access(verb.access))

    def _allows(self, request: HttpRequest, obj: Model, access: Access) -> bool:
        """Asked once in a request, for a page has many verbs."""
        thread = self.thread_of(obj)
        known: dict[Any, bool] = request.__dict__.setdefault("thread_access", {})
        key = (thread.pk, access)
        if key not in known:
            known[key] = thread_policy().allows(thread, request.user, access)
        return known[key]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or self.manages(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or self.manages(request, obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What is deleted with the objects, and what permissions lack for that."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        if not all(self.manages(request, obj) for obj in objs):
            lacking = {*lacking, str(self.opts.verbose_name)}
        return deleted, counts, lacking, protected
