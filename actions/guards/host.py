"""Guards about the machine: is it exactly the right one, and may it be isolated at all?"""

from __future__ import annotations

from fnmatch import fnmatchcase

from actions.guards.question import Answer, Question, passed, refused, unknown
from actions.host_addresses import ADDRESS_TOLERANCE, Holding, own_address
from actions.isolation import GuardOutcome
from actions.isolation_policy import ALWAYS_PROTECTED_TAGS
from actions.listed_facts import host_type_of
from actions.locate_machine import FoundBy
from connectors.addresses import pack_ip
from connectors.facts.asset import category_key
from connectors.facts.host import HostRef, HostType, same_host_name, short_name
from connectors.facts.notable import Notable
from connectors.networks import NetworkMap, parse_network


def one_host(q: Question) -> Answer:
    """Exactly one machine fits, and everything names the same one."""
    limit = "exactly one host, named alike everywhere"
    if len(q.request.host_candidates) > 1:
        names = ", ".join(sorted(q.request.host_candidates))
        return refused(names, limit, f"{len(q.request.host_candidates)} machines fit: {names}.")
    if q.host is None:
        return unknown(limit, "The host was not resolved to a machine.")
    strangers = sorted(_other_names(q, q.host))
    if strangers:
        names = ", ".join(strangers)
        return refused(names, limit, f"{q.host.hostname} was resolved, but the case also names {names}.")
    if _is_doubtful(q) and not _connection_seen(q):
        return unknown(
            limit,
            "The notable does not name its machine for certain, and its connection was not seen on this one.",
            value=q.host.hostname,
        )
    if q.request.connector and q.host.connector != q.request.connector:
        return unknown(
            limit,
            f"{q.request.connector} has not resolved the host; its name comes from {q.host.connector} alone.",
            value=q.host.hostname,
        )
    return passed(q.host.hostname, limit, f"{q.host.hostname} ({q.host.host_id}) is the only host that fits.")


#: Ways to a machine that another one may share: its address, and a name that may be the peer's.
_UNNAMED = frozenset({FoundBy.ADDRESS, FoundBy.DEST})


def _is_doubtful(q: Question) -> bool:
    """Whether the machine became known in a way that may lead to another one."""
    facts = q.request.facts
    by_name = facts.found_by in (None, FoundBy.NAME)
    return facts.found_by in _UNNAMED or (by_name and any(n.machine_doubtful for n in facts.notables))


def _connection_seen(q: Question) -> bool:
    """Whether the process had a connection with a peer of the notables on this machine."""
    evidence = q.request.facts.evidence
    peers = {n.peer_ip for n in q.request.facts.notables}
    return evidence is not None and any(
        (each.src_ip if each.initiated is False else each.dest_ip) in peers for each in evidence.connections
    )


def _other_names(q: Question, host: HostRef) -> set[str]:
    """Names in the case that are not this host's."""
    names = {name for n in q.request.facts.notables for name in (n.dest, *n.other_dests) if name}
    strangers = {name for name in names if not _is_name_of(name, host)}
    seen_as = q.request.facts.host
    if seen_as is not None and not same_host_name(seen_as.hostname, host.hostname):
        strangers.add(seen_as.hostname)
    elif seen_as is not None and seen_as.connector == host.connector and seen_as.host_id != host.host_id:
        strangers.add(f"{seen_as.hostname} ({seen_as.host_id})")
    return strangers


def _is_name_of(name: str, host: HostRef) -> bool:
    if pack_ip(name) is not None:
        return any(seen.ip == name for seen in host.addresses)
    return same_host_name(name, host.hostname)


def address_belongs(q: Question) -> Answer:
    """The source address of each notable was this agent's at that time."""
    limit = f"the agent's own address at the time, within {ADDRESS_TOLERANCE.seconds // 60} min"
    answers = [_address_of(q, notable, limit) for notable in q.request.facts.notables]
    worst = (GuardOutcome.REFUSE, GuardOutcome.UNKNOWN, GuardOutcome.PASS)
    return min(answers, key=lambda a: (worst.index(a.outcome), a.value, a.detail))


def _address_of(q: Question, notable: Notable, limit: str) -> Answer:
    own, holding = own_address(q.host, notable)
    if not own:
        return unknown(limit, "The notable does not name the host's own address.")
    if q.host is None or holding is Holding.NOT_KNOWN:
        return unknown(limit, f"The addresses of the host are not known; the notable says {own}.", value=own)
    name = q.host.hostname
    match holding:
        case Holding.HELD:
            return passed(own, limit, f"{name} had {own} at that time.")
        case Holding.NOT_ITS_OWN:
            return refused(own, limit, f"{own} is not an address of {name}.")
        case Holding.AT_ANOTHER_TIME:
            return refused(own, limit, f"{name} had {own} at another time.")
    return unknown(limit, f"When {name} had {own} is not known.", value=own)


def host_type(q: Question) -> Answer:
    """Only workstations; everything else is handed to a person."""
    limit = HostType.WORKSTATION.value
    kind = host_type_of(q.host, q.request.asset)
    if q.host is None or kind is HostType.UNKNOWN:
        return unknown(limit, "Its type is not known.")
    said = " by the asset list" if kind is not q.host.host_type else ""
    name = q.host.hostname
    if kind is not HostType.WORKSTATION:
        return refused(
            kind.value, limit, f"{name} is a {kind.value.replace('_', ' ')}{said}: a person decides."
        )
    return passed(kind.value, limit, f"{name} is a workstation{said}.")


def not_protected(q: Question) -> Answer:
    """Not protected by name, pattern, address or tag."""
    limit = "not protected"
    host, protected = q.host, q.policy.protected
    if host is None:
        return unknown(limit, "The host was not resolved.")
    reasons = [f"name {name}" for name in protected.names if same_host_name(name, host.hostname)]
    reasons += [f"pattern {glob}" for glob in protected.globs if _fits(glob, host.hostname)]
    reasons += [f"tag {tag}" for tag in _protecting_tags(q, host)]
    reasons += [f"address {ip}" for ip in _protected_addresses(q, host)]
    if reasons:
        value = ", ".join(sorted(reasons))
        return refused(value, limit, f"{host.hostname} is protected by {value}: a person decides.")
    if protected.ranges and not _addresses(q, host):
        return unknown(limit, "No address of the host is known, and ranges are protected.")
    return passed("not listed", limit, f"{host.hostname} is not on any list of protected hosts.")


def _fits(glob: str, hostname: str) -> bool:
    pattern = glob.lower()
    return any(fnmatchcase(name, pattern) for name in (hostname.lower().rstrip("."), short_name(hostname)))


def _protecting_tags(q: Question, host: HostRef) -> set[str]:
    wanted = {category_key(tag) for tag in (*ALWAYS_PROTECTED_TAGS, *q.policy.protected.tags)}
    asset = q.request.asset
    carried = (*host.tags, *(asset.categories if asset else ()))
    return {tag for tag in carried if {category_key(tag), category_key(_last_part(tag))} & wanted}


def _last_part(tag: str) -> str:
    """Vendors prefix tags with their group: `FalconGroupingTags/jump-host`."""
    return tag.replace(":", "/").rpartition("/")[2]


def _addresses(q: Question, host: HostRef) -> set[str]:
    own = {own_address(host, notable).ip for notable in q.request.facts.notables}
    return {seen.ip for seen in host.addresses} | {ip for ip in own if ip}


def _protected_addresses(q: Question, host: HostRef) -> list[str]:
    ranges = NetworkMap(
        (parse_network(cidr, field="protected.ranges"), cidr) for cidr in q.policy.protected.ranges
    )
    packed = ((ip, pack_ip(ip)) for ip in sorted(_addresses(q, host)))
    return [ip for ip, address in packed if address is not None and ranges.covering(address)]


def asset_priority(q: Question) -> Answer:
    """Not an asset of a protected priority."""
    protected = q.policy.protected
    wanted = {priority.lower() for priority in protected.priorities}
    limit = f"not {' or '.join(sorted(wanted))}" if wanted else "not used"
    priority = q.request.asset.priority.strip().lower() if q.request.asset else ""
    if not wanted:
        return passed(priority or "unknown", limit, "The policy does not use asset priorities.")
    if priority in wanted:
        return refused(priority, limit, f"The asset list ranks the host {priority}: a person decides.")
    if priority in ("", "unknown") and q.request.facts.lists_not_read:
        return unknown(limit, "An asset list could not be read, so whether it ranks the host is not known.")
    if priority in ("", "unknown"):
        if protected.allow_unknown_priority:
            return passed("unknown", limit, "The asset list does not rank the host; the policy allows that.")
        return unknown(limit, "No asset list ranks the host.")
    return passed(priority, limit, f"The asset list ranks the host {priority}.")
