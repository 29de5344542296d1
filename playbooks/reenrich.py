"""Re-enrichment: a case looked at again, what changed since, and when to stop.

The state kept between two looks is small and comparable. A change is written back once; an unchanged case is
not. It may lead to a question, never to an isolation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from actions.case_facts import Destination, DestinationVerdict
from actions.check_ip import check_ip
from actions.isolation import IsolationVerdict
from actions.lookup_reputation import reputation_of
from actions.reputation_change import explain, remembered
from actions.reputation_facts import DestinationReputation
from actions.reputation_wording import VERDICT_WORDS
from actions.risk import CaseVerdict
from actions.verdict_table import VERDICT_RANK
from connectors.facts.base import Fact, Instant
from playbooks.case import CaseId, CaseReport
from playbooks.report import wording

#: Looks in a row without a change that are counted.
MAX_ROUNDS = 100_000


class ReenrichSettings(Fact):
    """How long a case is looked at again.

    Attributes:
        max_days: days after the first look.
        max_unchanged_rounds: rounds in a row without a change.
    """

    max_days: Annotated[int, Field(ge=1, le=365)] = 14
    max_unchanged_rounds: Annotated[int, Field(ge=1, le=1000)] = 10


class DestinationState(Fact):
    """One address and its reputation verdict.

    Attributes:
        reputation: who had reported it, for the next look to compare with; None where nobody had.
    """

    ip: str
    verdict: DestinationVerdict
    reputation: DestinationReputation | None = None


class CaseState(Fact):
    """What is remembered of a case between two looks.

    Attributes:
        first_at: when it was first looked at.
        looked_at: when it was last looked at.
        destinations: in the order of their text.
        findings: ids of the indicators, in the order of their text.
        unknowns: what was not known, in the order of their text.
        decision: what the isolation decision said.
        unchanged_rounds: looks in a row without a change.
    """

    case_id: CaseId
    first_at: Instant
    looked_at: Instant
    case_verdict: CaseVerdict
    score: Annotated[float, Field(ge=0, le=100)]
    destinations: tuple[DestinationState, ...] = ()
    findings: tuple[str, ...] = ()
    unknowns: tuple[str, ...] = ()
    decision: IsolationVerdict
    unchanged_rounds: Annotated[int, Field(ge=0, le=MAX_ROUNDS)] = 0

    @model_validator(mode="after")
    def _in_order(self) -> CaseState:
        if self.first_at > self.looked_at:
            raise ValueError("the first look is later than the last")
        return self


class Reenrichment(Fact):
    """The outcome of one look.

    Attributes:
        state: to be kept for the next look.
        changes: what changed, one sentence each; empty when nothing did, and at the first look.
        first: True when there was no earlier state.
        lost: what was known at the last look and is not now, where the case would look less bad for it: a
            source that fails lowers nothing. Nothing is compared then, and the state stays as it was.
        stop: why the case is not looked at again; "" while it goes on.
    """

    report: CaseReport
    state: CaseState
    changes: tuple[str, ...] = ()
    first: bool = False
    lost: tuple[str, ...] = ()
    stop: str = ""


def compare(
    report: CaseReport, previous: CaseState | None, settings: ReenrichSettings, *, closed: bool = False
) -> Reenrichment:
    """A new report against the state kept of the case.

    Args:
        report: what the look gave.
        previous: the state kept last; None at the first look.
        settings: when to stop.
        closed: True when a person has closed the case.
    """
    lost = _lost(previous, report) if previous is not None else ()
    if previous is not None and lost:
        kept = previous.model_copy(update={"looked_at": report.generated_at})
        stop = stop_reason(kept, settings, report.generated_at, closed=closed)
        return Reenrichment(report=report, state=kept, lost=lost, stop=stop)
    changes = _changes(previous, report) if previous is not None else ()
    state = CaseState(
        case_id=report.case_id,
        first_at=previous.first_at if previous is not None else report.generated_at,
        looked_at=report.generated_at,
        case_verdict=report.risk.case_verdict,
        score=report.risk.score,
        destinations=_destinations(report),
        findings=tuple(sorted(each.id for each in report.risk.indicators)),
        unknowns=tuple(sorted({each.what for each in report.risk.unknowns})),
        decision=report.decision.verdict,
        unchanged_rounds=0 if previous is None or changes else min(previous.unchanged_rounds + 1, MAX_ROUNDS),
    )
    return Reenrichment(
        report=report,
        state=state,
        changes=changes,
        first=previous is None,
        stop=stop_reason(state, settings, report.generated_at, closed=closed),
    )


def state_text(state: CaseState) -> str:
    """The state as one JSON string, ASCII only."""
    return json.dumps(state.model_dump(mode="json"), separators=(",", ":"))


def state_digest(state: CaseState) -> str:
    """Eight hex digits of what a report says: the same for the same outcome, whenever it was looked at."""
    said = state.model_dump(
        mode="json",
        include={"case_verdict", "score", "destinations", "findings", "unknowns", "decision"},
        exclude={"destinations": {"__all__": {"reputation"}}},
    )
    text = json.dumps(said, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def stop_reason(state: CaseState, settings: ReenrichSettings, now: datetime, *, closed: bool) -> str:
    """Why a case is not looked at again, one sentence; "" while it goes on."""
    if closed:
        return "the case is closed"
    if now - state.first_at >= timedelta(days=settings.max_days):
        return f"{settings.max_days} days are over"
    if state.unchanged_rounds >= settings.max_unchanged_rounds:
        return f"nothing changed in {state.unchanged_rounds} rounds"
    return ""


def _lost(previous: CaseState, report: CaseReport) -> tuple[str, ...]:
    """What became unknown since, where verdict or score fell; what concerns a new destination is not lost."""
    risk = report.risk
    before = (VERDICT_RANK[previous.case_verdict], previous.score)
    if (VERDICT_RANK[risk.case_verdict], risk.score) >= before:
        return ()
    known = {each.ip for each in previous.destinations}
    new = tuple(f" {each.ip}" for each in report.facts.destinations if each.ip not in known)
    now = {each.what for each in risk.unknowns if not each.what.endswith(new)}
    return tuple(sorted(now - set(previous.unknowns)))


def _destinations(report: CaseReport) -> tuple[DestinationState, ...]:
    states = (_destination(each) for each in report.facts.destinations)
    return tuple(sorted(states, key=lambda each: each.ip))


def _destination(found: Destination) -> DestinationState:
    reputation = reputation_of(found)
    kept = remembered(reputation) if reputation is not None and reputation.votes else None
    return DestinationState(ip=found.ip, verdict=found.verdict, reputation=kept)


def known_before(states: Iterable[CaseState]) -> Mapping[str, DestinationReputation]:
    """What is remembered of addresses, by their text in a report; of two looks the later one.

    Where the later one knew of no report, an earlier one was taken back and is not known any more.
    """
    latest: dict[str, tuple[datetime, DestinationReputation | None]] = {}
    for state in states:
        for each in state.destinations:
            # A look that lost something moves on in time, but what it keeps is as old as it was.
            at = each.reputation.decided_at if each.reputation is not None else state.looked_at
            if each.ip not in latest or latest[each.ip][0] < at:
                latest[each.ip] = (at, each.reputation)
    return {ip: known for ip, (_, known) in latest.items() if known is not None}


def _changes(previous: CaseState, report: CaseReport) -> tuple[str, ...]:
    risk = report.risk
    found: list[str] = []
    if risk.case_verdict is not previous.case_verdict:
        words = wording.CASE_VERDICT
        found.append(f"verdict: {words[previous.case_verdict]} before, {words[risk.case_verdict]} now")
    if risk.score != previous.score:
        found.append(f"score: {previous.score:g} before, {risk.score:g} now")
    earlier = {each.ip: each for each in previous.destinations}
    for destination in sorted(report.facts.destinations, key=lambda each: each.ip):
        now, before = _destination(destination), earlier.pop(destination.ip, None)
        if before is None:
            found.append(f"destination {now.ip}: new, {_verdict_words(now)}")
        elif before.verdict is not now.verdict:
            was = VERDICT_WORDS[before.verdict]
            found.append(f"destination {now.ip}: {was} before, {_verdict_words(now)} now")
            found += [f"destination {now.ip}: {each}" for each in _explained(before, destination)]
    found += [f"destination {ip}: no longer seen" for ip in earlier]
    found += _set_changes("finding", previous.findings, tuple(i.id for i in risk.indicators))
    found += _set_changes("unknown", previous.unknowns, tuple(u.what for u in risk.unknowns))
    if report.decision.verdict is not previous.decision:
        would = wording.WOULD
        found.append(f"isolation: {would[previous.decision]} before, {would[report.decision.verdict]} now")
    return tuple(found)


def _explained(before: DestinationState, destination: Destination) -> tuple[str, ...]:
    """Who has changed what a verdict rests on; the verdict itself is told already."""
    now = reputation_of(destination)
    if now is None:
        return ()
    nobody = now.model_copy(update={"votes": (), "answers": (), "coverage": now.coverage, "override": ""})
    was = before.reputation or nobody
    return explain(was.model_copy(update={"verdict": now.verdict}), now)


def _verdict_words(of: DestinationState) -> str:
    """The verdict as people read it; of an address that is not public no reputation exists."""
    if of.verdict is DestinationVerdict.UNDETERMINED and not check_ip(of.ip).public:
        return "not public"
    return VERDICT_WORDS[of.verdict]


def _set_changes(what: str, before: tuple[str, ...], now: tuple[str, ...]) -> list[str]:
    added, gone = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    return [f"{what} {each}: new" for each in added] + [f"{what} {each}: no longer" for each in gone]
