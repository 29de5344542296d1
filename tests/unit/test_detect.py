"""The analytic: what each reading raises, drops and counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.detect import detect
from actions.detection import Detection, EscuReason, Semantics, StrictReason
from actions.organisation_ranges import OrganisationRanges
from actions.profile import Profile
from actions.profile_catalog import profile_names, shipped_profile, shipped_profiles
from connectors.edr.sysmon_file.event import RawEvent
from connectors.errors import ConfigError
from connectors.facts.notable import Direction
from tests.events import HOST, REGSVCS, bare, connected, created

PROFILES = (Profile(name="regsvcs", title="t", process_names=("regsvcs.exe",)),)


def run(events: list[RawEvent], semantics: Semantics = Semantics.STRICT) -> Detection:
    return detect(events, PROFILES, semantics=semantics)


def test_one_notable_per_by_fields_with_count_times_guids_and_ports() -> None:
    found = run(
        [
            connected(7, second=60, port=443),
            connected(7, second=10, port="8443"),
            connected(8, second=30, port=443),
            connected(7, "1.1.1.1", second=5),
        ]
    )
    assert [alert.notable.dest_ip for alert in found.raised] == ["1.1.1.1", "149.154.167.220"]
    notable = found.raised[1].notable
    assert (notable.dest, notable.user, notable.process_name) == (HOST, r"CORP\user01", "RegSvcs.exe")
    assert notable.count == 3
    assert notable.dest_ports == (443, 8443)
    assert notable.process_guids == (bare(7), bare(8))
    assert notable.direction is Direction.OUTBOUND
    assert notable.first_time is not None
    assert notable.last_time is not None
    assert (notable.last_time - notable.first_time).total_seconds() == 50
    assert found.counts.matched == 4


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.251", "fe80:0:0:0:0:0:0:1", "192.0.2.1", "::1"],
)
def test_escu_raises_what_is_not_public_and_strict_does_not(ip: str) -> None:
    escu = run([connected(7, ip)], Semantics.ESCU)
    strict = run([connected(7, ip)])
    assert len(escu.raised) == 1
    assert not escu.raised[0].strict.raised
    assert strict.raised == ()
    assert strict.not_raised[0].strict.reason is StrictReason.NOT_PUBLIC
    assert strict.not_raised[0].escu.raised


@pytest.mark.parametrize("ip", ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.7.7"])
def test_escu_excludes_rfc1918(ip: str) -> None:
    found = run([connected(7, ip)], Semantics.ESCU)
    assert found.raised == ()
    assert found.not_raised[0].escu.reason is EscuReason.RFC1918


def test_escu_keeps_the_neighbours_of_rfc1918() -> None:
    for ip in ("9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"):
        assert len(run([connected(7, ip)], Semantics.ESCU).raised) == 1, ip


@pytest.mark.parametrize("field", ["User", "SourceIp", "DestinationIp"])
@pytest.mark.parametrize("value", [None, ""])
def test_stats_by_drops_an_event_without_a_by_field(field: str, value: object) -> None:
    event = connected(7)
    found = run([event._replace(data={**event.data, field: value})], Semantics.ESCU)
    assert found.raised == ()
    assert found.not_raised[0].escu.reason is EscuReason.FIELD_MISSING


def test_strict_raises_without_a_user_which_escu_drops() -> None:
    found = run([connected(7, User="")])
    assert found.raised[0].notable.user == ""
    assert [missing.field for missing in found.raised[0].notable.missing] == ["user"]
    assert not found.raised[0].escu.raised


def test_process_name_compares_without_case_and_exactly() -> None:
    for image in (r"C:\x\REGSVCS.EXE", r"C:\x\regsvcs.exe", "regsvcs.exe"):
        assert len(run([connected(7, image=image)]).raised) == 1, image
    for image in (r"C:\x\aregsvcs.exe", r"C:\regsvcs.exe\other.exe", r"C:\x\regsvcs.exe.tmp", "regsvcs"):
        assert run([connected(7, image=image)]).counts.matched == 0, image


def test_inbound_is_judged_by_the_source_and_labelled() -> None:
    inbound = connected(7, "10.20.4.17", initiated=False, SourceIp="8.8.8.8", SourcePort=40000, port=8080)
    found = run([inbound])
    notable = found.raised[0].notable
    assert notable.direction is Direction.INBOUND
    assert notable.peer_ip == "8.8.8.8"
    assert notable.dest_ip == "10.20.4.17"
    assert run([connected(7, "8.8.8.8", initiated=False, SourceIp="10.0.0.9")]).raised == ()


def test_direction_that_was_not_logged_is_unknown() -> None:
    assert run([connected(7, initiated=None)]).raised[0].notable.direction is Direction.UNKNOWN
    assert run([connected(7, initiated="true")]).raised[0].notable.direction is Direction.OUTBOUND


def test_strict_sees_public_ipv6_and_addresses_inside_tunnels() -> None:
    assert run([connected(7, "2606:4700:4700::1111")]).raised[0].strict.reason is StrictReason.PUBLIC
    tunnel = run([connected(7, "2002:808:808::1")])
    assert tunnel.raised[0].strict.reason is StrictReason.PUBLIC_EMBEDDED
    assert run([connected(7, "2002:a00:1::1")]).raised == ()
    assert run([connected(7, "::ffff:10.0.0.1")]).raised == ()


def test_the_organisations_own_range_is_not_raised_and_says_so() -> None:
    own = OrganisationRanges(["149.154.160.0/20"])
    found = detect([connected(7)], PROFILES, organisation=own)
    assert found.raised == ()
    assert found.not_raised[0].strict.reason is StrictReason.ORGANISATION_OWNED
    assert "149.154.160.0/20" in found.not_raised[0].strict.detail


@pytest.mark.parametrize("image", ["<unknown process>", "&lt;unknown process&gt;", "", None])
@pytest.mark.parametrize("order", [1, -1])
def test_unknown_process_is_named_through_its_guid_whichever_comes_first(image: object, order: int) -> None:
    events = [created(7, 1, REGSVCS), connected(7, image=image, second=1)][::order]
    found = run(events)
    assert found.raised[0].notable.process_name == "RegSvcs.exe"
    assert found.raised[0].resolved
    assert found.raised[0].escu.reason is EscuReason.NAME_NOT_LOGGED
    assert (found.counts.unknown_process, found.counts.unknown_resolved) == (1, 1)
    assert run(events, Semantics.ESCU).raised == ()


def test_unknown_process_without_a_name_is_counted_not_raised() -> None:
    found = run(
        [
            connected(7, image="<unknown process>"),
            connected(None, image="<unknown process>"),
            created(7, 1, REGSVCS, host="OTHER"),
        ]
    )
    assert found.raised == ()
    assert found.counts.unknown_process == 2
    assert found.counts.unknown_unresolved == 2


def test_resolved_and_named_events_of_one_process_are_one_notable() -> None:
    found = run([connected(7), connected(7, image="<unknown process>", second=9)])
    assert len(found.raised) == 1
    assert found.raised[0].notable.count == 2
    assert not found.raised[0].resolved


def test_unreadable_peer_is_counted_and_kept() -> None:
    found = run([connected(7, "not an address"), connected(7, "e000:fc:0:0:0:0:5355")])
    assert found.raised == ()
    assert {alert.strict.reason for alert in found.not_raised} == {StrictReason.PEER_UNREADABLE}
    assert found.counts.not_raised == 2


def test_non_canonical_ipv6_is_written_canonically() -> None:
    found = run([connected(7, "2606:4700:4700:0:0:0:0:1111")])
    assert found.raised[0].notable.dest_ip == "2606:4700:4700::1111"


def test_event_id_is_stable_and_tells_notables_apart() -> None:
    once = [alert.notable.event_id for alert in run([connected(7), connected(7, "1.1.1.1")]).raised]
    again = [alert.notable.event_id for alert in run([connected(7, "1.1.1.1"), connected(7)]).raised]
    assert sorted(once) == sorted(again)
    assert len(set(once)) == 2


@given(
    st.permutations([connected(7), connected(8, second=4), connected(7, second=9), created(8, 7, REGSVCS)])
)
def test_order_of_events_changes_nothing(events: list[RawEvent]) -> None:
    base = run([connected(7), connected(8, second=4), connected(7, second=9), created(8, 7, REGSVCS)])
    assert run(events) == base


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "Image",
                "ProcessGuid",
                "User",
                "SourceIp",
                "DestinationIp",
                "DestinationPort",
                "Initiated",
                "UtcTime",
            ]
        ),
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=40), st.just(REGSVCS)),
    )
)
def test_no_event_however_broken_raises_an_error(data: dict[str, object]) -> None:
    broken = RawEvent(3, HOST, "not a time", data, "test.log", 1)
    for semantics in Semantics:
        found = run([broken], semantics)
        assert found.counts.connections == 1
        assert found.counts.matched == len(found.raised) + len(found.not_raised)


def test_shipped_profiles_are_listed_and_loaded() -> None:
    assert profile_names() == ("regasm", "regsvcs")
    assert {profile.name for profile in shipped_profiles()} == set(profile_names())
    with pytest.raises(ConfigError, match="regasm, regsvcs"):
        shipped_profile("../evil")
