"""What a backtest says, in words, for the terminal and the page. Everything here is safe to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actions.isolation import GuardOutcome
from connectors.edr.sysmon_file.event import ReadReport
from playbooks.backtest_facts import (
    SEEN_PAST,
    Assumption,
    BacktestCase,
    BacktestGuard,
    Difference,
    Outcome,
    PolicyResult,
    Terms,
    assumptions_of,
)
from playbooks.report import wording
from playbooks.report.content import GuardRow, Tone

OUTCOME = {
    Outcome.ISOLATE: "would isolate",
    Outcome.ASK: "would ask",
    Outcome.NOT: "would not",
}

OUTCOME_TONE = {Outcome.ISOLATE: Tone.BAD, Outcome.ASK: Tone.WARN, Outcome.NOT: Tone.QUIET}

NO_CASE = "No case was found: there is nothing that any policy would have isolated."

#: What no assumption can mend.
NOT_ASKED = (
    "Nobody was asked about addresses, and no list of addresses on this machine was read: with reputation,"
    " scores may be higher, and verdicts other."
)
CONDITIONAL = "Nothing was isolated, asked or written; everything is told in the conditional."

_PEERS_SHOWN = 2


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case in the table.

    Attributes:
        stopped_by: the guards in the way; "" for none.
        passed: the guards that pass; those that rest on an assumption are called so.
    """

    outcome: str
    tone: Tone
    score: str
    verdict: str
    host: str
    process: str
    peers: str
    moment: str
    site: str
    case_id: str
    stopped_by: str
    obstacles: tuple[GuardRow, ...]
    passed: tuple[GuardRow, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases came to one outcome."""

    outcome: Outcome
    words: str
    number: int


@dataclass(frozen=True, slots=True)
class GuardCount:
    """How many cases a guard stopped by each policy, and in how many it was the only one in the way."""

    name: str
    cases: tuple[int, ...]
    alone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PolicyView:
    """One policy's result.

    Attributes:
        mode: the mode that was judged, and how it is set where that is another.
        hint: which options see past what alone stops cases since it is not known; "" for none.
    """

    name: str
    mode: str
    counts: tuple[Count, ...]
    sentence: str
    hint: str


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """A case that two policies decide differently, and why."""

    subject: str
    case_id: str
    here: str
    here_tone: Tone
    there: str
    there_tone: Tone
    why: str


@dataclass(frozen=True, slots=True)
class BacktestView:
    """The whole backtest in words.

    Attributes:
        total: the number of cases.
        span: from the first to the last of their moments.
        no_case: what to say where there is none.
        policies: one, or two where they are compared.
        guards: those that stopped something, by either policy.
        cases: of the first policy; empty where there is none.
        differences: None where nothing was compared.
    """

    total: str
    span: str
    no_case: str
    policies: tuple[PolicyView, ...]
    guards: tuple[GuardCount, ...]
    cases: tuple[CaseLine, ...]
    differences: tuple[DifferenceLine, ...] | None
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]


def view_of(
    results: Sequence[PolicyResult],
    found: Sequence[Difference] | None,
    terms: Terms,
    notes: Sequence[str] = (),
    *,
    no_case: str = NO_CASE,
) -> BacktestView:
    """Everything a person is shown of a backtest.

    Args:
        results: of one policy, or of two that are compared.
        found: the differences; None where nothing was compared.
        terms: what was assumed.
        notes: what the reader should know of the input, one sentence each.
        no_case: what to say where there is no case, see no_case().
    """
    first = results[0]
    moments = [case.moment for case in first.cases if case.moment is not None]
    return BacktestView(
        total=wording.count(len(first.cases), "case"),
        span=wording.span(min(moments), max(moments)) if moments else "",
        no_case=no_case,
        policies=tuple(_policy(each, terms) for each in results),
        guards=_guard_counts(results),
        cases=tuple(_case(case) for case in first.cases),
        differences=None if found is None else tuple(_difference(each) for each in found),
        assumptions=tuple(_assumption(each) for each in assumptions_of(terms)),
        notes=(*(wording.sentence(each) for each in notes), NOT_ASKED),
    )


def no_case(read: ReadReport | None, *, rejected: int) -> str:
    """What it means that there is no case. Only where all was read is that an answer.

    Args:
        read: how the reading of the logs went; None where none was given.
        rejected: notables, or whole inputs, that could not be used.
    """
    if read is not None and not read.sysmon_events:
        what = "no Sysmon event was read"
    elif rejected or (read is not None and read.problem_count):
        what = "not all that was given could be read"
    else:
        return NO_CASE
    return f"No case was found, and {what}: this does not say that nothing would have been isolated."


def _policy(result: PolicyResult, terms: Terms) -> PolicyView:
    counts = tuple(Count(each, OUTCOME[each], result.count(each)) for each in Outcome)
    set_as = "" if result.mode is result.judged_as else f", set to {result.mode.value}"
    said = ", ".join(f"{each.words} {each.number}" for each in counts)
    mode = f"judged in mode {result.judged_as.value}{set_as}"
    sentence = f"of {len(result.cases)}: {said}" if result.cases else "no case was judged"
    return PolicyView(wording.name(result.policy), mode, counts, sentence, _hint(result, terms))


def _hint(result: PolicyResult, terms: Terms) -> str:
    past = {guard for guard, assume in SEEN_PAST.items() if assume not in terms.assume}
    unseen = [
        {guard.id for guard in case.obstacles}
        for case in result.cases
        if case.obstacles
        and all(each.outcome is GuardOutcome.UNKNOWN and each.id in past for each in case.obstacles)
    ]
    if not unseen:
        return ""
    guards = [guard for guard in SEEN_PAST if any(guard in each for each in unseen)]
    options = " ".join(f"--assume {SEEN_PAST[guard].value}" for guard in guards)
    only = ", ".join(guard_name(guard) for guard in guards)
    stopped = f"{wording.count(len(unseen), 'case')} stopped only by what is not known ({only})"
    return f"{stopped}: see past it with {options}."


def _guard_counts(results: Sequence[PolicyResult]) -> tuple[GuardCount, ...]:
    tables = [{each.guard: each for each in result.stopped} for result in results]
    found = []
    for guard in dict.fromkeys(guard for table in tables for guard in table):
        rows = [table.get(guard) for table in tables]
        found.append(
            GuardCount(
                guard_name(guard),
                tuple(row.cases if row else 0 for row in rows),
                tuple(row.alone if row else 0 for row in rows),
            )
        )
    return tuple(found)


def guard_name(guard: str) -> str:
    """A guard's id as words."""
    return wording.name(guard).replace("_", " ")


def _case(case: BacktestCase) -> CaseLine:
    rows = [(_guard(guard), guard.outcome) for guard in case.guards]
    peers = wording.names(case.peers[:_PEERS_SHOWN])
    more = len(case.peers) - _PEERS_SHOWN
    return CaseLine(
        outcome=OUTCOME[case.outcome],
        tone=OUTCOME_TONE[case.outcome],
        score=f"{case.score:g}",
        verdict=wording.CASE_VERDICT[case.verdict],
        host=wording.name(case.host),
        process=wording.name(case.process),
        peers=(f"{peers} and {more} more" if more > 0 else peers) or "an unknown address",
        moment=wording.moment(case.moment),
        site=wording.name(case.site, unknown=""),
        case_id=case.case_id,
        stopped_by=", ".join(guard_name(guard.id) for guard in case.obstacles),
        obstacles=tuple(row for row, outcome in rows if outcome is not GuardOutcome.PASS),
        passed=tuple(row for row, outcome in rows if outcome is GuardOutcome.PASS),
    )


def _guard(guard: BacktestGuard) -> GuardRow:
    assumed = bool(guard.assumption) and guard.outcome is GuardOutcome.PASS
    tone = {
        GuardOutcome.PASS: Tone.UNKNOWN if assumed else Tone.PLAIN,
        GuardOutcome.REFUSE: Tone.BAD,
        GuardOutcome.UNKNOWN: Tone.UNKNOWN,
    }[guard.outcome]
    return GuardRow(
        outcome="assumed" if assumed else guard.outcome.value,
        tone=tone,
        name=wording.name(guard.id),
        value=wording.path(guard.value),
        limit=wording.path(guard.limit),
        detail=wording.sentence(guard.detail),
    )


def _difference(found: Difference) -> DifferenceLine:
    here, there = found.here, found.there
    if found.guards:
        stops = [each for each in (*here.obstacles, *there.obstacles) if each.id in found.guards]
        why = "; ".join(
            f"{guard_name(each.id)}: {wording.path(each.value)}, asked for: {wording.path(each.limit)}"
            for each in stops
        )
    else:
        why = f"mode {here.mode.value} here, {there.mode.value} there"
    return DifferenceLine(
        subject=f"{wording.name(here.process)} on {wording.name(here.host)}",
        case_id=found.case_id,
        here=OUTCOME[here.outcome],
        here_tone=OUTCOME_TONE[here.outcome],
        there=OUTCOME[there.outcome],
        there_tone=OUTCOME_TONE[there.outcome],
        why=why,
    )


def _assumption(found: Assumption) -> str:
    rests = ", ".join(guard_name(guard) for guard in found.guards)
    return f"{found.sentence.removesuffix('.')} ({rests})." if rests else found.sentence
