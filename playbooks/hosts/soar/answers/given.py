"""From parameters to facts: notables, isolation mode, and what telemetry gives for the notables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from soar_sdk.abstract import SOARClient

from actions.isolation import IsolationMode
from actions.profile import Profile
from connectors.addresses import parse_ip
from connectors.errors import ConnectorError, InputError
from connectors.siem.notable import ParsedInput, notables_from_object, parse_notables
from playbooks.case_findings import CaseFindings
from playbooks.hosts.soar import sources
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.params import AUTO, CallerMode, LineageParams
from playbooks.profiles import of_profiles
from playbooks.settings import Settings


def notables_of(
    text: str, settings: Settings, *, field: str = "notable", profiles: Sequence[Profile] | None = None
) -> ParsedInput:
    """The notables in a parameter; with profiles, only those of programs that one of them names.

    Raises:
        InputError: it holds none that can be used; the first problem is named.
    """
    try:
        return usable(parse_notables(text, settings=settings.notable), profiles=profiles)
    except InputError as error:
        if error.field == field:
            raise
        raise InputError(field, f"{error.field}: {error.problem}", error.remedy) from error


def usable(parsed: ParsedInput, *, profiles: Sequence[Profile] | None = None) -> ParsedInput:
    """The same, if it holds a notable; with profiles, only those of programs that one of them names.

    Raises:
        InputError: it holds none; the first problem is named.
    """
    if profiles is not None:
        parsed = of_profiles(parsed, profiles)
    if parsed.notables:
        return parsed
    if parsed.rejected:
        raise parsed.rejected[0].error
    raise InputError("notable", "holds no notable", "Give the notable's fields as JSON")


def asked_for(params: LineageParams, settings: Settings) -> ParsedInput:
    """The notables that a lineage is wanted for: those given, else one made of the single parameters.

    Raises:
        InputError: neither is given, or they cannot be used.
    """
    if params.notable:
        return notables_of(params.notable, settings)
    if not params.host:
        raise InputError("host", "neither notable nor host is given", "Give one of them")
    addresses = [part for each in (params.ip or "").split(",") if (part := each.strip())]
    fields = {
        "dvc": params.host,
        "process_name": params.process_name,
        "user": params.user or "",
        "dest_ip": [parse_ip(each, field="ip").text for each in addresses],
    }
    return usable(notables_from_object(fields, settings=settings.notable))


def mode_of(text: str, *, auto: bool = False) -> IsolationMode:
    """The isolation mode a caller allows.

    Args:
        text: as it was given.
        auto: whether the caller may leave it all to the policy.

    Raises:
        InputError: it is none that a caller may allow.
    """
    modes = [*CallerMode, AUTO] if auto else [*CallerMode]
    if text not in modes:
        raise InputError("caller_mode", "is no mode", f"Use one of {', '.join(modes)}")
    return IsolationMode(text)


def gathered(
    asset: Asset, soar: SOARClient[Any], parsed: ParsedInput, settings: Settings, vault_id: str | None
) -> tuple[CaseFindings, ...]:
    """What telemetry gives for the notables, one a case. A source that answers for some cases is enough.

    Raises:
        InputError: there is no source, or its logs cannot be read.
        ConnectorError: the source answered for no case.
    """
    with ExitStack() as until:
        edr = sources.edr_for(asset, soar, parsed.notables, settings, until=until, vault_id=vault_id)
        found = sources.gathered_from(edr, parsed.notables, settings)
    if all(each.failed for each in found):
        raise ConnectorError(edr.name, _reasons(edr.name, found))
    return found


def _reasons(source: str, found: Sequence[CaseFindings]) -> str:
    reasons = dict.fromkeys(
        problem.why.removeprefix(f"{source}: ") for each in found for problem in each.problems
    )
    return "; ".join(reasons) or "did not answer"
