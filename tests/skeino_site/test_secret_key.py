from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skeino_site import secret_key


def test_it_is_made_once(tmp_path: Path):
    path = tmp_path / "new folder" / "secret_key"
    key = secret_key.read_or_create(path)
    assert len(key) >= 50
    assert secret_key.read_or_create(path) == key


def test_it_differs_from_installation_to_installation(tmp_path: Path):
    assert secret_key.read_or_create(tmp_path / "one") != secret_key.read_or_create(tmp_path / "two")


def test_only_its_owner_can_read_it(tmp_path: Path):
    secret_key.read_or_create(tmp_path / "secret_key")
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_all_who_start_at_once_get_the_same(tmp_path: Path):
    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(secret_key.read_or_create, [tmp_path / "secret_key"] * 64))
    assert len(keys) == 1


def test_no_draft_is_left_behind(tmp_path: Path):
    secret_key.read_or_create(tmp_path / "secret_key")
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_key_that_somebody_put_there_is_kept(tmp_path: Path):
    (tmp_path / "secret_key").write_text("chosen by hand\n")
    assert secret_key.read_or_create(tmp_path / "secret_key") == "chosen by hand"
