"""Which host is meant, from the events themselves: Splunk's `host` may be a collector's name."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from connectors.addresses import canonical_ip
from connectors.edr.one_host import ADDRESS_SLACK, STALE_AFTER, Candidate, one_host
from connectors.edr.sysmon_splunk import queries
from connectors.edr.sysmon_splunk.gathering import AHEAD, Gathering
from connectors.errors import HostNotFound, QueryFailed
from connectors.facts.host import AddressSeen, HostRef
from connectors.ports import Window

#: Hosts times addresses of one answer.
MOST_ROWS = 5000

#: A host whose full name is asked for is looked for this long before the time in question, then further back.
FIRST_LOOK = timedelta(days=1)


def named(
    gathering: Gathering,
    connector: str,
    sysmon: str,
    asked: str,
    *,
    at: datetime | None,
    now: datetime,
    history: timedelta,
) -> HostRef:
    """The host of a name.

    A full name that is found settles it. A short one may be of two domains: hosts of STALE_AFTER are looked
    at, as many as decide whether another one is meant.

    Raises:
        HostNotFound, AmbiguousHost: as one_host.
    """
    full = "." in asked.strip().rstrip(".")
    spans = [FIRST_LOOK] if full else []
    spans += [span for span in (STALE_AFTER, history) if not spans or span > spans[-1]]
    if full:
        spans = [spans[0], spans[-1]]
    query = queries.hosts_named(sysmon, asked)
    for number, span in enumerate(spans, start=1):
        start = (at if at is not None and at < now else now) - span
        found = _candidates(gathering, connector, query, Window(start, now + AHEAD))
        exact = any(_bare(each.host.hostname) == _bare(asked) for each in found)
        if number == len(spans) or exact or (found and not full):
            return one_host(connector, asked, found, at=at, now=now)
    raise HostNotFound(connector, f"no host {asked!r}")


def with_address(
    gathering: Gathering, connector: str, sysmon: str, ip: str, *, at: datetime | None, now: datetime
) -> HostRef:
    """The host that had an address at a time, as its own connections show; with that address alone.

    Raises:
        HostNotFound, AmbiguousHost: as one_host.
    """
    address = canonical_ip(ip.strip())
    if not address:
        raise HostNotFound(connector, f"{ip[:64]!r} is neither a host name nor an address")
    moment = at or now
    span = Window(moment - ADDRESS_SLACK, moment + ADDRESS_SLACK)
    query = queries.hosts_with_address(sysmon, address)
    return one_host(connector, address, _candidates(gathering, connector, query, span), at=at, now=now)


def _candidates(gathering: Gathering, connector: str, query: str, span: Window) -> list[Candidate]:
    answer = gathering.rows(query, span, most=MOST_ROWS)
    if answer.truncated or answer.partial:
        # One that is missing could be the one that is meant.
        raise QueryFailed(connector, "the search for the host did not give all; none is picked")
    return [Candidate(host, active=False) for host in hosts_of(connector, answer.rows)]


def hosts_of(connector: str, rows: Iterable[dict[str, object]]) -> list[HostRef]:
    """Hosts of rows (rr_computer, rr_ip, first, last); names that differ in case are one host."""
    spelled: dict[str, str] = {}
    times: dict[str, tuple[datetime, datetime]] = {}
    addresses: dict[str, dict[str, tuple[datetime, datetime]]] = {}
    for row in rows:
        computer, first, last = row.get("rr_computer"), _time(row.get("first")), _time(row.get("last"))
        if not isinstance(computer, str) or not computer or first is None or last is None:
            continue
        key = _bare(computer)
        spelled.setdefault(key, computer)
        times[key] = _wider(times.get(key), first, last)
        ip = row.get("rr_ip")
        address = canonical_ip(ip) if isinstance(ip, str) else ""
        if address:
            known = addresses.setdefault(key, {})
            known[address] = _wider(known.get(address), first, last)
    return [
        HostRef(
            connector=connector,
            host_id=computer,
            hostname=computer,
            addresses=tuple(
                AddressSeen(ip=ip, first_seen=seen[0], last_seen=seen[1])
                for ip, seen in sorted(addresses.get(key, {}).items())
            ),
            last_seen=times[key][1],
        )
        for key, computer in spelled.items()
    ]


def _bare(name: str) -> str:
    return name.strip().rstrip(".").lower()


def _wider(
    known: tuple[datetime, datetime] | None, first: datetime, last: datetime
) -> tuple[datetime, datetime]:
    return (min(known[0], first), max(known[1], last)) if known else (first, last)


def _time(value: object) -> datetime | None:
    """Seconds since 1970, as Splunk writes them."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else -1.0
        return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds < 4e9 else None
    except ValueError:
        return None
