"""A file of JSON lines that only grows: each line is written whole or not at all.

What a crash leaves half written is the last line, which has no newline; it is cut off when the file is next
read. Whoever appends holds a lock (connectors.state.folder_lock): two writers would mend each other's lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson

#: Bytes looked at in one step when the last newline is searched from the end.
_STEP = 64 * 1024

#: Damaged lines that are told one by one; the rest is counted.
_TOLD = 3


class LineFile:
    """One file. It is made when something is first appended, readable by its owner only."""

    def __init__(self, path: Path, *, tell: Callable[[str], None]) -> None:
        """Open nothing yet.

        Args:
            path: the file; its folder is there.
            tell: takes a sentence on what was damaged and what became of it.
        """
        self.path = path
        self._tell = tell

    def records(self) -> Iterator[Mapping[str, object]]:
        """Every line that is a JSON object, in order, after the end of the file was mended.

        A damaged line in between is told and stays where it is.

        Raises:
            OSError: the file is there and cannot be read or mended.
        """
        if not self.path.exists():
            return
        self._mend()
        damaged = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                record = _object(line)
                if record is not None:
                    yield record
                elif line.strip():
                    damaged += 1
                    if damaged <= _TOLD:
                        self._tell(f"{self.path}: line {number} is damaged and was left out")
        if damaged > _TOLD:
            self._tell(f"{self.path}: {damaged - _TOLD} further lines are damaged and were left out")

    def append(self, records: Sequence[Mapping[str, object]]) -> None:
        """Write the records and wait until they are on the disk; all of them, or none.

        Raises:
            OSError: they could not be written; the file is as it was, or is mended when it is next read.
        """
        if not records:
            return
        data = b"".join(orjson.dumps(each) + b"\n" for each in records)
        made = not self.path.exists()
        # Windows would write "\r\n" for "\n" without O_BINARY, which is nowhere else.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        handle = os.open(self.path, flags, 0o600)
        try:
            before = os.fstat(handle).st_size
            try:
                _write(handle, data)
                os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, before)
                raise
        finally:
            os.close(handle)
        if made:
            sync_folder(self.path.parent)

    def _mend(self) -> None:
        """Cut a last line off that a crash left half written; one that is whole gets its newline."""
        with self.path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            start, tail = size, b""
            while start and b"\n" not in tail:
                step = min(_STEP, start)
                start -= step
                file.seek(start)
                tail = file.read(step) + tail
            place = tail.rfind(b"\n") + 1
            torn = tail[place:]
            if not torn:
                return
            if _object(torn) is not None:
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
            else:
                file.truncate(start + place)
                self._tell(
                    f"{self.path}: the last line was half written, {len(torn)} bytes, and was taken away; "
                    "what it held is asked for again"
                )
            file.flush()
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Let a file that was made or renamed be in its folder after a crash too, where the system can."""
    if os.name == "nt":  # a folder cannot be opened there, and NTFS keeps its own journal
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _object(line: bytes) -> Mapping[str, object] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
