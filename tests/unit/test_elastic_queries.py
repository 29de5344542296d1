"""What is sent to Elasticsearch and Kibana: nothing that is put in can change what is asked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.edr.elastic import queries
from connectors.edr.elastic.queries import Span
from connectors.errors import InputError
from tests.fakes import elastic_dsl as dsl

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
SPAN = Span(NOW - timedelta(days=1), NOW)
WITHIN = "2026-11-24T07:00:00.123Z"

HOSTILE = st.text(
    alphabet=st.one_of(st.sampled_from("\"'\\*?:(){}[]<>/|&~^ \n\taAorndt.-"), st.characters()), max_size=30
)


def is_holdable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def document(**fields: object) -> dict[str, object]:
    return {"@timestamp": WITHIN, "agent": {"id": "agent"}, **fields}


@settings(max_examples=1500)
@given(HOSTILE.filter(is_holdable).filter(lambda text: text.strip().rstrip(".") != ""))
@example('x" or united.endpoint.agent.id: *')
@example("APP1* or a: b")
@example("\\")
def test_a_host_name_in_kql_is_itself_and_nothing_else(name: str) -> None:
    clauses = dsl.kql(queries.hosts_kuery(names=[name]))
    wanted = name.strip().rstrip(".")
    short = wanted.partition(".")[0]
    usual = {spelling for text in (wanted, short) for spelling in (text, text.lower(), text.upper())}
    for field, text, wild in clauses:
        assert field in {"united.endpoint.host.hostname", "united.endpoint.host.name"}
        if wild:
            assert re.fullmatch(r"[A-Za-z0-9_-]+\.\*", text)
            assert text[:-2].lower() == short.lower()
        else:
            assert text in usual
    assert any(text == wanted for _, text, _ in clauses)


@settings(max_examples=1500)
@given(HOSTILE.filter(is_holdable), HOSTILE.filter(is_holdable))
@example("agent", "regsvcs.exe*")
@example("agent", "[a-z]")
def test_a_process_name_finds_itself_in_any_case_and_nothing_else(agent: str, name: str) -> None:
    asked = queries.processes_named(agent, name, SPAN, most=10).body["query"]
    own = document(process={"name": name}) | {"agent": {"id": agent}}
    assert dsl.matches(asked, own)
    assert dsl.matches(asked, own | {"process": {"name": dsl._lower(name)}})
    assert not dsl.matches(asked, own | {"process": {"name": f"{name}x"}})
    assert not dsl.matches(asked, own | {"agent": {"id": f"{agent}x"}})


@settings(max_examples=1000)
@given(HOSTILE.filter(is_holdable))
def test_a_path_and_an_id_find_themselves(text: str) -> None:
    wrote = document(file={"path": text}, event={"action": "creation"}, process={"entity_id": text})
    assert dsl.matches(queries.writers_of("agent", [text], SPAN, most=1).body["query"], wrote)
    assert not dsl.matches(queries.writers_of("agent", [f"{text}x"], SPAN, most=1).body["query"], wrote)
    assert dsl.matches(queries.processes_by_id("agent", [text], SPAN, most=1).body["query"], wrote)
    assert not dsl.matches(queries.processes_by_id("agent", [f"{text}x"], SPAN, most=1).body["query"], wrote)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_no_query_can_hold_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        queries.processes_named("agent", text, SPAN, most=1)
    with pytest.raises(InputError):
        queries.hosts_kuery(names=[text])


@pytest.mark.parametrize("text", ["198.51.100.0/24", "198.51.100.7 or a: b", "*", "", "app1"])
def test_only_an_address_is_asked_for_as_one(text: str) -> None:
    """A term on a field of type ip takes a range, which would fit many."""
    with pytest.raises(ValueError, match="not an address"):
        queries.agents_with_address(text, SPAN, most=1)
    with pytest.raises(ValueError, match="not an address"):
        queries.connected_with("agent", text, SPAN, most=1)
    if text:
        with pytest.raises(ValueError, match="not an address"):
            queries.hosts_kuery(ip=text)


def test_a_short_name_is_looked_for_with_any_domain_and_in_any_case() -> None:
    asked = queries.agents_named("APP1", SPAN, most=5).body["query"]

    def fits(name: str) -> bool:
        return dsl.matches(asked, document(host={"hostname": name}))

    assert all(map(fits, ("APP1", "App1", "app1.corp.example")))
    assert not any(map(fits, ("APP10", "APP10.corp.example", "XAPP1", "corp.app1")))


def test_times_outside_are_not_asked_for() -> None:
    asked = queries.processes_by_id("agent", ["x"], SPAN, most=1).body["query"]
    own = document(process={"entity_id": "x"})
    assert dsl.matches(asked, own)
    assert not dsl.matches(asked, own | {"@timestamp": "2026-11-24T08:00:00.001Z"})


def test_data_streams_are_named_by_kind_and_namespace() -> None:
    assert queries.indices(("process", "file"), "*") == (
        "logs-endpoint.events.process-*,logs-endpoint.events.file-*"
    )
    assert queries.indices(("process",), "default") == "logs-endpoint.events.process-default"


def test_what_the_fake_does_not_understand_it_refuses() -> None:
    unknown: list[dict[str, Any]] = [
        {"query_string": {"query": "*"}},
        {"wildcard": {"a": "*"}},
        {"bool": {"must": []}},
    ]
    for query in unknown:
        with pytest.raises(dsl.Malformed):
            dsl.matches(query, {})
    for text in ("a", "a: b and c: d", 'a: "b', "a: (b or c)", "not a: b", ""):
        with pytest.raises(dsl.Malformed):
            dsl.kql(text)
