"""What the organisation's own lists say of a machine and of an account. Missing is unknown, never "low".

The names are those of Splunk Enterprise Security's asset and identity framework, whose tables other lists can
be written like: https://help.splunk.com/splunk-enterprise-security-8/administer/8.1/asset-and-identity-management
(priority, category, bunit, owner; watchlist, managedBy).
"""

from __future__ import annotations

from connectors.facts.base import Fact


class AssetFacts(Fact):
    """What an asset list says of the machine.

    Attributes:
        priority: as the list has it, lower or upper case: unknown, informational, low, medium, high,
            critical; "" when the machine has none there.
        categories: roles and groups, such as "jump-host".
        owner: who answers for it; "" if unknown.
        business_unit: "" if unknown.
        source: where it was read, such as "dvc_priority of the notable"; "" if unknown.
    """

    priority: str = ""
    categories: tuple[str, ...] = ()
    owner: str = ""
    business_unit: str = ""
    source: str = ""


class IdentityFacts(Fact):
    """What an identity list says of the account.

    Attributes:
        account: the account as the list has it.
        priority: as in AssetFacts.
        categories: such as "privileged" or "domain-admin".
        watched: True when it stands on a watch list; None where the list does not say.
        manager: whom the list names (managedBy); "" if unknown.
        business_unit: "" if unknown.
        source: as in AssetFacts.
    """

    account: str
    priority: str = ""
    categories: tuple[str, ...] = ()
    watched: bool | None = None
    manager: str = ""
    business_unit: str = ""
    source: str = ""
