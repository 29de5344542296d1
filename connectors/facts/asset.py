"""What the organisation's own lists say of a machine and of an account. Missing is unknown, never "low".

The names are those of Splunk Enterprise Security's asset and identity framework, whose tables other lists can
be written like: https://help.splunk.com/splunk-enterprise-security-8/administer/8.1/asset-and-identity-management
(priority, category, bunit, owner; watchlist, managedBy).
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.facts.base import Fact

#: The priorities of an asset or identity list, from the lowest to the highest. "unknown" ranks nothing.
PRIORITIES = ("unknown", "informational", "low", "medium", "high", "critical")


def highest_priority(priorities: Iterable[str]) -> str:
    """The highest of the priorities that rank anything, lower case; "" where none does."""
    known = {each.strip().lower() for each in priorities}.intersection(PRIORITIES[1:])
    return max(known, key=PRIORITIES.index, default="")


def category_key(category: str) -> str:
    """A category or tag for comparing: `Domain_Controller` and `domain controller` are one."""
    return category.strip().lower().replace("_", "-").replace(" ", "-")


class AssetFacts(Fact):
    """What an asset list says of the machine.

    Attributes:
        priority: as the list has it, lower or upper case: unknown, informational, low, medium, high,
            critical; "" when the machine has none there.
        categories: roles and groups, such as "jump-host".
        owner: who answers for it; "" if unknown.
        business_unit: "" if unknown.
        source: where it was read, such as "dvc_priority of the notable"; "" if unknown.
        notes: what contradicts it or could not be read, one sentence each; the facts hold what counts.
    """

    priority: str = ""
    categories: tuple[str, ...] = ()
    owner: str = ""
    business_unit: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()


class IdentityFacts(Fact):
    """What an identity list says of the account.

    Attributes:
        account: the account as the list has it; in a case, as the case names it.
        priority: as in AssetFacts.
        categories: such as "privileged" or "domain-admin".
        watched: True when it stands on a watch list; None where the list does not say.
        manager: whom the list names (managedBy); "" if unknown.
        business_unit: "" if unknown.
        source, notes: as in AssetFacts.
    """

    account: str
    priority: str = ""
    categories: tuple[str, ...] = ()
    watched: bool | None = None
    manager: str = ""
    business_unit: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
