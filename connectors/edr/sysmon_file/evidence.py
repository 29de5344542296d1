"""What else was logged of the watched processes: connections, DNS, injection, modules, files.

Only processes of the watched names and ProcessGuids are kept (any process's end and image signature is), and
those that Sysmon could not name, which their ProcessGuid still tells; each kind up to a cap, so that memory
does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Collection

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.connection_rows import ConnectionRow, connection_row
from connectors.edr.sysmon_file.event import RawEvent
from connectors.edr.sysmon_file.event_clock import event_time
from connectors.facts.base import SourceRef
from connectors.facts.process import (
    DnsAnswer,
    FileWritten,
    ModuleLoad,
    ProcessAccess,
    RemoteThread,
    Signature,
    Tampering,
    image_name,
)

#: Events kept of one kind for one process; further ones set `truncated`.
KEPT_PER_KIND = 1000

#: Characters kept of one kind for one process. A text of a log may have 32,767 of them, so a cap on events
#: alone bounds nothing; a thousand ordinary module loads have about 300,000.
KEPT_CHARACTERS_PER_KIND = 500_000

#: Pairs of ends that connections are kept of, per host; further pairs set `truncated`.
KEPT_CONNECTIONS = 50_000

#: Characters of the paths remembered per host for "who wrote this image".
KEPT_WRITE_CHARACTERS = 20_000_000

#: Written files remembered per host, for "who wrote this image"; further ones set `truncated`.
KEPT_WRITES = 50_000

#: Events and characters kept per host of processes that Sysmon could not name; further ones set `truncated`.
KEPT_UNNAMED, KEPT_UNNAMED_CHARACTERS = 50_000, 20_000_000

#: PROCESS_VM_OPERATION | PROCESS_VM_WRITE, the rights that writing into a process needs.
#: https://learn.microsoft.com/windows/win32/procthread/process-security-and-access-rights
WRITE_RIGHTS = 0x0008 | 0x0020

#: Written files worth remembering: what can be started, loaded or passed as an assembly.
_SUFFIXES = (
    ".exe",
    ".dll",
    ".com",
    ".scr",
    ".sys",
    ".cpl",
    ".ocx",
    ".ps1",
    ".psm1",
    ".bat",
    ".cmd",
    ".vbs",
    ".vbe",
    ".js",
    ".jse",
    ".wsf",
    ".hta",
    ".sct",
    ".msi",
    ".lnk",
    ".jar",
    ".au3",
    ".a3x",
    ".txt",
    ".dat",
    ".jpg",
    ".png",
    ".bin",
    ".tmp",
)


type EvidenceFact = DnsAnswer | Tampering | RemoteThread | ProcessAccess | ModuleLoad | FileWritten


class EvidenceStore:
    """Evidence of one host."""

    __slots__ = (
        "_characters",
        "_connections",
        "_facts",
        "_guids",
        "_in_order",
        "_signatures",
        "_truncated",
        "_unnamed",
        "_unnamed_characters",
        "_watched",
        "_write_characters",
        "_writers",
        "_writes",
    )

    def __init__(self, watched: Collection[str], guids: Collection[str] = ()) -> None:
        self._watched = frozenset(name.lower() for name in watched)
        self._guids = frozenset(guids)
        self._in_order: list[ConnectionRow] | None = None
        self._unnamed = 0
        self._unnamed_characters = 0
        self._connections: dict[tuple[object, ...], ConnectionRow] = {}
        self._facts: dict[str, dict[type, list[EvidenceFact]]] = {}
        self._characters: dict[tuple[str, type], int] = {}
        self._signatures: dict[str, Signature] = {}
        self._writers: dict[str, list[FileWritten]] = {}
        self._writes = 0
        self._write_characters = 0
        self._truncated: set[str | None] = set()

    def add(self, event: RawEvent) -> None:
        """Keep the event if it says something of a watched process."""
        match event.event_id:
            case 3:
                self._connection(event)
            case 7:
                self._module(event)
            case 8:
                self._remote_thread(event)
            case 10:
                self._access(event)
            case 11:
                self._file(event)
            case 22:
                self._dns(event)
            case 25:
                self._tampering(event)

    # --- asked ---

    def connections(self) -> list[ConnectionRow]:
        """All kept connections, in order of time."""
        rows = self._in_order
        if rows is None:
            # Assigned whole: several cases are looked up on threads at once.
            rows = self._in_order = sorted(self._connections.values(), key=ConnectionRow.time_order)
        return rows

    def knows(self, guid: str | None) -> bool:
        """Whether anything kept was done by, or to, the process."""
        return guid is not None and (
            guid in self._facts or any(row.guid == guid for row in self.connections())
        )

    def signature(self, guid: str | None, image: str = "") -> Signature:
        """Signature of the process's own image, from its EID 7; UNKNOWN where none was logged.

        `image` is its path where that is known: the EID 7 may name the process by its ProcessGuid alone.
        """
        if guid is None:
            return Signature()
        found = self._signatures.get(guid)
        if found is None and image:
            loads = self.facts(guid, ModuleLoad)
            found = next((each.signature for each in loads if each.path.lower() == image.lower()), None)
        return found or Signature()

    def facts[F: EvidenceFact](self, guid: str | None, kind: type[F]) -> tuple[F, ...]:
        """Kept facts of one kind for one process, in order of time as far as it is known."""
        if guid is None:
            return ()
        kept = self._facts.get(guid, {}).get(kind, ())
        return tuple(sorted((f for f in kept if isinstance(f, kind)), key=time_order))

    def writers_of(self, path: str) -> tuple[FileWritten, ...]:
        """Who wrote this file (case-insensitive full path), in order of time."""
        return tuple(sorted(self._writers.get(path.lower(), ()), key=time_order))

    def truncated(self, guid: str | None) -> bool:
        """True when a cap left something of this process, or of the host's written files, out."""
        return (
            guid in self._truncated
            or self._writes > KEPT_WRITES
            or self._unnamed > KEPT_UNNAMED
            or self._unnamed_characters > KEPT_UNNAMED_CHARACTERS
            or self._write_characters > KEPT_WRITE_CHARACTERS
        )

    # --- kept ---

    def _is_watched(self, image: str, guid: str | None) -> bool:
        """Whether what is done by, or to, a process is kept: for its name, its guid, or want of a name."""
        return image_name(image).lower() in self._watched or guid in self._guids or _is_unnamed(image)

    def _keep(self, guid: str | None, image: str, fact: EvidenceFact) -> None:
        if guid is None:
            return
        if _is_unnamed(image) and guid not in self._guids:
            self._unnamed += 1
            self._unnamed_characters += _characters_of(fact)
            if self._unnamed > KEPT_UNNAMED or self._unnamed_characters > KEPT_UNNAMED_CHARACTERS:
                return
        kind = type(fact)
        kept = self._facts.setdefault(guid, {}).setdefault(kind, [])
        characters = self._characters.get((guid, kind), 0) + _characters_of(fact)
        if len(kept) < KEPT_PER_KIND and characters <= KEPT_CHARACTERS_PER_KIND:
            kept.append(fact)
            self._characters[guid, kind] = characters
        else:
            self._truncated.add(guid)

    def _connection(self, event: RawEvent) -> None:
        get = event.data.get
        if not self._is_watched(fields.text(get("Image")), fields.guid(get("ProcessGuid"))):
            return
        row = connection_row(event)
        self._in_order = None
        key = (row.guid, row.pid, row.image, row.src_ip, row.dest_ip, row.dest_port, row.initiated)
        known = self._connections.get(key)
        if known is not None:
            self._connections[key] = known.with_event(row)
        elif len(self._connections) < KEPT_CONNECTIONS:
            self._connections[key] = row
        else:
            self._truncated.add(row.guid)

    def _dns(self, event: RawEvent) -> None:
        get = event.data.get
        image, guid = fields.text(get("Image")), fields.guid(get("ProcessGuid"))
        if not self._is_watched(image, guid):
            return
        # QueryResults: "type:  5 name;::ffff:1.2.3.4;1.2.3.4;" in the order of the answer.
        answers = (canonical_ip(part.strip()) for part in fields.text(get("QueryResults")).split(";"))
        addresses = [_plain_ipv4(ip) for ip in answers if ip]
        self._keep(
            guid,
            image,
            DnsAnswer(
                time=event_time(event),
                name=fields.text(get("QueryName")),
                addresses=tuple(dict.fromkeys(addresses)),
                status=fields.text(get("QueryStatus")),
                source=_ref(event),
            ),
        )

    def _tampering(self, event: RawEvent) -> None:
        get = event.data.get
        image, guid = fields.text(get("Image")), fields.guid(get("ProcessGuid"))
        if self._is_watched(image, guid):
            self._keep(
                guid,
                image,
                Tampering(
                    time=fields.instant(get("UtcTime")), type=fields.text(get("Type")), source=_ref(event)
                ),
            )

    def _remote_thread(self, event: RawEvent) -> None:
        get = event.data.get
        image = fields.text(get("TargetImage"))
        guid = fields.guid(get("TargetProcessGuid") or get("TargetProcessGUID"))
        if self._is_watched(image, guid):
            self._keep(
                guid,
                image,
                RemoteThread(
                    time=fields.instant(get("UtcTime")),
                    source_image=fields.text(get("SourceImage")),
                    source_guid=fields.guid(get("SourceProcessGuid") or get("SourceProcessGUID")),
                    start_module=fields.text(get("StartModule")),
                    start_function=fields.text(get("StartFunction")),
                    source=_ref(event),
                ),
            )

    def _access(self, event: RawEvent) -> None:
        get = event.data.get
        image = fields.text(get("TargetImage"))
        guid = fields.guid(get("TargetProcessGUID") or get("TargetProcessGuid"))
        if not self._is_watched(image, guid):
            return
        granted = fields.integer(get("GrantedAccess"))
        if granted is not None and granted & WRITE_RIGHTS != WRITE_RIGHTS:
            # Reading handles are everywhere (task managers, agents) and say nothing of injection.
            return
        self._keep(
            guid,
            image,
            ProcessAccess(
                time=fields.instant(get("UtcTime")),
                source_image=fields.text(get("SourceImage")),
                source_guid=fields.guid(get("SourceProcessGUID") or get("SourceProcessGuid")),
                granted_access=granted,
                source=_ref(event),
            ),
        )

    def _module(self, event: RawEvent) -> None:
        get = event.data.get
        guid = fields.guid(get("ProcessGuid"))
        image, loaded = fields.text(get("Image")), fields.text(get("ImageLoaded"))
        if guid is not None and image and image.lower() == loaded.lower():
            self._signatures.setdefault(guid, fields.signature(event.data))
        if self._is_watched(image, guid):
            self._keep(
                guid,
                image,
                ModuleLoad(
                    time=fields.instant(get("UtcTime")),
                    path=loaded,
                    signature=fields.signature(event.data),
                    hashes=fields.hashes(get("Hashes")),
                    source=_ref(event),
                ),
            )

    def _file(self, event: RawEvent) -> None:
        get = event.data.get
        path, image = fields.text(get("TargetFilename")), fields.text(get("Image"))
        if not path:
            return
        guid = fields.guid(get("ProcessGuid"))
        watched = self._is_watched(image, guid)
        code = path.lower().endswith(_SUFFIXES)
        if not (watched or code):
            return
        written = FileWritten(
            time=fields.instant(get("UtcTime")),
            path=path,
            writer_image=image,
            writer_guid=guid,
            source=_ref(event),
        )
        if watched:
            self._keep(guid, image, written)
        if code:
            self._writes += 1
            self._write_characters += _characters_of(written)
            if self._writes <= KEPT_WRITES and self._write_characters <= KEPT_WRITE_CHARACTERS:
                self._writers.setdefault(path.lower(), []).append(written)


def _is_unnamed(image: str) -> bool:
    return not image or image.lower() in fields.UNKNOWN_PROCESS


def _characters_of(fact: EvidenceFact) -> int:
    """How much text a fact holds, about; what has a fixed length does not count."""
    match fact:
        case DnsAnswer():
            return len(fact.name) + len(fact.status) + sum(len(each) for each in fact.addresses)
        case Tampering():
            return len(fact.type)
        case RemoteThread():
            return len(fact.source_image) + len(fact.start_module) + len(fact.start_function)
        case ProcessAccess():
            return len(fact.source_image)
        case ModuleLoad():
            hashes = sum(len(each.algorithm) + len(each.digest) for each in fact.hashes)
            return len(fact.path) + len(fact.signature.signer) + hashes
        case FileWritten():
            return len(fact.path) + len(fact.writer_image)


def _plain_ipv4(ip: str) -> str:
    """Sysmon writes IPv4 answers as mapped IPv6 (`::ffff:1.2.3.4`)."""
    return ip.removeprefix("::ffff:") if ip.startswith("::ffff:") and "." in ip else ip


def _ref(event: RawEvent) -> SourceRef:
    return SourceRef(source=event.source, record=event.record, event_id=str(event.event_id))


def time_order(fact: EvidenceFact) -> tuple[object, ...]:
    """To sort facts by: the earliest first, those without a time last; never by the order of reading."""
    at = fact.time.timestamp() if fact.time is not None else 0.0
    where = (fact.source.record or 0, fact.source.source) if fact.source is not None else (0, "")
    return (fact.time is None, at, *where)
