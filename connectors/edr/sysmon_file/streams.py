"""Byte streams that never hold more than they are asked for, and say plainly when they break.

`read(size)` gives at most `size` bytes, maybe fewer, and b"" only at the end. What could be read before a
defect is always given first; the defect is raised by the next call.
"""

from __future__ import annotations

import codecs
from typing import Protocol

#: How much text is read and split at once. Small enough for the second-level cache: 1 MiB is 3 % slower.
BLOCK_BYTES = 256 * 1024


class StreamBroken(Exception):
    """A stream cannot be read any further: cut, corrupt, over a cap, or the disk failed.

    Attributes:
        reason: one sentence for the report, beginning in lower case.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ByteStream(Protocol):
    """Something to read bytes from, in order."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; b"" at the end only.

        Raises:
            StreamBroken: the rest cannot be read.
        """
        ...


class Peekable:
    """A stream whose beginning can be looked at before it is read."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._head = b""
        self._defect: StreamBroken | None = None

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer when the stream ends or breaks before. Nothing is consumed."""
        while len(self._head) < size and self._defect is None:
            try:
                block = self._stream.read(size - len(self._head))
            except StreamBroken as exc:
                self._defect = exc
                break
            if not block:
                break
            self._head += block
        return self._head[:size]

    def read(self, size: int, /) -> bytes:
        """As the stream beneath, beginning with what was peeked."""
        if self._head:
            block, self._head = self._head[:size], self._head[size:]
            return block
        if self._defect is not None:
            raise self._defect
        return self._stream.read(size)

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes, fewer only when the stream ends or breaks before."""
        block = self.peek(size)
        self._head = self._head[len(block) :]
        return block

    def skip_rest(self) -> None:
        """Read to the end and throw away.

        Raises:
            StreamBroken: the rest cannot be read.
        """
        while self.read(BLOCK_BYTES):
            pass


class Bounded:
    """The next `size` bytes of another stream."""

    def __init__(self, stream: ByteStream, size: int, *, cut: str) -> None:
        self._stream = stream
        self._left = size
        self._cut = cut

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes of what is left.

        Raises:
            StreamBroken: the stream beneath ends too early (reason `cut`) or breaks.
        """
        if not self._left:
            return b""
        block = self._stream.read(min(size, self._left))
        if not block:
            raise StreamBroken(self._cut)
        self._left -= len(block)
        return block


class Utf16Stream:
    """UTF-16 text as UTF-8, as wevtutil and PowerShell write it.

    A surrogate without its partner becomes bytes that are not UTF-8: the record it stands in is then
    reported as broken, as in any other encoding, instead of being read as something it is not.
    """

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder(encoding)("surrogatepass").decode

    def read(self, size: int, /) -> bytes:
        """About `size` bytes of UTF-8 (up to one and a half times as many).

        Raises:
            StreamBroken: the stream beneath breaks, or the text ends inside a character.
        """
        while True:
            block = self._stream.read(size)
            try:
                text = self._decode(block, not block)
            except UnicodeDecodeError as exc:
                raise StreamBroken("the UTF-16 text ends inside a character: it is cut") from exc
            if text or not block:
                return text.encode("utf-8", "surrogatepass")
