"""Reading the installed MISP warninglists until they can be asked, beside parsing all of the package's files.

The baseline only parses, with the same parser, and keeps what it parsed; ours reads the lists of ranges and
builds the map of 120,000 of them. Whole processes, so that nothing is warm but the disk. Memory is the peak
of the whole process, interpreter and imports included; what the reading added to it is shown beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.rows import Row, time_row

SIZES = (1,)
QUICK_SIZES = SIZES
REPEATS = 7

_MEASURED = """
import json, time
from benchmarks.bench_warninglists import peak_mb
from connectors.reputation.offline.warninglists import load_lists, package_folder
import orjson
folder = package_folder()
before = peak_mb()
start = time.perf_counter()
{work}
print(json.dumps([time.perf_counter() - start, peak_mb() - before, peak_mb(), held]))
"""
_OURS = _MEASURED.format(work="loaded = load_lists(folder); held = len(loaded.ranges)")
_BASELINE = _MEASURED.format(
    work="kept = [orjson.loads(path.read_bytes()) for path in folder.glob('*/list.json')]; held = len(kept)"
)


class _Figures(NamedTuple):
    seconds: float
    added_mb: float
    peak_mb: float
    held: int


def peak_mb() -> float:
    """The most memory this process has held, MB. Not ru_maxrss: that begins with what its parent held."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def run(sizes: Sequence[int]) -> list[Row]:
    """Measure both in turn; the best time and the largest peak count."""
    del sizes
    ours: list[_Figures] = []
    baseline: list[_Figures] = []
    for _ in range(REPEATS):
        ours.append(_measure(_OURS))
        baseline.append(_measure(_BASELINE))
    ranges = ours[0].held
    return [
        time_row(
            "warninglists ready vs parsing every file",
            ranges,
            min(each.seconds for each in ours),
            min(each.seconds for each in baseline),
            "<= 0.4",
        ),
        _memory_row("warninglists, memory added", ours, baseline, kind="added_mb", must=""),
        _memory_row("warninglists, peak of the process", ours, baseline, kind="peak_mb", must="<= 60"),
    ]


def _memory_row(
    name: str, ours: Sequence[_Figures], baseline: Sequence[_Figures], *, kind: str, must: str
) -> Row:
    largest = max(float(getattr(each, kind)) for each in ours)
    return {
        "name": name,
        "size": ours[0].held,
        "ours_s": largest,
        "baseline_s": max(float(getattr(each, kind)) for each in baseline),
        "ratio": largest,
        "must": must,
        "unit": "MB",
    }


def _measure(code: str) -> _Figures:
    root = Path(__file__).resolve().parent.parent
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root)
    return _Figures(*json.loads(ran.stdout))
