"""Follow an order that the vendor was called for: read, note, wait, conclude. It never calls again."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from actions import containment_words as words
from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.containment_step import Finding, Reading, Step, ends_at, is_proved, may_read, pause_s, step_of
from actions.isolation_policy import IsolationPolicy
from actions.lease_reading import proves_release
from connectors.errors import ConnectorError, RateLimited
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, IsolationState, IsolationStatus
from connectors.facts.ledger import HostKey, Intent, IntentKind, IntentState, Lease, Order
from connectors.state.ledger import LedgerUnusable, Stale

#: So long after its deadline an isolation without an answer is not yet held for without effect: the run that
#: was to call may have been suspended, and may go on.
LATE_CALL = timedelta(hours=1)

_NO_ANSWER = "no answer was noted"

_OUTCOMES = {
    IntentState.FAILED: ContainmentOutcome.FAILED,
    IntentState.EXPIRED: ContainmentOutcome.EXPIRED,
    IntentState.UNKNOWN: ContainmentOutcome.UNKNOWN,
}


class Sent(NamedTuple):
    """An order that the vendor was called for.

    Attributes:
        handle: the vendor's receipt; None where the answer is not known.
        lost: why it is not known; "" where it is.
        unnoted: why the ledger could not note the last step; "" where it could.
        open_ended: whether nothing is known of the call: the run that was to make it may be held up.
    """

    intent: Intent
    handle: ActionHandle | None
    lost: str = ""
    unnoted: str = ""
    open_ended: bool = False


def host_of(order: Order) -> HostRef:
    """The host as the connector is told of it: by its agent id."""
    return HostRef(connector=order.connector, host_id=order.host_id, hostname=order.hostname)


def sent_of(intent: Intent) -> Sent:
    """An order as the ledger has it. What the vendor answered is known where it was noted."""
    if intent.accepted_at is None:
        return Sent(intent, None, lost=_NO_ANSWER, open_ended=True)
    handle = ActionHandle(
        connector=intent.order.connector,
        host_id=intent.order.host_id,
        action_id=intent.action_id,
        accepted_at=intent.accepted_at,
    )
    return Sent(intent, handle)


def state_of(order: Order, tools: Tools, handle: ActionHandle | None = None) -> Reading:
    """The state of an order's host now. An answer that is none counts as unreadable."""
    try:
        return Reading(tools.edr.get_isolation(host_of(order), handle))
    except RateLimited as error:
        return Reading(None, error.message, error.retry_at)
    except ConnectorError as error:
        return Reading(None, error.message)


def read_state(sent: Sent, tools: Tools) -> Reading:
    """The state of the host that the vendor was called for.

    Where a release supersedes an isolation, the state by the release alone is no proof: the isolation may be
    under way beside it. Then the state by all that the vendor knows counts.
    """
    order = sent.intent.order
    try:
        reading = state_of(order, tools, sent.handle)
        if sent.handle is None or not _seems_released(order, reading) or not _supersedes(sent.intent, tools):
            return reading
        whole = state_of(order, tools)
        return reading if _seems_released(order, whole) else whole
    except Exception as error:
        give_up(sent, tools, error)
        raise


def _seems_released(order: Order, reading: Reading) -> bool:
    status = reading.status
    released = status is not None and is_proved(status, IsolationState.NOT_ISOLATED)
    return released and order.kind is IntentKind.RELEASE


def _supersedes(release: Intent, tools: Tools) -> bool:
    """Whether an isolation of unknown outcome stands beside a release; True where that cannot be read."""
    try:
        beside = tools.ledger.intents(active=True, host=release.order.host)
    except LedgerUnusable:
        return True
    return any(each.superseded_by == release.intent_id for each in beside)


def give_up(sent: Sent, tools: Tools, error: Exception) -> None:
    """Note that this program broke off, where that can be noted."""
    intent = sent.intent
    if intent.state is not IntentState.UNKNOWN:
        with suppress(LedgerUnusable, Stale):
            tools.ledger.move(
                intent, IntentState.UNKNOWN, detail=words.broke_off(intent.order, error), by=intent.order.by
            )


def follow(sent: Sent, tools: Tools, *, policy: IsolationPolicy, by: str) -> ContainmentResult:
    """Read the state until the wanted one is proved or the deadline has passed.

    Args:
        by: who is noted for the steps.
    """
    reading: Reading | None = None
    waited, number = 0.0, 0
    while True:
        now = tools.clock()
        # The second part: a clock that stands still or was set back does not make it wait for ever.
        over = now >= ends_at(sent.intent) or waited >= sent.intent.order.deadline_s
        if reading is None or may_read(reading, now):
            reading, number = read_state(sent, tools), number + 1
        sent, result = turn(sent, reading, tools, policy=policy, by=by, over=over)
        if result is not None:
            return result
        pause = _pause(sent.intent, reading, number, now=tools.clock(), waited=waited)
        tools.sleep(pause)
        waited += pause


def _pause(intent: Intent, reading: Reading, number: int, *, now: datetime, waited: float) -> float:
    left_s = min((ends_at(intent) - now).total_seconds(), intent.order.deadline_s - waited)
    return pause_s(number, reading, now=now, left_s=left_s) if left_s > 0 else 0.0


def turn(
    sent: Sent, reading: Reading, tools: Tools, *, policy: IsolationPolicy, by: str, over: bool
) -> tuple[Sent, ContainmentResult | None]:
    """Note what a reading means.

    Args:
        over: whether this has to conclude, as the deadline has passed.

    Returns:
        The order as it is then, and what became of it; None where that is still open.
    """
    status = reading.status
    isolates = sent.intent.order.kind is IntentKind.ISOLATE
    late = isolates and sent.open_ended and tools.clock() < ends_at(sent.intent) + LATE_CALL
    step = step_of(sent.intent, reading, accepted=sent.handle is not None, over=over, may_come_late=late)
    if _lags(sent.intent, step.state, status, tools, policy):
        # Proved only when the record is old enough: until then it is not known.
        open_still = over and sent.intent.state is not IntentState.UNKNOWN
        step = Step(IntentState.UNKNOWN if open_still else None, Finding.UNCERTAIN)
    if step.state is None:
        if not over:
            return sent, None
        told = words.concluded(sent.intent, step.finding, reading, lost=sent.lost)
        return sent, result_of(sent.intent, ContainmentOutcome.UNKNOWN, told, tools, status=status)
    detail = _detail(sent, step.state, step.finding, reading)
    try:
        sent = _noted(sent, step.state, detail, tools, policy=policy, by=by)
    except Stale as stale:
        return sent, concluded(stale.intent, tools)
    except LedgerUnusable as error:
        sent = sent._replace(unnoted=str(error))
        told = words.unnoted(sent.intent, sent.unnoted, status)
        unknown = result_of(sent.intent, ContainmentOutcome.UNKNOWN, told, tools, status=status)
        return sent, unknown if over else None
    if step.state is IntentState.PENDING:
        return sent, None
    return sent, concluded(sent.intent, tools, status=status)


def _lags(
    intent: Intent,
    state: IntentState | None,
    status: IsolationStatus | None,
    tools: Tools,
    policy: IsolationPolicy,
) -> bool:
    """Whether a release is only read off a record that may be older than the isolation itself."""
    if state is not IntentState.VERIFIED or intent.order.kind is not IntentKind.RELEASE or status is None:
        return False
    if intent.state is IntentState.PENDING:
        return False  # the vendor was seen at it
    try:
        lease = tools.ledger.standing(intent.order.host).lease
    except LedgerUnusable:
        return False  # which is told where the step is noted
    return lease is not None and not proves_release(status, lease, policy=policy, now=tools.clock())


def _detail(sent: Sent, state: IntentState, finding: Finding, reading: Reading) -> str:
    if state is IntentState.PENDING:
        return words.under_way(sent.intent.order)
    return words.concluded(sent.intent, finding, reading, lost=sent.lost)


def _noted(
    sent: Sent, state: IntentState, detail: str, tools: Tools, *, policy: IsolationPolicy, by: str
) -> Sent:
    """The order in its next state.

    Raises:
        Stale, LedgerUnusable: it is not noted.
    """
    handle, order = sent.handle, sent.intent.order
    begins_lease = state is IntentState.VERIFIED and order.kind is IntentKind.ISOLATE
    moved = tools.ledger.move(
        sent.intent,
        state,
        detail=detail,
        by=by,
        action_id=handle.action_id if handle is not None else "",
        accepted_at=handle.accepted_at if handle is not None else None,
        lease_s=policy.lease_hours * 3600.0 if begins_lease else None,
    )
    return sent._replace(intent=moved, unnoted="")


def concluded(intent: Intent, tools: Tools, *, status: IsolationStatus | None = None) -> ContainmentResult:
    """What may be said of an order by what the ledger has of it.

    Args:
        status: the reading that it was concluded from just now; None where somebody else did that.
    """
    outcome = _outcome(intent)
    told = intent.detail if status is not None and intent.detail else words.as_the_ledger_says(intent)
    told += beside(intent, tools)
    lease = standing_lease(intent.order.host, tools) if outcome is ContainmentOutcome.ISOLATED else None
    return result_of(intent, outcome, told, tools, status=status, lease=lease)


def beside(release: Intent, tools: Tools) -> str:
    """What is still open on a host whose release came to nothing, as a further sentence; "" for nothing."""
    came_to_nothing = release.state in (IntentState.FAILED, IntentState.EXPIRED)
    if release.order.kind is not IntentKind.RELEASE or not came_to_nothing:
        return ""
    try:
        left = tools.ledger.standing(release.order.host).intent
    except LedgerUnusable:
        return ""
    if left is None or left.order.kind is not IntentKind.ISOLATE:
        return ""
    return f" {words.as_the_ledger_says(left)}"


def _outcome(intent: Intent) -> ContainmentOutcome:
    if intent.state is IntentState.VERIFIED:
        isolated = intent.order.kind is IntentKind.ISOLATE
        return ContainmentOutcome.ISOLATED if isolated else ContainmentOutcome.RELEASED
    if intent.state is IntentState.FAILED and intent.called_at is None:
        return ContainmentOutcome.NOT_SENT
    return _OUTCOMES.get(intent.state, ContainmentOutcome.PENDING)


def standing_lease(host: HostKey, tools: Tools) -> Lease | None:
    """The isolation of ours that stands; None also where the ledger cannot be read."""
    try:
        return tools.ledger.standing(host).lease
    except LedgerUnusable:
        return None


def result_of(
    intent: Intent,
    outcome: ContainmentOutcome,
    sentence: str,
    tools: Tools,
    *,
    status: IsolationStatus | None = None,
    lease: Lease | None = None,
) -> ContainmentResult:
    """A result of an order that was written down."""
    found = told_of(intent.order, outcome, sentence, tools, status=status, lease=lease)
    return found.model_copy(update={"intent": intent})


def told_of(
    order: Order,
    outcome: ContainmentOutcome,
    sentence: str,
    tools: Tools,
    *,
    status: IsolationStatus | None = None,
    lease: Lease | None = None,
) -> ContainmentResult:
    """A result of an order that was not written down."""
    return ContainmentResult(
        outcome=outcome,
        hostname=order.hostname,
        host_id=order.host_id,
        connector=order.connector,
        sentence=sentence,
        status=status,
        lease=lease,
        told_at=tools.clock(),
    )
