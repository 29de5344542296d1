"""`check ip`: which addresses are public, and which registry row says so."""

from __future__ import annotations

from actions.check_ip import check_ip
from actions.ip_facts import IpCheck
from actions.organisation_ranges import NONE, OrganisationRanges
from connectors.errors import InputError
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import pack
from playbooks.hosts.soar.outputs import IpCheckRow, IpCheckSummary
from playbooks.hosts.soar.params import CheckIpParams

#: Addresses of one parameter set at most.
MAX_ADDRESSES = 1000


def answer(params: CheckIpParams, asset: Asset) -> Answer[IpCheckRow, IpCheckSummary]:
    """Judge each address; all or none.

    Raises:
        InputError: no address is given, or one of them is none.
        ConfigError: the policy is wrong.
    """
    given = list(dict.fromkeys(part for each in params.ip.split(",") if (part := each.strip())))
    if not given:
        raise InputError("ip", "names no address", "Give one, or several separated by commas")
    if len(given) > MAX_ADDRESSES:
        raise InputError("ip", f"names {len(given)} addresses, more than {MAX_ADDRESSES}", "Split them")
    organisation = _organisation(asset)
    checks = [check_ip(each, organisation=organisation, field="ip") for each in given]
    summary = IpCheckSummary(
        checked=len(checks),
        public=sum(each.public for each in checks),
        external=sum(each.external for each in checks),
    )
    return Answer([_row(each) for each in checks], summary, _message(checks, summary))


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
