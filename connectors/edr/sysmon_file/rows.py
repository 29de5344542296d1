"""Compact rows: what the index keeps of each event. Facts are built from them only when asked.

A row holds the texts as logged, repeated ones shared through a pool, because a day of process creations
must fit in memory (docs/adr/0005).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.event import RawEvent
from connectors.facts.base import SourceRef
from connectors.facts.process import KnownFrom, Process, ProcessRef, Signature


class ProcessRow(NamedTuple):
    """One process creation (Sysmon EID 1), as logged.

    Attributes:
        guid: normalised ProcessGuid; None for a null one.
        utc: UtcTime text.
        parent_guid: normalised; None for a null one.
        command_line, parent_command_line: None when the field was not recorded.
    """

    guid: str | None
    utc: str
    pid: int | None
    image: str
    command_line: str | None
    directory: str
    user: str
    integrity: str
    original_file_name: str
    hashes: str
    parent_guid: str | None
    parent_pid: int | None
    parent_image: str
    parent_command_line: str | None
    source: str
    record: int


class ProcessEnd(NamedTuple):
    """One termination (Sysmon EID 5), as logged: UtcTime text, and where it stands."""

    utc: str
    source: str
    record: int

    @property
    def time(self) -> datetime | None:
        """When; None when the time is unreadable."""
        return fields.instant(self.utc)

    @property
    def ref(self) -> SourceRef:
        """Where it stands."""
        return SourceRef(source=self.source, record=self.record, event_id="5")


class TextPool:
    """Shares equal texts: most processes of a log come from a few hundred images.

    Only as many texts are held as `most` says; beyond that new ones are simply not shared.
    """

    __slots__ = ("_most", "_texts")

    def __init__(self, *, most: int = 200_000) -> None:
        self._most = most
        self._texts: dict[str, str] = {}

    def share(self, value: object) -> str:
        """The value as text, the same object for the same text."""
        text = fields.text(value)
        shared = self._texts.get(text)
        if shared is not None:
            return shared
        if len(self._texts) < self._most:
            self._texts[text] = text
        return text


def process_row(event: RawEvent, pool: TextPool) -> ProcessRow:
    """The row of a process creation event (EID 1)."""
    get = event.data.get
    share = pool.share
    return ProcessRow(
        fields.guid(get("ProcessGuid")),
        fields.text(get("UtcTime")),
        fields.integer(get("ProcessId")),
        share(get("Image")),
        fields.recorded(get("CommandLine")),
        share(get("CurrentDirectory")),
        share(get("User")),
        share(get("IntegrityLevel")),
        share(get("OriginalFileName")),
        share(get("Hashes")),
        fields.guid(get("ParentProcessGuid")),
        fields.integer(get("ParentProcessId")),
        share(get("ParentImage")),
        fields.recorded(get("ParentCommandLine")),
        event.source,
        event.record,
    )


def process_ref(host_id: str, row: ProcessRow) -> ProcessRef:
    """The identity of a row's process."""
    return ProcessRef(
        host_id=host_id, guid=row.guid, pid=row.pid, start_time=fields.instant(row.utc), image=row.image
    )


def process_fact(host_id: str, row: ProcessRow, *, signature: Signature, end: ProcessEnd | None) -> Process:
    """The process fact of a row."""
    return Process(
        ref=process_ref(host_id, row),
        known_from=KnownFrom.CREATION,
        command_line=row.command_line,
        current_directory=row.directory,
        user=row.user,
        integrity=row.integrity,
        original_file_name=row.original_file_name,
        hashes=fields.hashes(row.hashes),
        signature=signature,
        parent_guid=row.parent_guid,
        parent_pid=row.parent_pid,
        parent_image=row.parent_image,
        parent_command_line=row.parent_command_line,
        end_time=end.time if end is not None else None,
        end_source=end.ref if end is not None else None,
        source=SourceRef(source=row.source, record=row.record, event_id="1"),
    )


def parent_fact(host_id: str, row: ProcessRow, *, signature: Signature, end: ProcessEnd | None) -> Process:
    """The parent of a row's process, known only from the child's own record."""
    return Process(
        ref=ProcessRef(host_id=host_id, guid=row.parent_guid, pid=row.parent_pid, image=row.parent_image),
        known_from=KnownFrom.CHILD,
        command_line=row.parent_command_line,
        signature=signature,
        end_time=end.time if end is not None else None,
        end_source=end.ref if end is not None else None,
        source=SourceRef(source=row.source, record=row.record, event_id="1"),
    )
