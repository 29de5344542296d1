"""The ranges an organisation owns, public ones included, as its settings name them."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.addresses import shown
from connectors.errors import ConfigError
from connectors.networks import Network, NetworkMap, parse_network

#: What the ranges are called in an error, unless the caller knows a better name.
FIELD = "organisation.ranges"

_UNWRAPPED = (parse_network("::ffff:0:0/96", field=FIELD), parse_network("64:ff9b::/96", field=FIELD))


class OrganisationRanges:
    """Ranges of the organisation; built once from the settings and then only read."""

    __slots__ = ("_ranges",)

    def __init__(self, entries: Iterable[str] = (), *, field: str = FIELD) -> None:
        """Compile the ranges.

        Args:
            entries: ranges in CIDR notation, IPv4 and IPv6 mixed, or single addresses.
            field: what to call the setting in an error.

        Raises:
            ConfigError: an entry is not a range; or it holds every address, which would call the whole
                internet our own; or it can never match, because the IPv4 inside is what is judged.
        """
        networks = [_usable(entry, field=field) for entry in entries]
        self._ranges = NetworkMap((network, network.text) for network in networks)

    def holding(self, packed: bytes) -> str | None:
        """Return the smallest range that holds the address (as `pack_ip` gives it); None if none does."""
        return self._ranges.longest(packed)


def _usable(entry: str, *, field: str) -> Network:
    network = parse_network(entry, field=field)
    if network.length == 0:
        raise ConfigError(
            field, f"{shown(entry)} covers every address", "List only ranges that the organisation owns"
        )
    if any(
        network.version == 6 and network.length >= 96 and outer.packed <= network.packed <= outer.last
        for outer in _UNWRAPPED
    ):
        raise ConfigError(field, f"{shown(entry)} is IPv4 written as IPv6", "List the IPv4 range instead")
    return network


#: No ranges known: nothing counts as the organisation's own.
NONE = OrganisationRanges()
