"""XmlWinEventLog text: events with or without a root element, one a line or over many, other text between."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.limits import size_text
from connectors.edr.sysmon_file.streams import BLOCK_BYTES, Peekable, StreamBroken
from connectors.edr.sysmon_file.sysmon_names import (
    BAD_ID,
    SYSMON_CHANNEL,
    SYSMON_PROVIDER,
    BrokenRecord,
    Decoded,
    event_number,
    is_sysmon,
)
from connectors.edr.sysmon_file.xml_event import DOCTYPE_REFUSED, HEAD, all_plain, read_event, read_plain

_START = re.compile(rb"<Event[\s>/]")
_END = b"</Event>"
#: What may stand around events without being a record: declaration, root element, evtx_dump's counter.
_FRAME = re.compile(rb"(?:\s|<\?xml[^<>]*\?>|</?Events[^<>]*>|<!--[^<>]*-->|Record \d++)*+")
_SYSMON = SYSMON_PROVIDER.encode()
_SYSMON_FOLDED = _SYSMON.lower()
_CHANNEL = SYSMON_CHANNEL.encode()
_CHANNEL_NAMED = re.compile(rb"<Channel>([^<]*)</Channel>")
#: Events judged in one go; if one is bad, each is judged alone.
_BATCH = 64


def read_xml(
    stream: Peekable, source: str, wanted: frozenset[int], report: ReadReport, record_bytes: int
) -> Iterator[RawEvent]:
    """The wanted Sysmon events of a UTF-8 text; RawEvent.record is the line an event begins on.

    Raises:
        StreamBroken: the rest cannot be read.
    """
    return _XmlText(source, wanted, report, record_bytes).read(stream)


class _XmlText:
    """Cuts the text at each `</Event>`; a part is what stands before one, the end tag left out."""

    def __init__(self, source: str, wanted: frozenset[int], report: ReadReport, record_bytes: int) -> None:
        self._source = source
        self._wanted = {str(event_id).encode(): event_id for event_id in wanted}
        self._report = report
        self._record_bytes = record_bytes
        self._line = 1  # of the part in hand
        self._skipping = False  # the part in hand begins with the remains of what was given up

    def read(self, stream: Peekable) -> Iterator[RawEvent]:
        self._refuse_doctype(stream)
        broken: StreamBroken | None = None
        begun = b""
        while True:
            try:
                block = stream.read(min(BLOCK_BYTES, self._record_bytes))
            except StreamBroken as exc:
                broken = exc
                break
            if not block:
                break
            searched = max(0, len(begun) - len(_END))
            begun += block
            if begun.find(_END, searched) >= 0:
                parts = begun.split(_END)
                begun = parts.pop()
                parts[0] = self._without_remains(parts[0])
                for first in range(0, len(parts), _BATCH):
                    yield from self._batch(parts[first : first + _BATCH])
            if len(begun) > self._record_bytes:
                begun = self._shortened(begun)
        self._rest(begun)
        if broken is not None:
            raise broken

    # --- parts that are not whole or not alone ---

    def _refuse_doctype(self, stream: Peekable) -> None:
        head = stream.peek(BLOCK_BYTES)
        start = _START.search(head)
        prolog = head[: start.start()] if start else head
        at = prolog.find(b"<!DOCTYPE")
        if at >= 0 and prolog.lstrip().startswith(b"<"):
            self._problem(1 + prolog.count(b"\n", 0, at), DOCTYPE_REFUSED)
            self._skipping = True

    def _without_remains(self, part: bytes) -> bytes:
        """The first part of a block, without what is left of an event that was given up."""
        if not self._skipping:
            return part
        self._skipping = False
        start = _last_start(part)
        self._line += part.count(b"\n", 0, start)
        return part[start:]

    def _shortened(self, begun: bytes) -> bytes:
        """Of too long a text without an end tag, what may still become an event."""
        keep = _last_start(begun)
        if self._skipping:
            self._skipping = keep == len(begun)
        else:
            self._skipping = True
            start = _START.search(begun)
            if start is None:
                self._report.other_records += 1
            else:
                self._too_long(self._line + begun.count(b"\n", 0, start.start()))
                keep = _last_start(begun, start.end())
        keep = min(keep, len(begun) - len(_END))  # a tag may be half there
        self._line += begun.count(b"\n", 0, keep)
        return begun[keep:]

    def _too_long(self, line: int) -> None:
        self._problem(line, f"an event of more than {size_text(self._record_bytes)}; it is skipped")

    def _rest(self, begun: bytes) -> None:
        start = _START.search(begun)
        if start is not None:
            line = self._line + begun.count(b"\n", 0, start.start())
            self._problem(line, "the event that begins here has no end: the text is cut")
            begun = begun[: start.start()]
        if not self._skipping:
            self._between(begun)

    def _between(self, gap: bytes) -> None:
        if not _FRAME.fullmatch(gap):
            self._report.other_records += 1

    # --- whole parts ---

    def _batch(self, parts: list[bytes]) -> Iterator[RawEvent]:
        heads = [head for part in parts if (head := _head_of(part))]
        if len(heads) < len(parts) or max(map(len, parts)) > self._record_bytes or not all_plain(parts):
            for part in parts:
                yield from self._alone(part)
                self._line += part.count(b"\n")
            return
        counted = 0
        for index, (part, head) in enumerate(zip(parts, heads, strict=True)):
            is_usual = head[1] == _SYSMON
            event_id = self._wanted.get(head[2])
            if is_usual:
                self._report.sysmon_events += 1
                if event_id is None:
                    continue
            elif head[1].lower() != _SYSMON_FOLDED and _CHANNEL not in part:
                self._report.other_records += 1
                if self._source not in self._report.other_channels:
                    channel = _CHANNEL_NAMED.search(part)
                    self._other_channel(channel[1].decode("utf-8", "replace") if channel else "")
                continue
            self._line += b"".join(parts[counted:index]).count(b"\n")
            counted = index
            line = self._line + part.count(b"\n", 0, len(part) - len(part.lstrip()))
            if is_usual and event_id is not None:
                yield from self._raw(line, event_id, partial(read_plain, part))
            else:
                yield from self._odd(line, part.lstrip() + _END)
        self._line += b"".join(parts[counted:]).count(b"\n")

    def _alone(self, part: bytes) -> Iterator[RawEvent]:
        """A part whose neighbourhood is not as it should be; maybe it is itself."""
        if not part:
            return
        start = _START.search(part)
        if start is None:
            self._problem(self._line + part.count(b"\n"), "the end of an event whose beginning is missing")
            return
        self._between(part[: start.start()])
        line, part = self._line + part.count(b"\n", 0, start.start()), part[start.start() :]
        while len(part) > self._record_bytes:
            self._too_long(line)
            at = _last_start(part, 1)
            if at == len(part):
                return
            line, part = line + part.count(b"\n", 0, at), part[at:]
        head = _head_of(part)
        if head is None or head[1] != _SYSMON or not all_plain([part]):
            yield from self._odd(line, part + _END)
            return
        self._report.sysmon_events += 1
        event_id = self._wanted.get(head[2])
        if event_id is not None:
            yield from self._raw(line, event_id, partial(read_plain, part))

    def _odd(self, line: int, text: bytes) -> Iterator[RawEvent]:
        """An event that is not like the others, with a parser."""
        try:
            event = read_event(text)
        except BrokenRecord as exc:
            self._problem(line, f"an event that {exc.reason}")
            at = _last_start(text, 1)
            if at < len(text):  # a cut event and the whole one after it ended up in one part
                yield from self._odd(line + text.count(b"\n", 0, at), text[at:])
            return
        if not is_sysmon(event.provider, event.channel):
            self._report.other_records += 1
            self._other_channel(event.channel)
            return
        event_id = event_number(event.event_id)
        if event_id == BAD_ID:
            self._problem(line, "a Sysmon event without a usable EventID")
            return
        self._report.sysmon_events += 1
        if event_id in self._wanted.values():
            yield from self._raw(line, event_id, event.decoded)

    def _raw(self, line: int, event_id: int, decode: Callable[[], Decoded]) -> Iterator[RawEvent]:
        try:
            computer, logged_at, data, record_id = decode()
        except BrokenRecord as exc:
            self._problem(line, exc.reason)
            return
        yield RawEvent(event_id, computer, logged_at, data, self._source, line, record_id)

    def _other_channel(self, channel: str) -> None:
        self._report.other_channels.setdefault(self._source, channel)

    def _problem(self, line: int, reason: str) -> None:
        self._report.problem(self._source, line, reason)


_head_of = HEAD.match


def _last_start(text: bytes, after: int = 0) -> int:
    """Where the last event begins at or after a position; the length of the text when none does."""
    at = len(text)
    while (at := text.rfind(b"<Event", after, at)) >= 0:
        if _START.match(text, at):
            return at
    return len(text)
