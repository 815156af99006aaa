from __future__ import annotations

import socket
from typing import Any

import pytest
from django.core.management.base import CommandError

from skeino_site.endpoint import Endpoint, _allowed_host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_these_hosts_are_reached_from_this_machine_alone(host: str):
    assert Endpoint(host, 8000).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_these_hosts_may_be_reached_from_elsewhere(host: str):
    assert not Endpoint(host, 8000).is_loopback


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/ok"),
        ("0.0.0.0", "http://127.0.0.1:80/ok"),
        ("::", "http://[::1]:80/ok"),
        ("skeino.example", "http://skeino.example:80/ok"),
    ],
)
def test_the_url_is_one_that_a_person_on_this_machine_can_open(host: str, url: str):
    assert Endpoint(host, 80).url("/ok") == url


def test_a_port_that_is_in_use_is_said_to_be_in_use():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} on 127.0.0.1 is in use"):
            Endpoint("127.0.0.1", port).check_is_free()
    Endpoint("127.0.0.1", port).check_is_free()


def test_an_address_of_another_machine_cannot_be_used():
    with pytest.raises(CommandError, match="cannot be used"):
        Endpoint("192.0.2.1", 8000).check_is_free()


def test_nobody_answers_at_a_free_port():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    assert not Endpoint("127.0.0.1", port).answers()


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        (["a.example"], "a.example"),
        ([".example"], "example"),
        (["*"], "localhost"),
        ([], "localhost"),
    ],
)
def test_it_asks_under_a_name_that_django_accepts(settings: Any, allowed: list[str], host: str):
    settings.ALLOWED_HOSTS = allowed
    assert _allowed_host() == host
