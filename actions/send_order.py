"""Write an order down, and call the vendor for it once. The one place from which a host is changed."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from actions import containment_words as words
from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.containment_step import is_certainly_not_done
from actions.follow_intent import Sent, beside, concluded, give_up, host_of, result_of, told_of
from actions.isolation_policy import IsolationPolicy
from connectors.errors import ConnectorError
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.facts.ledger import Intent, IntentKind, IntentState, Order
from connectors.ports import Capability
from connectors.state.ledger import LedgerUnusable, Refused, Stale, Why

#: The call follows its note within this time. A run that was suspended in between calls no more.
CALL_WITHIN = timedelta(seconds=5)

_NEEDS = {
    IntentKind.ISOLATE: frozenset({Capability.ISOLATE, Capability.VERIFY}),
    IntentKind.RELEASE: frozenset({Capability.RELEASE, Capability.VERIFY}),
}


def unfit_connector(order: Order, tools: Tools) -> ContainmentResult | None:
    """The result where this connector is not the order's, or cannot do it; None where it can."""
    edr = tools.edr
    missing = sorted(each.value for each in _NEEDS[order.kind] - edr.capabilities)
    if order.connector != edr.name:
        why = f"{order.connector} knows the host, and this is {edr.name}"
    elif missing:
        why = f"{edr.name} cannot {' or '.join(missing)}"
    else:
        return None
    return told_of(order, ContainmentOutcome.NOT_SENT, words.nothing_sent(order, why), tools)


def send(
    order: Order, tools: Tools, *, policy: IsolationPolicy, comment: str, status: IsolationStatus
) -> ContainmentResult | Sent:
    """Write the order down, note the call, call once.

    Args:
        comment: for the vendor's record; the intent's id goes with it as key.
        status: the host's state as read before.

    Returns:
        Where the vendor was called and may have done something, the order to be followed; else the result.
    """
    quiet_s = policy.freshness.quiet_hours * 3600.0
    try:
        intent = tools.ledger.begin(order, policy.limits, quiet_s=quiet_s)
    except Refused as refused:
        if refused.why is Why.ACTIVE_INTENT and refused.intent is not None:
            return another(refused.intent, tools, status)
        told = words.nothing_sent(order, refused)
        return told_of(order, ContainmentOutcome.REFUSED, told, tools, status=status)
    except LedgerUnusable as error:
        told = words.nothing_sent(order, error)
        return told_of(order, ContainmentOutcome.NOT_SENT, told, tools, status=status)
    called = _calling(intent, tools, status)
    return _call(called, tools, comment) if isinstance(called, Intent) else called


def another(intent: Intent, tools: Tools, status: IsolationStatus | None) -> ContainmentResult:
    """The result where another order for the host is not finished."""
    unknown = intent.state is IntentState.UNKNOWN
    outcome = ContainmentOutcome.UNKNOWN if unknown else ContainmentOutcome.PENDING
    told = f"{words.as_the_ledger_says(intent)} Nothing more was sent."
    return result_of(intent, outcome, told, tools, status=status)


def _calling(intent: Intent, tools: Tools, status: IsolationStatus) -> Intent | ContainmentResult:
    """The order with its call noted, by which this run alone may call; else the result."""
    order = intent.order
    try:
        return tools.ledger.calling(intent)
    except Refused as refused:
        ended = _as_it_is_now(intent, tools)
        told = words.nothing_sent(order, refused)
        return result_of(ended, ContainmentOutcome.REFUSED, told, tools, status=status)
    except Stale as stale:
        return concluded(stale.intent, tools)
    except LedgerUnusable as error:
        told = words.nothing_sent(order, error)
        return result_of(intent, ContainmentOutcome.NOT_SENT, told, tools, status=status)


def _as_it_is_now(intent: Intent, tools: Tools) -> Intent:
    try:
        return tools.ledger.intent(intent.intent_id) or intent
    except LedgerUnusable:
        return intent


def _call(intent: Intent, tools: Tools, comment: str) -> ContainmentResult | Sent:
    """The vendor call. Only whoever got the answer of `calling` comes here, and only once."""
    order, host, key = intent.order, host_of(intent.order), intent.intent_id
    if intent.called_at is None or abs(tools.clock() - intent.called_at) > CALL_WITHIN:
        return _held_up(intent, tools)
    try:
        if order.kind is IntentKind.ISOLATE:
            handle = tools.edr.isolate(host, comment=comment, idempotency_key=key)
        else:
            handle = tools.edr.release(host, comment=comment, idempotency_key=key)
    except ConnectorError as error:
        if is_certainly_not_done(error):
            return _not_done(intent, error, tools)
        return Sent(intent, None, lost=error.message)
    except Exception as error:
        give_up(Sent(intent, None), tools, error)
        raise
    if (handle.connector, handle.host_id) != order.host:
        return _of_another_host(intent, handle, tools)
    return _accepted(intent, handle, tools)


def _accepted(intent: Intent, handle: ActionHandle, tools: Tools) -> ContainmentResult | Sent:
    try:
        moved = tools.ledger.move(
            intent,
            IntentState.ACCEPTED,
            detail=words.accepted(intent.order),
            by=intent.order.by,
            action_id=handle.action_id,
            accepted_at=handle.accepted_at,
        )
    except Stale as stale:
        if stale.intent.active:
            return concluded(stale.intent, tools)
        _note("called_after_end", intent, tools, action_id=handle.action_id)
        told = words.called_after_end(stale.intent)
        return result_of(stale.intent, ContainmentOutcome.UNKNOWN, told, tools)
    except LedgerUnusable as error:
        return Sent(intent, handle, unnoted=str(error))
    return Sent(moved, handle)


def _held_up(intent: Intent, tools: Tools) -> ContainmentResult:
    """This run was suspended between its note and the call: what was true then may not be true any more."""
    told = words.nothing_sent(intent.order, "this run was held up before the call")
    try:
        intent = tools.ledger.move(intent, IntentState.FAILED, detail=told, by=intent.order.by)
    except Stale as stale:
        return concluded(stale.intent, tools)
    except LedgerUnusable as error:
        told = f"{told} The ledger could not note that ({words.clause(error)})."
    return result_of(intent, ContainmentOutcome.NOT_SENT, told, tools)


def _of_another_host(intent: Intent, handle: ActionHandle, tools: Tools) -> Sent:
    """A receipt that is not for this host: what it says is not believed, and that host is named."""
    _note("receipt_of_another_host", intent, tools, receipt=f"{handle.connector}:{handle.host_id}")
    lost = f"the receipt names another host, {handle.connector} {handle.host_id}: look at that one too"
    return Sent(intent, None, lost=lost, open_ended=True)


def _note(event: str, intent: Intent, tools: Tools, **data: str) -> None:
    with suppress(LedgerUnusable):
        tools.ledger.note(event, subject=intent.intent_id, by=intent.order.by, data=data)


def _not_done(intent: Intent, error: ConnectorError, tools: Tools) -> ContainmentResult:
    told = words.refused_by_vendor(intent.order, error)
    try:
        intent = tools.ledger.move(intent, IntentState.FAILED, detail=told, by=intent.order.by)
        told += beside(intent, tools)
    except Stale as stale:
        return concluded(stale.intent, tools)
    except LedgerUnusable as unusable:
        told = f"{told} The ledger could not note that ({words.clause(unusable)})."
    return result_of(intent, ContainmentOutcome.FAILED, told, tools)
