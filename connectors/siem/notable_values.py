"""What the fields of a notable mean: both ends, the process, addresses, numbers.

Each function takes a Reading, returns the value and notes what it did. A notable is refused with a
NotableError where nothing tells its process or leads to its machine, and where dest_ip is unusable; anything
else is missing then, with a note.
"""

from __future__ import annotations

import math
import re
import unicodedata

from connectors.addresses import canonical_ip, not_an_ip, shown
from connectors.errors import NotableError
from connectors.facts.host import same_host_name
from connectors.facts.notable import Direction
from connectors.siem.generations import Generation, generation_numbered
from connectors.siem.notable_fields import Reading, distinct_ignoring_case
from connectors.siem.roles import Ends, Named, Roles, roles_of

#: Longest host name (RFC 1035 allows 255 octets).
MAX_HOST = 255

#: Largest count Splunk can mean; above it the value is a mistake.
MAX_COUNT = 2**53

#: Letters of any script: Windows allows them. Not a leading dot or dash: the name goes into file names.
_HOST = re.compile(r"\w[\w-]*(?:\.[\w-]+)*\.?")
_GUID = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")
_NULL_GUID = "00000000-0000-0000-0000-000000000000"
_LARGEST_PID = 0xFFFFFFFF
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


def read_ends(
    reading: Reading, *, dest_ips: tuple[str, ...], src_ip: str | None, generation: Generation | None
) -> Ends:
    """What the notable says of both ends of the connection; names that are none are left out, with a note."""
    return Ends(
        computer=_named(reading, "machine", also="dvc_ip", but=frozenset(dest_ips)),
        device=_named(reading, "device"),
        source=_named(reading, "source"),
        dest=_named(reading, "dest"),
        peer=_named(reading, "peer"),
        collector=_named(reading, "collector"),
        src_ip=src_ip,
        dest_ips=dest_ips,
        direction=read_direction(reading),
        # Once untold, the user's domain does not make it the machine.
        user="" if reading.first("untold") else reading.first("user"),
        computer_is_dest=generation is not None and "dest" in generation.supported.machine,
    )


def read_roles(reading: Reading, ends: Ends, *, has_guid: bool) -> Roles:
    """Who of the two ends is the machine.

    Raises:
        NotableError: no field names it, and there is nothing to look it up by.
    """
    roles = roles_of(ends)
    _note_contradicting_source(reading, ends, roles)
    if roles.machine:
        if canonical_ip(roles.machine) is not None:
            reading.notes.append(
                f"{roles.field} is an address of the machine; its name has to be found by it."
            )
        if roles.others:
            reading.notes.append(
                f"{roles.field} names {len(roles.others) + 1} different hosts;"
                f" {shown(roles.machine)} is the first."
            )
        return roles
    if ends.src_ip is None and not has_guid and not ends.dest.texts:
        raise NotableError(
            "dest",
            "is missing, and no other field says on which machine it happened",
            "Keep dvc or Computer in the search's result, or src_ip or process_guid to look it up by",
        )
    return roles


def _note_contradicting_source(reading: Reading, ends: Ends, roles: Roles) -> None:
    """Say where `src` of an outbound connection names another machine than the computer's own field."""
    if ends.direction is not Direction.OUTBOUND or not roles.machine or not ends.source.texts:
        return
    named = (roles.machine, *roles.others)
    if any(same_host_name(one, src) for one in named for src in ends.source.texts):
        return
    reading.notes.append(
        f"{ends.source.field} names {shown(ends.source.texts[0])}, and {roles.field} {shown(roles.machine)};"
        f" {roles.field} is taken."
    )


def _named(reading: Reading, key: str, *, also: str = "", but: frozenset[str] = frozenset()) -> Named:
    """The host names and addresses of a field; where it has none, those of `also` but some addresses."""
    for tier in (*reading.tiers(key), *(reading.tiers(also) if also else ())):
        texts = []
        for text in tier.texts:
            ip = canonical_ip(text)
            if ip in but:
                continue
            if ip is None and not is_host_name(text):
                reading.notes.append(f"{tier.names[0]} {shown(text)} is no host name and was left out.")
            else:
                texts.append(text if ip is None else ip)
        if texts:
            return Named(tier.names[0].partition("[")[0], tuple(texts))
    return Named()


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
    """The destination addresses in canonical text; empty when missing, or when there are only host names.

    Raises:
        NotableError: there is a value, and it is neither.
    """
    addresses, refused = _addresses(reading, "dest_ip")
    refused = [text for text in refused if not (is_host_name(text) and any(map(str.isalpha, text)))]
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


def read_ports(reading: Reading, key: str) -> tuple[int, ...]:
    """The ports of dest_port or src_port, ascending."""
    ports = set()
    for text in reading.texts(key):
        number = _number(text)
        if number is not None and number.is_integer() and number <= 65535:
            ports.add(int(number))
        else:
            reading.notes.append(f"{key} {shown(text)} is not a port and was left out.")
    return tuple(sorted(ports))


def read_pids(reading: Reading) -> tuple[int, ...]:
    """The operating system's process ids, ascending; 0 is none."""
    pids = set()
    for text in reading.texts("process_id"):
        number = _number(text)
        if number is not None and number.is_integer() and 0 < number <= _LARGEST_PID:
            pids.add(int(number))
        else:
            reading.notes.append(f"process_id {shown(text)} is no process id and was left out.")
    return tuple(sorted(pids))


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


def read_generation(reading: Reading) -> Generation | None:
    """The generation that a notable of ours names; None where none is known under the number."""
    number = _number(reading.first("generation"))
    return generation_numbered(int(number)) if number is not None and number.is_integer() else None


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


def is_host_name(text: str) -> bool:
    """Whether a text can be a host name: letters, digits, dashes, underscores and dots, MAX_HOST at most."""
    # NFKC refuses letters that only look like others, such as the Kelvin sign, whose lower case is k.
    last = text.rstrip(".").rpartition(".")[2]
    return (
        len(text) <= MAX_HOST
        and _HOST.fullmatch(text) is not None
        and not ("." in text and last.isdigit())  # a broken address such as 10.0.0.300
        and unicodedata.normalize("NFKC", text) == text
    )
