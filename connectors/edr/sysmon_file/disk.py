"""Log files on disk: which there are, and reading them with a count of the bytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.streams import StreamBroken
from connectors.errors import LogUnreadable


class LogPath(NamedTuple):
    """A file to read.

    Attributes:
        path: where it is.
        named: a person named this very file, so that one which is no log is an error, not a problem.
    """

    path: Path
    named: bool


def log_paths(paths: Sequence[Path], report: ReadReport | None = None) -> list[LogPath]:
    """The files behind these paths; folders with all they hold, in sorted order.

    Inside a folder symbolic links are not followed and only regular files are read; what is left out is a
    problem in the report.

    Raises:
        LogUnreadable: no path is given, one is missing or cannot be looked at, or a folder holds no file.
    """
    if not paths:
        raise LogUnreadable(
            "log", "no file or folder was given", "Name a Sysmon log, an archive or a folder of them"
        )
    found: list[LogPath] = []
    for path in paths:
        found += _paths_behind(path, report)
    return found


def total_bytes(paths: Sequence[Path]) -> int:
    """Size on disk of all files behind these paths, in bytes: what `ReadReport.bytes_read` grows to.

    Raises:
        LogUnreadable: as `log_paths`.
    """
    return sum(_size(log.path) for log in log_paths(paths))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # gone since; reported when it is to be read


def _paths_behind(path: Path, report: ReadReport | None) -> list[LogPath]:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as exc:
        raise LogUnreadable(path_label(path), _os_reason(exc)) from exc
    if stat.S_ISREG(mode):
        return [LogPath(path, named=True)]
    if not stat.S_ISDIR(mode):
        raise LogUnreadable(path_label(path), "is neither a file nor a folder")
    found = [LogPath(file, named=False) for file in _files_in(path, report)]
    if not found:
        raise LogUnreadable(path_label(path), "the folder holds no file")
    return found


def _files_in(folder: Path, report: ReadReport | None) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as exc:
        _tell(report, folder, _os_reason(exc))
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            _tell(report, path, "is a symbolic link and is not followed")
        elif entry.is_dir(follow_symlinks=False):
            yield from _files_in(path, report)
        elif entry.is_file(follow_symlinks=False):
            yield path
        else:
            _tell(report, path, "is no regular file and is not read")


def path_label(path: Path) -> str:
    """The path as text that can be printed: bytes that are no UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def _tell(report: ReadReport | None, path: Path, reason: str) -> None:
    if report is not None:
        report.problem(path_label(path), None, reason)


def _os_reason(exc: OSError | ValueError) -> str:
    if isinstance(exc, FileNotFoundError):
        return "does not exist"
    if isinstance(exc, PermissionError):
        return "may not be read: permission denied"
    return f"cannot be read: {exc.strerror if isinstance(exc, OSError) else exc}"


class DiskFile:
    """An open file that counts what is read from it. The count never exceeds the size of the file."""

    def __init__(self, log: LogPath, report: ReadReport, progress: Callable[[int], None] | None) -> None:
        """Open the file.

        Raises:
            StreamBroken: it cannot be opened, or is no regular file.
        """
        self.label = path_label(log.path)
        self._report = report
        self._progress = progress
        self._counted = 0
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        if not log.named:
            flags |= getattr(os, "O_NOFOLLOW", 0)  # it may have been swapped since the folder was listed
        try:
            self._handle = os.open(log.path, flags)
        except OSError as exc:
            raise StreamBroken(_os_reason(exc)) from exc
        status = os.fstat(self._handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._handle)
            raise StreamBroken("is no regular file and is not read")
        self.size = status.st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        os.close(self._handle)
        if kind is None:
            self._count(self.size)  # a zip is not read to its last byte

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; b"" at the end.

        Raises:
            StreamBroken: the disk or the share failed.
        """
        try:
            block = os.read(self._handle, size)
        except OSError as exc:
            raise StreamBroken(_os_reason(exc)) from exc
        self._count(len(block))
        return block

    def seek(self, position: int, /) -> None:
        """The next `read` begins at `position` bytes from the start."""
        os.lseek(self._handle, position, os.SEEK_SET)

    def _count(self, count: int) -> None:
        count = min(count, self.size - self._counted)
        if count > 0:
            self._counted += count
            self._report.bytes_read += count
            if self._progress is not None:
                self._progress(count)
