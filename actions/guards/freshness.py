"""Guards about time: what the decision rests on has to be true now."""

from __future__ import annotations

from datetime import timedelta

from actions.case_facts import Destination, DestinationVerdict
from actions.guards.evidence import stands_without_destination
from actions.guards.question import Answer, Question, judge_age, passed, unknown
from actions.indicators.case_view import Directions, directions_by_peer, inbound_only
from actions.risk import IndicatorGroup, Strength
from connectors.facts.reputation import Leaning, SourceAnswer, SourceStatus

_BAD = (Leaning.MALICIOUS, Leaning.SUSPICIOUS)


def agent_seen(q: Question) -> Answer:
    """The agent was seen just now; to an offline host a vendor may apply an isolation weeks later."""
    limit = timedelta(minutes=q.policy.freshness.agent_minutes)
    return judge_age("The agent was last seen", q.host.last_seen if q.host else None, q.now, limit)


def connection_fresh(q: Question) -> Answer:
    """The last connection of the case is recent."""
    facts = q.request.facts
    times = [n.last_time or n.first_time for n in facts.notables]
    times += [c.last_time or c.time for c in facts.evidence.connections] if facts.evidence else []
    last = max((time for time in times if time is not None), default=None)
    return judge_age(
        "The last connection was seen", last, q.now, timedelta(minutes=q.policy.freshness.connection_minutes)
    )


def reputation_fresh(q: Question) -> Answer:
    """The reputation the decision needs is recent.

    Where the findings on the host are enough by themselves, reputation plays no part, and its age does not
    matter: it neither raised nor lowered anything that the decision needs. Where they are not, every answer
    that speaks against a destination has to be fresh; an expired one counts as unknown.
    """
    limit = timedelta(hours=q.policy.freshness.reputation_hours)
    wanted = f"under {q.policy.freshness.reputation_hours} h, where the decision needs it"
    if stands_without_destination(q):
        return passed("not needed", wanted, "The findings on the host are enough without reputation.")
    if not any(
        i.group is IndicatorGroup.DESTINATION and i.strength in (Strength.STRONG, Strength.MEDIUM)
        for i in q.request.risk.indicators
    ):
        return passed("not used", wanted, "No reputation is among the findings.")
    used = _answers_used(q)
    if not used or any(answer.status is not SourceStatus.OK for answer in used):
        return unknown(wanted, "The decision needs reputation, but the answers behind it are not at hand.")
    times = [answer.retrieved_at for answer in used]
    known = [time for time in times if time is not None]
    oldest = min(known) if len(known) == len(times) else None
    return judge_age("The oldest reputation answer used was fetched", oldest, q.now, limit)._replace(
        limit=wanted
    )


def _answers_used(q: Question) -> list[SourceAnswer]:
    facts = q.request.facts
    seen = directions_by_peer(facts)
    return [a for d in facts.destinations if _is_bad(seen, d) for a in d.answers if a.leaning in _BAD]


def _is_bad(seen: Directions, destination: Destination) -> bool:
    bad = destination.verdict in (DestinationVerdict.MALICIOUS, DestinationVerdict.SUSPICIOUS)
    return bad and not inbound_only(seen, destination)
