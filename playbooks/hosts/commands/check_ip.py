"""`check-ip`: the public check of addresses given by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actions.check_ip import IpCheck, check_ip
from actions.organisation_ranges import OrganisationRanges
from connectors.errors import InputError
from playbooks.hosts.terminal_output import write, write_json
from playbooks.settings import load_settings
from playbooks.typed_addresses import as_typed


def run(*, ips: Sequence[str], config: Path | None, as_json: bool) -> None:
    """Check every address; nothing is printed when one of them is wrong.

    Raises:
        InputError: an address is not an IP address.
        ConfigError: the settings are wrong.
    """
    checks = checked(ips, load_settings(config).organisation_ranges)
    if as_json:
        write_json([check.model_dump(mode="json") for check in checks])
        return
    for check in checks:
        write(_line(check))


def checked(ips: Sequence[str], organisation: OrganisationRanges) -> tuple[IpCheck, ...]:
    """The public check of every address, in their order; also of one written as our notes do, `8.8.8[.]8`.

    Raises:
        InputError: one or more are not addresses; all of them are named.
    """
    checks: list[IpCheck] = []
    errors: list[InputError] = []
    for ip in ips:
        try:
            checks.append(check_ip(as_typed(ip), organisation=organisation))
        except InputError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InputError("ip", "; ".join(error.problem for error in errors), errors[0].remedy)
    return tuple(checks)


def _line(check: IpCheck) -> str:
    words = ["public" if check.public else "not public", check.category.value]
    if check.organisation_owned:
        words.append(f"owned by the organisation ({check.organisation_range})")
    row = check.registry_row
    if row is not None:
        words.append(f"{row.prefix} {row.name}, {row.rfc}")
    inner = check.embedded
    if inner is not None:
        state = "public" if inner.public else "not public"
        words.append(f"holds {inner.ip} ({inner.scheme}), {state}")
    if check.note:
        words.append(check.note)
    return f"{check.ip:<40} {'; '.join(words)}"
