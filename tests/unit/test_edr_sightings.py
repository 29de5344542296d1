"""On which machines a vendor saw a connection: what is asked, how often, and what is made of odd answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.edr.askable import NamedPair, named_pair
from connectors.edr.crowdstrike import queries as falcon_queries
from connectors.edr.crowdstrike import sightings as falcon_sightings
from connectors.edr.defender import queries as defender_queries
from connectors.edr.elastic import queries as elastic_queries
from connectors.edr.elastic.queries import Span
from connectors.errors import InputError, QueryFailed
from connectors.facts.notable import Direction
from connectors.ports import ConnectionClue, MachineSeen, Window
from tests.edr_backends import BACKENDS, Backend, Running, running
from tests.estate import estate_from
from tests.events import REGSVCS, connected, guid, with_data
from tests.fakes import elastic_dsl
from tests.fakes.crowdstrike_cql import run
from tests.fakes.defender_kusto import tokens_of, unquoted

CROWDSTRIKE, DEFENDER, ELASTIC = BACKENDS[:3]
VENDORS = pytest.mark.parametrize("backend", BACKENDS[:3], ids=[each.name.value for each in BACKENDS[:3]])
OWN, PEER = "10.0.0.11", "198.51.100.7"
PAIR = NamedPair("regsvcs.exe", OWN, PEER)
CLUE = ConnectionClue("RegSvcs.exe", OWN, PEER)
NOW = datetime.fromisoformat("2026-09-24T09:00:00+00:00")
WINDOW = Window(NOW - timedelta(hours=2), NOW)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
) | st.sampled_from(
    ['"', "\\", '" or 1==1 //', "a/i or aid=*", "x.exe\n| tail(1)", "*", "$", "(?i)", "\u2028"]
)


def _events(number: int, host: str, src_ip: str = OWN, dest_ip: str = PEER, **changes: object) -> list[Any]:
    told = {"ProcessGuid": guid(number), "ProcessId": 4000 + number, "User": r"CORP\ann"}
    start = with_data(1, {"Image": REGSVCS, "CommandLine": REGSVCS, **told}, second=3540, host=host)
    ends = {"SourceIp": src_ip, "DestinationIp": dest_ip, "Initiated": True, "Image": REGSVCS} | changes
    return [start, connected(number, second=3600 + number, host=host, **told, **ends)]


@contextmanager
def _over(backend: Backend, *events: list[Any]) -> Iterator[Running]:
    with running(backend, estate_from([one for each in events for one in each]), at=NOW) as found:
        yield found


def _asked(found: Running, clue: ConnectionClue = CLUE) -> list[MachineSeen]:
    return list(found.edr.find_machines(clue, window=WINDOW))


# --- what is asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clue", "pair"),
    [
        (CLUE, PAIR._replace(name="RegSvcs.exe")),
        (
            ConnectionClue(" a.exe ", "2001:DB8:0::1", "::ffff:10.0.0.1"),
            NamedPair("a.exe", "2001:db8::1", "10.0.0.1"),
        ),
        (CLUE._replace(src_ip=None), None),
        (CLUE._replace(dest_ip="ws01"), None),
        (CLUE._replace(process_name=" "), None),
        (CLUE._replace(process_name="a\0.exe"), None),
        (CLUE._replace(process_name="\ud800"), None),
    ],
)
def test_only_a_name_and_two_addresses_are_asked_for(clue: ConnectionClue, pair: NamedPair | None) -> None:
    assert named_pair(clue) == pair


@VENDORS
def test_what_cannot_be_asked_is_not_asked(backend: Backend) -> None:
    with _over(backend, _events(1, "WS01")) as found:
        for clue in (CLUE._replace(src_ip=None), CLUE._replace(process_name=""), CLUE._replace(dest_ip="x")):
            assert _asked(found, clue) == []
        assert found.fake.seen == []


def _falcon_row(**changes: Any) -> dict[str, Any]:
    return {
        "#event_simpleName": "NetworkConnectIP4",
        "@timestamp": 1,
        "aid": "a" * 32,
        "ContextBaseFileName": "RegSvcs.exe",
        "LocalAddressIP4": OWN,
        "RemoteAddressIP4": PEER,
    } | changes


@pytest.mark.parametrize(
    ("changes", "is_found"),
    [
        ({}, True),
        ({"ContextBaseFileName": "REGSVCS.EXE"}, True),
        ({"ContextBaseFileName": "xregsvcs.exe"}, False),
        ({"ContextBaseFileName": "regsvcs.exe.exe"}, False),
        ({"ContextBaseFileName": "regsvcsXexe"}, False),
        ({"#event_simpleName": "NetworkReceiveAcceptIP4"}, False),
        (
            {
                "#event_simpleName": "NetworkReceiveAcceptIP4",
                "LocalAddressIP4": PEER,
                "RemoteAddressIP4": OWN,
            },
            True,
        ),
        ({"#event_simpleName": "NetworkListenIP4"}, False),
        ({"LocalAddressIP4": PEER, "RemoteAddressIP4": OWN}, False),
        ({"LocalAddressIP4": "10.0.0.1"}, False),
        ({"RemoteAddressIP4": "198.51.100.70"}, False),
    ],
)
def test_falcon_is_asked_for_the_pair_as_each_end_sees_it(changes: dict[str, Any], is_found: bool) -> None:
    search = falcon_queries.connections_between(PAIR, rows=10)
    assert bool(run(search, [_falcon_row(**changes)])) is is_found


def test_falcon_gives_events_that_name_no_process_too() -> None:
    row = _falcon_row()
    del row["ContextBaseFileName"]
    assert run(falcon_queries.connections_between(PAIR, rows=10), [row]) == [row]


@pytest.mark.parametrize("spelled", ["2001:db8::7", "2001:db8:0:0:0:0:0:7", "0:0:0:0:0:ffff:a00:b"])
def test_falcon_spells_ipv6_in_several_ways(spelled: str) -> None:
    pair = PAIR._replace(src_ip="10.0.0.11" if "ffff" in spelled else "2001:db8::7", dest_ip="2001:db8::9")
    row = _falcon_row(LocalAddressIP6=spelled, RemoteAddressIP6="2001:db8:0:0:0:0:0:9")
    row["#event_simpleName"] = "NetworkConnectIP6"
    del row["LocalAddressIP4"], row["RemoteAddressIP4"]
    assert run(falcon_queries.connections_between(pair, rows=10), [row])


@given(TEXTS, TEXTS)
@settings(max_examples=30)
def test_no_name_changes_what_falcon_is_asked(name: str, another: str) -> None:
    search = falcon_queries.connections_between(PAIR._replace(name=name), rows=10)
    found = run(search, [_falcon_row(ContextBaseFileName=another)])
    if (
        another.casefold() == another.lower() and name.casefold() == name.lower()
    ):  # as regular expressions fold
        assert bool(found) == (name.lower() == another.lower())
    assert run(search, [_falcon_row(LocalAddressIP4="10.9.9.9")]) == []
    for ip in ('"', "*", "10.0.0.0/8"):
        with pytest.raises(InputError):
            falcon_queries.connections_between(PAIR._replace(src_ip=ip), rows=10)


@given(TEXTS)
@settings(max_examples=30)
def test_no_name_changes_what_defender_is_asked(name: str) -> None:
    def shape(query: str) -> list[str]:
        return ["text" if kind == "text" else text for kind, text in tokens_of(query)]

    query = defender_queries.connected_between(PAIR._replace(name=name), WINDOW)
    assert shape(query) == shape(defender_queries.connected_between(PAIR, WINDOW))
    assert name in [unquoted(text) for kind, text in tokens_of(query) if kind == "text"]


@given(TEXTS, TEXTS)
@settings(max_examples=30)
def test_no_name_changes_what_elastic_is_asked(name: str, another: str) -> None:
    asked = elastic_queries.connected_between(PAIR._replace(name=name), Span(*WINDOW), most=5)
    document = {
        "@timestamp": "2026-09-24T08:00:00Z",
        "event": {"action": "connection_attempted"},
        "process": {"name": another},
        "source": {"ip": OWN},
        "destination": {"ip": PEER},
    }
    fits = elastic_dsl.matches(asked.body["query"], document)
    if name.isascii() and another.isascii():
        assert fits is (name.lower() == another.lower())
    turned = {**document, "source": {"ip": PEER}, "destination": {"ip": OWN}}
    assert not elastic_dsl.matches(asked.body["query"], turned)


# --- what it costs -------------------------------------------------------------------------------


def _kinds(found: Running) -> dict[str, int]:
    calls = dict(found.fake.calls)
    return {name: number for name, number in calls.items() if "oken" not in name and number}


@pytest.mark.parametrize(
    ("backend", "calls"),
    [
        (CROWDSTRIKE, {"StartSearchV1": 1, "GetSearchStatusV1": 1, "CombinedDevicesByFilter": 1}),
        (ELASTIC, {"search": 1, "GetEndpointMetadataList": 1}),
    ],
    ids=["crowdstrike", "elastic"],
)
def test_one_search_and_one_call_for_the_records(backend: Backend, calls: dict[str, int]) -> None:
    with _over(backend, _events(1, "WS01"), _events(2, "WS02"), _events(3, "WS03")) as found:
        assert len(_asked(found)) == 3
        assert _kinds(found) == calls
        found.fake.calls.clear()
        assert _asked(found, CLUE._replace(src_ip="10.0.0.99")) == []
        assert "CombinedDevicesByFilter" not in found.fake.calls
        assert "GetEndpointMetadataList" not in found.fake.calls


def test_defender_is_asked_one_hunting_query_and_one_list_of_machines() -> None:
    with _over(DEFENDER, _events(1, "WS01"), _events(2, "WS02")) as found:
        assert len(_asked(found)) == 2
        asked = [each.path.partition("?")[0] for each in found.fake.seen]
        own = [each for each in asked if each.startswith(("/v1.0/", "/api/"))]  # signing in is not counted
        assert own == ["/v1.0/security/runHuntingQuery", "/api/machines"]


# --- odd answers ---------------------------------------------------------------------------------


@VENDORS
def test_the_first_to_have_it_comes_first_with_its_process(backend: Backend) -> None:
    with _over(backend, _events(7, "WS07"), _events(3, "WS03")) as found:
        machines = _asked(found)
        assert [each.host.hostname.lower() for each in machines] == ["ws03", "ws07"]
        host = machines[0].host
        (process,) = machines[0].processes
        (same,) = found.edr.find_process(host, guid=process.guid, window=WINDOW)
        assert (same.guid, same.name.lower(), same.pid) == (process.guid, "regsvcs.exe", 4003)
        assert machines[0].peer_names == ()


def _forget_falcon(found: Running) -> None:
    found.fake.devices.clear()
    for each in found.fake.events:
        each["ComputerName"] = "WS01"


def _forget_defender(found: Running) -> None:
    found.fake.machines.clear()


def _forget_elastic(found: Running) -> None:
    found.fake.records.clear()


@pytest.mark.parametrize(
    ("backend", "forget"),
    [(CROWDSTRIKE, _forget_falcon), (DEFENDER, _forget_defender), (ELASTIC, _forget_elastic)],
    ids=["crowdstrike", "defender", "elastic"],
)
def test_a_machine_without_a_record_goes_by_the_name_in_its_events(
    backend: Backend, forget: Callable[[Running], None]
) -> None:
    with _over(backend, _events(1, "WS01")) as found:
        (before,) = _asked(found)
        forget(found)
        (machine,) = _asked(found)
        assert (machine.host.host_id, machine.host.hostname.lower()) == (before.host.host_id, "ws01")


def test_sensors_that_do_not_name_the_process_are_no_proof_of_none() -> None:
    with _over(CROWDSTRIKE, _events(1, "WS01"), _events(2, "WS02")) as found:
        network = [each for each in found.fake.events if "RemoteAddressIP4" in each]
        del network[0]["ContextBaseFileName"]
        assert [each.host.hostname.lower() for each in _asked(found)] == ["ws02"]
        del network[1]["ContextBaseFileName"]
        with pytest.raises(QueryFailed, match="do not name its process"):
            _asked(found)


def test_a_cut_answer_of_falcon_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(falcon_sightings, "MOST_EVENTS", 2)
    with _over(CROWDSTRIKE, _events(1, "WS01"), _events(2, "WS02")) as found, pytest.raises(QueryFailed):
        _asked(found)


def test_of_an_elastic_event_without_a_direction_it_is_unknown() -> None:
    with _over(ELASTIC, _events(1, "WS01", Initiated=None)) as found:
        (machine,) = _asked(found)
        assert machine.direction is Direction.UNKNOWN


def test_elastic_events_without_an_id_may_hide_others() -> None:
    with _over(ELASTIC, _events(1, "WS01"), _events(2, "WS02")) as found:
        for each in found.fake.documents:
            if "destination" in each:
                del each["process"]["entity_id"]
        with pytest.raises(QueryFailed, match="does not name its process"):
            _asked(found)


def test_part_of_an_elastic_index_is_not_all_of_it() -> None:
    with _over(ELASTIC, _events(1, "WS01")) as found:
        found.fake.failed_shards = 1
        with pytest.raises(QueryFailed):
            _asked(found)


def test_a_time_that_hunting_does_not_reach_is_not_none() -> None:
    with _over(DEFENDER, _events(1, "WS01")) as found:
        found.clock.now = NOW + timedelta(days=60)
        with pytest.raises(QueryFailed, match="history_days"):
            _asked(found)


def test_defender_names_the_image_as_its_creation_spells_it() -> None:
    with _over(DEFENDER, _events(1, "WS01")) as found:
        (machine,) = _asked(found)
        assert [each.image for each in machine.processes] == [REGSVCS]


@VENDORS
def test_ipv6_ends_are_found_in_any_spelling(backend: Backend) -> None:
    with _over(backend, _events(1, "WS01", "2001:db8::5", "2001:db8::9")) as found:
        (machine,) = _asked(found, ConnectionClue("regsvcs.exe", "2001:DB8:0:0::5", "2001:0db8::9"))
        assert machine.direction is Direction.OUTBOUND


# --- which process -------------------------------------------------------------------------------


@VENDORS
@pytest.mark.parametrize("remote_ip", [PEER, None], ids=["by peer", "by name"])
def test_account_and_own_address_cost_no_further_call(backend: Backend, remote_ip: str | None) -> None:
    with _over(backend, _events(1, "WS01"), _events(2, "WS01", "10.0.0.12")) as found:
        host = found.edr.resolve_host(hostname="WS01")

        def asked(user: str | None, local_ip: str | None) -> int:
            before = len(found.fake.seen)
            assert found.edr.find_process(
                host,
                name="regsvcs.exe",
                remote_ip=remote_ip,
                user=user,
                local_ip=local_ip,
                window=WINDOW,
            )
            return len(found.fake.seen) - before

        asked(None, None)  # signs in
        assert asked(None, None) == asked("ann", OWN)
