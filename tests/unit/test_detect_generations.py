"""The analytic's generations over Sysmon: what each excludes, drops and groups, and whom notables name."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.analytic import excluding_range, judge_as_escu
from actions.detect import detect
from actions.detection import Detection, EscuReason, Semantics
from actions.profile import Profile
from actions.profile_catalog import shipped_profiles
from connectors.edr.sysmon_cim import supported_fields
from connectors.edr.sysmon_file.event import RawEvent
from connectors.facts.notable import DestMeaning, Direction
from connectors.siem.generations import GENERATIONS, VERSION_2, VERSION_7, VERSION_15, Generation
from tests.events import HOST, bare, connected, created, guid

PEER = "149.154.167.220"
PEER_NAME = "api.telegram.org"
REGASM = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe"

RANGES = [(each, prefix) for each in GENERATIONS for prefix in each.excluded]


def run(*events: RawEvent, semantics: Semantics = Semantics.ESCU_15) -> Detection:
    return detect(events, shipped_profiles(), semantics=semantics)


def named(**data: Any) -> RawEvent:
    return connected(7, PEER, **{"DestinationHostname": PEER_NAME, **data})


def within(generation: Generation, address: int) -> bool:
    """Whether a range of it holds the address, by its bits."""
    for prefix in generation.excluded:
        network, length = prefix.split("/")
        shift = 32 - int(length)
        if address >> shift == int(IPv4Address(network)) >> shift:
            return True
    return False


@pytest.mark.parametrize(("generation", "prefix"), RANGES, ids=[f"{each.number}-{p}" for each, p in RANGES])
def test_both_ends_of_a_range_are_excluded_and_their_neighbours_only_by_another(
    generation: Generation, prefix: str
) -> None:
    # Not strict about host bits: 10.0.0.0/12 is a slip of version 2, and still a network.
    network = IPv4Network(prefix)
    first, last = int(network.network_address), int(network.broadcast_address)
    assert excluding_range(generation, str(IPv4Address(first))) is not None
    assert excluding_range(generation, str(IPv4Address(last))) is not None
    for near in (first - 1, last + 1):
        if 0 <= near < 2**32:
            held = excluding_range(generation, str(IPv4Address(near)))
            assert (held is not None) is within(generation, near)


@given(st.sampled_from(GENERATIONS), st.integers(0, 2**32 - 1))
def test_an_address_raises_where_no_range_holds_it(generation: Generation, address: int) -> None:
    judged = judge_as_escu(generation, dest_ip=str(IPv4Address(address)), absent=(), resolved=False)
    assert judged.raised is not within(generation, address)
    assert judged.generation == generation.number


@given(st.sampled_from(GENERATIONS), st.ip_addresses(v=6))
def test_no_generation_excludes_ipv6(generation: Generation, address: object) -> None:
    assert judge_as_escu(generation, dest_ip=str(address), absent=(), resolved=False).raised


@pytest.mark.parametrize(
    ("generation", "ip", "reason"),
    [
        (VERSION_2, "10.15.255.255", EscuReason.RFC1918),
        (VERSION_2, "10.16.0.0", EscuReason.RAISED),  # its /12, where a /8 was meant
        (VERSION_7, "10.16.0.0", EscuReason.RFC1918),
        (VERSION_7, "127.0.0.1", EscuReason.RAISED),
        (VERSION_15, "10.16.0.0", EscuReason.RFC1918),
        (VERSION_15, "127.0.0.1", EscuReason.EXCLUDED),
        (VERSION_15, "198.19.255.255", EscuReason.EXCLUDED),
        (VERSION_15, "0.0.0.1", EscuReason.RAISED),  # the search does not exclude 0.0.0.0/8
        (VERSION_15, "255.255.255.255", EscuReason.EXCLUDED),
        (VERSION_15, "::ffff:10.0.0.1", EscuReason.RAISED),
    ],
)
def test_the_reason_names_the_kind_of_range(generation: Generation, ip: str, reason: EscuReason) -> None:
    assert judge_as_escu(generation, dest_ip=ip, absent=(), resolved=False).reason is reason


def test_the_ranges_are_as_many_as_the_searches_have() -> None:
    assert [len(set(each.excluded)) for each in GENERATIONS] == [3, 3, 23]


# --- what `stats by` drops -----------------------------------------------------------------------


def test_every_by_field_of_version_15_has_a_source() -> None:
    assert set(VERSION_15.by) == set(supported_fields(named()))
    assert None not in supported_fields(named()).values()


@pytest.mark.parametrize(
    ("field", "dropped"),
    [
        ("DestinationPort", ("dest_port",)),
        ("Initiated", ("direction",)),
        ("SourceIp", ("src", "src_ip")),
        ("SourcePort", ("src_port",)),
        ("Protocol", ("transport",)),
        ("User", ("user",)),
        ("ProcessGuid", ("process_guid",)),
        ("ProcessId", ("process_id",)),
        ("DestinationIp", ("dest_ip", "protocol_version")),
        ("DestinationHostname", ()),
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_version_15_drops_an_event_that_lacks_a_by_field(
    field: str, dropped: tuple[str, ...], value: object
) -> None:
    found = run(named(**{field: value}))
    (alert,) = (*found.raised, *found.not_raised)
    assert alert.escu.raised is not bool(dropped)
    assert (alert.escu.reason is EscuReason.FIELD_MISSING) is bool(dropped)
    assert all(name in alert.escu.detail for name in dropped)
    # Version 7 groups by fewer: it drops no event for its ports, protocol, process or direction.
    old = run(named(**{field: value}), semantics=Semantics.ESCU)
    assert bool(old.raised) is (field not in {"User", "SourceIp", "DestinationIp"})


def test_a_null_guid_is_a_value_to_splunk_and_no_process_to_us() -> None:
    (alert,) = run(connected(None, PEER)).raised
    assert (alert.notable.process_guids, alert.notable.process_ids) == ((), ())


def test_a_name_that_sysmon_lost_is_not_found_by_either() -> None:
    events = (created(7, None, REGASM), connected(7, PEER, image="<unknown process>"))
    for semantics in (Semantics.ESCU, Semantics.ESCU_15):
        (alert,) = run(*events, semantics=semantics).not_raised
        assert alert.escu.reason is EscuReason.NAME_NOT_LOGGED
        assert alert.notable.process_name == "RegAsm.exe"
    assert run(*events, semantics=Semantics.STRICT).raised


# --- groups --------------------------------------------------------------------------------------


def test_version_15_makes_a_row_of_each_process_source_port_and_name_of_the_peer() -> None:
    events = (
        named(),
        named(second=5),
        named(SourcePort=50_001),
        named(ProcessGuid=guid(8), ProcessId=1008),
        named(DestinationHostname="-"),
        named(port=8443),
    )
    assert [alert.notable.count for alert in run(*events, semantics=Semantics.ESCU).raised] == [6]
    found = run(*events)
    assert sorted(alert.notable.count or 0 for alert in found.raised) == [1, 1, 1, 1, 2]
    assert len({alert.notable.event_id for alert in found.raised}) == 5
    assert found.counts.matched == 6
    assert run(*reversed(events)) == found


def test_the_users_domain_makes_no_row_of_its_own() -> None:
    found = run(named(User=r"CORP\user01"), named(User="user01", second=3))
    (alert,) = found.raised
    assert alert.notable.count == 2
    assert alert.notable.user in {r"CORP\user01", "user01"}


# --- whom a notable names ------------------------------------------------------------------------

READINGS = [
    (Semantics.ESCU, (7, "dest", HOST, DestMeaning.MACHINE)),
    (Semantics.ESCU_15, (15, "dvc", PEER_NAME, DestMeaning.PEER)),
    (Semantics.STRICT, (None, "Computer", HOST, DestMeaning.MACHINE)),
]


@pytest.mark.parametrize("image", [REGASM, REGASM.replace("Asm", "Svcs")], ids=["regasm", "regsvcs"])
@pytest.mark.parametrize(("semantics", "expected"), READINGS)
def test_dest_is_the_machine_in_every_reading(
    image: str, semantics: Semantics, expected: tuple[object, ...]
) -> None:
    (alert,) = run(named(image=image), semantics=semantics).raised
    notable = alert.notable
    assert alert.profile == image.rpartition("\\")[2].removesuffix(".exe").lower()
    assert notable.dest == HOST
    of_dest = (notable.dest_given, notable.dest_meaning)
    assert (notable.generation, notable.machine_field, *of_dest) == expected
    assert notable.peer_names == (PEER_NAME,)
    assert (notable.process_guids, notable.process_ids) == ((bare(7),), (1007,))
    assert (notable.src_ports, notable.dest_ports) == ((50_000,), (443,))
    assert notable.user == r"CORP\user01"


def test_the_peer_without_a_name_is_its_address_in_version_15() -> None:
    (alert,) = run(named(DestinationHostname="-")).raised
    assert (alert.notable.dest_given, alert.notable.dest_meaning) == (PEER, DestMeaning.PEER)
    assert alert.notable.peer_names == ()


def test_inbound_turns_round_and_dest_is_the_machine() -> None:
    inbound = connected(
        7,
        "44.33.22.11",
        initiated=False,
        SourceIp="8.8.8.8",
        SourceHostname="dns.google",
        DestinationHostname=HOST,
    )
    (alert,) = run(inbound).raised
    notable = alert.notable
    assert (notable.dest, notable.dest_given, notable.dest_meaning) == (HOST, HOST, DestMeaning.MACHINE)
    assert (notable.direction, notable.peer_ip) == (Direction.INBOUND, "8.8.8.8")
    assert notable.peer_names == ("dns.google",)


def test_where_the_direction_was_not_logged_no_name_is_taken_for_the_peers() -> None:
    for semantics in Semantics:
        found = run(named(initiated=None), semantics=semantics)
        (alert,) = (*found.raised, *found.not_raised)
        assert (alert.notable.dest, alert.notable.peer_names) == (HOST, ())
    assert alert.notable.direction is Direction.UNKNOWN


# --- profiles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", shipped_profiles(), ids=lambda each: each.name)
def test_a_shipped_profile_has_every_generation_and_the_score_of_each(profile: Profile) -> None:
    assert profile.generations == tuple(each.number for each in GENERATIONS)
    assert [profile.base_score(each.number) for each in GENERATIONS] == [80, 80, 50]
    assert profile.base_score(None) == 80
    assert profile.base_score(99) == 80


def test_a_profile_of_ones_own_keeps_its_score_in_every_generation() -> None:
    own = Profile(name="own", title="t", process_names=("a.exe",), impact=60, confidence=50)
    assert {own.base_score(each.number) for each in GENERATIONS} == {30.0}


def test_a_generation_that_is_none_is_refused() -> None:
    for numbers in ((), (3,), (7, 8)):
        with pytest.raises(ValueError, match="2, 7, 15"):
            Profile(name="own", title="t", process_names=("a.exe",), generations=numbers)
    assert Profile(name="own", title="t", process_names=("a.exe",), generations=(15, 7, 7)).generations == (
        7,
        15,
    )
