"""OData filters of the Defender for Endpoint API. Pure.

Which properties can be filtered, `startswith` among the examples:
https://learn.microsoft.com/defender-endpoint/api/exposed-apis-odata-samples
"""

from __future__ import annotations

from connectors.query.odata import literal


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


def actions_of(machine_id: str) -> str:
    """The actions that isolated a machine or released it."""
    return f"machineId eq {literal(machine_id)} and (type eq 'Isolate' or type eq 'Unisolate')"
