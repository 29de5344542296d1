"""The readings of the analytic, as pure rules over CIM fields.

The shipped search leaves out ranges of dest_ip, and its `stats by` drops an event in which a by-field is
missing; connectors/siem/generations.py has both for each generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from actions.check_ip import IpCheck, check_ip
from actions.detection import EscuJudgement, EscuReason, StrictJudgement, StrictReason
from actions.organisation_ranges import OrganisationRanges
from connectors.addresses import canonical_ip
from connectors.siem.generations import VERSION_7, Generation

#: The private ranges of RFC 1918, which is all that the shipped search excludes up to version 7.
RFC1918 = tuple(IPv4Network(prefix) for prefix in VERSION_7.excluded)


def judge_as_escu(
    generation: Generation, *, dest_ip: str | None, absent: Sequence[str], resolved: bool
) -> EscuJudgement:
    """What the shipped SPL does with events of these fields.

    Args:
        generation: of the SPL.
        dest_ip: as logged.
        absent: its by-fields that the events lack.
        resolved: True when Sysmon had lost the process name, which the search cannot find again.
    """
    raised = False
    excluded = excluding_range(generation, dest_ip or "")
    if resolved:
        reason = EscuReason.NAME_NOT_LOGGED
        detail = "Sysmon logged no process name, so process_name= does not match"
    elif absent:
        reason = EscuReason.FIELD_MISSING
        detail = f"stats by drops the event: {', '.join(absent)} missing"
    elif excluded is not None:
        private = any(excluded.subnet_of(each) for each in RFC1918)
        reason = EscuReason.RFC1918 if private else EscuReason.EXCLUDED
        detail = f"dest_ip is in {excluded}, which the search excludes"
    else:
        raised, reason = True, EscuReason.RAISED
        detail = f"dest_ip is outside {_ranges_named(generation)}"
    return EscuJudgement(generation=generation.number, raised=raised, reason=reason, detail=detail)


def excluding_range(generation: Generation, text: str) -> IPv4Network | None:
    """The excluded range that holds the address; a text that is no IPv4 address is in none."""
    try:
        address = IPv4Address(text)
    except ValueError:
        return None
    return next((network for network in _networks(generation.excluded) if address in network), None)


@lru_cache
def _networks(prefixes: tuple[str, ...]) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(prefix) for prefix in prefixes)


def _ranges_named(generation: Generation) -> str:
    if generation.excluded == VERSION_7.excluded:
        return "the three RFC 1918 ranges"
    return f"the {len(generation.excluded)} ranges that version {generation.number} excludes"


def judge_strictly(host: str | None, peer: str | None, organisation: OrganisationRanges) -> StrictJudgement:
    """What the strict reading does with a connection to this peer.

    Args:
        host: the computer; None when the event names none.
        peer: the other end by direction, as logged.
        organisation: the organisation's own ranges.
    """
    ip = canonical_ip(peer) if peer else None
    if ip is None:
        return StrictJudgement(
            raised=False,
            reason=StrictReason.PEER_UNREADABLE,
            category=None,
            detail="the peer's address is missing or is no IP address",
        )
    check = check_ip(ip, organisation=organisation)
    if host is None:
        return StrictJudgement(
            raised=False,
            reason=StrictReason.HOST_MISSING,
            category=check.category,
            detail="the event names no computer",
        )
    reason, detail = _strict_reason(check)
    raised = reason in (StrictReason.PUBLIC, StrictReason.PUBLIC_EMBEDDED)
    return StrictJudgement(raised=raised, reason=reason, category=check.category, detail=detail)


def _strict_reason(check: IpCheck) -> tuple[StrictReason, str]:
    if check.organisation_owned:
        return StrictReason.ORGANISATION_OWNED, f"{check.ip} is in {check.organisation_range}, your own range"
    if check.public:
        return StrictReason.PUBLIC, f"{check.ip} is a public address"
    inner = check.embedded
    if inner is not None and check.external_inside:
        return (
            StrictReason.PUBLIC_EMBEDDED,
            f"{check.ip} carries the public address {inner.ip} ({inner.scheme})",
        )
    row = check.registry_row
    named = f"{row.prefix}, {row.name}" if row is not None else check.category.value
    return StrictReason.NOT_PUBLIC, f"{check.ip} is not public ({named})"
