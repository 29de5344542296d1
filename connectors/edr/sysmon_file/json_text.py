"""JSON logs: every record is parsed, also those nobody wants, so that no broken one stays hidden."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import orjson

from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.json_shapes import MISS, Shape, channel_of, shape_of
from connectors.edr.sysmon_file.json_values import value_blocks
from connectors.edr.sysmon_file.limits import size_text
from connectors.edr.sysmon_file.streams import Peekable
from connectors.edr.sysmon_file.sysmon_names import BAD_ID, OTHER, BrokenRecord
from connectors.edr.sysmon_file.text_lines import line_blocks

# An escape, taken whole so that `\\ud800` is not mistaken for one; the group is a lone surrogate.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


def read_json_lines(
    stream: Peekable, source: str, wanted: frozenset[int], report: ReadReport, record_bytes: int
) -> Iterator[RawEvent]:
    """The wanted Sysmon events of a UTF-8 text with one JSON record a line; RawEvent.record is the line.

    Raises:
        StreamBroken: the rest cannot be read.
    """
    too_long = f"a line of more than {size_text(record_bytes)}; it is skipped"
    blocks = line_blocks(stream, record_bytes, lambda line: report.problem(source, line, too_long))
    numbered = (enumerate(lines, first) for first, lines in blocks)
    return _read(numbered, source, wanted, report)


def read_json_values(
    stream: Peekable, source: str, wanted: frozenset[int], report: ReadReport, record_bytes: int
) -> Iterator[RawEvent]:
    """The same of a JSON array, or of values that span lines; RawEvent.record is the line one begins on.

    Raises:
        StreamBroken: the rest cannot be read.
    """
    blocks = value_blocks(stream, record_bytes, lambda line, reason: report.problem(source, line, reason))
    return _read(blocks, source, wanted, report)


def _read(
    blocks: Iterable[Iterable[tuple[int, bytes]]], source: str, wanted: frozenset[int], report: ReadReport
) -> Iterator[RawEvent]:
    """The hot loop: what is done for each record decides the speed of the reader."""
    loads = orjson.loads
    probe, build = _NO_SHAPE
    strays = _Strays(source, report)
    sysmon = other = 0
    try:
        for block in blocks:
            for number, text in block:
                if not text:
                    continue
                try:
                    record = loads(text)
                except orjson.JSONDecodeError as exc:
                    record = _repaired(text)
                    if record is None:
                        strays.broken(text, number, exc.msg)
                        continue
                event_id = probe(record)
                if event_id == MISS:
                    probe, build = strays.find(record, number) or (probe, build)
                    event_id = probe(record)
                if event_id < 0:
                    if event_id == OTHER:
                        other += 1
                    elif event_id == BAD_ID:
                        report.problem(source, number, "a Sysmon event without a usable EventID")
                    continue
                sysmon += 1
                if event_id in wanted:
                    try:
                        computer, logged_at, data, record_id = build(record, event_id)
                    except BrokenRecord as exc:
                        report.problem(source, number, exc.reason)
                        continue
                    yield RawEvent(event_id, computer, logged_at, data, source, number, record_id)
    finally:
        report.sysmon_events += sysmon
        report.other_records += other
    strays.conclude()


_NO_SHAPE = Shape(lambda _: MISS, lambda _record, _event_id: ("", "", {}, None))


class _Strays:
    """Deals with what is not like the record before: finds its shape, tells what is broken or has none."""

    def __init__(self, source: str, report: ReadReport) -> None:
        self._source = source
        self._report = report
        self._found = False
        self._unknown = 0

    def broken(self, text: bytes, number: int, reason: str) -> None:
        if text.strip():
            self._report.problem(self._source, number, f"is no valid JSON: {reason}")

    def find(self, record: object, number: int) -> Shape | None:
        shape = shape_of(record)
        if shape is not None:
            self._found = True
            if shape.probe(record) == OTHER:  # of a source without Sysmon events the first record is one
                self._report.other_channels.setdefault(self._source, channel_of(record))
        elif isinstance(record, dict):
            self._unknown += 1
            self._report.other_records += 1
        else:
            self._report.problem(self._source, number, "is no JSON object")
        return shape

    def conclude(self) -> None:
        if self._unknown and not self._found:
            self._report.problem(
                self._source,
                None,
                f"none of its {self._unknown} JSON records has a shape of an event log that is known",
            )


def _repaired(text: bytes) -> object:
    """The record with each lone surrogate replaced by U+FFFD; None if it is broken all the same.

    Windows allows file names with lone surrogates, JSON parsers refuse them: left so, a process could hide
    its events by its name.
    """
    if b"\\u" not in text:
        return None
    repaired, count = _ESCAPE.subn(lambda found: b"\\ufffd" if found[1] else found[0], text)
    if not count:
        return None
    try:
        record: object = orjson.loads(repaired)
    except orjson.JSONDecodeError:
        return None
    return record
