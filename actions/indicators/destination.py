"""Indicators from the other end of the connections."""

from __future__ import annotations

from actions.case_facts import Destination, DestinationVerdict
from actions.destination_roles import is_sinkhole
from actions.indicators.case_view import CaseView, inbound_only, roles_known
from actions.indicators.finding import Finding, finding, listed
from actions.risk import EvidenceItem
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.notable import Direction


def destination_malicious(view: CaseView) -> Finding | None:
    """A peer that the process called is malicious by reputation."""
    return _by_verdict(view, DestinationVerdict.MALICIOUS, "is malicious by reputation")


def destination_suspicious(view: CaseView) -> Finding | None:
    """A peer that the process called is suspicious by reputation, and none is malicious.

    Only the worst counts: or a case would weigh less when its suspicious peer turns out to be malicious. A
    sinkhole is suspicious because it is one, and that counts by itself.
    """
    if destination_malicious(view) is not None:
        return None
    return _by_verdict(view, DestinationVerdict.SUSPICIOUS, "is suspicious by reputation", sinkholes=False)


def suspicious_shared(view: CaseView) -> Finding | None:
    """A peer has bad reports but is shared by many: they need not be about this traffic."""
    return _by_verdict(
        view, DestinationVerdict.SUSPICIOUS_SHARED, "has bad reports, but many share the address"
    )


def destination_sinkhole(view: CaseView) -> Finding | None:
    """The process called a sinkhole: names that were taken from malware lead there."""
    found = [
        (d, role)
        for d in view.facts.destinations
        if _counts_as_sinkhole(d) and not inbound_only(view.directions, d)
        for role in roles_known(d)
        if role.effect is RoleEffect.PROBABLE_INFECTION
    ]
    if not found:
        return None
    return finding(
        f"Probable infection: it called a sinkhole, {listed(d.ip for d, _ in found)}.",
        [EvidenceItem(text=f"{_role_text(d, role)} Known by {role.source}.") for d, role in found],
    )


def _counts_as_sinkhole(destination: Destination) -> bool:
    # A sinkhole is suspicious at least; known good it is by a person's word alone, who answers for it.
    return destination.verdict is not DestinationVerdict.KNOWN_GOOD_SERVICE and is_sinkhole(
        roles_known(destination)
    )


def _by_verdict(
    view: CaseView, verdict: DestinationVerdict, words: str, *, sinkholes: bool = True
) -> Finding | None:
    # Reports about who calls in are mostly reports about scanners: inbound, reputation is no evidence.
    found = [
        d
        for d in view.facts.destinations
        if d.verdict is verdict
        and not inbound_only(view.directions, d)
        and (sinkholes or not _counts_as_sinkhole(d))
    ]
    if not found:
        return None
    return finding(
        f"The destination {listed(d.ip for d in found)} {words}.",
        [EvidenceItem(text=f"{d.ip}: {d.verdict_reason}") for d in found],
    )


def destination_role(view: CaseView) -> Finding | None:
    """What is publicly known of the destinations."""
    found = [
        (d, role)
        for d in view.facts.destinations
        for role in roles_known(d)
        if role.kind is not RoleKind.PLATFORM_SERVICE
        and role.effect is not RoleEffect.PROBABLE_INFECTION
        and not inbound_only(view.directions, d)
    ]
    if not found:
        return None
    return finding(
        f"Known services among its peers: {listed(f'{d.ip} ({role.label})' for d, role in found)}.",
        [EvidenceItem(text=_role_text(d, role)) for d, role in found],
    )


def _role_text(destination: Destination, role: DestinationRole) -> str:
    known_as = f" as {listed(destination.dns_names)}" if destination.dns_names else ""
    ports = f", port {listed(map(str, destination.ports))}" if destination.ports else ""
    return f"{destination.ip}{known_as}{ports}: {role.label}. {role.reason}"


def destination_not_external(view: CaseView) -> Finding | None:
    """A destination is not public, or is the organisation's own."""
    found = [d for d in view.facts.destinations if not d.check.external and not d.check.external_inside]
    if not found:
        return None
    return finding(
        f"The destination {listed(d.ip for d in found)} is not outside the organisation.",
        [EvidenceItem(text=_why_not_external(d)) for d in found],
    )


def _why_not_external(destination: Destination) -> str:
    check = destination.check
    if check.organisation_owned:
        return f"{destination.ip} lies in the organisation's range {check.organisation_range or 'list'}"
    row = check.registry_row
    registered = f" ({row.name}, {row.rfc})" if row else ""
    return f"{destination.ip} is {check.category.value}{registered}"


def connection_inbound(view: CaseView) -> Finding | None:
    """A peer connected to the process, not the other way round."""
    inbound = [d for d in view.facts.destinations if Direction.INBOUND in view.directions.get(d.ip, ())]
    if not inbound:
        return None
    return finding(
        f"{listed(d.ip for d in inbound)} connected to the process (inbound).",
        [EvidenceItem(text=f"inbound from {d.ip}") for d in inbound],
    )
