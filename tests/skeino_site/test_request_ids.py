from __future__ import annotations

import io
import logging
import uuid
from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from skeino_site.request_ids import RequestIdFilter, current


@pytest.mark.parametrize("path", ["/ok", "/nowhere", "/v1/graph/nowhere"])
def test_a_request_keeps_its_id(path: str) -> None:
    response = APIClient().get(path, headers={"x-request-id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"


@pytest.mark.parametrize("given", ["", "two words", "a\tb", "ü", "x" * 129])
def test_what_cannot_be_one_is_replaced(given: str) -> None:
    made = APIClient().get("/ok", headers={"x-request-id": given}).headers["x-request-id"]
    assert str(uuid.UUID(made)) == made


def test_every_request_has_another() -> None:
    assert len({APIClient().get("/ok").headers["x-request-id"] for _ in range(3)}) == 3


def test_the_log_names_it_as_the_settings_say() -> None:
    configured: Any = settings.LOGGING
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(logging.Formatter(configured["formatters"]["line"]["format"]))
    logger = logging.Logger("a.logger")
    logger.addHandler(handler)
    logger.warning("before")
    token = current.set("mine-1")
    logger.warning("meanwhile")
    current.reset(token)
    before, meanwhile = text.getvalue().splitlines()
    assert before.endswith("WARNING a.logger: before")
    assert meanwhile.endswith("WARNING a.logger [mine-1]: meanwhile")


def test_the_id_ends_with_its_request() -> None:
    APIClient().get("/ok", headers={"x-request-id": "mine-1"})
    assert current.get() == ""
