"""Which notables make one case, where the machine is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from actions.get_process_lineage import Located
from actions.locate_machine import FoundBy
from connectors.facts.host import HostRef
from connectors.facts.notable import DestMeaning, Direction, Notable, NotableSource
from playbooks.grouping import group_cases

AT = datetime(2026, 9, 24, 7, 0, tzinfo=UTC)
NOWHERE = Located()
PUBLIC = "93.184.216.34"


def notable(number: int, **fields: object) -> Notable:
    base: dict[str, object] = {
        "source": NotableSource.ES_NOTABLE,
        "event_id": f"e{number}",
        "dest": "",
        "user": "ann",
        "process_name": "regsvcs.exe",
        "src_ip": "10.20.4.17",
        "dest_ip": "149.154.167.220",
        "first_time": AT,
    }
    return Notable.model_validate(base | fields)


@pytest.mark.parametrize(
    ("second", "cases"),
    [
        pytest.param({}, 1, id="the same victim again"),
        pytest.param({"dest_ip": "93.184.216.34"}, 1, id="one victim, two servers"),
        pytest.param({"dest_given": "other.example"}, 1, id="the peer is called otherwise"),
        pytest.param({"src_ip": "10.20.4.18"}, 2, id="another own address"),
        pytest.param({"user": "bob"}, 2, id="another user behind one address"),
        pytest.param({"process_name": "regasm.exe"}, 2, id="another process"),
        pytest.param({"first_time": AT + timedelta(days=1)}, 2, id="another day"),
    ],
)
def test_what_tells_machines_apart_that_are_not_named(second: dict[str, object], cases: int) -> None:
    drafts = group_cases([(notable(1), NOWHERE), (notable(2, **second), NOWHERE)])
    assert len(drafts) == cases


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"src_ip": None}, id="no own address"),
        pytest.param({"src_ip": PUBLIC, "dest_ip": None}, id="an address that may be the peer's, alone"),
    ],
)
def test_without_an_address_of_its_own_each_is_a_case(fields: dict[str, object]) -> None:
    drafts = group_cases([(notable(each, **fields), NOWHERE) for each in range(3)])
    assert len(drafts) == 3


def test_without_a_direction_both_public_ends_count_in_any_order() -> None:
    one = notable(1, src_ip=PUBLIC)
    turned = notable(2, src_ip="149.154.167.220", dest_ip=PUBLIC)
    other = notable(3, src_ip="93.184.215.14")
    assert len(group_cases([(each, NOWHERE) for each in (one, turned, other)])) == 2


def test_inbound_the_key_is_its_own_end() -> None:
    called = {"direction": Direction.INBOUND, "dest_ip": "10.20.4.17"}
    first, second = notable(1, src_ip=PUBLIC, **called), notable(2, src_ip="93.184.215.14", **called)
    assert len(group_cases([(first, NOWHERE), (second, NOWHERE)])) == 1


def test_a_doubtful_name_joins_no_victims() -> None:
    named = {"dest": "DC01", "machine_doubtful": True, "dest_meaning": DestMeaning.MACHINE}
    first, second = notable(1, **named), notable(2, src_ip="10.20.4.18", **named)
    assert len(group_cases([(first, NOWHERE), (second, NOWHERE)])) == 2


def test_the_case_of_a_known_machine_names_the_ids_it_may_have_had_and_the_surest_way() -> None:
    unnamed, named = notable(1), notable(2, dest="WS01")
    (before,) = group_cases([(unnamed, NOWHERE)])
    host = HostRef(connector="fake", host_id="agent-1", hostname="WS01")
    ways = [
        (unnamed, Located(host=host, found_by=FoundBy.ADDRESS, direction=Direction.OUTBOUND)),
        (named, Located(host=host, found_by=FoundBy.NAME)),
    ]
    for order in permutations(ways):
        (draft,) = group_cases(order)
        assert before.case_id in draft.earlier_ids
        assert draft.case_id not in draft.earlier_ids
        assert draft.found_by is FoundBy.NAME
        told = {each.event_id: each.direction for each in draft.notables}
        assert told == {"e1": Direction.OUTBOUND, "e2": Direction.UNKNOWN}


def test_rows_of_two_processes_are_two_inputs() -> None:
    guids = ("A1B2C3D4-0000-0000-0000-000000000001", "A1B2C3D4-0000-0000-0000-000000000002")
    rows = [notable(1, process_guids=(guid,)) for guid in guids]
    (draft,) = group_cases([(each, NOWHERE) for each in (*rows, rows[0])])
    assert len(draft.notables) == 2
