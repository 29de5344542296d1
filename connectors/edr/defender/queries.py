"""The hunting queries, one for each question. Pure text; every value goes in as a literal.

Tables and columns: https://learn.microsoft.com/defender-xdr/advanced-hunting-schema-tables
A row of DeviceProcessEvents holds the started process, the one that started it and that one's parent by name,
pid and time; the joins climb by pid and creation time, on one device.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connectors.edr.askable import NamedPair
from connectors.edr.defender.keys import ProcessKey, kusto_time
from connectors.ports import Window
from connectors.query.kusto import literal

#: Generations that one query climbs: the asked process and seven above it, whose rows name two more.
GENERATIONS = 8

#: Processes that fit a search, at most; one more is asked for, to know that there are more.
MOST_FOUND = 100

#: Events of one kind of one process, as many as of a log file.
MOST_EVENTS = 1000

#: A connection that came about. ConnectionAttempt, ConnectionRequest and ConnectionFailed say no such thing.
OUTBOUND = ("ConnectionSuccess", "ConnectionFound")
INBOUND = "InboundConnectionAccepted"

#: Rows that tell addresses, of each kind.
MOST_ADDRESSES = 200

#: What a file's content comes from.
WRITES = ("FileCreated", "FileModified", "FileRenamed")

#: Tables in which a process can be the initiator.
_ACTIVITY = "DeviceProcessEvents, DeviceNetworkEvents, DeviceFileEvents, DeviceImageLoadEvents, DeviceEvents"

_PROCESS_COLUMNS = (
    "Timestamp, FileName, FolderPath, SHA1, SHA256, MD5, ProcessVersionInfoOriginalFileName, ProcessId, "
    "ProcessCommandLine, ProcessIntegrityLevel, ProcessCreationTime, AccountDomain, AccountName, "
    "InitiatingProcessAccountDomain, InitiatingProcessAccountName, InitiatingProcessIntegrityLevel, "
    "InitiatingProcessSHA1, InitiatingProcessSHA256, InitiatingProcessMD5, InitiatingProcessFileName, "
    "InitiatingProcessVersionInfoOriginalFileName, InitiatingProcessId, InitiatingProcessCommandLine, "
    "InitiatingProcessCreationTime, InitiatingProcessFolderPath, InitiatingProcessParentId, "
    "InitiatingProcessParentFileName, InitiatingProcessParentCreationTime"
)

_INITIATED = "InitiatingProcessId, InitiatingProcessCreationTime"

_INITIATOR = f"{_INITIATED}, InitiatingProcessFileName, InitiatingProcessFolderPath"

_ACCOUNT = "InitiatingProcessAccountDomain, InitiatingProcessAccountName"

_PARENT_OF = (
    "on $left.ProcessId == $right.InitiatingProcessId, "
    "$left.ProcessCreationTime == $right.InitiatingProcessCreationTime"
)

_AS_FOUND = """| project Found = "active", ProcessId = InitiatingProcessId,
ProcessCreationTime = InitiatingProcessCreationTime,
FileName = InitiatingProcessFileName, FolderPath = InitiatingProcessFolderPath,
AccountDomain = InitiatingProcessAccountDomain, AccountName = InitiatingProcessAccountName"""

_CREATED_AS_FOUND = """| project Found = "created", ProcessId, ProcessCreationTime,
FileName, FolderPath, AccountDomain, AccountName"""

#: Proves that hunting is permitted; reads one row of the smallest table.
PROBE = "DeviceInfo | take 1 | project DeviceId"


def addresses(device_id: str, window: Window) -> str:
    """The device's own addresses in a window: those of its connections, and those of its adapters.

    An adapter that reports the same addresses twice had them in between.
    """
    first_and_last = "summarize FirstSeen = min(Timestamp), LastSeen = max(Timestamp)"
    within = f"where DeviceId == {literal(device_id)} | where {_between(window)}"
    return f"""union
(DeviceNetworkEvents | {within} | where ActionType in ({_list((*OUTBOUND, INBOUND))})
| where isnotempty(LocalIP) | {first_and_last} by LocalIP | top {MOST_ADDRESSES} by LastSeen desc),
(DeviceNetworkInfo | {within} | where NetworkAdapterStatus == "Up" | where isnotempty(IPAddresses)
| {first_and_last} by IPAddresses | top {MOST_ADDRESSES} by LastSeen desc)"""


def lineage(device_id: str, keys: Sequence[ProcessKey], *, relatives: int) -> str:
    """The creation rows of processes, of seven generations above, of their children and of their siblings.

    Rows with `Row` "process" are creations; with "certificate", what is known of the signature of a SHA1.

    Args:
        device_id: the machine's id.
        keys: the processes.
        relatives: children at most, and siblings at most; 0 asks for none.
    """
    found = [f"L{n}" for n in range(GENERATIONS)]
    around = ""
    if relatives > 0:
        found += ["Down", "Beside"]
        around = f"""
let Down = P | where {_initiated_by(keys)} | top {relatives:d} by ProcessCreationTime asc;
let Beside = P | join kind=leftsemi L0 on {_INITIATED} | top {relatives:d} by ProcessCreationTime asc;"""
    return f"""let P = materialize(DeviceProcessEvents
| where DeviceId == {literal(device_id)}
| where ActionType == "ProcessCreated"
| project {_PROCESS_COLUMNS});
{_climb(keys)}{around}
let Rows = materialize(union {", ".join(found)} | distinct *);
let Hashes = union (Rows | project SHA1), (Rows | project SHA1 = InitiatingProcessSHA1) | distinct SHA1;
let Certificates = DeviceFileCertificateInfo
| where DeviceId == {literal(device_id)}
| where SHA1 in (Hashes)
| summarize arg_max(Timestamp, IsSigned, IsTrusted, Signer) by SHA1;
union (Rows | extend Row = "process"), (Certificates | extend Row = "certificate")"""


def children(device_id: str, keys: Sequence[ProcessKey], *, limit: int) -> str:
    """The creation rows of what processes started, oldest first."""
    return f"""DeviceProcessEvents
| where DeviceId == {literal(device_id)}
| where ActionType == "ProcessCreated"
| where {_initiated_by(keys)}
| project {_PROCESS_COLUMNS}
| extend Row = "process"
| top {limit:d} by ProcessCreationTime asc"""


def connected(
    device_id: str,
    *,
    addresses: Sequence[str],
    port: int | None,
    name: str | None,
    pid: int | None,
    window: Window,
) -> str:
    """The processes that had a connection with a peer or on a port in a time span, with their own ends.

    `Found` is "active" for each process and own end, and "created" for the creation of those that have one.
    """
    lines = [
        f"DeviceNetworkEvents\n| where DeviceId == {literal(device_id)}",
        f"where {_between(window)}",
        f"where ActionType in ({_list((*OUTBOUND, INBOUND))})",
    ]
    if addresses:
        lines.append(f"where RemoteIP in ({_list(addresses)})")
    if port is not None:
        outbound = f"ActionType in ({_list(OUTBOUND)}) and RemotePort == {port:d}"
        inbound = f"ActionType == {literal(INBOUND)} and LocalPort == {port:d}"
        lines.append(f"where ({outbound}) or ({inbound})")
    lines += _initiator(name, pid)
    lines += [
        f"summarize Seen = min(Timestamp) by {_INITIATOR}, {_ACCOUNT}, LocalIP",
        f"top {MOST_FOUND + 1} by Seen asc",
    ]
    return f"""let Connected = materialize({"\n| ".join(lines)});
union
(DeviceProcessEvents
| where DeviceId == {literal(device_id)}
| where ActionType == "ProcessCreated"
| join kind=leftsemi Connected {_PARENT_OF}
{_CREATED_AS_FOUND}),
(Connected
{_AS_FOUND}, LocalIP)"""


def connected_between(pair: NamedPair, window: Window) -> str:
    """The processes of this name that were connected from one address to another, on any device.

    `Found` is "active" for each device, process and kind of event, the earliest first, and "created" for the
    creation of those that have one. Whoever opened the connection has src_ip for its own end.
    """
    src, dest = (_list(spellings(each)) for each in (pair.src_ip, pair.dest_ip))
    opened = f"ActionType in ({_list(OUTBOUND)}) and LocalIP in ({src}) and RemoteIP in ({dest})"
    taken = f"ActionType == {literal(INBOUND)} and LocalIP in ({dest}) and RemoteIP in ({src})"
    return f"""let Connected = materialize(DeviceNetworkEvents
| where {_between(window)}
| where ({opened}) or ({taken})
| where InitiatingProcessFileName =~ {literal(pair.name)}
| summarize Seen = min(Timestamp) by DeviceId, DeviceName, ActionType, {_INITIATOR}, {_ACCOUNT}
| top {MOST_FOUND + 1} by Seen asc);
union
(DeviceProcessEvents
| where ActionType == "ProcessCreated"
| join kind=leftsemi Connected {_PARENT_OF}, $left.DeviceId == $right.DeviceId
{_CREATED_AS_FOUND}, DeviceId),
(Connected
{_AS_FOUND}, DeviceId, DeviceName, ActionType, Seen)"""


def spellings(ip: str) -> tuple[str, ...]:
    """A canonical address as the tables may write it: IPv4 also in IPv6's mapped form (FourToSixMapping)."""
    return (ip, f"::ffff:{ip}") if "." in ip and ":" not in ip else (ip,)


def named(device_id: str, *, name: str, pid: int | None, window: Window) -> str:
    """Processes of a name: those created before the end of a time span, and those at work in it.

    `Found` is "created" (latest first) or "active". Defender records no process's end.
    """
    created = f"where FileName =~ {literal(name)}\n| where ProcessCreationTime <= {_time(window.end)}"
    if pid is not None:
        created += f"\n| where ProcessId == {pid:d}"
    active = "\n| ".join([f"where {_between(window)}", *_initiator(name, pid)])
    return _found(device_id, created, active)


def known(device_id: str, key: ProcessKey) -> str:
    """One process by its key: its creation, and whether it did anything. `Found` as of `named`."""
    return _found(device_id, f"where {_is([key])}", f"where {_initiated_by([key])}")


def evidence(device_id: str, key: ProcessKey, image: str) -> str:
    """What else was recorded of a process, who wrote the images above it, and which kinds the device records.

    `Row` tells the kinds apart: creation, connection, event (DNS, threads, handles), module, certificate
    (of a module), file, writer, and covers, one for each kind of which the device has any event at all.
    """
    device = f"where DeviceId == {literal(device_id)}"
    mine, onto = f"where {_initiated_by([key])}", f"where {_is([key])}"
    first = f"top {MOST_EVENTS + 1} by Timestamp asc"
    writes = f"where ActionType in ({_list(WRITES)})"
    columns = f"Timestamp, ActionType, FileName, FolderPath, {_INITIATOR}"
    generations = ", ".join(f"L{n}" for n in range(GENERATIONS))
    return f"""let P = materialize(DeviceProcessEvents
| {device}
| where ActionType == "ProcessCreated"
| project ProcessId, ProcessCreationTime, FolderPath, ProcessCommandLine, {_INITIATED},
InitiatingProcessFolderPath);
{_climb([key])}
let Up = materialize(union {generations});
let Named = L0
| mv-expand Part = split(ProcessCommandLine, " ") to typeof(string)
| where Part contains "\\\\"
| project Path = trim("\\"", Part);
let Paths = union (Up | project Path = FolderPath), (Up | project Path = InitiatingProcessFolderPath), Named,
(print Path = {literal(image)})
| where isnotempty(Path) | distinct Path;
let Modules = materialize(DeviceImageLoadEvents | {device} | {mine}
| project Timestamp, FileName, FolderPath, SHA1, SHA256, MD5 | {first} | extend Row = "module");
let Hashes = Modules | distinct SHA1;
union
(L0 | extend Row = "creation"),
(DeviceNetworkEvents | {device} | {mine} | where ActionType in ({_list((*OUTBOUND, INBOUND))})
| extend Port = iff(ActionType == {literal(INBOUND)}, LocalPort, RemotePort)
| summarize Events = count(), LastSeen = max(Timestamp), arg_min(Timestamp, LocalPort, RemotePort)
by ActionType, RemoteIP, LocalIP, Protocol, Port
| {first} | extend Row = "connection"),
(DeviceEvents | {device} | {mine} | where ActionType == "DnsQueryResponse"
| project Timestamp, ActionType, AdditionalFields | {first} | extend Row = "event"),
(DeviceEvents | {device} | {onto} | where ActionType == "CreateRemoteThreadApiCall"
| project {columns} | {first} | extend Row = "event"),
(DeviceEvents | {device} | {onto} | where ActionType == "OpenProcessApiCall"
| project {columns}, AdditionalFields | {first} | extend Row = "event"),
Modules,
(DeviceFileCertificateInfo | {device} | where SHA1 in (Hashes)
| summarize arg_max(Timestamp, IsSigned, IsTrusted, Signer) by SHA1 | extend Row = "certificate"),
(DeviceFileEvents | {device} | {mine} | {writes}
| project {columns} | {first} | extend Row = "file"),
(DeviceFileEvents | {device} | {writes} | where FolderPath in~ (Paths)
| project {columns} | {first} | extend Row = "writer"),
(DeviceNetworkEvents | {device} | take 1 | project Row = "covers", Covers = "connection"),
(DeviceEvents | {device} | where ActionType == "DnsQueryResponse"
| take 1 | project Row = "covers", Covers = "dns"),
(DeviceEvents | {device} | where ActionType == "CreateRemoteThreadApiCall" and isnotnull(ProcessCreationTime)
| take 1 | project Row = "covers", Covers = "remote_thread"),
(DeviceImageLoadEvents | {device} | take 1 | project Row = "covers", Covers = "module"),
(DeviceFileEvents | {device} | take 1 | project Row = "covers", Covers = "file")"""


def _found(device_id: str, created: str, active: str) -> str:
    """Processes by their creation, and by what they did."""
    return f"""union
(DeviceProcessEvents
| where DeviceId == {literal(device_id)}
| where ActionType == "ProcessCreated"
| {created}
{_CREATED_AS_FOUND}
| top {MOST_FOUND + 1} by ProcessCreationTime desc),
(union {_ACTIVITY}
| where DeviceId == {literal(device_id)}
| {active}
| summarize Seen = min(Timestamp) by {_INITIATOR}, {_ACCOUNT}
| top {MOST_FOUND + 1} by Seen asc
{_AS_FOUND})"""


def _climb(keys: Sequence[ProcessKey]) -> str:
    """L0, the processes themselves, and a generation above in each L after it."""
    lines = [f"let L0 = P | where {_is(keys)};"]
    lines += [f"let L{n} = P | join kind=leftsemi L{n - 1} {_PARENT_OF};" for n in range(1, GENERATIONS)]
    return "\n".join(lines)


def _is(keys: Sequence[ProcessKey]) -> str:
    return _either(keys, "ProcessId", "ProcessCreationTime")


def _initiated_by(keys: Sequence[ProcessKey]) -> str:
    return _either(keys, "InitiatingProcessId", "InitiatingProcessCreationTime")


def _either(keys: Sequence[ProcessKey], pid: str, created: str) -> str:
    return " or ".join(f"({pid} == {key.pid:d} and {created} == datetime({key.created}))" for key in keys)


def _initiator(name: str | None, pid: int | None) -> list[str]:
    by_name = [f"where InitiatingProcessFileName =~ {literal(name)}"] if name is not None else []
    return by_name + ([f"where InitiatingProcessId == {pid:d}"] if pid is not None else [])


def _between(window: Window) -> str:
    return f"Timestamp between ({_time(window.start)} .. {_time(window.end)})"


def _time(when: datetime) -> str:
    return f"datetime({kusto_time(when)})"


def _list(texts: Sequence[str]) -> str:
    return ", ".join(literal(text) for text in texts)
