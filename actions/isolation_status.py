"""How isolation stands: what the ledger says of every host, and what the EDR says where it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from actions.containment import Tools
from actions.lease_reading import LeaseReading, read_lease
from actions.paced_edr import PacedEdr
from actions.reconciliation import WaitingQuestion
from actions.vendor_pace import Limiter, Pace, paces_of
from connectors.facts.base import Fact, Instant
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.facts.ledger import ApprovalState, Count, HostKey, Intent, Lease
from connectors.state.ledger import Ledger

#: Hosts read at most.
MOST_READ = 200

#: Seconds to wait at most for the next reading.
LONGEST_WAIT_S = 120.0

_NOT_READ = "It was not read: the limit of readings is reached."


class IsolationRow(Fact):
    """One isolation of ours that stands.

    Attributes:
        intent_id: the isolation.
        began_at: when it was verified.
        overdue: whether somebody should have looked at it by now.
        state: as read at the EDR where it was asked, UNKNOWN where that failed; else ISOLATED, as the ledger
            has it verified.
        how_known: by which evidence; None where the EDR has not told.
        read_at: when that was read, in the ledger when it was verified; None where reading failed.
        told: what the EDR adds, or why it could not be read; "" for nothing. May hold text from outside.
    """

    connector: str
    host_id: str
    hostname: str
    site: str
    owner: str
    reason: str
    began_at: Instant
    review_by: Instant
    overdue: bool
    case_id: str
    run_id: str
    intent_id: str
    state: IsolationState
    how_known: HowKnown | None
    read_at: Instant | None
    told: str = ""


class KillSwitchRow(Fact):
    """Whether all isolation is stopped.

    Attributes:
        on: by the ledger or the policy.
        in_policy: whether the policy stops it, whatever the ledger says.
        by, why, at: of the last change in the ledger.
    """

    on: bool
    in_policy: bool
    by: str = ""
    why: str = ""
    at: Instant | None = None


class BreakerRow(Fact):
    """Isolations in a row that came to nothing; `most` of them open the breaker."""

    failures: Count
    most: Count
    open: bool


class IsolationView(Fact):
    """How isolation stands.

    Attributes:
        told_at: when this was put together.
        isolations: ours that stand, the oldest first.
        unfinished: orders whose end is not known, the oldest first.
        open_questions: questions that wait for an answer.
    """

    told_at: Instant
    isolations: tuple[IsolationRow, ...]
    unfinished: tuple[Intent, ...]
    open_questions: tuple[WaitingQuestion, ...]
    kill_switch: KillSwitchRow
    breaker: BreakerRow


NO_READINGS: Mapping[HostKey, LeaseReading] = MappingProxyType({})


def standings(
    ledger: Ledger,
    *,
    now: datetime,
    readings: Mapping[HostKey, LeaseReading] = NO_READINGS,
    policy_stops: bool = False,
) -> IsolationView:
    """What the ledger says, with what was read of the hosts.

    Args:
        ledger: questions that are due expire as it is asked for them; nothing else changes.
        now: the time.
        readings: of hosts that were read, see `read_hosts`.
        policy_stops: whether the policy's own kill switch is set.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    switch, breaker = ledger.kill_switch(), ledger.breaker()
    return IsolationView(
        told_at=now,
        isolations=tuple(
            _row(each, readings.get(each.host), now=now) for each in ledger.leases(standing=True)
        ),
        unfinished=tuple(ledger.intents(active=True)),
        open_questions=tuple(
            WaitingQuestion.of(each) for each in ledger.approvals(state=ApprovalState.ASKED)
        ),
        kill_switch=KillSwitchRow(
            on=switch.on or policy_stops,
            in_policy=policy_stops,
            by=switch.by,
            why=switch.why,
            at=switch.at,
        ),
        breaker=BreakerRow(failures=breaker.failures, most=breaker.most, open=breaker.open),
    )


def read_hosts(
    leases: Sequence[Lease],
    tools: Tools,
    *,
    paces: Iterable[Pace] | None = None,
    most: int = MOST_READ,
    monotonic: Callable[[], float] | None = None,
) -> dict[HostKey, LeaseReading]:
    """What the EDR says of the hosts of leases. What could not be read says why.

    Args:
        leases: those to read.
        tools: the EDR, the clock and the pause.
        paces: limits of the vendor's readings; None takes those of the connector.
        most: readings at most.
        monotonic: see actions/release_wave.py.
    """
    now_s = monotonic or (lambda: tools.clock().timestamp())
    kept = tuple(paces_of(tools.edr.name) if paces is None else paces)
    reads = Limiter(kept, now=now_s, sleep=tools.sleep)
    edr = PacedEdr(tools.edr, reads=reads, writes=reads, clock=tools.clock)
    found: dict[HostKey, LeaseReading] = {}
    for lease in leases:
        enough = len(found) >= most or reads.wait_s() > LONGEST_WAIT_S
        found[lease.host] = LeaseReading(None, _NOT_READ) if enough else read_lease(edr, tools.ledger, lease)
    return found


def _row(lease: Lease, reading: LeaseReading | None, *, now: datetime) -> IsolationRow:
    status = reading.status if reading else None
    told = reading.problem if reading and status is None else status.detail if status else ""
    return IsolationRow(
        connector=lease.connector,
        host_id=lease.host_id,
        hostname=lease.hostname,
        site=lease.site,
        owner=lease.owner,
        reason=lease.reason,
        began_at=lease.began_at,
        review_by=lease.review_by,
        overdue=lease.review_by <= now,
        case_id=lease.case_id,
        run_id=lease.run_id,
        intent_id=lease.intent_id,
        state=status.state if status else IsolationState.UNKNOWN if reading else IsolationState.ISOLATED,
        how_known=status.how_known if status else None,
        read_at=status.as_of if status else None if reading else lease.began_at,
        told=told,
    )
