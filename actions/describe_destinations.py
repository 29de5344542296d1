"""The other ends of a case's connections, each with its public check and the names it was asked for by."""

from __future__ import annotations

from collections.abc import Sequence

from actions.case_facts import Destination
from actions.check_ip import check_ip
from actions.organisation_ranges import OrganisationRanges
from connectors.facts.notable import Direction, Notable
from connectors.facts.process import ProcessEvidence


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


def describe_destinations(
    notables: Sequence[Notable], evidence: ProcessEvidence | None, organisation: OrganisationRanges
) -> tuple[Destination, ...]:
    """One destination per peer address of the notables, in their order."""
    ports: dict[str, set[int]] = {}
    for notable in notables:
        if notable.peer_ip is not None:
            ports.setdefault(notable.peer_ip, set()).update(notable.dest_ports)
    if evidence is not None:
        for each in evidence.connections:
            if each.dest_ip in ports and each.dest_port is not None:
                ports[each.dest_ip].add(each.dest_port)
    return tuple(
        Destination(
            ip=ip,
            check=check_ip(ip, organisation=organisation),
            dns_names=_names_of(ip, evidence),
            ports=tuple(sorted(seen)),
        )
        for ip, seen in ports.items()
    )


def _names_of(ip: str, evidence: ProcessEvidence | None) -> tuple[str, ...]:
    """Names the process itself had resolved to this address (EID 22 alone), without repetition."""
    if evidence is None:
        return ()
    return tuple(dict.fromkeys(answer.name for answer in evidence.dns if ip in answer.addresses))
