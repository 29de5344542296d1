"""What happened, in time order: process starts and ends, and everything seen of the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from actions.case_facts import CaseFacts
from connectors.edr.sysmon_file.event_clock import LOGGED_LATE
from connectors.facts.base import SourceRef
from connectors.facts.notable import Notable
from connectors.facts.process import (
    Connection,
    DnsAnswer,
    Lineage,
    ModuleLoad,
    Process,
    ProcessEvidence,
    SignatureState,
)
from playbooks.report import wording
from playbooks.report.content import Tone
from playbooks.report.talk import ONLY_SAID, peer_of

#: Shown of each kind: the first ones and the last ones.
FIRST_SHOWN, LAST_SHOWN = 20, 5
_NAMES_SHOWN = 4

#: SourceRef.event_id of a connection that Sysmon logged.
SYSMON_CONNECTION = "3"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. All text is safe to show.

    Attributes:
        when: to sort by; UTC.
        clock: time of day, with the date where the day differs from the timeline's.
        iso: the same for a machine.
        source: file, record and event; "" if unknown.
        target: True where the process that raised the notable starts.
    """

    when: datetime
    clock: str
    iso: str
    kind: str
    text: str
    source: str
    tone: Tone
    target: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The entries, the day of times without a date ("" if there is none), and what is not shown."""

    day: str
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


class _Seen(NamedTuple):
    when: datetime | None
    text: str
    source: SourceRef | None
    tone: Tone = Tone.PLAIN
    target: bool = False


def timeline(facts: CaseFacts) -> Timeline:
    """The timeline of a case."""
    return timeline_of(facts.lineage, facts.evidence, facts.notables)


def timeline_of(
    lineage: Lineage | None, evidence: ProcessEvidence | None, notables: Sequence[Notable] = ()
) -> Timeline:
    """Everything with a time, oldest first; of each kind the first and last ones, the rest counted.

    What the notables say of connections stands for connections that no telemetry shows.
    """
    kinds = {**(_of_processes(lineage) if lineage else {}), **(_of_evidence(evidence) if evidence else {})}
    seen_peers = {peer_of(each) for each in evidence.connections} if evidence else set()
    if seen_peers:
        said = [each for each in notables if each.peer_ip is not None and each.peer_ip not in seen_peers]
        kinds["notable"] = _of_notables(said, denied=_denied(evidence))
    else:
        kinds["connection"] = _of_notables(notables, denied=_denied(evidence))
    kept: list[tuple[str, _Seen, datetime]] = []
    notes: list[str] = []
    for kind, found in kinds.items():
        seen = list(found)
        dated = sorted(
            ((each, each.when.astimezone(UTC)) for each in seen if each.when is not None),
            key=lambda pair: pair[1],
        )
        shown = dated if len(dated) <= FIRST_SHOWN + LAST_SHOWN else dated[:FIRST_SHOWN] + dated[-LAST_SHOWN:]
        kept += [(kind, each, when) for each, when in shown]
        if more := len(dated) - len(shown):
            notes.append(f"{more} more of the kind \u201c{kind}\u201d between them, in the JSON report")
        if undated := len(seen) - len(dated):
            notes.append(f"{undated} of the kind \u201c{kind}\u201d without a time, in the JSON report")
    kept.sort(key=lambda each: each[2])
    if evidence is not None and (signed := sum(_signed(each) for each in evidence.modules)):
        notes.append(f"{wording.count(signed, 'signed module')} loaded, in the JSON report")
    if lineage is not None and evidence is not None and _logged_after_end(lineage.target, evidence):
        notes.append(
            "a connection carries the time at which Sysmon logged it, some seconds after it was made"
        )
    day = _day(lineage, kept)
    return Timeline(
        f"{day} UTC" if day else "",
        tuple(_entry(kind, each, when, day) for kind, each, when in kept),
        tuple(notes),
    )


def _logged_after_end(target: Process, evidence: ProcessEvidence) -> bool:
    """Whether a connection of the target stands after its end only because Sysmon logs them late."""
    ended = target.end_time
    return ended is not None and any(
        each.source is not None
        and each.source.event_id == SYSMON_CONNECTION
        and ended < last <= ended + LOGGED_LATE
        for each in evidence.connections
        if (last := each.last_time) is not None
    )


def _day(lineage: Lineage | None, kept: Sequence[tuple[str, _Seen, datetime]]) -> date | None:
    start = lineage.target.ref.start_time if lineage else None
    first = start or (kept[0][2] if kept else None)
    return first.astimezone(UTC).date() if first else None


def _entry(kind: str, seen: _Seen, when: datetime, day: date | None) -> Entry:
    return Entry(
        when,
        wording.clock(when, day),
        when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        kind,
        seen.text,
        wording.position(seen.source, None, None),
        seen.tone,
        seen.target,
    )


def _of_processes(lineage: Lineage) -> dict[str, Iterable[_Seen]]:
    target = lineage.target
    all_known = (*lineage.ancestors, *lineage.siblings, *lineage.children, target)
    return {
        "process started": [
            _Seen(
                each.ref.start_time,
                wording.process_label(each) + (", which raised the notable" if each is target else ""),
                each.source,
                target=each is target,
            )
            for each in all_known
            if each.ref.start_time is not None
        ],
        "process ended": [
            _Seen(each.end_time, _ended(each), each.end_source)
            for each in all_known
            if each.end_time is not None
        ],
    }


def _ended(process: Process) -> str:
    start, end = process.ref.start_time, process.end_time
    lasted = f", after {wording.duration(end - start)}" if start is not None and end is not None else ""
    return f"{wording.process_label(process)}{lasted}"


def _of_evidence(evidence: ProcessEvidence) -> dict[str, Iterable[_Seen]]:
    return {
        "connection": (_Seen(each.time, _connection(each), each.source) for each in evidence.connections),
        "DNS look-up": (_Seen(each.time, _look_up(each), each.source) for each in evidence.dns),
        "tampering": (
            _Seen(each.time, wording.name(each.type, unknown="type not recorded"), each.source, Tone.BAD)
            for each in evidence.tampering
        ),
        "remote thread": (
            _Seen(each.time, f"started by {_file(each.source_image)}", each.source, Tone.BAD)
            for each in evidence.remote_threads
        ),
        "process opened": (
            _Seen(
                each.time,
                _access(each.source_image, each.granted_access, each.source_is_creator),
                each.source,
            )
            for each in evidence.accesses
        ),
        "module loaded": _modules(evidence.modules),
        "file written": (
            _Seen(each.time, f"{_file(each.path)}, by the process", each.source)
            for each in evidence.files_written
        ),
        "image written": (
            _Seen(each.time, f"{_file(each.path)}, by {_file(each.writer_image)}", each.source)
            for each in evidence.image_writers
        ),
    }


def _denied(evidence: ProcessEvidence | None) -> bool:
    """Whether what the telemetry does not show is not in it; not so where some was cut off."""
    return evidence is not None and not evidence.truncated


def _of_notables(notables: Sequence[Notable], *, denied: bool) -> Iterator[_Seen]:
    source = ONLY_SAID if denied else "as the notable says"
    for each in notables:
        peer = wording.name(each.peer_ip or "", unknown="an unknown address")
        if each.first_time is not None:
            yield _Seen(each.first_time, f"the first with {peer}, {source}", None)
        if each.last_time is not None and each.last_time != each.first_time:
            yield _Seen(each.last_time, f"the last with {peer}, {source}", None)


def _modules(modules: Sequence[ModuleLoad]) -> Iterator[_Seen]:
    """Those without a good signature; the others are counted."""
    for each in modules:
        if not _signed(each):
            bad = each.signature.state in (SignatureState.UNSIGNED, SignatureState.INVALID)
            text = f"{_file(each.path)}, {wording.signature(each.signature)}"
            yield _Seen(each.time, text, each.source, Tone.WARN if bad else Tone.UNKNOWN)


def _signed(module: ModuleLoad) -> bool:
    return module.signature.state is SignatureState.VALID


def _connection(each: Connection) -> str:
    own = wording.endpoint(each.src_ip, () if each.src_port is None else (each.src_port,))
    other = wording.endpoint(each.dest_ip, () if each.dest_port is None else (each.dest_port,))
    way = {True: "outbound", False: "inbound", None: "direction unknown"}[each.initiated]
    text = f"{own} to {other}, {wording.name(each.protocol, unknown='protocol unknown')}, {way}"
    if each.count > 1:
        text += f"; {each.count} connections, the last at {_last(each)}"
    return text


def _last(each: Connection) -> str:
    """The time of the last connection, dated where it is of another day than the first."""
    if each.last_time is None:
        return "an unknown time"
    return wording.clock(each.last_time, each.time.astimezone(UTC).date() if each.time else None)


def _look_up(each: DnsAnswer) -> str:
    answer = ", ".join(wording.name(address) for address in each.addresses[:_NAMES_SHOWN])
    more = f" and {len(each.addresses) - _NAMES_SHOWN} more" if len(each.addresses) > _NAMES_SHOWN else ""
    failed = "" if each.status in ("", "0") else f", DNS status {wording.name(each.status)}"
    return f"{wording.name(each.name)}: {answer or 'no address in the answer'}{more}{failed}"


def _access(image: str, rights: int | None, is_creator: bool | None) -> str:
    creator = {True: ", its creator", False: "", None: ", which may be its creator"}[is_creator]
    asked = "rights unknown" if rights is None else f"rights {rights:#x}"
    return f"by {_file(image)}{creator}, {asked}"


def _file(path: str) -> str:
    return wording.path(path) if path else "an unknown file"
