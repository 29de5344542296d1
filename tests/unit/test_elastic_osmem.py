"""The same searches against a backend that was not written here: osmem-server, where it is installed.

It is compatible with OpenSearch, whose point in time is another call than Elasticsearch's, so pages are not
tried.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from connectors.edr.elastic import queries
from connectors.edr.elastic.queries import Span
from connectors.edr.elastic.records import HostRecords
from connectors.edr.elastic.search import Search
from connectors.edr.elastic.settings import ElasticSettings
from connectors.edr.lineage_walk import walk
from connectors.facts.process import FileWritten
from tests.estate import Estate
from tests.fakes.elastic_case import a_host, a_process, chain, connected, happened, ref
from tests.fakes.elastic_documents import agent_id, documents_of, entity_id
from tests.fakes.elastic_server import API_KEY
from tests.http_clients import START, Clock, client

osmem = pytest.importorskip("osmem_server", reason="osmem-server is not installed (an optional group)")

APP1, APP10 = a_host("App1"), a_host("APP10", ip="192.0.2.11")
DEPTH = 45
SPAN = Span(START - timedelta(days=1), START)
EXTRA = (a_process(APP1, "child", f"P{DEPTH - 1}"), a_process(APP10, "stranger", None))
EVENTS = (
    connected(APP1, "P1"),
    connected(APP1, "P2", "203.0.113.9", initiated=False),
    happened(APP1, "P1", FileWritten(time=START - timedelta(hours=1), path=r"C:\Temp\Evil.dll")),
)
ESTATE = Estate((APP1, APP10), (*chain(APP1, DEPTH), *EXTRA), EVENTS)

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_IP, _DATE = {"type": "ip"}, {"type": "date"}


def _fields(**told: object) -> dict[str, object]:
    return {"properties": told}


_MAPPING = _fields(
    **{"@timestamp": _DATE},
    agent=_fields(id=_KEYWORD),
    event=_fields(action=_KEYWORD),
    host=_fields(hostname=_KEYWORD, name=_KEYWORD, ip=_IP),
    process=_fields(
        entity_id=_KEYWORD, name=_KEYWORD, Ext=_fields(ancestry=_KEYWORD), parent=_fields(entity_id=_KEYWORD)
    ),
    source=_fields(ip=_IP),
    destination=_fields(ip=_IP),
    file=_fields(path=_KEYWORD),
)


def _send(url: str, method: str, body: str) -> None:
    request = urllib.request.Request(  # noqa: S310  the address is this machine's
        url, data=body.encode(), method=method, headers={"Content-Type": "application/x-ndjson"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        told = json.loads(answer.read())
    assert not told.get("errors"), told


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with osmem.OsmemServer.start(japanese=False) as server:
        lines = []
        for kind in ("process", "network", "file", "library"):
            name = f"logs-endpoint.events.{kind}-default"
            _send(f"{server.url}/{name}", "PUT", json.dumps({"mappings": _MAPPING}))
        for place, each in enumerate(documents_of(ESTATE)):
            name = f"logs-{each['data_stream']['dataset']}-default"
            lines += [json.dumps({"index": {"_index": name, "_id": str(place)}}), json.dumps(each)]
        _send(f"{server.url}/_bulk?refresh=true", "POST", "\n".join(lines) + "\n")
        yield server.url
    for pipe in (server.process.stdin, server.process.stdout):  # it leaves them open
        if pipe is not None:
            pipe.close()


@pytest.fixture
def search(url: str) -> Iterator[Search]:
    clock = Clock()
    with client(clock) as http:
        told = ElasticSettings(kibana_url=url, elasticsearch_url=url)
        yield Search(http, told, SecretStr(API_KEY))


def records(search: Search) -> HostRecords:
    return HostRecords(search, agent_id(APP1.host_id), SPAN, deadline=Clock().deadline())


def test_a_lineage_of_45(search: Search) -> None:
    asked = records(search)
    found = walk(asked, ref(APP1, f"P{DEPTH - 1}"), max_depth=100, max_nodes=500)
    assert found is not None
    assert [each.ref.pid for each in found.ancestors] == list(range(DEPTH - 2, -1, -1))
    assert [each.name for each in found.children] == ["child.exe"]
    assert len(asked.queries) == 5


def test_a_name_in_any_case_and_only_that_name(search: Search) -> None:
    found = search.whole(queries.agents_named("APP1", SPAN, most=10), deadline=Clock().deadline())
    assert {row["agent"]["id"] for row in found.rows} == {agent_id(APP1.host_id)}
    assert len(found.rows) == 1


def test_the_peer_at_either_end(search: Search) -> None:
    assert [each.process.guid for each in records(search).connected("198.51.100.7", 443)] == [
        entity_id(APP1.host_id, "P1")
    ]
    assert len(records(search).connected("203.0.113.9", None)) == 1


def test_names_and_paths_in_any_case(search: Search) -> None:
    assert len(records(search).named("p7.EXE")) == 1
    wrote = queries.writers_of(agent_id(APP1.host_id), [r"c:\temp\evil.DLL"], SPAN, most=10)
    assert len(search.whole(wrote, deadline=Clock().deadline()).rows) == 1


def test_evidence_and_what_was_recorded_at_all(search: Search) -> None:
    found, ended, partial = records(search).evidence(entity_id(APP1.host_id, "P1"), r"C:\Windows\P1.exe")
    assert (len(found.connections), len(found.files_written), ended, partial) == (1, 1, False, False)
    assert records(search).recorded_actions() == {
        "start",
        "connection_attempted",
        "connection_accepted",
        "creation",
    }
