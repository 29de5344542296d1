"""What is asked of Elasticsearch and Kibana. Pure.

Fields: elastic/endpoint-package, custom_documentation/doc/endpoint and
package/endpoint/data_stream/*/fields. `host.hostname`, `host.name` and `process.name` are keywords
without a caseless twin, so `term` is asked to ignore case:
https://www.elastic.co/docs/reference/query-languages/query-dsl/query-dsl-term-query. Queries that read
their text (query_string, wildcard, regexp) are not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from connectors.addresses import canonical_ip
from connectors.edr.askable import NamedPair
from connectors.facts.host import short_name
from connectors.query import es, kuery
from connectors.query.text import holdable

type Body = dict[str, Any]

#: Ids of one `terms` clause. Elasticsearch takes 65,536 (index.max_terms_count).
MOST_IDS = 1000

#: What Kibana and Elasticsearch may be asked about; a page of the host list holds 100.
PAGE_HOSTS = 100

#: The statuses of enrolled agents. "unenrolled" is no agent, and older versions refuse the word.
HOST_STATUSES = ("healthy", "offline", "updating", "unhealthy", "inactive")

STARTS = ("start", "already_running")
END = "end"
CONNECTED = ("connection_attempted", "connection_accepted", "udp_flow_outbound", "udp_flow_inbound")
DISCONNECTED = ("disconnect_received", "udp_flow_ended")
LOOKUPS = ("lookup_result", "lookup_requested")
LOADS = ("load",)
WRITES = ("creation", "overwrite", "modification", "rename")

_PROCESS_FIELDS = [
    "@timestamp",
    "agent.id",
    "event.action",
    "process.entity_id",
    "process.pid",
    "process.executable",
    "process.name",
    "process.command_line",
    "process.working_directory",
    "process.hash",
    "process.pe",
    "process.code_signature",
    "process.Ext.ancestry",
    "process.Ext.created_suspended",
    "process.Ext.effective_parent",
    "process.Ext.token.integrity_level_name",
    "process.parent.entity_id",
    "process.parent.pid",
    "process.parent.executable",
    "process.parent.command_line",
    "user.domain",
    "user.name",
]
_ACTIVITY_FIELDS = [
    "@timestamp",
    "agent.id",
    "event.action",
    "process.entity_id",
    "process.pid",
    "process.executable",
    "process.name",
    "process.command_line",
    "process.parent.executable",
    "source",
    "destination",
    "network",
    "dns",
    "dll",
    "file.path",
    "user.domain",
    "user.name",
]

#: A label of a host name: nothing in it means anything in KQL.
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")


class Span(NamedTuple):
    """A closed time span, both ends timezone-aware."""

    start: datetime
    end: datetime


class Question(NamedTuple):
    """A search: which kinds of events, and the body of the request without its size.

    Attributes:
        kinds: data sets, as in logs-endpoint.events.KIND.
        most: rows at most.
    """

    kinds: tuple[str, ...]
    body: Body
    most: int


def indices(kinds: Iterable[str], namespace: str) -> str:
    """The names of the data streams of these kinds."""
    return ",".join(f"logs-endpoint.events.{kind}-{namespace}" for kind in kinds)


def agents_named(name: str, span: Span, *, most: int) -> Question:
    """The agents whose events carry this host name in any case, or another with its first label."""
    wanted = name.strip().rstrip(".")
    short = short_name(wanted)
    tests: list[object] = []
    for field in ("host.hostname", "host.name"):
        tests += [any_case(field, text) for text in dict.fromkeys((wanted.lower(), short))]
        if short:
            tests.append({"prefix": {field: {"value": holdable("Elasticsearch", f"{short}.")} | _ANY_CASE}})
    return _agents([_any_of(tests)], span, most=most)


def agents_with_address(ip: str, span: Span, *, most: int) -> Question:
    """The agents whose events carry this address. A range would be one too, so it must be an address."""
    return _agents([es.term("host.ip", _address(ip))], span, most=most)


def addresses_of(agent_id: str, span: Span, *, most: int) -> Question:
    """The addresses that the events of an agent carry."""
    return Question(
        ("process", "network"),
        _body([es.term("agent.id", agent_id)], span, ["@timestamp", "agent.id", "host.ip"]),
        most,
    )


def processes_by_id(agent_id: str, ids: Sequence[str], span: Span, *, most: int) -> Question:
    """Starts and ends of these processes."""
    tests = [es.term("agent.id", agent_id), es.terms("process.entity_id", ids[:MOST_IDS])]
    return Question(("process",), _body(tests, span, _PROCESS_FIELDS), most)


def children_of(agent_id: str, ids: Sequence[str], span: Span, *, most: int) -> Question:
    """Starts and ends of what these processes started, oldest first."""
    tests = [es.term("agent.id", agent_id), es.terms("process.parent.entity_id", ids[:MOST_IDS])]
    return Question(("process",), _body(tests, span, _PROCESS_FIELDS), most)


def processes_named(agent_id: str, name: str, span: Span, *, most: int) -> Question:
    """Starts and ends of the processes of this name."""
    tests = [es.term("agent.id", agent_id), any_case("process.name", name)]
    return Question(("process",), _body(tests, span, _PROCESS_FIELDS), most)


def connected_with(agent_id: str, ip: str, span: Span, *, most: int) -> Question:
    """One connection of each process, and of each port, with this address at either end."""
    address = _address(ip)
    tests: list[object] = [
        es.term("agent.id", agent_id),
        es.terms("event.action", (*CONNECTED, *DISCONNECTED)),
        _any_of([es.term("destination.ip", address), es.term("source.ip", address)]),
    ]
    return Question(("network",), _body(tests, span, _ACTIVITY_FIELDS), most)


def connected_between(pair: NamedPair, span: Span, *, most: int) -> Question:
    """One connection of each process of this name, on any agent, from one address to the other.

    Source and destination are those of the connection, whoever of the two the agent is.
    """
    tests: list[object] = [
        es.terms("event.action", (*CONNECTED, *DISCONNECTED)),
        es.term("source.ip", _address(pair.src_ip)),
        es.term("destination.ip", _address(pair.dest_ip)),
        any_case("process.name", pair.name),
    ]
    body = _body(tests, span, [*_ACTIVITY_FIELDS, "host.hostname", "host.name"])
    body["collapse"] = {"field": "process.entity_id"}
    return Question(("network",), body, most)


def activity_of(agent_id: str, entity_id: str, span: Span, *, most: int) -> Question:
    """Everything that a process did, its start and its end."""
    tests: list[object] = [
        es.term("agent.id", agent_id),
        es.term("process.entity_id", entity_id),
        es.terms("event.action", (*STARTS, END, *CONNECTED, *DISCONNECTED, *LOOKUPS, *LOADS, *WRITES)),
    ]
    return Question(("process", "network", "library", "file"), _body(tests, span, _ACTIVITY_FIELDS), most)


def writers_of(agent_id: str, paths: Sequence[str], span: Span, *, most: int) -> Question:
    """What wrote these files."""
    tests: list[object] = [
        es.term("agent.id", agent_id),
        es.terms("event.action", WRITES),
        _any_of([any_case("file.path", path) for path in paths]),
    ]
    return Question(("file",), _body(tests, span, _ACTIVITY_FIELDS), most)


def recorded_actions(agent_id: str, span: Span) -> Question:
    """One event of each action that the agent reported at all."""
    body = _body([es.term("agent.id", agent_id)], span, ["agent.id", "event.action"])
    body["collapse"] = {"field": "event.action"}
    return Question(("process", "network", "library", "file"), body, 200)


def probe() -> Question:
    """No event of any host: shows whether there is something to search in."""
    return Question(("process",), {"query": {"bool": {"filter": [{"exists": {"field": "agent.id"}}]}}}, 0)


def hosts_kuery(*, names: Iterable[str] = (), ip: str = "", agent_ids: Iterable[str] = ()) -> str:
    """KQL for the host list. It compares with case, so a name is asked for in every usual spelling."""
    parts = []
    for name in names:
        wanted = name.strip().rstrip(".")
        short = wanted.partition(".")[0]
        spelt = dict.fromkeys(
            spelling for text in (wanted, short) if text for spelling in (text, text.lower(), text.upper())
        )
        for field in ("united.endpoint.host.hostname", "united.endpoint.host.name"):
            parts += [f"{field}: {kuery.literal(text)}" for text in spelt]
            if _LABEL.fullmatch(short):
                parts += [
                    f"{field}: {text}.*" for text in dict.fromkeys((short, short.lower(), short.upper()))
                ]
    if ip:
        parts.append(f"united.endpoint.host.ip: {kuery.literal(_address(ip))}")
    parts += [f"united.endpoint.agent.id: {kuery.literal(each)}" for each in agent_ids]
    return " or ".join(parts)


#: KQL for hosts whose agent says that it is isolated, as Kibana's own tests ask for them (elastic/kibana,
#: security_solution_cypress: filterOutIsolatedHosts).
ISOLATED_KUERY = "united.endpoint.Endpoint.state.isolation: true"

_ANY_CASE: Body = {"case_insensitive": True}


def any_case(field: str, text: str) -> Body:
    """Field equals text in any case (ASCII letters); the field must be of type keyword.

    Raises:
        InputError: the text holds what no query can.
    """
    return {"term": {field: {"value": holdable("Elasticsearch", text)} | _ANY_CASE}}


def _agents(tests: list[object], span: Span, *, most: int) -> Question:
    body = _body(tests, span, ["@timestamp", "agent.id", "host.ip"])
    body["sort"] = [{"@timestamp": {"order": "desc"}}]
    body["collapse"] = {"field": "agent.id"}
    return Question(("process", "network"), body, most)


def _any_of(tests: Sequence[object]) -> Body:
    return {"bool": {"should": list(tests), "minimum_should_match": 1}}


def _body(tests: Sequence[object], span: Span, fields: Sequence[str]) -> Body:
    within = {"range": {"@timestamp": {"gte": _instant(span.start), "lte": _instant(span.end)}}}
    return {
        "query": {"bool": {"filter": [*tests, within]}},
        "sort": [{"@timestamp": {"order": "asc"}}],
        "_source": list(fields),
    }


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _address(ip: str) -> str:
    """The address in canonical form.

    Raises:
        ValueError: it is none. `term` on a field of type ip would take "10.0.0.0/8" as a range.
    """
    address = canonical_ip(ip)
    if address is None:
        raise ValueError("not an address")
    return address
