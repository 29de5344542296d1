"""Which host an analyst means: by name, case or order, as far as the ledger knows. A name never picks one."""

from __future__ import annotations

from typing import NamedTuple

from connectors.errors import InputError
from connectors.facts.host import same_host_name
from connectors.facts.ledger import HostKey, Intent, IntentKind, Lease
from connectors.state.ledger import Ledger
from playbooks.report import wording

#: Hosts that an error names.
_NAMED = 5


class Known(NamedTuple):
    """A host of which the ledger has an isolation that stands, or an order that is not finished."""

    host: HostKey
    hostname: str
    lease: Lease | None = None
    intent: Intent | None = None

    @property
    def case_id(self) -> str:
        """The case of the isolation that stands, else of the order; "" for none."""
        return self.lease.case_id if self.lease else self.intent.order.case_id if self.intent else ""

    @property
    def site(self) -> str:
        """The site of the isolation that stands, else of the order; "" for none."""
        return self.lease.site if self.lease else self.intent.order.site if self.intent else ""

    @property
    def name(self) -> str:
        """For people: the name and the agent's id."""
        return f"{wording.name(self.hostname)} ({wording.name(self.host.host_id)})"


class Wanted(NamedTuple):
    """What an analyst gave; "" where nothing."""

    host: str
    case_id: str
    intent_id: str

    @property
    def nothing(self) -> bool:
        """True where nothing was given."""
        return not any(self)


def wanted(host: str | None, case_id: str | None, intent_id: str | None) -> Wanted:
    """What was given, without the blanks around it."""
    return Wanted(*((each or "").strip() for each in (host, case_id, intent_id)))


def known_hosts(ledger: Ledger, asked: Wanted) -> list[Known]:
    """The hosts that fit all that was given, the oldest isolation first.

    Raises:
        InputError: there is no order of this id.
        LedgerUnusable: the ledger cannot be read.
    """
    found: dict[HostKey, Known] = {
        lease.host: Known(lease.host, lease.hostname, lease=lease) for lease in ledger.leases()
    }
    for intent in ledger.intents(active=True):
        before = found.get(intent.order.host, Known(intent.order.host, intent.order.hostname))
        found[intent.order.host] = before._replace(intent=intent)
    if asked.intent_id:
        intent_of = ledger.intent(asked.intent_id)
        if intent_of is None:
            raise InputError("intent_id", "is no order in this app's ledger", "Run get isolation status")
        found = {host: each for host, each in found.items() if host == intent_of.order.host}
    return [each for each in found.values() if _fits(each, asked)]


def one_known(ledger: Ledger, asked: Wanted) -> Known | None:
    """The one host that fits; None where the ledger has none.

    Raises:
        InputError: nothing was given, or several fit.
    """
    if asked.nothing:
        raise InputError("host", "no host, case or order is given", "Give one of host, case_id and intent_id")
    known = known_hosts(ledger, asked)
    if len(known) > 1:
        more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        named = ", ".join(each.name for each in known[:_NAMED])
        raise InputError("host", f"{len(known)} hosts fit: {named}{more}", "Give the agent's id as host")
    return known[0] if known else None


def ends_an_isolation(known: Known) -> bool:
    """Whether there is an isolation, or an order that may have become one."""
    return known.lease is not None or (
        known.intent is not None and known.intent.order.kind is IntentKind.ISOLATE
    )


def _fits(known: Known, asked: Wanted) -> bool:
    if asked.case_id and known.case_id != asked.case_id:
        return False
    if not asked.host:
        return True
    return known.host.host_id.casefold() == asked.host.casefold() or same_host_name(
        known.hostname, asked.host
    )
