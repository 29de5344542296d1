"""Isolate one host: at most one call, and nothing claimed that was not read afterwards.

The guards were asked before, on a host that was just read. What may have changed since is asked here again:
the policy's mode and stop, the host's own state and, in transactions of the ledger, all that is counted.
"""

from __future__ import annotations

from actions import containment_words as words
from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.containment_step import is_proved
from actions.follow_intent import Sent, follow, host_of, state_of, told_of
from actions.isolation import IsolationMode
from actions.isolation_policy import IsolationPolicy
from actions.send_order import another, send, unfit_connector
from connectors.facts.isolation import IsolationState, IsolationStatus
from connectors.facts.ledger import IntentKind, Order, Standing
from connectors.state.ledger import LedgerUnusable

__all__ = ["host_of", "isolate_host"]


def isolate_host(order: Order, tools: Tools, *, policy: IsolationPolicy, comment: str) -> ContainmentResult:
    """Isolate a host, and read its state until that is proved or the order's deadline has passed.

    Args:
        order: of kind isolate; its host_id says which machine, never its name.
        tools: the connector that knows the host, and the ledger.
        policy: as it is now.
        comment: for the vendor's record: case, run, who, why.

    Raises:
        ValueError: the order is a release.
    """
    if order.kind is not IntentKind.ISOLATE:
        raise ValueError(f"a {order.kind.value} is not an isolation")
    unfit = unfit_connector(order, tools) or _against_the_policy(order, tools, policy)
    if unfit is not None:
        return unfit
    reading = state_of(order, tools)
    status = reading.status
    if status is None:
        told = words.unreadable(order, reading.problem)
        return told_of(order, ContainmentOutcome.NOT_SENT, told, tools)
    try:
        standing = tools.ledger.standing(order.host)
    except LedgerUnusable as error:
        told = words.nothing_sent(order, error)
        return told_of(order, ContainmentOutcome.NOT_SENT, told, tools, status=status)
    if standing.intent is not None:
        return another(standing.intent, tools, status)
    if not is_proved(status, IsolationState.NOT_ISOLATED):
        return _left_as_it_is(order, status, standing, tools)
    sent = send(order, tools, policy=policy, comment=comment, status=status)
    return follow(sent, tools, policy=policy, by=order.by) if isinstance(sent, Sent) else sent


def _against_the_policy(order: Order, tools: Tools, policy: IsolationPolicy) -> ContainmentResult | None:
    """The result where the policy does not let this order be carried out; None where it does."""
    mode = policy.effective_mode(order.site, IsolationMode.AUTO)
    live = (IsolationMode.APPROVE, IsolationMode.AUTO) if order.by_person else (IsolationMode.AUTO,)
    if policy.kill_switch:
        why = "the policy has stopped all isolation"
    elif mode not in live:
        needed = "approve or auto" if order.by_person else "auto, as no person decided"
        why = f"the policy's mode is {mode.value}, and it takes {needed}"
    else:
        return None
    return told_of(order, ContainmentOutcome.REFUSED, words.nothing_sent(order, why), tools)


def _left_as_it_is(
    order: Order, status: IsolationStatus, standing: Standing, tools: Tools
) -> ContainmentResult:
    """A host that is isolated already, or of which that is not certain."""
    lease = standing.lease
    if not is_proved(status, IsolationState.ISOLATED):
        told = words.not_fit(order, status)
        return told_of(order, ContainmentOutcome.NOT_SENT, told, tools, status=status, lease=lease)
    if lease is not None:
        told = words.ours_stands(order, lease)
        return told_of(order, ContainmentOutcome.OURS_STANDS, told, tools, status=status, lease=lease)
    told = words.already_isolated(order, status)
    try:
        _note_already(order, status, tools)
    except LedgerUnusable as error:
        told += f" The ledger could not note that ({words.clause(error)})."
    return told_of(order, ContainmentOutcome.ALREADY_ISOLATED, told, tools, status=status)


def _note_already(order: Order, status: IsolationStatus, tools: Tools) -> None:
    tools.ledger.note(
        "already_isolated",
        subject=order.host_id,
        by=order.by,
        data={
            "connector": order.connector,
            "hostname": order.hostname,
            "case_id": order.case_id,
            "run_id": order.run_id,
            "state": words.state_words(status),
        },
    )
