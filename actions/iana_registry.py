"""The IANA special-purpose address registries as a table, and the category each row has here.

Sources, both as updated on 2025-10-09:
https://www.iana.org/assignments/iana-ipv4-special-registry/
https://www.iana.org/assignments/iana-ipv6-special-registry/

Prefixes, names (less quotation marks) and dates are spelled as in the registries; a row there that holds
two prefixes is two here. `rfc` names the documents without their sections. A reachability of None stands
for "N/A" and for the blank of a terminated row.
"""

from __future__ import annotations

from typing import NamedTuple

from actions.ip_facts import IpCategory, RegistryRow

REGISTRY_DATE = "2025-10-09"

#: The column "Globally Reachable" in three words.
YES, NO, NOT_SAID = True, False, None


class Row(NamedTuple):
    """One prefix of a registry.

    Attributes:
        reachable: the column "Globally Reachable".
        allocated, terminated: months, such as "2015-03"; terminated is None while the row holds.
        category: ours, not the registry's.
    """

    prefix: str
    name: str
    rfc: str
    reachable: bool | None
    allocated: str
    category: IpCategory
    terminated: str | None = None

    def as_fact(self) -> RegistryRow:
        """Return the row as it is shown beside a verdict."""
        return RegistryRow(
            prefix=self.prefix,
            name=self.name,
            rfc=self.rfc,
            globally_reachable=self.reachable,
            registry_date=REGISTRY_DATE,
            terminated=self.terminated,
        )


IPV4_ROWS: tuple[Row, ...] = (
    Row("0.0.0.0/8", "This network", "RFC 791", NO, "1981-09", IpCategory.RESERVED),
    Row("0.0.0.0/32", "This host on this network", "RFC 1122", NO, "1981-09", IpCategory.UNSPECIFIED),
    Row("10.0.0.0/8", "Private-Use", "RFC 1918", NO, "1996-02", IpCategory.PRIVATE),
    Row("100.64.0.0/10", "Shared Address Space", "RFC 6598", NO, "2012-04", IpCategory.SHARED),
    Row("127.0.0.0/8", "Loopback", "RFC 1122", NO, "1981-09", IpCategory.LOOPBACK),
    Row("169.254.0.0/16", "Link Local", "RFC 3927", NO, "2005-05", IpCategory.LINK_LOCAL),
    Row("172.16.0.0/12", "Private-Use", "RFC 1918", NO, "1996-02", IpCategory.PRIVATE),
    Row("192.0.0.0/24", "IETF Protocol Assignments", "RFC 6890", NO, "2010-01", IpCategory.RESERVED),
    Row("192.0.0.0/29", "IPv4 Service Continuity Prefix", "RFC 7335", NO, "2011-06", IpCategory.RESERVED),
    Row("192.0.0.8/32", "IPv4 dummy address", "RFC 7600", NO, "2015-03", IpCategory.RESERVED),
    Row(
        "192.0.0.9/32", "Port Control Protocol Anycast", "RFC 7723", YES, "2015-10", IpCategory.PUBLIC_SPECIAL
    ),
    Row(
        "192.0.0.10/32",
        "Traversal Using Relays around NAT Anycast",
        "RFC 8155",
        YES,
        "2017-02",
        IpCategory.PUBLIC_SPECIAL,
    ),
    Row("192.0.0.170/32", "NAT64/DNS64 Discovery", "RFC 8880, RFC 7050", NO, "2013-02", IpCategory.RESERVED),
    Row("192.0.0.171/32", "NAT64/DNS64 Discovery", "RFC 8880, RFC 7050", NO, "2013-02", IpCategory.RESERVED),
    Row("192.0.2.0/24", "Documentation (TEST-NET-1)", "RFC 5737", NO, "2010-01", IpCategory.DOCUMENTATION),
    Row("192.31.196.0/24", "AS112-v4", "RFC 7535", YES, "2014-12", IpCategory.PUBLIC_SPECIAL),
    Row("192.52.193.0/24", "AMT", "RFC 7450", YES, "2014-12", IpCategory.PUBLIC_SPECIAL),
    Row(
        "192.88.99.0/24",
        "Deprecated (6to4 Relay Anycast)",
        "RFC 7526",
        NOT_SAID,
        "2001-06",
        IpCategory.RESERVED,
        "2015-03",
    ),
    Row("192.88.99.2/32", "6a44-relay anycast address", "RFC 6751", NO, "2012-10", IpCategory.RESERVED),
    Row("192.168.0.0/16", "Private-Use", "RFC 1918", NO, "1996-02", IpCategory.PRIVATE),
    Row(
        "192.175.48.0/24",
        "Direct Delegation AS112 Service",
        "RFC 7534",
        YES,
        "1996-01",
        IpCategory.PUBLIC_SPECIAL,
    ),
    Row("198.18.0.0/15", "Benchmarking", "RFC 2544", NO, "1999-03", IpCategory.BENCHMARKING),
    Row("198.51.100.0/24", "Documentation (TEST-NET-2)", "RFC 5737", NO, "2010-01", IpCategory.DOCUMENTATION),
    Row("203.0.113.0/24", "Documentation (TEST-NET-3)", "RFC 5737", NO, "2010-01", IpCategory.DOCUMENTATION),
    Row("240.0.0.0/4", "Reserved", "RFC 1112", NO, "1989-08", IpCategory.RESERVED),
    Row("255.255.255.255/32", "Limited Broadcast", "RFC 8190, RFC 919", NO, "1984-10", IpCategory.BROADCAST),
)

IPV6_ROWS: tuple[Row, ...] = (
    Row("::1/128", "Loopback Address", "RFC 4291", NO, "2006-02", IpCategory.LOOPBACK),
    Row("::/128", "Unspecified Address", "RFC 4291", NO, "2006-02", IpCategory.UNSPECIFIED),
    Row("::ffff:0:0/96", "IPv4-mapped Address", "RFC 4291", NO, "2006-02", IpCategory.TRANSITION),
    Row("64:ff9b::/96", "IPv4-IPv6 Translat.", "RFC 6052", YES, "2010-10", IpCategory.TRANSITION),
    Row("64:ff9b:1::/48", "IPv4-IPv6 Translat.", "RFC 8215", NO, "2017-06", IpCategory.RESERVED),
    Row("100::/64", "Discard-Only Address Block", "RFC 6666", NO, "2012-06", IpCategory.RESERVED),
    Row("100:0:0:1::/64", "Dummy IPv6 Prefix", "RFC 9780", NO, "2025-04", IpCategory.RESERVED),
    Row("2001::/23", "IETF Protocol Assignments", "RFC 2928", NO, "2000-09", IpCategory.RESERVED),
    Row("2001::/32", "TEREDO", "RFC 4380, RFC 8190", NOT_SAID, "2006-01", IpCategory.TRANSITION),
    Row(
        "2001:1::1/128",
        "Port Control Protocol Anycast",
        "RFC 7723",
        YES,
        "2015-10",
        IpCategory.PUBLIC_SPECIAL,
    ),
    Row(
        "2001:1::2/128",
        "Traversal Using Relays around NAT Anycast",
        "RFC 8155",
        YES,
        "2017-02",
        IpCategory.PUBLIC_SPECIAL,
    ),
    Row(
        "2001:1::3/128",
        "DNS-SD Service Registration Protocol Anycast",
        "RFC 9665",
        YES,
        "2024-04",
        IpCategory.PUBLIC_SPECIAL,
    ),
    Row("2001:2::/48", "Benchmarking", "RFC 5180", NO, "2008-04", IpCategory.BENCHMARKING),
    Row("2001:3::/32", "AMT", "RFC 7450", YES, "2014-12", IpCategory.PUBLIC_SPECIAL),
    Row("2001:4:112::/48", "AS112-v6", "RFC 7535", YES, "2014-12", IpCategory.PUBLIC_SPECIAL),
    Row(
        "2001:10::/28",
        "Deprecated (previously ORCHID)",
        "RFC 4843",
        NOT_SAID,
        "2007-03",
        IpCategory.RESERVED,
        "2014-03",
    ),
    Row("2001:20::/28", "ORCHIDv2", "RFC 7343", YES, "2014-07", IpCategory.PUBLIC_SPECIAL),
    Row(
        "2001:30::/28",
        "Drone Remote ID Protocol Entity Tags (DETs) Prefix",
        "RFC 9374",
        YES,
        "2022-12",
        IpCategory.PUBLIC_SPECIAL,
    ),
    Row("2001:db8::/32", "Documentation", "RFC 3849", NO, "2004-07", IpCategory.DOCUMENTATION),
    Row("2002::/16", "6to4", "RFC 3056", NOT_SAID, "2001-02", IpCategory.TRANSITION),
    Row(
        "2620:4f:8000::/48",
        "Direct Delegation AS112 Service",
        "RFC 7534",
        YES,
        "2011-05",
        IpCategory.PUBLIC_SPECIAL,
    ),
    Row("3fff::/20", "Documentation", "RFC 9637", NO, "2024-07", IpCategory.DOCUMENTATION),
    Row("5f00::/16", "Segment Routing (SRv6) SIDs", "RFC 9602", NO, "2024-04", IpCategory.RESERVED),
    Row("fc00::/7", "Unique-Local", "RFC 4193, RFC 8190", NO, "2005-10", IpCategory.UNIQUE_LOCAL),
    Row("fe80::/10", "Link-Local Unicast", "RFC 4291", NO, "2006-02", IpCategory.LINK_LOCAL),
)
