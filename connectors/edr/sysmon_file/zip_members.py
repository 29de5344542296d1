"""The members of a zip archive; nothing is ever written under a member's name.

Only stored and deflated members are read, as every ordinary zip program writes them: bzip2 and lzma can
unpack to a million times their size in one step, which no cap could stop in time.
Format: PKWARE APPNOTE 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from connectors.edr.sysmon_file.inflate import InflateStream
from connectors.edr.sysmon_file.limits import Budget
from connectors.edr.sysmon_file.streams import Bounded, ByteStream, Peekable, StreamBroken

LOCAL_MAGIC = b"PK\x03\x04"
_EMPTY_MAGIC = b"PK\x05\x06"
MAGICS = (LOCAL_MAGIC, _EMPTY_MAGIC)

_ENTRY_MAGIC = b"PK\x01\x02"
_END_MAGIC = b"PK\x05\x06"
_END64_MAGIC = b"PK\x06\x06"
_LOCATOR64_MAGIC = b"PK\x06\x07"
_DESCRIPTOR_MAGIC = b"PK\x07\x08"

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")

_STORED, _DEFLATED = 0, 8
_OTHER_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 99: "AES encryption"}
_FLAG_ENCRYPTED, _FLAG_SIZES_AFTER, _FLAG_UTF8 = 1, 8, 0x800
_ZIP64 = 0xFFFFFFFF
_COMMENT_BYTES = 0xFFFF
_UNIX, _UNIX_KIND_MASK, _UNIX_SYMLINK = 3, 0o170000, 0o120000


class ZipMember(NamedTuple):
    """One member.

    Attributes:
        name: as written in the archive, only ever a label.
        skipped: why it cannot be read, else "".
        stream: its content; not to be read when skipped.
    """

    name: str
    skipped: str
    stream: Peekable


class SeekableStream(ByteStream, Protocol):
    """A stream that can be read from anywhere."""

    def seek(self, position: int, /) -> object:
        """The next `read` begins at `position` bytes from the start."""
        ...


class _Entry(NamedTuple):
    name: str
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    offset: int
    unix_mode: int


class _Directory(NamedTuple):
    start: int
    size: int
    shift: int  # bytes in front of the archive, as in a self-extracting one


def zip_members(file: SeekableStream, file_size: int, budget: Budget) -> Iterator[ZipMember]:
    """The members in the order of the directory, folders left out.

    An archive whose directory is gone (a broken download) is read from its front, as far as it goes.

    Raises:
        StreamBroken: the archive is cut or damaged from here on.
    """
    directory = _find_directory(file, file_size)
    if directory is None:
        yield from _members_in_sequence(file, file_size, budget)
        raise StreamBroken("the zip archive has no directory at its end: it is cut; read as far as it goes")
    stream = Peekable(_Region(file, directory.start, directory.size))
    while stream.peek(1):
        entry = _read_entry(stream)
        if entry.name.endswith("/") and not entry.size:
            continue
        yield _open(file, file_size, entry, directory.shift, budget)


def _find_directory(file: SeekableStream, file_size: int) -> _Directory | None:
    tail_size = min(file_size, _END.size + _COMMENT_BYTES)
    tail = Peekable(_Region(file, file_size - tail_size, tail_size)).read_exactly(tail_size)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END.size:
        return None
    end_at = file_size - tail_size + at
    _, _, _, _, _, size, offset, _ = _END.unpack_from(tail, at)
    locator_at = at - _LOCATOR64.size
    if locator_at >= 0 and tail.startswith(_LOCATOR64_MAGIC, locator_at):
        end64_at = end_at - _LOCATOR64.size - _END64.size
        record = Peekable(_Region(file, max(end64_at, 0), _END64.size)).read_exactly(_END64.size)
        if not record.startswith(_END64_MAGIC) or len(record) < _END64.size:
            return None
        *_, size, offset = _END64.unpack(record)
        end_at = end64_at
    shift = end_at - size - offset
    return _Directory(end_at - size, size, shift) if shift >= 0 and size <= end_at else None


def _read_entry(stream: Peekable) -> _Entry:
    fixed = stream.read_exactly(_ENTRY.size)
    if len(fixed) < _ENTRY.size or not fixed.startswith(_ENTRY_MAGIC):
        raise StreamBroken("the directory of the zip archive is damaged; the rest is not read")
    _, _, system, _, _, flags, method, _, _, *sizes, _, _, attributes, offset = _ENTRY.unpack(fixed)
    crc, packed_size, size, name_size, extra_size, comment_size = sizes
    name = stream.read_exactly(name_size)
    extra = stream.read_exactly(extra_size)
    stream.read_exactly(comment_size)
    size, packed_size, offset = _zip64_values(extra, size, packed_size, offset)
    return _Entry(
        name=name.decode("utf-8" if flags & _FLAG_UTF8 else "cp437", "replace"),
        flags=flags,
        method=method,
        crc=crc,
        packed_size=packed_size,
        size=size,
        offset=offset,
        unix_mode=attributes >> 16 if system == _UNIX else 0,
    )


def _zip64_values(extra: bytes, *values: int) -> list[int]:
    """Size, packed size and offset, with those that are too big for 32 bits taken from the zip64 field."""
    at, wide = 0, b""
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = extra[at + 4 : at + 4 + length]
        at += 4 + length
    result = []
    for value in values:
        if value == _ZIP64 and len(wide) >= 8:
            result.append(int.from_bytes(wide[:8], "little"))
            wide = wide[8:]
        else:
            result.append(value)
    return result


def _open(file: SeekableStream, file_size: int, entry: _Entry, shift: int, budget: Budget) -> ZipMember:
    reason = _reason_to_skip(entry)
    at = entry.offset + shift
    header = b""
    if not reason and at + _LOCAL.size <= file_size:
        header = Peekable(_Region(file, at, _LOCAL.size)).read_exactly(_LOCAL.size)
    if not reason and (len(header) < _LOCAL.size or not header.startswith(LOCAL_MAGIC)):
        reason = "is not where the directory of the zip archive says: the archive is damaged"
    if reason:
        return ZipMember(entry.name, reason, Peekable(_Region(file, 0, 0)))
    *_, name_size, extra_size = _LOCAL.unpack(header)
    start = at + _LOCAL.size + name_size + extra_size
    region = _Region(file, start, max(0, min(entry.packed_size, file_size - start)))
    stored = entry.method == _STORED
    content = _Stored(region, budget) if stored else InflateStream(Peekable(region), budget)
    return ZipMember(entry.name, "", Peekable(_Checked(content, entry.crc, entry.size)))


def _reason_to_skip(entry: _Entry) -> str:
    if entry.flags & _FLAG_ENCRYPTED:
        return "is encrypted and is not read"
    if entry.unix_mode & _UNIX_KIND_MASK == _UNIX_SYMLINK:
        return "is a symbolic link and is not read"
    if entry.method not in {_STORED, _DEFLATED}:
        name = _OTHER_METHODS.get(entry.method, f"method {entry.method}")
        return f"is packed with {name}, which is not read; unpack it first"
    return ""


class _Region:
    """Part of a seekable stream, with a position of its own."""

    def __init__(self, file: SeekableStream, start: int, size: int) -> None:
        self._file = file
        self._at = start
        self._end = start + size

    def read(self, size: int, /) -> bytes:
        if self._at >= self._end:
            return b""
        self._file.seek(self._at)
        block = self._file.read(min(size, self._end - self._at))
        self._at += len(block)
        return block


class _Stored:
    def __init__(self, region: _Region, budget: Budget) -> None:
        self._region = region
        self._budget = budget
        self.crc = 0
        self.size = 0

    def read(self, size: int, /) -> bytes:
        block = self._region.read(size)
        self._budget.spend(len(block))
        self.crc = zlib.crc32(block, self.crc)
        self.size += len(block)
        return block


class _Counted(ByteStream, Protocol):
    crc: int
    size: int


class _Checked:
    """Content whose checksum and size are compared once all of it was given."""

    def __init__(self, content: _Counted, crc: int, size: int) -> None:
        self._content = content
        self._expected = (crc, size)

    def read(self, size: int, /) -> bytes:
        block = self._content.read(size)
        if not block and (self._content.crc, self._content.size) != self._expected:
            raise StreamBroken(
                "its size or checksum is not the stated one: some of what was read may be damaged"
            )
        return block


def _members_in_sequence(file: SeekableStream, file_size: int, budget: Budget) -> Iterator[ZipMember]:
    """The members of an archive without a directory, from their own headers, until one is not whole."""
    front = Peekable(_Region(file, 0, file_size))
    while True:
        header = front.read_exactly(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(LOCAL_MAGIC):
            return
        _, _, flags, method, _, _, _, packed_size, _, name_size, extra_size = _LOCAL.unpack(header)
        name = front.read_exactly(name_size).decode("utf-8" if flags & _FLAG_UTF8 else "cp437", "replace")
        front.read_exactly(extra_size)
        if flags & _FLAG_ENCRYPTED or method not in {_STORED, _DEFLATED} or packed_size == _ZIP64:
            return
        if method == _DEFLATED:
            content = Peekable(InflateStream(front, budget))
        elif flags & _FLAG_SIZES_AFTER:
            return  # stored and of unknown size: nothing says where it ends
        else:
            content = Peekable(
                Bounded(front, packed_size, cut="the zip archive ends inside this member: it is cut")
            )
        if not name.endswith("/"):
            yield ZipMember(name, "", content)
        content.skip_rest()
        if flags & _FLAG_SIZES_AFTER:
            front.read_exactly(16 if front.peek(4) == _DESCRIPTOR_MAGIC else 12)
