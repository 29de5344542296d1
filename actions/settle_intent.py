"""Go on with an order whose run died or whose outcome is not known. It reads and notes; it never calls."""

from __future__ import annotations

from actions import containment_words as words
from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.containment_step import Reading, ends_at, step_of
from actions.follow_intent import Sent, concluded, follow, read_state, result_of, sent_of, turn
from actions.isolation_policy import IsolationPolicy
from connectors.facts.ledger import Intent, IntentState
from connectors.state.ledger import LedgerUnusable, Stale

#: Who is noted for what is concluded here.
BY = "settle"


def settle(intent: Intent, tools: Tools, *, policy: IsolationPolicy, wait: bool) -> ContainmentResult:
    """What became of an order of either kind. Within its deadline another run may be at it.

    Args:
        wait: True reads until the deadline has passed or the outcome is certain; False once, and then only
            a certain outcome is noted of an order that is within its deadline.
    """
    if not intent.active:
        return concluded(intent, tools)
    over = tools.clock() >= ends_at(intent)
    if intent.called_at is None:
        return _never_called(intent, tools) if over else concluded(intent, tools)
    if intent.order.connector != tools.edr.name:
        return _of_another_connector(intent, tools)
    sent = sent_of(intent)
    if wait and not over:
        return follow(sent, tools, policy=policy, by=BY)
    return _once(sent, tools, policy=policy, over=over)


def follow_once(intent: Intent, tools: Tools, *, policy: IsolationPolicy) -> ContainmentResult | None:
    """One reading of an order that was sent, and what it came to; None while that is open.

    For whoever follows many orders at once: the pauses are the caller's. An intent for which None came stays
    as it is, and can be given again. One that was not called is settled as `settle` does.
    """
    if not intent.active or intent.called_at is None or intent.order.connector != tools.edr.name:
        return settle(intent, tools, policy=policy, wait=False)
    over = tools.clock() >= ends_at(intent)
    sent = sent_of(intent)
    return _ended(sent, read_state(sent, tools), tools, policy=policy, by=intent.order.by, over=over)


def _once(sent: Sent, tools: Tools, *, policy: IsolationPolicy, over: bool) -> ContainmentResult:
    reading = read_state(sent, tools)
    ended = _ended(sent, reading, tools, policy=policy, by=BY, over=over)
    return ended or concluded(sent.intent, tools).model_copy(update={"status": reading.status})


def _ended(
    sent: Sent, reading: Reading, tools: Tools, *, policy: IsolationPolicy, by: str, over: bool
) -> ContainmentResult | None:
    """What an order came to, which is noted; None, and nothing is noted, where it is still open."""
    step = step_of(sent.intent, reading, accepted=sent.handle is not None, over=over)
    if not over and step.state not in (IntentState.VERIFIED, IntentState.FAILED):
        return None
    return turn(sent, reading, tools, policy=policy, by=by, over=True)[1]


def _never_called(intent: Intent, tools: Tools) -> ContainmentResult:
    """End an order that nobody called for; whoever would still call for it finds it ended."""
    try:
        ended = tools.ledger.move(intent, IntentState.FAILED, detail=words.not_called(intent.order), by=BY)
    except Stale as stale:
        return concluded(stale.intent, tools)
    except LedgerUnusable as error:
        told = words.call_not_known(intent.order, error)
        return result_of(intent, ContainmentOutcome.UNKNOWN, told, tools)
    return concluded(ended, tools)


def _of_another_connector(intent: Intent, tools: Tools) -> ContainmentResult:
    left = concluded(intent, tools)
    told = f"{left.sentence} It was sent through {intent.order.connector}, and this is {tools.edr.name}."
    return left.model_copy(update={"sentence": told})
