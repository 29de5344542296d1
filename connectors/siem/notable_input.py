"""From bytes to the objects that may be notables: which shapes there are, and how each is opened.

A text is JSON, JSON lines, CSV, XML, or notables as ES indexes them, plain or compressed with gzip. An
object is of the first shape in SHAPES that it fits, else it is a notable by itself. The readers are in
`connectors.siem.input`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import orjson

from connectors.errors import NotableError
from connectors.siem.input import alerts, pages, rows, soar
from connectors.siem.input.candidate import (
    INPUT,
    KNOWN_SHAPES,
    MAX_INPUT,
    MAX_NOTABLES,
    BrokenLine,
    Candidate,
    refused,
)
from connectors.siem.input.csv_text import is_csv, read_csv
from connectors.siem.input.decoding import decoded
from connectors.siem.input.logs import LOG_REMEDY, is_log_event, is_sysmon
from connectors.siem.input.secrets import kept_json, kept_text, names_secret, not_kept
from connectors.siem.input.xml_results import is_xml, read_xml
from connectors.siem.notable_fields import KNOWN_NAMES, Fields
from connectors.siem.stash import is_stash, split_stash

__all__ = [
    "INPUT",
    "MAX_INPUT",
    "MAX_NOTABLES",
    "BrokenLine",
    "Candidate",
    "json_text",
    "kept_of",
    "open_candidates",
    "read_objects",
]

#: Most envelopes around one another: a page of containers has two.
MAX_ENVELOPES = 4

_EXPORT_NAMES = frozenset(
    {"preview", "init_offset", "offset", "lastrow", "messages", "fields", "highlighted"}
)


class Shape(NamedTuple):
    """One form in which objects come.

    Attributes:
        fits: whether an object has it.
        opens: what is in it: candidates, and objects that are to be opened in turn.
    """

    fits: Callable[[Fields], bool]
    opens: Callable[[Fields], Iterator[object]]


def _is_end_of_export(item: Fields) -> bool:
    """True for the line with which an export without rows ends."""
    return "preview" in item and _EXPORT_NAMES.issuperset(item)


def _nothing(_: Fields) -> Iterator[object]:
    return iter(())


#: Every form of an object; the first that fits is taken.
SHAPES: tuple[Shape, ...] = (
    Shape(soar.has_artifacts, soar.open_container),
    Shape(soar.is_artifact, soar.open_artifact),
    Shape(rows.has_rows, rows.open_rows),
    Shape(rows.has_columns, rows.open_columns),
    Shape(pages.has_results, pages.open_results),
    Shape(alerts.has_result, alerts.open_result),
    Shape(alerts.is_bare_payload, alerts.open_bare_payload),
    Shape(pages.has_findings, pages.open_findings),
    Shape(pages.is_page, pages.open_page),
    Shape(pages.is_bare_container, pages.open_bare_container),
    Shape(_is_end_of_export, _nothing),
)


def read_objects(raw: bytes | str) -> object:
    """Parse an input: JSON as it is; of any other text a list, with candidates and broken lines in it.

    UTF-8, or UTF-16 with a byte order mark; gzip is unpacked. Of a key that stands twice the last one counts.

    Raises:
        NotableError: over MAX_INPUT, no Unicode text, empty, or of no known form (NaN and Infinity are none).
    """
    text = decoded(raw)
    # First what quotes its text: a line within a value must not be taken for an object of its own.
    if is_xml(text):
        return read_xml(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        problem = exc
    if text.lstrip()[:1] not in ("{", "["):
        if is_csv(text):
            return list(read_csv(text))
        if is_stash(text):
            return [{"_raw": event} for event in split_stash(text, MAX_NOTABLES + 1)]
    lines = _json_lines(text)
    if lines is None:
        raise NotableError(INPUT, f"is no JSON: {problem}", KNOWN_SHAPES) from problem
    return lines


def open_candidates(data: object) -> list[Candidate]:
    """Open the wrappings. Rows Splunk sent before the search was done give way to the final ones.

    Raises:
        NotableError: no known shape, nothing but a log, or more than MAX_NOTABLES.
    """
    opened: list[Candidate] = []
    events = 0
    for candidate in _open(data):
        if len(opened) == MAX_NOTABLES:
            raise NotableError(
                INPUT, f"holds more than {MAX_NOTABLES:,} notables", "Split it into several files"
            )
        # What SOAR or an alert hands over was raised, whatever its fields.
        if candidate.source is None and candidate.problem is None and is_log_event(candidate.fields):
            events += 1
            event = refused(candidate.raw, "event", "is one of a log, not a notable", LOG_REMEDY)
            opened.append(event._replace(preview=candidate.preview))
        else:
            opened.append(candidate)
    if events and events == len(opened):
        what = "a Sysmon log" if is_sysmon(json_text(opened[0].raw)) else "a log of events"
        raise NotableError(INPUT, f"is {what}, not a notable", LOG_REMEDY)
    if any(not candidate.preview for candidate in opened):
        return [candidate for candidate in opened if not candidate.preview]
    unfinished = NotableError("preview", "is true: the search was not done", "Export the finished search")
    return [candidate._replace(fields={}, problem=unfinished) for candidate in opened]


def kept_of(candidate: Candidate) -> str:
    """What is kept of an object that makes no notable, as text, without what opens other doors."""
    if isinstance(candidate.raw, BrokenLine):
        return kept_text(candidate.raw.text)
    return kept_json(candidate.raw, json_text)


def json_text(value: object) -> str:
    """A parsed object as JSON text, for keeping."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # nested deeper than orjson writes, or an integer over 64 bits
        pass
    try:
        return json.dumps(value, default=repr)
    except (TypeError, ValueError, RecursionError) as exc:
        return json.dumps(f"cannot be written as JSON: {exc}")


def _json_lines(text: str) -> list[object] | None:
    """The objects of JSON lines; None when no line is an object by itself.

    An object has to start its line: in JSON that is spread over lines and broken, inner objects are indented.
    """
    read: list[object] = []
    objects = 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        if len(read) > MAX_NOTABLES:  # one too many is refused by open_candidates
            break
        try:
            item = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            read.append(BrokenLine(line.strip(), f"is no JSON: {exc}"))
            continue
        objects += isinstance(item, dict) and line.startswith("{")
        read.append(item)
    return _without_broken_secrets(read) if objects else None


def _without_broken_secrets(read: list[object]) -> list[object]:
    """The lines; where a broken one names a secret, its value may stand on any other that is no object."""
    broken = [each for each in read if isinstance(each, BrokenLine)]
    if not any(names_secret(each.text) for each in broken):
        return read
    return [each if isinstance(each, dict) else _hidden(each) for each in read]


def _hidden(line: object) -> BrokenLine:
    if isinstance(line, BrokenLine):
        return line._replace(text=not_kept(line.text))
    return BrokenLine(not_kept(json_text(line)), "is not an object", INPUT, KNOWN_SHAPES)


def _open(data: object) -> Iterator[Candidate]:
    if isinstance(data, list | tuple):
        for item in data:
            yield from _open_one(item, 0)
    elif not isinstance(data, Mapping):
        raise NotableError(INPUT, "is neither an object nor an array", KNOWN_SHAPES)
    elif (
        any(shape.fits(data) for shape in SHAPES)
        or not KNOWN_NAMES.isdisjoint(data)
        or "_raw" in data
        or is_log_event(data)
    ):
        yield from _open_one(data, 0)
    else:
        raise NotableError(INPUT, "has no field of a notable", KNOWN_SHAPES)


def _open_one(item: object, envelopes: int) -> Iterator[Candidate]:
    if isinstance(item, Candidate):
        yield item
    elif isinstance(item, BrokenLine):
        yield item.refused
    elif not isinstance(item, Mapping):
        yield refused(item, INPUT, "is not an object")
    elif (shape := next((each for each in SHAPES if each.fits(item)), None)) is None:
        yield Candidate(item, None, item)
    elif envelopes == MAX_ENVELOPES:
        yield refused(item, INPUT, f"is wrapped more than {MAX_ENVELOPES} times", "Give what is in it")
    else:
        for inner in shape.opens(item):
            yield from _open_one(inner, envelopes + 1)
