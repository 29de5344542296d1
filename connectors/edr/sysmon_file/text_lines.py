"""Text logs: encoding, what kind of text it is, and its lines in blocks."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from enum import StrEnum

from connectors.edr.sysmon_file.streams import BLOCK_BYTES, Peekable, StreamBroken, Utf16Stream

#: A log that has not shown what it is after so much text is no known log.
SNIFF_BYTES = 1024 * 1024

_EVENT_START = re.compile(rb"<Event[\s>/]")
_XML_LINE = re.compile(rb"<(\?xml|!DOCTYPE|!--|Events[\s>])")
#: No text holds these, with NUL among them. A log may begin with NUL alone, where room was reserved for it,
#: and a command line may hold any of the others.
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_JSON_LINE = re.compile(rb'\{\s*("|\}|$)|\[\s*(\{|\]|$)')
_WITHOUT_BOM = {b"<\0": "utf-16-le", b"{\0": "utf-16-le", b"[\0": "utf-16-le"}


class TextFormat(StrEnum):
    """What a text log holds."""

    XML = "xml"
    JSON_LINES = "json lines"
    JSON_VALUES = "json values"


def as_utf8(stream: Peekable) -> Peekable:
    """The text as UTF-8 without a byte-order mark. Without a mark it is taken to be UTF-8."""
    head = stream.peek(3)
    if head.startswith(codecs.BOM_UTF8):
        stream.read_exactly(len(codecs.BOM_UTF8))
        return stream
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            stream.read_exactly(len(mark))
            return Peekable(Utf16Stream(stream, encoding))
    encoding = _WITHOUT_BOM.get(head[:2], "")
    return Peekable(Utf16Stream(stream, encoding)) if encoding else stream


def text_format(stream: Peekable) -> TextFormat | None:
    """What this UTF-8 text holds, from its first mebibyte at most; None when it is no known log.

    Lines in front that are neither are passed over: a log may begin in the middle of a record. Not so where
    they are binary: a packet capture may hold a log that was sent somewhere, and is none.
    """
    size = 4096
    while True:
        head = stream.peek(size)
        complete = len(head) < size or size >= SNIFF_BYTES
        found = _format_of(head, complete=complete)
        if found is not None or complete:
            return found
        size = min(size * 16, SNIFF_BYTES)


def _format_of(head: bytes, *, complete: bool) -> TextFormat | None:
    lines = head.split(b"\n")
    if not complete:
        lines.pop()
    at = 0
    for index, line in enumerate(lines):
        if _JSON_LINE.match(line.strip()):
            following = lines[index + 1 :]
            return None if _is_binary(head[:at]) else _json_format(line.strip(), following, complete=complete)
        event = _EVENT_START.search(line)
        if event or _XML_LINE.match(line.strip()):
            return None if _is_binary(head[: at + (event.start() if event else 0)]) else TextFormat.XML
        at += len(line) + 1
    rest = b"" if complete else head[head.rfind(b"\n") + 1 :].lstrip()
    event = _EVENT_START.search(rest)
    if event:  # all events on one long line
        return None if _is_binary(head[: len(head) - len(rest) + event.start()]) else TextFormat.XML
    return TextFormat.JSON_LINES if _JSON_LINE.match(rest) and len(rest) >= SNIFF_BYTES // 2 else None


def _is_binary(front: bytes) -> bool:
    """Whether what stands before the first record is no text, as in a packet capture of a log."""
    return b"\0" in front and _CONTROL.search(front) is not None


def _json_format(first: bytes, following: list[bytes], *, complete: bool) -> TextFormat | None:
    """One record a line, or values that span lines: told by how the next line begins."""
    if first.startswith(b"["):
        return TextFormat.JSON_VALUES
    if first.endswith(b"}"):
        return TextFormat.JSON_LINES
    for line in map(bytes.strip, following):
        if line:
            return TextFormat.JSON_VALUES if line.startswith((b'"', b"}")) else TextFormat.JSON_LINES
    return TextFormat.JSON_LINES if complete else None


def line_blocks(
    stream: Peekable, limit: int, too_long: Callable[[int], None]
) -> Iterator[tuple[int, list[bytes]]]:
    """The lines without their newlines, in blocks, each with the number of its first line (from 1).

    A line of more than `limit` bytes is not held: `too_long` is told its number and an empty line stands for
    it. When the stream breaks, what was read of the last line comes first.

    Raises:
        StreamBroken: the rest cannot be read.
    """
    number = 1
    held: list[bytes] = []
    held_bytes = 0
    skipping = False
    broken: StreamBroken | None = None
    while True:
        try:
            block = stream.read(min(BLOCK_BYTES, limit))
        except StreamBroken as exc:
            broken = exc
            break
        if not block:
            break
        lines = block.split(b"\n")
        if not skipping:
            held.append(lines[0])
            held_bytes += len(lines[0])
            if held_bytes > limit:
                too_long(number)
                skipping = True
                held.clear()
        if len(lines) == 1:
            continue
        lines[0] = b"" if skipping else b"".join(held)
        skipping = False
        last = lines.pop()
        held = [last]
        held_bytes = len(last)
        yield number, lines
        number += len(lines)
    if held_bytes and not skipping:
        yield number, [b"".join(held)]
    if broken is not None:
        raise broken
