"""Sysmon log files as an EDR: telemetry only. It can neither isolate nor verify, and says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.edr import sysmon_fields as fields
from connectors.edr.narrowing import Fitting, narrowed
from connectors.edr.one_host import ADDRESS_SLACK, names_a_host
from connectors.edr.sightings import machine_seen
from connectors.edr.sysmon_file.connection_rows import ConnectionRow, canonical
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.event_clock import LOGGED_LATE
from connectors.edr.sysmon_file.evidence import KEPT_PER_KIND, time_order
from connectors.edr.sysmon_file.lineage import build_lineage
from connectors.edr.sysmon_file.machines import MachineIndex, overlaps, process_of
from connectors.edr.sysmon_file.rows import ProcessRow, process_ref
from connectors.edr.sysmon_file.store import HostLog, SysmonStore
from connectors.errors import AmbiguousHost, HostNotFound, NotSupported, ProcessNotFound
from connectors.facts.health import Health, HealthState
from connectors.facts.host import AddressSeen, HostRef, same_host_name, short_name
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationState, IsolationStatus
from connectors.facts.process import (
    Coverage,
    CoverageState,
    DnsAnswer,
    EvidenceKind,
    FileWritten,
    Lineage,
    ModuleLoad,
    ProcessAccess,
    ProcessEvidence,
    ProcessRef,
    RemoteThread,
    Tampering,
)
from connectors.ports import Capability, ConnectionClue, IsolatedHosts, MachineSeen, Window

#: Which Sysmon EventID carries which kind of evidence (Sysmon schema).
_EVENT_OF_KIND = {
    EvidenceKind.CONNECTION: 3,
    EvidenceKind.TERMINATION: 5,
    EvidenceKind.MODULE: 7,
    EvidenceKind.REMOTE_THREAD: 8,
    EvidenceKind.PROCESS_ACCESS: 10,
    EvidenceKind.FILE: 11,
    EvidenceKind.DNS: 22,
    EvidenceKind.TAMPERING: 25,
}


class SysmonFileEdr:
    """The EDR port over a store of events that were read from files."""

    name = "sysmon_file"
    sysmon_guids = True
    capabilities = frozenset({Capability.RESOLVE, Capability.LINEAGE, Capability.EVIDENCE})

    def __init__(
        self, store: SysmonStore, report: ReadReport, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._store = store
        self._report = report
        self._clock = clock
        self._machines: MachineIndex | None = None

    @property
    def read(self) -> ReadReport:
        """How the reading of the files went."""
        return self._report

    def check(self) -> Health:
        """What was read."""
        read = self._report
        state = HealthState.OK if read.sysmon_events else HealthState.FAILED
        detail = (
            f"{read.sysmon_events} Sysmon events of {len(self._store.hosts)} hosts read from "
            f"{len(read.sources)} sources, {read.problem_count} problems"
        )
        return Health(connector=self.name, state=state, detail=detail)

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """The one host of this name (FQDN and short name understood) or, without a name, of this address.

        Raises:
            HostNotFound: no host fits.
            AmbiguousHost: several do.
        """
        if hostname:
            asked = hostname
            found = [log for log in self._store.hosts if same_host_name(log.computer, hostname)]
            exact = [log for log in found if log.computer.lower() == hostname.strip().rstrip(".").lower()]
            found = exact or found
            if found and not exact:
                # A short name fits every domain: with two hosts of that short name, none is meant for sure.
                short = short_name(hostname)
                found = [log for log in self._store.hosts if short_name(log.computer) == short]
        else:
            asked = ip or "(nothing)"
            found = [log for log in self._store.hosts if ip and _had_address(log, ip, at)]
        if not found:
            raise HostNotFound(self.name, f"no host {asked!r} in the logs")
        if len(found) > 1:
            names = tuple(sorted(log.computer for log in found))
            raise AmbiguousHost(self.name, f"{len(found)} hosts fit {asked!r}", candidates=names)
        return _host_ref(self.name, found[0])

    def find_process(
        self,
        host: HostRef,
        *,
        guid: str | None = None,
        pid: int | None = None,
        name: str | None = None,
        remote_ip: str | None = None,
        remote_port: int | None = None,
        local_ip: str | None = None,
        user: str | None = None,
        window: Window,
    ) -> Sequence[ProcessRef]:
        """Processes that fit: by guid; else those whose connections fit; else those of the name alive then.

        A pid only narrows. Only the best kind of evidence that exists is answered with.
        """
        log = self._log(host)
        if guid is not None:
            return _by_guid(log, host.host_id, guid)
        fitting = self.connected(
            host, pid=pid, name=name, remote_ip=remote_ip, remote_port=remote_port, window=window
        )
        if not fitting and remote_ip is None:
            fitting = _alive(log, host.host_id, name, pid, window)
        return narrowed(fitting, user=user, local_ip=local_ip)

    def connected(
        self,
        host: HostRef,
        *,
        pid: int | None,
        name: str | None,
        remote_ip: str | None,
        remote_port: int | None,
        window: Window,
    ) -> list[Fitting]:
        """The processes whose connections fit; where nothing else is known, all that have any."""
        log = self._log(host)
        peer = canonical(remote_ip) if remote_ip else None
        fitting = [
            row
            for row in log.evidence.connections()
            if (peer is None or peer in (row.peer_ip, row.dest_ip))
            and (remote_port is None or remote_port == row.dest_port)
            and (pid is None or row.pid == pid)
            and overlaps(window, row.first_utc, row.last_utc)
        ]
        return _connection_processes(log, host.host_id, fitting, name)

    def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
        """The hosts whose logs have the connection, by an index made at the first call: the log is read then.

        Raises:
            QueryFailed: a host has more connections than were kept, so that it may be one more.
        """
        index = self._machines
        if index is None:
            # Assigned whole: several cases are looked up on threads at once.
            index = self._machines = MachineIndex(self._store.hosts)
        return [
            machine_seen(_host_ref(self.name, log), sightings)
            for log, sightings in index.machines(self.name, clue, window)
        ]

    def get_lineage(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,  # noqa: ARG002  (a log is read whole: nothing to narrow)
        max_depth: int = 20,
        max_nodes: int = 500,
    ) -> Lineage:
        """Ancestors, siblings and children of a process.

        Raises:
            ProcessNotFound: neither its creation nor anything it did is in the log.
        """
        log = self._log(host)
        lineage = build_lineage(log, host.host_id, process, max_depth=max_depth, max_nodes=max_nodes)
        if lineage is None:
            raise ProcessNotFound(self.name, "neither the process's creation nor its activity is in the logs")
        return lineage

    def get_process_evidence(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,  # noqa: ARG002
    ) -> ProcessEvidence:
        """Everything else logged of the process, its whole life long; the window does not narrow it."""
        log = self._log(host)
        store = log.evidence
        guid = process.guid
        row = log.processes.get(guid)
        creator = row.parent_guid if row is not None else None
        accesses = tuple(
            _with_source_named(log, fact).model_copy(
                update={"source_is_creator": _same_or_unknown(fact.source_guid, creator)}
            )
            for fact in store.facts(guid, ProcessAccess)
        )
        writers = _image_writers(log, process)
        evidence = ProcessEvidence(
            connections=tuple(each.fact() for each in _connections_of(log, process)),
            dns=store.facts(guid, DnsAnswer),
            tampering=store.facts(guid, Tampering),
            remote_threads=tuple(_with_source_named(log, each) for each in store.facts(guid, RemoteThread)),
            accesses=accesses,
            modules=store.facts(guid, ModuleLoad),
            files_written=store.facts(guid, FileWritten),
            image_writers=writers[:KEPT_PER_KIND],
            truncated=store.truncated(guid) or len(writers) > KEPT_PER_KIND,
        )
        ended = log.processes.ended_guid(guid) is not None
        return evidence.model_copy(update={"coverage": _coverage(log, evidence, ended=ended)})

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Refused: a log file cannot isolate."""
        del host, comment, idempotency_key
        self._refuse("isolate")

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Refused: a log file cannot release."""
        del host, comment, idempotency_key
        self._refuse("release")

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """Unknown: a log file does not say whether the host is isolated now."""
        del host, handle
        return IsolationStatus(
            state=IsolationState.UNKNOWN,
            how_known=HowKnown.NOT_KNOWN,
            as_of=self._clock(),
            detail="a log file does not say whether the host is isolated",
        )

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        """Refused: a log file does not tell which hosts are isolated."""
        del limit
        raise NotSupported(self.name, "a log file does not tell which hosts are isolated")

    def _refuse(self, what: str) -> NoReturn:
        raise NotSupported(self.name, f"a log file cannot {what} a host")

    def _log(self, host: HostRef) -> HostLog:
        log = self._store.host(host.host_id)
        if log is None:
            raise HostNotFound(self.name, f"no host {host.host_id!r} in the logs")
        return log


def _host_ref(connector: str, log: HostLog) -> HostRef:
    addresses = tuple(
        AddressSeen(ip=ip, first_seen=fields.instant(first), last_seen=fields.instant(last))
        for ip, (first, last) in sorted(log.addresses.items())
    )
    return HostRef(
        connector=connector,
        host_id=log.computer,
        hostname=log.computer,
        addresses=addresses,
        first_seen=fields.instant(log.first_utc),
        last_seen=fields.instant(log.last_utc),
    )


def _had_address(log: HostLog, ip: str, at: datetime | None) -> bool:
    address = canonical_ip(ip)
    seen = log.addresses.get(address) if address else None
    if not address or seen is None or not names_a_host(address):
        return False
    first, last = fields.instant(seen[0]), fields.instant(seen[1])
    if at is None:
        return True
    # Of a bound that cannot be read no more is known than of the other one, as in one_host.
    first, last = first or last, last or first
    return first is not None and last is not None and first - ADDRESS_SLACK <= at <= last + ADDRESS_SLACK


def _by_guid(log: HostLog, host_id: str, guid: str) -> list[ProcessRef]:
    wanted = fields.guid(guid)
    row = log.processes.get(wanted)
    if row is not None:
        return [process_ref(host_id, row)]
    for each in log.evidence.connections():
        if wanted is not None and each.guid == wanted:
            return [ProcessRef(host_id=host_id, guid=wanted, pid=each.pid, image=each.image)]
    for child in log.processes.children_of(wanted):
        return [ProcessRef(host_id=host_id, guid=wanted, pid=child.parent_pid, image=child.parent_image)]
    return [ProcessRef(host_id=host_id, guid=wanted)] if log.evidence.knows(wanted) else []


def _connection_processes(
    log: HostLog, host_id: str, rows: Sequence[ConnectionRow], name: str | None
) -> list[Fitting]:
    """The distinct processes behind connections, with their accounts and own addresses."""
    found: dict[object, tuple[ProcessRef, list[ConnectionRow]]] = {}
    for row in rows:
        ref = process_of(log, host_id, row)
        if name is not None and ref.name.lower() != name.lower():
            continue
        found.setdefault(ref.guid or (ref.pid, ref.start_time), (ref, []))[1].append(row)
    return [
        Fitting(ref, _accounts(log, ref, own), {row.local_ip for row in own}) for ref, own in found.values()
    ]


def _accounts(log: HostLog, process: ProcessRef, connections: Sequence[ConnectionRow]) -> set[str]:
    created = log.processes.get(process.guid)
    return {row.user for row in connections} | ({created.user} if created is not None else set())


def _alive(log: HostLog, host_id: str, name: str | None, pid: int | None, window: Window) -> list[Fitting]:
    if name is None:
        return []
    return [
        Fitting(process_ref(host_id, row), (row.user,))
        for row in log.processes.named(name)
        if (pid is None or row.pid == pid) and _was_alive(log, row, window)
    ]


def _was_alive(log: HostLog, row: ProcessRow, window: Window) -> bool:
    end = log.processes.ended(row)
    return overlaps(window, row.utc, end.utc if end is not None else "")


def _connections_of(log: HostLog, process: ProcessRef) -> list[ConnectionRow]:
    """Connections of the process, by guid; without one by pid and image, those of its own life time."""
    rows = log.evidence.connections()
    if process.guid is not None:
        return [row for row in rows if row.guid == process.guid]
    if process.pid is None:
        return []
    same = [row for row in rows if row.guid is None and (row.pid, row.image) == (process.pid, process.image)]
    if process.start_time is None:
        return same
    return [row for row in same if _started_by(log, process, row)]


def _started_by(log: HostLog, process: ProcessRef, row: ConnectionRow) -> bool:
    """True when the process that had the pid at the time of the connection is this one."""
    at = fields.instant(row.first_utc)
    if at is None or row.pid is None:
        return False
    had = log.processes.with_pid(row.pid, at, late=LOGGED_LATE)
    return had is not None and fields.instant(had.utc) == process.start_time


def _same_or_unknown(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other


def _with_source_named[F: (ProcessAccess, RemoteThread)](log: HostLog, fact: F) -> F:
    """The fact with the image of who did it, by ProcessGuid where Sysmon could not name it."""
    row = log.processes.get(fact.source_guid)
    unnamed = not fact.source_image or fact.source_image.lower() in fields.UNKNOWN_PROCESS
    return fact.model_copy(update={"source_image": row.image}) if unnamed and row is not None else fact


def _image_writers(log: HostLog, process: ProcessRef) -> tuple[FileWritten, ...]:
    """Who wrote the images of the process and its ancestors, and files its command line names, by time."""
    row = log.processes.get(process.guid)
    paths: list[str] = [process.image]
    command_line = row.command_line if row is not None else None
    if command_line:
        paths += [part.strip('"') for part in command_line.split() if "\\" in part]
    seen = set()
    while row is not None and id(row) not in seen:
        seen.add(id(row))
        paths += [row.image, row.parent_image]
        row, _ = log.processes.parent(row)
    writers = dict.fromkeys(fact for path in paths if path for fact in log.evidence.writers_of(path))
    return tuple(sorted(writers, key=time_order))


def _coverage(log: HostLog, evidence: ProcessEvidence, *, ended: bool) -> tuple[Coverage, ...]:
    observed = {
        EvidenceKind.CONNECTION: bool(evidence.connections),
        EvidenceKind.TERMINATION: ended,
        EvidenceKind.MODULE: bool(evidence.modules),
        EvidenceKind.REMOTE_THREAD: bool(evidence.remote_threads),
        EvidenceKind.PROCESS_ACCESS: bool(evidence.accesses),
        EvidenceKind.FILE: bool(evidence.files_written or evidence.image_writers),
        EvidenceKind.DNS: bool(evidence.dns),
        EvidenceKind.TAMPERING: bool(evidence.tampering),
    }
    states = {}
    for kind, number in _EVENT_OF_KIND.items():
        if observed[kind]:
            states[kind] = CoverageState.OBSERVED
        elif number in log.event_ids:
            states[kind] = CoverageState.NONE_OBSERVED
        else:
            states[kind] = CoverageState.NOT_COLLECTED
    return tuple(Coverage(kind=kind, state=state) for kind, state in states.items())
