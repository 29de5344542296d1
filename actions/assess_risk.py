"""Risk of a case: ESCU's own arithmetic, itemised. A pure function of facts, policy and time.

score = impact x confidence / 100, from what the notables say of themselves, else from their generation of the
analytic, else from the profile. Findings of misuse raise impact, to 100 at most.
Findings of a benign cause lower confidence, and only when all of them agree and nothing strong or medium was
found. What is unknown changes neither, and is listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from actions.case_facts import CaseFacts, Unknown
from actions.case_unknowns import case_unknowns
from actions.indicators.case_view import CaseView, view_of
from actions.profile import Profile
from actions.risk import Contribution, Indicator, RiskAssessment, RiskPolicy, Strength, score_of
from actions.risk_weights import MITIGATING_IDS, WEIGHTS, Row
from actions.verdict_table import case_verdict, tally_of, worst_destination
from connectors.facts.host import HostRef
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
    rows = [row for row, _ in found]
    base = base_of(facts)
    contributions = _contributions(_base_item(base), rows, mitigated=mitigated)
    of_profile = _contributions(_base_item(_profile_base(facts.profile)), rows, mitigated=mitigated)
    impact, confidence = _sums(contributions)
    verdict = case_verdict(tally_of(indicators, mitigated=mitigated, process_known=facts.lineage is not None))
    strong = [i.sentence for i in indicators if i.strength is Strength.STRONG]
    return RiskAssessment(
        message=" ".join([escu_message(facts.profile, first_notable(facts), facts.host), *strong]),
        base_score=base.score,
        impact=impact,
        confidence=confidence,
        score=score_of(impact, confidence),
        evidence_score=score_of(*_sums(of_profile)),
        contributions=contributions,
        indicators=tuple(indicators),
        destination_verdict=worst_destination(d.verdict for d in facts.destinations),
        case_verdict=verdict.verdict,
        verdict_reason=verdict.reason,
        unknowns=(*case_unknowns(view), *_from_the_future(facts, now)),
    )


class Base(NamedTuple):
    """What the score starts from.

    Attributes:
        score: as it stands on the risk objects already.
        impact, confidence: percent, the same on the scale of a case.
        reason: where it comes from, one sentence.
    """

    score: float
    impact: int
    confidence: int
    reason: str


def base_of(facts: CaseFacts) -> Base:
    """What the analytic itself has given: the notables' own score, else the generation's, else the profile's.

    A score that differs from the profile's is taken as impact at full confidence; over 100 it counts as 100.
    """
    profile = facts.profile
    told = max((n.risk_score for n in facts.notables if n.risk_score), default=None)
    if told is not None:
        if told == score_of(profile.impact, profile.confidence):
            return _profile_base(profile)
        return Base(told, min(100, round(told)), 100, "What the notable says of itself.")
    latest = max((n.generation for n in facts.notables if n.generation is not None), default=None)
    score, base = profile.base_score(latest), _profile_base(profile)
    if score == base.score:
        return base
    reason = f"What generation {latest} of the analytic {profile.title!r} gives by itself."
    return Base(score, round(score), 100, reason)


def _profile_base(profile: Profile) -> Base:
    return Base(
        score_of(profile.impact, profile.confidence),
        profile.impact,
        profile.confidence,
        f"What the analytic {profile.title!r} gives by itself.",
    )


def escu_message(profile: Profile, notable: Notable, host: HostRef | None = None) -> str:
    """ESCU's risk message, word for word, with the machine in $dest$; what is missing reads "unknown".

    One pass: a user called "$dest$" stays what it is.

    Args:
        profile: its message.
        notable: its process, user and machine.
        host: the machine where the notable does not name it.
    """
    machine = notable.dest or (host.hostname if host is not None else "")
    values = {"process_name": notable.process_name, "dest": machine, "user": notable.user}
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


def _base_item(base: Base) -> Contribution:
    return Contribution(
        name=ESCU_BASE, impact_points=base.impact, confidence_points=base.confidence, reason=base.reason
    )


def _sums(items: Sequence[Contribution]) -> tuple[int, int]:
    """Impact and confidence of all items together."""
    return sum(c.impact_points for c in items), sum(c.confidence_points for c in items)


def _contributions(first: Contribution, rows: Sequence[Row], *, mitigated: bool) -> tuple[Contribution, ...]:
    """The items of the score; they add up to its impact and confidence."""
    items = [first]
    items += [
        Contribution(
            name=row.id, impact_points=row.impact, confidence_points=row.confidence, reason=row.reason
        )
        for row in rows
        if row.strength in _WEIGHTY or (mitigated and row.strength is Strength.MITIGATING)
    ]
    impact, confidence = _sums(items)
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
