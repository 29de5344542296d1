"""Which host of the ledger a person means: by name, agent id, case or order. No name picks one of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from connectors.errors import InputError
from connectors.facts.host import same_host_name
from connectors.facts.ledger import HostKey, Intent, Lease
from connectors.state.ledger import Ledger

#: Hosts that an error names.
_NAMED = 10


class Known(NamedTuple):
    """A host with an isolation of ours that stands, or an order that is not finished."""

    host: HostKey
    hostname: str
    lease: Lease | None = None
    intent: Intent | None = None

    @property
    def case_id(self) -> str:
        """The case of the isolation, else of the order; "" for none."""
        return self.lease.case_id if self.lease else self.intent.order.case_id if self.intent else ""

    @property
    def site(self) -> str:
        """The site of the isolation, else of the order; "" for none."""
        return self.lease.site if self.lease else self.intent.order.site if self.intent else ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The isolation that stands and the order that is not finished."""
        return tuple(each.intent_id for each in (self.lease, self.intent) if each is not None)

    @property
    def line(self) -> str:
        """For people: what may be given in place of an ambiguous name."""
        beside = ", ".join(filter(None, (self.case_id, *self.ids)))
        return f"{self.hostname}, {self.host.connector} agent {self.host.host_id} ({beside})"

    def fits(self, wanted: str) -> bool:
        """Whether a name, an agent id, a case or an order is this one's."""
        if wanted in (self.host.host_id, self.case_id, *self.ids):
            return True
        return same_host_name(self.hostname, wanted)


def known_hosts(ledger: Ledger, *, unfinished: bool = True) -> list[Known]:
    """Hosts with isolations that stand, the oldest first, and those with orders that are not finished."""
    found = {lease.host: Known(lease.host, lease.hostname, lease) for lease in ledger.leases()}
    for intent in ledger.intents(active=True) if unfinished else ():
        key = intent.order.host
        found[key] = found.get(key, Known(key, intent.order.hostname))._replace(intent=intent)
    return list(found.values())


def one_known(known: Sequence[Known], wanted: str) -> Known | None:
    """The one that fits; None where none does.

    Raises:
        InputError: several do; they are named.
    """
    fitting = [each for each in known if each.fits(wanted)]
    if len(fitting) > 1:
        raise InputError(
            "HOST",
            f"{wanted!r} fits {len(fitting)} hosts: {named(fitting)}",
            "Give the agent's id or the order's id",
        )
    return fitting[0] if fitting else None


def named(hosts: Sequence[Known]) -> str:
    """Hosts for an error; the rest is counted."""
    more = f"; and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
    return "; ".join(each.line for each in hosts[:_NAMED]) + more
