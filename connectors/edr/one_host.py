"""Which of a vendor's host records is meant: exactly one, or none is picked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.errors import AmbiguousHost, HostNotFound
from connectors.facts.host import AddressSeen, HostRef, HostType, same_host_name, short_name

#: A record that said nothing for so long, while another of the same name did, is what a rebuilt or
#: re-enrolled machine left behind. Vendors keep such records for weeks (CrowdStrike: 45 days).
STALE_AFTER = timedelta(days=7)

#: An address seen this long before or after an instant still counts as the host's at that instant.
ADDRESS_SLACK = timedelta(hours=12)

#: Why a present address is not taken for one of the past: addresses are given to other machines again.
NOT_TOLD = "The vendor tells who has the address, or when it was last seen, and not who had it at that time"

_BROADCAST = IPv4Address("255.255.255.255")

#: Candidates named in an error; further ones are counted.
MOST_NAMED = 20


class Candidate(NamedTuple):
    """A host record that a vendor gave for a name or an address.

    Attributes:
        active: True where the vendor says that the agent is in contact now.
    """

    host: HostRef
    active: bool


def one_host(
    connector: str, asked: str, candidates: Iterable[Candidate], *, at: datetime | None, now: datetime
) -> HostRef:
    """The one host that is meant by a name or an address; vendors' searches are never trusted to be exact.

    An FQDN means the host of exactly that name, else one of which only the short name is known. A short name
    means a host of that short name in any domain. Case does not matter. An address means a host that had it
    at that time, ADDRESS_SLACK allowed: one of which the record does not say since when was the host's when
    it was last seen, one without any time is the host's now, and neither was long before.
    Of several, those that were not seen for STALE_AFTER (nor at `at` or later) are not meant, if that
    leaves exactly one.

    Args:
        connector: its name, for the errors.
        asked: host name or address.
        candidates: what the vendor gave; may be too much.
        at: when the host had the name or the address; None for now.
        now: timezone-aware.

    Raises:
        HostNotFound: none fits, or the address is one that names no host.
        AmbiguousHost: several do.
    """
    address = canonical_ip(asked.strip())
    records = _distinct(candidates)
    if address and not names_a_host(address):
        raise HostNotFound(connector, f"{address} names no host: many machines have it, or none")
    if address:
        found = [each for each in records if _had_address(each.host, address, at or now, now=now)]
    else:
        found = _named(records, asked)
    if not found:
        if address and any(_has_address(each.host, address) for each in records):
            raise HostNotFound(connector, f"no host is known to have had {address} then. {NOT_TOLD}")
        raise HostNotFound(connector, f"no host {asked!r}")
    current = [each for each in found if not _stale(each, at=at, now=now)]
    if len(found) > 1 and len(current) == 1:
        found = current
    if len(found) > 1:
        raise AmbiguousHost(
            connector,
            f"{len(found)} hosts fit {asked!r}",
            candidates=_described([each.host for each in found]),
        )
    return found[0].host


def names_a_host(address: str) -> bool:
    """Whether an address can be that of one machine.

    Loopback, link-local, unspecified, multicast and broadcast addresses are those of every machine or of
    none, whoever reports them.
    """
    ip = ip_address(address)
    return not (
        ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip == _BROADCAST
    )


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """One for each id, the one seen last: pages of a vendor's list may overlap."""
    records: dict[str, Candidate] = {}
    for each in candidates:
        known = records.get(each.host.host_id)
        if known is None or _seen(each.host) > _seen(known.host):
            records[each.host.host_id] = each
    return list(records.values())


def _seen(host: HostRef) -> datetime:
    return host.last_seen or datetime.min.replace(tzinfo=UTC)


def _named(records: Sequence[Candidate], asked: str) -> list[Candidate]:
    wanted = asked.strip().rstrip(".").lower()
    qualified = "." in wanted
    exact = [each for each in records if each.host.hostname.strip().rstrip(".").lower() == wanted]
    if qualified and exact:
        return exact
    if not any(same_host_name(each.host.hostname, wanted) for each in records):
        return []
    # A short name, asked or recorded, fits every domain: with two hosts of it none is meant for sure.
    return [each for each in records if short_name(each.host.hostname) == short_name(wanted)]


def _had_address(host: HostRef, address: str, when: datetime, *, now: datetime) -> bool:
    return any(canonical_ip(seen.ip) == address and _held(seen, when, now=now) for seen in host.addresses)


def _has_address(host: HostRef, address: str) -> bool:
    return any(canonical_ip(seen.ip) == address for seen in host.addresses)


def _held(seen: AddressSeen, when: datetime, *, now: datetime) -> bool:
    """Whether it was the host's at that time. Of a missing bound no more is known than of the other one."""
    first = seen.first_seen or seen.last_seen or now
    last = seen.last_seen or seen.first_seen or now
    return first - ADDRESS_SLACK <= when <= last + ADDRESS_SLACK


def _stale(each: Candidate, *, at: datetime | None, now: datetime) -> bool:
    last = each.host.last_seen
    if each.active or last is None:
        return False  # unknown is not stale
    return last < now - STALE_AFTER and (at is None or last < at)


def _described(hosts: Sequence[HostRef]) -> tuple[str, ...]:
    lines = sorted(_line(host) for host in hosts)
    more = len(lines) - MOST_NAMED
    return (*lines[:MOST_NAMED], *((f"and {more} more",) if more > 0 else ()))


def _line(host: HostRef) -> str:
    last = f"{host.last_seen.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if host.last_seen else "unknown"
    kind = "type unknown" if host.host_type is HostType.UNKNOWN else host.host_type.value.replace("_", " ")
    return f"{host.hostname} (id {host.host_id}, last seen {last}, {kind})"
