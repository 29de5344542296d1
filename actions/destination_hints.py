"""What is publicly known of destinations by name, range or port, as data. A hint is context, never a verdict.

Names are matched on whole DNS labels: `api.telegram.org.attacker.example` is not Telegram's. They must come
from the process's own DNS look-ups (Sysmon EID 22); EID 3's DestinationHostname is a reverse look-up that the
owner of the address controls.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from actions.case_facts import Destination, DestinationVerdict
from connectors.addresses import pack_ip
from connectors.facts.destination_role import RoleKind
from connectors.networks import NetworkMap, parse_network


class HintKind(StrEnum):
    """What follows from a hint."""

    SHARED_SERVICE = "shared_service"
    """Many use it, for good and bad: the address's reputation says little."""
    CHANNEL = "channel"
    """A port by which data commonly leaves."""
    PLAIN_REASON = "plain_reason"
    """Windows itself and signature checks go there: a plain reason for a connection."""


class Hint(NamedTuple):
    """One row.

    Attributes:
        role: what it serves as.
        label: what it is, as a noun.
        why: one sentence for the analyst.
        names: DNS suffixes, lower case; the name itself and anything below it.
        ranges: CIDR.
        ports: peer ports.
    """

    kind: HintKind
    role: RoleKind
    label: str
    why: str
    names: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()


_CERTIFICATE_WHY = "Windows asks there whether a certificate is still valid, on behalf of any program."

HINTS: tuple[Hint, ...] = (
    Hint(
        HintKind.SHARED_SERVICE,
        RoleKind.IP_CHECK,
        "IP-check service",
        "Stealers ask it for the victim's public address; so do many ordinary programs.",
        names=(
            "ipify.org",
            "checkip.dyndns.org",
            "ip-api.com",
            "icanhazip.com",
            "ipinfo.io",
            "reallyfreegeoip.org",
        ),
        ranges=("208.95.112.1/32",),
    ),
    Hint(
        HintKind.SHARED_SERVICE,
        RoleKind.BOT_API,
        "Telegram",
        "Its bot API is a common way out for stolen data, and the address serves all of Telegram.",
        names=("telegram.org", "t.me"),
        ranges=("149.154.160.0/20", "91.108.4.0/22"),
    ),
    Hint(
        HintKind.SHARED_SERVICE,
        RoleKind.BOT_API,
        "Discord",
        "Its webhooks and file store are used to fetch malware and to send data out, and by its many users.",
        names=("discord.com", "discordapp.com", "discordapp.net"),
    ),
    Hint(
        HintKind.CHANNEL,
        RoleKind.MAIL,
        "mail submission",
        "Stealers send what they found by mail; a registration tool has no reason to.",
        ports=(25, 465, 587),
    ),
    Hint(
        HintKind.CHANNEL,
        RoleKind.FTP,
        "FTP",
        "Stealers upload what they found by FTP; a registration tool has no reason to.",
        ports=(21,),
    ),
    Hint(
        HintKind.PLAIN_REASON,
        RoleKind.PLATFORM_SERVICE,
        "certificate status service",
        _CERTIFICATE_WHY,
        names=(
            "crl.microsoft.com",
            "mscrl.microsoft.com",
            "oneocsp.microsoft.com",
            "ocsp.msocsp.com",
            "ocsp.digicert.com",
            "crl3.digicert.com",
            "crl4.digicert.com",
            "ocsp.globalsign.com",
            "ocsp2.globalsign.com",
            "crl.globalsign.com",
            "ocsp.sectigo.com",
            "crl.sectigo.com",
        ),
    ),
    Hint(
        HintKind.PLAIN_REASON,
        RoleKind.PLATFORM_SERVICE,
        "Windows update service",
        "Windows fetches updates and lists of trusted root certificates there.",
        names=("windowsupdate.com", "update.microsoft.com", "delivery.mp.microsoft.com"),
    ),
)

#: Rows that give a role and change nothing else: known to many, or better known by ranges.
ROLE_ROWS: tuple[Hint, ...] = (
    Hint(
        HintKind.SHARED_SERVICE,
        RoleKind.RESOLVER,
        "public DNS resolver",
        "Anyone may ask it, malware too, and block lists name it by mistake.",
        names=("dns.google", "one.one.one.one", "cloudflare-dns.com", "quad9.net"),
        ranges=(
            "8.8.8.8/32",
            "8.8.4.4/32",
            "1.1.1.1/32",
            "1.0.0.1/32",
            "9.9.9.9/32",
            "149.112.112.112/32",
        ),
    ),
    Hint(
        HintKind.SHARED_SERVICE,
        RoleKind.CDN,
        "CDN",
        "Its edges serve the sites of many customers from one address: the host name decides.",
        names=(
            "cloudfront.net",
            "akamaiedge.net",
            "akamaized.net",
            "azureedge.net",
            "azurefd.net",
            "fastly.net",
        ),
    ),
)

#: Ports of web traffic: what certificate and update services use.
_WEB_PORTS = frozenset({80, 443})

_BAD_REPORTS = frozenset(
    {DestinationVerdict.MALICIOUS, DestinationVerdict.SUSPICIOUS, DestinationVerdict.SUSPICIOUS_SHARED}
)

_BY_RANGE = NetworkMap(
    (parse_network(cidr, field="destination_hints"), (hint, cidr))
    for hint in (*HINTS, *ROLE_ROWS)
    for cidr in hint.ranges
)


def hints_for(destination: Destination) -> tuple[Hint, ...]:
    """All rows that fit, in the table's order."""
    return tuple(hint for hint, _ in hints_with_grounds(destination, HINTS))


def hints_with_grounds(
    destination: Destination, rows: Iterable[Hint] = (*HINTS, *ROLE_ROWS)
) -> tuple[tuple[Hint, tuple[str, ...]], ...]:
    """All rows that fit, in their order, each with what it fits by: ranges, DNS names, ports."""
    packed = pack_ip(destination.check.asked)
    by_range = _BY_RANGE.covering(packed) if packed is not None else ()
    fitting = []
    for hint in rows:
        grounds = (
            *(f"range {cidr}" for row, cidr in by_range if row is hint),
            *(
                f"DNS name {name}"
                for name in destination.dns_names
                if any(is_below(name, suffix) for suffix in hint.names)
            ),
            *(f"port {port}" for port in destination.ports if port in hint.ports),
        )
        if grounds:
            fitting.append((hint, grounds))
    return tuple(fitting)


def has_plain_reason(destination: Destination) -> bool:
    """True when every name the process used for it, and every port, speaks for certificates or updates.

    Without a name or a port nothing is known of it, and with bad reports, even about an address that many
    share, something speaks against it: then there is no plain reason.
    """
    suffixes = [suffix for hint in HINTS if hint.kind is HintKind.PLAIN_REASON for suffix in hint.names]
    names = destination.dns_names
    return (
        destination.check.external
        and destination.verdict not in _BAD_REPORTS
        and bool(names)
        and all(any(is_below(name, suffix) for suffix in suffixes) for name in names)
        and bool(destination.ports)
        and _WEB_PORTS.issuperset(destination.ports)
    )


def is_below(name: str, suffix: str) -> bool:
    """True when a DNS name is the suffix or lies below it, on whole labels, without regard to case."""
    plain = name.strip().rstrip(".").lower()
    return plain == suffix or plain.endswith("." + suffix)
