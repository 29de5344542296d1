"""Rows of the evidence query as facts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.defender.keys import ProcessKey
from connectors.edr.defender.queries import INBOUND, MOST_EVENTS
from connectors.edr.defender.rows import (
    address,
    hashes,
    initiator_key,
    path_of,
    signature_of,
    signatures,
    source_ref,
)
from connectors.facts.process import (
    Connection,
    Coverage,
    CoverageState,
    DnsAnswer,
    EvidenceKind,
    FileWritten,
    ModuleLoad,
    ProcessAccess,
    ProcessEvidence,
    RemoteThread,
    Signature,
)

#: Of icmp, Sysmon's word says the version.
_PROTOCOLS = {f"{name}v{version}": name for name in ("tcp", "udp") for version in "46"} | {"icmpv4": "icmp"}

type Row = Mapping[str, object]
type Numbered = tuple[int, Row]

#: PROCESS_VM_OPERATION | PROCESS_VM_WRITE, the rights that writing into a process needs.
#: https://learn.microsoft.com/windows/win32/procthread/process-security-and-access-rights
WRITE_RIGHTS = 0x0008 | 0x0020

#: Defender reports handles only to a few processes it watches (such as lsass): that there is none says
#: nothing.
_SAYS_NOTHING_WHEN_ABSENT = frozenset({EvidenceKind.PROCESS_ACCESS})

#: Hunting has no event for these at all.
_NEVER = frozenset({EvidenceKind.TAMPERING, EvidenceKind.TERMINATION})


def evidence_of(rows: Sequence[Row]) -> ProcessEvidence:
    """What the rows of the evidence query say of a process."""
    kinds: dict[str, list[Numbered]] = {}
    for number, row in enumerate(rows, 1):
        kinds.setdefault(_kind(row), []).append((number, row))
    known = signatures(rows)
    creator = next((initiator_key(row) for _, row in kinds.get("creation", ())), None)
    full = {kind: len(found) > MOST_EVENTS for kind, found in kinds.items()}
    kept = {kind: found[:MOST_EVENTS] for kind, found in kinds.items()}
    evidence = ProcessEvidence(
        connections=_in_order(_connection(each) for each in kept.get("connection", ())),
        dns=_in_order(_dns(each) for each in kept.get("event/DnsQueryResponse", ())),
        remote_threads=_in_order(_thread(each) for each in kept.get("event/CreateRemoteThreadApiCall", ())),
        accesses=_in_order(
            access
            for each in kept.get("event/OpenProcessApiCall", ())
            if (access := _access(each, creator)) is not None
        ),
        modules=_in_order(_module(each, known) for each in kept.get("module", ())),
        files_written=_in_order(_file(each) for each in kept.get("file", ())),
        image_writers=_in_order(_file(each) for each in kept.get("writer", ())),
        truncated=any(full.values()),
    )
    recorded = {fields.text(row.get("Covers")) for _, row in kinds.get("covers", ())}
    return evidence.model_copy(update={"coverage": _coverage(evidence, recorded)})


def _kind(row: Row) -> str:
    kind = fields.text(row.get("Row"))
    return f"event/{fields.text(row.get('ActionType'))}" if kind == "event" else kind


def _connection(each: Numbered) -> Connection:
    number, row = each
    action = fields.text(row.get("ActionType"))
    inbound = action == INBOUND
    remote, local = address(row.get("RemoteIP")), address(row.get("LocalIP"))
    remote_port, local_port = fields.port(row.get("RemotePort")), fields.port(row.get("LocalPort"))
    events = fields.integer(row.get("Events"))
    return Connection(
        time=fields.instant(row.get("Timestamp")),
        last_time=fields.instant(row.get("LastSeen")),
        count=events or 1,
        src_ip=remote if inbound else local,
        src_port=remote_port if inbound else local_port,
        dest_ip=local if inbound else remote,
        dest_port=local_port if inbound else remote_port,
        protocol=protocol(row.get("Protocol")),
        initiated=not inbound,
        source=source_ref("DeviceNetworkEvents", number, action),
    )


def protocol(value: object) -> str:
    """A protocol in Sysmon's words: `Tcp`, `TcpV4` and `TcpV6` are tcp. Others as recorded, lower case.

    The column is not described any closer
    (https://learn.microsoft.com/defender-xdr/advanced-hunting-devicenetworkevents-table).
    """
    logged = fields.text(value).strip().lower()
    return _PROTOCOLS.get(logged, logged)


def _dns(each: Numbered) -> DnsAnswer:
    number, row = each
    details = _object(row.get("AdditionalFields"))
    return DnsAnswer(
        time=fields.instant(row.get("Timestamp")),
        name=fields.text(details.get("DnsQueryString")),
        addresses=tuple(dict.fromkeys(_answers(details.get("DnsQueryResult")))),
        source=source_ref("DeviceEvents", number, "DnsQueryResponse"),
    )


def _answers(result: object) -> Iterable[str]:
    """The addresses of DnsQueryResult: a list of objects with `Result`, or that list as text."""
    entries = _json(result) if isinstance(result, str) else result
    for entry in entries if isinstance(entries, list) else []:
        text = entry.get("Result") if isinstance(entry, dict) else entry
        if isinstance(text, str) and canonical_ip(text.strip()) is not None:
            yield address(text.strip())


def _thread(each: Numbered) -> RemoteThread:
    number, row = each
    source = initiator_key(row)
    return RemoteThread(
        time=fields.instant(row.get("Timestamp")),
        source_image=_initiator_image(row),
        source_guid=source.guid if source is not None else None,
        source=source_ref("DeviceEvents", number, "CreateRemoteThreadApiCall"),
    )


def _access(each: Numbered, creator: ProcessKey | None) -> ProcessAccess | None:
    """None for a handle that cannot write: those are everywhere and say nothing of injection."""
    number, row = each
    granted = fields.integer(_object(row.get("AdditionalFields")).get("DesiredAccess"))
    if granted is not None and granted & WRITE_RIGHTS != WRITE_RIGHTS:
        return None
    source = initiator_key(row)
    return ProcessAccess(
        time=fields.instant(row.get("Timestamp")),
        source_image=_initiator_image(row),
        source_guid=source.guid if source is not None else None,
        granted_access=granted,
        source_is_creator=None if source is None or creator is None else source == creator,
        source=source_ref("DeviceEvents", number, "OpenProcessApiCall"),
    )


def _module(each: Numbered, known: Mapping[str, Signature]) -> ModuleLoad:
    number, row = each
    return ModuleLoad(
        time=fields.instant(row.get("Timestamp")),
        path=path_of(row.get("FolderPath"), row.get("FileName")),
        signature=signature_of(row.get("SHA1"), known),
        hashes=hashes(row, ""),
        source=source_ref("DeviceImageLoadEvents", number),
    )


def _file(each: Numbered) -> FileWritten:
    number, row = each
    writer = initiator_key(row)
    return FileWritten(
        time=fields.instant(row.get("Timestamp")),
        path=path_of(row.get("FolderPath"), row.get("FileName")),
        writer_image=_initiator_image(row),
        writer_guid=writer.guid if writer is not None else None,
        source=source_ref("DeviceFileEvents", number, fields.text(row.get("ActionType"))),
    )


def _initiator_image(row: Row) -> str:
    return path_of(row.get("InitiatingProcessFolderPath"), row.get("InitiatingProcessFileName"))


def _coverage(evidence: ProcessEvidence, recorded: set[str]) -> tuple[Coverage, ...]:
    observed = {
        EvidenceKind.CONNECTION: bool(evidence.connections),
        EvidenceKind.DNS: bool(evidence.dns),
        EvidenceKind.REMOTE_THREAD: bool(evidence.remote_threads),
        EvidenceKind.PROCESS_ACCESS: bool(evidence.accesses),
        EvidenceKind.MODULE: bool(evidence.modules),
        EvidenceKind.FILE: bool(evidence.files_written or evidence.image_writers),
    }
    return tuple(
        Coverage(kind=kind, state=_state(kind, observed=observed.get(kind, False), recorded=recorded))
        for kind in EvidenceKind
    )


def _state(kind: EvidenceKind, *, observed: bool, recorded: set[str]) -> CoverageState:
    if kind in _NEVER:
        return CoverageState.NOT_SUPPORTED
    if observed:
        return CoverageState.OBSERVED
    if kind in _SAYS_NOTHING_WHEN_ABSENT or kind.value not in recorded:
        return CoverageState.NOT_COLLECTED
    return CoverageState.NONE_OBSERVED


def _object(value: object) -> Mapping[str, object]:
    """AdditionalFields: an object, or one as text."""
    found = _json(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) else {}


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):  # a lone surrogate in the text
        return None


type Timed = Connection | DnsAnswer | RemoteThread | ProcessAccess | ModuleLoad | FileWritten


def _in_order[F: Timed](facts: Iterable[F]) -> tuple[F, ...]:
    return tuple(sorted(facts, key=lambda fact: _instant(fact.time)))


def _instant(when: datetime | None) -> tuple[bool, float]:
    return (when is None, when.timestamp() if when is not None else 0.0)
