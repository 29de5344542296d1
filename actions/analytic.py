"""The two readings of the analytic, as pure rules over CIM fields.

The shipped search: `EventID=3 dest_ip!=10.0.0.0/8 dest_ip!=172.16.0.0/12 dest_ip!=192.168.0.0/16
process_name=regsvcs.exe | stats count min(_time) as firstTime max(_time) as lastTime by dest, user,
process_name, src_ip, dest_ip` (Splunk ESCU, version 7).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from actions.check_ip import IpCheck, check_ip
from actions.detection import EscuJudgement, EscuReason, StrictJudgement, StrictReason
from actions.organisation_ranges import OrganisationRanges
from connectors.addresses import canonical_ip
from connectors.edr.sysmon_cim import CimConnection

#: The ranges the shipped search excludes.
RFC1918 = tuple(IPv4Network(prefix) for prefix in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def judge_as_escu(cim: CimConnection, *, resolved: bool) -> EscuJudgement:
    """What the shipped SPL does with events of these fields.

    Args:
        cim: the by-fields as logged.
        resolved: True when Sysmon had lost the process name, which the search cannot find again.
    """
    if resolved:
        return EscuJudgement(
            raised=False,
            reason=EscuReason.NAME_NOT_LOGGED,
            detail="Sysmon logged no process name, so process_name= does not match",
        )
    absent = cim.absent
    if absent:
        return EscuJudgement(
            raised=False,
            reason=EscuReason.FIELD_MISSING,
            detail=f"stats by drops the event: {', '.join(absent)} missing",
        )
    excluded = _rfc1918(cim.dest_ip or "")
    if excluded is not None:
        return EscuJudgement(
            raised=False,
            reason=EscuReason.RFC1918,
            detail=f"dest_ip is in {excluded}, which the search excludes",
        )
    return EscuJudgement(
        raised=True, reason=EscuReason.RAISED, detail="dest_ip is outside the three RFC 1918 ranges"
    )


def _rfc1918(text: str) -> IPv4Network | None:
    """The excluded range that holds the address; a text that is no IPv4 address is in none."""
    try:
        address = IPv4Address(text)
    except ValueError:
        return None
    return next((network for network in RFC1918 if address in network), None)


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
