"""What a policy would have done with past cases: outcomes, caps, assumptions, and two policies compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actions.case_facts import CaseFacts
from actions.isolation import GuardOutcome, IsolationMode
from actions.isolation_guards import GUARDS
from actions.isolation_policy import Caps, Freshness, IsolationPolicy, ProtectedHosts, SitePolicy
from actions.profiles.regsvcs import PROFILE
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.ledger import HostKey
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from playbooks.backtest import _Ledger, backtest, last_connection, live_policy
from playbooks.backtest_facts import (
    RESTS_ON,
    Assume,
    BacktestGuard,
    Outcome,
    PolicyResult,
    Terms,
    assumptions_of,
    differences,
)
from playbooks.case_findings import CaseFindings
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.case_builders import OWN_IP, T0, plain_case, stealer_case
from tests.http_clients import Clock
from tests.ledger_builders import isolated, order

ALL = frozenset(Assume)
CAPS = Caps(per_run=100, per_hour=100, per_day=100)


def found(
    number: int = 0,
    *,
    host: int | None = None,
    minutes: float = 0,
    facts: CaseFacts | None = None,
    host_type: HostType = HostType.UNKNOWN,
    addresses: tuple[AddressSeen, ...] | None = None,
) -> CaseFindings:
    """A case of the stealer, so many minutes after T0, on the host of this number, as a log has it."""
    facts = facts or stealer_case()
    seen, shift = facts.host, timedelta(minutes=minutes)
    assert seen is not None
    name = f"WS{number if host is None else host:02}.corp.example"
    if addresses is None:
        addresses = (AddressSeen(ip=OWN_IP, first_seen=T0, last_seen=T0 + shift + timedelta(hours=1)),)
    evidence = facts.evidence
    assert evidence is not None
    return CaseFindings(
        case_id=f"case-{number:016x}",
        notables=tuple(
            each.model_copy(update={"dest": name, "last_time": (each.last_time or T0) + shift})
            for each in facts.notables
        ),
        host=seen.model_copy(
            update={
                "connector": "sysmon_file",
                "hostname": name,
                "host_id": name,
                "host_type": host_type,
                "addresses": addresses,
            }
        ),
        connector="sysmon_file",
        lineage=facts.lineage,
        evidence=evidence,
    )


def judge(
    cases: Sequence[CaseFindings],
    policy: IsolationPolicy,
    *,
    assume: frozenset[Assume] = ALL,
    run_per_case: bool = False,
    delay_s: float = 300,
) -> PolicyResult:
    return backtest(
        InProcess(),
        cases,
        name="policy.toml",
        profiles=(PROFILE,),
        settings=Settings(isolation=policy),
        terms=Terms(assume=assume, run_per_case=run_per_case, delay_s=delay_s),
    )


def auto(**more: object) -> IsolationPolicy:
    return IsolationPolicy.model_validate({"mode": "auto", "caps": CAPS, **more})


def outcomes(result: PolicyResult) -> list[str]:
    return [case.outcome.value for case in result.cases]


def guard(result: PolicyResult, guard_id: str, case: int = 0) -> BacktestGuard:
    return next(each for each in result.cases[case].guards if each.id == guard_id)


class TestOneCase:
    def test_auto_isolates_what_all_guards_let_through(self) -> None:
        result = judge([found()], auto())
        (case,) = result.cases
        assert (case.outcome, case.obstacles) == (Outcome.ISOLATE, ())
        assert [each.id for each in case.guards] == [row.id for row in GUARDS]
        assert (case.host, case.process, case.score) == ("WS00.corp.example", "RegSvcs.exe", 100)

    @pytest.mark.parametrize("mode", [IsolationMode.OFF, IsolationMode.SHADOW])
    @pytest.mark.parametrize(("rehearses", "outcome"), [("approve", Outcome.ASK), ("auto", Outcome.ISOLATE)])
    def test_a_mode_that_does_nothing_is_judged_by_the_one_it_rehearses(
        self, mode: IsolationMode, rehearses: str, outcome: Outcome
    ) -> None:
        policy = IsolationPolicy.model_validate({"mode": mode, "rehearses": rehearses, "caps": CAPS})
        result = judge([found()], policy)
        assert (result.mode, result.judged_as.value) == (mode, rehearses)
        assert result.cases[0].outcome is outcome

    def test_an_empty_policy_isolates_nothing_and_says_that_caps_are_missing(self) -> None:
        result = judge([found()], IsolationPolicy())
        assert [each.id for each in result.cases[0].obstacles] == [
            "cap_per_run",
            "cap_per_hour",
            "cap_per_day",
        ]

    def test_what_a_log_cannot_know_stays_unknown(self) -> None:
        result = judge([found(addresses=())], auto(), assume=frozenset())
        assert {each.id: each.outcome for each in result.cases[0].obstacles} == {
            "host_type": GuardOutcome.UNKNOWN,
            "asset_priority": GuardOutcome.UNKNOWN,
            "address_belongs": GuardOutcome.UNKNOWN,
        }

    @pytest.mark.parametrize(
        ("assume", "guard_id"),
        [
            (Assume.WORKSTATION, "host_type"),
            (Assume.PRIORITY, "asset_priority"),
            (Assume.ADDRESS, "address_belongs"),
        ],
    )
    def test_each_option_sees_past_one_guard_and_is_named(self, assume: Assume, guard_id: str) -> None:
        case = found(addresses=())
        assert guard(judge([case], auto(), assume=ALL - {assume}), guard_id).outcome is GuardOutcome.UNKNOWN
        seen = guard(judge([case], auto(), assume=ALL), guard_id)
        assert (seen.outcome, seen.assumption) == (GuardOutcome.PASS, assume.value)

    def test_what_is_known_is_never_assumed_away(self) -> None:
        elsewhere = (AddressSeen(ip="10.9.9.9", first_seen=T0, last_seen=T0 + timedelta(hours=9)),)
        server = found(host_type=HostType.SERVER, addresses=elsewhere)
        result = judge([server], auto())
        assert [each.id for each in result.cases[0].obstacles] == ["address_belongs", "host_type"]

    def test_a_known_workstation_rests_on_no_assumption(self) -> None:
        result = judge([found(host_type=HostType.WORKSTATION)], auto())
        assert (guard(result, "host_type").assumption, guard(result, "address_belongs").assumption) == (
            "",
            "",
        )

    def test_guards_that_rest_on_an_assumption_name_one_that_is_told(self) -> None:
        result = judge([found()], auto())
        assumed = {each.id: each.assumption for each in result.cases[0].guards if each.assumption}
        told = {each.id for each in assumptions_of(Terms(assume=ALL))}
        assert set(assumed.values()) <= told
        assert set(assumed) >= {
            "kill_switch", "breaker", "agent_seen", "connection_fresh", "not_isolated",
            "not_released_recently", "no_active_lease", "connector_capable", "cap_per_run", "cap_per_hour",
            "cap_per_day", "one_host", "not_protected", "host_type", "asset_priority",
        }  # fmt: skip
        assert not {"mode", "score", "verdict", "strong_findings", "direction_outbound"} & set(assumed)
        assert set(RESTS_ON) <= {row.id for row in GUARDS}

    def test_a_kill_switch_in_the_policy_stops_it(self) -> None:
        result = judge([found()], auto(kill_switch=True))
        assert [each.id for each in result.cases[0].obstacles] == ["kill_switch"]

    def test_the_clock_stands_at_the_last_connection_and_the_delay(self) -> None:
        case = found(minutes=7)
        last = last_connection(case)
        assert last is not None
        assert judge([case], auto()).cases[0].moment == last + timedelta(minutes=5)
        late = judge([case], auto(freshness=Freshness(connection_minutes=30)), delay_s=1800)
        assert [each.id for each in late.cases[0].obstacles] == ["connection_fresh"]

    def test_a_case_without_a_time_comes_last_and_isolates_nothing(self) -> None:
        timed, bare = found(1), found(0)
        notables = tuple(
            each.model_copy(update={"first_time": None, "last_time": None}) for each in bare.notables
        )
        bare = bare.model_copy(update={"notables": notables, "evidence": None})
        result = judge([bare, timed], auto())
        assert [case.moment is None for case in result.cases] == [False, True]
        assert "connection_fresh" in [each.id for each in result.cases[1].obstacles]

    def test_a_notable_without_telemetry_names_no_machine(self) -> None:
        case = found().model_copy(update={"host": None, "lineage": None, "evidence": None, "connector": ""})
        result = judge([case], auto())
        assert result.cases[0].host == "WS00.corp.example"
        assert {"one_host", "agent_seen"} <= {each.id for each in result.cases[0].obstacles}


class TestManyCases:
    def test_the_fourth_isolation_over_a_cap_of_three_is_refused_and_an_hour_later_there_is_room(
        self,
    ) -> None:
        caps = Caps(per_hour=3, per_day=10, per_run=3)
        cases = [found(number, minutes=number) for number in range(4)]
        later = found(9, minutes=62)
        result = judge([later, *cases], auto(caps=caps), run_per_case=True)
        assert outcomes(result) == ["isolate"] * 3 + ["not", "isolate"]
        stop = guard(result, "cap_per_hour", 3)
        assert (stop.outcome, stop.value, stop.limit) == (GuardOutcome.REFUSE, "3", "at most 3")
        assert stop.assumption == "isolations"
        assert [each.id for each in result.cases[3].obstacles] == ["cap_per_hour"]

    def test_a_question_counts_as_approved(self) -> None:
        policy = IsolationPolicy(mode=IsolationMode.APPROVE, caps=Caps(per_run=1, per_hour=1, per_day=1))
        result = judge([found(1), found(2)], policy)
        assert outcomes(result) == ["ask", "not"]

    def test_what_was_not_isolated_takes_no_room(self) -> None:
        plain = found(1, facts=plain_case())
        result = judge([plain, found(2, minutes=9)], auto(caps=Caps(per_run=1, per_hour=1, per_day=1)))
        assert outcomes(result) == ["not", "isolate"]

    def test_the_whole_is_one_run_unless_each_case_is_its_own(self) -> None:
        caps = Caps(per_run=1, per_hour=10, per_day=10)
        cases = [found(1), found(2)]
        assert outcomes(judge(cases, auto(caps=caps))) == ["isolate", "not"]
        apart = judge(cases, auto(caps=caps), run_per_case=True)
        assert outcomes(apart) == ["isolate", "isolate"]
        assert guard(apart, "cap_per_run").assumption == "run_per_case"

    def test_no_host_is_isolated_twice(self) -> None:
        result = judge([found(1, host=5), found(2, host=5, minutes=3000)], auto())
        assert outcomes(result) == ["isolate", "not"]
        assert [each.id for each in result.cases[1].obstacles] == ["no_active_lease"]
        assert result.cases[0].case_id in guard(result, "no_active_lease", 1).value

    def test_a_site_has_its_own_cap_and_a_site_that_is_off_isolates_nothing(self) -> None:
        caps = Caps(per_run=9, per_hour=9, per_day=9, per_site_per_day=1)
        here = SitePolicy(name="north", mode=IsolationMode.SHADOW, ranges=("10.1.0.0/16",))
        result = judge([found(1), found(2)], auto(caps=caps, sites=(here,)))
        assert [case.site for case in result.cases] == ["north", "north"]
        assert outcomes(result) == ["isolate", "not"]
        assert [each.id for each in result.cases[1].obstacles] == ["cap_per_site"]
        off = here.model_copy(update={"mode": IsolationMode.OFF})
        stopped = judge([found(1)], auto(caps=caps, sites=(off,)))
        assert [each.id for each in stopped.cases[0].obstacles] == ["mode"]
        assert live_policy(auto(caps=caps, sites=(off,))).other_sites is IsolationMode.OFF

    def test_the_order_given_does_not_matter(self) -> None:
        cases = [found(number, minutes=number * 7 % 5) for number in range(5)]
        caps = Caps(per_run=2, per_hour=2, per_day=2)
        assert judge(cases, auto(caps=caps)) == judge(cases[::-1], auto(caps=caps))

    def test_guards_are_counted_in_all_and_alone(self) -> None:
        protected = ProtectedHosts(names=("WS01",))
        result = judge([found(1), found(2, facts=plain_case())], auto(protected=protected))
        assert result.stopped[0].guard == "not_protected"
        assert {each.guard: (each.cases, each.alone) for each in result.stopped} == {
            "not_protected": (1, 1),
            "score": (1, 0),
            "verdict": (1, 0),
            "strong_findings": (1, 0),
        }


class TestTwoPolicies:
    def test_a_guard_makes_the_difference(self) -> None:
        cases = [found(1), found(2), found(3, facts=plain_case())]
        loose, strict = auto(), auto(protected=ProtectedHosts(names=("WS02",)))
        (only,) = differences(judge(cases, loose), judge(cases, strict))
        assert (only.case_id, only.guards) == (f"case-{2:016x}", ("not_protected",))
        assert (only.here.outcome, only.there.outcome) == (Outcome.ISOLATE, Outcome.NOT)

    def test_only_the_mode_may_differ(self) -> None:
        ask = IsolationPolicy(mode=IsolationMode.APPROVE, caps=CAPS)
        (only,) = differences(judge([found()], auto()), judge([found()], ask))
        assert only.guards == ()
        assert (only.here.mode, only.there.mode) == (IsolationMode.AUTO, IsolationMode.APPROVE)

    def test_like_policies_do_not_differ(self) -> None:
        assert differences(judge([found()], auto()), judge([found()], auto())) == ()


def hosts(result: PolicyResult) -> set[str]:
    return {case.host_id for case in result.cases if case.outcome is Outcome.ISOLATE}


CASES = [
    found(1, host=1),
    found(2, host=2, minutes=10),
    found(3, host=1, minutes=20),
    found(4, host=4, minutes=30, host_type=HostType.SERVER),
    found(5, host=5, minutes=400, facts=plain_case()),
    found(6, host=6, minutes=500),
]


class TestProperties:
    @given(
        score=st.floats(0, 100),
        minutes=st.integers(1, 1440),
        names=st.frozensets(st.sampled_from(["WS01", "WS02", "WS06"])),
        harder=st.floats(0, 100),
        shorter=st.integers(0, 1439),
        more=st.frozensets(st.sampled_from(["WS01", "WS02", "WS06"])),
        assume=st.frozensets(st.sampled_from(Assume)),
    )
    def test_a_stricter_policy_isolates_no_further_host(
        self,
        *,
        score: float,
        minutes: int,
        names: frozenset[str],
        harder: float,
        shorter: int,
        more: frozenset[str],
        assume: frozenset[Assume],
    ) -> None:
        def of(least: float, fresh: int, protected: frozenset[str]) -> PolicyResult:
            policy = auto(
                min_score=least,
                freshness=Freshness(connection_minutes=fresh),
                protected=ProtectedHosts(names=tuple(sorted(protected))),
            )
            return judge(CASES, policy, assume=assume)

        loose = of(score, minutes, names)
        strict = of(min(100, score + harder), max(1, minutes - shorter), names | more)
        assert hosts(strict) <= hosts(loose)

    @given(loose=st.integers(1, 5), less=st.integers(0, 4))
    def test_a_lower_cap_isolates_no_more(self, loose: int, less: int) -> None:
        def of(cap: int) -> int:
            caps = Caps(per_run=cap, per_hour=cap, per_day=cap)
            return judge(CASES, auto(caps=caps), run_per_case=True).count(Outcome.ISOLATE)

        assert of(max(1, loose - less)) <= of(loose)

    @settings(max_examples=12)
    @given(
        steps=st.lists(
            st.tuples(
                st.sampled_from(["ws-1", "WS-1", "ws-2", "stra\u00dfe"]),
                st.sampled_from(
                    ["", "North", "north", "Stra\u00dfe", "strasse", "\u00c4", "\u00e4", " north"]
                ),
                st.sampled_from([0, 1, 30, 59, 60, 61, 1380, 1440]),
            ),
            max_size=5,
        ),
        last=st.sampled_from([0, 1, 60, 1440]),
        run_per_case=st.booleans(),
    )
    @example(
        steps=[("ws-1", "North", 0), ("WS-1", "Stra\u00dfe", 60), ("ws-2", "strasse", 1380)],
        last=0,
        run_per_case=False,
    )
    def test_it_counts_as_the_ledger_counts(
        self,
        *,
        steps: list[tuple[str, str, int]],
        last: int,
        run_per_case: bool,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        clock = Clock()
        ledger = SqliteLedger(tmp_path_factory.mktemp("counts") / FILE_NAME, clock=clock)
        simulated = _Ledger(run_per_case=run_per_case)
        for number, (host_id, site, minutes) in enumerate([*steps, ("ws-1", "north", last)]):
            clock.advance(minutes * 60)
            host, run_id = HostKey("defender", host_id), f"run-{number if run_per_case else 0}"
            ref = HostRef(connector="defender", hostname="WS-1", host_id=host_id)
            standing = ledger.standing(host, run_id=run_id, site=site)
            view = simulated.view(ref, now=clock.now, site=site)
            assert (
                view.in_run,
                view.in_hour,
                view.in_day,
                view.at_site_in_day,
                bool(view.active_lease),
            ) == (
                standing.in_run,
                standing.in_hour,
                standing.in_day,
                standing.at_site_in_day,
                standing.lease is not None,
            )
            if standing.lease is None:
                isolated(ledger, order(host=host, run_id=run_id, site=site, case_id=f"case-{number}"))
                simulated.add(ref, at=clock.now, case_id=f"case-{number}", site=site)
