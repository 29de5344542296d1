"""The members of a tar archive, read as a stream; nothing is ever written under a member's name.

Own reader, not `tarfile`: that takes a damaged header in the middle for the end of the archive, without a
word, and reads extended headers of any size into memory.
Format: POSIX.1-2017 pax and ustar, and GNU long names; https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from connectors.edr.sysmon_file.streams import BLOCK_BYTES, Bounded, Peekable, StreamBroken

_RECORD = 512
#: Extended headers hold a name and a few numbers; GNU tar's longest are some kilobytes.
_EXTENDED_BYTES = 1024 * 1024
_EMPTY_RECORD = bytes(_RECORD)

_REGULAR = (b"0", b"\0", b"7")
_DIRECTORY = b"5"
_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK = b"x", b"g", b"L", b"K"
_SKIPPED_KINDS = {
    b"1": "is a hard link and is not read",
    b"2": "is a symbolic link and is not read",
    b"3": "is a device and is not read",
    b"4": "is a device and is not read",
    b"6": "is a named pipe and is not read",
    b"S": "is a sparse file and is not read",
}


class TarMember(NamedTuple):
    """One member.

    Attributes:
        name: as written in the archive, only ever a label.
        skipped: why it is not read, when it is no regular file, else "".
        stream: its content; empty when skipped.
    """

    name: str
    skipped: str
    stream: Peekable


def looks_like_tar(head: bytes) -> bool:
    """Whether these first 512 bytes are a tar header."""
    return len(head) >= _RECORD and head[:_RECORD] != _EMPTY_RECORD and _checksum_is_right(head[:_RECORD])


def tar_members(archive: Peekable) -> Iterator[TarMember]:
    """The members in order, directories left out. What a caller leaves unread of a member is skipped.

    Raises:
        StreamBroken: the archive is cut or damaged from here on.
    """
    name, size = "", -1
    while True:
        header = archive.read_exactly(_RECORD)
        if header == _EMPTY_RECORD:
            return
        if len(header) < _RECORD:
            archive.read(1)  # raises what broke the stream, if anything did
            raise StreamBroken("the tar archive has no end mark: it is cut")
        if not _checksum_is_right(header):
            raise StreamBroken("the tar archive is damaged: a header is not one; the rest is not read")
        kind = header[156:157]
        own_size = _number(header[124:136])
        if kind in {_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK}:
            content = _extended_header(archive, own_size)
            if kind == _GNU_NAME:
                name = _text(content)
            elif kind == _PAX:
                pax = _pax_fields(content)
                name = pax.get("path", name)
                size = _pax_size(pax.get("size", ""), size)
            continue
        size = own_size if size < 0 else size
        skipped = "" if kind in _REGULAR else _SKIPPED_KINDS.get(kind, "is of a kind that is not read")
        body = Peekable(Bounded(archive, size, cut="the tar archive ends inside this member: it is cut"))
        if kind != _DIRECTORY:
            yield TarMember(
                name or _header_name(header), skipped, body if not skipped else Peekable(_Nothing())
            )
        body.skip_rest()
        _skip(archive, -size % _RECORD)
        name, size = "", -1


class _Nothing:
    def read(self, size: int, /) -> bytes:  # noqa: ARG002  the protocol's signature
        return b""


def _extended_header(archive: Peekable, size: int) -> bytes:
    if size > _EXTENDED_BYTES:
        raise StreamBroken("the tar archive has an extended header of more than 1 MiB; the rest is not read")
    content = archive.read_exactly(size)
    _skip(archive, -size % _RECORD)
    return content


def _skip(archive: Peekable, size: int) -> None:
    while size > 0:
        block = archive.read(min(size, BLOCK_BYTES))
        if not block:
            return  # a missing end is noticed at the next header
        size -= len(block)


def _checksum_is_right(header: bytes) -> bool:
    try:
        stated = _number(header[148:156])
    except StreamBroken:
        return False
    plain = header[:148] + b" " * 8 + header[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in plain)
    return stated in {sum(plain), signed}


def _number(field: bytes) -> int:
    """A number of a header: octal text, or base 256 when the first bit is set (GNU, 8 GiB and more)."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    text = field.rstrip(b"\0 ").lstrip(b" ")
    if text.strip(b"01234567"):
        raise StreamBroken("the tar archive is damaged: a header is not one; the rest is not read")
    return int(text or b"0", 8)


def _header_name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


def _pax_size(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else default


def _pax_fields(content: bytes) -> dict[str, str]:
    """The `length key=value` records of a pax header; what is not one ends the reading of it."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(content):
        length_text, space, _ = content[at : at + 32].partition(b" ")
        if not space or not length_text.isdigit() or int(length_text) <= len(length_text) + 1:
            break
        record = content[at + len(length_text) + 1 : at + int(length_text)]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        fields[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at += int(length_text)
    return fields
