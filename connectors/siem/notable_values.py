"""What the fields of a notable mean: the host, the process, addresses, numbers.

Each function takes a Reading, returns the value and notes what it did. dest, process_name and dest_ip are
refused with a NotableError where they are unusable; anything else is missing then, with a note.
"""

from __future__ import annotations

import math
import re
import unicodedata

from connectors.addresses import canonical_ip, not_an_ip, shown
from connectors.errors import NotableError
from connectors.facts.host import short_name
from connectors.facts.notable import Direction
from connectors.siem.notable_fields import Reading, distinct_ignoring_case

#: Longest host name (RFC 1035 allows 255 octets).
MAX_HOST = 255

#: Largest count Splunk can mean; above it the value is a mistake.
MAX_COUNT = 2**53

#: Letters of any script: Windows allows them. Not a leading dot or dash: the name goes into file names.
_HOST = re.compile(r"\w[\w-]*(?:\.[\w-]+)*\.?")
_GUID = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")
_NULL_GUID = "00000000-0000-0000-0000-000000000000"
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_PROCESS_IN_SEARCH = re.compile(r"(?<![a-z0-9])(regsvcs|regasm)(?![a-z0-9])", re.IGNORECASE)

#: `direction` of CIM in words, Sysmon's Initiated, CEF's deviceDirection (0 inbound, 1 outbound).
_DIRECTIONS = {
    "outbound": Direction.OUTBOUND,
    "true": Direction.OUTBOUND,
    "1": Direction.OUTBOUND,
    "inbound": Direction.INBOUND,
    "false": Direction.INBOUND,
    "0": Direction.INBOUND,
}


def read_dest(reading: Reading) -> tuple[str, tuple[str, ...]]:
    """The host, and the further, different hosts that are named beside it.

    Raises:
        NotableError: it is missing, or does not look like a host name or an address.
    """
    texts = reading.texts("dest")
    if not texts:
        raise NotableError("dest", *_why_no_dest(reading))
    addresses = tuple(dict.fromkeys(ip for text in texts if (ip := canonical_ip(text)) is not None))
    names = [text for text in texts if canonical_ip(text) is None]
    if not names:
        reading.notes.append("dest is an address only; the host has to be found by it.")
        return addresses[0], addresses[1:]
    for name in names:
        if not _is_host_name(name):
            raise NotableError(
                "dest",
                f"{shown(name)} does not look like a host name or an address",
                f"A host name has letters, digits, dashes, underscores and dots, {MAX_HOST} at most",
            )
    if addresses:
        reading.notes.append(f"dest also holds {len(addresses)} address(es), set aside: it names the host.")
    hosts = _different_hosts(names)
    if len(hosts) > 1:
        reading.notes.append(f"dest names {len(hosts)} different hosts; {shown(hosts[0])} is the first.")
    elif len(distinct_ignoring_case(tuple(names))) > 1:
        reading.notes.append(f"dest is spelled in several ways; {shown(hosts[0])} is the longest.")
    if any("destinationAddress" in moved for moved in reading.moved):
        reading.notes.append(
            "destinationAddress holds a host name, since Splunk's SOAR connector writes dest_ip there too."
        )
    return hosts[0], hosts[1:]


def read_process_name(reading: Reading) -> str:
    """The image name; of a path its last part; else what the name of the search says.

    Raises:
        NotableError: it is missing and the name of the search does not tell.
    """
    for found in reading.tiers("process_name"):
        parts = tuple(re.split(r"[\\/]", text)[-1].strip() for text in found.texts)
        if found.names == ("fileName",):
            parts = tuple(part for part in parts if part.casefold().endswith(".exe"))
        names = distinct_ignoring_case(tuple(part for part in parts if part))
        if not names:
            continue
        reading.note_move("process_name", found)
        if len(names) > 1:
            reading.notes.append(
                f"process_name has {len(names)} values; {shown(names[0])}, the first, is used."
            )
        return names[0]
    searches = tuple(text for found in reading.tiers("search_name") for text in found.texts)
    told = {match.casefold() for text in searches for match in _PROCESS_IN_SEARCH.findall(text)}
    if len(told) != 1:
        search = f"the search {shown(searches[0])}" if searches else "no search name"
        raise NotableError(
            "process_name",
            f"is missing, and {search} does not say whether it is Regsvcs or Regasm",
            "This playbook answers 'Detect Regsvcs with Network Connection' and its sibling for Regasm",
        )
    process_name = f"{told.pop()}.exe"
    reading.notes.append(f"process_name is missing; {process_name} is taken from the name of the search.")
    return process_name


def read_dest_ips(reading: Reading) -> tuple[str, ...]:
    """The destination addresses in canonical text; empty when missing.

    Raises:
        NotableError: there is a value, and none is an address.
    """
    addresses, refused = _addresses(reading, "dest_ip")
    if refused and not addresses:
        problem = not_an_ip(refused[0])
        raise NotableError("dest_ip", problem.problem, problem.remedy)
    return addresses


def read_src_ip(reading: Reading) -> str | None:
    """The source address in canonical text; of several the first; None when missing or no address."""
    addresses, _ = _addresses(reading, "src_ip")
    if len(addresses) > 1:
        reading.notes.append(f"src_ip has {len(addresses)} addresses; {addresses[0]}, the first, is used.")
    return addresses[0] if addresses else None


def read_direction(reading: Reading) -> Direction:
    """Who opened the connection; UNKNOWN when it is missing, unclear or contradictory."""
    words = [str(value).casefold() for found in reading.tiers("direction") for value in found.values]
    told = {_DIRECTIONS[word] for word in words if word in _DIRECTIONS}
    if len(told) == 1 and all(word in _DIRECTIONS for word in words):
        return told.pop()
    if words:
        reading.notes.append(f"The direction is unclear ({', '.join(shown(word) for word in words[:4])}).")
    return Direction.UNKNOWN


def read_ports(reading: Reading) -> tuple[int, ...]:
    """The destination ports, ascending."""
    ports = set()
    for text in reading.texts("dest_port"):
        number = _number(text)
        if number is not None and number.is_integer() and number <= 65535:
            ports.add(int(number))
        else:
            reading.notes.append(f"dest_port {shown(text)} is not a port and was left out.")
    return tuple(sorted(ports))


def read_guids(reading: Reading) -> tuple[str, ...]:
    """The Sysmon ProcessGuids, upper case, without braces; the null GUID is none."""
    guids: dict[str, None] = {}
    for text in reading.texts("process_guid"):
        guid = text.strip("{}").upper()
        if not _GUID.fullmatch(guid):
            reading.notes.append(f"process_guid {shown(text)} is not a ProcessGuid and was left out.")
        elif guid != _NULL_GUID:
            guids[guid] = None
    return tuple(guids)


def read_count(reading: Reading) -> int | None:
    """The number of events; None when missing or not a whole number up to MAX_COUNT."""
    text = reading.one("count")
    number = _number(text)
    if number is not None and number.is_integer() and number <= MAX_COUNT:
        return int(number)
    if text:
        reading.notes.append(f"count {shown(text)} is not a number of events and was left out.")
    return None


def read_score(reading: Reading) -> float | None:
    """The risk score; None when missing, negative or not a number."""
    text = reading.one("risk_score")
    number = _number(text)
    if text and number is None:
        reading.notes.append(f"risk_score {shown(text)} is not a score and was left out.")
    return number


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _addresses(reading: Reading, key: str) -> tuple[tuple[str, ...], list[str]]:
    """The addresses of the first tier that has any, and the texts up to there that are none."""
    refused: list[str] = []
    addresses: tuple[str, ...] = ()
    for found in reading.tiers(key):
        read = [(text, canonical_ip(text)) for text in found.texts]
        refused.extend(text for text, ip in read if ip is None)
        addresses = tuple(dict.fromkeys(ip for _, ip in read if ip is not None))
        if addresses:
            reading.note_move(key, found)
            break
    for text in refused:
        reading.notes.append(f"{key} {shown(text)} is not an address and was left out.")
    return addresses, refused


def _is_host_name(text: str) -> bool:
    # NFKC refuses letters that only look like others, such as the Kelvin sign, whose lower case is k.
    last = text.rstrip(".").rpartition(".")[2]
    return (
        len(text) <= MAX_HOST
        and _HOST.fullmatch(text) is not None
        and not ("." in text and last.isdigit())  # a broken address such as 10.0.0.300
        and unicodedata.normalize("NFKC", text) == text
    )


def _different_hosts(names: list[str]) -> tuple[str, ...]:
    """One spelling, the longest, of each host named, in order of appearance.

    The rule is that of `same_host_name`, for a list: a short name is a spelling of the first full name that
    begins with it; different full names are different hosts.
    """
    spellings = {name.rstrip(".").lower(): name for name in reversed(names)}
    full_of: dict[str, str] = {}
    for name in (text.rstrip(".").lower() for text in names):
        if "." in name:
            full_of.setdefault(short_name(name), name)
    hosts: dict[str, None] = {}
    for name in (text.rstrip(".").lower() for text in names):
        hosts[name if "." in name else full_of.get(name, name)] = None
    return tuple(spellings[name] for name in hosts)


def _why_no_dest(reading: Reading) -> tuple[str, str]:
    if reading.fields.get("destinationAddress[ip]"):
        return (
            "is missing: Splunk's SOAR connector has overwritten it in destinationAddress with dest_ip",
            "Turn on include_cim_fields in the asset of the Splunk connector",
        )
    return "is missing: nothing says on which host it happened", "Keep dest in the search's result"
