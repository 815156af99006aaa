from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench import peers
from bench.contestants import CannotTakePart
from bench.peers import Peer
from tests.live import ROOT


def python(*arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)


def test_it_measures_the_real_server_beside_the_floor(tmp_path: Path) -> None:
    done = python("bench", "--tiny", "--only", "runs", "--json", str(tmp_path / "all.json"), seconds=240)
    assert done.returncode == 0, done.stdout + done.stderr
    header, _, first, *_ = done.stdout.splitlines()
    assert header == "| measure |  | skeino-django | floor-pg | ÷ floor-pg |"
    measure, what, *figures = (cell.strip(" ×") for cell in first.strip("|").split("|"))
    assert (measure, what) == ("runs.echo.c1", "p50 ms")
    ours, floor, ratio = (float(figure.replace(",", "")) for figure in figures)
    assert ratio == pytest.approx(ours / floor, rel=0.05)
    assert "errors" not in done.stdout
    found = json.loads((tmp_path / "all.json").read_text())["results"]["skeino-django"][0]
    assert found["runs.echo.c16"]["n"] == 16
    assert found["runs.echo.c16"]["cpu"]["server"] > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bench", "--only", "runs,walks"], "'walks' is none of threads, runs,"),
        (["bench", "--rounds", "0"], "'0' is no number from 1"),
        (["bench.growth", "wealth"], "'wealth' is none of search, history,"),
        (["bench.growth", "search", "--threads", "20,10"], "'20,10' does not grow"),
    ],
)
def test_what_it_cannot_measure_it_says_at_once(arguments: list[str], complaint: str) -> None:
    done = python(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


@pytest.mark.parametrize("module", ["bench", "bench.growth"])
def test_it_explains_itself(module: str) -> None:
    done = python(module, "--help")
    assert done.returncode == 0
    assert "Progress goes to stderr" in " ".join(done.stdout.split())


def test_a_peer_that_cannot_be_installed_takes_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    monkeypatch.setattr(peers, "LOGS", tmp_path)
    peer = Peer("nobody", str(tmp_path / "nobody-1.0-py3-none-any.whl"), "nobody:app", "/ok", {})
    with pytest.raises(CannotTakePart, match="nobody"):
        peer.install()


def test_it_is_not_part_of_what_is_installed() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = pyproject["tool"]["setuptools"]["packages"]["find"]["include"]
    assert not [pattern for pattern in patterns if Path("bench").match(pattern)]
