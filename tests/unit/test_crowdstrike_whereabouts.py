"""Falcon's address history and its list of contained devices: what the contract suite does not reach."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.host_addresses import Holding, own_address
from connectors.edr.catalogue import EdrName
from connectors.edr.crowdstrike import hosts_api
from connectors.edr.crowdstrike.address_history import MOST_ADDRESSES, with_history
from connectors.facts.host import AddressSeen, HostRef
from tests.case_builders import notable
from tests.edr_backends import BACKENDS, running
from tests.estate import Estate, EstateHost, host_id_of
from tests.http_clients import START

HOUR = timedelta(hours=1)
DOCK, WIFI = "00-50-56-AA-BB-01", "00-50-56-aa-bb-02"
OLD, NEW, ELSEWHERE = "10.0.0.5", "10.0.0.9", "192.0.2.7"
FALCON = next(each for each in BACKENDS if each.name is EdrName.CROWDSTRIKE)


def entry(ip: str, hours: float, adapter: str = DOCK) -> dict[str, str]:
    return {"ip_address": ip, "mac_address": adapter, "timestamp": (START + hours * HOUR).isoformat()}


def host(ip: str = NEW, *, hours: float = 0) -> HostRef:
    seen = START + hours * HOUR
    return HostRef(
        connector="crowdstrike",
        host_id="a" * 32,
        hostname="APP1",
        addresses=(AddressSeen(ip=ip, last_seen=seen),),
        last_seen=seen,
    )


def holding(ip: str, hours: float, *entries: dict[str, Any], of: HostRef | None = None) -> Holding:
    at = START + hours * HOUR
    found = with_history(of or host(), {"history": list(entries)}, at=at)
    asked = notable().model_copy(update={"src_ip": ip, "first_time": at, "last_time": at})
    return own_address(found, asked).holding


MOVED = (entry(NEW, -10), entry(OLD, -40), entry(OLD, -30))


@pytest.mark.parametrize(
    ("ip", "hours", "expected"),
    [
        (NEW, -5, Holding.HELD),
        (NEW, 0, Holding.HELD),
        (NEW, -10, Holding.HELD),
        (NEW, -11, Holding.AT_ANOTHER_TIME),
        (OLD, -35, Holding.HELD),
        (OLD, -30.1, Holding.HELD),
        (OLD, -29.9, Holding.HELD),
        (OLD, -20, Holding.TIME_UNKNOWN),
        (OLD, -5, Holding.AT_ANOTHER_TIME),
        (OLD, -50, Holding.AT_ANOTHER_TIME),
        (ELSEWHERE, -5, Holding.NOT_ITS_OWN),
    ],
)
def test_an_address_is_held_between_two_sightings_and_not_known_until_the_next_one(
    ip: str, hours: float, expected: Holding
) -> None:
    assert holding(ip, hours, *MOVED) is expected


def test_an_adapter_says_nothing_of_another() -> None:
    """The record has one of them; the other may be up as well."""
    both = (entry(OLD, -40, WIFI), entry(NEW, -10, DOCK))
    assert holding(OLD, -5, *both) is Holding.TIME_UNKNOWN
    assert holding(NEW, -5, *both) is Holding.HELD
    same = (entry(OLD, -40, DOCK), entry(NEW, -10, DOCK.lower().replace("-", ":")))
    assert holding(OLD, -5, *same) is Holding.AT_ANOTHER_TIME


def test_an_address_that_came_back_was_not_held_between() -> None:
    back = (entry(NEW, -40), entry(OLD, -30), entry(NEW, -10))
    assert holding(NEW, -20, *back) is Holding.AT_ANOTHER_TIME
    assert holding(NEW, -5, *back) is Holding.HELD


@pytest.mark.parametrize(
    "history",
    [
        None,
        "text",
        [None, 3, "text", {}],
        [{"ip_address": NEW}, {"timestamp": START.isoformat()}],
        [{"ip_address": "no address", "mac_address": DOCK, "timestamp": START.isoformat()}],
        [{"ip_address": NEW, "mac_address": DOCK, "timestamp": "yesterday"}],
        [{"ip_address": [NEW], "mac_address": 7, "timestamp": 10**400}],
    ],
)
def test_a_history_that_cannot_be_read_changes_nothing(history: object) -> None:
    assert with_history(host(), {"history": history}, at=START) == host()


def test_a_long_history_loses_its_oldest() -> None:
    entries = [entry(f"10.1.{n // 200}.{n % 200}", -2000 + n) for n in range(MOST_ADDRESSES + 50)]
    told = with_history(host(), {"history": entries}, at=START).addresses
    assert len(told) == MOST_ADDRESSES
    assert "10.1.1.49" in {each.ip for each in told}
    assert "10.1.0.0" not in {each.ip for each in told}


@given(
    st.lists(st.tuples(st.sampled_from((OLD, NEW, ELSEWHERE)), st.integers(-60, 0)), max_size=8),
    st.integers(-70, 5),
)
def test_held_means_seen_before_and_after_or_just_then(sightings: list[tuple[str, int]], hours: int) -> None:
    entries = [entry(ip, when) for ip, when in sightings]
    for ip in (OLD, NEW, ELSEWHERE):
        if holding(ip, hours, *entries) is Holding.HELD:
            known = [when for each, when in sightings if each == ip] + ([0] if ip == NEW else [])
            assert min(known) <= hours <= max(known)
            between = [when for each, when in sightings if each != ip]
            before = max(when for when in known if when <= hours)
            later = min(when for when in known if when >= hours)
            assert not [when for when in between if before < when < later]


# --- contained devices -------------------------------------------------------------------------


def _estate(number: int) -> Estate:
    return Estate(tuple(EstateHost(host_id_of(f"APP{n}"), f"APP{n}.corp.example") for n in range(number)))


def test_contained_devices_come_from_every_page_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts_api, "PAGE_DEVICES", 2)
    with running(FALCON, _estate(7)) as found:
        for device, status in zip(
            found.fake.devices,
            (
                "contained",
                "normal",
                "containment_pending",
                "lift_containment_pending",
                "contained",
                "odd",
                "",
            ),
            strict=True,
        ):
            device["status"] = status
        told, complete = found.edr.isolated_hosts(limit=10)
        assert {each.hostname for each in told} == {f"APP{n}.corp.example" for n in (0, 2, 3, 4)}
        assert complete
        assert found.fake.calls["CombinedDevicesByFilter"] == 2


def test_pages_without_end_are_given_up_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts_api, "PAGE_DEVICES", 1)
    monkeypatch.setattr(hosts_api, "MOST_PAGES", 2)
    with running(FALCON, _estate(9)) as found:
        for device in found.fake.devices:
            device["status"] = "contained"
        told, complete = found.edr.isolated_hosts(limit=3)
        assert (len(told), complete) == (3, False)
        asked = found.fake.calls["CombinedDevicesByFilter"]
        assert asked <= 3 + 2


def test_the_record_of_another_device_is_no_history() -> None:
    estate = _estate(2)
    seen = AddressSeen(ip=NEW, first_seen=START - HOUR, last_seen=START)
    estate = replace(estate, hosts=(replace(estate.hosts[0], addresses=(seen,), last_seen=START),))
    with running(FALCON, estate, at=START) as found:
        name = estate.hosts[0].name
        with_it = found.edr.resolve_host(hostname=name, at=START)
        assert with_it.addresses[0].first_seen == START - HOUR
        found.fake.histories = {}
        plain = found.edr.resolve_host(hostname=name, at=START)
        assert plain.addresses == (AddressSeen(ip=NEW, last_seen=START),)


def test_no_time_is_too_strange_for_a_history() -> None:
    for at in (datetime.min.replace(tzinfo=START.tzinfo), datetime.max.replace(tzinfo=START.tzinfo)):
        assert with_history(host(), {"history": list(MOVED)}, at=at).host_id == "a" * 32
