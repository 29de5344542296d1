"""How the fields of an asset or identity list are read: from a notable, from Splunk's tables, from a CSV.

Every value may be a multivalue: a list, a JSON text of one, lines, and in a CSV parts between `|`. The field
names are those of https://help.splunk.com/splunk-enterprise-security-8/administer/8.1/asset-and-identity-management
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address, summarize_address_range
from typing import NamedTuple

from connectors.addresses import canonical_ip, shown
from connectors.errors import ConfigError, NotableError
from connectors.facts.asset import PRIORITIES, AssetFacts, IdentityFacts, highest_priority
from connectors.networks import Network, parse_network
from connectors.siem.notable_fields import distinct_ignoring_case, values_of

#: Columns by which a machine, or an account, is found.
ASSET_KEYS = ("asset", "ip", "nt_host", "dns")
IDENTITY_KEYS = ("identity", "email")

#: Columns that are read; a list may have others, such as lat, city or first and last name.
ASSET_COLUMNS = (*ASSET_KEYS, "mac", "owner", "priority", "category", "bunit")
IDENTITY_COLUMNS = (*IDENTITY_KEYS, "priority", "category", "watchlist", "bunit", "managedBy")

#: Characters of one value, and values of one field, at most: longer ones are no name of anything.
MAX_VALUE = 500
MAX_FIELD_VALUES = 200

_YES = frozenset({"true", "1", "yes", "y", "t"})
_NO = frozenset({"false", "0", "no", "n", "f"})

#: The values of a field, by its name in the list.
type Values = Callable[[str], tuple[str, ...]]


class BadRow(ValueError):
    """A row that cannot be used; the text says why, in a few words."""


class AssetRow(NamedTuple):
    """A row of an asset list.

    Attributes:
        names: host names, as the row spells them.
        addresses: canonical text.
        networks: ranges of more than one address.
    """

    facts: AssetFacts
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    networks: tuple[Network, ...]


class IdentityRow(NamedTuple):
    """A row of an identity list.

    Attributes:
        facts: its `account` is the first of `accounts`.
        accounts: as the row spells them.
        emails: addresses of mail, which name an account only where they are equal to it.
    """

    facts: IdentityFacts
    accounts: tuple[str, ...]
    emails: tuple[str, ...]


def texts_of(fields: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The values of a field, each once, in their order; flags as "true" and "false".

    Raises:
        BadRow: it is too large, or holds something that is no text.
    """
    try:
        values, unreadable = values_of(name, fields.get(name))
    except NotableError as error:
        raise BadRow(f"{name} {error.problem}") from error
    if unreadable:
        raise BadRow(f"{name} holds {unreadable}")
    texts = (each if isinstance(each, str) else str(each).lower() for each in values)
    found = distinct_ignoring_case(tuple(texts))
    if len(found) > MAX_FIELD_VALUES:
        raise BadRow(f"{name} has more than {MAX_FIELD_VALUES} values")
    if any(len(each) > MAX_VALUE for each in found):
        raise BadRow(f"{name} has a value of more than {MAX_VALUE} characters")
    return found


def parts_of(row: Mapping[str, str]) -> Values:
    """The values of a row of a CSV, whose multivalues are parts between `|` or on lines of their own."""

    def values(name: str) -> tuple[str, ...]:
        return texts_of({name: [*row.get(name, "").replace("|", "\n").splitlines()]}, name)

    return values


def asset_row(values: Values, source: str) -> AssetRow:
    """A row of an asset list.

    Args:
        values: the row.
        source: what to call it.

    Raises:
        BadRow: it names no machine, or a value is none of its field.
    """
    names: list[str] = []
    addresses: list[str] = []
    networks: list[Network] = []
    for text in dict.fromkeys(each for key in ASSET_KEYS for each in values(key)):
        address = canonical_ip(text)
        if address is not None:
            addresses.append(address)
        elif found := _networks(text):
            networks += found
        else:
            names.append(text)
    if not (names or addresses or networks or values("mac")):
        raise BadRow("it names no machine: asset, ip, nt_host, dns and mac are empty")
    facts = AssetFacts(
        priority=priority_of(values("priority")),
        categories=values("category"),
        owner=", ".join(values("owner")),
        business_unit=", ".join(values("bunit")),
        source=source,
    )
    return AssetRow(facts, tuple(names), tuple(dict.fromkeys(addresses)), tuple(dict.fromkeys(networks)))


def identity_row(values: Values, source: str) -> IdentityRow:
    """A row of an identity list.

    Args:
        values, source: as asset_row.

    Raises:
        BadRow: it names no account, or a value is none of its field.
    """
    accounts, emails = values("identity"), values("email")
    if not (accounts or emails):
        raise BadRow("it names no account: identity and email are empty")
    facts = IdentityFacts(
        account=(accounts or emails)[0],
        priority=priority_of(values("priority")),
        categories=values("category"),
        watched=flag_of("watchlist", values("watchlist")),
        manager=", ".join(values("managedBy")),
        business_unit=", ".join(values("bunit")),
        source=source,
    )
    return IdentityRow(facts, accounts, emails)


def priority_of(values: tuple[str, ...]) -> str:
    """The highest of several priorities, lower case; "" for none.

    Raises:
        BadRow: one of them is none that Enterprise Security knows.
    """
    wrong = next((each for each in values if each.lower() not in PRIORITIES), None)
    if wrong is not None:
        raise BadRow(f"priority {shown(wrong)} is none of {', '.join(PRIORITIES)}")
    return highest_priority(values)


def flag_of(name: str, values: tuple[str, ...]) -> bool | None:
    """True where one of several values says yes; None where none says anything.

    Raises:
        BadRow: one of them is neither yes nor no.
    """
    folded = {each.lower() for each in values}
    if wrong := sorted(folded - _YES - _NO):
        raise BadRow(f"{name} {shown(wrong[0])} is neither true nor false")
    return bool(folded & _YES) if folded else None


def _networks(text: str) -> list[Network]:
    """The ranges that a key is, written as CIDR or as its first and last address; none for a name.

    Raises:
        BadRow: it is written like a range and is none.
    """
    first, dash, last = text.partition("-")
    lowest, highest = canonical_ip(first.strip()), canonical_ip(last.strip())
    try:
        if dash and lowest is not None and highest is not None:
            ends = ip_address(lowest), ip_address(highest)
            return [parse_network(str(each), field="ip") for each in summarize_address_range(*ends)]
        return [parse_network(text, field="ip")] if "/" in text else []
    except ConfigError as error:
        raise BadRow(f"ip {error.problem}") from error
    except (ValueError, TypeError) as error:  # backwards, or of two versions
        raise BadRow(f"ip {shown(text)} is no range") from error
