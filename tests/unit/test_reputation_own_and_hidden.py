"""Own addresses and internal ones inside others: what lists may say of them, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.case_facts import Destination, DestinationVerdict
from actions.check_ip import OrganisationRanges, check_ip
from actions.lookup_reputation import lookup
from actions.reputation_change import explain, remembered
from actions.reputation_facts import DestinationReputation, VoteWeight
from actions.reputation_fusion import fuse
from actions.reputation_policy import ReputationPolicy
from connectors.facts.destination_role import DestinationRole
from connectors.facts.reputation import Reliability, SourceAnswer
from playbooks.reputation import KEPT_PART, LookupTime, Reputation
from playbooks.reputation_settings import ReputationSettings
from tests.reputation_builders import (
    NOW,
    SINKHOLE,
    TELEGRAM,
    RecordingSource,
    answer,
    failed,
    fused,
    info,
    not_found,
)
from tests.unit.test_reputation_fusion import mixes, roles_st

V = DestinationVerdict
OWN = "8.8.4.4"
RANGES = OrganisationRanges(["8.8.4.0/24"])
POLICY = ReputationPolicy()


def own_fused(answers: Sequence[SourceAnswer], roles: Sequence[DestinationRole]) -> DestinationReputation:
    infos = {name: info(name) for name in {each.source for each in answers}}
    return fuse(answers, infos, roles, ip=OWN, policy=POLICY, now=NOW, own_range="8.8.4.0/24")


@given(mixes, roles_st)
def test_an_own_address_is_never_malicious(answers: list[SourceAnswer], roles: list[DestinationRole]) -> None:
    found = own_fused(answers, roles)
    assert found.verdict is not V.MALICIOUS
    if any(each.weight is not VoteWeight.NONE for each in found.votes) and found.verdict is V.SUSPICIOUS:
        assert found.reason.startswith("Own range (8.8.4.0/24), listed by ")


def test_an_own_address_on_a_feed_is_told_as_that() -> None:
    feed = RecordingSource(
        "feodo", lambda ip: (answer("feodo", ip=ip, reliability=Reliability.A),), online=False
    )
    check = check_ip(OWN, organisation=RANGES)
    found = lookup([check], [feed], policy=POLICY, clock=lambda: NOW)[OWN]
    assert found.verdict is V.SUSPICIOUS
    assert found.reason.startswith("Own range (8.8.4.0/24), listed by Feodo (2026-11-23)")


def isatap(outer: int, inner: IPv4Address, first: int = 0) -> str:
    return str(IPv6Address(outer << 64 | first << 56 | 0x005EFE << 32 | int(inner)))


@given(st.integers(0, 2**64 - 1), st.ip_addresses(v=4), st.sampled_from((0, 1, 2, 3)))
def test_no_internal_ipv4_leaves_in_an_isatap_address(outer: int, inner: IPv4Address, ug: int) -> None:
    ip = isatap(outer, inner, ug)
    inside = check_ip(str(inner), organisation=RANGES)
    online = RecordingSource("online")
    lookup([check_ip(ip, organisation=RANGES)], [online], policy=POLICY, clock=lambda: NOW)
    asked = [each for each, _ in online.asked]
    assert asked == [] or inside.external or asked == [str(inner)]
    if not inside.external:
        assert ip not in asked


@pytest.mark.parametrize("inner", ["10.0.0.5", "192.168.1.9", OWN])
def test_isatap_around_an_internal_address_stays_external_and_goes_to_lists_alone(inner: str) -> None:
    check = check_ip(isatap(0x2A01_04F8_0000_0001, IPv4Address(inner)), organisation=RANGES)
    online, offline = RecordingSource("online"), RecordingSource("offline", online=False)
    found = lookup([check], [online, offline], policy=POLICY, clock=lambda: NOW)[check.ip]
    assert (check.external, check.organisation_owned) == (True, False)  # its owner chooses the interface id
    assert online.asked == []
    assert offline.asked == [(check.ip, False)]
    assert f"holds {inner} (ISATAP)" in found.reason


def test_isatap_around_a_public_address_is_asked_about() -> None:
    check = check_ip(isatap(0x2A01_04F8_0000_0001, IPv4Address("9.9.9.9")))
    online = RecordingSource("online")
    lookup([check], [online], policy=POLICY)
    assert online.asked == [(check.ip, False)]
    assert check_ip("2a01:4f8::15:5efe:a00:1").confidential_ipv4 == ""


@pytest.mark.parametrize("inner", ["10.0.0.5", "8.8.4.4"])
@pytest.mark.parametrize(
    "ip",
    [
        "::ffff:{}",
        "64:ff9b::{}",
        "64:ff9b:1::{}",
        "64:ff9b:1:a00:5::",
        "::{}",
        "::ffff:0:{}",
        "fe80::5efe:{}",
        "2002:{high}:{low}::1",
        "2001:0:808:808::{inverted}",
    ],
)
def test_no_form_of_ipv4_in_ipv6_takes_an_internal_address_out(ip: str, inner: str) -> None:
    number = int(IPv4Address(inner))
    text = ip.format(
        inner,
        high=f"{number >> 16:x}",
        low=f"{number & 0xFFFF:x}",
        inverted=IPv4Address(number ^ 0xFFFFFFFF),
    )
    online = RecordingSource("online")
    lookup([check_ip(text, organisation=RANGES)], [online], policy=POLICY)
    assert online.asked == []


# --- roles that cannot be read ---------------------------------------------------------------


class Lists:
    """A source on this machine that gives roles, or fails."""

    def __init__(self, name: str, *roles: DestinationRole, fails: bool = False) -> None:
        self.info = info(name, online=False)
        self._roles, self._fails = roles, fails

    def roles(self, ip: str) -> tuple[DestinationRole, ...]:
        if self._fails:
            raise ValueError("planted-text")
        return self._roles


def test_a_list_that_fails_costs_its_roles_alone_and_is_named(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    found = Reputation(ReputationSettings(folder=tmp_path_factory.mktemp("r")), {}, clock=lambda: NOW)
    found._offline = (Lists("broken", fails=True), Lists("good", TELEGRAM))  # type: ignore[assignment]
    found.sources = (RecordingSource("otx", lambda ip: (answer("otx", ip=ip),)),)
    check = check_ip("9.9.9.9")
    known = found.look_up([check])["9.9.9.9"]
    judged = found.judged(Destination(ip="9.9.9.9", check=check), known)
    assert known.verdict is judged.verdict is V.SUSPICIOUS_SHARED
    assert judged.reputation is not None
    assert known.coverage.roles_unread == judged.reputation.coverage.roles_unread == ("broken",)
    assert "planted-text" not in caplog.text


def test_a_list_of_sinkholes_says_nothing_of_an_address_that_is_not_public(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = Reputation(ReputationSettings(folder=tmp_path_factory.mktemp("r")), {}, clock=lambda: NOW)
    found._offline = (Lists("sinkholes", SINKHOLE),)  # type: ignore[assignment]
    check = check_ip("10.0.0.1")
    judged = found.judged(Destination(ip=check.ip, check=check), found.look_up([check])[check.ip])
    assert (judged.roles, judged.verdict) == ((), V.UNDETERMINED)


# --- one deadline ----------------------------------------------------------------------------


def test_look_ups_share_their_seconds_and_the_time_between_is_free() -> None:
    now = [0.0]
    shared = LookupTime(20, clock=lambda: now[0])
    with shared.spend(last=False) as first:
        now[0] += first
    now[0] += 300
    with shared.spend(last=True) as second:
        now[0] += second
    assert (first, second) == pytest.approx((20 * (1 - KEPT_PART), 20 * KEPT_PART))
    with shared.spend(last=True) as none:
        assert none == pytest.approx(0)


def test_a_look_up_gets_no_more_than_is_left_for_it() -> None:
    source = RecordingSource("source")
    lookup([check_ip("9.9.9.9")], [source], policy=POLICY, within_s=10, monotonic=lambda: 0.0)
    lookup([check_ip("9.9.9.9")], [source], policy=POLICY, within_s=99, monotonic=lambda: 0.0)
    assert source.given_s == [9.5, POLICY.deadline_s - 0.5]


# --- what is remembered ----------------------------------------------------------------------


@given(mixes, mixes, roles_st)
def test_what_is_remembered_explains_the_same(
    before: list[SourceAnswer], after: list[SourceAnswer], roles: list[DestinationRole]
) -> None:
    was, now = fused(*before, roles=roles), fused(*after, roles=roles)
    assert explain(remembered(was), now) == explain(was, now)
    assert remembered(remembered(was)) == remembered(was)


def test_what_is_remembered_keeps_a_verdict_when_its_source_fails() -> None:
    def ask(reply: SourceAnswer, before: Mapping[str, DestinationReputation]) -> DestinationReputation:
        source = RecordingSource("threatfox", lambda _: (reply,))
        check = check_ip("9.9.9.9")
        return lookup([check], [source], policy=POLICY, before=before, clock=lambda: NOW)["9.9.9.9"]

    first = ask(answer("threatfox", ip="9.9.9.9", reliability=Reliability.A, lineage="abuse.ch"), {})
    kept = {"9.9.9.9": remembered(first)}
    assert ask(failed("threatfox", ip="9.9.9.9"), kept).verdict is V.MALICIOUS
    assert ask(not_found("threatfox", ip="9.9.9.9"), kept).verdict is V.NO_FINDING
