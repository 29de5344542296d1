"""`detect` over whole logs beside a bare parse of the same file, and the memory of the command line.

Times are of the work in this process, without start-up; memory is the peak of the whole command, start-up
included. An EVTX cannot be generated: see bench_readers.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from actions.detection import Semantics
from actions.organisation_ranges import NONE
from actions.profile_catalog import shipped_profiles
from benchmarks.bench_readers import (
    best_of_both,
    evtx_source,
    parse_evtx,
    parse_json_lines,
    parse_xml_lines,
    write_evtx,
)
from benchmarks.rows import Row, time_row
from playbooks.logs import detect_in_logs
from tests import sysmon_samples

SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (500, 2_000)

#: Events of the logs that memory is measured over; the larger must need hardly more than the smaller.
MEMORY_SIZES = (100_000, 1_000_000)
CREATIONS = 200_000
SEED = 218009
MEGABYTE = 1024 * 1024

_COMMAND = (
    sys.executable,
    "-c",
    (
        "import sys\n"
        "from playbooks.hosts.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    lines = open('/proc/self/status').readlines()\n"
        "    sys.stderr.write(next(line for line in lines if line.startswith('VmHWM')))\n"
    ),
)


def detect_ours(path: Path) -> int:
    """Detect as the command does; the number of Sysmon events, so that both sides can be compared."""
    _, report = detect_in_logs([path], shipped_profiles(), semantics=Semantics.STRICT, organisation=NONE)
    assert not report.problem_count, report.problems[:3]
    return report.sysmon_events


def run(sizes: Sequence[int]) -> list[Row]:
    """Time each format at each size, then measure memory (only at full size)."""
    rows = list(_times(sizes))
    if max(sizes) >= MEMORY_SIZES[0]:
        rows += _memory()
    return rows


def _times(sizes: Sequence[int]) -> Iterator[Row]:
    formats = (
        ("detect ndjson vs bare orjson", sysmon_samples.flat, parse_json_lines, "<= 1.4"),
        ("detect XML vs bare ElementTree", sysmon_samples.xml, parse_xml_lines, "<= 0.6"),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        for name, build, parse, must in formats:
            for size in sizes:
                path.write_bytes(sysmon_samples.lines(*sysmon_samples.records(build, size)))
                yield _time_row(name, size, path, parse, must)
        evtx = evtx_source()
        if evtx is not None:
            for size in sizes:
                events = write_evtx(path, evtx, size)
                yield _time_row(
                    "detect EVTX vs bare records_json + orjson", events, path, parse_evtx, "<= 1.3"
                )


def _time_row(name: str, size: int, path: Path, parse: Callable[[Path], int], must: str) -> Row:
    ours_s, baseline_s = best_of_both(lambda: detect_ours(path), lambda: parse(path))
    return time_row(name, size, ours_s, baseline_s, must)


def _memory() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        peaks = []
        for size in MEMORY_SIZES:
            with path.open("wb") as file:
                file.writelines(
                    record + b"\n" for record in sysmon_samples.records(sysmon_samples.flat, size)
                )
            peaks.append(_peak_mb("detect", str(path), "--json"))
            yield _memory_row("peak memory of detect vs 64 MB", size, peaks[-1], 64, "<= 1")
        yield _memory_row(
            "peak memory of detect, 1 M vs 100 k events", MEMORY_SIZES[1], peaks[1], peaks[0], "<= 1.1"
        )
        _write_creations(path, CREATIONS)
        peak = _peak_mb("run", str(path), "--json")
        yield _memory_row("peak memory of run, EID 1 only, vs 250 MB", CREATIONS, peak, 250, "<= 1")


def _write_creations(path: Path, count: int) -> None:
    source = random.Random(SEED)
    with path.open("wb") as file:
        for number in range(count):
            fields = sysmon_samples.event_fields(source, 1) | {
                "ProcessGuid": f"{{A1C5D0E2-{number:08X}-66F4-0000-000000002B00}}",
                "CommandLine": f'"C:\\Program Files\\App\\app.exe" --task {number} ' + "x" * (number % 120),
            }
            file.write(sysmon_samples.flat(1, sysmon_samples.HOST, **fields) + b"\n")
        file.write(sysmon_samples.flat(3, sysmon_samples.HOST, **sysmon_samples.network()) + b"\n")


def _memory_row(name: str, size: int, ours_mb: float, baseline_mb: float, must: str) -> Row:
    return {
        "name": name,
        "size": size,
        "ours_s": ours_mb,
        "baseline_s": baseline_mb,
        "ratio": ours_mb / baseline_mb,
        "must": must,
        "unit": "MB",
    }


def _peak_mb(*arguments: str) -> float:
    """Peak resident memory of the whole command, megabytes.

    The command tells its own high-water mark (Linux): the figure that wait4 gives counts the memory of this
    process too, of which the command's process was a copy before it started.
    """
    done = subprocess.run(
        [*_COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    name, kilobytes, _ = done.stderr.splitlines()[-1].split()
    assert name == "VmHWM:", done.stderr
    return int(kilobytes) * 1024 / MEGABYTE
