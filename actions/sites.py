"""At which of the policy's sites a host is. Pure."""

from __future__ import annotations

from actions.host_addresses import ADDRESS_TOLERANCE
from actions.isolation_policy import IsolationPolicy
from connectors.addresses import pack_ip
from connectors.facts.host import HostRef
from connectors.networks import NetworkMap, parse_network


def site_of(host: HostRef, policy: IsolationPolicy) -> str:
    """The site whose ranges hold the host's addresses; the longest prefix counts.

    Of addresses with times only the latest count, within ADDRESS_TOLERANCE: a laptop has been elsewhere.
    Addresses of no site, such as those of a tunnel, say nothing.

    Returns:
        The site's name; "" where no site fits, or the addresses are of different sites.
    """
    ranges = [
        (parse_network(cidr, field="sites.ranges"), site.name)
        for site in policy.sites
        for cidr in site.ranges
    ]
    sites = NetworkMap((network, (network.length, name)) for network, name in ranges)
    found: set[str] = set()
    for ip in _current(host):
        packed = pack_ip(ip)
        covering = sites.covering(packed) if packed is not None else ()
        longest = max((length for length, _ in covering), default=0)
        found.update(name for length, name in covering if length == longest)
    return found.pop() if len(found) == 1 else ""


def _current(host: HostRef) -> list[str]:
    times = [seen.last_seen for seen in host.addresses if seen.last_seen is not None]
    if not times:
        return [seen.ip for seen in host.addresses]
    since = max(times) - ADDRESS_TOLERANCE
    return [seen.ip for seen in host.addresses if seen.last_seen is None or seen.last_seen >= since]
