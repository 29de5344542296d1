"""Whether the address that a notable gives a host was that host's at the time. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from connectors.facts.host import AddressSeen, HostRef
from connectors.facts.notable import Direction, Notable

#: An address seen this long before or after an instant still counts as the agent's at that instant. Defender
#: looks for machines by address with the same 15 minutes.
ADDRESS_TOLERANCE = timedelta(minutes=15)


class Holding(StrEnum):
    """What is known of a host and an address at a time."""

    HELD = "held"
    NOT_ITS_OWN = "not_its_own"
    """The host has addresses, and this is none of them."""
    AT_ANOTHER_TIME = "at_another_time"
    TIME_UNKNOWN = "time_unknown"
    """It is the host's; when, or when the notable means, is not known."""
    NOT_KNOWN = "not_known"
    """The notable names no address of the host, or the host's addresses are not known."""


#: A notable that gives the host such an address may be of another machine.
_FOREIGN = frozenset({Holding.NOT_ITS_OWN, Holding.AT_ANOTHER_TIME})

_ADDRESSES_NAMED = 4


class OwnAddress(NamedTuple):
    """The host's own address as a notable gives it, and whether it was that host's.

    Attributes:
        ip: "" where the notable names none.
    """

    ip: str
    holding: Holding


def own_address(host: HostRef | None, notable: Notable) -> OwnAddress:
    """Whether the notable's address of the host was the resolved host's then."""
    ip = (notable.dest_ip if notable.direction is Direction.INBOUND else notable.src_ip) or ""
    at = notable.last_time or notable.first_time
    if not ip or host is None or not host.addresses:
        return OwnAddress(ip, Holding.NOT_KNOWN)
    seen = [address for address in host.addresses if address.ip == ip]
    if at is None:
        return OwnAddress(ip, Holding.TIME_UNKNOWN if seen else Holding.NOT_ITS_OWN)
    if not seen:
        return OwnAddress(ip, Holding.NOT_ITS_OWN)
    if any(_held(address, at) for address in seen):
        return OwnAddress(ip, Holding.HELD)
    if any(address.first_seen is None or address.last_seen is None for address in seen):
        return OwnAddress(ip, Holding.TIME_UNKNOWN)
    return OwnAddress(ip, Holding.AT_ANOTHER_TIME)


def foreign_addresses(host: HostRef | None, notables: Iterable[Notable]) -> tuple[OwnAddress, ...]:
    """Addresses that notables give the host and that were not its own then, each once, in their order."""
    found = (own_address(host, notable) for notable in notables)
    return tuple(dict.fromkeys(each for each in found if each.holding in _FOREIGN))


def known_as(host: HostRef, address: OwnAddress) -> str:
    """What is known of the host instead, as in `ws01.corp.example is known by 10.1.2.3`."""
    if address.holding is Holding.AT_ANOTHER_TIME:
        return f"{host.hostname} had it at another time"
    known = sorted({each.ip for each in host.addresses})
    more = " and more" if known[_ADDRESSES_NAMED:] else ""
    return f"{host.hostname} is known by {', '.join(known[:_ADDRESSES_NAMED])}{more}"


def _held(address: AddressSeen, at: datetime) -> bool:
    first, last = address.first_seen, address.last_seen
    if first is None or last is None:
        return False
    return first - ADDRESS_TOLERANCE <= at <= last + ADDRESS_TOLERANCE
