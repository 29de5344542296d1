"""Whether a notable's own address was the host's: as a guard, as something not known, and in the prompt."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.case_unknowns import ANOTHER_HOST, case_unknowns
from actions.host_addresses import ADDRESS_TOLERANCE, Holding, own_address
from actions.indicators.case_view import view_of
from actions.risk import RiskPolicy
from connectors.facts.host import AddressSeen, HostRef
from connectors.facts.notable import Direction
from tests.case_builders import HOST, OWN_IP, after, case, host, notable

OTHER_IP = "10.9.9.9"


def _with(*addresses: AddressSeen) -> HostRef:
    return host().model_copy(update={"addresses": addresses})


@pytest.mark.parametrize(
    ("src_ip", "seen", "holding"),
    [
        (OWN_IP, (AddressSeen(ip=OWN_IP, first_seen=after(0), last_seen=after(60)),), Holding.HELD),
        (OTHER_IP, (AddressSeen(ip=OWN_IP, first_seen=after(0), last_seen=after(60)),), Holding.NOT_ITS_OWN),
        (
            OWN_IP,
            (AddressSeen(ip=OWN_IP, first_seen=after(-9e4), last_seen=after(-8e4)),),
            Holding.AT_ANOTHER_TIME,
        ),
        (OWN_IP, (AddressSeen(ip=OWN_IP),), Holding.TIME_UNKNOWN),
        (OWN_IP, (), Holding.NOT_KNOWN),
        (None, (AddressSeen(ip=OWN_IP),), Holding.NOT_KNOWN),
    ],
)
def test_each_holding(src_ip: str | None, seen: tuple[AddressSeen, ...], holding: Holding) -> None:
    asked = notable().model_copy(update={"src_ip": src_ip})
    assert own_address(_with(*seen), asked) == (src_ip or "", holding)


def test_of_an_inbound_connection_the_destination_is_the_hosts_own() -> None:
    inbound = notable(direction=Direction.INBOUND)
    assert own_address(host(), inbound) == (OWN_IP, Holding.HELD)


def test_an_address_that_is_not_the_hosts_is_told_with_both() -> None:
    stranger = notable().model_copy(update={"src_ip": OTHER_IP})
    facts = case(host=host(), notables=(notable(), stranger))
    (told,) = [each for each in case_unknowns(view_of(facts, RiskPolicy())) if each.what == ANOTHER_HOST]
    assert OTHER_IP in told.why
    assert OWN_IP in told.why
    assert HOST in told.why
    assert OTHER_IP in told.remedy


def test_an_address_that_is_the_hosts_or_cannot_be_told_is_no_contradiction() -> None:
    for given_host in (host(), _with(), _with(AddressSeen(ip=OWN_IP)), None):
        found = case_unknowns(view_of(case(host=given_host), RiskPolicy()))
        assert ANOTHER_HOST not in {each.what for each in found}


@given(
    st.integers(-100_000, 100_000),
    st.integers(-100_000, 100_000),
    st.integers(0, 100_000),
)
def test_held_exactly_within_the_tolerance(at: int, first: int, length: int) -> None:
    asked = notable(seconds=at)
    seen = AddressSeen(ip=OWN_IP, first_seen=after(first), last_seen=after(first + length))
    within = _reaches(after(first) - ADDRESS_TOLERANCE, after(at), after(first + length) + ADDRESS_TOLERANCE)
    assert (own_address(_with(seen), asked).holding is Holding.HELD) == within


def _reaches(start: datetime, at: datetime, end: datetime) -> bool:
    return (at - start) >= timedelta(0) <= (end - at)
