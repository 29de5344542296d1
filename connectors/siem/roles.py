"""Who of the two ends of a notable is the machine, and who the peer. Pure.

What a notable calls `dest` depends on the add-on that names the fields of Sysmon's events: the computer, or,
with the add-on that Splunk supports, the remote peer (generations.py). So `dest` is taken for the machine
only where something shows that it is. What names the machine, best first:

1. the computer's own fields (`dvc`, `Computer`; `deviceHostname` where no shown `dest` contradicts it);
2. `src` as a name where the connection is outbound, `dest` where it is inbound;
3. `dest`, where version 2 of the analytic made it of Computer, where the user stands with a domain (the
   supported add-on gives none), or where it is an address other than dest_ip;
4. `orig_host`, which may be a collector.

Where none of these speaks, the machine is untold, and telemetry has to say (actions/locate_machine.py). Two
of one rank that disagree are both named. The peer is never the machine: neither its address nor its reverse
name, which whoever owns the address chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.facts.account import has_domain
from connectors.facts.host import same_host_name, short_name
from connectors.facts.notable import DestMeaning, Direction


class Named(NamedTuple):
    """Names (or addresses) of one rank, and the field they were read from."""

    field: str = ""
    texts: tuple[str, ...] = ()


class Ends(NamedTuple):
    """What a notable says of both ends. Names look like host names; addresses are canonical.

    Attributes:
        computer: the computer's own fields.
        device: CEF's deviceHostname: the computer, or a collector's name for itself.
        source: names of the source end.
        dest: `dest`, or what stands for it; names and addresses.
        peer: names of the destination end that are no `dest`.
        collector: the host that the event came from.
        src_ip, dest_ips: addresses of both ends as the events have them.
        direction: who opened the connection.
        user: as given.
        computer_is_dest: the analytic made `dest` of the event's Computer (version 2).
    """

    computer: Named = Named()
    device: Named = Named()
    source: Named = Named()
    dest: Named = Named()
    peer: Named = Named()
    collector: Named = Named()
    src_ip: str | None = None
    dest_ips: tuple[str, ...] = ()
    direction: Direction = Direction.UNKNOWN
    user: str = ""
    computer_is_dest: bool = False


class Roles(NamedTuple):
    """Who is who.

    Attributes:
        machine: its name, or an address of its own; "" where the notable does not tell.
        others: further machines of the same rank; the machine is ambiguous where there are any.
        field: what `machine` was read from.
        dest_meaning: what `dest` is.
        peer_names: names of the peer.
        enriched: the fields whose enrichment by the SIEM is the machine's: never one that may hold the peer.
        doubtful: True where only the user's domain shows that `dest` is the machine.
    """

    machine: str = ""
    others: tuple[str, ...] = ()
    field: str = ""
    dest_meaning: DestMeaning = DestMeaning.UNTOLD
    peer_names: tuple[str, ...] = ()
    enriched: tuple[str, ...] = ()
    doubtful: bool = False


def roles_of(ends: Ends) -> Roles:
    """The machine and the peer of a notable."""
    inbound = ends.direction is Direction.INBOUND
    named = ends.computer if ends.computer.texts else _device_of(ends)
    if not named.texts and ends.direction is Direction.OUTBOUND:
        named = ends.source
    meaning = _meaning_of_dest(ends, named)
    doubtful = False
    if not named.texts and meaning is DestMeaning.MACHINE:
        named = Named(ends.dest.field, _names(ends.dest.texts))
        doubtful = not inbound and not ends.computer_is_dest
    if not named.texts and meaning is DestMeaning.UNTOLD and not ends.dest.texts:
        named = ends.collector
    hosts = different_hosts(named.texts)
    far = [*(ends.source.texts if inbound else ends.peer.texts if _is_far(ends) else ())]
    if meaning is DestMeaning.PEER:
        far += _names(ends.dest.texts)
    elif meaning is DestMeaning.UNTOLD:
        far = [text for text in far if not _any_same((text,), ends.dest.texts)]
    return Roles(
        machine=hosts[0] if hosts else "",
        others=hosts[1:],
        field=named.field if hosts else "",
        dest_meaning=meaning,
        peer_names=tuple(text for text in dict.fromkeys(far) if not _any_same((text,), hosts)),
        enriched=_enriched(ends, hosts, meaning),
        doubtful=doubtful and bool(hosts),
    )


def _enriched(ends: Ends, hosts: Sequence[str], meaning: DestMeaning) -> tuple[str, ...]:
    """The fields of the machine; `dest` where it is the machine to the letter, which a short name is not."""
    if len(hosts) > 1:
        return ()
    fields = ["dvc"]
    if meaning is DestMeaning.MACHINE and hosts:
        fields += ["dest"] if {_plain(text) for text in ends.dest.texts} == {_plain(hosts[0])} else []
    fields += ["src"] if ends.direction is Direction.OUTBOUND else []
    return tuple(fields)


def different_hosts(names: Sequence[str]) -> tuple[str, ...]:
    """One spelling, the longest, of each host named, in order of appearance; addresses after names.

    The rule is that of `same_host_name`, for a list: a short name is a spelling of the first full name that
    begins with it; different full names are different hosts. Addresses beside a name are not counted.
    """
    plain = [text for text in names if canonical_ip(text) is None]
    if not plain:
        return tuple(dict.fromkeys(ip for text in names if (ip := canonical_ip(text)) is not None))
    spellings = {name.rstrip(".").lower(): name for name in reversed(plain)}
    full_of: dict[str, str] = {}
    for name in (text.rstrip(".").lower() for text in plain):
        if "." in name:
            full_of.setdefault(short_name(name), name)
    hosts: dict[str, None] = {}
    for name in (text.rstrip(".").lower() for text in plain):
        hosts[name if "." in name else full_of.get(name, name)] = None
    return tuple(spellings[name] for name in hosts)


def _device_of(ends: Ends) -> Named:
    """The device, and beside it a `dest` that is shown to be the machine and differs: none is picked."""
    names = _names(ends.dest.texts)
    if not ends.device.texts or not names or not _shows(ends):
        return ends.device
    if _any_same(names, ends.device.texts):
        return Named(ends.dest.field, (*names, *ends.device.texts))
    return Named(f"{ends.dest.field} and {ends.device.field}", (*names, *ends.device.texts))


def _shows(ends: Ends) -> bool:
    """Whether something beside `dest` shows that it is the computer."""
    return ends.computer_is_dest or has_domain(ends.user)


def _meaning_of_dest(ends: Ends, named: Named) -> DestMeaning:
    """What `dest` is, beside the machine where that is named otherwise."""
    if not ends.dest.texts:
        return DestMeaning.UNTOLD
    names = _names(ends.dest.texts)
    if ends.direction is Direction.INBOUND:
        return _meaning_inbound(ends, names)
    if not names:
        return _meaning_of_addresses(ends)
    if not named.texts:
        return _meaning_of_names(ends, names)
    if not _any_same(named.texts, names):
        return DestMeaning.PEER
    # The peer's owner may have given it the short name of a machine, or a full one of a short one.
    exact = {_plain(text) for text in names} <= {_plain(text) for text in named.texts}
    return DestMeaning.MACHINE if exact or _shows(ends) else DestMeaning.UNTOLD


def _meaning_inbound(ends: Ends, names: Sequence[str]) -> DestMeaning:
    """Inbound the destination end is the machine's own, unless `dest` is what the other end is called."""
    if _any_same(names, ends.source.texts):
        return DestMeaning.UNTOLD
    far = ends.src_ip is not None and not names and _addresses(ends.dest.texts) <= {_folded(ends.src_ip)}
    return DestMeaning.PEER if far else DestMeaning.MACHINE


def _meaning_of_names(ends: Ends, names: Sequence[str]) -> DestMeaning:
    if ends.computer_is_dest:
        return DestMeaning.MACHINE
    if _any_same(names, ends.peer.texts):
        # Both say it: an inbound connection, one of the machine to itself, or a lie. Not settled here.
        return DestMeaning.UNTOLD if _shows(ends) else DestMeaning.PEER
    return DestMeaning.MACHINE if _shows(ends) else DestMeaning.UNTOLD


def _meaning_of_addresses(ends: Ends) -> DestMeaning:
    """An address is known for what it is where it is one of the notable's own two ends."""
    addresses = _addresses(ends.dest.texts)
    if ends.src_ip is not None and addresses <= {_folded(ends.src_ip)}:
        return DestMeaning.MACHINE
    far = {_folded(ip) for ip in ends.dest_ips}
    return DestMeaning.PEER if far and addresses <= far else DestMeaning.UNTOLD


def _is_far(ends: Ends) -> bool:
    """Whether the destination end is the peer's, as far as can be told: inbound it is the machine's own."""
    if ends.direction is not Direction.UNKNOWN:
        return ends.direction is Direction.OUTBOUND
    return ends.src_ip is None or not ip_address(ends.src_ip).is_global


def _any_same(names: Sequence[str], others: Sequence[str]) -> bool:
    return any(same_host_name(one, other) for one in names for other in others)


def _plain(name: str) -> str:
    return name.rstrip(".").casefold()


def _names(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if canonical_ip(text) is None)


def _addresses(texts: Sequence[str]) -> set[str]:
    return {_folded(ip) for text in texts if (ip := canonical_ip(text)) is not None}


def _folded(ip: str) -> str:
    """An address in one spelling, the IPv4 inside of a mapped one."""
    address = ip_address(ip)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
