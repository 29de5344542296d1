"""What a person may decide against by name, when ordering an isolation by hand. Pure."""

from __future__ import annotations

from collections.abc import Collection

from actions.isolation import IsolationDecision, IsolationMode
from actions.isolation_guards import GUARDS

#: Guards about the judgement of the case: a person may know better. The others keep an order from hitting
#: another host, from being given twice, and from going on where all isolation has been stopped.
WAIVABLE = frozenset(
    {
        "host_type",
        "not_protected",
        "asset_priority",
        "connection_fresh",
        "reputation_fresh",
        "not_released_recently",
        "direction_outbound",
        "score",
        "verdict",
        "strong_findings",
    }
)

_LIVE = (IsolationMode.APPROVE, IsolationMode.AUTO)
_KNOWN = frozenset(row.id for row in GUARDS)


def refusal(decision: IsolationDecision, despite: Collection[str]) -> str:
    """Why an order by hand may not go on, as a sentence; "" where it may.

    Args:
        decision: with every guard.
        despite: ids of the guards that the person decides against; each that stands in the way has to be
            named. Naming one that does not stand in the way changes nothing.
    """
    unknown = sorted(set(despite) - _KNOWN)
    if unknown:
        return f"There is no guard {_listed(unknown)}."
    firm = sorted(set(despite) - WAIVABLE)
    if firm:
        return f"Nobody may decide against {_listed(firm)}."
    if decision.effective_mode not in _LIVE:
        return f"The effective mode is {decision.effective_mode.value}; it has to be approve or auto."
    left = [guard for guard in decision.obstacles if guard.id not in despite]
    if not left:
        return ""
    details = " ".join(f"{guard.id}: {guard.detail}" for guard in left)
    waivable = [guard.id for guard in left if guard.id in WAIVABLE]
    if len(waivable) < len(left):
        return f"Guards stand in the way. {details}"
    return f"Guards stand in the way that have to be named to decide against them. {details}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)
