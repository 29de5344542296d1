"""Which machine is meant by a name or an internal address, asked of Defender."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.edr.defender import address_history, filters, queries
from connectors.edr.defender.api import CONNECTOR, DefenderApi, Page, page_of
from connectors.edr.defender.machines import host_ref, is_agent
from connectors.edr.one_host import Candidate, one_host
from connectors.errors import ConnectorError, HostNotFound, Rejected
from connectors.facts.host import AddressSeen, HostRef
from connectors.http.deadline import Deadline
from connectors.ports import Window

#: Defender tells which machine had an address only this far back, and within so long before and after the
#: instant. https://learn.microsoft.com/defender-endpoint/api/find-machines-by-ip
ADDRESS_HISTORY = timedelta(days=30)
ADDRESS_SPAN = timedelta(minutes=15)


def named(
    api: DefenderApi, hostname: str, *, at: datetime | None, now: datetime, deadline: Deadline
) -> HostRef:
    """The one machine with an agent of this name.

    Raises:
        HostNotFound, AmbiguousHost: as one_host.
    """
    page = page_of(lambda: api.machines(filters.machines_named(hostname), deadline))
    return one_host(CONNECTOR, hostname, _candidates(page), at=at, now=now)


def with_history(api: DefenderApi, host: HostRef, *, at: datetime, deadline: Deadline) -> HostRef:
    """The host with its addresses around a time, where hunting tells them; else as it is."""
    window = Window(at - address_history.SPAN, at + address_history.SPAN)
    try:
        rows = api.hunt(queries.addresses(host.host_id, window), deadline)
    except ConnectorError:
        return host
    return address_history.with_history(host, rows)


def with_address(
    api: DefenderApi, ip: str, *, at: datetime | None, now: datetime, deadline: Deadline
) -> HostRef:
    """The one machine that had an internal address at a time: seen with it ADDRESS_SPAN around it, or nearer.

    The record's own addresses are those of when it was last seen. So the machine gets the address that was
    asked for with the span in which Defender looked for it.

    Args:
        ip: canonical.
        at: None for now.

    Raises:
        HostNotFound: none fits, or it is longer ago than is known.
        AmbiguousHost: several do.
    """
    when = min(at or now, now)
    if when <= now - ADDRESS_HISTORY:
        days = ADDRESS_HISTORY.days
        raise HostNotFound(CONNECTOR, f"which host had {ip} more than {days} days ago is not known")
    page = page_of(lambda: api.machines_with(ip, when, deadline))
    had = AddressSeen(ip=ip, first_seen=when - ADDRESS_SPAN, last_seen=when + ADDRESS_SPAN)
    records = [
        each._replace(host=each.host.model_copy(update={"addresses": (had, *each.host.addresses)}))
        for each in _candidates(page)
    ]
    host = one_host(CONNECTOR, ip, records, at=when, now=now)
    return host.model_copy(update={"addresses": tuple(dict.fromkeys(host.addresses))})


def _candidates(page: Page) -> list[Candidate]:
    if not page.complete:
        raise Rejected(CONNECTOR, f"more than {len(page.records)} machines fit, which no name should")
    hosts = [host_ref(record) for record in page.records if is_agent(record)]
    return [Candidate(host, host.active is True) for host in hosts]
