"""What Falcon recorded of a process besides its start: connections, DNS, files, its end.

Fields: see rows.py. An IP6 event can carry an IPv4 address in RemoteAddressIP4 (seen in test-fdr.log), its
own end is in LocalAddressIP6 (test-windows.log), and IPv6 addresses come in any spelling. Ports are
RemotePort and LocalPort, in some views RPort and LPort.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.crowdstrike.rows import END, event_name, event_time, process_id, source_of
from connectors.edr.event_coverage import coverage_by_events
from connectors.facts.process import (
    Connection,
    Coverage,
    DnsAnswer,
    EvidenceKind,
    FileWritten,
    ProcessEvidence,
)

OUTBOUND = ("NetworkConnectIP4", "NetworkConnectIP6")
INBOUND = ("NetworkReceiveAcceptIP4", "NetworkReceiveAcceptIP6")
DNS = "DnsRequest"
FILES = ("NewExecutableWritten", "NewScriptWritten", "PeFileWritten")

#: Which events carry which kind of evidence. The other kinds are not read from Falcon.
EVENTS_OF_KIND: Mapping[EvidenceKind, tuple[str, ...]] = {
    EvidenceKind.CONNECTION: (*OUTBOUND, *INBOUND),
    EvidenceKind.DNS: (DNS,),
    EvidenceKind.FILE: FILES,
    EvidenceKind.TERMINATION: (END,),
}

#: IANA protocol numbers, in Sysmon's words.
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}

#: Addresses kept of one DNS answer.
_MOST_RECORDS = 200


def connection(row: Mapping[str, object]) -> Connection | None:
    """The connection of a network event; None for any other event.

    Source and destination are those of the connection: of an inbound one, the host is the destination.
    """
    name = event_name(row)
    if name not in OUTBOUND and name not in INBOUND:
        return None
    local, remote = ends(row)
    local_port, remote_port = port(row, "Local"), port(row, "Remote")
    outbound = name in OUTBOUND
    when = event_time(row)
    return Connection(
        time=when,
        last_time=when,
        src_ip=local if outbound else remote,
        src_port=local_port if outbound else remote_port,
        dest_ip=remote if outbound else local,
        dest_port=remote_port if outbound else local_port,
        protocol=_PROTOCOLS.get(fields.text(row.get("Protocol")).strip(), ""),
        initiated=outbound,
        source=source_of(row),
    )


def own_end(fact: Connection) -> str:
    """The host's own address in a connection of Falcon's, which always says who opened it."""
    return fact.src_ip if fact.initiated else fact.dest_ip


def ends(row: Mapping[str, object]) -> tuple[str, str]:
    """The own and the other address of a network event, canonical; "" where one is not recorded.

    The other end tells the version of the connection, and the own end is that of the same version wherever
    there is one: an IP6 event that has the host's IPv4 address beside its IPv6 one is of the latter.
    """
    versions = ("6", "4") if event_name(row).endswith("IP6") else ("4", "6")
    found = {each: ip for each in versions if (ip := address(row, "Remote", each))}
    version = next(iter(found), versions[0])
    own = [version, *(each for each in versions if each != version)]
    return next((ip for each in own if (ip := address(row, "Local", each))), ""), found.get(version, "")


def address(row: Mapping[str, object], end: str, version: str) -> str:
    """The address of one end in one version, an IPv4 one out of IPv6's mapped form.

    An unspecified address (0.0.0.0, ::) means that Falcon did not know it. A zone (`%12`) is the host's own
    number of an adapter, and no part of the address.
    """
    ip = canonical_ip(fields.text(row.get(f"{end}AddressIP{version}")).strip().partition("%")[0])
    if ip is None or ip in {"0.0.0.0", "::"}:  # noqa: S104  an address that is compared, not bound
        return ""
    return ip.removeprefix("::ffff:") if "." in ip else ip


def port(row: Mapping[str, object], end: str) -> int | None:
    """The port of one end; None where it is missing or 0, which no connection has."""
    return fields.port(row.get(f"{end}Port")) or fields.port(row.get(f"{end[0]}Port")) or None


def connections(rows: Iterable[Mapping[str, object]]) -> tuple[Connection, ...]:
    """The connections of one process, one for all events between the same two ends, by time."""
    found: dict[tuple[object, ...], Connection] = {}
    for row in rows:
        fact = connection(row)
        if fact is None:
            continue
        key = (fact.src_ip, fact.dest_ip, fact.dest_port, fact.protocol, fact.initiated)
        known = found.get(key)
        found[key] = fact if known is None else _merged(known, fact)
    return tuple(sorted(found.values(), key=lambda each: _order(each.time)))


def _merged(one: Connection, other: Connection) -> Connection:
    first, last = (one, other) if _order(one.time) <= _order(other.time) else (other, one)
    times = [each for each in (one.last_time, other.last_time) if each is not None]
    return first.model_copy(
        update={
            "count": one.count + other.count,
            "last_time": max(times, default=last.last_time),
        }
    )


def dns_answers(rows: Iterable[Mapping[str, object]]) -> tuple[DnsAnswer, ...]:
    """The look-ups of one process, by time."""
    found = [
        DnsAnswer(
            time=event_time(row),
            name=fields.text(row.get("DomainName")),
            addresses=_records(row),
            status=fields.text(row.get("QueryStatus")),
            source=source_of(row),
        )
        for row in rows
        if event_name(row) == DNS
    ]
    return tuple(sorted(found, key=lambda each: _order(each.time)))


def _records(row: Mapping[str, object]) -> tuple[str, ...]:
    """Addresses of an answer: `1.2.3.4;5.6.7.8;`."""
    found: list[str] = []
    for name in ("FirstIP4Record", "IP4Records", "FirstIP6Record", "IP6Records"):
        for part in fields.text(row.get(name)).split(";")[:_MOST_RECORDS]:
            found += [ip for ip in (canonical_ip(part.strip()),) if ip is not None]
    return tuple(dict.fromkeys(found))


def files_written(rows: Iterable[Mapping[str, object]]) -> tuple[FileWritten, ...]:
    """Executables and scripts that were written, by time. Falcon records no other files here."""
    found = [
        FileWritten(
            time=event_time(row),
            path=fields.text(row.get("TargetFileName")),
            writer_image=writer(row),
            writer_guid=process_id(row.get("ContextProcessId")),
            source=source_of(row),
        )
        for row in rows
        if event_name(row) in FILES
    ]
    return tuple(sorted(found, key=lambda each: _order(each.time)))


def writer(row: Mapping[str, object]) -> str:
    """The image of the process that did it: its path, else its name alone."""
    return fields.text(row.get("ContextImageFileName")) or fields.text(row.get("ContextBaseFileName"))


def evidence(
    rows: Iterable[Mapping[str, object]], *, process: str, images: Collection[str], truncated: bool
) -> ProcessEvidence:
    """The evidence of a process from the rows about it and about images; coverage is not filled in.

    Args:
        process: its TargetProcessId.
        images: paths of its image and its ancestors'; who wrote them is of interest.
        truncated: whether the search had more rows.
    """
    kept = list(rows)
    wanted = {each.lower() for each in images}
    own = [row for row in kept if process_id(row.get("ContextProcessId")) == process]
    return ProcessEvidence(
        connections=connections(own),
        dns=dns_answers(own),
        files_written=files_written(own),
        image_writers=tuple(each for each in files_written(kept) if each.path.lower() in wanted),
        truncated=truncated,
    )


def ended(rows: Iterable[Mapping[str, object]], *, process: str) -> bool:
    """Whether the end of a process is among the rows."""
    return any(event_name(row) == END and process_id(row.get("TargetProcessId")) == process for row in rows)


def coverage(found: ProcessEvidence, *, has_ended: bool, recorded: Collection[str]) -> tuple[Coverage, ...]:
    """What the absence of evidence means.

    Args:
        found: the evidence.
        has_ended: whether the process's end is recorded.
        recorded: names of events that the host sent at all in the time searched.
    """
    observed = {
        EvidenceKind.CONNECTION: bool(found.connections),
        EvidenceKind.DNS: bool(found.dns),
        EvidenceKind.FILE: bool(found.files_written or found.image_writers),
        EvidenceKind.TERMINATION: has_ended,
    }
    return coverage_by_events(EVENTS_OF_KIND, observed, recorded)


def _order(when: datetime | None) -> float:
    return when.timestamp() if when is not None else float("inf")
