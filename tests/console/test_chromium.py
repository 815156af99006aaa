from __future__ import annotations

from pathlib import Path

import pytest

from tests.console import chromium


def test_that_of_the_machine_is_taken_else_playwrights_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "browsers"))
    assert chromium.find() is None
    for version in ("1200", "1201"):
        executable = tmp_path / "browsers" / f"chromium-{version}" / "chrome-linux64" / "chrome"
        executable.parent.mkdir(parents=True)
        executable.touch()
    assert chromium.find() == str(executable)
    own = tmp_path / "chromium"
    own.touch(mode=0o755)
    assert chromium.find() == str(own)
