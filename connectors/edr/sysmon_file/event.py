"""What every reader yields: one Sysmon event, decoded but not interpreted, and how the reading went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
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
        record_id: the event log's own number (System/EventRecordID), the same in every export; None where
            the shape has none.
    """

    event_id: int
    computer: str
    logged_at: str
    data: Mapping[str, object]
    source: str
    record: int
    record_id: int | None = None


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


class ClockDrift(NamedTuple):
    """How far UtcTime is off in the connections and DNS look-ups of one host (see event_clock).

    Attributes:
        computer: the host as logged.
        events: how many are further off than event_clock.DRIFT_TOLERANCE.
        most: the largest difference, TimeCreated less UtcTime.
    """

    computer: str
    events: int
    most: timedelta


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
        without_sysmon: those of them that hold no Sysmon event, and what they hold.
        repeated: events left out because they were given before.
        other_channels: by source, the channel of its first record that is not Sysmon's; "" if not named.
        drifts: by host, lower case: where UtcTime is off.
        bytes_read: bytes consumed on disk (compressed size for archives), for a progress bar.
    """

    sysmon_events: int = 0
    other_records: int = 0
    problems: list[ReadProblem] = field(default_factory=list)
    problem_count: int = 0
    sources: list[str] = field(default_factory=list)
    without_sysmon: list[ReadProblem] = field(default_factory=list)
    repeated: int = 0
    other_channels: dict[str, str] = field(default_factory=dict)
    drifts: dict[str, ClockDrift] = field(default_factory=dict)
    bytes_read: int = 0

    def problem(self, source: str, record: int | None, reason: str) -> None:
        """Record a problem; keeps memory bounded."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(ReadProblem(source, record, reason))
