"""Guards about the case: is there enough against it?"""

from __future__ import annotations

from actions.guards.question import Answer, Question, passed, refused, unknown
from actions.isolation import IsolationMode
from actions.risk import CaseVerdict, IndicatorGroup, Strength, score_of
from connectors.facts.notable import Direction


def direction_outbound(q: Question) -> Answer:
    """The host made the connection. Who was only called is never isolated for who called."""
    limit = Direction.OUTBOUND.value
    facts = q.request.facts
    found = {n.direction for n in facts.notables} - {Direction.UNKNOWN}
    peers = {d.ip for d in facts.destinations}
    for connection in facts.evidence.connections if facts.evidence else ():
        if connection.initiated is True and connection.dest_ip in peers:
            found.add(Direction.OUTBOUND)
        elif connection.initiated is False and connection.src_ip in peers:
            found.add(Direction.INBOUND)
    if Direction.OUTBOUND in found:
        return passed(limit, limit, "The process opened the connection.")
    if Direction.INBOUND in found:
        return refused(Direction.INBOUND.value, limit, "The peer opened the connection, not the process.")
    return unknown(limit, "Neither the notable nor an event says who opened the connection.")


def score(q: Question) -> Answer:
    """The score reaches the policy's threshold; it is taken over the profile's base, not the notable's."""
    risk = q.request.risk
    value, limit = f"{risk.decisive_score:g}", f"at least {q.policy.min_score:g}"
    over = ""
    if risk.decisive_score != risk.score:
        own = score_of(q.request.facts.profile.impact, q.request.facts.profile.confidence)
        over = f" over the profile's base of {own:g} ({risk.score:g} over the notable's {risk.base_score:g})"
    if risk.decisive_score >= q.policy.min_score:
        return passed(value, limit, f"The score is {value}{over}.")
    return refused(value, limit, f"The score is {value}{over}, which is too low.")


def verdict(q: Question) -> Answer:
    """Auto asks for the verdict malicious; for approve the strong finding is enough."""
    value = q.request.risk.case_verdict.value
    if q.bar is not IsolationMode.AUTO:
        return passed(value, "any (approve)", f"The verdict is {value}; in mode approve a person judges it.")
    if q.request.risk.case_verdict is CaseVerdict.MALICIOUS:
        return passed(value, "malicious (auto)", "The verdict is malicious.")
    return refused(value, "malicious (auto)", f"The verdict is {value}; auto needs malicious.")


def strong_findings(q: Question) -> Answer:
    """Approve needs a strong finding; auto needs two independent ones, one of them from lineage."""
    groups = _strong_groups(q)
    value = ", ".join(sorted(group.value for group in groups)) or "none"
    limit = "two independent, one from lineage (auto)" if q.bar is IsolationMode.AUTO else "one (approve)"
    if _enough(groups, q.bar):
        return passed(value, limit, f"There are strong findings of these kinds: {value}.")
    if not groups:
        return refused(value, limit, "There is no strong finding.")
    return refused(
        value,
        limit,
        f"Strong findings of these kinds are not enough for auto: {value}. In mode approve a person could"
        " decide.",
    )


def stands_without_destination(q: Question) -> bool:
    """True when score, verdict and strong findings would do with the destination's reputation left out."""
    groups = _strong_groups(q) - {IndicatorGroup.DESTINATION}
    from_destination = {i.id for i in q.request.risk.indicators if i.group is IndicatorGroup.DESTINATION}
    # The first item is the base; that of the profile stands for it (RiskAssessment.decisive_score).
    items = [c for c in q.request.risk.contributions[1:] if c.name not in from_destination]
    # The item that keeps impact at 100 has to be worked out anew: without the destination less is over.
    profile = q.request.facts.profile
    raised = profile.impact + sum(c.impact_points for c in items if c.impact_points > 0)
    without = score_of(min(100, raised), min(profile.confidence, q.request.risk.confidence))
    return without >= q.policy.min_score and _enough(groups, q.bar)


def _strong_groups(q: Question) -> frozenset[IndicatorGroup]:
    return frozenset(i.group for i in q.request.risk.indicators if i.strength is Strength.STRONG)


def _enough(groups: frozenset[IndicatorGroup], bar: IsolationMode) -> bool:
    if bar is IsolationMode.AUTO:
        return len(groups) > 1 and IndicatorGroup.LINEAGE in groups
    return bool(groups)
