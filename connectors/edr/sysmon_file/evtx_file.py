"""Native Windows event logs, through the Rust package `evtx`, chunk by chunk.

Each chunk is handed over alone: one that makes the package fail costs only itself, memory stays at one chunk,
and an EVTX in an archive needs no temporary file; it is 4 % slower than the whole file at once. Records are
taken as JSON: the package's XML is not always well-formed.
"""

from __future__ import annotations

import functools
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
from connectors.edr.sysmon_file.json_shapes import EVTX_SHAPE
from connectors.edr.sysmon_file.streams import Peekable
from connectors.edr.sysmon_file.sysmon_names import EVENT_IDS, OTHER, SYSMON_CHANNEL, BrokenRecord

#: The count of chunks in the file header has 16 bits; a bigger log overflows it.
_MOST_COUNTED_CHUNKS = 0xFFFF

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
    loads, is_time = orjson.loads, datetime.fromisoformat
    sysmon = 0
    try:
        for number, text in enumerate(records.texts, before + 1):
            try:
                record = loads(text)
            except orjson.JSONDecodeError as exc:
                reason = records.broken.get(
                    number - before - 1, f"the evtx package made bad JSON of it: {exc.msg}"
                )
                report.problem(source, number, reason)
                continue
            # The usual case, written out: through the shape it is 8 % slower.
            usual = None
            try:
                event = record["Event"]
                system = event["System"]
                event_id = system["EventID"]
                if event_id.__class__ is int and system["Channel"] == SYSMON_CHANNEL:
                    if event_id in wanted:
                        computer, data = system["Computer"], event["EventData"]
                        when = system["TimeCreated"]["#attributes"]["SystemTime"]
                        valid = computer.__class__ is str and data.__class__ is dict and data
                        if valid and is_time(when) and when[-1] == "Z":
                            usual = (event_id, computer, when, data, source, number)
                    elif event_id in EVENT_IDS:
                        sysmon += 1
                        continue
            except (KeyError, TypeError, ValueError):
                pass
            if usual is not None:
                sysmon += 1
                yield new_event(usual)
            elif (unusual := _unusual(record, source, number, wanted, report)) is not None:
                yield unusual
    finally:
        report.sysmon_events += sysmon


def _unusual(
    record: object, source: str, number: int, wanted: frozenset[int], report: ReadReport
) -> RawEvent | None:
    """An event through its shape: other providers, and what is not as Windows writes it."""
    event_id = EVTX_SHAPE.probe(record)
    if event_id == OTHER:
        report.other_records += 1
    elif event_id < 0:
        report.problem(source, number, "an event without a usable EventID")
    else:
        report.sysmon_events += 1
        if event_id in wanted and isinstance(record, dict):
            try:
                return RawEvent(event_id, *EVTX_SHAPE.build(record, event_id), source, number)
            except BrokenRecord as exc:
                report.problem(source, number, exc.reason)
    return None
