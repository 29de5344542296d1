"""A safe part of STIX 2.1 patterns: addresses and ranges, joined by OR. Everything else is not evaluated.

`[ipv4-addr:value = '192.0.2.1' OR ipv6-addr:value ISSUBSET '2001:db8::/32']` and such expressions joined by
OR hold as soon as one address is seen, so each stands for itself. With AND, FOLLOWEDBY, qualifiers or other
properties one address proves nothing.
Source: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html (section 9)
"""

from __future__ import annotations

import re

from connectors.addresses import pack_ip
from connectors.errors import ConfigError
from connectors.networks import Network, parse_network

#: Longest pattern that is read, characters.
MAX_PATTERN = 4_096

_TOKEN = re.compile(
    r"\s*(?:(?P<open>\[)|(?P<close>\])|(?P<or>OR)(?![\w-])"
    r"|(?P<family>ipv[46])-addr:value\s*(?P<operator>=|ISSUBSET)\s*'(?P<value>[0-9A-Fa-f:./]{2,49})')"
)


def networks_in(pattern: str) -> tuple[Network, ...] | None:
    """The addresses (as ranges of one) and ranges of a pattern; None when it is not of the part read here."""
    text = pattern.strip()
    if not 0 < len(text) <= MAX_PATTERN:
        return None
    found: list[Network] = []
    inside = wants_value = False
    wants_bracket = True
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return None
        position = token.end()
        match token.lastgroup:
            case "open" if wants_bracket and not inside:
                inside, wants_value, wants_bracket = True, True, False
            case "value" if wants_value:
                network = _network(token["family"], token["operator"], token["value"])
                if network is None:
                    return None
                found.append(network)
                wants_value = False
            case "or" if inside and not wants_value:
                wants_value = True
            case "or" if not inside and not wants_bracket:
                wants_bracket = True
            case "close" if inside and not wants_value:
                inside = False
            case _:
                return None
    return None if inside or wants_bracket else tuple(found)


def _network(family: str, operator: str, value: str) -> Network | None:
    if operator == "=" and pack_ip(value) is None:
        return None  # equality with a range holds for an observed range, not for an address in it
    try:
        network = parse_network(value, field="pattern")
    except ConfigError:
        return None
    return network if family == f"ipv{network.version}" else None
