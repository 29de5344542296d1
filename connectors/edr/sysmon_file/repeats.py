"""Events that are given twice, as overlapping exports of one log do: known by host, record id and time.

The record id alone does not tell: it begins anew when a log is cleared or a virtual machine set back.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from connectors.edr.sysmon_file.event import ClockDrift, RawEvent, ReadReport
from connectors.edr.sysmon_file.event_clock import TRACED_EVENTS, drift_of

#: Events remembered: 32 MB at 16 bytes each, or a table of 32 MiB where none of them is in order.
MOST_EVENTS = 2_000_000
#: Hosts whose events are remembered in order; those of further ones go into the table.
_MOST_HOSTS = 10_000
#: Places of the table at first. A power of two.
_FIRST_PLACES = 1 << 10

#: Hosts whose drift is kept; a log of more is no log of one's own machines.
_DRIFTS_KEPT = 1000

#: In place of the last record id of a host whose events all go into the table.
_NOT_IN_ORDER = -2

_FULL = "more events than can be told apart: from here on, one that is given twice may count twice"


class _InOrder:
    """The events of one host whose record ids came in ascending order, as an export has them."""

    __slots__ = ("last", "marks", "record_ids")

    def __init__(self) -> None:
        self.last = -1
        self.record_ids = array("Q")
        self.marks = array("q")  # hashes of their times


class SeenEvents:
    """Which events were seen, in 16 bytes each; a set of numbers would take 80.

    Times are kept as hashes of 64 bits, salted anew in every process (PYTHONHASHSEED), so that no log can be
    made to collide.
    """

    __slots__ = ("_hosts", "_left", "_table")

    def __init__(self, *, most_events: int = MOST_EVENTS) -> None:
        self._left = most_events
        self._hosts: dict[str, _InOrder] = {}
        self._table = _Table()

    @property
    def is_full(self) -> bool:
        """True when no further event is remembered; those that are remembered are still known."""
        return self._left <= 0

    def is_new(self, computer: str, record_id: int, when: str) -> bool:
        """False when it was seen before. It is remembered, as long as there is room.

        Args:
            computer: the host, in any case.
            record_id: of 64 bits.
            when: its time, the same text whatever the export.
        """
        host = self._hosts.get(computer) or self._host(computer)
        if record_id > host.last and host.last != _NOT_IN_ORDER:
            if self._left > 0:
                host.last = record_id
                host.record_ids.append(record_id)
                host.marks.append(hash(when))
                self._left -= 1
            return True
        at = bisect_left(host.record_ids, record_id)
        if at < len(host.record_ids) and host.record_ids[at] == record_id and host.marks[at] == hash(when):
            return False
        number = hash((computer.lower(), record_id, when))
        found, added = self._table.look_up(number, add=self._left > 0)
        self._left -= added
        return not found

    def _host(self, computer: str) -> _InOrder:
        """The host under a spelling that was not seen before."""
        host = self._hosts.get(computer.lower()) or _InOrder()
        if len(self._hosts) < _MOST_HOSTS:
            self._hosts[computer.lower()] = self._hosts[computer] = host
        elif host.last < 0:
            host.last = _NOT_IN_ORDER
        return host


class _Table:
    """A set of 64-bit numbers, open addressing in one array."""

    __slots__ = ("_count", "_mask", "_places")

    def __init__(self) -> None:
        self._count = 0
        self._mask = _FIRST_PLACES - 1
        self._places = array("Q", bytes(8 * _FIRST_PLACES))

    def look_up(self, number: int, *, add: bool) -> tuple[bool, bool]:
        """Whether it was there, and whether it was added."""
        mark = number & 0xFFFFFFFFFFFFFFFF or 1
        places, mask = self._places, self._mask
        at = mark & mask
        while (there := places[at]) != 0:
            if there == mark:
                return True, False
            at = (at + 1) & mask
        if add:
            places[at] = mark
            self._count += 1
            if self._count * 4 > mask * 3:
                self._grow()
        return False, add

    def _grow(self) -> None:
        old = self._places
        mask = self._mask = 2 * self._mask + 1
        places = self._places = array("Q", bytes(8 * (mask + 1)))
        for mark in old:
            if mark:
                at = mark & mask
                while places[at]:
                    at = (at + 1) & mask
                places[at] = mark


def each_once(
    events: Iterable[RawEvent], report: ReadReport, *, seen: SeenEvents | None = None
) -> Iterator[RawEvent]:
    """The events without those given before; `report` is told how many, and whose clocks drift.

    Events without a record id are all passed on: nothing tells whether they are the same one.

    Args:
        events: as they are read.
        report: of their reading.
        seen: what was seen before; None: nothing.
    """
    seen = seen or SeenEvents()
    is_new = seen.is_new
    was_full = False
    for event in events:
        event_id, computer, logged_at, data, source, record, record_id = event
        if record_id is not None:
            # UtcTime is the same text in every shape of log; TimeCreated has 3, 6 or 7 digits.
            utc = data.get("UtcTime")
            if not is_new(computer, record_id, utc if isinstance(utc, str) else logged_at):
                report.repeated += 1
                continue
            if not was_full and seen.is_full:
                was_full = True
                report.problem(source, record, _FULL)
        if event_id in TRACED_EVENTS and logged_at:
            drift = drift_of(event)
            if drift is not None:
                _note_drift(report.drifts, ClockDrift(computer, 1, drift))
        yield event


def _note_drift(drifts: dict[str, ClockDrift], found: ClockDrift) -> None:
    key = found.computer.lower()
    known = drifts.get(key)
    if known is not None:
        most = max(known.most, found.most, key=abs)
        drifts[key] = ClockDrift(known.computer, known.events + 1, most)
    elif len(drifts) < _DRIFTS_KEPT:
        drifts[key] = found
