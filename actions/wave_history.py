"""When a wave looks at what it sent, and what an earlier attempt at it has used up of the vendor's limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate, chain, repeat, takewhile

from actions.containment import Tools
from actions.vendor_pace import Pace
from connectors.facts.ledger import IntentKind, IntentState

#: Seconds from a look at a release to the next one; the last counts for all further looks.
LOOKS_S = (5.0, 10.0, 20.0, 40.0, 60.0)


def calls_before(
    tools: Tools, run_id: str, paces: Sequence[Pace], *, now: float
) -> tuple[list[float], list[float]]:
    """When an earlier attempt at this wave wrote and read, as far as it counts still.

    Its writes stand in the ledger. Its readings do not: one before each release, and as many looks as there
    can have been, all of them as late as they can have been. Hosts that could not be read leave no trace.
    """
    longest_s = max((pace.seconds for pace in paces), default=0.0)
    present = tools.clock()

    def age_s(moment: datetime) -> float:
        return (present - moment).total_seconds()

    writes: list[float] = []
    reads = [now]  # whoever died last may have read a host that the ledger does not tell of yet
    for each in tools.ledger.intents(run_id=run_id):
        if each.order.kind is not IntentKind.RELEASE or (
            age_s(each.changed_at) > longest_s and not each.active
        ):
            continue
        reads.append(now - age_s(each.requested_at))
        if each.called_at is None:
            continue
        # Without an answer in the ledger the call may have reached the vendor as late as this moment.
        answered = each.accepted_at or (None if each.state is IntentState.REQUESTED else each.changed_at)
        writes.append(now - (age_s(answered) if answered else 0.0))
        ended_s = 0.0 if each.active else age_s(each.changed_at)
        followed_s = min(age_s(each.called_at) - ended_s, each.order.deadline_s + 2 * LOOKS_S[-1])
        reads.extend([now - ended_s] * _looks_within(followed_s))
        reads.extend([now] if each.active else [])  # the look with which it was taken up
    return writes, reads


def _looks_within(seconds: float) -> int:
    """How many looks there can have been at a release in so many seconds after it."""
    moments = accumulate(chain(LOOKS_S, repeat(LOOKS_S[-1])))
    return sum(1 for _ in takewhile(lambda moment: moment <= seconds, moments))
