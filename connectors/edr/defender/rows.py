"""Rows of the hunting tables as facts. Pure.

What Defender does not record stays empty: current directory, end of a process, IMPHASH, DNS status, start
address of a remote thread. A field that reads as an empty text there is "not recorded".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.defender.keys import ProcessKey, row_key
from connectors.edr.narrowing import Fitting
from connectors.facts.base import SourceRef
from connectors.facts.process import (
    FileHash,
    KnownFrom,
    Process,
    ProcessRef,
    Signature,
    SignatureState,
    image_name,
)

type Row = Mapping[str, object]

SOURCE = "Microsoft Defender advanced hunting"

_SIGNER_CAP = 1024

#: DeviceProcessEvents writes integrity levels and hashes in these columns; others have none.
_HASHES = ("SHA1", "SHA256", "MD5")


def rows_of(results: object) -> list[dict[str, object]]:
    """The rows of an answer without the `@odata.type` entries of Graph; what is no row is left out."""
    if not isinstance(results, list):
        return []
    return [
        {name: value for name, value in row.items() if not (isinstance(name, str) and "@odata." in name)}
        for row in results
        if isinstance(row, dict)
    ]


def own_key(row: Row) -> ProcessKey | None:
    """The key of the process that a row of DeviceProcessEvents created, or that an event is about."""
    return row_key(row, "ProcessId", "ProcessCreationTime")


def initiator_key(row: Row) -> ProcessKey | None:
    """The key of the process that caused a row."""
    return row_key(row, "InitiatingProcessId", "InitiatingProcessCreationTime")


def path_of(folder: object, name: object) -> str:
    """The full path. FolderPath is documented as the folder and holds the file's name in what is recorded."""
    directory, last = fields.text(folder).strip(), fields.text(name).strip()
    if not directory or not last or image_name(directory).lower() == last.lower():
        return directory or last
    return fields.text(f"{directory.rstrip('\\')}\\{last}")


def process_ref(host_id: str, key: ProcessKey | None, image: str) -> ProcessRef:
    """The identity of a process; without a key only its image is known."""
    if key is None:
        return ProcessRef(host_id=host_id, image=image)
    return ProcessRef(host_id=host_id, guid=key.guid, pid=key.pid, start_time=key.time, image=image)


def found_ref(host_id: str, row: Row) -> ProcessRef | None:
    """The process of a search's row; None without a key, as of an inspected connection (pid 0)."""
    key = own_key(row)
    if key is None or key.pid == 0:
        return None
    return process_ref(host_id, key, path_of(row.get("FolderPath"), row.get("FileName")))


def signatures(rows: Iterable[Row]) -> dict[str, Signature]:
    """What DeviceFileCertificateInfo says, by SHA1 in upper case; a file without a row is unknown."""
    known = {}
    for row in rows:
        sha1 = fields.text(row.get("SHA1")).strip().upper()
        if row.get("Row") == "certificate" and sha1:
            known[sha1] = signature(row)
    return known


def signature(row: Row) -> Signature:
    """IsSigned, IsTrusted (WinVerifyTrust) and Signer. A bool may arrive as 0 or 1."""
    signed, trusted = _truth(row.get("IsSigned")), _truth(row.get("IsTrusted"))
    signer = fields.text(row.get("Signer"))[:_SIGNER_CAP]
    if signed is False:
        return Signature(state=SignatureState.UNSIGNED)
    if signed is True and trusted is not None:
        state = SignatureState.VALID if trusted else SignatureState.INVALID
        return Signature(state=state, signer=signer)
    return Signature(state=SignatureState.UNKNOWN, signer=signer)


def created_process(host_id: str, row: Row, known: Mapping[str, Signature], record: int) -> Process | None:
    """The process that a row of DeviceProcessEvents created; None for a row without a key."""
    key = own_key(row)
    if key is None:
        return None
    parent = initiator_key(row)
    return Process(
        ref=process_ref(host_id, key, path_of(row.get("FolderPath"), row.get("FileName"))),
        known_from=KnownFrom.CREATION,
        command_line=_command_line(row.get("ProcessCommandLine")),
        user=_user(row.get("AccountDomain"), row.get("AccountName")),
        integrity=fields.text(row.get("ProcessIntegrityLevel")),
        original_file_name=fields.text(row.get("ProcessVersionInfoOriginalFileName")),
        hashes=hashes(row, ""),
        signature=signature_of(row.get("SHA1"), known),
        parent_guid=parent.guid if parent is not None else None,
        parent_pid=fields.integer(row.get("InitiatingProcessId")),
        parent_image=path_of(row.get("InitiatingProcessFolderPath"), row.get("InitiatingProcessFileName")),
        parent_command_line=_command_line(row.get("InitiatingProcessCommandLine")),
        source=source_ref("DeviceProcessEvents", record),
    )


def initiating_process(host_id: str, row: Row, known: Mapping[str, Signature], record: int) -> Process | None:
    """The process that caused a row of DeviceProcessEvents, as that row knows it; None without a key.

    For a process whose creation is not recorded. Its own parent is named too: by name, pid and time.
    """
    key = initiator_key(row)
    if key is None:
        return None
    parent = row_key(row, "InitiatingProcessParentId", "InitiatingProcessParentCreationTime")
    return Process(
        ref=process_ref(
            host_id,
            key,
            path_of(row.get("InitiatingProcessFolderPath"), row.get("InitiatingProcessFileName")),
        ),
        known_from=KnownFrom.CHILD,
        command_line=_command_line(row.get("InitiatingProcessCommandLine")),
        user=_user(row.get("InitiatingProcessAccountDomain"), row.get("InitiatingProcessAccountName")),
        integrity=fields.text(row.get("InitiatingProcessIntegrityLevel")),
        original_file_name=fields.text(row.get("InitiatingProcessVersionInfoOriginalFileName")),
        hashes=hashes(row, "InitiatingProcess"),
        signature=signature_of(row.get("InitiatingProcessSHA1"), known),
        parent_guid=parent.guid if parent is not None else None,
        parent_pid=fields.integer(row.get("InitiatingProcessParentId")),
        parent_image=fields.text(row.get("InitiatingProcessParentFileName")),
        source=source_ref("DeviceProcessEvents", record),
    )


def hashes(row: Row, prefix: str) -> tuple[FileHash, ...]:
    """The hashes in a row's columns; SHA256 is usually not filled there."""
    found = ((name, fields.text(row.get(prefix + name)).strip().upper()) for name in _HASHES)
    return tuple(
        FileHash(algorithm=name, digest=digest)
        for name, digest in found
        if digest.isalnum() and digest.isascii() and len(digest) <= 64
    )


def found_processes(host_id: str, rows: Sequence[Row], *, start: str | None = None) -> list[Fitting]:
    """The processes of a search, each once: those that did something, or were created in the time span.

    Where there is none, those created before it: Defender does not record that a process ended, so that an
    earlier one may or may not still have run. With the accounts and own addresses that their rows have.

    Args:
        host_id: the machine's id.
        rows: with `Found`, "created" or "active".
        start: of the time span, as the tables write times; None takes what did something, and nothing else.
    """
    present: dict[str, ProcessRef] = {}
    earlier: dict[str, ProcessRef] = {}
    images: dict[str, ProcessRef] = {}
    users: dict[str, set[str]] = {}
    own_ends: dict[str, set[str]] = {}
    for row in rows:
        ref, key = found_ref(host_id, row), own_key(row)
        if ref is None or key is None:
            continue
        users.setdefault(key.guid, set()).add(_user(row.get("AccountDomain"), row.get("AccountName")))
        own_ends.setdefault(key.guid, set()).add(address(row.get("LocalIP")))
        created = row.get("Found") == "created"
        if created:
            images[key.guid] = ref
        if not created or (start is not None and key.created >= start):
            present.setdefault(key.guid, ref)
        elif start is not None:
            earlier.setdefault(key.guid, ref)
    # The creation spells the path as it is; other tables write it in lower case.
    return [
        Fitting(images.get(guid, ref), users=users[guid], local_ips=own_ends[guid])
        for guid, ref in (present or earlier).items()
    ]


def address(value: object) -> str:
    """Canonical text, an IPv4 address out of IPv6's mapped form; as recorded where it is no address."""
    logged = fields.text(value)
    canonical = canonical_ip(logged)
    if canonical is None:
        return logged
    plain = canonical.removeprefix("::ffff:")
    return plain if "." in plain else canonical


def source_ref(table: str, record: int, event: str = "") -> SourceRef:
    """Where a row stands: the table's name, and the row's number in the answer."""
    return SourceRef(source=SOURCE, record=record, event_id=f"{table}/{event}" if event else table)


def signature_of(sha1: object, known: Mapping[str, Signature]) -> Signature:
    """The signature of the file with this SHA1; UNKNOWN where none is recorded."""
    return known.get(fields.text(sha1).strip().upper(), Signature())


def _command_line(value: object) -> str | None:
    """None when not recorded: Defender writes "" then, since a real one holds the program's name at least."""
    return fields.recorded(value) or None


def _user(domain: object, name: object) -> str:
    where, who = fields.text(domain), fields.text(name)
    return f"{where}\\{who}" if where and who else who


def _truth(value: object) -> bool | None:
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    return fields.boolean(value)
