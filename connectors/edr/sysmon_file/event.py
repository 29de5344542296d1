"""What every reader yields: one Sysmon event, decoded but not interpreted, and how the reading went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class RawEvent(NamedTuple):
    """One Sysmon event as logged.

    Attributes:
        event_id: Sysmon EventID.
        computer: the host that logged it (System/Computer; NXLog and Mordor: Hostname, never the
            collector's `host`).
        logged_at: System/TimeCreated as ISO 8601 text with an offset, "" where the shape has no such
            time (NXLog's EventTime is local time without an offset and is not used).
        data: the EventData fields under their Sysmon names; values are str, int, bool or None.
        source: file, and member of an archive as `archive!member`.
        record: position in the source, from 1: the line of a text, else the number of the record.
    """

    event_id: int
    computer: str
    logged_at: str
    data: Mapping[str, object]
    source: str
    record: int


class ReadProblem(NamedTuple):
    """Something in a log that could not be read; the rest was read all the same.

    Attributes:
        source: file, and member of an archive.
        record: position, from 1 (line, else record); None when it concerns the source as a whole.
        reason: one sentence.
    """

    source: str
    record: int | None
    reason: str


#: Problems kept word for word; further ones are only counted.
PROBLEMS_KEPT = 1000


@dataclass(slots=True)
class ReadReport:
    """How the reading went. Filled while reading.

    Attributes:
        sysmon_events: Sysmon events seen, of any EventID.
        other_records: well-formed records of other providers and text between events, skipped.
        problems: the first PROBLEMS_KEPT problems.
        problem_count: all of them.
        sources: every file or archive member read, in order.
        bytes_read: bytes consumed on disk (compressed size for archives), for a progress bar.
    """

    sysmon_events: int = 0
    other_records: int = 0
    problems: list[ReadProblem] = field(default_factory=list)
    problem_count: int = 0
    sources: list[str] = field(default_factory=list)
    bytes_read: int = 0

    def problem(self, source: str, record: int | None, reason: str) -> None:
        """Record a problem; keeps memory bounded."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(ReadProblem(source, record, reason))
