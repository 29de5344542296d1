"""Which hosts a vendor says are isolated, and which address a host had when: over each vendor's fake."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from actions.host_addresses import Holding, own_address
from connectors.edr.catalogue import EdrName
from connectors.errors import ConnectorError, NotSupported
from connectors.facts.host import AddressSeen, HostRef
from connectors.facts.isolation import IsolationState
from connectors.facts.process import Connection
from connectors.ports import Capability
from tests.case_builders import notable
from tests.edr_backends import BACKENDS, FILE, Backend, Running, running
from tests.estate import Estate, EstateHost, estate_of, host_id_of
from tests.fakes.http_server import Answer, Seen

EVERY = (*BACKENDS, FILE)
ISOLATING = tuple(each for each in BACKENDS if each.name is not EdrName.SYSMON_SPLUNK)
NAMES = ("APP1.corp.example", "APP2.corp.example", "APP3.corp.example", "APP4.corp.example")

over_each = pytest.mark.parametrize("backend", EVERY, ids=[each.name.value for each in EVERY])
over_those_that_isolate = pytest.mark.parametrize(
    "backend", ISOLATING, ids=[each.name.value for each in ISOLATING]
)


@pytest.fixture(scope="module")
def recorded(examples: Path) -> Estate:
    return estate_of(examples / "stealer" / "sysmon.xml")


@pytest.fixture(scope="module")
def four(recorded: Estate) -> Estate:
    return recorded.with_hosts(*(EstateHost(host_id_of(each), each) for each in NAMES))


def _isolate(found: Running, *names: str) -> list[HostRef]:
    hosts = [found.edr.resolve_host(hostname=name) for name in names]
    for host in hosts:
        handle = found.edr.isolate(host, comment="c", idempotency_key="k")
        for _ in range(3):
            found.clock.advance(5)
            found.edr.get_isolation(host, handle)
    return hosts


# --- isolated hosts ----------------------------------------------------------------------------


@over_each
def test_a_connector_that_cannot_isolate_does_not_list_and_asks_nobody(
    backend: Backend, recorded: Estate
) -> None:
    with running(backend, recorded) as found:
        able = Capability.ISOLATE in found.edr.capabilities
        assert able is (backend in ISOLATING)
        before = len(found.fake.seen)
        if able:
            assert found.edr.isolated_hosts(limit=10) == ((), True)
            return
        with pytest.raises(NotSupported):
            found.edr.isolated_hosts(limit=10)
        assert len(found.fake.seen) == before


@over_those_that_isolate
def test_the_isolated_ones_are_listed_and_no_others_until_they_are_released(
    backend: Backend, four: Estate
) -> None:
    with running(backend, four) as found:
        one, other = _isolate(found, NAMES[1], NAMES[3])
        told, complete = found.edr.isolated_hosts(limit=10)
        assert complete
        assert {each.host_id for each in told} == {one.host_id, other.host_id}
        assert {each.hostname.lower() for each in told} == {NAMES[1].lower(), NAMES[3].lower()}
        assert {each.isolation for each in told} == {IsolationState.ISOLATED}
        assert {each.connector for each in told} == {found.edr.name}
        release = found.edr.release(one, comment="c", idempotency_key="k2")
        for _ in range(3):
            found.clock.advance(5)
            found.edr.get_isolation(one, release)
        told, complete = found.edr.isolated_hosts(limit=10)
        assert complete
        assert [each.host_id for each in told] == [other.host_id]


@over_those_that_isolate
def test_more_than_were_wanted_is_told(backend: Backend, four: Estate) -> None:
    with running(backend, four) as found:
        isolated = {each.host_id for each in _isolate(found, *NAMES[:3])}
        for limit in (1, 2, 3, 4):
            told, complete = found.edr.isolated_hosts(limit=limit)
            assert len(told) == min(limit, 3)
            assert {each.host_id for each in told} <= isolated
            assert complete is (limit >= 3)


@over_those_that_isolate
def test_one_that_is_being_isolated_is_listed_where_the_vendor_tells(backend: Backend, four: Estate) -> None:
    with running(backend, four) as found:
        found.fake.settle_after = None
        host = found.edr.resolve_host(hostname=NAMES[0])
        found.edr.isolate(host, comment="c", idempotency_key="k")
        told, complete = found.edr.isolated_hosts(limit=10)
        if backend.name is EdrName.ELASTIC:  # no list of Kibana's tells what waits for an agent
            assert told == ()
            return
        assert [(each.host_id, each.isolation) for each in told] == [(host.host_id, IsolationState.ISOLATING)]
        assert complete


@over_those_that_isolate
def test_a_list_that_cannot_be_read_is_an_error_and_never_empty(backend: Backend, four: Estate) -> None:
    with running(backend, four) as found:
        _isolate(found, NAMES[0])
        found.fake.failures = [500] * 20
        with pytest.raises(ConnectorError):
            found.edr.isolated_hosts(limit=10)


# --- addresses over time -----------------------------------------------------------------------

OTHER = "10.77.7.7"
DAYS = timedelta(days=3)


def _moved(estate: Estate) -> tuple[Estate, str, datetime]:
    """The first host with an address that it had three days ago; the one it had since, and a time of that."""
    own, at = next(
        (each.fact.src_ip, each.fact.time)
        for each in estate.events
        if isinstance(each.fact, Connection) and each.fact.initiated and each.fact.src_ip and each.fact.time
    )
    host = estate.hosts[0]
    before = AddressSeen(ip=OTHER, first_seen=at - DAYS, last_seen=at - DAYS + timedelta(minutes=10))
    return estate.with_host_as(host.host_id, addresses=(before, *host.addresses)), own, at


def _holding(found: Running, estate: Estate, ip: str, at: datetime) -> Holding:
    host = found.edr.resolve_host(hostname=estate.hosts[0].name, at=at)
    asked = notable().model_copy(update={"src_ip": ip, "first_time": at, "last_time": at})
    return own_address(host, asked).holding


@over_each
def test_an_address_is_the_hosts_at_its_time_and_not_at_another(backend: Backend, recorded: Estate) -> None:
    estate, own, at = _moved(recorded)
    with running(backend, estate, at=at + timedelta(minutes=30)) as found:
        assert _holding(found, estate, own, at) is Holding.HELD
        assert _holding(found, estate, OTHER, at) in {Holding.AT_ANOTHER_TIME, Holding.NOT_ITS_OWN}
        assert _holding(found, estate, own, at - DAYS) is Holding.AT_ANOTHER_TIME
        assert _holding(found, estate, "10.88.8.8", at) is Holding.NOT_ITS_OWN


@over_those_that_isolate
def test_the_history_costs_one_call_more_and_its_failure_not_the_host(
    backend: Backend, recorded: Estate
) -> None:
    estate, _, at = _moved(recorded)
    with running(backend, estate, at=at + timedelta(minutes=30)) as found:
        name = estate.hosts[0].name

        def asked(when: datetime | None) -> tuple[HostRef, int]:
            before = len(found.fake.seen)
            host = found.edr.resolve_host(hostname=name, at=when)
            return host, len(found.fake.seen) - before

        asked(at)  # signs in
        plain, few = asked(None)
        told, more = asked(at)
        assert more - few == 1
        assert told.addresses != plain.addresses
        honest, place = found.fake._decide, len(found.fake.seen)

        def without_history(seen: Seen) -> Answer:
            answer: Answer = honest(seen)
            return answer if len(found.fake.seen) - place <= few else Answer(403)

        found.fake._decide = without_history
        assert asked(at) == (plain, few + 1)
