"""Reading a log for detection beside a bare parse of the same file, every record of it.

Ours is `read_events` as detection uses it: EventIDs 1, 3 and 5 wanted, a few fields looked at. The text logs
are generated (seeded); an EVTX cannot be, so its row needs a real one: `BENCH_EVTX=file`, or the file as the
argument of `python -m benchmarks.bench_readers`. Its chunks are repeated to the size wanted.
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
from evtx import PyEvtxParser

from benchmarks.rows import Row, time_row
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.reader import read_events
from tests import sysmon_samples

WANTED = frozenset({1, 3, 5})
#: The best of so many alternating runs on each side.
ROUNDS = 5

_HEADER_BYTES, _CHUNK_BYTES = 4096, 65536


def read_ours(path: Path) -> int:
    """Read as detection does; the number of Sysmon events, so that both sides can be compared."""
    report = ReadReport()
    for event in read_events([path], WANTED, report):
        if event.event_id == 3:
            event.data.get("Image"), event.data.get("DestinationIp")
        else:
            event.data.get("ProcessGuid")
    assert not report.problem_count, report.problems[:3]
    return report.sysmon_events


def parse_json_lines(path: Path) -> int:
    """The bare pass over ndjson."""
    loads = orjson.loads
    count = 0
    with path.open("rb") as file:
        for line in file:
            loads(line)
            count += 1
    return count


def parse_xml_lines(path: Path) -> int:
    """The bare pass over one XML event a line."""
    parse = ET.fromstring
    count = 0
    with path.open("rb") as file:
        for line in file:
            parse(line)
            count += 1
    return count


def parse_evtx(path: Path) -> int:
    """The bare pass over an EVTX."""
    loads = orjson.loads
    count = 0
    for record in PyEvtxParser(str(path)).records_json():
        loads(record["data"])  # type: ignore[index]  # the package's stub is wrong: always a dict
        count += 1
    return count


def best_of_both(ours: Callable[[], int], baseline: Callable[[], int]) -> tuple[float, float]:
    """Seconds of the quickest run of each, taken in turns so that a slow moment hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    counts = set()
    for _ in range(ROUNDS):
        for work, seconds in zip((ours, baseline), times, strict=True):
            start = time.perf_counter()
            counts.add(work())
            seconds.append(time.perf_counter() - start)
    assert len(counts) == 1, f"the two sides saw different numbers of events: {counts}"
    return min(times[0]), min(times[1])


def write_evtx(path: Path, source: Path, events: int) -> int:
    """Repeat the chunks of a real log until it holds about `events`; the number it holds."""
    data = source.read_bytes()
    chunks = [data[at : at + _CHUNK_BYTES] for at in range(_HEADER_BYTES, len(data), _CHUNK_BYTES)]
    full = [chunk for chunk in chunks if chunk.startswith(b"ElfChnk\0")]
    held = [last - first + 1 for first, last in (struct.unpack_from("<2Q", chunk, 8) for chunk in full)]
    total = 0
    with path.open("wb") as file:
        file.write(data[:_HEADER_BYTES])
        while total < events:
            for chunk, count in zip(full, held, strict=True):
                file.write(chunk)
                total += count
    return total


def run(sizes: Sequence[int], evtx: Path | None = None) -> list[Row]:
    """Time each format at each size; EVTX only where a file is given or named by BENCH_EVTX."""
    return list(_rows(sizes, evtx or evtx_source()))


def evtx_source() -> Path | None:
    """The real EVTX that BENCH_EVTX names, else one of the real logs kept beside the checkout, else None."""
    named = os.environ.get("BENCH_EVTX", "")
    if named:
        return Path(named)
    beside = Path(__file__).resolve().parents[2] / "shared/data/sysmon"
    return max(beside.glob("*.evtx"), key=lambda path: path.stat().st_size, default=None)


def _rows(sizes: Sequence[int], evtx: Path | None) -> Iterator[Row]:
    formats = (
        ("read ndjson vs bare orjson", sysmon_samples.flat, parse_json_lines, "<= 1.25"),
        ("read XML vs bare ElementTree", sysmon_samples.xml, parse_xml_lines, "<= 0.5"),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        for name, build, parse, must in formats:
            for size in sizes:
                path.write_bytes(sysmon_samples.lines(*sysmon_samples.records(build, size)))
                yield _row(name, size, path, parse, must)
        if evtx is None:
            print(
                "read EVTX: left out, an EVTX cannot be generated; name a real one in BENCH_EVTX",
                file=sys.stderr,
            )
            return
        for size in sizes:
            events = write_evtx(path, evtx, size)
            yield _row("read EVTX vs bare records_json + orjson", events, path, parse_evtx, "<= 1.2")


def _row(name: str, size: int, path: Path, parse: Callable[[Path], int], must: str) -> Row:
    ours_s, baseline_s = best_of_both(lambda: read_ours(path), lambda: parse(path))
    return time_row(name, size, ours_s, baseline_s, must)


def main() -> None:
    """Print the rows, by hand."""
    sizes = (1_000, 10_000, 100_000)
    for row in run(sizes, Path(sys.argv[1]) if len(sys.argv) > 1 else None):
        each = row["ours_s"] / row["size"] * 1e6
        print(
            f"{row['name']:42} {row['size']:9,} {row['ratio']:6.2f} {row['must']:8} {each:6.2f} µs an event"
        )


if __name__ == "__main__":
    main()
