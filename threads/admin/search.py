"""How threads are found in the admin: each way by an index of its own, so all together too."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Q

from assistants.console.search import id_range
from threads.models import Thread
from threads.querysets import ThreadQuerySet
from threads.text_search import ThreadText

# Of so many users whose name begins with a term, the threads are found.
MAX_OWNERS = 100
MAX_WORDS = 20
# So many of the newest threads that have the words are found.
MAX_FOUND = 1000
# Shorter words are not searched as beginnings: too many others begin so.
MIN_BEGINNING = 3


def search(threads: ThreadQuerySet, term: str, *, content: bool) -> ThreadQuerySet:
    """By the beginnings of ids, external ids and owners' names; with ``content``, by what was said."""
    term = term.strip().replace("\0", "")
    if not term:
        return threads
    found = Q(external_id__startswith=term) | Q(owner__in=_owners(term))
    if (ids := id_range(term)) is not None:
        found |= Q(pk__range=ids)
    if content and (words := re.findall(r"\w+", term)[:MAX_WORDS]):
        found |= Q(pk__in=_with_words(words))
    return threads.filter(found)


def _with_words(words: list[str]) -> set[Any]:
    """Titles are searched apart: their index has what was said just now."""
    parts = [f"{word}:*" if len(word) >= MIN_BEGINNING else word for word in words]
    query = SearchQuery(" & ".join(parts), config="simple", search_type="raw")
    titles = Thread.objects.alias(words=SearchVector("title", config="simple")).filter(words=query)
    texts = ThreadText.objects.filter(words=query)
    return {
        *titles.order_by("-pk").values_list("pk", flat=True)[:MAX_FOUND],
        *texts.order_by("-pk").values_list("pk", flat=True)[:MAX_FOUND],
    }


def _owners(term: str) -> list[object]:
    user = get_user_model()
    begins = {f"{user.USERNAME_FIELD}__istartswith": term}
    return list(user._default_manager.filter(**begins).values_list("pk", flat=True)[:MAX_OWNERS])
