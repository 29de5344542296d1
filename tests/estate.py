"""Hosts and what happened on them, for the fakes: neutral, so that every vendor tells the same story.

Built from a Sysmon log by the project's own reader, so that a case over a fake can be compared with the case
over the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

from connectors.clock import utc_now
from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.connection_rows import connection_row
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.evidence import EvidenceFact, EvidenceStore
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.rows import process_fact
from connectors.edr.sysmon_file.store import CASE_EVENTS, SysmonStore
from connectors.facts.host import AddressSeen, HostType, same_host_name
from connectors.facts.process import (
    Connection,
    DnsAnswer,
    FileWritten,
    ModuleLoad,
    Process,
    ProcessAccess,
    RemoteThread,
    Tampering,
    image_name,
)

type Fact = Connection | EvidenceFact

_KINDS: dict[int, type[EvidenceFact]] = {
    7: ModuleLoad,
    8: RemoteThread,
    10: ProcessAccess,
    11: FileWritten,
    22: DnsAnswer,
    25: Tampering,
}


@dataclass(frozen=True, slots=True)
class EstateHost:
    """One machine with its agent.

    Attributes:
        host_id: 32 hex digits made of the name, the same in every run; a fake may dress it up.
        name: as logged, FQDN where the log has one.
        addresses: over time, as its own connections show them.
        active: whether the agent is in contact now.
    """

    host_id: str
    name: str
    host_type: HostType = HostType.UNKNOWN
    addresses: tuple[AddressSeen, ...] = ()
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    tags: tuple[str, ...] = ()
    active: bool = True

    def addresses_at(self, when: datetime | None) -> list[str]:
        """Its addresses at a time, those without times among them; where none was seen then, the latest."""
        known = [each for each in self.addresses if each.first_seen is None or each.last_seen is None]
        timed = [
            each for each in self.addresses if each.first_seen is not None and each.last_seen is not None
        ]
        then = [
            each
            for each in timed
            if when is not None
            and each.first_seen
            and each.last_seen
            and each.first_seen <= when <= each.last_seen
        ]
        if not then and timed:
            latest = max(each.last_seen for each in timed if each.last_seen)
            then = [each for each in timed if each.last_seen == latest]
        return [each.ip for each in self.addresses if each in (*known, *then)]


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a process.

    Attributes:
        host_id: of the EstateHost.
        guid, pid, image: of the process it happened to (for a remote thread or an access, the target); None
            and "" where the log does not say.
        fact: what happened; `fact.time` is when.
        raw: the Sysmon event.
    """

    host_id: str
    guid: str | None
    pid: int | None
    image: str
    fact: Fact
    raw: RawEvent


@dataclass(frozen=True, slots=True)
class Estate:
    """Machines, their processes and what happened.

    Attributes:
        processes: creations, in the order of the log; `ref.host_id` is the EstateHost's.
        events: everything else, in the order of the log.
        sysmon: every Sysmon event as logged, creations included, for a fake that serves those.
    """

    hosts: tuple[EstateHost, ...] = ()
    processes: tuple[Process, ...] = ()
    events: tuple[Happened, ...] = ()
    sysmon: tuple[RawEvent, ...] = ()

    def host(self, host_id: str) -> EstateHost | None:
        """The host with this id."""
        return next((each for each in self.hosts if each.host_id == host_id), None)

    def named(self, name: str) -> tuple[EstateHost, ...]:
        """Hosts that this name can mean, FQDN or short."""
        return tuple(each for each in self.hosts if same_host_name(each.name, name))

    def process(self, host_id: str, guid: str) -> Process | None:
        """The process with this guid on that host."""
        return next((each for each in self.on(host_id) if each.ref.guid == guid), None)

    def children(self, host_id: str, guid: str) -> tuple[Process, ...]:
        """What it started, in the order of the log."""
        return tuple(each for each in self.on(host_id) if each.parent_guid == guid)

    def on(self, host_id: str) -> Iterator[Process]:
        """The processes of a host."""
        return (each for each in self.processes if each.ref.host_id == host_id)

    def of[F: Fact](self, kind: type[F], host_id: str, guid: str | None = None) -> tuple[Happened, ...]:
        """Events of one kind on a host, of one process if a guid is given."""
        return tuple(
            each
            for each in self.events
            if each.host_id == host_id and isinstance(each.fact, kind) and (guid is None or each.guid == guid)
        )

    def with_hosts(self, *hosts: EstateHost) -> Estate:
        """The same with further hosts."""
        return replace(self, hosts=(*self.hosts, *hosts))

    def with_host_as(self, host_id: str, **changes: object) -> Estate:
        """The same with one host changed, such as `active=False` or `tags=("lab",)`."""
        if self.host(host_id) is None:
            raise KeyError(host_id)
        hosts = (replace(each, **changes) if each.host_id == host_id else each for each in self.hosts)  # type: ignore[arg-type]
        return replace(self, hosts=tuple(hosts))

    def with_processes(self, *processes: Process) -> Estate:
        """The same with further processes."""
        return replace(self, processes=(*self.processes, *processes))


def host_id_of(name: str) -> str:
    """32 hex digits made of a host name: the same in every run, and no vendor's real id."""
    return hashlib.sha256(name.lower().encode()).hexdigest()[:32]


@cache
def estate_of(*paths: Path) -> Estate:
    """The estate that these Sysmon logs tell of; read once in a run of tests."""
    return estate_from(read_events(list(paths), CASE_EVENTS, ReadReport()))


def estate_from(events: Iterable[RawEvent]) -> Estate:
    """The estate that these Sysmon events tell of."""
    events = tuple(events)
    images = {image_name(fields.text(each)).lower() for event in events for each in event.data.values()}
    store = SysmonStore(images)
    for event in events:
        store.add(event)
    edr = SysmonFileEdr(store, ReadReport(), clock=utc_now)
    hosts: list[EstateHost] = []
    processes: list[Process] = []
    for log in store.hosts:
        ref = edr.resolve_host(hostname=log.computer)
        host_id = host_id_of(log.computer)
        hosts.append(
            EstateHost(
                host_id,
                log.computer,
                addresses=ref.addresses,
                first_seen=ref.first_seen,
                last_seen=ref.last_seen,
            )
        )
        processes += [
            process_fact(
                host_id, row, signature=log.evidence.signature(row.guid), end=log.processes.ended(row)
            )
            for row in log.processes
        ]
    return Estate(tuple(hosts), tuple(processes), tuple(_happened(events, images)), events)


def _happened(events: Iterable[RawEvent], images: set[str]) -> Iterator[Happened]:
    for event in events:
        get = event.data.get
        host_id = host_id_of(event.computer)
        prefix = "Target" if event.event_id in (8, 10) else ""
        guid = fields.guid(get(f"{prefix}ProcessGuid") or get(f"{prefix}ProcessGUID"))
        pid, image = fields.integer(get(f"{prefix}ProcessId")), fields.text(get(f"{prefix}Image"))
        if event.event_id == 3:
            yield Happened(host_id, guid, pid, image, connection_row(event).fact(), event)
        elif event.event_id in _KINDS:
            one = EvidenceStore(images)
            one.add(event)
            for fact in one.facts(guid, _KINDS[event.event_id]):
                yield Happened(host_id, guid, pid, image, fact, event)
