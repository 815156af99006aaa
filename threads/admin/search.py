"""How threads are found in the admin: each way by an index of its own, so all together too."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import QuerySet
from django.utils import timezone

from assistants.console.search import id_range
from threads.conf import conf
from threads.querysets import ThreadQuerySet
from threads.text_search import ThreadText

# Of so many users whose name begins with a term, the threads are found.
MAX_OWNERS = 100
MAX_WORDS = 20
# So many of the newest threads are found in each way.
MAX_FOUND = 500
# Shorter words are not searched as beginnings: too many others begin so.
MIN_BEGINNING = 3
# By then the texts of a new thread can be searched.
NEW = timedelta(days=1)


def search(threads: ThreadQuerySet, term: str, *, content: bool) -> ThreadQuerySet:
    """By the beginnings of ids, external ids and owners' names; with ``content``, by what was said.

    Each way is a query of its own by an index of its own, and finds the newest of these threads.
    """
    term = term.strip().replace("\0", "")
    if not term:
        return threads
    owners: Any = _owners(term)
    ways: list[QuerySet[Any]] = [
        threads.filter(external_id__startswith=term),
        threads.filter(owner__in=owners),
    ]
    if (ids := id_range(term)) is not None:
        ways.append(threads.filter(pk__range=ids))
    if content and (words := re.findall(r"\w+", term)[:MAX_WORDS]):
        ways += _saying(threads, words)
    found = {pk for way in ways for pk in way.order_by("-pk").values_list("pk", flat=True)[:MAX_FOUND]}
    return threads.filter(pk__in=found)


def _saying(threads: ThreadQuerySet, words: list[str]) -> list[QuerySet[Any]]:
    """Titles are searched besides, for what was said just now; all, where no texts are kept."""
    parts = [f"{word}:*" if len(word) >= MIN_BEGINNING else word for word in words]
    query = SearchQuery(" & ".join(parts), config="simple", search_type="raw")
    titles = threads.alias(words=SearchVector("title", config="simple")).filter(words=query)
    if not conf.SKEINO_SEARCH_MESSAGES:
        return [titles]
    texts = ThreadText.objects.filter(words=query)
    if threads.query.where:  # not all threads there are
        texts = texts.filter(thread__in=threads)
    return [titles.filter(created_at__gte=timezone.now() - NEW), texts]


def _owners(term: str) -> list[object]:
    user = get_user_model()
    begins = {f"{user.USERNAME_FIELD}__istartswith": term}
    return list(user._default_manager.filter(**begins).values_list("pk", flat=True)[:MAX_OWNERS])
