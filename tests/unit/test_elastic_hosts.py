"""Exactly one host, or none is picked: Elastic's host list over the fake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.edr.elastic import kibana, queries
from connectors.errors import AmbiguousHost, BadResponse, HostNotFound, PermissionMissing, QueryFailed
from connectors.facts.health import HealthState
from connectors.facts.host import AddressSeen, HostType
from tests.estate import Estate
from tests.fakes.elastic_case import a_host, a_process, case
from tests.fakes.elastic_documents import agent_id, stamp
from tests.fakes.elastic_server import ACTIONS, API_KEY, EVENTS, HOSTS
from tests.http_clients import START

APP1 = a_host("APP1")
APP10 = a_host("APP10", ip="192.0.2.11")
#: Something must have happened on a host, or there is nothing to search in.
SEEN = a_process(APP1, "x", None)
ESTATE = Estate((APP1, APP10), (SEEN,))


@pytest.mark.parametrize("name", ["APP1", "app1", "APP1.corp.example", " APP1. "])
def test_app1_is_found_and_app10_is_not_meant(name: str) -> None:
    with case(ESTATE) as it:
        found = it.edr.resolve_host(hostname=name)
        assert (found.hostname, found.host_id) == ("APP1", agent_id(APP1.host_id))
        assert found.host_type is HostType.WORKSTATION
        assert found.active is True


def test_a_name_in_mixed_case_is_found_although_kibana_compares_with_case() -> None:
    mixed = a_host("App1")
    with case(Estate((mixed,), (a_process(mixed, "x", None),))) as it:
        assert it.edr.resolve_host(hostname="aPP1").hostname == "App1"
        assert 'hostname: "App1"' not in it.fake.kueries[0]


def test_a_twin_in_other_case_makes_the_name_ambiguous() -> None:
    twin = a_host("App1", unique="2")
    with (
        case(Estate((APP1, twin), (SEEN, a_process(twin, "y", None)))) as it,
        pytest.raises(AmbiguousHost) as caught,
    ):
        it.edr.resolve_host(hostname="APP1")
    assert len(caught.value.candidates) == 2


def test_a_short_name_in_two_domains_is_ambiguous_and_the_fqdn_is_not() -> None:
    one, two = a_host("app1.a.example"), a_host("app1.b.example")
    with case(Estate((one, two), (a_process(one, "x", None),))) as it:
        assert it.edr.resolve_host(hostname="app1.b.example").hostname == "app1.b.example"
        with pytest.raises(AmbiguousHost):
            it.edr.resolve_host(hostname="APP1")


def test_two_agents_named_alike_are_both_named() -> None:
    twin = a_host("APP1", unique="2", last_seen=START - timedelta(days=2))
    with case(Estate((APP1, twin), (SEEN,))) as it, pytest.raises(AmbiguousHost) as caught:
        it.edr.resolve_host(hostname="APP1")
    ids = " ".join(caught.value.candidates)
    assert agent_id(APP1.host_id) in ids
    assert agent_id(twin.host_id) in ids


def test_what_a_rebuilt_machine_left_behind_is_not_meant() -> None:
    stale = a_host("APP1", unique="2", last_seen=START - timedelta(days=30), active=False)
    with case(Estate((stale, APP1), (SEEN,))) as it:
        assert it.edr.resolve_host(hostname="APP1").host_id == agent_id(APP1.host_id)


def test_an_unenrolled_record_is_no_agent() -> None:
    gone = a_host("APP1", unique="2")
    with case(Estate((APP1, gone), (SEEN,))) as it:
        record = it.fake.record(agent_id(gone.host_id))
        assert record is not None
        record["host_status"] = "unenrolled"
        assert it.edr.resolve_host(hostname="APP1").host_id == agent_id(APP1.host_id)


def test_every_page_is_read_from_page_0() -> None:
    """With a page of 100, the 101st of that name would be missed, and page 1 is not the first."""
    old = START - timedelta(days=20)
    twins = [a_host("APP1", unique=str(each), last_seen=old, active=False) for each in range(150)]
    with case(Estate((*twins, APP1), (SEEN,))) as it:
        assert it.edr.resolve_host(hostname="APP1").host_id == agent_id(APP1.host_id)
        assert it.fake.calls["GetEndpointMetadataList"] == 2


def test_too_many_pages_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE_HOSTS", 1)
    monkeypatch.setattr(kibana, "MOST_PAGES", 2)
    twins = [a_host("APP1", unique=str(each)) for each in range(3)]
    with case(Estate((*twins, APP1), (SEEN,))) as it, pytest.raises(BadResponse):
        it.edr.resolve_host(hostname="APP1")


@pytest.mark.parametrize("name", ["APP2", "APP", "*", 'APP1" or x: "', "APP1 or APP10", "  "])
def test_what_is_no_name_of_a_host_finds_none(name: str) -> None:
    with case(ESTATE) as it, pytest.raises(HostNotFound):
        it.edr.resolve_host(hostname=name)


def test_an_address_means_who_had_it_at_that_time() -> None:
    """Kibana's list has present addresses only: yesterday another agent had this one."""
    yesterday = START - timedelta(days=1)
    other = a_host("APP3", ip="192.0.2.33")
    estate = Estate((APP1, other), (SEEN, a_process(other, "y", None, start=yesterday)))
    with case(estate) as it:
        for each in it.fake.documents:
            if each["agent"]["id"] == agent_id(other.host_id):
                each["host"]["ip"] = ["192.0.2.10"]
        assert it.edr.resolve_host(ip="192.0.2.10").hostname == "APP1"
        assert it.edr.resolve_host(ip="192.0.2.10", at=yesterday).hostname == "APP3"


def test_a_present_address_does_not_tell_who_had_it_then() -> None:
    """No event of that time carries it, and Kibana's record is of now."""
    with case(ESTATE) as it:
        assert it.edr.resolve_host(ip="192.0.2.10").hostname == "APP1"
        for days in (1, 20):
            with pytest.raises(HostNotFound, match="not who had it at that time"):
                it.edr.resolve_host(ip="192.0.2.10", at=START - timedelta(days=days))


@pytest.mark.parametrize("ip", ["192.0.2.0/24", "192.0.2.99", "", "APP1"])
def test_what_is_no_address_of_a_host_finds_none(ip: str) -> None:
    with case(ESTATE) as it, pytest.raises(HostNotFound):
        it.edr.resolve_host(ip=ip)


def test_addresses_around_the_time_come_along() -> None:
    moment = START - timedelta(minutes=50)
    with case(ESTATE) as it:
        found = it.edr.resolve_host(hostname="APP1", at=moment)
        event = stamp(SEEN.ref.start_time)
        spans = [each for each in found.addresses if each.ip == "192.0.2.10"]
        assert any(stamp(each.first_seen) == event for each in spans)
        assert isinstance(found.addresses[0], AddressSeen)
        assert it.fake.calls == {"search": 2, "GetEndpointMetadataList": 1}


def test_a_search_that_is_not_whole_picks_no_host() -> None:
    with case(ESTATE) as it:
        it.fake.failed_shards = 1
        with pytest.raises(QueryFailed):
            it.edr.resolve_host(hostname="APP1")


def test_a_space_is_part_of_the_path() -> None:
    with case(ESTATE, space="soc") as it:
        assert it.edr.resolve_host(hostname="APP1").hostname == "APP1"


def test_check_has_no_side_effect_and_tells_what_works() -> None:
    with case(ESTATE) as it:
        health = it.edr.check()
        assert health.state is HealthState.OK
        assert "Platinum" in health.detail
        assert not it.fake.actions
        assert set(it.fake.calls) == {"GetEndpointMetadataList", "EndpointGetActionsDetails", "search"}


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (HOSTS, "Endpoint List"),
        (ACTIONS, "Response Actions History"),
        (EVENTS, "logs-endpoint.events.process-*"),
    ],
)
def test_check_names_what_the_key_lacks(missing: str, named: str) -> None:
    with case(ESTATE) as it:
        it.fake.missing = {missing}
        health = it.edr.check()
        assert health.state is (HealthState.OK if missing == ACTIONS else HealthState.FAILED)
        assert len(health.missing_scopes) == 1
        assert named in health.missing_scopes[0]
        assert named in health.detail


def test_events_that_may_not_be_read_are_not_none() -> None:
    """A wildcard that matches nothing readable is answered with HTTP 200 and no hits."""
    with case(ESTATE) as it:
        it.fake.missing = {EVENTS}
        with pytest.raises(PermissionMissing) as caught:
            it.edr.resolve_host(hostname="APP1")
        assert "logs-endpoint.events" in caught.value.scope


def test_a_wrong_key_is_told_without_repeating_it() -> None:
    with case(ESTATE) as it:
        it.fake.key = "another"
        health = it.edr.check()
        assert health.state is HealthState.FAILED
        assert API_KEY not in repr(health)
        assert API_KEY not in repr(vars(it.edr))
