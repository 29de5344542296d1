"""The host of a lease, read at the vendor, and when such a reading proves that it was released."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from actions.isolation_policy import IsolationPolicy
from connectors.errors import ConnectorError
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, IsolationState, IsolationStatus
from connectors.facts.ledger import Lease
from connectors.ports import EdrConnector
from connectors.state.ledger import Ledger


class LeaseReading(NamedTuple):
    """What the vendor says of the host of a lease.

    Attributes:
        status: None where it could not be read.
        problem: why not, one sentence; "" where it was read.
    """

    status: IsolationStatus | None
    problem: str = ""


def host_of_lease(lease: Lease) -> HostRef:
    """The machine of a lease, by its id."""
    return HostRef(connector=lease.connector, host_id=lease.host_id, hostname=lease.hostname)


def handle_of_lease(ledger: Ledger, lease: Lease) -> ActionHandle | None:
    """The vendor's receipt for the isolation, so that a list without it proves nothing; None where unknown.

    Raises:
        LedgerUnusable: it could not be looked up.
    """
    intent = ledger.intent(lease.intent_id)
    since = (intent.accepted_at or intent.called_at) if intent is not None else None
    if intent is None or since is None:
        return None
    return ActionHandle(
        connector=lease.connector, host_id=lease.host_id, action_id=intent.action_id, accepted_at=since
    )


def read_lease(edr: EdrConnector, ledger: Ledger, lease: Lease) -> LeaseReading:
    """Read the host of a lease. What a connector raises is a problem; the host of another one is not read.

    Raises:
        LedgerUnusable: its order could not be looked up.
    """
    if lease.connector != edr.name:
        return LeaseReading(None, f"It is a host of {lease.connector}, and {edr.name} is asked.")
    try:
        return LeaseReading(edr.get_isolation(host_of_lease(lease), handle_of_lease(ledger, lease)))
    except ConnectorError as error:
        return LeaseReading(None, f"{str(error).rstrip('.')}.")


def proves_release(status: IsolationStatus, lease: Lease, *, policy: IsolationPolicy, now: datetime) -> bool:
    """Whether a reading proves that the host of a lease is isolated no more.

    It has to be young, more than a wish, and of a state that began after the isolation was seen: a vendor's
    list can lag behind. Where the vendor does not say when the state began, the isolation has to be older
    than such a lag.
    """
    young = timedelta(minutes=policy.freshness.agent_minutes)
    if status.state is not IsolationState.NOT_ISOLATED or not status.proved:
        return False
    if abs(now - status.as_of) > young or status.as_of <= lease.began_at:
        return False
    if status.changed_at is not None:
        return status.changed_at >= lease.began_at
    return status.as_of - lease.began_at >= young
