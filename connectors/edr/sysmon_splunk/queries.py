"""Searches for Sysmon's events, as SPL. Pure.

Each narrows by words of the event, which Splunk's index knows, and then compares exactly what `rex` reads out
of the event itself. So nothing depends on an add-on's field extractions: `dest`, `Computer` and `EventCode`
differ by add-on and version. In the XML of an event `<` is always escaped, so that no logged text can pass
for a field.
https://help.splunk.com/splunk-enterprise/search/search-manual/10.0/search-primer/event-segmentation-and-searching
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from enum import StrEnum

from connectors.addresses import canonical_ip
from connectors.edr.sysmon_file.evidence import KEPT_PER_KIND
from connectors.facts.host import short_name
from connectors.query import spl

#: Ids in one search.
MOST_KEYS = 250

#: Events of one kind that a search for evidence gives; one more than the store keeps, so that it knows.
MOST_OF_KIND = KEPT_PER_KIND + 1
MOST_CONNECTIONS = 5001
MOST_EVIDENCE = 7 * MOST_OF_KIND + MOST_CONNECTIONS


class _Read(StrEnum):
    """Fields read out of an event, and how."""

    COMPUTER = "<Computer>(?<rr_computer>[^<]*)</Computer>"
    SHORT = "<Computer>(?<rr_short>[^<.]*)"
    EID = "<EventID[^>]*>(?<rr_eid>[0-9]+)</EventID>"
    GUID = "<Data Name=.ProcessGuid.>[{]?(?<rr_guid>[^}<]*)"
    PARENT = "<Data Name=.ParentProcessGuid.>[{]?(?<rr_parent>[^}<]*)"
    # Sysmon spells it TargetProcessGUID in EID 10 and TargetProcessGuid in EID 8.
    TARGET = "<Data Name=.TargetProcessG(?:uid|UID).>[{]?(?<rr_target>[^}<]*)"
    PID = "<Data Name=.ProcessId.>(?<rr_pid>[0-9]+)"
    IMAGE = "<Data Name=.Image.>(?<rr_image>[^<]*)"
    LOADED = "<Data Name=.ImageLoaded.>(?<rr_loaded>[^<]*)"
    GRANTED = "<Data Name=.GrantedAccess.>0x(?<rr_granted>[0-9A-Fa-f]+)"
    PATH = "<Data Name=.TargetFilename.>(?<rr_path>[^<]*)"
    INITIATED = "<Data Name=.Initiated.>(?<rr_initiated>[^<]*)"
    SOURCE = "<Data Name=.SourceIp.>(?<rr_source>[^<]*)"
    DESTINATION = "<Data Name=.DestinationIp.>(?<rr_destination>[^<]*)"
    FROM = "<Data Name=.SourceHostname.>(?<rr_from>[^<]*)"
    TO = "<Data Name=.DestinationHostname.>(?<rr_to>[^<]*)"


#: What a search gives of each event.
EVENT = "event"
INDEX = "index"
_EVENTS = f"| eval {EVENT}=_raw | table {EVENT}, {INDEX}"

#: The host's own end of a connection.
_LOCAL = (
    "| eval rr_ip=lower(coalesce(case("
    """'rr_eid'="3" AND 'rr_initiated'="true", 'rr_source', """
    """'rr_eid'="3" AND 'rr_initiated'="false", 'rr_destination'), "-"))"""
)
_PER_ADDRESS = "| stats min(_time) as first, max(_time) as last by rr_computer, rr_ip"

#: What a connection says, beside ports and times; `dedup` drops what lacks a field. A null guid is that of
#: many processes, which may have had one pid after another: none of these is taken for another.
_SAID = (
    *("rr_computer", "rr_eid", "rr_guid", "rr_pid", "rr_image", "rr_initiated"),
    *("rr_source", "rr_destination", "rr_from", "rr_to"),
)
_ALIKE = (
    f"""| eval {", ".join(f"{each}=coalesce('{each}', \"\")" for each in _SAID)}"""
    """ | eval rr_alone=if(in('rr_guid', "", "00000000-0000-0000-0000-000000000000"), '_time', "")"""
)

#: PROCESS_VM_OPERATION and PROCESS_VM_WRITE are set, or the mask is unreadable: what the store keeps.
_WRITES = (
    "(isnull('rr_granted') OR (floor(tonumber('rr_granted', 16) / 8) % 2 = 1"
    " AND floor(tonumber('rr_granted', 16) / 32) % 2 = 1))"
)

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._:-]{0,253}[A-Za-z0-9])?")
_RUN = re.compile(r"[A-Za-z0-9]+")

#: Characters at which Splunk's index certainly ends a word.
_BREAKERS = frozenset("[]<>(){}|!;,'\"*?+ /:=@.-$#%\\_&\t")


def words(text: str) -> str:
    """Search terms that an event with this text has; "" where there is none to be sure of."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    found = [
        each[0]
        for each in _RUN.finditer(text)
        if (each.start() == 0 or text[each.start() - 1] in _BREAKERS)
        and (each.end() == len(text) or text[each.end()] in _BREAKERS)
    ]
    return " ".join(f'"{each}"' for each in dict.fromkeys(found))


def any_of(texts: Sequence[str]) -> str:
    """Search terms that an event with one of these texts has; "" where one of them has none."""
    terms = [words(each) for each in texts]
    if not terms or not all(terms):
        return ""
    return terms[0] if len(terms) == 1 else f"({' OR '.join(f'({each})' for each in terms)})"


def probe(sysmon: str) -> str:
    """Starts of processes of any host: without them there is no lineage."""
    return _piped(_search(sysmon), _rex(_Read.EID), f"| where {_eid(1)}", _EVENTS)


def hosts_named(sysmon: str, name: str) -> str:
    """Hosts of this short name in any domain: first and last event for each local address ("-" is none)."""
    short = short_name(name)
    return _piped(
        _search(sysmon, words(short)),
        _rex(_Read.SHORT, _Read.COMPUTER, _Read.EID, _Read.INITIATED, _Read.SOURCE, _Read.DESTINATION),
        f"| where lower('rr_short')=lower({spl.literal(short)})",
        _LOCAL,
        _PER_ADDRESS,
    )


def hosts_with_address(sysmon: str, ip: str) -> str:
    """Hosts that had this address as their own end of a connection."""
    spellings = address_spellings(ip)
    return _piped(
        _search(sysmon, any_of(spellings)),
        _rex(_Read.EID, _Read.INITIATED, _Read.SOURCE, _Read.DESTINATION, _Read.COMPUTER),
        _LOCAL,
        f"| where {_in('rr_ip', spellings)}",
        _PER_ADDRESS,
    )


def connections(sysmon: str, computer: str, *, name: str | None, ip: str | None) -> str:
    """Connections of a host; of a process name or an unknown process, with one end, where given."""
    address = any_of(address_spellings(ip)) if ip else ""
    image = any_of([name, "unknown process"]) if name else ""
    terms = " ".join(each for each in (address, image) if each)
    return _events(sysmon, computer, terms, condition=_eid(3), order="_time")


def seen_on_any(sysmon: str, *, guids: Sequence[str], name: str, ends: tuple[str, str] | None) -> str:
    """On any host: connections between two ends, of a process name or an unknown one; and of processes by id.

    Of the connections of a process that say the same the earliest: a beacon makes thousands of them.

    Args:
        sysmon: search terms for Sysmon's events.
        guids: of processes, whose starts and connections are given.
        name: of the process that connected the ends.
        ends: SourceIp and DestinationIp; None where they are not known.
    """
    either, conditions = [], []
    if guids:
        either.append(any_of(guids))
        conditions.append(f"({_eid(1, 3)} AND {_guids('rr_guid', guids)})")
    if ends is not None:
        source, destination = (address_spellings(each) for each in ends)
        parts = (any_of(source), any_of(destination), any_of([name, "unknown process"]))
        either.append(" ".join(each for each in parts if each))
        between = f"{_in_any_case('rr_source', source)} AND {_in_any_case('rr_destination', destination)}"
        conditions.append(f"({_eid(3)} AND {between})")
    return _piped(
        _search(sysmon, f"({' OR '.join(f'({each})' for each in either)})" if all(either) else ""),
        _rex(_Read.COMPUTER, _Read.EID, _Read.GUID, _Read.PID, _Read.IMAGE, _Read.INITIATED),
        _rex(_Read.SOURCE, _Read.DESTINATION, _Read.FROM, _Read.TO),
        _upper((_Read.GUID,)),
        f"| where {' OR '.join(conditions)}",
        _ALIKE,
        "| sort 0 _time",
        f"| dedup {' '.join((*_SAID, 'rr_alone'))}",
        _EVENTS,
    )


def starts(sysmon: str, *, guids: Sequence[str], pids: Sequence[tuple[str, int]]) -> str:
    """Starts of processes on any host; and starts and ends of those with one of these ids on their host.

    Args:
        sysmon: search terms for Sysmon's events.
        guids: of processes.
        pids: hosts and ids of processes; starts of one host with the id of another's are among the answers.
    """
    either, conditions = [], []
    if guids:
        either.append(any_of(guids))
        conditions.append(f"({_eid(1)} AND {_guids('rr_guid', guids)})")
    if pids:
        computers = list(dict.fromkeys(computer for computer, _ in pids))
        numbers = list(dict.fromkeys(str(pid) for _, pid in pids))
        either.append(" ".join(each for each in (any_of(computers), any_of(numbers)) if each))
        own = f"{_in_any_case('rr_computer', computers)} AND {_in('rr_pid', numbers)}"
        conditions.append(f"({_eid(1, 5)} AND {own})")
    return _piped(
        _search(sysmon, f"({' OR '.join(f'({each})' for each in either)})" if all(either) else ""),
        _rex(_Read.COMPUTER, _Read.EID, _Read.GUID, _Read.PID),
        _upper((_Read.GUID,)),
        f"| where {' OR '.join(conditions)}",
        "| sort 0 -_time",
        _EVENTS,
    )


def named(sysmon: str, computer: str, name: str) -> str:
    """Starts and ends of processes of a name (and of what only mentions it), latest first."""
    return _events(sysmon, computer, words(name), condition=_eid(1, 5), order="-_time")


def with_pids(sysmon: str, computer: str, pids: Sequence[int], *, connections: bool = False) -> str:
    """Starts and ends of processes with one of these ids, latest first, and what they connected to."""
    texts = [str(each) for each in pids]
    kinds = _eid(1, 3, 5) if connections else _eid(1, 5)
    condition = f"{kinds} AND {_in('rr_pid', texts)}"
    return _events(sysmon, computer, any_of(texts), (_Read.PID,), condition=condition, order="-_time")


def of_guids(sysmon: str, computer: str, guids: Sequence[str], *kinds: int) -> str:
    """Events of some kinds of these processes, starts first."""
    condition = f"{_eid(*kinds)} AND {_guids('rr_guid', guids)}"
    return _events(sysmon, computer, any_of(guids), (_Read.GUID,), condition=condition, order="rr_eid, _time")


def level(sysmon: str, computer: str, guids: Sequence[str], *, children: bool) -> str:
    """Start, end and own image's signature of processes, and with `children` what they started.

    What is of the processes themselves comes first, so that no number of children can hide it.
    """
    own = _guids("rr_guid", guids)
    started = f"{own} OR {_guids('rr_parent', guids)}" if children else own
    condition = (
        f"(({_eid(1)} AND ({started})) OR ({_eid(5)} AND {own})"
        f" OR ({_eid(7)} AND {own} AND lower('rr_image')=lower('rr_loaded')))"
    )
    reads = (_Read.GUID, _Read.PARENT, _Read.IMAGE, _Read.LOADED)
    rank = f"| eval rr_rank=if({own}, 0, 1)"
    return _events(
        sysmon, computer, any_of(guids), reads, condition=condition, order="rr_rank, _time", before_sort=rank
    )


def evidence(sysmon: str, computer: str, guid: str) -> str:
    """What a process did and what was done to it, by time, each kind up to a cap."""
    condition = (
        f"(({_eid(3, 5, 7, 11, 22, 25)} AND {_guids('rr_guid', [guid])})"
        f" OR ({_eid(8)} AND {_guids('rr_target', [guid])})"
        f" OR ({_eid(10)} AND {_guids('rr_target', [guid])} AND {_WRITES}))"
    )
    reads = (_Read.GUID, _Read.TARGET, _Read.GRANTED)
    capped = (
        "| streamstats count as rr_count by rr_eid"
        f""" | where 'rr_count'<=if('rr_eid'="3", {MOST_CONNECTIONS}, {MOST_OF_KIND})"""
    )
    return _events(
        sysmon, computer, any_of([guid]), reads, condition=condition, order="_time", after_sort=capped
    )


def writers(sysmon: str, computer: str, paths: Sequence[str]) -> str:
    """Who wrote these files (full paths, any case)."""
    spellings = [spelling for path in paths for spelling in _in_xml(path)]
    files = list(dict.fromkeys(path.replace("/", "\\").rpartition("\\")[2] for path in paths))
    wanted = ", ".join(f"lower({spl.literal(each)})" for each in dict.fromkeys(spellings))
    condition = f"{_eid(11)} AND in(lower('rr_path'), {wanted})"
    return _events(sysmon, computer, any_of(files), (_Read.PATH,), condition=condition, order="_time")


def kinds(sysmon: str, computer: str) -> str:
    """How many events of each kind a host logged."""
    return _piped(
        _search(sysmon, words(computer)),
        _rex(_Read.COMPUTER, _Read.EID),
        f"| where {_host(computer)}",
        "| stats count by rr_eid",
    )


def address_spellings(ip: str) -> list[str]:
    """How Sysmon may have written an address: IPv6 in full, with or without leading zeros, or compressed."""
    canonical = canonical_ip(ip)
    if not canonical:
        return [ip]
    address = ipaddress.ip_address(canonical)
    full = address.exploded
    if address.version == 4:
        return [full]
    plain = ":".join(f"{int(group, 16):x}" for group in full.split(":"))
    return list(dict.fromkeys((canonical, plain, full)))


# --- parts ---------------------------------------------------------------------------------------


def _events(
    sysmon: str,
    computer: str,
    terms: str,
    reads: Sequence[_Read] = (),
    *,
    condition: str,
    order: str,
    before_sort: str = "",
    after_sort: str = "",
) -> str:
    return _piped(
        _search(sysmon, words(computer), terms),
        _rex(_Read.COMPUTER, _Read.EID, *reads),
        _upper(reads),
        f"| where {_host(computer)} AND {condition}",
        before_sort,
        f"| sort 0 {order}",
        after_sort,
        _EVENTS,
    )


def _search(sysmon: str, *terms: str) -> str:
    return " ".join((f"search ({sysmon})", *(each for each in terms if each)))


def _piped(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _rex(*reads: _Read) -> str:
    return " ".join(f'| rex field=_raw "{each.value}"' for each in reads)


def _upper(reads: Sequence[_Read]) -> str:
    ids = [
        name
        for read, name in ((_Read.GUID, "rr_guid"), (_Read.PARENT, "rr_parent"), (_Read.TARGET, "rr_target"))
        if read in reads
    ]
    return f"| eval {', '.join(f'{each}=upper({spl.field(each)})' for each in ids)}" if ids else ""


def _host(computer: str) -> str:
    return f"lower('rr_computer')=lower({spl.literal(computer)})"


def _eid(*kinds: int) -> str:
    return _in("rr_eid", [str(each) for each in kinds])


def _guids(field: str, guids: Sequence[str]) -> str:
    return _in(field, [each.upper() for each in guids])


def _in_any_case(field: str, texts: Sequence[str]) -> str:
    return f"in(lower({spl.field(field)}), {', '.join(spl.literal(each.lower()) for each in texts)})"


def _in(field: str, texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"{spl.field(field)}={spl.literal(texts[0])}"
    return f"in({spl.field(field)}, {', '.join(spl.literal(each) for each in texts)})"


def _in_xml(text: str) -> list[str]:
    """A text as it may stand in XML: quotes escaped or not."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    quoted = escaped.replace("'", "&apos;").replace('"', "&quot;")
    return list(dict.fromkeys((escaped, quoted)))
