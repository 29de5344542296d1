"""How long the command line takes to show its help, beside importing Typer alone; whole processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.rows import Row, time_row

SIZES = (1,)
QUICK_SIZES = SIZES
REPEATS = 15

_HELP = [
    sys.executable,
    "-c",
    "import sys; sys.argv = ['regsvcs-response', '--help']\nfrom playbooks.hosts.cli import main\nmain()",
]
_TYPER = [sys.executable, "-c", "import typer"]


def run(sizes: Sequence[int]) -> list[Row]:
    """Time both in turn; the best of each counts."""
    del sizes
    ours: list[float] = []
    baseline: list[float] = []
    for _ in range(REPEATS):
        ours.append(_seconds(_HELP))
        baseline.append(_seconds(_TYPER))
    return [time_row("--help vs import typer", 1, min(ours), min(baseline), "<= 1.5")]


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
