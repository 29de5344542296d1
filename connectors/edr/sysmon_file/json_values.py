"""JSON that is not one record a line: an array over the whole file, or pretty-printed values in a row.

Values are cut out by their brackets and strings alone, without parsing: memory stays flat whatever the size
of the array, and a broken value does not hide the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from connectors.edr.sysmon_file.streams import BLOCK_BYTES, Peekable, StreamBroken

# A newline inside a string is an error of JSON; ending the string there takes the reading back into step.
_TOKEN = re.compile(rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+["\n]|["{}\[\]]')
_QUOTE = ord('"')
_CLOSED_BY = {ord("{"): ord("}"), ord("["): ord("]")}
_NEXT_VALUE = re.compile(rb"[}\]]\s*+,?\s*+\{")
#: What may stand between values; evtx_dump writes a line `Record 1` before each.
_SEPARATORS = re.compile(rb"(?:[\s,\[\]]|Record \d++)*+")
_SEPARATOR_BYTES = 1024
#: After so many values that never close, or so many times the cap looked through again for them, the text is
#: no list of records.
_RESTARTS = 200
_RESCANS = 4
#: Values handed over at once: they may be as short as `{}`.
_BLOCK_VALUES = 500

ValueBlock = list[tuple[int, bytes]]


def value_blocks(stream: Peekable, limit: int, problem: Callable[[int, str], None]) -> Iterator[ValueBlock]:
    """The top-level objects (inside one array, if there is one), each with the line it begins on, from 1.

    Told to `problem` with their line: what stands between values and is no separator, a value of more than
    `limit` bytes, and one that never closes.

    Raises:
        StreamBroken: the rest cannot be read.
    """
    splitter = _Splitter(problem)
    broken: StreamBroken | None = None
    ended = False
    while not ended:
        try:
            block = stream.read(min(BLOCK_BYTES, limit))
        except StreamBroken as exc:
            broken, block = exc, b""
        ended = not block
        yield from splitter.feed(block, ended=ended)
        while splitter.open_bytes and (ended or splitter.mismatched or splitter.open_bytes > limit):
            if splitter.restarts > _RESTARTS or splitter.rescanned_bytes > _RESCANS * limit:
                problem(splitter.line, "too many values that never close; the rest is not read")
                return
            unclosed = ended or splitter.mismatched
            reason = "is not closed" if unclosed else "is bigger than the cap on one record"
            yield from splitter.restart(reason, ended=ended)
    if broken is not None:
        raise broken


class _Splitter:
    def __init__(self, problem: Callable[[int, str], None]) -> None:
        self.line = 1  # of _at
        self.restarts = 0
        self.rescanned_bytes = 0
        self._problem = problem
        self._text = b""
        self._at = 0  # all before is done with
        self._scanned = 0  # up to here the open value was looked through
        self._opened: list[int] = []  # the ends that the open value waits for
        self.mismatched = False
        self._told = False

    @property
    def open_bytes(self) -> int:
        """How much there is of a value that has begun and not ended."""
        return len(self._text) - self._at if self._opened or self.mismatched else 0

    def feed(self, block: bytes, *, ended: bool) -> Iterator[ValueBlock]:
        """Add text; the values that are complete with it."""
        self._text = self._text[self._at :] + block
        self._scanned -= self._at
        self._at = 0
        values: ValueBlock = []
        while self._opened or self._find_start(ended=ended):
            end = self._find_end()
            if end is None:
                break
            values.append((self.line, self._text[self._at : end]))
            self._advance(end)
            self._told = False
            if len(values) == _BLOCK_VALUES:
                yield values
                values = []
        yield values

    def restart(self, reason: str, *, ended: bool) -> Iterator[ValueBlock]:
        """Give up the open value; go on at the next thing that looks like one."""
        self._problem(self.line, f"a JSON value that begins here {reason}; it is skipped")
        self.restarts += 1
        self.rescanned_bytes += self.open_bytes
        self._opened.clear()
        self.mismatched = False
        following = _NEXT_VALUE.search(self._text, self._at + 1)
        self._advance(following.end() - 1 if following else len(self._text))
        return self.feed(b"", ended=ended)

    def _find_start(self, *, ended: bool) -> bool:
        start = self._text.find(b"{", self._at)
        end = start
        if start < 0:
            end = len(self._text)
            if not ended and end - self._at < _SEPARATOR_BYTES:
                return False  # maybe half a separator
        if not self._told and not _SEPARATORS.fullmatch(self._text, self._at, end):
            self._problem(self.line, "text that is no JSON object")
            self._told = True
        self._advance(end)
        self._scanned = end
        return start >= 0

    def _find_end(self) -> int | None:
        scanned, text, opened = self._scanned, self._text, self._opened
        for token in _TOKEN.finditer(text, scanned):
            mark = text[token.start()]
            if mark == _QUOTE and token.end() == token.start() + 1:
                break  # the string goes on in the next block
            scanned = token.end()
            if mark in _CLOSED_BY:
                opened.append(_CLOSED_BY[mark])
            elif mark != _QUOTE:
                if mark != opened.pop():
                    self.mismatched = True
                    break
                if not opened:
                    return scanned
        self._scanned = scanned
        return None

    def _advance(self, to: int) -> None:
        self.line += self._text.count(b"\n", self._at, to)
        self._at = to
