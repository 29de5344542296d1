"""Why the score is what it is: each contribution with its finding and evidence, and the sum."""

from __future__ import annotations

from datetime import UTC, date

from actions.risk import EvidenceItem
from connectors.facts.process import CoverageState
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.content import Item, ScoreRow
from playbooks.report.talk import talks

#: Observations shown of one finding.
EVIDENCE_SHOWN = 3


def score_rows(report: CaseReport) -> tuple[ScoreRow, ...]:
    """One per contribution, in the order of the assessment."""
    indicators = {each.id: each for each in report.risk.indicators}
    day = _day(report)
    rows = []
    for number, part in enumerate(report.risk.contributions):
        indicator = indicators.get(part.name)
        first = number == 0
        rows.append(
            ScoreRow(
                impact=_points(part.impact_points, plain=first),
                confidence=_points(part.confidence_points, plain=first),
                name=wording.name(part.name),
                text=wording.sentence(indicator.sentence) if indicator else "",
                reason=wording.sentence(part.reason),
                evidence=_evidence(indicator.evidence, day) if indicator else (),
            )
        )
    return tuple(rows)


def _points(points: int, *, plain: bool) -> str:
    if points == 0:
        return ""
    return str(points) if plain else f"{points:+d}"


def score_total(report: CaseReport) -> str:
    """The sums, the caps where they bite, and the product."""
    risk, profile = report.risk, report.facts.profile
    first = risk.contributions[0] if risk.contributions else None
    impact = sum(each.impact_points for each in risk.contributions)
    confidence = sum(each.confidence_points for each in risk.contributions)
    if first is None or first.impact_points == 0:
        impact += profile.impact
    if first is None or first.confidence_points == 0:
        confidence += profile.confidence
    return (
        f"impact {_taken(impact, risk.impact)} x confidence {_taken(confidence, risk.confidence)} / 100 "
        f"= {risk.score:g}"
    )


def _taken(total: int, used: int) -> str:
    if total == used:
        return str(used)
    word = "capped at" if total > used else "raised to"
    return f"{total}, {word} {used},"


def unweighted(report: CaseReport) -> tuple[Item, ...]:
    """Findings that moved no points."""
    day = _day(report)
    weighted = {each.name for each in report.risk.contributions}
    return tuple(
        Item(
            f"{wording.name(each.id)} ({wording.STRENGTH[each.strength]}): {wording.sentence(each.sentence)}",
            details=_evidence(each.evidence, day),
        )
        for each in report.risk.indicators
        if each.id not in weighted
    )


def not_seen(report: CaseReport) -> str:
    """The kinds of evidence that this telemetry records, without any for the process."""
    evidence = report.facts.evidence
    states = evidence.coverage if evidence else ()
    kinds = [
        each.kind.value.replace("_", " ") for each in states if each.state is CoverageState.NONE_OBSERVED
    ]
    return f"recorded on this host, none for this process: {', '.join(kinds)}" if kinds else ""


def _day(report: CaseReport) -> date | None:
    """The day whose date is said at a glance, and not again with each time."""
    first = next((talk.first for talk in talks(report.facts) if talk.first), None)
    return first.astimezone(UTC).date() if first else None


def _evidence(items: tuple[EvidenceItem, ...], day: date | None) -> tuple[str, ...]:
    lines = []
    for item in items[:EVIDENCE_SHOWN]:
        place = wording.position(item.source, item.time, day)
        lines.append(f"{wording.path(item.text)}{f'  [{place}]' if place else ''}")
    if len(items) > EVIDENCE_SHOWN:
        lines.append(f"and {len(items) - EVIDENCE_SHOWN} more in the JSON report")
    return tuple(lines)
