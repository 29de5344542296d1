"""`check ip`: which addresses are public, and which registry row says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from actions.check_ip import check_ip
from actions.ip_facts import IpCheck
from actions.organisation_ranges import NONE, OrganisationRanges
from connectors.addresses import shown
from connectors.errors import InputError
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import pack
from playbooks.hosts.soar.outputs import IpCheckRow, IpCheckSummary
from playbooks.hosts.soar.params import CheckIpParams
from playbooks.typed_addresses import as_typed

#: Addresses of one parameter set at most.
MAX_ADDRESSES = 1000

#: Of what could not be judged, named in the message.
_NAMED = 5


def answer(params: CheckIpParams, asset: Asset) -> Answer[IpCheckRow, IpCheckSummary]:
    """Judge each address, also as reports write it so that it is no link: `8.8.8[.]8`, `2001:db8[:]1`.

    What is no address is named in the message; the others are judged.

    Raises:
        InputError: no address is given, or none of what is given is one.
        ConfigError: the policy is wrong.
    """
    checks, unusable = judged_addresses(params.ip, lambda: _organisation(asset), limit=MAX_ADDRESSES)
    summary = IpCheckSummary(
        checked=len(checks),
        public=sum(each.public for each in checks.values()),
        external=sum(each.external for each in checks.values()),
    )
    message = _message(list(checks.values()), summary) + unusable
    return Answer([_row(each) for each in checks.values()], summary, message)


def judged_addresses(
    text: str, organisation: Callable[[], OrganisationRanges], *, limit: int
) -> tuple[Mapping[str, IpCheck], str]:
    """The addresses of a parameter `ip` with their public check, by canonical text in the order given.

    Beside them a sentence on what is no address; "" if nothing.

    Args:
        text: several separated by commas.
        organisation: gives the own ranges; asked once there is an address.
        limit: addresses at most.

    Raises:
        InputError: no address is given, too many are, or none of what is given is one.
    """
    given = list(dict.fromkeys(part for each in text.split(",") if (part := each.strip())))
    if not given:
        raise InputError("ip", "names no address", "Give one, or several separated by commas")
    if len(given) > limit:
        raise InputError("ip", f"names {len(given)} addresses, more than {limit}", "Split them")
    own = organisation()
    checks: dict[str, IpCheck] = {}
    errors: dict[str, InputError] = {}
    for each in given:
        try:
            check = check_ip(as_typed(each), organisation=own, field="ip")
        except InputError as error:
            errors[each] = error
        else:
            checks.setdefault(check.ip, check)
    if not checks:
        raise _none_judged(errors)
    unusable = f" {len(errors)} of {len(given)} could not be judged: {_named(errors)}." if errors else ""
    return checks, unusable


def _none_judged(errors: Mapping[str, InputError]) -> InputError:
    if len(errors) == 1:
        (error,) = errors.values()
        return error
    problem = f"none of {len(errors)} is an IP address: {_named(errors)}"
    return InputError("ip", problem, "Give IPv4 or IPv6; a host name has to be resolved first")


def _named(given: Iterable[str]) -> str:
    every = [shown(each) for each in given]
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _organisation(asset: Asset) -> OrganisationRanges:
    # Reading a policy loads all settings there are; without one there is nothing to read.
    return settings_of(asset).organisation_ranges if asset.policy and asset.policy.strip() else NONE


def _row(check: IpCheck) -> IpCheckRow:
    registry, inside = check.registry_row, check.embedded
    return IpCheckRow(
        ip=check.ip,
        public=check.public,
        external=check.external,
        category=check.category.value,
        registry=f"{registry.prefix} {registry.name}" if registry else "",
        embedded_ip=inside.ip if inside else "",
        embedded_scheme=inside.scheme.value if inside else "",
        note=_note(check),
        facts=pack(check),
    )


def _note(check: IpCheck) -> str:
    own = f"In the organisation's own range {check.organisation_range}." if check.organisation_owned else ""
    return f"{own} {check.note}".strip()


def _message(checks: list[IpCheck], summary: IpCheckSummary) -> str:
    if len(checks) == 1:
        (check,) = checks
        text = f"{check.ip} is {'public' if check.public else 'not public'} ({check.category.value})"
        return f"{text}, and the organisation's own." if check.organisation_owned else f"{text}."
    public = f"{summary.public} of {summary.checked} addresses public"
    return f"{public}, {summary.external} outside the organisation."
