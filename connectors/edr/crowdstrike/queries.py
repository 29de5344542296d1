"""The filters and searches that are sent to Falcon: FQL for hosts, CQL for events. Pure.

A search is a pipeline with `head` or `tail`, since a job without one gives 200 events and says nothing of the
rest (https://library.humio.com/data-analysis/writing-queries-tail.html), and with `select`, so that answers
stay small. Whatever a search finds is compared exactly again when it is read. Tests of one stage are joined
by `or`, in brackets where they are not, so that nothing depends on what binds tighter. `field!=*` finds the
events without a field (https://library.humio.com/data-analysis/syntax-operators.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address

from connectors.addresses import canonical_ip
from connectors.edr.askable import NamedPair
from connectors.edr.crowdstrike import devices
from connectors.edr.crowdstrike.activity import DNS, EVENTS_OF_KIND, FILES, INBOUND, OUTBOUND
from connectors.edr.crowdstrike.rows import END, STARTS
from connectors.errors import InputError
from connectors.facts.host import short_name
from connectors.query import cql, fql
from connectors.query.text import holdable

#: The most that head and tail give. https://library.humio.com/kb/kb-return-more-than-200-events.html
MOST_ROWS = 10_000

#: Process ids of one search.
MOST_IDS = 500

#: Agent and process ids, hashes, addresses.
_PLAIN = re.compile(r"[0-9A-Za-z.:_-]{1,100}")

_ALWAYS = (
    "@timestamp",
    "timestamp",
    "ContextTimeStamp",
    "#event_simpleName",
    "event_simpleName",
    "aid",
    "id",
)

_PROCESS_FIELDS = (
    *_ALWAYS,
    "TargetProcessId",
    "ParentProcessId",
    "RawProcessId",
    "ProcessStartTime",
    "ProcessEndTime",
    "ImageFileName",
    "CommandLine",
    "ParentBaseFileName",
    "OriginalFilename",
    "UserName",
    "LogonDomain",
    "UserSid",
    "IntegrityLevel",
    "MD5HashData",
    "SHA1HashData",
    "SHA256HashData",
    "SignInfoFlags",
)

_ACTIVITY_FIELDS = (
    *_ALWAYS,
    "TargetProcessId",
    "ContextProcessId",
    "ContextBaseFileName",
    "ContextImageFileName",
    "LocalAddressIP4",
    "LocalAddressIP6",
    "LocalPort",
    "LPort",
    "RemoteAddressIP4",
    "RemoteAddressIP6",
    "RemotePort",
    "RPort",
    "Protocol",
    "DomainName",
    "QueryStatus",
    "FirstIP4Record",
    "IP4Records",
    "FirstIP6Record",
    "IP6Records",
    "TargetFileName",
)


# --- hosts -----------------------------------------------------------------------------------------


def hosts_named(name: str) -> str:
    """FQL: devices whose hostname is this name or its first label, as written, in upper or in lower case.

    Values of FQL are matched with their case, and Falcon has NetBIOS names in upper case as a rule.

    Raises:
        InputError: the name is empty or cannot be written in FQL.
    """
    whole = name.strip().rstrip(".")
    if not short_name(whole):
        raise InputError("hostname", "is empty", "Give the host's name")
    first = whole.partition(".")[0]
    spellings = dict.fromkeys(
        spelling for each in (whole, first) for spelling in (each, each.upper(), each.lower())
    )
    return ",".join(f"hostname:{fql.literal(each)}" for each in spellings)


def hosts_with_address(ip: str) -> str:
    """FQL: devices that have this address of their own.

    Raises:
        InputError: it is not an address.
    """
    canonical = canonical_ip(ip.strip())
    if canonical is None:
        raise InputError("ip", "is not an IP address", "Give one IPv4 or IPv6 address")
    text = fql.literal(canonical)
    return f"local_ip:{text},connection_ip:{text}"


def hosts_with_ids(aids: Iterable[str]) -> str:
    """FQL: the devices of these agents.

    Raises:
        InputError: an id cannot be written in FQL.
    """
    return ",".join(f"device_id:{fql.literal(each)}" for each in aids)


def hosts_isolated() -> str:
    """FQL: devices that are contained, being contained or being released."""
    return ",".join(f"status:{fql.literal(each)}" for each in devices.CONTAINED)


# --- events ----------------------------------------------------------------------------------------


def processes_by_id(aid: str, ids: Sequence[str]) -> str:
    """CQL: starts and ends of the processes with these ids."""
    return _pipeline(
        _of_agent((*STARTS, END), aid),
        _among("TargetProcessId", ids),
        f"tail({4 * len(ids)})",
        _PROCESS_FIELDS,
    )


def children_of(aid: str, ids: Sequence[str], *, rows: int) -> str:
    """CQL: starts and ends of the processes that these ones started, oldest first."""
    return _pipeline(
        _of_agent((*STARTS, END), aid), _among("ParentProcessId", ids), f"head({rows})", _PROCESS_FIELDS
    )


def processes_named(aid: str, name: str, *, rows: int) -> str:
    """CQL: starts of processes whose image has this name, in any case; the latest where it has to be cut."""
    return _pipeline(
        _of_agent(STARTS, aid), f"ImageFileName={image_named(name)}", f"tail({rows})", _PROCESS_FIELDS
    )


def connections_with(aid: str, ip: str, *, rows: int) -> str:
    """CQL: network events of the host whose other end, or own end, is this address.

    Raises:
        InputError: it is not an address.
    """
    canonical = canonical_ip(ip)
    if canonical is None:
        raise InputError("remote_ip", "is not an IP address", "Give one IPv4 or IPv6 address")
    remote, local = (_end_is(end, canonical) for end in ("Remote", "Local"))
    # Of an outbound connection, the own address is one end of every connection there is.
    inbound = f"({_named(INBOUND)} ({local}))"
    return _pipeline(
        _of_agent((*OUTBOUND, *INBOUND), aid), f"{remote} or {inbound}", f"tail({rows})", _ACTIVITY_FIELDS
    )


def connections_between(pair: NamedPair, *, rows: int) -> str:
    """CQL: network events of any host by a process of this name from the one address to the other.

    Whoever opened the connection has src_ip for its own end, and whoever took it has dest_ip. Events of older
    sensors do not name the process and come along: they are no proof that it was another one.

    Raises:
        InputError: the name holds what no query can.
    """
    opened, taken = (
        f"({_named(names)} ({_end_is('Local', own)}) ({_end_is('Remote', other)}))"
        for names, own, other in ((OUTBOUND, pair.src_ip, pair.dest_ip), (INBOUND, pair.dest_ip, pair.src_ip))
    )
    of_name = (
        f"ContextBaseFileName={exactly(pair.name)} or ContextImageFileName={image_named(pair.name)}"
        " or ContextBaseFileName!=*"
    )
    kept = (*_ACTIVITY_FIELDS, "ComputerName")
    return _pipeline(f"{_named((*OUTBOUND, *INBOUND))} | {opened} or {taken}", of_name, f"tail({rows})", kept)


def activity_of(aid: str, process: str, images: Sequence[str], *, rows: int) -> str:
    """CQL: what a process did, its end, and who wrote these images; the earliest where it has to be cut."""
    tests = [f"ContextProcessId={_plain(process)}", f"TargetProcessId={_plain(process)}"]
    tests += [f"TargetFileName={exactly(image)}" for image in images]
    names = (*OUTBOUND, *INBOUND, DNS, *FILES, END)
    return _pipeline(_of_agent(names, aid), " or ".join(tests), f"head({rows})", _ACTIVITY_FIELDS)


def recorded_kinds(aid: str) -> str:
    """CQL: which of the events that are read the host sent at all, a row each."""
    names = [name for each in EVENTS_OF_KIND.values() for name in each]
    return f"{_of_agent(names, aid)} | groupBy([#event_simpleName], limit=100)"


def version_infos(aid: str, sha256: Sequence[str]) -> str:
    """CQL: the version resources of images by their hash (lower case, as Falcon writes it)."""
    return _pipeline(
        _of_agent(("PeVersionInfo",), aid),
        _among("SHA256HashData", [each.lower() for each in sha256]),
        f"tail({min(MOST_ROWS, 20 * len(sha256))})",
        (*_ALWAYS, "SHA256HashData", "OriginalFilename"),
    )


def probe() -> str:
    """CQL: one event of any host, to see whether searching works."""
    return "#event_simpleName=/^(ProcessRollup2)$/ | tail(1) | select([#event_simpleName, aid])"


def image_named(name: str) -> str:
    """A pattern for a path that ends in this file name, in any case.

    Raises:
        InputError: the name holds what no query can.
    """
    return f"/(^|[\\x{{5c}}\\x{{2f}}]){_by_codes(name)}$/i"


def exactly(text: str) -> str:
    """A pattern for this text and nothing else, in any case.

    Raises:
        InputError: the text holds what no query can.
    """
    return f"/^{_by_codes(text)}$/i"


def _by_codes(text: str) -> str:
    """The text in a pattern. All but letters and digits is written by its code: nothing can end it."""
    return "".join(
        each if each.isascii() and each.isalnum() else f"\\x{{{ord(each):x}}}"
        for each in holdable("CQL", text)
    )


def _of_agent(names: Iterable[str], aid: str) -> str:
    return f"{_named(names)} aid={_plain(aid)}"


def _named(names: Iterable[str]) -> str:
    return f"#event_simpleName=/^({'|'.join(names)})$/"


def _end_is(end: str, ip: str) -> str:
    """That one end of a connection ("Remote" or "Local") is this canonical address, in any usual spelling."""
    if canonical_ip(ip) is None:
        raise InputError("ip", "is not an IP address", "Give one IPv4 or IPv6 address")
    known = [(6, each) for each in _spellings(ip if ":" in ip else f"::ffff:{ip}")]
    if ":" not in ip:
        known.insert(0, (4, ip))
    return " or ".join(f"{end}AddressIP{version}={_plain(text)}" for version, text in known)


def _among(field: str, values: Sequence[str]) -> str:
    return f"in(field={field}, values=[{', '.join(_plain(each) for each in values)}])"


def _plain(value: str) -> str:
    """An id, a hash or an address as a literal. Without an asterisk, which is a wildcard even in quotes.

    Raises:
        InputError: it is none of these.
    """
    if not _PLAIN.fullmatch(value):
        raise InputError("id", "is no id of Falcon", "Resolve the host and the process again")
    return cql.literal(value)


def _pipeline(events: str, test: str, cut: str, kept: Sequence[str]) -> str:
    return f"{events} | {test} | {cut} | select([{', '.join(kept)}])"


def _spellings(ip: str) -> tuple[str, ...]:
    """An IPv6 address as RFC 5952 has it, without `::`, and in full."""
    whole = IPv6Address(ip).packed.hex(":", 2)
    plain = ":".join(re.sub("^0{1,3}", "", group) for group in whole.split(":"))
    return tuple(dict.fromkeys((ip, plain, whole)))
