"""Release one host: ordered by a person, at most one call, and proved like an isolation.

Kill switch, breaker and caps stop no release. What is not ours is released only where the person named it.
"""

from __future__ import annotations

from actions import containment_words as words
from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.containment_step import is_proved
from actions.follow_intent import Sent, follow, state_of, told_of
from actions.isolation_policy import IsolationPolicy
from actions.lease_reading import handle_of_lease, proves_release
from actions.send_order import another, send, unfit_connector
from actions.settle_intent import follow_once, settle
from connectors.facts.isolation import IsolationState, IsolationStatus
from connectors.facts.ledger import Intent, IntentKind, IntentState, Lease, Order, Standing
from connectors.state.ledger import LedgerUnusable

__all__ = ["follow_once", "release_host", "submit_release"]


def release_host(order: Order, tools: Tools, *, policy: IsolationPolicy, comment: str) -> ContainmentResult:
    """Release a host, and read its state until that is proved or the order's deadline has passed.

    Args:
        order: of kind release, by a person; its host_id says which machine, never its name.
        tools: the connector that knows the host, and the ledger.
        policy: as it is now.
        comment: for the vendor's record: case, run, who, why.

    Raises:
        ValueError: the order is an isolation.
    """
    sent = _submitted(order, tools, policy=policy, comment=comment)
    return follow(sent, tools, policy=policy, by=order.by) if isinstance(sent, Sent) else sent


def submit_release(
    order: Order, tools: Tools, *, policy: IsolationPolicy, comment: str
) -> ContainmentResult | Intent:
    """The first half of release_host: an intent was sent, and is to be followed with follow_once.

    Raises:
        ValueError: the order is an isolation.
    """
    sent = _submitted(order, tools, policy=policy, comment=comment)
    return sent.intent if isinstance(sent, Sent) else sent


def _submitted(
    order: Order, tools: Tools, *, policy: IsolationPolicy, comment: str
) -> ContainmentResult | Sent:
    if order.kind is not IntentKind.RELEASE:
        raise ValueError(f"an {order.kind.value} is not a release")
    unfit = unfit_connector(order, tools) or _by_nobody(order, tools)
    if unfit is not None:
        return unfit
    try:
        standing = tools.ledger.standing(order.host)
        receipt = handle_of_lease(tools.ledger, standing.lease) if standing.lease is not None else None
    except LedgerUnusable as error:
        told = words.nothing_sent(order, error)
        return told_of(order, ContainmentOutcome.NOT_SENT, told, tools)
    reading = state_of(order, tools, receipt)
    status = reading.status
    if status is None:
        told = words.unreadable(order, reading.problem)
        return told_of(order, ContainmentOutcome.NOT_SENT, told, tools)
    done = _without_a_call(order, status, standing, tools, policy)
    return done or send(order, tools, policy=policy, comment=comment, status=status)


def _by_nobody(order: Order, tools: Tools) -> ContainmentResult | None:
    if order.by_person:
        return None
    told = words.nothing_sent(order, "only a person releases a host")
    return told_of(order, ContainmentOutcome.REFUSED, told, tools)


def _without_a_call(
    order: Order, status: IsolationStatus, standing: Standing, tools: Tools, policy: IsolationPolicy
) -> ContainmentResult | None:
    """The result where nothing is to be sent; None where the vendor is to be called."""
    unfinished, settled = standing.intent, ""
    if unfinished is not None and not _may_be_replaced(unfinished):
        return another(unfinished, tools, status)
    if status.state is IsolationState.RELEASING:
        told = words.not_fit(order, status)
        return told_of(order, ContainmentOutcome.NOT_SENT, told, tools, status=status)
    if not is_proved(status, IsolationState.NOT_ISOLATED):
        return None
    lease = standing.lease
    if lease is not None and not proves_release(status, lease, policy=policy, now=tools.clock()):
        return None  # a list that lags must not end the lease; a release of a free host does no harm
    if unfinished is not None:
        # This state may end the isolation whose outcome was not known; if not, a release makes sure of it.
        ended = settle(unfinished, tools, policy=policy, wait=False)
        if ended.intent is None or ended.intent.state not in (IntentState.FAILED, IntentState.EXPIRED):
            return None
        settled = ended.sentence
    return _not_isolated(order, status, lease, tools, settled=settled)


def _may_be_replaced(intent: Intent) -> bool:
    return intent.order.kind is IntentKind.ISOLATE and intent.state is IntentState.UNKNOWN


def _not_isolated(
    order: Order, status: IsolationStatus, lease: Lease | None, tools: Tools, *, settled: str
) -> ContainmentResult:
    problem = ""
    if lease is not None:
        why = "read as not isolated when its release was ordered"
        try:
            tools.ledger.end_lease(lease, by=order.by, why=why)
        except LedgerUnusable as error:
            lease, problem = None, str(error)
    told = words.not_isolated(order, status, ended=lease, settled=settled, unnoted=problem)
    return told_of(order, ContainmentOutcome.NOT_ISOLATED, told, tools, status=status)
