"""Isolation: every guard alone and in pairs, the modes, the policy, and what is unknown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts, DestinationVerdict
from actions.decide_isolation import decide_isolation
from actions.guards.question import judge_age, spell
from actions.isolation import (
    MODE_ORDER,
    Guard,
    GuardOutcome,
    IsolationDecision,
    IsolationMode,
    IsolationRequest,
    IsolationVerdict,
)
from actions.isolation_guards import GUARDS
from actions.isolation_policy import (
    Caps,
    Freshness,
    IsolationPolicy,
    ProtectedHosts,
    SitePolicy,
)
from actions.locate_machine import FoundBy
from actions.risk import CaseVerdict, Contribution, Indicator, IndicatorGroup, RiskPolicy, Strength
from connectors.facts.asset import AssetFacts
from connectors.facts.host import AddressSeen, HostType
from connectors.facts.isolation import HowKnown, IsolationState, IsolationStatus
from connectors.facts.notable import Direction
from connectors.facts.reputation import Leaning, SourceAnswer, SourceStatus
from connectors.ports import Capability
from tests.case_builders import (
    HOST,
    OWN_IP,
    PEER_IP,
    TELEGRAM_IP,
    after,
    case,
    connection,
    destination,
    evidence,
    host,
    live_policy,
    notable,
    plain_case,
    ready_request,
    stealer_case,
)

NOW = after(120)
IDS = [row.id for row in GUARDS]

type Asked = tuple[IsolationRequest, IsolationPolicy]
type Change = Callable[[Asked], Asked]


def ready(mode: IsolationMode = IsolationMode.AUTO) -> Asked:
    facts = stealer_case()
    return ready_request(facts, assess_risk(facts, RiskPolicy(), NOW)), live_policy(mode)


def decide(asked: Asked) -> IsolationDecision:
    return decide_isolation(*asked, NOW)


def guard(asked: Asked, guard_id: str) -> Guard:
    return next(g for g in decide(asked).guards if g.id == guard_id)


def obstacles(asked: Asked) -> list[str]:
    return [g.id for g in decide(asked).obstacles]


# --- changes, one per guard -----------------------------------------------------------------------


def request(**fields: object) -> Change:
    return lambda asked: (asked[0].model_copy(update=fields), asked[1])


def policy(**fields: object) -> Change:
    return lambda asked: (asked[0], asked[1].model_copy(update=fields))


def ledger(**fields: object) -> Change:
    def apply(asked: Asked) -> Asked:
        old = asked[0].ledger
        assert old is not None
        return request(ledger=old.model_copy(update=fields))(asked)

    return apply


def facts(**fields: object) -> Change:
    return lambda asked: request(facts=asked[0].facts.model_copy(update=fields))(asked)


def risk(**fields: object) -> Change:
    if "score" in fields:
        fields = {"evidence_score": fields["score"]} | fields
    return lambda asked: request(risk=asked[0].risk.model_copy(update=fields))(asked)


def the_host(**fields: object) -> Change:
    def apply(asked: Asked) -> Asked:
        old = asked[0].facts.host
        assert old is not None
        return facts(host=old.model_copy(update=fields))(asked)

    return apply


def isolation(**fields: object) -> Change:
    def apply(asked: Asked) -> Asked:
        old = asked[0].isolation
        assert old is not None
        return request(isolation=old.model_copy(update=fields))(asked)

    return apply


def both(*changes: Change) -> Change:
    def apply(asked: Asked) -> Asked:
        for change in changes:
            asked = change(asked)
        return asked

    return apply


def indicator(id_: str, group: IndicatorGroup, strength: Strength = Strength.STRONG) -> Indicator:
    return Indicator(id=id_, strength=strength, group=group, sentence="x", evidence=())


def weighs(name: str, points: int) -> Contribution:
    return Contribution(name=name, impact_points=points, reason="x")


def answer(
    hours_old: float | None, *, status: SourceStatus = SourceStatus.OK, leaning: Leaning = Leaning.MALICIOUS
) -> SourceAnswer:
    return SourceAnswer(
        source="one",
        ip=TELEGRAM_IP,
        status=status,
        leaning=leaning,
        retrieved_at=None if hours_old is None else NOW - timedelta(hours=hours_old),
    )


def reputation_needed(*answers: SourceAnswer) -> Change:
    """One strong finding from lineage and one from the destination: auto needs both."""
    bad = destination(TELEGRAM_IP, verdict=DestinationVerdict.MALICIOUS, answers=answers)
    return both(
        facts(destinations=(bad,)),
        risk(
            indicators=(
                indicator("parent_not_signed", IndicatorGroup.LINEAGE),
                indicator("destination_malicious", IndicatorGroup.DESTINATION),
            ),
            contributions=(
                Contribution(name="ESCU base", impact_points=80, confidence_points=100, reason="x"),
                weighs("parent_not_signed", 10),
                weighs("destination_malicious", 15),
                weighs("limit", -5),
            ),
        ),
    )


def without_lineage(asked: Asked) -> Asked:
    kept = tuple(i for i in asked[0].risk.indicators if i.group is not IndicatorGroup.LINEAGE)
    return risk(indicators=kept)(asked)


def long_ago(asked: Asked) -> Asked:
    """The last connection three hours ago, from the address that the host has had all day."""
    old = notable(TELEGRAM_IP).model_copy(update={"first_time": after(-10800), "last_time": after(-10800)})
    known = asked[0].facts.host
    assert known is not None
    all_day = tuple(
        a.model_copy(update={"first_seen": after(-86400), "last_seen": after(86400)}) for a in known.addresses
    )
    return both(
        facts(notables=(old,), evidence=evidence()),
        the_host(addresses=all_day),
    )(asked)


def called_in(asked: Asked) -> Asked:
    inbound = tuple(n.model_copy(update={"direction": Direction.INBOUND}) for n in asked[0].facts.notables)
    swapped = tuple(n.model_copy(update={"src_ip": n.dest_ip, "dest_ip": n.src_ip}) for n in inbound)
    return facts(notables=swapped, evidence=evidence())(asked)


STOPS: dict[str, Change] = {
    "mode": request(caller_mode=IsolationMode.OFF),
    "kill_switch": ledger(kill_switch=True),
    "one_host": request(host_candidates=("WS01.a.example", "WS01.b.example")),
    "address_belongs": the_host(
        addresses=(AddressSeen(ip="10.9.9.9", first_seen=after(-86400), last_seen=after(86400)),)
    ),
    "host_type": the_host(host_type=HostType.SERVER),
    "not_protected": policy(protected=ProtectedHosts(globs=("ws*",))),
    "asset_priority": request(asset=AssetFacts(priority="Critical")),
    "agent_seen": the_host(last_seen=after(-600)),
    "connection_fresh": long_ago,
    "reputation_fresh": reputation_needed(answer(25)),
    "not_isolated": isolation(state=IsolationState.ISOLATED),
    "not_released_recently": ledger(last_release_at=after(-3600), last_release_by="ann"),
    "no_active_lease": ledger(active_lease="bob, review by 2026-03-05"),
    "direction_outbound": called_in,
    "connector_capable": request(capabilities=frozenset(Capability) - {Capability.VERIFY}),
    "cap_per_run": ledger(in_run=1),
    "cap_per_hour": ledger(in_hour=3),
    "cap_per_day": ledger(in_day=10),
    "cap_per_site": both(
        lambda asked: policy(caps=asked[1].caps.model_copy(update={"per_site_per_day": 2}))(asked),
        ledger(at_site_in_day=2),
    ),
    "breaker": ledger(breaker_open=True),
    "score": risk(score=89.9),
    "verdict": risk(case_verdict=CaseVerdict.SUSPICIOUS),
    "strong_findings": without_lineage,
}

UNKNOWN: dict[str, Change] = {
    "kill_switch": ledger(kill_switch=None),
    "one_host": both(facts(host=None)),
    "address_belongs": the_host(addresses=()),
    "host_type": the_host(host_type=HostType.UNKNOWN),
    "not_protected": facts(host=None),
    "asset_priority": request(asset=None),
    "agent_seen": the_host(last_seen=None),
    "connection_fresh": facts(
        notables=(notable(TELEGRAM_IP).model_copy(update={"first_time": None, "last_time": None}),),
        evidence=evidence(),
    ),
    "reputation_fresh": reputation_needed(answer(None)),
    "not_isolated": request(isolation=None),
    "not_released_recently": request(ledger=None),
    "no_active_lease": ledger(active_lease=None),
    "direction_outbound": facts(
        notables=(notable(TELEGRAM_IP, direction=Direction.UNKNOWN),), evidence=evidence()
    ),
    "cap_per_run": ledger(in_run=None),
    "cap_per_hour": ledger(in_hour=None),
    "cap_per_day": ledger(in_day=None),
    "cap_per_site": both(
        lambda asked: policy(caps=asked[1].caps.model_copy(update={"per_site_per_day": 2}))(asked),
        ledger(at_site_in_day=None),
    ),
    "breaker": ledger(breaker_open=None),
}


def apply(ids: list[str]) -> Asked:
    asked = ready()
    for guard_id in sorted(ids, key=IDS.index):
        asked = STOPS[guard_id](asked)
    return asked


# --- guards ---------------------------------------------------------------------------------------


def test_the_starting_point_isolates() -> None:
    decision = decide(ready())
    assert decision.obstacles == ()
    assert decision.verdict is IsolationVerdict.ISOLATE
    assert [g.id for g in decision.guards] == IDS
    assert (
        decision.summary == f"{HOST} is to be isolated: all {len(GUARDS)} guards pass, and the mode is auto."
    )


def test_there_is_a_case_for_every_guard() -> None:
    assert set(STOPS) == set(IDS)
    assert len(IDS) == len(set(IDS))
    # The others compare what is always there.
    assert set(IDS) - set(UNKNOWN) == {"mode", "connector_capable", "score", "verdict", "strong_findings"}


@pytest.mark.parametrize("guard_id", IDS)
def test_each_guard_alone_refuses(guard_id: str) -> None:
    asked = STOPS[guard_id](ready())
    assert obstacles(asked) == [guard_id]
    decision = decide(asked)
    assert decision.verdict is IsolationVerdict.REFUSE
    assert len(decision.guards) == len(GUARDS)
    stopped = guard(asked, guard_id)
    assert stopped.outcome is GuardOutcome.REFUSE
    assert stopped.value
    assert stopped.limit
    assert stopped.detail.endswith(".")


def test_every_pair_of_guards_refuses_and_both_are_named() -> None:
    for one, two in combinations(IDS, 2):
        asked = apply([one, two])
        assert obstacles(asked) == [one, two]
        assert decide(asked).verdict is IsolationVerdict.REFUSE


@given(st.sets(st.sampled_from(IDS)), st.sampled_from(IDS))
@settings(max_examples=50)
def test_one_more_failing_guard_never_turns_a_refusal_into_anything_else(ids: set[str], more: str) -> None:
    before, after_it = decide(apply(list(ids))), decide(apply(list(ids | {more})))
    assert {g.id for g in before.obstacles} == ids
    assert {g.id for g in after_it.obstacles} == ids | {more}
    assert after_it.verdict is IsolationVerdict.REFUSE
    assert (before.verdict is IsolationVerdict.REFUSE) is bool(ids)


@pytest.mark.parametrize("guard_id", sorted(UNKNOWN))
def test_what_is_not_known_refuses(guard_id: str) -> None:
    asked = UNKNOWN[guard_id](ready())
    assert guard(asked, guard_id).outcome is GuardOutcome.UNKNOWN
    assert guard(asked, guard_id).detail.endswith(".")
    assert decide(asked).verdict is IsolationVerdict.REFUSE


@pytest.mark.parametrize("guard_id", sorted(UNKNOWN))
def test_what_is_not_known_refuses_beside_any_other_obstacle(guard_id: str) -> None:
    for other in IDS:
        asked = UNKNOWN[guard_id](STOPS[other](ready()))
        assert guard_id in obstacles(asked)
        assert decide(asked).verdict is IsolationVerdict.REFUSE


def test_a_state_and_a_ledger_that_were_not_read_are_said_so() -> None:
    asked = request(isolation=None, ledger=None)(ready())
    assert guard(asked, "not_isolated").detail == "The isolation state of the host was not read."
    assert guard(asked, "breaker").detail.endswith("is not known. The ledger was not read.")


def test_nothing_known_at_all() -> None:
    facts_ = case()
    asked = (
        IsolationRequest(
            facts=facts_, risk=assess_risk(facts_, RiskPolicy(), NOW), caller_mode=IsolationMode.AUTO
        ),
        IsolationPolicy(),
    )
    decision = decide(asked)
    assert decision.verdict is IsolationVerdict.REFUSE
    assert decision.effective_mode is IsolationMode.OFF
    passing = {g.id for g in decision.guards} - set(obstacles(asked))
    assert passing == {
        "connection_fresh",
        "reputation_fresh",
        "direction_outbound",
        "cap_per_site",
        "verdict",
    }


# --- host -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (facts(notables=(notable(TELEGRAM_IP, dest="ws01"),)), GuardOutcome.PASS),
        (facts(notables=(notable(TELEGRAM_IP, dest="WS01.CORP.EXAMPLE."),)), GuardOutcome.PASS),
        (facts(notables=(notable(TELEGRAM_IP, dest=OWN_IP),)), GuardOutcome.PASS),
        (facts(notables=(notable(TELEGRAM_IP, dest="10.9.9.9"),)), GuardOutcome.REFUSE),
        (facts(notables=(notable(TELEGRAM_IP, dest="WS010"),)), GuardOutcome.REFUSE),
        (facts(notables=(notable(TELEGRAM_IP, dest="ws01.other.example"),)), GuardOutcome.REFUSE),
        (facts(notables=(notable(TELEGRAM_IP, other_dests=("WS02",)),)), GuardOutcome.REFUSE),
        (facts(notables=(notable(TELEGRAM_IP, other_dests=("WS01",)),)), GuardOutcome.PASS),
        (request(host_candidates=(HOST,)), GuardOutcome.PASS),
        (request(agent=host()), GuardOutcome.PASS),
        (request(agent=host().model_copy(update={"host_id": "agent-02"})), GuardOutcome.REFUSE),
        (request(agent=host().model_copy(update={"hostname": "WS02"})), GuardOutcome.REFUSE),
        (
            both(facts(host=host(connector="sysmon_file")), request(agent=host())),
            GuardOutcome.PASS,
        ),
        (facts(host=host(connector="sysmon_file")), GuardOutcome.UNKNOWN),  # no agent id
    ],
)
def test_exactly_one_host(change: Change, outcome: GuardOutcome) -> None:
    assert guard(change(ready()), "one_host").outcome is outcome


def test_candidates_are_named() -> None:
    assert guard(STOPS["one_host"](ready()), "one_host").detail == (
        "2 machines fit: WS01.a.example, WS01.b.example."
    )


def seen(ip: str = OWN_IP, first: float | None = -60, last: float | None = 60) -> AddressSeen:
    return AddressSeen(
        ip=ip,
        first_seen=None if first is None else after(first),
        last_seen=None if last is None else after(last),
    )


@pytest.mark.parametrize(
    ("addresses", "outcome"),
    [
        ((seen(),), GuardOutcome.PASS),
        ((seen("10.9.9.9"), seen()), GuardOutcome.PASS),
        ((seen(last=60 - 900),), GuardOutcome.PASS),  # 15 minutes of tolerance
        ((seen(last=60 - 901),), GuardOutcome.REFUSE),
        ((seen(first=60 + 901, last=9999),), GuardOutcome.REFUSE),
        ((seen(first=None),), GuardOutcome.UNKNOWN),
        ((seen(last=None),), GuardOutcome.UNKNOWN),
        ((seen("10.1.2.30"),), GuardOutcome.REFUSE),
    ],
)
def test_address_at_that_time(addresses: tuple[AddressSeen, ...], outcome: GuardOutcome) -> None:
    assert guard(the_host(addresses=addresses)(ready()), "address_belongs").outcome is outcome


def test_every_notable_must_have_the_hosts_address() -> None:
    stranger = notable(PEER_IP).model_copy(update={"src_ip": "10.9.9.9"})
    silent = notable(PEER_IP).model_copy(update={"src_ip": None})
    good = notable(TELEGRAM_IP)
    assert guard(facts(notables=(good, stranger))(ready()), "address_belongs").outcome is GuardOutcome.REFUSE
    assert guard(facts(notables=(good, silent))(ready()), "address_belongs").outcome is GuardOutcome.UNKNOWN
    assert (
        guard(facts(notables=(silent, stranger))(ready()), "address_belongs").outcome is GuardOutcome.REFUSE
    )


@pytest.mark.parametrize(
    ("protected", "tags", "outcome"),
    [
        (ProtectedHosts(), (), GuardOutcome.PASS),
        (ProtectedHosts(names=("ws01",)), (), GuardOutcome.REFUSE),
        (ProtectedHosts(names=("WS01.corp.example",)), (), GuardOutcome.REFUSE),
        (ProtectedHosts(names=("ws01.other.example",)), (), GuardOutcome.PASS),
        (ProtectedHosts(names=("ws0",)), (), GuardOutcome.PASS),
        (ProtectedHosts(globs=("*.corp.example",)), (), GuardOutcome.REFUSE),
        (ProtectedHosts(globs=("WS0?",)), (), GuardOutcome.REFUSE),
        (ProtectedHosts(globs=("dc*",)), (), GuardOutcome.PASS),
        (ProtectedHosts(ranges=("10.1.0.0/16",)), (), GuardOutcome.REFUSE),
        (ProtectedHosts(ranges=("10.2.0.0/16", "fd00::/8")), (), GuardOutcome.PASS),
        (ProtectedHosts(tags=("Finance",)), ("finance",), GuardOutcome.REFUSE),
        (ProtectedHosts(), ("Jump Host",), GuardOutcome.REFUSE),
        (ProtectedHosts(), ("FalconGroupingTags/multi_session",), GuardOutcome.REFUSE),
        (ProtectedHosts(), ("role:domain-controller",), GuardOutcome.REFUSE),
        (ProtectedHosts(), ("not-critical",), GuardOutcome.PASS),
    ],
)
def test_protected_hosts(protected: ProtectedHosts, tags: tuple[str, ...], outcome: GuardOutcome) -> None:
    asked = both(policy(protected=protected), the_host(tags=tags))(ready())
    assert guard(asked, "not_protected").outcome is outcome


def test_asset_categories_protect_like_tags() -> None:
    asked = request(asset=AssetFacts(priority="low", categories=("do-not-isolate",)))(ready())
    assert guard(asked, "not_protected").outcome is GuardOutcome.REFUSE


def test_protected_ranges_need_an_address() -> None:
    silent = notable(TELEGRAM_IP).model_copy(update={"src_ip": None})
    change = both(
        policy(protected=ProtectedHosts(ranges=("10.1.0.0/16",))),
        the_host(addresses=()),
        facts(notables=(silent,)),
    )
    assert guard(change(ready()), "not_protected").outcome is GuardOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("asset", "protected", "outcome"),
    [
        (AssetFacts(priority="low"), ProtectedHosts(), GuardOutcome.PASS),
        (AssetFacts(priority="HIGH"), ProtectedHosts(), GuardOutcome.REFUSE),
        (AssetFacts(priority="high"), ProtectedHosts(priorities=("critical",)), GuardOutcome.PASS),
        (AssetFacts(priority="unknown"), ProtectedHosts(), GuardOutcome.UNKNOWN),
        (None, ProtectedHosts(), GuardOutcome.UNKNOWN),
        (None, ProtectedHosts(allow_unknown_priority=True), GuardOutcome.PASS),
        (None, ProtectedHosts(priorities=()), GuardOutcome.PASS),
    ],
)
def test_asset_priority(asset: AssetFacts | None, protected: ProtectedHosts, outcome: GuardOutcome) -> None:
    asked = both(request(asset=asset), policy(protected=protected))(ready())
    assert guard(asked, "asset_priority").outcome is outcome


@pytest.mark.parametrize("host_type", [t for t in HostType if t is not HostType.WORKSTATION])
def test_only_workstations(host_type: HostType) -> None:
    assert guard(the_host(host_type=host_type)(ready()), "host_type").outcome is not GuardOutcome.PASS


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (timedelta(0), GuardOutcome.PASS),
        (timedelta(minutes=4, seconds=59), GuardOutcome.PASS),
        (timedelta(minutes=5), GuardOutcome.REFUSE),
        (timedelta(minutes=-5), GuardOutcome.PASS),
        (timedelta(minutes=-5, seconds=-1), GuardOutcome.UNKNOWN),
        (None, GuardOutcome.UNKNOWN),
    ],
)
def test_age(age: timedelta | None, outcome: GuardOutcome) -> None:
    when = None if age is None else NOW - age
    assert judge_age("It was seen", when, NOW, timedelta(minutes=5)).outcome is outcome


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (60, "1 min"),
        (119, "119 s"),
        (7200, "2 h"),
        (86400, "1 d"),
        (90000, "25 h"),
        (200000, "2 d"),
    ],
)
def test_spans_are_spelt(seconds: int, text: str) -> None:
    assert spell(timedelta(seconds=seconds)) == text


def test_freshness_is_the_policys() -> None:
    asked = both(STOPS["agent_seen"], policy(freshness=Freshness(agent_minutes=60)))(ready())
    assert guard(asked, "agent_seen").outcome is GuardOutcome.PASS


def test_a_connection_event_is_as_good_as_a_notable() -> None:
    old = notable(TELEGRAM_IP).model_copy(update={"first_time": after(-10800), "last_time": after(-10800)})
    asked = facts(notables=(old,), evidence=evidence(connections=(connection(TELEGRAM_IP),)))(ready())
    assert guard(asked, "connection_fresh").outcome is GuardOutcome.PASS


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ((answer(1),), GuardOutcome.PASS),
        ((answer(23.9),), GuardOutcome.PASS),
        ((answer(24),), GuardOutcome.REFUSE),
        ((answer(1), answer(30)), GuardOutcome.REFUSE),  # every answer used has to be fresh
        ((answer(1), answer(30, leaning=Leaning.HARMLESS)), GuardOutcome.PASS),  # not used
        ((answer(1, status=SourceStatus.STALE),), GuardOutcome.UNKNOWN),
        ((answer(1), answer(None)), GuardOutcome.UNKNOWN),
        ((), GuardOutcome.UNKNOWN),
    ],
)
def test_age_of_reputation_where_the_decision_needs_it(
    answers: tuple[SourceAnswer, ...], outcome: GuardOutcome
) -> None:
    assert guard(reputation_needed(*answers)(ready()), "reputation_fresh").outcome is outcome


def test_age_of_reputation_does_not_matter_where_the_host_is_enough() -> None:
    bad = destination(TELEGRAM_IP, verdict=DestinationVerdict.MALICIOUS, answers=(answer(99),))
    facts_ = stealer_case().model_copy(update={"destinations": (bad,)})
    asked = (ready_request(facts_, assess_risk(facts_, RiskPolicy(), NOW)), live_policy())
    assert guard(asked, "reputation_fresh").value == "not needed"
    assert decide(asked).verdict is IsolationVerdict.ISOLATE


def test_age_of_reputation_matters_where_only_it_lifts_the_score() -> None:
    change = both(reputation_needed(answer(25)), policy(min_score=95.0))
    approve = change(ready(IsolationMode.APPROVE))
    assert guard(approve, "reputation_fresh").outcome is GuardOutcome.REFUSE
    enough = both(reputation_needed(answer(25)), policy(min_score=90.0))(ready(IsolationMode.APPROVE))
    assert guard(enough, "reputation_fresh").value == "not needed"


def test_impact_stays_a_percentage_when_the_destination_is_left_out() -> None:
    heavy = tuple(weighs(f"lineage {n}", 20) for n in range(3))
    change = both(reputation_needed(answer(25)), policy(min_score=81.0))
    asked = change(ready(IsolationMode.APPROVE))
    items = (*asked[0].risk.contributions[:1], *heavy, weighs("limit", -40))
    asked = risk(contributions=items, confidence=80, score=85.0)(asked)
    # 100 x 80 % = 80 without the destination, not 140 x 80 %.
    assert guard(asked, "reputation_fresh").outcome is GuardOutcome.REFUSE


# --- state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "how", "outcome"),
    [
        (IsolationState.NOT_ISOLATED, HowKnown.OBSERVED, GuardOutcome.PASS),
        (IsolationState.NOT_ISOLATED, HowKnown.REPORTED, GuardOutcome.PASS),
        (IsolationState.NOT_ISOLATED, HowKnown.DESIRED, GuardOutcome.UNKNOWN),
        (IsolationState.NOT_ISOLATED, HowKnown.NOT_KNOWN, GuardOutcome.UNKNOWN),
        (IsolationState.ISOLATED, HowKnown.DESIRED, GuardOutcome.REFUSE),
        (IsolationState.ISOLATING, HowKnown.OBSERVED, GuardOutcome.REFUSE),
        (IsolationState.RELEASING, HowKnown.OBSERVED, GuardOutcome.REFUSE),
        (IsolationState.FAILED, HowKnown.REPORTED, GuardOutcome.UNKNOWN),
        (IsolationState.UNKNOWN, HowKnown.NOT_KNOWN, GuardOutcome.UNKNOWN),
    ],
)
def test_isolation_state(state: IsolationState, how: HowKnown, outcome: GuardOutcome) -> None:
    assert guard(isolation(state=state, how_known=how)(ready()), "not_isolated").outcome is outcome


def test_an_old_reading_of_the_state_is_unknown() -> None:
    assert guard(isolation(as_of=after(-300))(ready()), "not_isolated").outcome is GuardOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (ledger(last_release_at=NOW - timedelta(hours=24)), GuardOutcome.PASS),
        (ledger(last_release_at=NOW - timedelta(hours=23)), GuardOutcome.REFUSE),
        (ledger(last_release_at=NOW + timedelta(hours=1)), GuardOutcome.REFUSE),  # a clock is wrong
        (isolation(changed_at=NOW - timedelta(hours=1)), GuardOutcome.REFUSE),  # in the EDR's own console
        (isolation(changed_at=NOW - timedelta(hours=30)), GuardOutcome.PASS),
    ],
)
def test_released_by_anyone(change: Change, outcome: GuardOutcome) -> None:
    assert guard(change(ready()), "not_released_recently").outcome is outcome


def test_the_policys_kill_switch_counts_as_well() -> None:
    assert guard(policy(kill_switch=True)(ready()), "kill_switch").value == "set in the policy"


def test_an_open_intent_is_an_obstacle_like_a_lease() -> None:
    asked = ledger(active_intent="i-1, pending")(ready())
    assert guard(asked, "no_active_lease").value == "i-1, pending"
    assert obstacles(asked) == ["no_active_lease"]


@pytest.mark.parametrize("missing", [Capability.ISOLATE, Capability.VERIFY, Capability.RELEASE])
def test_the_connector_must_isolate_verify_and_release(missing: Capability) -> None:
    asked = request(capabilities=frozenset(Capability) - {missing})(ready())
    assert guard(asked, "connector_capable").detail == f"defender cannot {missing.value}."


def test_caps_that_are_not_set_refuse() -> None:
    asked = policy(caps=Caps())(ready())
    assert obstacles(asked) == ["cap_per_run", "cap_per_hour", "cap_per_day"]
    sites = policy(sites=(SitePolicy(name="Paris", mode=IsolationMode.AUTO),))
    asked = both(sites, request(site="paris"))(ready())
    assert obstacles(asked) == ["cap_per_site"]


# --- evidence -------------------------------------------------------------------------------------


def test_mixed_directions_pass_when_the_process_called_too() -> None:
    inbound = notable(PEER_IP, direction=Direction.INBOUND)
    asked = facts(notables=(notable(TELEGRAM_IP), inbound))(ready())
    assert guard(asked, "direction_outbound").outcome is GuardOutcome.PASS


def test_a_malicious_caller_never_leads_to_isolation() -> None:
    bad = destination(verdict=DestinationVerdict.MALICIOUS, answers=(answer(1),))
    for direction in (Direction.INBOUND, Direction.UNKNOWN):
        facts_ = plain_case().model_copy(
            update={"destinations": (bad,), "notables": (notable(direction=direction),)}
        )
        asked = (
            ready_request(facts_, assess_risk(facts_, RiskPolicy(), NOW)),
            live_policy(IsolationMode.APPROVE),
        )
        assert "direction_outbound" in obstacles(asked)


@pytest.mark.parametrize(
    ("groups", "mode", "outcome"),
    [
        ((), IsolationMode.APPROVE, GuardOutcome.REFUSE),
        (("image",), IsolationMode.APPROVE, GuardOutcome.PASS),
        (("lineage",), IsolationMode.AUTO, GuardOutcome.REFUSE),
        (("lineage", "lineage"), IsolationMode.AUTO, GuardOutcome.REFUSE),
        (("image", "injection"), IsolationMode.AUTO, GuardOutcome.REFUSE),
        (("lineage", "injection"), IsolationMode.AUTO, GuardOutcome.PASS),
        (("lineage", "destination"), IsolationMode.AUTO, GuardOutcome.PASS),
    ],
)
def test_strong_findings(groups: tuple[str, ...], mode: IsolationMode, outcome: GuardOutcome) -> None:
    found = tuple(indicator(f"i{n}", IndicatorGroup(group)) for n, group in enumerate(groups))
    medium = indicator("m", IndicatorGroup.LINEAGE, Strength.MEDIUM)
    asked = risk(indicators=(*found, medium))(ready(mode))
    assert guard(asked, "strong_findings").outcome is outcome


def test_the_threshold_itself_is_enough() -> None:
    assert guard(risk(score=90.0)(ready()), "score").outcome is GuardOutcome.PASS


# --- modes ----------------------------------------------------------------------------------------


def test_the_lowest_mode_counts() -> None:
    expected = {
        IsolationMode.OFF: IsolationVerdict.REFUSE,
        IsolationMode.SHADOW: IsolationVerdict.SHADOW,
        IsolationMode.APPROVE: IsolationVerdict.ASK,
        IsolationMode.AUTO: IsolationVerdict.ISOLATE,
    }
    for everywhere, site, caller in product(MODE_ORDER, repeat=3):
        lowest = min((everywhere, site, caller), key=MODE_ORDER.index)
        asked = both(
            request(caller_mode=caller, site="paris"),
            policy(
                mode=everywhere,
                sites=(SitePolicy(name="Paris", mode=site),),
                caps=Caps(per_run=1, per_hour=3, per_day=10, per_site_per_day=2),
            ),
        )(ready())
        decision = decide(asked)
        assert decision.effective_mode is lowest
        assert decision.verdict is expected[lowest]


@pytest.mark.parametrize(
    ("site", "other", "wanted"),
    [
        ("paris", IsolationMode.OFF, IsolationMode.APPROVE),
        ("PARIS ", IsolationMode.OFF, IsolationMode.APPROVE),
        ("rome", IsolationMode.OFF, IsolationMode.OFF),
        ("", IsolationMode.OFF, IsolationMode.OFF),
        ("", IsolationMode.SHADOW, IsolationMode.SHADOW),
    ],
)
def test_a_site_that_is_not_listed_is_off_unless_the_policy_says_more(
    site: str, other: IsolationMode, wanted: IsolationMode
) -> None:
    rules = live_policy().model_copy(
        update={"sites": (SitePolicy(name="Paris", mode=IsolationMode.APPROVE),), "other_sites": other}
    )
    assert rules.effective_mode(site, IsolationMode.AUTO) is wanted


def test_off_says_what_it_would_do() -> None:
    asked = STOPS["mode"](ready(IsolationMode.APPROVE))
    assert decide(asked).summary == (
        f"{HOST} would not be isolated: isolation is off. In mode approve, a person would be asked whether"
        f" to isolate {HOST}."
    )


def test_shadow_is_judged_by_the_mode_it_rehearses() -> None:
    weak = risk(
        indicators=(indicator("tampering", IndicatorGroup.INJECTION),), case_verdict=CaseVerdict.SUSPICIOUS
    )
    shadow = both(weak, policy(mode=IsolationMode.SHADOW))(ready())
    assert decide(shadow).verdict is IsolationVerdict.SHADOW
    assert "a person would be asked" in decide(shadow).summary
    rehearsing = policy(rehearses=IsolationMode.AUTO)(shadow)
    assert obstacles(rehearsing) == ["verdict", "strong_findings"]
    by_caller = both(weak, request(caller_mode=IsolationMode.SHADOW))(ready())
    assert obstacles(by_caller) == ["verdict", "strong_findings"]


def test_approve_asks_even_when_auto_would_be_justified() -> None:
    decision = decide(ready(IsolationMode.APPROVE))
    assert decision.verdict is IsolationVerdict.ASK
    assert decision.summary.startswith("A person is to be asked whether to isolate")


def test_a_refusal_names_the_guards() -> None:
    assert decide(apply(["breaker", "score"])).summary == (
        f"{HOST} would not be isolated: 2 of {len(GUARDS)} guards stand in the way (breaker, score)."
    )


# --- policy ---------------------------------------------------------------------------------------


def test_an_empty_policy_is_off() -> None:
    asked = (ready()[0], IsolationPolicy())
    assert obstacles(asked) == ["mode", "cap_per_run", "cap_per_hour", "cap_per_day"]
    assert decide(asked).verdict is IsolationVerdict.REFUSE


CAPS = {"per_run": 1, "per_hour": 3, "per_day": 10}


@pytest.mark.parametrize(
    ("settings_", "names"),
    [
        ({"mode": "auto"}, "caps.per_run"),
        ({"mode": "approve", "caps": {"per_run": 1, "per_hour": 2}}, "caps.per_day"),
        ({"caps": {"per_run": 5, "per_hour": 3}}, "caps.per_run"),
        ({"caps": {"per_run": 5, "per_day": 3}}, "caps.per_run"),
        ({"caps": {"per_hour": 5, "per_day": 3}}, "caps.per_hour"),
        ({"caps": {"per_day": 3, "per_site_per_day": 4}}, "caps.per_site_per_day"),
        ({"caps": {"per_run": 0}}, "per_run"),
        ({"mode": "auto", "caps": CAPS, "sites": [{"name": "p", "mode": "auto"}]}, "caps.per_site_per_day"),
        ({"sites": [{"name": "p", "mode": "off"}, {"name": "P", "mode": "auto"}]}, "sites"),
        ({"sites": [{"name": " ", "mode": "off"}]}, "name"),
        ({"rehearses": "shadow"}, "rehearses"),
        ({"min_score": 101}, "min_score"),
        ({"min_score": -1}, "min_score"),
        ({"min_score": float("nan")}, "min_score"),
        ({"mode": "automatic"}, "mode"),
        ({"freshness": {"agent_minutes": 0}}, "agent_minutes"),
        ({"freshness": {"connection_minutes": 100_000}}, "connection_minutes"),
        ({"protected": {"names": ["dc*"]}}, "protected.names"),
        ({"protected": {"names": [""]}}, "names"),
        ({"protected": {"ranges": ["10.0.0.1/8"]}}, "protected.ranges"),
        ({"protected": {"ranges": ["corp.example"]}}, "protected.ranges"),
        ({"kill_swich": True}, "kill_swich"),
    ],
)
def test_a_contradictory_policy_is_refused_and_the_setting_named(
    settings_: dict[str, object], names: str
) -> None:
    with pytest.raises(ValidationError, match=names.replace(".", r"\.")):
        IsolationPolicy.model_validate(settings_)


def test_a_full_policy_is_read() -> None:
    read = IsolationPolicy.model_validate(
        {
            "mode": "auto",
            "sites": [{"name": "Paris", "mode": "approve"}],
            "other_sites": "shadow",
            "min_score": 95,
            "caps": {**CAPS, "per_site_per_day": 2},
            "freshness": {"agent_minutes": 10},
            "protected": {"names": ["dc01"], "globs": ["dc*"], "ranges": ["10.1.0.0/16"], "priorities": []},
        }
    )
    assert read.site_mode("paris") is IsolationMode.APPROVE
    assert read.site_mode("rome") is IsolationMode.SHADOW
    assert read.caps.per_site_per_day == 2
    assert read.freshness.connection_minutes == 120
    assert read.protected.ranges == ("10.1.0.0/16",)


def test_isolation_status_of_a_log_file_is_unknown() -> None:
    status = IsolationStatus(state=IsolationState.UNKNOWN, how_known=HowKnown.NOT_KNOWN, as_of=NOW)
    asked = both(
        request(isolation=status, connector="sysmon_file", capabilities=frozenset({Capability.LINEAGE})),
        facts(host=host(connector="sysmon_file")),
    )(ready())
    assert obstacles(asked) == ["not_isolated", "connector_capable"]
    assert guard(asked, "connector_capable").detail == "sysmon_file cannot isolate or verify or release."


def test_facts_stay_as_they_are() -> None:
    asked = ready()
    before = asked[0].model_copy(deep=True)
    decide(asked)
    assert asked[0] == before
    assert isinstance(asked[0].facts, CaseFacts)


def test_an_isolation_that_came_to_nothing_is_for_a_person_to_order_again() -> None:
    facts = stealer_case()
    request = ready_request(facts, assess_risk(facts, RiskPolicy(), NOW))
    for age, outcome in ((timedelta(hours=1), GuardOutcome.REFUSE), (timedelta(hours=25), GuardOutcome.PASS)):
        ledger = request.ledger
        assert ledger is not None
        tried = request.model_copy(
            update={
                "ledger": ledger.model_copy(update={"last_fruitless_at": NOW - age, "last_release_at": None})
            }
        )
        decision = decide_isolation(tried, live_policy(), NOW)
        (guard,) = (each for each in decision.guards if each.id == "not_released_recently")
        assert guard.outcome is outcome
        assert ("only a person may order it again" in guard.detail) == (outcome is GuardOutcome.REFUSE)


@pytest.mark.parametrize(
    ("found_by", "doubtful", "outcome"),
    [
        (FoundBy.NAME, False, GuardOutcome.PASS),
        (FoundBy.CONNECTION, True, GuardOutcome.PASS),
        (FoundBy.PROCESS_GUID, True, GuardOutcome.PASS),
        (FoundBy.NAME, True, GuardOutcome.UNKNOWN),
        (FoundBy.ADDRESS, False, GuardOutcome.UNKNOWN),
        (FoundBy.DEST, False, GuardOutcome.UNKNOWN),
    ],
)
def test_a_machine_of_a_doubtful_way_needs_the_connection_on_it(
    found_by: FoundBy, doubtful: bool, outcome: GuardOutcome
) -> None:
    asked = ready(IsolationMode.APPROVE)
    notables = tuple(n.model_copy(update={"machine_doubtful": doubtful}) for n in asked[0].facts.notables)
    away = asked[0].facts.evidence
    assert away is not None
    without = away.model_copy(update={"connections": ()})
    unseen = facts(found_by=found_by, notables=notables, evidence=without)(asked)
    assert guard(unseen, "one_host").outcome is outcome
    seen = facts(found_by=found_by, notables=notables)(asked)
    assert guard(seen, "one_host").outcome is GuardOutcome.PASS
