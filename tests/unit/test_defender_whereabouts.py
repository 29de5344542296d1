"""Defender's isolated machines and its addresses over time: what the contract suite does not reach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from connectors.edr.catalogue import EdrName
from connectors.edr.defender import api, isolated
from connectors.edr.defender.address_history import with_history
from connectors.facts.host import AddressSeen, HostRef
from connectors.facts.isolation import IsolationState
from tests.edr_backends import BACKENDS, Running, running
from tests.estate import Estate, EstateHost, host_id_of
from tests.http_clients import START

HOUR = timedelta(hours=1)
DEFENDER = next(each for each in BACKENDS if each.name is EdrName.DEFENDER)


@contextmanager
def machines(number: int) -> Iterator[Running]:
    hosts = tuple(EstateHost(host_id_of(f"APP{n}"), f"APP{n}.corp.example") for n in range(number))
    with running(DEFENDER, Estate(hosts), at=START) as found:
        yield found


def record(found: Running, kind: str, number: int, asked: float, ended: float, **more: Any) -> None:
    machine = found.fake.machines[number]["id"]
    found.fake.record(kind, machine, created=START + asked * HOUR, ended=START + ended * HOUR, **more)


def listed(found: Running, *, limit: int = 100) -> tuple[dict[str, IsolationState], bool]:
    hosts, complete = found.edr.isolated_hosts(limit=limit)
    return {each.hostname.partition(".")[0]: each.isolation for each in hosts}, complete


def test_the_last_action_that_succeeded_decides_whoever_asked_for_it() -> None:
    with machines(6) as found:
        record(found, "Isolate", 0, -9, -8)
        record(found, "Isolate", 1, -9, -8)
        record(found, "Unisolate", 1, -7, -6)
        record(found, "Isolate", 2, -9, -8, status="Failed")
        record(found, "Isolate", 3, -5, -1)  # asked for before the release, and done after it
        record(found, "Unisolate", 3, -4, -3)
        record(found, "Isolate", 4, -9, -8)
        record(found, "Unisolate", 4, -7, -6, status="Failed")
        record(found, "RunAntiVirusScan", 5, -9, -8)
        assert listed(found) == (
            {
                "app0": IsolationState.ISOLATED,
                "app3": IsolationState.ISOLATED,
                "app4": IsolationState.ISOLATED,
            },
            True,
        )


def test_a_release_under_way_leaves_it_on_the_list() -> None:
    with machines(1) as found:
        found.fake.settle_after = None
        record(found, "Isolate", 0, -9, -8)
        record(found, "Unisolate", 0, -1, -1, status="Pending")
        assert listed(found) == ({"app0": IsolationState.RELEASING}, True)


def test_what_cannot_be_told_is_not_listed_and_makes_the_list_incomplete() -> None:
    with machines(2) as found:
        record(found, "Isolate", 0, -9, -8, status="Odd")
        record(found, "Isolate", 1, -9, -8)
        assert listed(found) == ({"app1": IsolationState.ISOLATED}, False)


def test_an_isolation_before_the_history_does_not_show() -> None:
    with machines(2) as found:
        record(found, "Isolate", 0, -181 * 24, -181 * 24)
        record(found, "Isolate", 1, -179 * 24, -179 * 24)
        assert listed(found) == ({"app1": IsolationState.ISOLATED}, True)


def test_of_a_cut_list_nothing_that_a_later_action_may_have_ended_is_certain() -> None:
    with machines(3) as found:
        found.fake.page = 2
        record(found, "Isolate", 0, -9, -8)
        record(found, "Isolate", 1, -7, -6)
        record(found, "Isolate", 2, -5, -5, status="Pending")
        found.fake.settle_after = None
        assert listed(found) == ({"app1": IsolationState.UNKNOWN, "app2": IsolationState.ISOLATING}, False)


def test_the_largest_page_that_is_full_is_not_taken_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LARGEST_PAGE", 2)
    with machines(2) as found:
        record(found, "Isolate", 0, -9, -8)
        record(found, "Isolate", 1, -7, -6)
        assert not listed(found)[1]


def test_names_cost_one_call_for_many_and_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "NAMES_OF_A_CALL", 2)
    monkeypatch.setattr(isolated, "MOST_NAME_CALLS", 2)
    with machines(5) as found:
        for number in range(5):
            record(found, "Isolate", number, -9, -8)
        told, complete = found.edr.isolated_hosts(limit=100)
        assert (len(told), complete) == (5, True)
        assert found.fake.calls["machines"] == 2
        assert [each.hostname for each in told if each.hostname == each.host_id] == [told[-1].hostname]
        honest = found.fake._machines
        found.fake._machines = lambda *_: honest("", {"$filter": "nonsense"}, None)
        unnamed, still = found.edr.isolated_hosts(limit=100)
        assert still
        assert {each.host_id for each in unnamed} == {each.host_id for each in told}
        assert all(each.isolation is IsolationState.ISOLATED for each in unnamed)


# --- addresses ---------------------------------------------------------------------------------

OWN, OTHER = "10.0.0.5", "10.0.0.9"
HOST = HostRef(
    connector="defender",
    host_id="m1",
    hostname="app1",
    addresses=(AddressSeen(ip=OWN, last_seen=START),),
    last_seen=START,
)


def row(hours: float, until: float, **told: object) -> dict[str, object]:
    return {
        "FirstSeen": (START + hours * HOUR).isoformat(),
        "LastSeen": (START + until * HOUR).isoformat(),
        **told,
    }


def assigned(*ips: object) -> str:
    return json.dumps([{"IPAddress": ip, "SubnetPrefix": 24} for ip in ips])


def test_connections_and_adapters_together_tell_when_an_address_was_had() -> None:
    rows = [
        row(-5, -4.8, LocalIP=f"::ffff:{OTHER}"),
        row(-5.2, -4.9, IPAddresses=assigned(OTHER, "fe80::1", "127.0.0.1", None, "no address")),
    ]
    told = with_history(HOST, rows).addresses
    assert told == (
        AddressSeen(ip=OTHER, first_seen=START - 5.2 * HOUR, last_seen=START - 4.8 * HOUR),
        AddressSeen(ip=OWN, first_seen=START, last_seen=START),
    )


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{}],
        [{"LocalIP": OTHER}],
        [row(-1, 0, LocalIP="0.0.0.0")],  # noqa: S104
        [row(-1, 0, LocalIP=7, IPAddresses="[")],
        [row(-1, 0, IPAddresses=json.dumps({"IPAddress": OTHER}))],
        [row(-1, 0, IPAddresses="[" * 70_000)],
    ],
)
def test_rows_that_tell_no_address_change_nothing(rows: list[dict[str, object]]) -> None:
    assert with_history(HOST, rows) == HOST
