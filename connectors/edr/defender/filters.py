"""OData filters of the Defender for Endpoint API. Pure.

Which properties can be filtered, `startswith` among the examples:
https://learn.microsoft.com/defender-endpoint/api/exposed-apis-odata-samples
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from connectors.query.odata import literal

_ISOLATING = "(type eq 'Isolate' or type eq 'Unisolate')"


def machines_named(hostname: str) -> str:
    """Machines that a name can mean: exactly it, its first label alone, or for a short name any FQDN of it.

    `ws1` asks for `ws1` and `ws1.`..., never for `ws10`; what is answered is compared again.

    Raises:
        InputError: the name holds what no filter can.
    """
    name = hostname.strip().rstrip(".").lower()
    if "." in name:
        short = name.partition(".")[0]
        return f"computerDnsName eq {literal(name)} or computerDnsName eq {literal(short)}"
    return f"computerDnsName eq {literal(name)} or startswith(computerDnsName,{literal(f'{name}.')})"


def machines_with_ids(machine_ids: Iterable[str]) -> str:
    """The machines with these ids.

    Raises:
        InputError: an id holds what no filter can.
    """
    return " or ".join(f"id eq {literal(each)}" for each in machine_ids)


def actions_since(moment: datetime) -> str:
    """The actions that isolated any machine or released it, and were asked for after an instant."""
    return f"creationDateTimeUtc gt {moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} and {_ISOLATING}"


def actions_of(machine_id: str) -> str:
    """The actions that isolated a machine or released it."""
    return f"machineId eq {literal(machine_id)} and {_ISOLATING}"
