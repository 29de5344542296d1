"""Risk of a case: ESCU's own arithmetic, itemised. A pure function of facts, policy and time.

score = impact x confidence / 100, from the profile. Findings of misuse raise impact, to 100 at most.
Findings of a benign cause lower confidence, and only when all of them agree and nothing strong or medium was
found. What is unknown changes neither, and is listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from actions.case_facts import CaseFacts, Unknown
from actions.case_unknowns import case_unknowns
from actions.indicators.case_view import CaseView, view_of
from actions.profile import Profile
from actions.risk import Contribution, Indicator, RiskAssessment, RiskPolicy, Strength, score_of
from actions.risk_weights import MITIGATING_IDS, WEIGHTS, Row
from actions.verdict_table import case_verdict, tally_of, worst_destination
from connectors.facts.notable import Notable

#: Name of the first item of the score.
ESCU_BASE = "ESCU base"

#: Name of the last item, where the others go past 0 or 100 percent.
LIMIT = "limit"

_SHOWN_FIRST = (Strength.STRONG, Strength.MEDIUM, Strength.CONTEXT, Strength.MITIGATING)
_WEIGHTY = frozenset({Strength.STRONG, Strength.MEDIUM})
_LONG_AFTER = datetime.max.replace(tzinfo=UTC)
_VARIABLE = re.compile(r"\$(process_name|dest|user)\$")


def assess_risk(facts: CaseFacts, policy: RiskPolicy, now: datetime) -> RiskAssessment:
    """Score, verdict, findings and unknowns of a case.

    The order of notables, destinations, siblings, children and evidence does not matter; the order of
    ancestors does (nearest first).

    Args:
        facts: what is known.
        policy: the organisation's settings.
        now: when this is asked, with an offset.
    """
    view = view_of(facts, policy)
    found = [(row, indicator) for row in WEIGHTS if (indicator := _indicator(row, view))]
    indicators = sorted((indicator for _, indicator in found), key=lambda i: _SHOWN_FIRST.index(i.strength))
    mitigated = _is_mitigated(indicators)
    contributions = _contributions(facts.profile, [row for row, _ in found], mitigated=mitigated)
    impact = sum(c.impact_points for c in contributions)
    confidence = sum(c.confidence_points for c in contributions)
    verdict = case_verdict(tally_of(indicators, mitigated=mitigated, process_known=facts.lineage is not None))
    strong = [i.sentence for i in indicators if i.strength is Strength.STRONG]
    return RiskAssessment(
        message=" ".join([escu_message(facts.profile, first_notable(facts)), *strong]),
        base_score=score_of(facts.profile.impact, facts.profile.confidence),
        impact=impact,
        confidence=confidence,
        score=score_of(impact, confidence),
        contributions=contributions,
        indicators=tuple(indicators),
        destination_verdict=worst_destination(d.verdict for d in facts.destinations),
        case_verdict=verdict.verdict,
        verdict_reason=verdict.reason,
        unknowns=(*case_unknowns(view), *_from_the_future(facts, now)),
    )


def escu_message(profile: Profile, notable: Notable) -> str:
    """ESCU's risk message, word for word; what is missing reads "unknown".

    One pass: a user called "$dest$" stays what it is.
    """
    values = {"process_name": notable.process_name, "dest": notable.dest, "user": notable.user}
    return _VARIABLE.sub(lambda match: values[match.group(1)] or "unknown", profile.message)


def first_notable(facts: CaseFacts) -> Notable:
    """The case's earliest notable."""
    return min(
        facts.notables,
        key=lambda n: (
            n.first_time or n.last_time or _LONG_AFTER,
            n.event_id,
            n.user,
            n.process_name,
            n.dest,
        ),
    )


def _indicator(row: Row, view: CaseView) -> Indicator | None:
    found = row.find(view)
    if found is None:
        return None
    return Indicator(
        id=row.id,
        strength=row.strength,
        group=row.group,
        sentence=found.sentence,
        evidence=found.evidence,
    )


def _is_mitigated(indicators: Sequence[Indicator]) -> bool:
    ids = {i.id for i in indicators}
    return ids >= MITIGATING_IDS and not any(i.strength in _WEIGHTY for i in indicators)


def _contributions(profile: Profile, rows: Sequence[Row], *, mitigated: bool) -> tuple[Contribution, ...]:
    """The items of the score; they add up to its impact and confidence."""
    items = [
        Contribution(
            name=ESCU_BASE,
            impact_points=profile.impact,
            confidence_points=profile.confidence,
            reason=f"What the analytic {profile.title!r} gives by itself.",
        )
    ]
    items += [
        Contribution(
            name=row.id, impact_points=row.impact, confidence_points=row.confidence, reason=row.reason
        )
        for row in rows
        if row.strength in _WEIGHTY or (mitigated and row.strength is Strength.MITIGATING)
    ]
    impact = sum(item.impact_points for item in items)
    confidence = sum(item.confidence_points for item in items)
    over, under = min(0, 100 - impact), max(0, -confidence)
    if over or under:
        items.append(
            Contribution(
                name=LIMIT,
                impact_points=over,
                confidence_points=under,
                reason="Impact and confidence are percentages: from 0 to 100.",
            )
        )
    return tuple(items)


def _from_the_future(facts: CaseFacts, now: datetime) -> list[Unknown]:
    """Times after now: a clock is wrong, and with it the order of events."""
    times = [t for n in facts.notables if (t := n.last_time or n.first_time)]
    latest = max(times, default=now)
    if latest <= now:
        return []
    return [
        Unknown(
            what="when it happened",
            why=f"the notable's time {latest.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} lies in the future",
            remedy="Check the clocks and the time zone setting of the notable's source",
        )
    ]
