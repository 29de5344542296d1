"""Documents of Elastic Defend as process facts. Pure.

Fields: elastic/endpoint-package, custom_documentation/doc/endpoint/process/windows, and for effective_parent
and created_suspended ("a heuristic", which a direct system call escapes) custom_schemas. An `entity_id` is
base64: it is compared with case. A process that already ran when the agent started has an
"already_running" event instead of a "start"; its `@timestamp` is the agent's start, so when the process
started is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from connectors.edr import sysmon_fields as fields
from connectors.edr.elastic import queries
from connectors.facts.base import SourceRef
from connectors.facts.process import (
    FileHash,
    KnownFrom,
    Process,
    ProcessRef,
    Signature,
    SignatureState,
)

type Row = Mapping[str, object]

#: Longest id that is indexed (ignore_above of the mapping); a longer one cannot be asked for.
_LONGEST_ID = 1024
_LONGEST_SIGNER = 1024
_LONGEST_DIGEST = 160

#: Ancestors of one event that are read. Elastic writes 20.
_MOST_ANCESTORS = 100

_HASHES = ("md5", "sha1", "sha256")

#: code_signature.status: what Windows said. Only these mean that the signature is there and good.
_TRUSTED = frozenset({"trusted"})


def at(row: object, path: str) -> object:
    """The value at a dotted path; None where there is none."""
    for name in path.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(name)
    return row


def text(row: object, path: str) -> str:
    """The text at a path; "" where there is none."""
    value = at(row, path)
    return fields.text(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def recorded(row: object, path: str) -> str | None:
    """The text at a path; None where there is none."""
    value = at(row, path)
    return fields.recorded(value) if isinstance(value, str) else None


def when(row: object) -> datetime | None:
    """The time of an event."""
    return fields.instant(at(row, "@timestamp"))


def action(row: object) -> str:
    """event.action."""
    return text(row, "event.action")


def entity(row: object, path: str = "process.entity_id") -> str | None:
    """An entity id, with its case; None where there is none that could be asked for."""
    value = at(row, path)
    if not isinstance(value, str) or not value or len(value) > _LONGEST_ID or not value.isprintable():
        return None
    return value


def ancestry(row: object) -> tuple[str, ...]:
    """The ids of the ancestors of an event's process, nearest first: 20 at most, however many there are."""
    listed = at(row, "process.Ext.ancestry")
    if not isinstance(listed, list):
        return ()
    ids = (entity({"id": each}, "id") for each in listed[:_MOST_ANCESTORS])
    return tuple(dict.fromkeys(each for each in ids if each is not None))


def source_of(row: Row) -> SourceRef:
    """Index and document of an event."""
    place = "/".join(fields.text(row.get(name))[:500] for name in ("_index", "_id"))
    return SourceRef(source=place, event_id=action(row)[:100])


def image(row: object, prefix: str = "process") -> str:
    """The path of an image, else its name alone."""
    return text(row, f"{prefix}.executable") or text(row, f"{prefix}.name")


def processes(host_id: str, rows: Iterable[Row]) -> list[Process]:
    """One process for each id, in the order of their first event; its start and its end made one."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        key = entity(row)
        if key is not None and action(row) in (*queries.STARTS, queries.END):
            groups.setdefault(key, []).append(row)
    return [_process(host_id, key, group) for key, group in groups.items()]


def _process(host_id: str, key: str, group: list[Row]) -> Process:
    row = min(group, key=_completeness)
    end = next((each for each in group if action(each) == queries.END), None)
    own = action(row)
    parent_line = recorded(row, "process.parent.command_line")
    return Process(
        ref=ProcessRef(
            host_id=host_id,
            guid=key,
            pid=fields.integer(at(row, "process.pid")),
            start_time=when(row) if own == "start" else None,
            image=image(row),
        ),
        known_from=KnownFrom.CREATION if _tells_its_parent(row) else KnownFrom.ACTIVITY,
        command_line=recorded(row, "process.command_line"),
        current_directory=text(row, "process.working_directory"),
        user=user(row),
        integrity=integrity(text(row, "process.Ext.token.integrity_level_name")),
        original_file_name=text(row, "process.pe.original_file_name"),
        hashes=hashes(row, "process"),
        signature=signature(at(row, "process.code_signature")),
        parent_guid=entity(row, "process.parent.entity_id"),
        parent_pid=fields.integer(at(row, "process.parent.pid")),
        parent_image=image(row, "process.parent"),
        parent_command_line=parent_line or None,  # "" is written where the parent's is not known
        effective_parent=effective_parent(host_id, row),
        created_suspended=_created_suspended(group),
        end_time=when(end) if end is not None else None,
        end_source=source_of(end) if end is not None else None,
        source=source_of(row),
    )


def effective_parent(host_id: str, row: Row) -> ProcessRef | None:
    """Who had the parent start it: process.Ext.effective_parent; None where none is told but the parent.

    `wmic process call create` has WmiPrvSE start the process: that is the parent, and wmic the effective one.
    """
    path = "process.Ext.effective_parent"
    key, name = entity(row, f"{path}.entity_id"), image(row, path)
    pid = fields.integer(at(row, f"{path}.pid"))
    if key is None and not name:
        return None
    parent = entity(row, "process.parent.entity_id")
    if key is not None and parent is not None:
        same = key == parent
    else:
        same = (pid, name.lower()) == (
            fields.integer(at(row, "process.parent.pid")),
            image(row, "process.parent").lower(),
        )
    return None if same else ProcessRef(host_id=host_id, guid=key, pid=pid, image=name)


def _created_suspended(group: Iterable[Row]) -> bool | None:
    """process.Ext.created_suspended, which only some of a process's events have."""
    told = {value for row in group if isinstance(value := at(row, "process.Ext.created_suspended"), bool)}
    return None if not told else True in told


def _completeness(row: Row) -> int:
    own = action(row)
    return (*queries.STARTS, queries.END).index(own)


def _tells_its_parent(row: Row) -> bool:
    """An end has the fields of a start, but for the token and the directory."""
    return action(row) in queries.STARTS or entity(row, "process.parent.entity_id") is not None


def user(row: object) -> str:
    """Domain and name."""
    domain, name = text(row, "user.domain"), text(row, "user.name")
    return f"{domain}\\{name}" if domain and name else name


def integrity(level: str) -> str:
    """An integrity level as Windows spells it: "high" -> "High"."""
    return level[:1].upper() + level[1:]


def hashes(row: object, prefix: str) -> tuple[FileHash, ...]:
    """The hashes of a process's image (prefix "process") or a module ("dll")."""
    found = [(name.upper(), text(row, f"{prefix}.hash.{name}")) for name in _HASHES]
    found.append(("IMPHASH", text(row, f"{prefix}.pe.imphash")))
    return tuple(
        FileHash(algorithm=algorithm, digest=digest.upper())
        for algorithm, digest in found
        if digest.isascii() and digest.isalnum() and len(digest) <= _LONGEST_DIGEST
    )


def signature(value: object) -> Signature:
    """A code_signature: `exists`, `trusted`, `status`, `subject_name`. What is not told is UNKNOWN."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if not isinstance(value, Mapping):
        return Signature()
    exists, trusted = value.get("exists"), value.get("trusted")
    signer = text(value, "subject_name")[:_LONGEST_SIGNER]
    status = text(value, "status").strip().lower()
    if exists is False:
        return Signature(state=SignatureState.UNSIGNED)
    if exists is not True:
        return Signature()
    if trusted is True and status in {"", *_TRUSTED}:
        return Signature(state=SignatureState.VALID, signer=signer)
    if trusted is False and status.startswith("error"):
        return Signature(state=SignatureState.INVALID, signer=signer)
    return Signature(signer=signer)
