from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from pytest_django import Settings

from tests.live import TEST_GRAPHS

if TYPE_CHECKING:  # it reads the settings, which are not there yet
    from rest_framework.test import APIClient


@pytest.fixture(autouse=True)
def test_graphs(settings: Settings) -> None:
    """The graphs served are those under tests/graphs."""
    settings.SKEINO_LANGGRAPH_JSON = TEST_GRAPHS


@pytest.fixture
def api(settings: Settings) -> APIClient:
    """A client without credentials, where none are needed."""
    from rest_framework.test import APIClient

    settings.SKEINO_ALLOW_ANONYMOUS = True
    return APIClient()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for graphs. What loading them does to this process is undone."""
    modules = set(sys.modules)
    with mock.patch.object(sys, "path", sys.path[:]), mock.patch.dict(os.environ):
        yield tmp_path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
