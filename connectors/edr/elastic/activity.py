"""What Elastic Defend recorded of a process besides its start. Pure.

Fields: elastic/endpoint-package, custom_documentation/doc/endpoint/{network,library,file}/windows. Source
and destination are those of the connection: of an inbound one ("ingress", older "incoming"), the
destination is the host (elastic/detection-rules, "Incoming DCOM Lateral Movement with MMC"). A disconnect
repeats the four ends of a connection that was reported before, and counts only where the connection
itself was not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.elastic import queries
from connectors.edr.elastic.rows import (
    Row,
    action,
    at,
    entity,
    hashes,
    image,
    signature,
    source_of,
    text,
    when,
)
from connectors.edr.event_coverage import coverage_by_events
from connectors.facts.process import (
    Connection,
    Coverage,
    DnsAnswer,
    EvidenceKind,
    FileWritten,
    ModuleLoad,
    ProcessEvidence,
)

#: Which actions carry which kind of evidence. The other kinds are not read from Elastic Defend.
ACTIONS_OF_KIND: Mapping[EvidenceKind, tuple[str, ...]] = {
    EvidenceKind.CONNECTION: (*queries.CONNECTED, *queries.DISCONNECTED),
    EvidenceKind.DNS: queries.LOOKUPS,
    EvidenceKind.MODULE: queries.LOADS,
    EvidenceKind.FILE: queries.WRITES,
    EvidenceKind.TERMINATION: (queries.END,),
}

_DIRECTIONS = {"egress": True, "outgoing": True, "outbound": True}
_DIRECTIONS |= {"ingress": False, "incoming": False, "inbound": False}

#: Addresses kept of one DNS answer, and paths looked for in one command line.
_MOST_ADDRESSES = 200
_MOST_PATHS = 50


def connection(row: Row) -> Connection | None:
    """The connection of a network event; None for any other event."""
    if action(row) not in ACTIONS_OF_KIND[EvidenceKind.CONNECTION]:
        return None
    time = when(row)
    return Connection(
        time=time,
        last_time=time,
        src_ip=_ip(row, "source"),
        src_port=fields.port(at(row, "source.port")),
        dest_ip=_ip(row, "destination"),
        dest_port=fields.port(at(row, "destination.port")),
        protocol=text(row, "network.transport").lower()[:20],
        initiated=_DIRECTIONS.get(text(row, "network.direction").lower()),
        source=source_of(row),
    )


def peer(fact: Connection) -> str:
    """The other end by direction; where the direction is not recorded, the destination."""
    return fact.src_ip if fact.initiated is False else fact.dest_ip


def own_ends(fact: Connection, *, peer: str) -> tuple[str, ...]:
    """The host's own address in a connection; of one without a direction, the end that is not the peer.

    Args:
        fact: the connection.
        peer: the other end that was asked for, canonical.
    """
    if fact.initiated is not None:
        return (fact.src_ip if fact.initiated else fact.dest_ip,)
    return tuple(each for each in (fact.src_ip, fact.dest_ip) if each != peer)


def _ip(row: Row, end: str) -> str:
    logged = text(row, f"{end}.ip") or text(row, f"{end}.address")
    ip = canonical_ip(logged) or logged
    return ip.removeprefix("::ffff:") if "." in ip else ip


def connections(rows: Iterable[Row]) -> tuple[Connection, ...]:
    """The connections of one process, one for all events between the same two ends, by time."""
    begun: dict[tuple[object, ...], Connection] = {}
    over: dict[tuple[object, ...], Connection] = {}
    for row in rows:
        fact = connection(row)
        if fact is None:
            continue
        kept = over if action(row) in queries.DISCONNECTED else begun
        key = (fact.src_ip, fact.dest_ip, fact.dest_port, fact.protocol, fact.initiated)
        kept[key] = _merged(kept[key], fact) if key in kept else fact
    found = {**over, **begun}
    return tuple(sorted(found.values(), key=lambda each: _order(each.time)))


def _merged(one: Connection, other: Connection) -> Connection:
    first = one if _order(one.time) <= _order(other.time) else other
    times = [each for each in (one.last_time, other.last_time) if each is not None]
    return first.model_copy(
        update={"count": one.count + other.count, "last_time": max(times, default=first.last_time)}
    )


def dns_answers(rows: Sequence[Row]) -> tuple[DnsAnswer, ...]:
    """The look-ups of one process, by time: results, and requests for names without a result."""
    answered = {text(row, "dns.question.name").lower() for row in rows if action(row) == "lookup_result"}
    found = [
        DnsAnswer(
            time=when(row),
            name=text(row, "dns.question.name"),
            addresses=_resolved(row),
            status=text(row, "dns.Ext.status"),
            source=source_of(row),
        )
        for row in rows
        if action(row) == "lookup_result"
        or (action(row) == "lookup_requested" and text(row, "dns.question.name").lower() not in answered)
    ]
    return tuple(sorted(found, key=lambda each: _order(each.time)))


def _resolved(row: Row) -> tuple[str, ...]:
    listed = at(row, "dns.resolved_ip")
    values = listed[:_MOST_ADDRESSES] if isinstance(listed, list) else [listed]
    found = (canonical_ip(each) for each in values if isinstance(each, str))
    return tuple(dict.fromkeys(each for each in found if each is not None))


def modules(rows: Iterable[Row]) -> tuple[ModuleLoad, ...]:
    """The modules that were loaded, by time."""
    found = [
        ModuleLoad(
            time=when(row),
            path=text(row, "dll.path") or text(row, "dll.name"),
            signature=signature(at(row, "dll.code_signature")),
            hashes=hashes(row, "dll"),
            source=source_of(row),
        )
        for row in rows
        if action(row) in queries.LOADS
    ]
    return tuple(sorted(found, key=lambda each: _order(each.time)))


def files_written(rows: Iterable[Row]) -> tuple[FileWritten, ...]:
    """Files that were created, overwritten, modified or renamed to this path, by time."""
    found = [
        FileWritten(
            time=when(row),
            path=text(row, "file.path"),
            writer_image=image(row),
            writer_guid=entity(row),
            source=source_of(row),
        )
        for row in rows
        if action(row) in queries.WRITES
    ]
    return tuple(sorted(found, key=lambda each: _order(each.time)))


def named_paths(image_path: str, rows: Iterable[Row]) -> tuple[str, ...]:
    """Paths whose writers matter: of the image, the parent's image, and files the command line names."""
    paths = [image_path]
    for row in rows:
        if action(row) in (*queries.STARTS, queries.END):
            line = text(row, "process.command_line")
            paths += [image(row), image(row, "process.parent")]
            paths += [part.strip('"') for part in line.split() if "\\" in part]
    whole = (path for path in paths if "\\" in path and path.isprintable())
    return tuple(dict.fromkeys(whole))[:_MOST_PATHS]


def ended(rows: Iterable[Row]) -> bool:
    """Whether the end of the process is among the rows."""
    return any(action(row) == queries.END for row in rows)


def evidence(own: Sequence[Row], writers: Iterable[Row], *, truncated: bool) -> ProcessEvidence:
    """The evidence of a process; coverage is not filled in.

    Args:
        own: what the process did.
        writers: what wrote its image and the files it was given.
        truncated: whether the searches had more rows, or may have.
    """
    return ProcessEvidence(
        connections=connections(own),
        dns=dns_answers(own),
        modules=modules(own),
        files_written=files_written(own),
        image_writers=files_written(writers),
        truncated=truncated,
    )


def coverage(
    found: ProcessEvidence, *, has_ended: bool, recorded: Collection[str], partial: bool
) -> tuple[Coverage, ...]:
    """What the absence of evidence means.

    Args:
        found: the evidence.
        has_ended: whether the process's end is recorded.
        recorded: actions that the host reported at all in the time searched.
        partial: True where part of the index did not answer: what was not seen is then unknown.
    """
    observed = {
        EvidenceKind.CONNECTION: bool(found.connections),
        EvidenceKind.DNS: bool(found.dns),
        EvidenceKind.MODULE: bool(found.modules),
        EvidenceKind.FILE: bool(found.files_written or found.image_writers),
        EvidenceKind.TERMINATION: has_ended,
    }
    return coverage_by_events(ACTIONS_OF_KIND, observed, recorded, partial=partial)


def _order(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else float("inf")
