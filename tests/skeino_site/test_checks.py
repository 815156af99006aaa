from __future__ import annotations

from django.core import checks
from pytest_django import Settings

from skeino_site.checks import check_anonymous_access


def ids(*, deploy: bool) -> list[str | None]:
    return [message.id for message in checks.run_checks(include_deployment_checks=deploy)]


def test_a_door_that_is_open_to_all_is_a_warning(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    [message] = check_anonymous_access()
    assert message.id == "skeino_site.W001"
    assert message.hint


def test_debug_opens_the_door_too(settings: Settings) -> None:
    del settings.SKEINO_ALLOW_ANONYMOUS
    settings.DEBUG = True
    assert [message.id for message in check_anonymous_access()] == ["skeino_site.W001"]


def test_a_closed_door_is_none(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = False
    assert check_anonymous_access() == []


def test_only_who_deploys_is_warned(settings: Settings) -> None:
    settings.SKEINO_ALLOW_ANONYMOUS = True
    assert "skeino_site.W001" in ids(deploy=True)
    assert "skeino_site.W001" not in ids(deploy=False)


def test_the_project_as_it_is_passes_all_checks() -> None:
    assert ids(deploy=False) == []
