"""Runs ``js/*.test.mjs`` under Node.js, against the same server as the Python clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import nodejs

FILES = sorted(file.name for file in nodejs.FOLDER.glob("*.test.mjs"))


@pytest.mark.parametrize("file", FILES)
def test_the_javascript_sdk(node: str, server_url: str, tmp_path: Path, file: str) -> None:
    command = [node, "--test", "--test-reporter=spec", file]
    tests = nodejs.run(command, SKEINO_URL=server_url, TMPDIR=str(tmp_path))
    if tests.returncode != 0:
        pytest.fail(tests.stdout, pytrace=False)
