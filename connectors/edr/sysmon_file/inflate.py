"""Deflate streams: a .gz file, and the members of a zip.

Written on zlib, not on `gzip` and `zipfile`: those throw away what they had unpacked when a stream turns
out to be cut or its checksum wrong, and unpack bzip2 and lzma without any bound.
"""

from __future__ import annotations

import zlib

from connectors.edr.sysmon_file.limits import Budget
from connectors.edr.sysmon_file.streams import Peekable, StreamBroken

GZIP_MAGIC = b"\x1f\x8b"

# Flags of a gzip header (RFC 1952, 2.3.1).
_FLAG_HEADER_CRC = 2
_FLAG_EXTRA = 4
_FLAG_NAME = 8
_FLAG_COMMENT = 16
_METHOD_DEFLATE = 8

_INPUT_BYTES = 64 * 1024
_HEADER_TEXT_BYTES = 64 * 1024


class InflateStream:
    """One raw deflate stream, taken from the front of `packed`; what follows it stays unread there."""

    def __init__(self, packed: Peekable, budget: Budget) -> None:
        self._packed = packed
        self._budget = budget
        self._engine = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        self.crc = 0
        self.size = 0

    def read(self, size: int, /) -> bytes:
        """At most `size` unpacked bytes.

        Raises:
            StreamBroken: the data are cut or corrupt, or a cap is reached.
        """
        while not self._engine.eof:
            data = self._packed.peek(_INPUT_BYTES)
            try:
                block = self._engine.decompress(data, size)
            except zlib.error as exc:
                raise StreamBroken("the compressed data are corrupt from here on") from exc
            left = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
            self._packed.read_exactly(len(data) - len(left))
            if block:
                self._budget.spend(len(block))
                self.crc = zlib.crc32(block, self.crc)
                self.size += len(block)
                return block
            if not data:
                self._packed.read(1)
                raise StreamBroken("the compressed data end too early: the file is cut")
        return b""


class GzipStream:
    """A gzip file: its members one after the other (RFC 1952)."""

    def __init__(self, packed: Peekable, budget: Budget) -> None:
        self._packed = packed
        self._budget = budget
        self._member: InflateStream | None = None
        self._members = 0

    def read(self, size: int, /) -> bytes:
        """At most `size` unpacked bytes.

        Raises:
            StreamBroken: the file is cut or corrupt, or a cap is reached.
        """
        while True:
            if self._member is None:
                if not self._next_member():
                    return b""
                continue
            block = self._member.read(size)
            if block:
                return block
            self._check_trailer(self._member)
            self._member = None

    def _next_member(self) -> bool:
        if self._members and not self._packed.peek(1):
            self._packed.read(1)
            return False
        header = self._packed.read_exactly(10)
        if not header.startswith(GZIP_MAGIC):
            if self._members and not header.strip(b"\0"):
                return False  # padding to a full block, as tapes have it
            raise StreamBroken("bytes that are not gzip follow the compressed data; they are not read")
        if len(header) < 10 or header[2] != _METHOD_DEFLATE:
            raise StreamBroken("the gzip header is cut or of an unknown kind")
        self._skip_optional_fields(header[3])
        self._members += 1
        self._member = InflateStream(self._packed, self._budget)
        return True

    def _skip_optional_fields(self, flags: int) -> None:
        if flags & _FLAG_EXTRA:
            self._packed.read_exactly(int.from_bytes(self._packed.read_exactly(2), "little"))
        for flag in (_FLAG_NAME, _FLAG_COMMENT):
            if flags & flag:
                end = self._packed.peek(_HEADER_TEXT_BYTES).find(b"\0")
                if end < 0:
                    raise StreamBroken("the gzip header is cut or of an unknown kind")
                self._packed.read_exactly(end + 1)
        if flags & _FLAG_HEADER_CRC:
            self._packed.read_exactly(2)

    def _check_trailer(self, member: InflateStream) -> None:
        trailer = self._packed.read_exactly(8)
        if len(trailer) < 8:
            raise StreamBroken("the compressed data end too early: the file is cut")
        if trailer != member.crc.to_bytes(4, "little") + (member.size & 0xFFFFFFFF).to_bytes(4, "little"):
            raise StreamBroken(
                "the checksum of the compressed data is wrong: some of what was read may be damaged"
            )
