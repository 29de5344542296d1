"""What the public check says of an address: types only."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact


class IpCategory(StrEnum):
    """What kind of address it is, in the registries' terms."""

    PUBLIC = "public"
    PUBLIC_SPECIAL = "public_special"
    """Globally reachable by its registry row: AS112, AMT, anycast services, ORCHIDv2."""
    PRIVATE = "private"
    SHARED = "shared"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link_local"
    UNIQUE_LOCAL = "unique_local"
    MULTICAST = "multicast"
    DOCUMENTATION = "documentation"
    BENCHMARKING = "benchmarking"
    UNSPECIFIED = "unspecified"
    BROADCAST = "broadcast"
    TRANSITION = "transition"
    """6to4 or Teredo: the embedded IPv4 is judged too."""
    RESERVED = "reserved"
    """Any other row that is not globally reachable, terminated rows, and IPv6 outside 2000::/3."""


class EmbeddedScheme(StrEnum):
    """How an IPv4 address is held inside an IPv6 address."""

    IPV4_MAPPED = "ipv4_mapped"
    NAT64 = "nat64"
    SIX_TO_FOUR = "6to4"
    TEREDO = "teredo"


class RegistryRow(Fact):
    """One row of the IANA special-purpose address registries.

    Attributes:
        globally_reachable: True, False, or None for "N/A" and terminated rows.
        registry_date: date of the registry this table was written from, ISO.
        terminated: month in which the assignment ended, such as "2015-03"; None while it holds.
    """

    prefix: str
    name: str
    rfc: str
    globally_reachable: bool | None
    registry_date: str
    terminated: str | None = None


class EmbeddedIpv4(Fact):
    """The IPv4 address inside an IPv6 address, judged on its own.

    Attributes:
        scheme: ipv4_mapped, nat64, 6to4, teredo.
        ip: the address inside; for Teredo that of the client, with its bits inverted back (RFC 4380,
            section 4), not that of the Teredo server.
        decides: True when this judgement is the outer address's too (mapped, NAT64).
    """

    scheme: EmbeddedScheme
    ip: str
    public: bool
    category: IpCategory
    decides: bool


class IpCheck(Fact):
    """Judgement of one address.

    Attributes:
        ip: canonical text (RFC 5952 for IPv6).
        version: 4 or 6.
        public: globally reachable by the rule.
        category: see IpCategory; for mapped and NAT64 that of the embedded IPv4.
        registry_row: the row that decided; None when none matches (then it is public) or when the
            multicast or 2000::/3 rule decided. For mapped and NAT64 the row of the embedded IPv4.
        embedded: the IPv4 inside, if any.
        organisation_owned: True when a range of the organisation (settings) holds it.
        organisation_range: that range; None if none.
        note: a sentence to read beside the verdict, such as "Azure platform address"; "" if none.
        confidential_ipv4: an IPv4 address in an ISATAP interface id (RFC 5214, section 6.1) that is not
            public or is the organisation's own; "" if none. Whoever learns the outer address learns it.
    """

    ip: str
    version: int
    public: bool
    category: IpCategory
    registry_row: RegistryRow | None
    embedded: EmbeddedIpv4 | None = None
    organisation_owned: bool = False
    organisation_range: str | None = None
    note: str = ""
    confidential_ipv4: str = ""

    @property
    def asked(self) -> str:
        """The address that sources and tables know: the IPv4 in an IPv4-mapped or NAT64 one, else itself."""
        return self.embedded.ip if self.embedded is not None and self.embedded.decides else self.ip

    @property
    def sendable(self) -> bool:
        """True when a third party may be told of it: external, and nothing of the organisation's inside."""
        return self.external and not self.confidential_ipv4

    @property
    def external(self) -> bool:
        """True when traffic to it leaves the organisation: public and not the organisation's own."""
        return self.public and not self.organisation_owned

    @property
    def external_inside(self) -> bool:
        """True for 6to4 and Teredo around a public IPv4 that is not the organisation's own.

        Such an address is not public by itself, yet its traffic may leave: never drop it silently.
        """
        inside = self.embedded
        return inside is not None and not inside.decides and inside.public and not self.organisation_owned
