"""How long the SOAR app takes to answer `check ip` in a new process, beside importing the SDK alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.rows import Row, time_row

SIZES = (1,)
QUICK_SIZES = SIZES
REPEATS = 11

_REQUEST = json.dumps(
    {
        "asset_id": "7",
        "identifier": "check_ip",
        "container_id": 1,
        "config": {"app_version": "0.1.0", "directory": "regsvcs_response", "main_module": "src.app:app"},
        "parameters": [{"ip": "149.154.167.220"}],
    }
)
_CHECK_IP = (
    "from playbooks.hosts.soar.app import app\n"
    f"app.handle({_REQUEST!r})\n"
    "(result,) = app.actions_manager.get_action_results()\n"
    "assert result.get_data()[0]['public'] is True\n"
)
_SDK = "import soar_sdk.app"


def run(sizes: Sequence[int]) -> list[Row]:
    """Time both in turn; the best of each counts."""
    del sizes
    ours: list[float] = []
    baseline: list[float] = []
    for _ in range(REPEATS):
        ours.append(_seconds(_CHECK_IP))
        baseline.append(_seconds(_SDK))
    return [time_row("SOAR check ip, cold, vs import SDK", 1, min(ours), min(baseline), "<= 1.2")]


def _environment() -> dict[str, str]:
    """This one, but compiled modules are kept: those of the SDK are, and an installed app's are too."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=_environment())
    return time.perf_counter() - start
