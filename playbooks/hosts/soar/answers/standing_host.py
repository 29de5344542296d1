"""A host for which the ledger has an order already: what is known of it now. Never calls for an isolation."""

from __future__ import annotations

from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.lease_reading import handle_of_lease
from actions.settle_intent import settle
from connectors.errors import ConnectorError
from connectors.facts.host import HostRef
from connectors.facts.isolation import IsolationState, IsolationStatus
from connectors.facts.ledger import HostKey, Intent, IntentState, Lease
from playbooks.hosts.soar.answers.contained_case import row_of_result
from playbooks.hosts.soar.containment_outputs import ContainmentRow
from playbooks.report import wording
from playbooks.report.display import safe_error
from playbooks.settings import Settings


def row_of_intent(intent: Intent, tools: Tools, settings: Settings, *, wait: bool) -> ContainmentRow:
    """An order that is not finished: the vendor's state is read, and the ledger moves by what was read.

    Args:
        wait: True reads until the order's deadline; False once.
    """
    return row_of_result(settle(intent, tools, policy=settings.isolation, wait=wait))


def row_of_lease(lease: Lease, tools: Tools) -> ContainmentRow:
    """An isolation of ours that stands in the ledger, with the host's state as the vendor tells it now."""
    status, problem = state_of(lease.host, lease.hostname, tools)
    result = ContainmentResult(
        outcome=_outcome(status, ours=True),
        hostname=lease.hostname,
        host_id=lease.host_id,
        connector=lease.connector,
        sentence=f"{_told(lease.hostname, status, problem)} {_leased(lease)}",
        status=status,
        lease=lease,
        told_at=tools.clock(),
    )
    return row_of_result(result)


def row_of_ended(intent: Intent, tools: Tools) -> ContainmentRow:
    """An order that has ended, and the host's state now: what is true by now comes first."""
    order = intent.order
    status, problem = state_of(order.host, order.hostname, tools)
    ended = {
        IntentState.FAILED: ContainmentOutcome.FAILED,
        IntentState.EXPIRED: ContainmentOutcome.EXPIRED,
    }.get(intent.state)
    told = f"The order to {order.kind.value} it, of {wording.moment(intent.requested_at)}, ended"
    result = ContainmentResult(
        outcome=ended or _outcome(status, ours=False),
        hostname=order.hostname,
        host_id=order.host_id,
        connector=order.connector,
        sentence=f"{_told(order.hostname, status, problem)} {told} {intent.state.value}: {intent.detail}",
        status=status,
        intent=intent,
        told_at=tools.clock(),
    )
    return row_of_result(result)


def row_of_stranger(host: HostRef, tools: Tools) -> ContainmentRow:
    """A host that the ledger has nothing of."""
    status, problem = state_of(HostKey(host.connector, host.host_id), host.hostname, tools)
    result = ContainmentResult(
        outcome=_outcome(status, ours=False),
        hostname=host.hostname,
        host_id=host.host_id,
        connector=host.connector,
        sentence=f"{_told(host.hostname, status, problem)} No isolation by this app stands.",
        status=status,
        told_at=tools.clock(),
    )
    return row_of_result(result)


def state_of(host: HostKey, hostname: str, tools: Tools) -> tuple[IsolationStatus | None, str]:
    """The host's state as the vendor tells it, or why it could not be read."""
    if host.connector != tools.edr.name:
        return None, f"it was isolated through {host.connector}, and the policy names {tools.edr.name}"
    ref = HostRef(connector=host.connector, host_id=host.host_id, hostname=hostname)
    try:
        lease = tools.ledger.standing(host).lease
        handle = handle_of_lease(tools.ledger, lease) if lease is not None else None
        return tools.edr.get_isolation(ref, handle), ""
    except ConnectorError as error:
        return None, safe_error(error)


def _outcome(status: IsolationStatus | None, *, ours: bool) -> ContainmentOutcome:
    if status is None or not status.proved:
        return ContainmentOutcome.UNKNOWN
    if status.state is IsolationState.ISOLATED:
        return ContainmentOutcome.OURS_STANDS if ours else ContainmentOutcome.ALREADY_ISOLATED
    if status.state is IsolationState.NOT_ISOLATED:
        return ContainmentOutcome.NOT_ISOLATED
    return ContainmentOutcome.UNKNOWN


def _told(hostname: str, status: IsolationStatus | None, problem: str) -> str:
    name = wording.name(hostname)
    if status is None:
        return f"The state of {name} could not be read: {problem.rstrip('.')}."
    state = status.state.value.replace("_", " ")
    return f"{name} is {state}: {status.how_known.value.replace('_', ' ')}, {wording.moment(status.as_of)}."


def _leased(lease: Lease) -> str:
    return (
        f"This app isolated it for {wording.name(lease.owner)} at {wording.moment(lease.began_at)}; it is to"
        f" be looked at again by {wording.moment(lease.review_by)}, and is released by a person alone."
    )
