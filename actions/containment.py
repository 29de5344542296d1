"""What became of an order to isolate or release a host. Types alone; the doing is elsewhere in actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from actions.isolation import LedgerView
from connectors.clock import utc_now
from connectors.facts.base import Fact, Instant
from connectors.facts.host import HostRef
from connectors.facts.isolation import IsolationStatus
from connectors.facts.ledger import Intent, Lease, Standing
from connectors.ports import EdrConnector
from connectors.state.ledger import Ledger


class ContainmentOutcome(StrEnum):
    """What may be said of a host after an order. Only the VERIFIED ones claim anything about its network."""

    ISOLATED = "isolated"
    """Our order; the vendor's state was read afterwards."""
    ALREADY_ISOLATED = "already_isolated"
    """It was isolated before we did anything; it is not ours, and nothing was sent."""
    OURS_STANDS = "ours_stands"
    """It is isolated by an earlier order of ours; nothing was sent."""
    RELEASED = "released"
    """Our release; the vendor's state was read afterwards."""
    NOT_ISOLATED = "not_isolated"
    """A release of a host that was not isolated; nothing was sent."""
    REFUSED = "refused"
    """A rule stood in the way; nothing was sent."""
    NOT_SENT = "not_sent"
    """Nothing was sent for another reason: the state cannot be read, another action is under way."""
    FAILED = "failed"
    """The vendor refused it, or says that it failed."""
    EXPIRED = "expired"
    """The deadline passed, and the host was read as unchanged with nothing under way."""
    PENDING = "pending"
    """Another run is at it."""
    UNKNOWN = "unknown"
    """It cannot be told whether it had an effect. A person decides."""


class ContainmentResult(Fact):
    """What became of one order.

    Attributes:
        sentence: what happened, for a person; claims no more than was read.
        status: the host's state as last read; None if it was not.
        intent: the intent, where one was written.
        lease: the lease that stands now.
        told_at: when this was concluded.
    """

    outcome: ContainmentOutcome
    hostname: str
    host_id: str
    connector: str
    sentence: str
    status: IsolationStatus | None = None
    intent: Intent | None = None
    lease: Lease | None = None
    told_at: Instant


class Tools(NamedTuple):
    """What isolating needs of the outside.

    Attributes:
        clock: the time, timezone-aware.
        sleep: waits for a number of seconds; tests move the clock.
    """

    edr: EdrConnector
    ledger: Ledger
    sleep: Callable[[float], None]
    clock: Callable[[], datetime] = utc_now


class HostReading(NamedTuple):
    """A host read anew, right before it is decided on.

    Attributes:
        agent: None where it was not resolved to exactly one.
        candidates: a line for each machine where more than one fits.
        status: its isolation; None where it could not be read.
        problem: why something could not be read, one sentence; "" where all was.
    """

    agent: HostRef | None
    candidates: tuple[str, ...] = ()
    status: IsolationStatus | None = None
    problem: str = ""


def ledger_view(standing: Standing) -> LedgerView:
    """What the guards look at, of what the ledger says."""
    lease, intent = standing.lease, standing.intent
    return LedgerView(
        in_run=standing.in_run,
        in_hour=standing.in_hour,
        in_day=standing.in_day,
        at_site_in_day=standing.at_site_in_day,
        active_lease=f"{lease.owner}, review by {lease.review_by:%Y-%m-%d %H:%M} UTC" if lease else "",
        active_intent=f"{intent.intent_id} ({intent.state.value})" if intent else "",
        last_release_at=standing.last_release_at,
        last_release_by=standing.last_release_by,
        last_fruitless_at=standing.last_fruitless_at,
        breaker_open=standing.breaker_open,
        kill_switch=standing.kill_switch,
    )
