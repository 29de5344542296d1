"""The process index beside filling one dict with the same rows, and walking up eight ancestors.

Both sides get the same rows. Ours includes the map of children, which a dict does not have.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Sequence

from benchmarks.rows import Row, time_row
from connectors.edr.sysmon_file.lineage import build_lineage
from connectors.edr.sysmon_file.process_index import ProcessIndex
from connectors.edr.sysmon_file.rows import ProcessRow, process_ref
from connectors.edr.sysmon_file.store import HostLog

SIZES = (2_000, 20_000, 200_000)
QUICK_SIZES = (500, 2_000, 8_000)
DEPTH = 8
REPEATS = 5
WALKS = 200
SEED = 218009
BOUND_S = 100e-6


def process_rows(count: int) -> list[ProcessRow]:
    """Processes of which every eighth begins a new chain of eight, children near their parents in time."""
    rng = random.Random(SEED)
    rows = []
    for number in range(count):
        parent = max(number - rng.randint(1, 60), 0) if number % 97 else None
        rows.append(_row(number, parent))
    return rows


def chain_rows(count: int, depth: int) -> list[ProcessRow]:
    """Chains of `depth` + 1 processes, so that each last one has exactly `depth` ancestors."""
    return [_row(number, number - 1 if number % (depth + 1) else None) for number in range(count)]


def run(sizes: Sequence[int]) -> list[Row]:
    """Time index and walk at each size."""
    rows: list[Row] = []
    walks: list[tuple[int, float]] = []
    for size in sizes:
        ours_s, baseline_s = _index_times(process_rows(size))
        rows.append(time_row("lineage index vs one dict", size, ours_s, baseline_s, "<= 4"))
        walks.append((size, _walk_time(chain_rows(size, DEPTH))))
    first_s = walks[0][1]
    for size, walk_s in walks:
        rows.append(time_row("lineage with 8 ancestors vs 100 µs", size, walk_s, BOUND_S, "<= 1"))
        rows.append(time_row("lineage with 8 ancestors vs smallest size", size, walk_s, first_s, "<= 1.5"))
    return rows


def _row(number: int, parent: int | None) -> ProcessRow:
    hours, minutes, seconds = number // 36000 % 24, number // 600 % 60, number // 10 % 60
    image = rf"C:\Program Files\App{number % 300}\app{number % 300}.exe"
    return ProcessRow(
        guid=_guid(number),
        utc=f"2026-09-24 {hours:02d}:{minutes:02d}:{seconds:02d}.{number % 10}00",
        pid=1000 + number % 60_000,
        image=image,
        command_line=f'"{image}" --task {number}',
        directory="C:\\",
        user=r"CORP\user01",
        integrity="Medium",
        original_file_name=f"app{number % 300}.exe",
        hashes="SHA256=" + f"{number % 300:064X}",
        parent_guid=None if parent is None else _guid(parent),
        parent_pid=None if parent is None else 1000 + parent % 60_000,
        parent_image="?" if parent is None else image,
        parent_command_line="?",
        source="bench.log",
        record=number + 1,
    )


def _guid(number: int) -> str:
    return f"A1C5D0E2-{number:08X}-66F4-0000-000000002B00"


def _index_times(rows: Sequence[ProcessRow]) -> tuple[float, float]:
    ours: list[float] = []
    baseline: list[float] = []
    gc.collect()
    gc.freeze()
    for _ in range(REPEATS):
        start = time.perf_counter()
        plain = {}
        for row in rows:
            plain[row.guid] = row
        baseline.append(time.perf_counter() - start)
        start = time.perf_counter()
        index = ProcessIndex()
        index.extend(rows)
        index.children(rows[0])
        ours.append(time.perf_counter() - start)
        assert len(index) == len(plain)
    gc.unfreeze()
    return min(ours), min(baseline)


def _walk_time(rows: Sequence[ProcessRow]) -> float:
    """Median seconds of one whole lineage with DEPTH ancestors, facts built."""
    log = HostLog("WS01.corp.example", ())
    log.processes.extend(rows)
    last = [row for row in rows if row.record % (DEPTH + 1) == 0]
    picked = random.Random(SEED).sample(last, min(WALKS, len(last)))
    log.processes.children(rows[0])
    times = []
    for row in picked:
        process = process_ref("WS01.corp.example", row)
        start = time.perf_counter()
        found = build_lineage(log, "WS01.corp.example", process, max_depth=20, max_nodes=500)
        times.append(time.perf_counter() - start)
        assert found is not None
        assert len(found.ancestors) == DEPTH
    return statistics.median(times)
