"""The asset and identity tables of Enterprise Security, over the fake Splunk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConnectorError, InputError, QueryFailed
from connectors.facts.health import HealthState
from connectors.siem.splunk import asset_tables
from connectors.siem.splunk.asset_tables import SplunkAssetTables, table_query
from tests.fakes.splunk_bench import Bench, bench
from tests.fakes.splunk_siem import BY_CIDR, BY_STR, IDENTITIES

WS01 = {"asset": ["ws01", "ws01.corp.example"], "nt_host": "ws01", "dns": "ws01.corp.example"}


@pytest.fixture
def es() -> Iterator[Bench]:
    with bench() as made:
        made.fake.tables[BY_STR] = [
            {**WS01, "priority": "critical", "category": ["server", "pci"], "owner": "Ann Lee"},
            {"asset": ["ws011"], "nt_host": "ws011", "priority": "low"},
        ]
        made.fake.tables[BY_CIDR] = [
            {"asset": "10.1.0.0/16", "ip": "10.1.0.0/16", "priority": "medium", "bunit": "emea"},
            {"asset": ["10.1.2.0/24", "10.9.0.0/16"], "ip": "10.1.2.0/24", "priority": "high"},
        ]
        made.fake.tables[IDENTITIES] = [
            {"identity": ["ann", "ann@corp.example"], "priority": "high", "watchlist": "true"},
            {"identity": "jürgen", "priority": "low", "managedBy": "bob"},
        ]
        yield made


def tables(es: Bench, **options: bool) -> SplunkAssetTables:
    return SplunkAssetTables(es.jobs, deadline_s=30.0, monotonic=es.clock.monotonic, **options)


def test_one_search_tells_of_all_hosts_and_users(es: Bench) -> None:
    found = tables(es).facts_of(
        ["WS01.corp.example", "10.1.2.3", "10.1.9.9", "10.8.0.1", "WS01"], [r"CORP\Ann", "Jürgen", "eve"]
    )
    assert len(es.fake.queries) == 1
    assert {host: [row.facts.priority for row in rows] for host, rows in found.assets.items()} == {
        "WS01.corp.example": ["critical"],
        "WS01": ["critical"],
        "10.1.2.3": ["high"],
        "10.1.9.9": ["medium"],
    }
    (row,) = found.assets["WS01"]
    assert (row.facts.categories, row.facts.owner) == (("server", "pci"), "Ann Lee")
    assert (row.facts.source, row.by_network) == (BY_STR, False)
    assert found.assets["10.1.2.3"][0].by_network
    assert {user: facts[0].priority for user, facts in found.identities.items()} == {
        r"CORP\Ann": "high",
        "Jürgen": "low",
    }
    assert found.identities[r"CORP\Ann"][0].watched is True
    assert found.not_read == ()


def test_nothing_to_ask_is_no_search(es: Bench) -> None:
    assert tables(es).facts_of([], []) == ({}, {}, ())
    assert tables(es, assets=False).facts_of(["WS01"], []) == ({}, {}, ())
    assert es.fake.queries == []


@pytest.mark.parametrize("name", ["*", "ws0*", 'x" OR asset="*', "a|delete", "`m`", "[search *]", "a\0b", ""])
def test_a_name_that_no_term_can_hold_is_not_asked_and_named(es: Bench, name: str) -> None:
    found = tables(es).facts_of([name, "WS01"], [name])
    assert list(found.assets) == ["WS01"]
    assert found.identities == {}
    assert {each.what.startswith(f"{SplunkAssetTables.name} on ") for each in found.not_read} == {True}
    assert "*" not in "".join(es.fake.queries)


def test_where_splunk_did_not_see_every_row_nothing_counts(
    es: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset_tables, "MAX_ROWS", 1)
    es.fake.tables[BY_STR].append({**WS01, "priority": "low"})
    with pytest.raises(QueryFailed, match="every row"):
        tables(es).facts_of(["WS01"], [])


def test_a_table_that_is_not_there_and_a_search_that_fails_are_errors(es: Bench) -> None:
    es.fake.failing = 1
    with pytest.raises(ConnectorError):
        tables(es).facts_of(["WS01"], [])
    del es.fake.tables[IDENTITIES]
    with pytest.raises(ConnectorError, match="identity_lookup_expanded"):
        tables(es).facts_of([], ["ann"])
    assert tables(es).check().state is HealthState.FAILED
    assert tables(es, identities=False).facts_of(["WS01"], ["ann"]).assets


def test_a_row_that_cannot_be_used_is_named_and_costs_no_other(es: Bench) -> None:
    es.fake.tables[BY_STR].append({**WS01, "priority": "P1"})
    found = tables(es).facts_of(["WS01"], [])
    assert [row.facts.priority for row in found.assets["WS01"]] == ["critical"]
    assert "'P1'" in found.not_read[0].why


def test_many_hosts_are_asked_in_few_searches_and_the_rest_is_named(
    es: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = [f"h{number}" for number in range(20)]
    monkeypatch.setattr(asset_tables, "ASKED_AT_ONCE", 5)
    monkeypatch.setattr(asset_tables, "MAX_SEARCHES", 3)
    found = tables(es).facts_of(["WS01", *hosts], [])
    assert len(es.fake.queries) == 3
    assert list(found.assets) == ["WS01"]
    assert found.not_read[0].what.endswith("on 6 hosts and users")


def test_its_health_counts_rows(es: Bench) -> None:
    found = tables(es).check()
    assert found.state is HealthState.OK
    assert found.detail == f"{BY_STR} 2 rows, {BY_CIDR} 2 rows, {IDENTITIES} 2 rows"


@settings(max_examples=80)
@given(st.text(max_size=12), st.text("ws01\"*|`[]\\$' .", max_size=12))
def test_no_text_leaves_its_quotes(host: str, user: str) -> None:
    plain = table_query(["H"], ["U"])
    try:
        query = table_query([host], [user])
    except InputError:
        return
    if not (host.strip(" .") and user.strip(" .")):
        return
    assert query.count('"') % 2 == 0
    outside = query.split('"')[::2]
    allowed = set("".join(plain.split('"')[::2])) | set("isnotulmvfilterdach() ,")
    assert set("".join(outside)) <= allowed
    assert not set("".join(query.split('"')[1::2])) & set("*|`[]\\$")
