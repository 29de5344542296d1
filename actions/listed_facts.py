"""What the organisation's lists say of a case's machine and of its users, from all sources together. Pure.

A notable's own enrichment comes first, then the lists in their order. What one lacks another gives, and the
source says from where. Where two contradict each other in a priority the higher one counts, since that is the
safe side, and both are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from actions.case_facts import CaseFacts, Unknown
from actions.case_users import users_of
from actions.host_addresses import Holding, own_address
from connectors.addresses import canonical_ip
from connectors.facts.account import has_domain, same_account
from connectors.facts.asset import AssetFacts, IdentityFacts, category_key, highest_priority
from connectors.facts.host import HostRef, HostType, same_host_name
from connectors.facts.notable import Direction, Notable
from connectors.ports import Listed, ListedAsset

#: Nobody was asked.
NOTHING_LISTED = Listed({}, {})

#: Categories that tell what kind of machine it is, compared by category_key. Any other one tells nothing.
HOST_TYPES = {
    "workstation": HostType.WORKSTATION,
    "server": HostType.SERVER,
    "domain-controller": HostType.DOMAIN_CONTROLLER,
}

#: From the kind that may be isolated to those that a person decides about.
_STRICTNESS = (HostType.UNKNOWN, HostType.WORKSTATION, HostType.SERVER, HostType.DOMAIN_CONTROLLER)

#: Categories of accounts with rights over many machines, compared by category_key, and what they are called.
PRIVILEGED = {
    "privileged": "a privileged account",
    "administrator": "an administrator",
    "domain-admin": "a domain administrator",
    "domain-admins": "a domain administrator",
    "domain-administrator": "a domain administrator",
    "enterprise-admin": "an enterprise administrator",
    "enterprise-admins": "an enterprise administrator",
    "schema-admins": "a schema administrator",
}

#: Accounts of the system itself: no list of people has them.
_SYSTEM_DOMAINS = frozenset(
    {"nt authority", "nt service", "window manager", "font driver host", "iis apppool"}
)
_SYSTEM_NAMES = frozenset({"system", "local service", "network service"})

_HIGHEST = "critical"


def host_names(notables: Sequence[Notable], host: HostRef | None) -> tuple[str, ...]:
    """The names of a case's machine, each once."""
    names = [host.hostname] if host is not None else []
    names += [each.dest for each in notables]
    return tuple(dict.fromkeys(name for name in names if name and canonical_ip(name) is None))


def own_addresses(notables: Sequence[Notable], host: HostRef | None) -> tuple[str, ...]:
    """The addresses that were the machine's own, each once; never one that may be the peer's.

    Of a connection whose direction is not known only telemetry tells which end the machine was.
    """
    found: dict[str, None] = {}
    for notable in notables:
        own = own_address(host, notable)
        known = own.holding is Holding.HELD
        told = notable.direction is not Direction.UNKNOWN and own.holding is Holding.NOT_KNOWN
        if own.ip and (known or told):
            found.setdefault(own.ip)
    return tuple(found)


def people(users: Iterable[str]) -> tuple[str, ...]:
    """The users without accounts of the system or of machines, each once."""
    return tuple(dict.fromkeys(user for user in users if not _is_system(user)))


def with_listed(facts: CaseFacts, listed: Listed) -> CaseFacts:
    """The case with what its notables and the lists say of its machine and users.

    Args:
        facts: its notables with their direction, as far as it is known.
        listed: what the lists say.
    """
    return facts.model_copy(
        update={
            "asset": _asset(facts, listed),
            "identities": tuple(_identities(facts, listed)),
            "lists_not_read": _not_read(listed),
        }
    )


def _asset(facts: CaseFacts, listed: Listed) -> AssetFacts | None:
    """What is known of the machine.

    A row found by name or address counts before one of a range; a row that is found by an address and names
    another machine is not this one's.
    """
    names = host_names(facts.notables, facts.host)
    by_name = [row for name in names for row in listed.assets.get(name, ())]
    addressed = [
        row
        for ip in own_addresses(facts.notables, facts.host)
        for row in listed.assets.get(ip, ())
        if not row.names or not names or _names_it(row, names)
    ]
    exact = [*by_name, *(row for row in addressed if not row.by_network)]
    own = [each.asset for each in facts.notables if each.asset is not None]
    return merged_asset([*own, *(row.facts for row in exact or addressed)])


def _identities(facts: CaseFacts, listed: Listed) -> Iterator[IdentityFacts]:
    """What is known of the users, in the case's order; nothing of those of whom nothing is known."""
    for user in people(users_of(facts).all):
        own = [
            each.identity
            for each in facts.notables
            if each.identity is not None and same_account(each.identity.account, user)
        ]
        found = merged_identity(user, [*own, *listed.identities.get(user, ())])
        if found is not None:
            yield found


def merged_asset(found: Sequence[AssetFacts]) -> AssetFacts | None:
    """Several sources' word on one machine as one; None of none."""
    found = tuple(dict.fromkeys(found))
    if len(found) < 2:
        return next(iter(found), None)
    return AssetFacts(
        priority=highest_priority(each.priority for each in found),
        categories=_categories(each.categories for each in found),
        owner=_first(each.owner for each in found),
        business_unit=_first(each.business_unit for each in found),
        source=_sources(each.source for each in found),
        notes=_notes(
            [each.notes for each in found],
            _contradiction(
                "priority", [(each.source, each.priority) for each in found], "; the highest counts"
            ),
            _contradiction("owner", [(each.source, each.owner) for each in found], ""),
        ),
    )


def merged_identity(account: str, found: Sequence[IdentityFacts]) -> IdentityFacts | None:
    """Several sources' word on one account as one; None of none.

    Args:
        account: as the case names it.
        found: of each source.
    """
    found = tuple(dict.fromkeys(found))
    if not found:
        return None
    watched = {each.watched for each in found} - {None}
    ambiguous = {each.account.casefold() for each in found if has_domain(each.account)}
    several = () if has_domain(account) or len(ambiguous) < 2 else (", ".join(sorted(ambiguous)),)
    return IdentityFacts(
        account=account,
        priority=highest_priority(each.priority for each in found),
        categories=_categories(each.categories for each in found),
        watched=True in watched if watched else None,
        manager=_first(each.manager for each in found),
        business_unit=_first(each.business_unit for each in found),
        source=_sources(each.source for each in found),
        notes=_notes(
            [each.notes for each in found],
            _contradiction(
                "priority", [(each.source, each.priority) for each in found], "; the highest counts"
            ),
            *(f"Several accounts of the list may be meant: {each}." for each in several),
        ),
    )


def host_type_of(host: HostRef | None, asset: AssetFacts | None) -> HostType:
    """The kind of machine: as its source of telemetry says, or stricter where the asset list says so.

    A list alone makes it a workstation only by exactly that category; where list and telemetry contradict
    each other, the kind that is not isolated by itself holds.
    """
    told = host.host_type if host is not None else HostType.UNKNOWN
    of_list = listed_type(asset)
    return max(told, of_list, key=_STRICTNESS.index)


def listed_type(asset: AssetFacts | None) -> HostType:
    """The kind of machine by the asset list's categories alone, the strictest of several."""
    categories = asset.categories if asset is not None else ()
    kinds = (HOST_TYPES.get(category_key(each), HostType.UNKNOWN) for each in categories)
    return max(kinds, key=_STRICTNESS.index, default=HostType.UNKNOWN)


def is_critical(asset: AssetFacts | None) -> bool:
    """Whether a list ranks the machine as critical."""
    return asset is not None and highest_priority((asset.priority,)) == _HIGHEST


def standing_of(identity: IdentityFacts) -> tuple[str, ...]:
    """Why an account matters more than others, in a few words each; empty where the lists do not say so."""
    words = [PRIVILEGED[key] for each in identity.categories if (key := category_key(each)) in PRIVILEGED]
    if identity.watched:
        words.append("on a watch list")
    if highest_priority((identity.priority,)) == _HIGHEST:
        words.append("ranked critical")
    return tuple(dict.fromkeys(words))


def _not_read(listed: Listed) -> tuple[Unknown, ...]:
    """What could not be looked at, as things not known."""
    return tuple(
        Unknown(what=f"what stands in {each.what}", why=each.why.rstrip("."), remedy=each.remedy)
        for each in dict.fromkeys(listed.not_read)
    )


def _is_system(user: str) -> bool:
    domain, backslash, account = user.strip().casefold().rpartition("\\")
    return account.endswith("$") or domain in _SYSTEM_DOMAINS or (not backslash and account in _SYSTEM_NAMES)


def _names_it(row: ListedAsset, names: Sequence[str]) -> bool:
    return any(same_host_name(one, other) for one in row.names for other in names)


def _first(values: Iterable[str]) -> str:
    return next((each for each in values if each), "")


def _categories(found: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    by_key: dict[str, str] = {}
    for categories in found:
        for each in categories:
            by_key.setdefault(category_key(each), each)
    return tuple(by_key.values())


def _sources(found: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(each for each in found if each))


def _contradiction(what: str, said: Sequence[tuple[str, str]], counts: str) -> str:
    """A sentence where sources contradict each other; "" where they do not."""
    by_value: dict[str, str] = {}
    for source, value in said:
        if value:
            by_value.setdefault(value.casefold(), f"{value} by {source or 'a list'}")
    return f"The {what} is {', '.join(by_value.values())}{counts}." if len(by_value) > 1 else ""


def _notes(found: Iterable[tuple[str, ...]], *more: str) -> tuple[str, ...]:
    every = [*(note for notes in found for note in notes), *more]
    return tuple(dict.fromkeys(each for each in every if each))
