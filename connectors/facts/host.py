"""Hosts as an EDR or a log knows them."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact, Instant
from connectors.facts.isolation import IsolationState


class HostType(StrEnum):
    """What kind of machine it is. UNKNOWN is not "workstation"."""

    WORKSTATION = "workstation"
    SERVER = "server"
    DOMAIN_CONTROLLER = "domain_controller"
    UNKNOWN = "unknown"


class AddressSeen(Fact):
    """An address the host had.

    Attributes:
        ip: canonical text.
        first_seen, last_seen: bounds of the observation; None where the source has none.
    """

    ip: str
    first_seen: Instant | None = None
    last_seen: Instant | None = None


class HostRef(Fact):
    """Exactly one machine, as one connector knows it.

    Attributes:
        connector: the connector that resolved it.
        host_id: the vendor's agent id; for a log file the Computer name as logged.
        hostname: the name as the source spells it, FQDN where it has one.
        host_type: workstation, server, domain controller, or unknown.
        addresses: addresses over time.
        first_seen, last_seen: when the agent (or the log) last said anything.
        tags: the vendor's tags or groups.
        active: whether the agent is in contact now, as the vendor says; None where it does not.
        isolation: as the host's record says; UNKNOWN where it says nothing.
    """

    connector: str
    host_id: str
    hostname: str
    host_type: HostType = HostType.UNKNOWN
    addresses: tuple[AddressSeen, ...] = ()
    first_seen: Instant | None = None
    last_seen: Instant | None = None
    tags: tuple[str, ...] = ()
    active: bool | None = None
    isolation: IsolationState = IsolationState.UNKNOWN


def short_name(hostname: str) -> str:
    """The first label of a host name, lower case: `WS01.corp.example` -> `ws01`."""
    return hostname.strip().rstrip(".").partition(".")[0].lower()


def same_host_name(one: str, other: str) -> bool:
    """True where two spellings can name one host: equal FQDNs, or a short name and an FQDN of it.

    `WS1` and `WS10` are different, and so are `ws1.a.example` and `ws1.b.example`.
    """
    a, b = one.strip().rstrip(".").lower(), other.strip().rstrip(".").lower()
    if not a or not b:
        return False
    if a == b:
        return True
    if ("." in a) == ("." in b):
        return False
    return short_name(a) == short_name(b)
