"""Reads Sysmon logs of any of the known formats: the one door to the modules beside it.

Formats, told apart by content and never by name: native EVTX; XmlWinEventLog text; JSON as evtx_dump,
winlogbeat and Elastic, NXLog, Mordor and Azure Sentinel write it, one record a line, in one array, or
pretty-printed; .zip, .tar, .gz and .tar.gz of those, two layers deep. Text may be UTF-8 or UTF-16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from connectors.edr.sysmon_file.containers import Leaf, is_container, open_leaves
from connectors.edr.sysmon_file.disk import DiskFile, LogPath, log_paths, path_label, total_bytes
from connectors.edr.sysmon_file.event import RawEvent, ReadProblem, ReadReport
from connectors.edr.sysmon_file.evtx_chunk import FILE_MAGIC as EVTX_MAGIC
from connectors.edr.sysmon_file.evtx_file import read_evtx
from connectors.edr.sysmon_file.json_text import read_json_lines, read_json_values
from connectors.edr.sysmon_file.limits import ReadLimits
from connectors.edr.sysmon_file.streams import Peekable, StreamBroken
from connectors.edr.sysmon_file.text_lines import TextFormat, as_utf8, text_format
from connectors.edr.sysmon_file.xml_text import read_xml
from connectors.errors import LogUnreadable

__all__ = ["read_events", "total_bytes"]

_HEAD_BYTES = 512
_DEFAULT_LIMITS = ReadLimits()
_UNKNOWN = "is no Sysmon log of a known format"
_EMPTY = "is empty"
_CHANNEL_CHARACTERS = 100
_REMEDY = (
    "Known are EVTX, XmlWinEventLog text, JSON of the usual collectors, and .zip, .tar.gz and .gz of those"
)

_TEXT_READERS = {
    TextFormat.XML: read_xml,
    TextFormat.JSON_LINES: read_json_lines,
    TextFormat.JSON_VALUES: read_json_values,
}


def read_events(
    paths: Sequence[Path],
    wanted: frozenset[int],
    report: ReadReport,
    *,
    limits: ReadLimits = _DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
) -> Iterator[RawEvent]:
    """The Sysmon events whose EventID is wanted, in the order of the sources; folders recursively, sorted.

    What is given twice is handed over twice (see repeats).

    Paths are checked at the call, before anything is read. `report` is filled while the events are taken and
    is complete with the last; after a cut or broken record the rest is read all the same. `progress` gets the
    number of bytes on disk consumed since its last call; they add up to `total_bytes`.

    Flat JSON shapes hand over the record as it is, bookkeeping of the collector included.

    Raises:
        LogUnreadable: no path, a missing one, a folder without files, or a file named here that is empty or
            of no known format.
    """
    logs = log_paths(paths, report)
    for log in logs:
        if log.named:
            _check_named(log)
    return _read(logs, wanted, report, limits, progress)


def _check_named(log: LogPath) -> None:
    try:
        with DiskFile(log, ReadReport(), None) as file:
            stream = Peekable(file)
            if not is_container(stream.peek(_HEAD_BYTES)) and _content_reason(stream):
                raise LogUnreadable(file.label, _content_reason(stream), _REMEDY)
    except StreamBroken as exc:
        raise LogUnreadable(path_label(log.path), exc.reason) from exc


def _content_reason(stream: Peekable) -> str:
    """Why this is no log, "" when it is one."""
    if not stream.peek(1):
        return _EMPTY
    if stream.peek(len(EVTX_MAGIC)) == EVTX_MAGIC:
        return ""
    return "" if text_format(as_utf8(stream)) else _UNKNOWN


def _read(
    logs: list[LogPath],
    wanted: frozenset[int],
    report: ReadReport,
    limits: ReadLimits,
    progress: Callable[[int], None] | None,
) -> Iterator[RawEvent]:
    for log in logs:
        try:
            with DiskFile(log, report, progress) as file:
                for leaf in open_leaves(file, Peekable(file), limits, report):
                    yield from _read_leaf(leaf, wanted, report, limits)
        except StreamBroken as exc:
            report.problem(path_label(log.path), None, exc.reason)


def _read_leaf(
    leaf: Leaf, wanted: frozenset[int], report: ReadReport, limits: ReadLimits
) -> Iterator[RawEvent]:
    before = (report.sysmon_events, report.problem_count)
    yield from _leaf_events(leaf, wanted, report, limits)
    if (report.sysmon_events, report.problem_count) == before:
        channel = report.other_channels.get(leaf.label)
        report.without_sysmon.append(ReadProblem(leaf.label, None, _no_sysmon(channel)))


def _no_sysmon(channel: str | None) -> str:
    """What a source without a Sysmon event holds; `channel` is None where it holds no record."""
    if channel is None:
        return "holds no event"
    of_channel = f" of the channel {channel[:_CHANNEL_CHARACTERS]!r}" if channel else " of other providers"
    return f"holds no Sysmon event, only records{of_channel}"


def _leaf_events(
    leaf: Leaf, wanted: frozenset[int], report: ReadReport, limits: ReadLimits
) -> Iterator[RawEvent]:
    try:
        if leaf.stream.peek(len(EVTX_MAGIC)) == EVTX_MAGIC:
            report.sources.append(leaf.label)
            yield from read_evtx(leaf.stream, leaf.label, wanted, report)
            return
        text = as_utf8(leaf.stream)
        kind = text_format(text)
        if kind is None:
            report.problem(leaf.label, None, _UNKNOWN if text.peek(1) else _EMPTY)
            text.read(1)  # raises what broke the stream, if that is why there is nothing
            return
        report.sources.append(leaf.label)
        yield from _TEXT_READERS[kind](text, leaf.label, wanted, report, limits.record_bytes)
    except StreamBroken as exc:
        report.problem(leaf.label, None, exc.reason)
