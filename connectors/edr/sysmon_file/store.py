"""Everything kept of a log while it is read once: hosts, their processes and the evidence."""

from __future__ import annotations

from collections.abc import Collection

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.connection_rows import canonical
from connectors.edr.sysmon_file.event import RawEvent
from connectors.edr.sysmon_file.event_clock import TRACED_EVENTS, event_utc
from connectors.edr.sysmon_file.evidence import EvidenceStore
from connectors.edr.sysmon_file.process_index import ProcessIndex
from connectors.edr.sysmon_file.rows import ProcessEnd, TextPool, process_row

#: The EventIDs a case needs (Sysmon schema): process start and end, connection, module, thread, access,
#: file, DNS, tampering.
CASE_EVENTS = frozenset({1, 3, 5, 7, 8, 10, 11, 22, 25})


class HostLog:
    """What one host logged.

    Attributes:
        computer: the name as first logged.
        event_ids: EventIDs of CASE_EVENTS that this host logged at all.
        addresses: local address -> (first, last) text of event_utc, from its connections; "" if unreadable.
        first_utc, last_utc: bounds of what it logged, texts of event_utc; "" if none is readable.
    """

    __slots__ = ("addresses", "computer", "event_ids", "evidence", "first_utc", "last_utc", "processes")

    def __init__(self, computer: str, watched: Collection[str], guids: Collection[str] = ()) -> None:
        self.computer = computer
        self.processes = ProcessIndex()
        self.evidence = EvidenceStore(watched, guids)
        self.event_ids: set[int] = set()
        self.addresses: dict[str, tuple[str, str]] = {}
        self.first_utc = ""
        self.last_utc = ""


class SysmonStore:
    """All hosts of the logs read so far.

    Args:
        watched: process names whose evidence is kept, any case.
        guids: ProcessGuids, without braces and in upper case, of processes whose evidence is kept whatever
            their name.
    """

    __slots__ = ("_guids", "_hosts", "_pool", "_watched")

    def __init__(self, watched: Collection[str], guids: Collection[str] = ()) -> None:
        self._watched = frozenset(watched)
        self._guids = frozenset(guids)
        self._pool = TextPool()
        self._hosts: dict[str, HostLog] = {}

    @property
    def hosts(self) -> Collection[HostLog]:
        """One entry per Computer name, compared without case."""
        return self._hosts.values()

    def host(self, computer: str) -> HostLog | None:
        """The host of exactly this Computer name (any case)."""
        return self._hosts.get(computer.lower())

    def add(self, event: RawEvent) -> None:
        """Keep what is needed of one event."""
        key = event.computer.lower()
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = HostLog(event.computer, self._watched, self._guids)
        host.event_ids.add(event.event_id)
        utc = event_utc(event) if event.event_id in TRACED_EVENTS else event.data.get("UtcTime")
        if isinstance(utc, str) and not host.first_utc <= utc <= host.last_utc and fields.utc_text(utc):
            # Only what can be read moves the bounds: one line of year 9999 must not hide the others.
            host.first_utc = fields.earlier(host.first_utc, utc)
            host.last_utc = max(host.last_utc, utc)
        if event.event_id == 1:
            host.processes.add(process_row(event, self._pool))
            return
        if event.event_id == 5:
            guid = fields.guid(event.data.get("ProcessGuid"))
            if guid is not None:
                host.processes.end(guid, ProcessEnd(fields.text(utc), event.source, event.record))
            return
        if event.event_id == 3:
            _note_address(host, event)
        host.evidence.add(event)


def _note_address(host: HostLog, event: RawEvent) -> None:
    """The host's own end of a connection: the source when it opened it, else the destination."""
    get = event.data.get
    initiated = fields.boolean(get("Initiated"))
    if initiated is None:
        return
    local = canonical(get("SourceIp") if initiated else get("DestinationIp"))
    if not local:
        return
    utc = event_utc(event)
    first, last = host.addresses.get(local, ("", ""))
    host.addresses[local] = (fields.earlier(first, utc), max(last, utc))
