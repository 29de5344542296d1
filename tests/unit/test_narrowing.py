"""Which of several processes account and own address mean, and what the events of a machine say together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.edr.narrowing import Fitting, narrowed
from connectors.edr.sightings import LONGEST_PEER_NAME, PEER_NAMES_KEPT, Sighting, machine_seen
from connectors.facts.host import HostRef
from connectors.facts.notable import Direction
from connectors.facts.process import ProcessRef

ANN, BOB, UNKNOWN = r"CORP\ann", r"CORP\bob", ""


def _process(number: int) -> ProcessRef:
    return ProcessRef(host_id="WS01", guid=f"G{number}", pid=number)


def _fitting(*known: tuple[str, str]) -> list[Fitting]:
    return [
        Fitting(_process(number), (user,), (local_ip,) if local_ip else ())
        for number, (user, local_ip) in enumerate(known)
    ]


@pytest.mark.parametrize(
    ("known", "user", "local_ip", "kept"),
    [
        ([], "ann", "10.0.0.1", []),
        ([(BOB, "10.0.0.2")], "ann", "10.0.0.1", [0]),
        ([(ANN, ""), (BOB, "")], "ann", None, [0]),
        ([(ANN, ""), (BOB, "")], "ann@corp.example", None, [0]),
        ([(ANN, ""), (r"OTHER\ann", "")], ANN, None, [0]),
        ([(ANN, ""), (r"OTHER\ann", "")], "ann", None, [0, 1]),
        ([(ANN, ""), (BOB, "")], "carol", None, [0, 1]),
        ([(ANN, ""), (UNKNOWN, ""), (BOB, "")], "ann", None, [0, 1]),
        ([(UNKNOWN, ""), (UNKNOWN, "")], "ann", None, [0, 1]),
        ([(UNKNOWN, ""), (ANN, "")], "", None, [0, 1]),
        ([(UNKNOWN, ""), (ANN, "")], " ", None, [0, 1]),
        ([("", "10.0.0.1"), ("", "10.0.0.2")], None, "10.0.0.1", [0]),
        ([("", "10.0.0.1"), ("", "")], None, "10.0.0.1", [0]),
        ([("", "2001:DB8:0:0:0:0:0:1"), ("", "2001:db8::2")], None, " 2001:db8::1 ", [0]),
        ([("", "10.0.0.1"), ("", "10.0.0.2")], None, "10.0.0.3", [0, 1]),
        ([("", "WS01"), ("", "10.0.0.2")], None, "WS01", [0, 1]),
        ([(ANN, "10.0.0.1"), (ANN, "10.0.0.2"), (BOB, "10.0.0.1")], "ann", "10.0.0.1", [0]),
        ([(ANN, "10.0.0.1"), (BOB, "10.0.0.2"), (BOB, "")], "ann", "10.0.0.2", [0, 1]),
    ],
)
def test_account_and_own_address_narrow_as_far_as_they_agree(
    known: list[tuple[str, str]], user: str | None, local_ip: str | None, kept: list[int]
) -> None:
    assert [each.pid for each in narrowed(_fitting(*known), user=user, local_ip=local_ip)] == kept


_KNOWN = st.lists(
    st.tuples(
        st.sampled_from([ANN, BOB, "ann", UNKNOWN]), st.sampled_from(["10.0.0.1", "10.0.0.2", "", "x"])
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(_KNOWN, st.sampled_from(["ann", BOB, "carol", "", None]), st.sampled_from(["10.0.0.1", "y", None]))
def test_narrowing_never_empties_adds_or_reorders(
    known: list[tuple[str, str]], user: str | None, local_ip: str | None
) -> None:
    fitting = _fitting(*known)
    kept = narrowed(fitting, user=user, local_ip=local_ip)
    assert bool(kept) == bool(fitting)
    assert kept == [each.process for each in fitting if each.process in kept]
    assert narrowed([each for each in fitting if each.process in kept], user=user, local_ip=local_ip) == kept
    backwards = narrowed(fitting[::-1], user=user, local_ip=local_ip)
    assert backwards == kept[::-1]


HOST = HostRef(connector="edr", host_id="WS01", hostname="WS01")
OUT, IN, NOT_SAID = Direction.OUTBOUND, Direction.INBOUND, Direction.UNKNOWN


@pytest.mark.parametrize(
    ("directions", "told"),
    [
        ([OUT], OUT),
        ([OUT, OUT], OUT),
        ([NOT_SAID, IN], IN),
        ([OUT, IN], NOT_SAID),
        ([NOT_SAID], NOT_SAID),
        ([], NOT_SAID),
    ],
)
def test_a_direction_is_told_where_all_events_that_say_one_say_the_same(
    directions: list[Direction], told: Direction
) -> None:
    assert machine_seen(HOST, [Sighting(_process(1), each) for each in directions]).direction is told


def test_processes_and_names_stand_once_and_are_bounded() -> None:
    seen = [
        Sighting(_process(number % 3), OUT, name)
        for number, name in enumerate(["a.example", "", "A.example", " "])
    ]
    machine = machine_seen(HOST, seen)
    assert (machine.host, [each.pid for each in machine.processes]) == (HOST, [0, 1, 2])
    assert machine.peer_names == ("a.example",)
    many = machine_seen(HOST, [Sighting(_process(1), OUT, f"{number}{'x' * 400}") for number in range(40)])
    assert len(many.peer_names) == PEER_NAMES_KEPT
    assert max(len(each) for each in many.peer_names) == LONGEST_PEER_NAME


def test_processes_without_a_guid_are_one_where_pid_start_and_image_are() -> None:
    def bare(pid: int) -> ProcessRef:
        return ProcessRef(host_id="WS01", pid=pid, image="regsvcs.exe")

    assert machine_seen(HOST, [Sighting(bare(1)), Sighting(bare(2)), Sighting(bare(1))]).processes == (
        bare(1),
        bare(2),
    )
