"""The other ends of a case's connections, each with its public check and the names it was asked for by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actions.case_facts import Destination
from actions.check_ip import IpCheck, check_ip
from actions.organisation_ranges import OrganisationRanges
from connectors.addresses import canonical_ip
from connectors.facts.notable import Direction, Notable
from connectors.facts.process import Lineage, ProcessEvidence

_NO_CHECKS: Mapping[str, IpCheck] = {}


def with_direction(notable: Notable, evidence: ProcessEvidence | None) -> Notable:
    """The notable with its direction taken from the process's own connections, where it does not say.

    The analytic has no Initiated test, so only telemetry can tell an inbound connection.
    """
    if notable.direction is not Direction.UNKNOWN or evidence is None:
        return notable
    ways = {
        each.initiated
        for each in evidence.connections
        if each.dest_ip == notable.dest_ip and (notable.src_ip is None or each.src_ip == notable.src_ip)
    }
    if ways == {True}:
        return notable.model_copy(update={"direction": Direction.OUTBOUND})
    if ways == {False}:
        return notable.model_copy(update={"direction": Direction.INBOUND})
    return notable


def with_user(notable: Notable, lineage: Lineage | None) -> Notable:
    """The notable with the user of its process, where it names none itself; a note says so."""
    if notable.user or lineage is None or not lineage.target.user:
        return notable
    return notable.model_copy(
        update={
            "user": lineage.target.user,
            "missing": tuple(each for each in notable.missing if each.field != "user"),
            "notes": (*notable.notes, "the user is taken from the process's own record"),
        }
    )


def describe_destinations(
    notables: Sequence[Notable],
    evidence: ProcessEvidence | None,
    organisation: OrganisationRanges,
    *,
    checks: Mapping[str, IpCheck] = _NO_CHECKS,
) -> tuple[Destination, ...]:
    """One destination per peer of the notables, in their order, then per external peer that was seen.

    A notable names one address; the process's other connections out of the organisation belong to the case
    as well. Its internal peers do not: they stay in the evidence.

    Args:
        notables, evidence: where the peers are taken from.
        organisation: its own ranges.
        checks: public checks already made, by canonical address; the others are made here.
    """
    ports: dict[str, set[int]] = {}
    for notable in notables:
        if notable.peer_ip is not None:
            # Inbound dest_port is the machine's own.
            own = notable.direction is Direction.INBOUND
            ports.setdefault(notable.peer_ip, set()).update(() if own else notable.dest_ports)
    if evidence is not None:
        for each in evidence.connections:
            if each.dest_ip in ports and each.dest_port is not None:
                ports[each.dest_ip].add(each.dest_port)
        for each in evidence.connections:
            peer = each.src_ip if each.initiated is False else each.dest_ip
            if peer not in ports and _is_external(peer, organisation):
                ports[peer] = set() if each.initiated is False or each.dest_port is None else {each.dest_port}
    return tuple(
        Destination(
            ip=ip,
            check=checks.get(ip) or check_ip(ip, organisation=organisation),
            dns_names=_names_of(ip, evidence),
            ports=tuple(sorted(seen)),
        )
        for ip, seen in ports.items()
    )


def _is_external(text: str, organisation: OrganisationRanges) -> bool:
    ip = canonical_ip(text)
    if ip is None:
        return False
    check = check_ip(ip, organisation=organisation)
    return check.external or check.external_inside


def _names_of(ip: str, evidence: ProcessEvidence | None) -> tuple[str, ...]:
    """Names the process itself had resolved to this address (EID 22 alone), without repetition."""
    if evidence is None:
        return ()
    return tuple(dict.fromkeys(answer.name for answer in evidence.dns if ip in answer.addresses))
