"""Reads bytes as if they were a log on disk, for the tests of the readers."""

from __future__ import annotations

from pathlib import Path

from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.limits import ReadLimits
from connectors.edr.sysmon_file.reader import read_events

EVERY_EVENT = frozenset(range(65536))
_LIMITS = ReadLimits()


def read_path(
    path: Path, wanted: frozenset[int] = EVERY_EVENT, limits: ReadLimits = _LIMITS
) -> tuple[list[RawEvent], ReadReport]:
    """All wanted events and the report."""
    report = ReadReport()
    return list(read_events([path], wanted, report, limits=limits)), report


def read_bytes(
    folder: Path, data: bytes, wanted: frozenset[int] = EVERY_EVENT, limits: ReadLimits = _LIMITS
) -> tuple[list[RawEvent], ReadReport]:
    """The same of a file with this content; its name says nothing."""
    path = folder / "log"
    path.write_bytes(data)
    return read_path(path, wanted, limits)


def told(report: ReadReport) -> list[tuple[int | None, str]]:
    """Position and reason of each problem."""
    return [(problem.record, problem.reason) for problem in report.problems]
