"""When exchanges began, and what had happened by then, as far as it matters. See ``Recorded``."""

from __future__ import annotations

from typing import Any

# By recording and number. What happened after a while in the recorded server is waited for. In a path, `$` is
# the path of the exchange up to its thread.
TIMING: dict[str, dict[int, dict[str, Any]]] = {
    "09b_runs_stopped": {
        50: {"until": ["$/state", ["values", "n"], 3]},
        52: {"until": ["$", ["status"], "interrupted"]},
        58: {"until": ["$/state", ["values", "n"], 3]},
        66: {"until": ["$/state", ["values", "n"], 3]},
        74: {"until": ["$/state", ["values", "n"], 3]},
        94: {"until": ["$", ["status"], "interrupted"]},
    },
    "10_multitask": {
        4: {"begins": 2},
        5: {"begins": 2, "after": [4, 4]},
        11: {"begins": 9},
        12: {"begins": 9, "after": [11, 4]},
        19: {"begins": 16},
        16: {"after": [19, 4]},
        23: {"begins": 23},
        26: {"begins": 23, "after": [23, 4]},
        30: {"begins": 30},
        33: {"begins": 30, "after": [30, 4]},
    },
    "11_join_resume": {
        13: {"until": ["$/state", ["values", "n"], 3]},
        21: {"until": ["$/state", ["values", "n"], 3], "leaves": 0},
        22: {"until": ["$", ["status"], "interrupted"]},
    },
    "12_on_disconnect": {
        4: {"until": ["$", ["status"], "idle"]},
        9: {"until": ["$", ["status"], "interrupted"]},
        16: {"until": ["$", ["status"], "idle"]},
        20: {"until": ["$/state", ["values", "n"], 3]},
        21: {"until": ["$", ["status"], "interrupted"]},
        23: {"until": ["$/state", ["values", "n"], 3]},
        24: {"until": ["$", ["status"], "idle"]},
    },
    "19_thread_stream_join": {4: {"begins": 2}, 8: {"begins": 6}, 12: {"begins": 10}},
}


def of(name: str, number: int, path: str) -> dict[str, Any]:
    found = dict(TIMING.get(name, {}).get(number, {}))
    if "until" in found:
        where, keys, value = found["until"]
        found["until"] = [where.replace("$", "/".join(path.split("/")[:3])), keys, value]
    return found
