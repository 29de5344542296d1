"""Native Windows event logs, through the Rust package `evtx`, chunk by chunk.

Each chunk is handed over alone: one that makes the package fail costs only itself, memory stays at one chunk,
and an EVTX in an archive needs no temporary file; it is 4 % slower than the whole file at once. Records are
taken as JSON: the package's XML is not always well-formed.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Callable, Iterator
from datetime import datetime

import orjson

from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.evtx_chunk import (
    CHUNK_BYTES,
    CHUNK_MAGIC,
    FILE_HEADER_BYTES,
    ChunkRecords,
    read_chunk,
)
from connectors.edr.sysmon_file.json_shapes import EVTX_SHAPE, channel_of
from connectors.edr.sysmon_file.streams import Peekable
from connectors.edr.sysmon_file.sysmon_names import OTHER, BrokenRecord, Decoded

#: The count of chunks in the file header has 16 bits; a bigger log overflows it.
_MOST_COUNTED_CHUNKS = 0xFFFF

# Up to the EventID, in the package's own JSON.
_SYSMON_HEAD = re.compile(
    r'\{"Event":\{"#attributes":\{[^{}]*\},"System":\{"Provider":\{"#attributes":\{'
    r'"Name":"Microsoft-Windows-Sysmon"[^{}]*\}\},"EventID":(0|[1-9]\d{0,3}|[1-5]\d{4}),'
).match
_TIME_KEY, _RECORD_KEY = '"SystemTime":"', '"}},"EventRecordID":'
_HOST_KEY, _DATA_KEY = '"Computer":"', '"EventData":'
#: RawEvent's own constructor takes twice as long.
new_event: Callable[[tuple[object, ...]], RawEvent] = functools.partial(tuple.__new__, RawEvent)


def read_evtx(
    stream: Peekable, source: str, wanted: frozenset[int], report: ReadReport
) -> Iterator[RawEvent]:
    """The wanted Sysmon events of an EVTX file; RawEvent.record counts its records, from 1.

    Raises:
        StreamBroken: the rest cannot be read.
    """
    header = stream.read_exactly(FILE_HEADER_BYTES)
    if len(header) < FILE_HEADER_BYTES:
        report.problem(source, None, "the EVTX file is cut inside its header; nothing of it can be read")
    number = slots = used = 0
    while chunk := stream.read_exactly(CHUNK_BYTES):
        slots += 1
        if chunk.startswith(CHUNK_MAGIC):
            used += 1
            records = read_chunk(chunk, slots)
            yield from _events(records, number, source, wanted, report)
            number += len(records.texts)
            for reason in records.defects:
                report.problem(source, None, reason)
        elif chunk.strip(b"\0"):
            used += 1
            report.problem(source, None, f"chunk {slots} is damaged: it has no signature; it is skipped")
        # else all zero: room kept for later
    if slots < _MOST_COUNTED_CHUNKS:
        _report_missing(header, used, source, report)
    stream.read(1)  # raises what broke the stream, if anything did


def _report_missing(header: bytes, used: int, source: str, report: ReadReport) -> None:
    if len(header) < FILE_HEADER_BYTES:
        return
    (stated,) = struct.unpack_from("<H", header, 42)
    if stated > used:
        missing = stated - used
        report.problem(
            source,
            None,
            f"{missing} of {stated} chunks are missing: the file is cut and their records are lost",
        )


def _events(
    records: ChunkRecords, before: int, source: str, wanted: frozenset[int], report: ReadReport
) -> Iterator[RawEvent]:
    """The wanted events of one chunk, of which only the wanted ones are parsed, and of those only EventData.

    What stands before is written by the package itself, always in the same order, with a backslash before
    each quote inside a value, so that no value can look like a key. Any other text is parsed whole.
    """
    wanted_texts = {str(event_id): event_id for event_id in wanted}
    sysmon = 0
    try:
        for number, text in enumerate(records.texts, before + 1):
            head = _SYSMON_HEAD(text)
            if head is not None:
                event_id = wanted_texts.get(head[1])
                if event_id is None:
                    sysmon += 1
                    continue
                decoded = _decoded(text, head.end())
                if decoded is not None:
                    sysmon += 1
                    computer, logged_at, data, record_id = decoded
                    yield new_event((event_id, computer, logged_at, data, source, number, record_id))
                    continue
            if not text:
                report.problem(source, number, records.broken[number - before - 1])
            elif (event := _parsed(text, source, number, wanted, report)) is not None:
                yield event
    finally:
        report.sysmon_events += sysmon


def _decoded(text: str, at: int) -> Decoded | None:
    """Computer, time, fields and record id of an event as Windows writes it, None when it is not quite so."""
    time_at = text.find(_TIME_KEY, at) + len(_TIME_KEY)
    time_end = text.find('"', time_at)
    if not text.startswith(_RECORD_KEY, time_end):
        return None
    record_at = time_end + len(_RECORD_KEY)
    record_end = text.find(",", record_at)
    host_at = text.find(_HOST_KEY, record_end) + len(_HOST_KEY)
    host_end = text.find('"', host_at)
    data_at = text.find(_DATA_KEY, host_end) + len(_DATA_KEY)
    time, host = text[time_at:time_end], text[host_at:host_end]
    try:
        if min(time_at - len(_TIME_KEY), host_at - len(_HOST_KEY), data_at - len(_DATA_KEY)) < 0:
            return None
        record_id = int(text[record_at:record_end])
        if "\\" in host or time[-1:] != "Z" or not datetime.fromisoformat(time):
            return None
        data = orjson.loads(text[data_at : -len("}}")])  # an error if anything follows EventData
    except ValueError:
        return None
    return (host, time, data, record_id) if isinstance(data, dict) and data else None


def _parsed(
    text: str, source: str, number: int, wanted: frozenset[int], report: ReadReport
) -> RawEvent | None:
    """An event through its shape: other providers, and what is not as Windows writes it."""
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        report.problem(source, number, f"the evtx package made bad JSON of it: {exc.msg}")
        return None
    event_id = EVTX_SHAPE.probe(record)
    if event_id == OTHER:
        report.other_records += 1
        report.other_channels.setdefault(source, channel_of(record))
    elif event_id < 0:
        report.problem(source, number, "an event without a usable EventID")
    else:
        report.sysmon_events += 1
        if event_id in wanted:
            try:
                computer, logged_at, data, record_id = EVTX_SHAPE.build(record, event_id)
                return RawEvent(event_id, computer, logged_at, data, source, number, record_id)
            except BrokenRecord as exc:
                report.problem(source, number, exc.reason)
    return None
