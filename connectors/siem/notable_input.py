"""From bytes to the objects that may be notables: which shapes there are, and how each is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import orjson

from connectors.errors import NotableError
from connectors.facts.notable import NotableSource
from connectors.siem.notable_fields import KNOWN_NAMES, Fields

#: Largest input, in bytes.
MAX_INPUT = 8 * 1024 * 1024

#: Most notables of one input.
MAX_NOTABLES = 10_000

#: The input as a whole, as errors call it.
INPUT = "input"

#: Keys of an ES 8 finding that a notable of ES 7 has not.
_FINDING_NAMES = frozenset({"finding_id", "finding_score", "entity_type", "detection_id"})

#: Beside "result" these mean a webhook body; an export row has preview, offset and lastrow.
_WEBHOOK_NAMES = frozenset({"search_name", "sid", "results_link"})
_EXPORT_NAMES = frozenset(
    {"preview", "init_offset", "offset", "lastrow", "messages", "fields", "highlighted"}
)

#: Longest container field that is repeated in the kept text of a rejected artifact, in characters.
_CONTAINER_TEXT = 1024

_SHAPES = "Give an ES notable or finding, a Splunk search export, a webhook body, or a SOAR container"


class Candidate(NamedTuple):
    """One object that may be a notable.

    Attributes:
        fields: its fields, with what the object around it adds; empty when `problem` is set.
        source: the shape it came in; None where its fields decide (notable or finding).
        raw: the object as given, such that its JSON can be read again on its own.
        preview: True for a row that Splunk sent before the search was done.
        problem: why it cannot be opened.
    """

    fields: Fields
    source: NotableSource | None
    raw: object
    preview: bool = False
    problem: NotableError | None = None

    @property
    def notable_source(self) -> NotableSource:
        """The shape, decided by the fields where the wrapping says nothing."""
        if self.source is not None:
            return self.source
        is_finding = not _FINDING_NAMES.isdisjoint(self.fields)
        return NotableSource.ES_FINDING if is_finding else NotableSource.ES_NOTABLE


class BrokenLine(NamedTuple):
    """A line of JSON lines that is no JSON."""

    text: str
    problem: str


def read_objects(raw: bytes | str) -> object:
    """Parse JSON, or JSON lines, which become a list; a broken line in it is a BrokenLine.

    UTF-8, or UTF-16 with a byte order mark. Of a key that stands twice the last one counts.

    Raises:
        NotableError: over MAX_INPUT, no Unicode text, empty, or no JSON (NaN and Infinity are not).
    """
    size_limit = NotableError(
        INPUT, f"is larger than {MAX_INPUT // 2**20} MiB", "Split it into several files"
    )
    if len(raw) > MAX_INPUT:
        raise size_limit
    text = raw if isinstance(raw, str) else _decoded(raw)
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise NotableError(INPUT, "is empty", _SHAPES)
    try:
        data = text.encode()
    except UnicodeEncodeError as exc:
        raise NotableError(
            INPUT, f"has no valid character at position {exc.start}", "Save it as UTF-8"
        ) from exc
    if len(data) > MAX_INPUT:
        raise size_limit
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        lines = _json_lines(text)
        if lines is None:
            raise NotableError(INPUT, f"is no JSON: {exc}", _SHAPES) from exc
        return lines


def open_candidates(data: object) -> list[Candidate]:
    """Open the wrappings. Rows Splunk sent before the search was done give way to the final ones.

    Raises:
        NotableError: no known shape, or more than MAX_NOTABLES.
    """
    opened: list[Candidate] = []
    for candidate in _open(data):
        if len(opened) == MAX_NOTABLES:
            raise NotableError(
                INPUT, f"holds more than {MAX_NOTABLES:,} notables", "Split it into several files"
            )
        opened.append(candidate)
    if any(not candidate.preview for candidate in opened):
        return [candidate for candidate in opened if not candidate.preview]
    unfinished = NotableError("preview", "is true: the search was not done", "Export the finished search")
    return [candidate._replace(fields={}, problem=unfinished) for candidate in opened]


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


def _decoded(raw: bytes) -> str:
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as exc:
        raise NotableError(
            INPUT, f"is no {encoding.upper()} text: byte {exc.start + 1} does not fit", "Save it as UTF-8"
        ) from exc


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
    return read if objects else None


def _open(data: object) -> Iterator[Candidate]:
    if isinstance(data, list | tuple):
        for item in data:
            yield from _open_one(item)
    elif not isinstance(data, Mapping):
        raise NotableError(INPUT, "is neither an object nor an array", _SHAPES)
    elif _is_wrapped(data) or not KNOWN_NAMES.isdisjoint(data) or "_raw" in data:
        yield from _open_one(data)
    else:
        raise NotableError(INPUT, "has no field of a notable", _SHAPES)


def _open_one(item: object) -> Iterator[Candidate]:
    if isinstance(item, BrokenLine):
        yield Candidate({}, None, item, problem=NotableError("line", item.problem, "Give one object a line"))
    elif not isinstance(item, Mapping):
        yield _refused(item, INPUT, "is not an object")
    elif isinstance(item.get("artifacts"), list):
        yield from _open_container(item)
    elif "cef" in item:
        yield _open_artifact(item, item.get("container"))
    elif isinstance(item.get("results"), list):
        preview = item.get("preview") is True
        for row in cast("list[object]", item["results"]):
            yield _open_row(row, preview=preview)
    elif isinstance(item.get("result"), Mapping):
        yield _open_result(item)
    elif not _is_end_of_export(item):
        yield Candidate(item, None, item)


def _is_wrapped(item: Fields) -> bool:
    return (
        isinstance(item.get("artifacts"), list)
        or "cef" in item
        or isinstance(item.get("results"), list)
        or isinstance(item.get("result"), Mapping)
        or _is_end_of_export(item)
    )


def _is_end_of_export(item: Fields) -> bool:
    """True for the line with which an export without rows ends."""
    return "preview" in item and _EXPORT_NAMES.issuperset(item)


def _open_row(row: object, *, preview: bool) -> Candidate:
    if not isinstance(row, Mapping):
        return _refused(row, "results", "holds something that is not an object")
    return Candidate(row, None, row, preview=preview)


def _open_result(item: Fields) -> Candidate:
    """A webhook body, or one row of an export."""
    row = cast("Fields", item["result"])
    if _WEBHOOK_NAMES.isdisjoint(item):
        return Candidate(row, None, item, preview=item.get("preview") is True)
    # The body's owner is the owner of the search, not of the notable.
    added = {name: item[name] for name in ("search_name", "sid") if name in item and not row.get(name)}
    return Candidate({**row, **added}, NotableSource.WEBHOOK, item)


def _open_container(item: Fields) -> Iterator[Candidate]:
    inner = item.get("container")
    container = inner if isinstance(inner, Mapping) else item
    artifacts = cast("list[object]", item["artifacts"])
    if not artifacts:
        yield _refused(item, "artifacts", "is empty")
    for artifact in artifacts:
        if isinstance(artifact, Mapping):
            yield _open_artifact(artifact, container)
        else:
            yield _refused(artifact, "artifacts", "holds something that is not an object")


def _open_artifact(artifact: Fields, container: object) -> Candidate:
    kept: dict[str, object] = {}
    added: dict[str, object] = {}
    if isinstance(container, Mapping):
        for name in ("source_data_identifier", "name"):
            if name in container:
                added[f"container[{name}]"] = container[name]
                if isinstance(container[name], str) and len(container[name]) <= _CONTAINER_TEXT:
                    kept[name] = container[name]
    if "source_data_identifier" in artifact:
        added.setdefault("container[source_data_identifier]", artifact["source_data_identifier"])
    raw = {"container": kept, "artifacts": [artifact]} if kept else artifact
    cef = artifact.get("cef")
    if isinstance(cef, str):
        try:
            cef = orjson.loads(cef)
        except orjson.JSONDecodeError:
            return _refused(raw, "cef", "is a text that is no JSON")
    if not isinstance(cef, Mapping):
        return _refused(raw, "cef", "is missing or not an object")
    return Candidate({**cef, **added}, NotableSource.SOAR_ARTIFACT, raw)


def _refused(raw: object, field: str, problem: str) -> Candidate:
    return Candidate({}, None, raw, problem=NotableError(field, problem, _SHAPES))
