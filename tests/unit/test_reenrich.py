"""A case looked at again: what counts as a change, what a failing source must not lower, when to stop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.case_facts import Destination, DestinationVerdict, Unknown
from actions.isolation import IsolationVerdict
from actions.lookup_reputation import with_reputation
from actions.risk import CaseVerdict, Indicator, IndicatorGroup, Strength
from connectors.facts.reputation import Leaning, SourceAnswer
from playbooks.case import CaseReport
from playbooks.reenrich import (
    CaseState,
    Reenrichment,
    ReenrichSettings,
    compare,
    known_before,
    state_digest,
    state_text,
    stop_reason,
)
from tests.case_builders import T0, destination
from tests.report_cases import benign, malicious, undetermined
from tests.reputation_builders import NOW, answer, fused

SETTINGS = ReenrichSettings()
HOUR = timedelta(hours=1)


def report(
    *,
    at: datetime = T0,
    verdict: CaseVerdict = CaseVerdict.SUSPICIOUS,
    score: float = 80,
    destinations: tuple[Destination, ...] = (),
    findings: tuple[str, ...] = (),
    unknowns: tuple[str, ...] = (),
    decision: IsolationVerdict = IsolationVerdict.REFUSE,
) -> CaseReport:
    """A report that differs from another only in what is given."""
    base = undetermined()
    indicators = tuple(
        Indicator(id=each, strength=Strength.MEDIUM, group=IndicatorGroup.IMAGE, sentence=each, evidence=())
        for each in findings
    )
    risk = base.risk.model_copy(
        update={
            "case_verdict": verdict,
            "score": score,
            "indicators": indicators,
            "unknowns": tuple(Unknown(what=each, why="") for each in unknowns),
        }
    )
    return base.model_copy(
        update={
            "generated_at": at,
            "facts": base.facts.model_copy(update={"destinations": destinations}),
            "risk": risk,
            "decision": base.decision.model_copy(update={"verdict": decision}),
        }
    )


def first_look(made: CaseReport) -> CaseState:
    return compare(made, None, SETTINGS).state


def look(before: CaseReport, after: CaseReport) -> Reenrichment:
    return compare(after.model_copy(update={"generated_at": T0 + HOUR}), first_look(before), SETTINGS)


class TestFirstLook:
    @pytest.mark.parametrize("make", [malicious, benign, undetermined])
    def test_it_remembers_and_changes_nothing(self, make: Callable[[], CaseReport]) -> None:
        made = make()
        result = compare(made, None, SETTINGS)
        assert (result.first, result.changes, result.lost, result.stop) == (True, (), (), "")
        assert result.state.case_id == made.case_id
        assert result.state.first_at == result.state.looked_at == made.generated_at
        assert result.state.unchanged_rounds == 0
        assert result.state.case_verdict is made.risk.case_verdict
        assert CaseState.model_validate_json(result.state.model_dump_json()) == result.state

    def test_state_is_in_order(self) -> None:
        state = first_look(
            report(
                destinations=(destination("9.9.9.9"), destination("1.1.1.1")),
                findings=("b", "a"),
                unknowns=("z", "y", "z"),
            )
        )
        assert [each.ip for each in state.destinations] == ["1.1.1.1", "9.9.9.9"]
        assert (state.findings, state.unknowns) == (("a", "b"), ("y", "z"))


class TestDigest:
    """A note is written once for each digest."""

    def test_it_is_the_same_whenever_the_same_is_said(self) -> None:
        one = first_look(report(destinations=(destination("1.1.1.1"), destination("8.8.8.8"))))
        other = first_look(
            report(at=T0 + HOUR, destinations=(destination("8.8.8.8"), destination("1.1.1.1")))
        )
        later = other.model_copy(update={"unchanged_rounds": 4, "case_id": "case-0123456789abcdef"})
        assert state_digest(one) == state_digest(other) == state_digest(later)
        assert re.fullmatch("[0-9a-f]{8}", state_digest(one))

    def test_each_thing_said_changes_it(self) -> None:
        said = [
            report(),
            report(verdict=CaseVerdict.MALICIOUS),
            report(score=81),
            report(destinations=(destination("1.1.1.1"),)),
            report(destinations=(destination("1.1.1.1", verdict=DestinationVerdict.MALICIOUS),)),
            report(findings=("a",)),
            report(unknowns=("a",)),
            report(decision=IsolationVerdict.ASK),
        ]
        assert len({state_digest(first_look(each)) for each in said}) == len(said)


class TestBounds:
    @pytest.mark.parametrize(
        "fields",
        [
            {"case_id": "case-1"},
            {"case_id": "case-0123456789ABCDEF"},
            {"score": 100.5},
            {"score": -0.5},
            {"unchanged_rounds": -1},
            {"unchanged_rounds": 100_001},
            {"first_at": (T0 + HOUR).isoformat()},
        ],
    )
    def test_what_no_look_gives_is_no_state(self, fields: dict[str, object]) -> None:
        kept = json.loads(state_text(first_look(report())))
        CaseState.model_validate(kept)
        with pytest.raises(ValueError, match="1 validation error"):
            CaseState.model_validate({**kept, **fields})

    def test_rounds_are_counted_to_the_bound_only(self) -> None:
        most = first_look(report()).model_copy(update={"unchanged_rounds": 100_000})
        after = report(at=T0 + HOUR)
        assert compare(after, most, SETTINGS).state.unchanged_rounds == 100_000


class TestChanges:
    @pytest.mark.parametrize(
        ("before", "after", "changes"),
        [
            (report(), report(), ()),
            (
                report(verdict=CaseVerdict.UNDETERMINED),
                report(verdict=CaseVerdict.MALICIOUS),
                ("verdict: undetermined before, malicious now",),
            ),
            (
                report(verdict=CaseVerdict.MALICIOUS),
                report(verdict=CaseVerdict.SUSPICIOUS),
                ("verdict: malicious before, suspicious now",),
            ),
            (report(score=80), report(score=100), ("score: 80 before, 100 now",)),
            (report(score=32.5), report(score=32), ("score: 32.5 before, 32 now",)),
            (
                report(destinations=(destination("1.1.1.1"),)),
                report(destinations=(destination("8.8.8.8"),)),
                ("destination 8.8.8.8: new, undetermined", "destination 1.1.1.1: no longer seen"),
            ),
            (
                report(destinations=(destination("1.1.1.1"),)),
                report(destinations=(destination("1.1.1.1", verdict=DestinationVerdict.MALICIOUS),)),
                ("destination 1.1.1.1: undetermined before, malicious now",),
            ),
            (report(), report(findings=("b", "a")), ("finding a: new", "finding b: new")),
            (report(findings=("a", "b")), report(findings=("b",)), ("finding a: no longer",)),
            (report(unknowns=("x",)), report(), ("unknown x: no longer",)),
            (report(), report(unknowns=("x",)), ("unknown x: new",)),
            (
                report(),
                report(decision=IsolationVerdict.ASK),
                ("isolation: would not isolate before, would ask a person to approve isolation now",),
            ),
        ],
    )
    def test_each_kind(self, before: CaseReport, after: CaseReport, changes: tuple[str, ...]) -> None:
        result = look(before, after)
        assert result.changes == changes
        assert result.state.unchanged_rounds == (0 if changes else 1)
        assert (result.first, result.lost) == (False, ())

    def test_other_words_and_times_are_no_change(self) -> None:
        before, after = report(unknowns=("x",)), report(unknowns=("x",))
        reworded = after.risk.model_copy(
            update={"message": "other", "unknowns": (Unknown(what="x", why="for another reason"),)}
        )
        assert (
            look(before, after.model_copy(update={"risk": reworded, "next_steps": ("other",)})).changes == ()
        )

    def test_a_change_is_told_once(self) -> None:
        before, after = report(), report(verdict=CaseVerdict.MALICIOUS, score=100)
        told = look(before, after)
        again = compare(after, told.state, SETTINGS)
        assert told.changes
        assert again.changes == ()
        assert again.state.first_at == T0


class TestLost:
    """A source that fails must not lower anything."""

    def test_verdict_falls_because_the_log_is_gone(self) -> None:
        before = report(verdict=CaseVerdict.MALICIOUS, score=100, findings=("tampering",))
        after = report(verdict=CaseVerdict.UNDETERMINED, unknowns=("process lineage",))
        result = look(before, after)
        assert result.lost == ("process lineage",)
        assert result.changes == ()
        assert result.stop == ""
        assert result.state == first_look(before).model_copy(update={"looked_at": T0 + HOUR})

    def test_what_comes_back_is_compared_with_what_was_known(self) -> None:
        seen = report(verdict=CaseVerdict.MALICIOUS, score=100, findings=("tampering",))
        blind = report(verdict=CaseVerdict.UNDETERMINED, unknowns=("process lineage",))
        after = look(seen, blind)
        assert compare(seen, after.state, SETTINGS).changes == ()

    def test_a_lower_score_alone(self) -> None:
        assert look(report(score=100), report(score=80, unknowns=("x",))).lost == ("x",)

    @pytest.mark.parametrize(
        "after",
        [
            report(verdict=CaseVerdict.MALICIOUS, score=100, unknowns=("x",)),
            report(score=80, unknowns=("x",)),
            report(verdict=CaseVerdict.UNDETERMINED, score=40),
        ],
        ids=["worse", "the same", "lower with all known"],
    )
    def test_otherwise_it_is_compared(self, after: CaseReport) -> None:
        result = look(report(), after)
        assert result.lost == ()
        assert result.changes

    def test_likely_benign_is_lost_to_the_cautious_side(self) -> None:
        result = look(
            report(verdict=CaseVerdict.LIKELY_BENIGN, score=32),
            report(verdict=CaseVerdict.UNDETERMINED, score=80, unknowns=("process lineage",)),
        )
        assert result.changes[0] == "verdict: likely benign before, undetermined now"

    def test_what_a_new_destination_brings_is_not_lost(self) -> None:
        result = look(
            report(verdict=CaseVerdict.MALICIOUS, destinations=(destination("1.1.1.1"),)),
            report(destinations=(destination("8.8.8.8"),), unknowns=("reputation of 8.8.8.8",)),
        )
        assert result.lost == ()
        assert "destination 8.8.8.8: new, undetermined" in result.changes

    def test_it_ends_when_its_days_are_over_and_not_by_rounds(self) -> None:
        before = report(verdict=CaseVerdict.MALICIOUS)
        state = first_look(before)
        for day in range(1, 15):
            blind = report(at=T0 + timedelta(days=day), verdict=CaseVerdict.UNDETERMINED, unknowns=("x",))
            result = compare(blind, state, SETTINGS)
            assert result.stop == ("14 days are over" if day == 14 else "")
            state = result.state
        assert state.unchanged_rounds == 0


class TestStop:
    @pytest.mark.parametrize(
        ("days", "rounds", "closed", "reason"),
        [
            (0, 0, False, ""),
            (0, 0, True, "the case is closed"),
            (13.99, 9, False, ""),
            (14, 0, False, "14 days are over"),
            (0, 10, False, "nothing changed in 10 rounds"),
            (99, 99, True, "the case is closed"),
            (99, 99, False, "14 days are over"),
            (-1, 0, False, ""),
        ],
    )
    def test_reasons(self, days: float, rounds: int, reason: str, *, closed: bool) -> None:
        state = first_look(report()).model_copy(update={"unchanged_rounds": rounds})
        assert stop_reason(state, SETTINGS, T0 + timedelta(days=days), closed=closed) == reason

    def test_rounds_without_a_change_end_it(self) -> None:
        settings = ReenrichSettings(max_unchanged_rounds=3)
        state, stops = first_look(report()), []
        for number in range(1, 5):
            result = compare(report(at=T0 + number * HOUR), state, settings)
            stops.append(result.stop)
            state = result.state
        assert stops == ["", "", "nothing changed in 3 rounds", "nothing changed in 4 rounds"]

    def test_a_change_begins_the_count_anew(self) -> None:
        settings = ReenrichSettings(max_unchanged_rounds=2)
        one = compare(report(), first_look(report()), settings)
        changed = compare(report(score=90), one.state, settings)
        assert (one.state.unchanged_rounds, changed.state.unchanged_rounds) == (1, 0)
        assert changed.stop == ""


# --- properties --------------------------------------------------------------------------------

_REPORTS = st.builds(
    report,
    verdict=st.sampled_from(CaseVerdict),
    score=st.sampled_from([0.0, 32.0, 80.0, 100.0]),
    destinations=st.lists(
        st.builds(
            destination,
            st.sampled_from(["1.1.1.1", "8.8.8.8", "2606:4700::1"]),
            verdict=st.sampled_from(DestinationVerdict),
        ),
        max_size=3,
        unique_by=lambda each: each.ip,
    ).map(tuple),
    findings=st.lists(st.sampled_from("abc"), unique=True, max_size=3).map(tuple),
    unknowns=st.lists(st.sampled_from(["x", "y", "reputation of 8.8.8.8"]), unique=True, max_size=3).map(
        tuple
    ),
    decision=st.sampled_from(IsolationVerdict),
)


@given(_REPORTS)
def test_the_same_again_is_never_a_change(made: CaseReport) -> None:
    result = look(made, made)
    assert (result.changes, result.lost, result.state.unchanged_rounds) == ((), (), 1)


@given(_REPORTS, _REPORTS)
def test_either_it_changed_or_the_states_agree_or_it_was_lost(one: CaseReport, two: CaseReport) -> None:
    result = look(one, two)
    same = {"looked_at": T0, "unchanged_rounds": 0}
    agree = result.state.model_copy(update=same) == first_look(one).model_copy(update=same)
    assert bool(result.changes) != agree
    if result.lost:
        assert agree


@given(_REPORTS, _REPORTS)
def test_what_became_unknown_lowers_neither_verdict_nor_score_in_the_state(
    one: CaseReport, two: CaseReport
) -> None:
    rank = [
        CaseVerdict.LIKELY_BENIGN,
        CaseVerdict.UNDETERMINED,
        CaseVerdict.SUSPICIOUS,
        CaseVerdict.MALICIOUS,
    ]
    before, after = first_look(one), look(one, two).state
    lower = (rank.index(after.case_verdict), after.score) < (rank.index(before.case_verdict), before.score)
    old = {each.ip for each in before.destinations}
    gone_dark = {each for each in after.unknowns if each not in before.unknowns}
    about_new = {"reputation of 8.8.8.8"} if "8.8.8.8" not in old else set()
    if lower and any(each.ip == "8.8.8.8" for each in after.destinations):
        assert gone_dark <= about_new
    elif lower:
        assert not gone_dark


@given(_REPORTS, _REPORTS)
def test_the_order_of_what_is_listed_changes_nothing(one: CaseReport, two: CaseReport) -> None:
    def turned(made: CaseReport) -> CaseReport:
        risk = made.risk.model_copy(
            update={
                "indicators": made.risk.indicators[::-1],
                "unknowns": made.risk.unknowns[::-1],
            }
        )
        facts = made.facts.model_copy(update={"destinations": made.facts.destinations[::-1]})
        return made.model_copy(update={"risk": risk, "facts": facts})

    straight, reverse = look(one, two), look(turned(one), turned(two))
    assert straight.state == reverse.state
    assert straight.changes == reverse.changes


def test_every_order_of_destinations() -> None:
    peers = [destination(ip) for ip in ("1.1.1.1", "8.8.8.8", "9.9.9.9")]
    states = {first_look(report(destinations=order)) for order in permutations(peers)}
    assert len(states) == 1


def _with_votes(verdict: DestinationVerdict, *answers: SourceAnswer) -> Destination:
    found = fused(*answers, ip="8.8.8.8").model_copy(update={"verdict": verdict, "answers": answers})
    return with_reputation(destination("8.8.8.8"), found)


class TestWhoChangedIt:
    BAD = answer("threatfox", ip="8.8.8.8", lineage="abuse.ch")

    def test_a_new_report_is_named_with_the_verdict(self) -> None:
        before = report(destinations=(_with_votes(DestinationVerdict.NO_FINDING),))
        after = report(destinations=(_with_votes(DestinationVerdict.MALICIOUS, self.BAD),))

        changes = look(before, after).changes

        assert changes[0] == "destination 8.8.8.8: no finding before, malicious now"
        assert changes[1].startswith("destination 8.8.8.8: New: abuse.ch (by ")
        assert len(changes) == 2

    def test_a_report_taken_back_is_named(self) -> None:
        before = report(destinations=(_with_votes(DestinationVerdict.MALICIOUS, self.BAD),))
        after = report(destinations=(_with_votes(DestinationVerdict.NO_FINDING),))

        assert any("Gone: abuse.ch" in each for each in look(before, after).changes)

    def test_the_same_verdict_by_another_report_is_no_change(self) -> None:
        later = self.BAD.model_copy(update={"last_seen": self.BAD.last_seen and self.BAD.last_seen + HOUR})
        before = report(destinations=(_with_votes(DestinationVerdict.MALICIOUS, self.BAD),))
        after = report(destinations=(_with_votes(DestinationVerdict.MALICIOUS, later),))

        seen = look(before, after)

        assert seen.changes == ()
        assert state_digest(seen.state) == state_digest(first_look(before))

    def test_the_later_look_is_remembered(self) -> None:
        old = first_look(report(destinations=(_with_votes(DestinationVerdict.MALICIOUS, self.BAD),)))
        other = _with_votes(
            DestinationVerdict.SUSPICIOUS, self.BAD.model_copy(update={"leaning": Leaning.SUSPICIOUS})
        )
        later = other.reputation and other.reputation.model_copy(update={"decided_at": NOW + HOUR})
        other = other.model_copy(update={"reputation": later})
        new = first_look(report(at=T0 + HOUR, destinations=(other,)))

        for states in ([old, new], [new, old]):
            known = known_before(states)
            assert known["8.8.8.8"].verdict is DestinationVerdict.SUSPICIOUS
            assert [each.leaning for each in known["8.8.8.8"].answers] == [Leaning.SUSPICIOUS]

    def test_a_report_taken_back_is_known_no_more(self) -> None:
        bad = first_look(report(destinations=(_with_votes(DestinationVerdict.MALICIOUS, self.BAD),)))
        later = self.BAD.last_seen and self.BAD.last_seen + timedelta(days=30)
        clean = first_look(report(at=later or T0, destinations=(_with_votes(DestinationVerdict.NO_FINDING),)))
        for states in ([bad, clean], [clean, bad]):
            assert known_before(states) == {}

    def test_addresses_of_several_cases_are_known(self) -> None:
        bad = _with_votes(DestinationVerdict.MALICIOUS, self.BAD)
        other = bad.model_copy(update={"ip": "1.1.1.1"})
        states = [first_look(report(destinations=(each,))) for each in (bad, other)]
        assert set(known_before(states)) == {"8.8.8.8", "1.1.1.1"}
