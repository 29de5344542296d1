"""What was seen of one process besides its creation, kind by kind, for the lineage command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from connectors.facts.base import SourceRef
from connectors.facts.process import (
    Connection,
    CoverageState,
    DnsAnswer,
    EvidenceKind,
    FileWritten,
    ModuleLoad,
    ProcessAccess,
    ProcessEvidence,
    RemoteThread,
    Tampering,
)
from playbooks.report import wording
from playbooks.report.content import Row, Tone

#: Shown of each kind; the JSON document has all.
PER_KIND = 20

_NOTHING = {
    CoverageState.NONE_OBSERVED: ("none, though recorded on this host", Tone.PLAIN),
    CoverageState.NOT_COLLECTED: ("unknown, not recorded on this host", Tone.UNKNOWN),
    CoverageState.NOT_SUPPORTED: ("unknown, the source cannot know it", Tone.UNKNOWN),
    CoverageState.OBSERVED: ("seen", Tone.PLAIN),
}


def evidence_rows(evidence: ProcessEvidence | None) -> tuple[Row, ...]:
    """One row per observation, and one for each kind of which there is none."""
    if evidence is None:
        return (Row("evidence", "not obtained: nothing can be ruled out", Tone.UNKNOWN),)
    rows = [
        *_kind("connected", evidence.connections, _connection),
        *_kind("looked up", evidence.dns, _look_up),
        *_kind("tampering", evidence.tampering, _tampering, Tone.BAD),
        *_kind("thread", evidence.remote_threads, _thread, Tone.WARN),
        *_kind("opened by", evidence.accesses, _access),
        *_kind("module", evidence.modules, _module),
        *_kind("wrote", evidence.files_written, _written),
        *_kind("its files", evidence.image_writers, _writer),
    ]
    rows += [_absent(kind, evidence.state_of(kind)) for kind in EvidenceKind if not _has(evidence, kind)]
    if evidence.truncated:
        rows.append(Row("more", "a cap cut some of it off", Tone.UNKNOWN))
    return tuple(rows)


def _has(evidence: ProcessEvidence, kind: EvidenceKind) -> bool:
    """True where rows of the kind are shown. When the process ended stands in the tree."""
    shown: dict[EvidenceKind, Sequence[object]] = {
        EvidenceKind.CONNECTION: evidence.connections,
        EvidenceKind.DNS: evidence.dns,
        EvidenceKind.TAMPERING: evidence.tampering,
        EvidenceKind.REMOTE_THREAD: evidence.remote_threads,
        EvidenceKind.PROCESS_ACCESS: evidence.accesses,
        EvidenceKind.MODULE: evidence.modules,
        EvidenceKind.FILE: (*evidence.files_written, *evidence.image_writers),
    }
    if kind is EvidenceKind.TERMINATION:
        return evidence.state_of(kind) is CoverageState.OBSERVED
    return bool(shown[kind])


def _absent(kind: EvidenceKind, state: CoverageState) -> Row:
    words, tone = _NOTHING[state]
    return Row("", f"{kind.value.replace('_', ' ')}: {words}", tone)


def _kind[T](
    label: str, found: Sequence[T], words: Callable[[T], str], tone: Tone = Tone.PLAIN
) -> Iterable[Row]:
    for number, each in enumerate(found[:PER_KIND]):
        yield Row(label if number == 0 else "", words(each), tone)
    if len(found) > PER_KIND:
        yield Row("", f"and {len(found) - PER_KIND} more in the JSON document", Tone.QUIET)


def _placed(text: str, source: SourceRef | None, when: datetime | None) -> str:
    place = wording.position(source, when, None)
    return f"{text}  [{place}]" if place else text


def _connection(each: Connection) -> str:
    direction = {True: "outbound", False: "inbound", None: "direction unknown"}[each.initiated]
    own = wording.endpoint(each.src_ip, () if each.src_port is None else (each.src_port,))
    other = wording.endpoint(each.dest_ip, () if each.dest_port is None else (each.dest_port,))
    text = f"{own} -> {other} {wording.name(each.protocol, unknown='protocol unknown')}, {direction}"
    return _placed(text, each.source, each.time)


def _look_up(each: DnsAnswer) -> str:
    answer = ", ".join(wording.name(address) for address in each.addresses[:8])
    failed = "" if each.status in ("", "0") else f", DNS status {wording.name(each.status)}"
    return _placed(
        f"{wording.name(each.name)}: {answer or 'no address in the answer'}{failed}", each.source, each.time
    )


def _tampering(each: Tampering) -> str:
    return _placed(wording.name(each.type, unknown="type not recorded"), each.source, each.time)


def _thread(each: RemoteThread) -> str:
    start = " ".join(wording.name(part) for part in (each.start_module, each.start_function) if part)
    text = f"started by {_image(each.source_image)}, at {start or 'an unknown place'}"
    return _placed(text, each.source, each.time)


def _access(each: ProcessAccess) -> str:
    rights = "rights unknown" if each.granted_access is None else f"rights {each.granted_access:#x}"
    creator = {True: ", its creator", False: "", None: ", which may be its creator"}[each.source_is_creator]
    return _placed(f"{_image(each.source_image)}{creator}, {rights}", each.source, each.time)


def _module(each: ModuleLoad) -> str:
    return _placed(f"{_image(each.path)}, {wording.signature(each.signature)}", each.source, each.time)


def _written(each: FileWritten) -> str:
    return _placed(_image(each.path), each.source, each.time)


def _writer(each: FileWritten) -> str:
    return _placed(f"{_image(each.path)} written by {_image(each.writer_image)}", each.source, each.time)


def _image(path: str) -> str:
    return wording.path(path) if path else "an unknown file"
