"""A Splunk with Enterprise Security on this machine: notables, the analytic's events, risk, saved searches.

Requests are held against the document at the end. Search jobs: https://help.splunk.com (REST API reference,
search endpoints). notable_update and reviewstatuses: splunk-soar-connectors/splunk. Event collector: "About
HTTP Event Collector Indexer Acknowledgment". Notes: ansible-collections/splunk.es. Of SPL it understands what
the connector writes; anything else is refused as Splunk refuses a search it cannot parse.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest
from pydantic import SecretStr

from connectors.http.client import Http
from connectors.siem.splunk.connector import SplunkSiem
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.rest import SplunkRest
from connectors.siem.splunk.settings import SplunkSettings
from connectors.siem.stash import parse_stash
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.http_clients import Clock, client

#: Planted; looked for in everything that comes out.
TOKEN = "planted-splunk-token-0123456789"
HEC_TOKEN = "planted-hec-token-0123456789"

STATUSES = (
    ("1", "New", "notable", "1", "0"),
    ("2", "In Progress", "notable", "0", "0"),
    ("4", "Resolved", "notable", "0", "0"),
    ("5", "Closed", "notable", "0", "0"),
    ("6", "Retired", "notable", "0", "1"),
    ("disposition:1", "True Positive - Suspicious Activity", "disposition", "0", "0"),
    ("disposition:6", "Undetermined", "disposition", "1", "0"),
)
CAPABILITIES = ("search", "edit_notable_events", "edit_tcp", "schedule_search")

type Row = dict[str, Any]


class NotSpl(Exception):
    """A search that this Splunk cannot parse."""


class FakeSiem(FakeServer):
    """One Splunk. The switches are attributes; set them at any time.

    Attributes:
        notables: rows of the macro `notable`; `_visible` is when one can be found (epoch), None at once.
        events: Sysmon's network connections by CIM names, with _time, _indextime and `_visible`.
        risk: texts of the risk index.
        saved: saved searches by name.
        notes: contents by finding or investigation.
        calls: how often each operation was asked, by the operationId of the document.
        searches: the SPL that was run.
        updates, collected, received: forms, bodies and parameters as they arrived.
        capabilities: of the token's user.
        failing: this many of the next searches fail.
        peer_down: True leaves half of the rows out, with the message that Splunk gives.
        update_answer: what notable_update answers; None does the update.
        acknowledges: True gives acknowledgements; after `ack_after` questions.
        lose: operations that carry out what is asked and never answer.
        risk_lag_s: seconds until a risk event can be found.
        ignore: operations that neither carry out nor answer.
        keeps: settings of saved searches that are not taken.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.notables: list[Row] = []
        self.events: list[Row] = []
        self.risk: list[str] = []
        self.saved: dict[str, Row] = {}
        self.notes: dict[str, list[str]] = {}
        self.calls: Counter[str] = Counter()
        self.searches: list[str] = []
        self.updates: list[dict[str, str]] = []
        self.collected: list[Row] = []
        self.received: list[dict[str, str]] = []
        self.channels: set[str] = set()
        self.capabilities = list(CAPABILITIES)
        self.failing = 0
        self.peer_down = False
        self.update_answer: Row | None = None
        self.acknowledges = True
        self.ack_after = 1
        self.risk_lag_s = 0.0
        self.lose: set[str] = set()
        self.ignore: set[str] = set()
        self.keeps: set[str] = set()
        self._jobs: dict[str, tuple[list[Row], str]] = {}
        super().__init__(decide=self._answer)

    def settings(self, *, hec: bool = False, **changes: Any) -> SplunkSettings:
        """Settings of a connector to this Splunk."""
        return SplunkSettings(**{"base_url": self.url, "hec_url": self.url if hec else "", **changes})

    # --- requests --------------------------------------------------------------------------------

    def _answer(self, seen: Seen) -> Answer:
        parts = urlsplit(seen.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        collector = parts.path.startswith("/services/collector/")
        wanted = f"Splunk {HEC_TOKEN}" if collector else f"Bearer {TOKEN}"
        if seen.headers.get("authorization") != wanted:
            return _refusal(401, "call not properly authenticated")
        request = MockRequest(
            "http://splunk",
            seen.method.lower(),
            parts.path,
            args=dict(parse_qsl(parts.query)),
            headers=dict(seen.headers),
            data=seen.body,
            content_type=seen.headers.get("content-type", "").partition(";")[0],
        )
        try:
            _CHECKER.validate_request(request)
        except OpenAPIError as exc:
            return _refusal(400, f"{seen.method} {parts.path}: {type(exc).__name__} {exc.__cause__ or exc}")
        operation, names = _operation(seen.method, parts.path)
        self.calls[operation] += 1
        if operation in self.ignore:
            return Answer(hold=True)
        form = {name: values[-1] for name, values in parse_qs(seen.body.decode("utf-8", "replace")).items()}
        answer: Answer = getattr(self, f"_{operation}")(names, query, form, seen)
        return Answer(hold=True) if operation in self.lose else answer

    def _context(self, *_: Any) -> Answer:
        return _json({"entry": [{"content": {"username": "soar", "capabilities": self.capabilities}}]})

    def _statuses(self, *_: Any) -> Answer:
        names = ("label", "status_type", "default", "disabled")
        return _json(
            {
                "entry": [
                    {"name": each[0], "content": dict(zip(names, each[1:], strict=True))} for each in STATUSES
                ]
            }
        )

    def _update(self, names: Any, query: Any, form: dict[str, str], seen: Seen) -> Answer:
        if "edit_notable_events" not in self.capabilities:
            return _refusal(403, "insufficient permission to access this resource")
        self.updates.append(form)
        if self.update_answer is not None:
            return _json(self.update_answer)
        done = 0
        for row in self.notables:
            if row["event_id"] == form["ruleUIDs"]:
                done += 1
                self._review(row, form)
        message = f"{done} event updated successfully" if done else "No events were edited"
        return _json(
            {
                "success": bool(done),
                "message": message,
                "success_count": done,
                "failure_count": 0,
                "details": {},
            }
        )

    def _review(self, row: Row, form: Mapping[str, str]) -> None:
        labels = {each[0]: each[1] for each in STATUSES}
        if "status" in form:
            row |= {"status": form["status"], "status_label": labels[form["status"]]}
            row["status_default"] = "true" if form["status"] == "1" else "false"
        for sent, name in (("urgency", "urgency"), ("newOwner", "owner"), ("disposition", "disposition")):
            if sent in form:
                row[name] = form[sent]
        row.setdefault("comments", []).append(form.get("comment", ""))

    def _receive(self, names: Any, query: dict[str, str], form: Any, seen: Seen) -> Answer:
        if "edit_tcp" not in self.capabilities:
            return _refusal(403, "insufficient permission to access this resource")
        self.received.append(query)
        self._index_risk(seen.body.decode(), query["source"])
        return _json({"index": query["index"], "bytes": len(seen.body)})

    def _collect(self, names: Any, query: Any, form: Any, seen: Seen) -> Answer:
        body = json.loads(seen.body)
        self.collected.append(body)
        self.channels.add(seen.headers["x-splunk-request-channel"])
        self._index_risk(body["event"], body["source"])
        answer: Row = {"text": "Success", "code": 0}
        return _json({**answer, "ackId": len(self.collected)} if self.acknowledges else answer)

    def _ack(self, names: Any, query: Any, form: Any, seen: Seen) -> Answer:
        if not self.acknowledges:
            return _json({"text": "ACK is disabled", "code": 14}, 400)
        known = seen.headers["x-splunk-request-channel"] in self.channels
        done = known and self.calls["ack"] >= self.ack_after
        return _json({"acks": {str(each): done for each in json.loads(seen.body)["acks"]}})

    def _index_risk(self, text: str, source: str) -> None:
        # A line is an event: a value that could break the line would make one of its own.
        now = self._clock().timestamp()
        self.risk.extend(f"{line}\0{source}\0{now}" for line in text.splitlines())

    def risk_rows(self) -> list[Row]:
        """The risk events, read back."""
        rows = []
        for held in self.risk:
            text, source, when = held.split("\0")
            rows.append({**parse_stash(text), "source": source, "_time": float(when)})
        return rows

    def _read_saved(self, names: list[str], *_: Any) -> Answer:
        if names[0] not in self.saved:
            return _refusal(404, "Could not find object id")
        return _json({"entry": [{"name": names[0], "content": self.saved[names[0]]}]})

    def _create_saved(self, names: Any, query: Any, form: dict[str, str], seen: Seen) -> Answer:
        if form["name"] in self.saved:
            return _refusal(409, "An object with that name already exists")
        self.saved[form["name"]] = self._settings(form)
        return _json({"entry": []}, 201)

    def _update_saved(self, names: list[str], query: Any, form: dict[str, str], seen: Seen) -> Answer:
        self.saved[names[0]] |= self._settings(form)
        return _json({"entry": []})

    def _settings(self, form: Mapping[str, str]) -> Row:
        # Splunk gives switches back as booleans.
        read = {name: text for name, text in form.items() if name not in {"name", "output_mode", *self.keeps}}
        return {
            name: text == "1" if name in {"disabled", "is_scheduled"} else text for name, text in read.items()
        }

    def _read_notes(self, names: list[str], *_: Any) -> Answer:
        held = self.notes.get(names[0], [])
        return _json({"items": [{"id": f"n{n}", "content": each} for n, each in enumerate(held)]})

    def _add_note(self, names: list[str], query: dict[str, str], form: Any, seen: Seen) -> Answer:
        if "@@notable@@time" in names[0] and not query.get("notable_time"):
            return _refusal(404, "finding not found")
        self.notes.setdefault(names[0], []).append(json.loads(seen.body)["content"])
        return _json({"id": f"n{len(self.notes[names[0]])}"}, 201)

    # --- search jobs -----------------------------------------------------------------------------

    def _start(self, names: Any, query: Any, form: dict[str, str], seen: Seen) -> Answer:
        self.searches.append(form["search"])
        sid = f"1764.{len(self.searches)}"
        if self.failing:
            self.failing -= 1
            self._jobs[sid] = ([], "FAILED")
            return _json({"sid": sid}, 201)
        try:
            rows = self.run(form)
        except NotSpl as exc:
            return _refusal(400, f"Error in the search: {exc}")
        self._jobs[sid] = (rows[: len(rows) // 2], "PARTIAL") if self.peer_down else (rows, "DONE")
        return _json({"sid": sid}, 201)

    def _job(self, names: list[str], *_: Any) -> Answer:
        rows, state = self._jobs[names[0]]
        told = {
            "FAILED": [
                {"type": "FATAL", "text": "Search not executed: the minimum free disk space was reached"}
            ],
            "PARTIAL": [{"type": "ERROR", "text": "Unable to distribute to peer named idx2"}],
        }
        content = {
            "isDone": state != "FAILED",
            "isFailed": state == "FAILED",
            "dispatchState": "FAILED" if state == "FAILED" else "DONE",
            "resultCount": len(rows),
            "messages": told.get(state, []),
        }
        return _json({"entry": [{"content": content}]})

    def _results(self, names: list[str], query: Any, form: dict[str, str], seen: Seen) -> Answer:
        first = int(form["offset"])
        page = self._jobs[names[0]][0][first : first + int(form["count"])]
        return _json({"preview": False, "results": page})

    def _control(self, *_: Any) -> Answer:
        return _json({"messages": []})

    def run(self, form: Mapping[str, str]) -> list[Row]:
        """The rows of a search.

        Raises:
            NotSpl: it is not one of those the connector writes.
        """
        commands = _pipeline(form["search"])
        head = commands[0]
        if head in {"search `notable`", 'search index="notable"'}:
            rows = self._visible(self.notables, form)
        elif found := re.fullmatch(
            r'search index="risk" source="([^"]*)" response_risk_id="([0-9a-f]*)"', head
        ):
            now = self._clock().timestamp()
            rows = [
                row
                for row in self.risk_rows()
                if (row["source"], row.get("response_risk_id")) == found.groups()
                and row["_time"] + self.risk_lag_s <= now
            ]
        elif found := _ANALYTIC.fullmatch(head):
            rows = [
                event
                for event in self._visible(self.events, form)
                if event["process_name"].lower() == found["name"].lower()
                and not _RFC1918.match(event["dest_ip"])
            ]
        else:
            raise NotSpl(head)
        for command in commands[1:]:
            rows = _step(command, rows)
        return [_texts(row) for row in rows]

    def _visible(self, rows: list[Row], form: Mapping[str, str]) -> list[Row]:
        now = self._clock().timestamp()
        bounds = [(float(form["earliest_time"]), float(form["latest_time"]), "_time")]
        if "index_earliest" in form:
            bounds.append((float(form["index_earliest"]), float(form["index_latest"]), "_indextime"))
        return [
            dict(row)
            for row in rows
            if (row.get("_visible") or row["_indextime"]) <= now
            and all(low <= row[name] < high for low, high, name in bounds)
        ]


class Bench(NamedTuple):
    """A connector, its Splunk and their clock."""

    siem: SplunkSiem
    fake: FakeSiem
    clock: Clock
    http: Http

    @property
    def rest(self) -> SplunkRest:
        return SplunkRest(self.http, self.fake.settings(), SecretStr(TOKEN))

    @property
    def jobs(self) -> SearchJobs:
        return SearchJobs(self.rest, clock=self.clock, sleep=self.clock.sleep, monotonic=self.clock.monotonic)

    def again(self, *, hec: bool = False, **options: Any) -> SplunkSiem:
        """Another connector to the same Splunk, as after a restart."""
        return SplunkSiem(
            self.http,
            self.fake.settings(hec=hec),
            SecretStr(TOKEN),
            SecretStr(HEC_TOKEN) if hec else None,
            clock=self.clock,
            sleep=self.clock.sleep,
            monotonic=self.clock.monotonic,
            **options,
        )


@contextmanager
def bench(*, read_s: float = 5.0, **options: Any) -> Iterator[Bench]:
    """A connector over a Splunk; a request that is not answered is given up after `read_s`."""
    clock = Clock()
    with FakeSiem(clock) as fake, client(clock, read_s=read_s, retries=0) as http:
        yield Bench(Bench(None, fake, clock, http).again(**options), fake, clock, http)  # type: ignore[arg-type]


# --- SPL ---------------------------------------------------------------------------------------------

_ANALYTIC = re.compile(
    r"search \S.* EventID=3 dest_ip!=10\.0\.0\.0/8 dest_ip!=172\.16\.0\.0/12 dest_ip!=192\.168\.0\.0/16 "
    r"process_name=(?P<name>[\w.-]+)"
)
_RFC1918 = re.compile(r"10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.")
_BINS = re.compile(r"eval escu_window=(\d+)\+(\d+)\*floor\(\(_time-(\d+)\)/(\d+)\)")
_TOKEN = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|>=|<=|[=<>()]|[\w.:-]+)""", re.DOTALL)
#: event_id is there already, few values need no cut, and nobody has exclusions.
_WITHOUT_EFFECT = re.compile(
    r"""eval indexer_guid=replace\(_bkt,"\.\*~\(\.\+\)","\\1"\), event_hash=md5\(_time\._raw\), .*"""
    r"""|eval dest_port=mvindex\(dest_port, 0, 99\), .*|`\w+_filter`"""
)
_BY = ("escu_window", "dest", "user", "process_name", "src_ip", "dest_ip")
_STATS = re.compile(
    r"stats count min\(_time\) as firstTime max\(_time\) as lastTime min\(_indextime\) as first_indexed"
    r" values\(dest_port\) as dest_port values\(ProcessGuid\) as ProcessGuid"
    r" values\(Initiated\) as Initiated"
    rf" by {', '.join(_BY)}"
)


def unquoted(literal: str) -> str:
    """The text of an eval string."""
    return re.sub(r"\\(.)", r"\1", literal[1:-1], flags=re.DOTALL)


def _pipeline(text: str) -> list[str]:
    """The commands, split at pipes outside quotes."""
    commands, current, inside, at = [], "", False, 0
    while at < len(text):
        each = text[at]
        if inside and each == "\\":
            current += text[at : at + 2]
            at += 2
            continue
        inside ^= each == '"'
        if each in "|[]" and not inside:
            if each != "|":
                raise NotSpl("a subsearch")
            commands.append(current.strip())
            current = ""
        else:
            current += each
        at += 1
    if inside:
        raise NotSpl("unbalanced quotes")
    return [*commands, current.strip()]


def _step(command: str, rows: list[Row]) -> list[Row]:
    name, _, rest = command.partition(" ")
    columns = [each.strip() for each in rest.split(",")]
    if name == "where":
        test = _condition(list(_tokens(rest)))
        rows = [row for row in rows if test(row)]
    elif name == "head":
        rows = rows[: int(rest)]
    elif name == "table":
        rows = [{each: row[each] for each in columns if each in row} for row in rows]
    elif name == "sort" and rest.startswith("0 "):
        keys = [columns[0].removeprefix("0 "), *columns[1:]]
        rows = sorted(rows, key=lambda row: [_sortable(row.get(key)) for key in keys])
    elif command == "eval indexed=_indextime":
        rows = [{**row, "indexed": row["_indextime"]} for row in rows]
    elif found := _BINS.fullmatch(command):
        start, every = int(found[1]), int(found[2])
        rows = [
            {**row, "escu_window": start + every * math.floor((row["_time"] - start) / every)} for row in rows
        ]
    elif _STATS.fullmatch(command):
        rows = _stats(rows)
    elif not _WITHOUT_EFFECT.fullmatch(command):
        raise NotSpl(command)
    return rows


def _stats(rows: list[Row]) -> list[Row]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if all(row.get(name) is not None for name in _BY):
            groups.setdefault(tuple(row[name] for name in _BY), []).append(row)
    return [
        {
            **dict(zip(_BY, key, strict=True)),
            "count": len(group),
            "firstTime": min(row["_time"] for row in group),
            "lastTime": max(row["_time"] for row in group),
            "first_indexed": min(row["_indextime"] for row in group),
            **{
                name: sorted({str(row[name]) for row in group if name in row})
                for name in ("dest_port", "ProcessGuid", "Initiated")
            },
        }
        for key, group in groups.items()
    ]


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise NotSpl(text[at:])
        yield found[1]
        at = found.end()


def _condition(tokens: list[str]) -> Callable[[Row], bool]:
    """A `where` clause: comparisons, AND, OR, brackets."""

    def either() -> Callable[[Row], bool]:
        parts = [both()]
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            parts.append(both())
        return lambda row: any(part(row) for part in parts)

    def both() -> Callable[[Row], bool]:
        parts = [one()]
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            parts.append(one())
        return lambda row: all(part(row) for part in parts)

    def one() -> Callable[[Row], bool]:
        if tokens[0] == "(":
            tokens.pop(0)
            inner = either()
            if not tokens or tokens.pop(0) != ")":
                raise NotSpl("an open bracket")
            return inner
        field, sign, value = tokens.pop(0).strip("'"), tokens.pop(0), tokens.pop(0)
        if value.startswith('"'):
            text = unquoted(value)
            if sign != "=":
                raise NotSpl(sign)
            return lambda row: row.get(field) == text
        number = float(value)
        signs: dict[str, Callable[[float], bool]] = {
            ">=": lambda held: held >= number,
            "<": lambda held: held < number,
        }
        return lambda row: field in row and signs[sign](float(row[field]))

    try:
        test = either()
    except (IndexError, ValueError, KeyError) as exc:
        raise NotSpl("a broken condition") from exc
    if tokens:
        raise NotSpl(" ".join(tokens))
    return test


def _sortable(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))


def _texts(row: Row) -> Row:
    """Splunk gives every value as text, or a list of texts."""
    shown: Row = {}
    for name, value in row.items():
        if isinstance(value, list):
            if value:
                shown[name] = value[0] if len(value) == 1 else value
        elif value is not None and name != "_visible":
            shown[name] = f"{value:.6f}" if isinstance(value, float) else str(value)
    return shown


# --- answers and the document ---------------------------------------------------------------------------


def _json(body: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode(), (("Content-Type", "application/json"),))


def _refusal(status: int, text: str) -> Answer:
    return _json({"messages": [{"type": "ERROR", "text": text}]}, status)


_ANSWERS = {"200": {"description": "answered"}, "default": {"description": "refused"}}
_TEXT = {"type": "string"}
_MODE = {"name": "output_mode", "in": "query", "required": True, "schema": {"enum": ["json"]}}
_CHANNEL = {
    "name": "x-splunk-request-channel",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
}


def _query(*names: str, required: bool = True) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "required": required, "schema": _TEXT} for name in names]


def _path(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]


def _route(operation: str, parameters: list[Any], body: tuple[str, Any] | None = None) -> dict[str, Any]:
    route: dict[str, Any] = {"operationId": operation, "parameters": parameters, "responses": _ANSWERS}
    if body:
        route["requestBody"] = {"required": True, "content": {body[0]: {"schema": body[1]}}}
    return route


def _form(*required: str, more: tuple[str, ...] = (), closed: bool = True) -> tuple[str, Any]:
    names = ["output_mode", *required]
    schema: dict[str, Any] = {
        "type": "object",
        "required": names,
        "properties": dict.fromkeys([*names, *more], _TEXT),
    }
    if closed:
        schema["additionalProperties"] = False
    return "application/x-www-form-urlencoded", schema


def _body(required: dict[str, Any]) -> tuple[str, Any]:
    return "application/json", {
        "type": "object",
        "required": list(required),
        "properties": required,
        "additionalProperties": False,
    }


_NS = "/servicesNS/nobody/search"
_NOTES = "/servicesNS/nobody/missioncontrol/public/v2/investigations/{id}/notes"
_JOB = _form("search", "exec_mode", "earliest_time", "latest_time", closed=False)
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "What is asked of Splunk as a SIEM", "version": "1"},
    "paths": {
        "/services/authentication/current-context": {"get": _route("context", [_MODE])},
        "/services/alerts/reviewstatuses": {"get": _route("statuses", [_MODE, *_query("count")])},
        "/services/notable_update": {
            "post": _route(
                "update",
                [],
                _form("ruleUIDs", "comment", more=("status", "urgency", "newOwner", "disposition")),
            )
        },
        "/services/receivers/simple": {
            "post": _route(
                "receive", [_MODE, *_query("index", "source", "sourcetype", "host")], ("text/plain", _TEXT)
            )
        },
        "/services/collector/event": {
            "post": _route(
                "collect",
                [_CHANNEL, *_query("channel")],
                _body(
                    {
                        "time": {"type": "integer"},
                        **dict.fromkeys(("host", "source", "sourcetype", "index", "event"), _TEXT),
                    }
                ),
            )
        },
        "/services/collector/ack": {
            "post": _route(
                "ack",
                [_CHANNEL, *_query("channel")],
                _body({"acks": {"type": "array", "items": {"type": "integer"}}}),
            )
        },
        f"{_NS}/saved/searches": {"post": _route("create_saved", [], _form("name", "search", closed=False))},
        f"{_NS}/saved/searches/{{name}}": {
            "get": _route("read_saved", [_MODE, *_path("name")]),
            "post": _route("update_saved", _path("name"), _form(closed=False)),
        },
        _NOTES: {
            "get": _route("read_notes", [*_path("id"), *_query("limit", "sort")]),
            "post": _route(
                "add_note",
                [*_path("id"), *_query("notable_time", required=False)],
                _body({"content": _TEXT}),
            ),
        },
        f"{_NS}/search/v2/jobs": {"post": _route("start", [], _JOB)},
        f"{_NS}/search/v2/jobs/{{sid}}": {"get": _route("job", [_MODE, *_path("sid")])},
        f"{_NS}/search/v2/jobs/{{sid}}/results": {
            "post": _route("results", _path("sid"), _form("count", "offset"))
        },
        f"{_NS}/search/v2/jobs/{{sid}}/control": {"post": _route("control", _path("sid"), _form("action"))},
    },
}
_CHECKER = OpenAPI.from_dict(DOCUMENT)
_PATHS = [
    (re.compile(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(path))), methods)
    for path, methods in DOCUMENT["paths"].items()
]


def _operation(method: str, path: str) -> tuple[str, list[str]]:
    for pattern, methods in _PATHS:
        found = pattern.fullmatch(path)
        if found and method.lower() in methods:
            return methods[method.lower()]["operationId"], [unquote(each) for each in found.groups()]
    raise AssertionError(path)
