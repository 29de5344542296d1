"""What `status --read` asks the EDRs: how the hosts stand that are ours, and those of unfinished orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from actions.containment import Tools
from actions.follow_intent import state_of
from actions.isolation_status import LONGEST_WAIT_S, MOST_READ, read_hosts
from actions.lease_reading import LeaseReading
from actions.paced_edr import PacedEdr
from actions.vendor_pace import Limiter, paces_of
from connectors.edr.catalogue import EdrName
from connectors.errors import ConfigError
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import HostKey, Intent, Lease
from connectors.state.ledger import Ledger
from playbooks.hosts.commands.isolation_tools import monotonic, opened, wanted_edr
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.settings import Settings


class HostsRead(NamedTuple):
    """What was read.

    Attributes:
        leases: of isolations that stand, by host.
        orders: of the hosts of unfinished orders, by order.
    """

    leases: dict[HostKey, LeaseReading]
    orders: dict[str, LeaseReading]

    def proves(self, lease: Lease) -> bool:
        """Whether the host of a lease was read as isolated, by more than a wish."""
        reading = self.leases.get(lease.host)
        status = reading.status if reading is not None else None
        return status is not None and status.state is IsolationState.ISOLATED and status.proved


def read_all(
    leases: Sequence[Lease], orders: Sequence[Intent], edr_name: str, settings: Settings, ledger: Ledger
) -> HostsRead:
    """Ask each EDR about its hosts; the one of the option alone where one is given.

    Raises:
        ConfigError: the one of the option is not there, or its secret.
    """
    found = HostsRead({}, {})
    if not (leases or orders):
        return found
    if edr_name:
        _read_by(wanted_edr(edr_name, settings), leases, orders, settings, ledger, found)
        return found
    connectors = [*(lease.connector for lease in leases), *(intent.order.connector for intent in orders)]
    for connector in dict.fromkeys(connectors):
        of_it = [lease for lease in leases if lease.connector == connector]
        ordered = [intent for intent in orders if intent.order.connector == connector]
        try:
            name = wanted_edr("", settings, of=connector)
            _read_by(name, of_it, ordered, settings, ledger, found)
        except ConfigError as error:
            unread = LeaseReading(None, f"{str(error).rstrip('.')}.")
            found.leases.update((lease.host, unread) for lease in of_it)
            found.orders.update((intent.intent_id, unread) for intent in ordered)
    return found


def _read_by(
    name: EdrName,
    leases: Sequence[Lease],
    orders: Sequence[Intent],
    settings: Settings,
    ledger: Ledger,
    found: HostsRead,
) -> None:
    with warnings_as_notes(), opened(name, settings, ledger) as tools:
        # One limiter for both kinds: to the vendor all are readings.
        reads = Limiter(paces_of(tools.edr.name), now=monotonic, sleep=tools.sleep)
        paced = PacedEdr(tools.edr, reads=reads, writes=reads, clock=tools.clock)
        own = tools._replace(edr=paced)
        of_leases = read_hosts(leases, own, monotonic=monotonic)
        found.leases.update(of_leases)
        for number, intent in enumerate(orders, len(of_leases)):
            known = of_leases.get(intent.order.host)
            enough = number >= MOST_READ or reads.wait_s() > LONGEST_WAIT_S
            found.orders[intent.intent_id] = known or _order(intent, own, enough=enough)


def _order(intent: Intent, tools: Tools, *, enough: bool) -> LeaseReading:
    """The host of an order."""
    order, edr = intent.order, tools.edr.name
    if order.connector != edr:
        return LeaseReading(None, f"It is a host of {order.connector}, and {edr} is asked.")
    if enough:
        return LeaseReading(None, "It was not read: the limit of readings is reached.")
    reading = state_of(order, tools)
    if reading.status is None:
        return LeaseReading(None, f"{reading.problem.rstrip('.')}.")
    return LeaseReading(reading.status)
