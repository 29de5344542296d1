"""From a file on disk to the logs in it: archives and compressed files are opened, by content.

Two layers are read (a .gz in a .zip); a .tar.gz counts as one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from connectors.edr.sysmon_file.disk import DiskFile
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.inflate import GZIP_MAGIC, GzipStream
from connectors.edr.sysmon_file.limits import Budget, ReadLimits, size_text
from connectors.edr.sysmon_file.streams import BLOCK_BYTES, Peekable, StreamBroken
from connectors.edr.sysmon_file.tar_members import looks_like_tar, tar_members
from connectors.edr.sysmon_file.zip_members import MAGICS as ZIP_MAGICS
from connectors.edr.sysmon_file.zip_members import SeekableStream, zip_members

_LAYERS = 2
_TAR_HEAD = 512


class Leaf(NamedTuple):
    """A file or archive member that is itself no archive.

    Attributes:
        label: the file, and the member as `archive!member`.
        stream: its content.
    """

    label: str
    stream: Peekable


def is_container(head: bytes) -> bool:
    """Whether a file that begins so is an archive or a compressed file (needs the first 512 bytes)."""
    return head.startswith((GZIP_MAGIC, *ZIP_MAGICS)) or looks_like_tar(head)


def open_leaves(file: DiskFile, stream: Peekable, limits: ReadLimits, report: ReadReport) -> Iterator[Leaf]:
    """The file itself, or what is in it. What cannot be opened is a problem in the report."""
    budget = Budget(limits, file.size)
    return _Opener(budget, report).leaves(stream, file.label, layer=0, whole=(file, file.size))


class _Opener:
    def __init__(self, budget: Budget, report: ReadReport) -> None:
        self._budget = budget
        self._report = report

    def leaves(
        self, stream: Peekable, label: str, *, layer: int, whole: tuple[SeekableStream, int] | None = None
    ) -> Iterator[Leaf]:
        """`whole` is the same content where it can be read from anywhere, with its size in bytes."""
        head = stream.peek(_TAR_HEAD)
        if not is_container(head):
            yield Leaf(label, stream)
        elif layer == _LAYERS:
            self._report.problem(
                label, None, f"archives nested deeper than {_LAYERS} are not read; unpack it first"
            )
        elif head.startswith(ZIP_MAGICS):
            yield from self._zip(stream, label, layer, whole)
        elif head.startswith(GZIP_MAGIC):
            inner = Peekable(GzipStream(stream, self._budget))
            if looks_like_tar(inner.peek(_TAR_HEAD)):
                yield from self._tar(inner, label, layer)
            else:
                yield from self.leaves(inner, label, layer=layer + 1)
        else:
            yield from self._tar(stream, label, layer)

    def _tar(self, stream: Peekable, label: str, layer: int) -> Iterator[Leaf]:
        try:
            for count, member in enumerate(tar_members(stream)):
                if self._members_reached(label, count):
                    return
                name = f"{label}!{member.name}"
                if member.skipped:
                    self._report.problem(name, None, member.skipped)
                else:
                    yield from self.leaves(member.stream, name, layer=layer + 1)
        except StreamBroken as exc:
            self._broken(label, exc)

    def _zip(
        self, stream: Peekable, label: str, layer: int, whole: tuple[SeekableStream, int] | None
    ) -> Iterator[Leaf]:
        if whole is not None:
            yield from self._zip_of(*whole, label, layer)
            return
        with tempfile.TemporaryFile() as spool:
            try:
                size = self._copy(stream, spool)
            except StreamBroken as exc:
                self._report.problem(label, None, exc.reason)
                return
            yield from self._zip_of(spool, size, label, layer)

    def _copy(self, stream: Peekable, spool: IO[bytes]) -> int:
        cap = self._budget.limits.spool_bytes
        size = 0
        while block := stream.read(BLOCK_BYTES):
            size += len(block)
            if size > cap:
                raise StreamBroken(f"a zip inside an archive is read up to {size_text(cap)}; unpack it first")
            spool.write(block)
        return size

    def _zip_of(self, file: SeekableStream, size: int, label: str, layer: int) -> Iterator[Leaf]:
        try:
            for count, member in enumerate(zip_members(file, size, self._budget)):
                if self._members_reached(label, count):
                    return
                name = f"{label}!{member.name}"
                if member.skipped:
                    self._report.problem(name, None, member.skipped)
                else:
                    yield from self.leaves(member.stream, name, layer=layer + 1)
                if self._budget.stopped:
                    self._report.problem(
                        label, None, "the members that follow are not read: a cap was reached"
                    )
                    return
        except StreamBroken as exc:
            self._broken(label, exc)

    def _members_reached(self, label: str, count: int) -> bool:
        if count < self._budget.limits.members:
            return False
        self._report.problem(
            label, None, f"has more than {self._budget.limits.members} members; the rest is not read"
        )
        return True

    def _broken(self, label: str, exc: StreamBroken) -> None:
        """A defect shows first in the member it is in; it is not told twice."""
        told = self._report.problems[-1] if self._report.problems else None
        if told is None or told.reason != exc.reason or not told.source.startswith(label):
            self._report.problem(label, None, exc.reason)
