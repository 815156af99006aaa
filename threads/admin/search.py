"""How threads are found in the admin: each way by an index of its own, so all together too."""

from __future__ import annotations

import re

from django.contrib.auth import get_user_model
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Q

from assistants.console.search import id_range
from threads.models import Thread
from threads.querysets import ThreadQuerySet

# Of so many users whose name begins with a term, the threads are found.
MAX_OWNERS = 100
MAX_WORDS = 20


def search(threads: ThreadQuerySet, term: str, *, content: bool) -> ThreadQuerySet:
    """By the beginnings of ids, external ids and owners' names; with ``content``, by the words of titles."""
    term = term.strip().replace("\0", "")
    if not term:
        return threads
    found = Q(external_id__startswith=term) | Q(owner__in=_owners(term))
    if (ids := id_range(term)) is not None:
        found |= Q(pk__range=ids)
    words = re.findall(r"\w+", term)[:MAX_WORDS] if content else []
    if words:
        query = SearchQuery(" & ".join(f"{word}:*" for word in words), config="simple", search_type="raw")
        vector = SearchVector("title", config="simple")
        found |= Q(pk__in=Thread.objects.alias(words=vector).filter(words=query).values("pk"))
    return threads.filter(found)


def _owners(term: str) -> list[object]:
    user = get_user_model()
    begins = {f"{user.USERNAME_FIELD}__istartswith": term}
    return list(user._default_manager.filter(**begins).values_list("pk", flat=True)[:MAX_OWNERS])
