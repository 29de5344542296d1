"""Builders of Sysmon records in every shape that the readers know, for tests and benchmarks.

Each builder takes the EventID, the host and Sysmon's own fields, and gives the bytes of one record without
a newline: `flat(3, HOST, **network(Image=REGSVCS))`. `lines(...)` puts records into one text;
`zip_of`, `tar_of` and `gzip` pack.
"""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

PROVIDER = "Microsoft-Windows-Sysmon"
CHANNEL = "Microsoft-Windows-Sysmon/Operational"
PROVIDER_GUID = "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}"
HOST = "ws-0142.corp.example"
LOGGED_AT = "2024-05-14T09:31:07.512Z"
REGSVCS = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe"
GUID = "{5B1C63F0-2F0B-6643-0B02-000000001A00}"
#: The pid of the Sysmon service, which NXLog writes as ProcessID.
SERVICE_PID = 2740

Fields = dict[str, Any]
Builder = Callable[..., bytes]


# --- fields of events ------------------------------------------------------------------------------


def network(**fields: object) -> Fields:
    """Fields of an EventID 3, all text as Sysmon renders them."""
    return {
        "RuleName": "-",
        "UtcTime": "2024-05-14 09:31:05.118",
        "ProcessGuid": GUID,
        "ProcessId": "4944",
        "Image": REGSVCS,
        "User": r"CORP\jdoe",
        "Protocol": "tcp",
        "Initiated": "true",
        "SourceIsIpv6": "false",
        "SourceIp": "10.20.4.17",
        "SourceHostname": HOST,
        "SourcePort": "54957",
        "SourcePortName": "-",
        "DestinationIsIpv6": "false",
        "DestinationIp": "208.95.112.1",
        "DestinationHostname": "-",
        "DestinationPort": "80",
        "DestinationPortName": "http",
    } | fields


def process(**fields: object) -> Fields:
    """Fields of an EventID 1."""
    return {
        "RuleName": "-",
        "UtcTime": "2024-05-14 09:31:04.771",
        "ProcessGuid": GUID,
        "ProcessId": "4944",
        "Image": REGSVCS,
        "FileVersion": "4.8.9037.0 built by: NET481REL1",
        "Description": "Microsoft .NET Services Installation Utility",
        "Product": "Microsoft® .NET Framework",
        "Company": "Microsoft Corporation",
        "OriginalFileName": "RegSvcs.exe",
        "CommandLine": f'"{REGSVCS}"',
        "CurrentDirectory": "C:\\Users\\jdoe\\",
        "User": r"CORP\jdoe",
        "LogonGuid": "{5B1C63F0-1E31-6643-E703-050000000000}",
        "LogonId": "0x503e7",
        "TerminalSessionId": "1",
        "IntegrityLevel": "Medium",
        "Hashes": "SHA256=" + "0A1B2C3D" * 8,
        "ParentProcessGuid": "{5B1C63F0-2F09-6643-0A02-000000001A00}",
        "ParentProcessId": "3528",
        "ParentImage": r"C:\Users\jdoe\AppData\Local\Temp\order & invoice.exe",
        "ParentCommandLine": '"C:\\Users\\jdoe\\AppData\\Local\\Temp\\order & invoice.exe" <1>',
    } | fields


def terminated(**fields: object) -> Fields:
    """Fields of an EventID 5."""
    return {
        "RuleName": "-",
        "UtcTime": "2024-05-14 09:32:11.004",
        "ProcessGuid": GUID,
        "ProcessId": "4944",
        "Image": REGSVCS,
    } | fields


def access(**fields: object) -> Fields:
    """Fields of an EventID 10, by far the most frequent."""
    return {
        "RuleName": "-",
        "UtcTime": "2024-05-14 09:31:04.903",
        "SourceProcessGUID": "{5B1C63F0-1D02-6643-0C00-000000001A00}",
        "SourceProcessId": "1144",
        "SourceThreadId": "1236",
        "SourceImage": r"C:\Windows\system32\svchost.exe",
        "TargetProcessGUID": "{5B1C63F0-1D00-6643-0800-000000001A00}",
        "TargetProcessId": "784",
        "TargetImage": r"C:\Windows\system32\winlogon.exe",
        "GrantedAccess": "0x1400",
        "CallTrace": r"C:\Windows\SYSTEM32\ntdll.dll+a5ec4|C:\Windows\System32\RPCRT4.dll+580d4",
    } | fields


# --- one record in each shape ------------------------------------------------------------------------


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def evtx_json(event_id: object, computer: str, *, logged_at: str = LOGGED_AT, **data: Any) -> bytes:
    """As evtx_dump writes it."""
    system = {
        "Provider": {"#attributes": {"Name": PROVIDER, "Guid": PROVIDER_GUID.strip("{}")}},
        "EventID": event_id,
        "Version": 5,
        "Level": 4,
        "TimeCreated": {"#attributes": {"SystemTime": logged_at}},
        "EventRecordID": 16792,
        "Execution": {"#attributes": {"ProcessID": SERVICE_PID, "ThreadID": 3440}},
        "Channel": CHANNEL,
        "Computer": computer,
        "Security": {"#attributes": {"UserID": "S-1-5-18"}},
    }
    return _json({"Event": {"System": system, "EventData": data}})


def xml_as_json(event_id: object, computer: str, *, logged_at: str = LOGGED_AT, **data: Any) -> bytes:
    """As xmltodict and its like write the XML: attributes with @, texts with #text."""
    system = {
        "Provider": {"@Name": PROVIDER, "@Guid": PROVIDER_GUID},
        "EventID": {"#text": str(event_id)},
        "TimeCreated": {"@SystemTime": logged_at},
        "Channel": CHANNEL,
        "Computer": computer,
    }
    pairs = [
        {"@Name": name, "#text": value} if value != "" else {"@Name": name} for name, value in data.items()
    ]
    return _json({"Event": {"System": system, "EventData": {"Data": pairs}}})


def velociraptor(event_id: int, computer: str, **data: Any) -> bytes:
    """As Velociraptor's parse_evtx writes it: no Event around, the time as a number."""
    system = {
        "Provider": {"Name": PROVIDER, "Guid": PROVIDER_GUID},
        "EventID": {"Value": event_id},
        "TimeCreated": {"SystemTime": 1715679067.512},
        "Channel": CHANNEL,
        "Computer": computer,
    }
    return _json({"System": system, "EventData": data})


def winlogbeat(event_id: object, computer: str, *, logged_at: str = LOGGED_AT, **data: Any) -> bytes:
    """As winlogbeat 7 and 8 write it. `host` and `agent` are the collector."""
    return _json(_winlog(event_id, computer, logged_at) | {"winlog": _winlog_part(event_id, computer, data)})


def elastic_hit(event_id: object, computer: str, *, logged_at: str = LOGGED_AT, **data: Any) -> bytes:
    """The same as a search hit."""
    source = json.loads(winlogbeat(event_id, computer, logged_at=logged_at, **data))
    return _json({"_index": "winlogbeat-8.13.0", "_id": "aKq1d48BbPzX", "_score": 1.0, "_source": source})


def _winlog(event_id: object, computer: str, logged_at: str) -> Fields:
    return {
        "@timestamp": logged_at,
        "event": {"code": str(event_id), "provider": PROVIDER, "created": "2024-05-14T09:31:09.001Z"},
        "host": {"name": "wec01.corp.example"},
        "agent": {"type": "winlogbeat", "hostname": "wec01.corp.example"},
        "message": f"Sysmon event of {computer}",
    }


def _winlog_part(event_id: object, computer: str, data: Fields) -> Fields:
    return {
        "channel": CHANNEL,
        "provider_name": PROVIDER,
        "provider_guid": PROVIDER_GUID,
        "computer_name": computer,
        "event_id": event_id,
        "record_id": 16792,
        "process": {"pid": SERVICE_PID, "thread": {"id": 3440}},
        "event_data": data,
    }


def winlogbeat6(event_id: object, computer: str, *, logged_at: str = LOGGED_AT, **data: Any) -> bytes:
    """As winlogbeat up to 6 wrote it."""
    return _json(
        {
            "@timestamp": logged_at,
            "beat": {"hostname": "wec01", "version": "6.8.23"},
            "host": {"name": "wec01.corp.example"},
            "computer_name": computer,
            "event_id": event_id,
            "log_name": CHANNEL,
            "source_name": PROVIDER,
            "process_id": SERVICE_PID,
            "event_data": data,
        }
    )


def elastic_ecs(event_id: int, computer: str, *, logged_at: str = LOGGED_AT, **data: Any) -> bytes:
    """After Elastic's Sysmon pipeline: fields moved to ECS, empty ones and "-" dropped, event_data gone."""
    domain, _, user = data.get("User", "").rpartition("\\")
    initiated = {"true": "egress", "false": "ingress"}.get(data.get("Initiated", ""), "")
    places = {
        "ProcessGuid": ("process", "entity_id"),
        "ProcessId": ("process", "pid"),
        "Image": ("process", "executable"),
        "CommandLine": ("process", "command_line"),
        "ParentProcessGuid": ("process", "parent", "entity_id"),
        "ParentImage": ("process", "parent", "executable"),
        "Protocol": ("network", "transport"),
        "SourceIp": ("source", "ip"),
        "SourcePort": ("source", "port"),
        "DestinationIp": ("destination", "ip"),
        "DestinationPort": ("destination", "port"),
        "QueryName": ("dns", "question", "name"),
    }
    record = _winlog(event_id, computer, logged_at)
    part = _winlog_part(str(event_id), computer, {})
    del part["event_data"]
    record |= {"winlog": part, "user": {"domain": domain, "name": user, "id": "S-1-5-18"}}
    record |= {"network": {"direction": initiated}} if initiated else {}
    for name, path in places.items():
        if data.get(name, "-") not in {"", "-"}:
            place = record
            for step in path[:-1]:
                place = place.setdefault(step, {})
            is_number = path[-1] in {"pid", "port"}
            place[path[-1]] = int(data[name]) if is_number else data[name]
    return _json(record)


def flat(event_id: object, computer: str, **data: Any) -> bytes:
    """Flat ndjson as Mordor publishes it: `host` and `@timestamp` are the collector's."""
    return _json(
        {
            "Keywords": -9223372036854775808,
            "SeverityValue": 2,
            "EventID": event_id,
            "ProviderGuid": PROVIDER_GUID.lower(),
            "ExecutionProcessID": SERVICE_PID,
            "Channel": CHANNEL,
            "host": "wec.internal.cloudapp.net",
            "AccountName": "SYSTEM",
            "EventTime": "2024-05-14 05:31:07",
            "@timestamp": "2024-05-14T13:31:09.360Z",
            "SourceModuleType": "im_msvistalog",
            "port": 64545,
            "Task": event_id,
            "SourceName": PROVIDER,
            "Version": 5,
            "Hostname": computer,
            "tags": ["mordorDataset"],
        }
        | data
    )


def nxlog(event_id: object, computer: str, **data: Any) -> bytes:
    """NXLog JSON: ProcessID is the service's pid, ProcessId has no room and stands in Message only."""
    message = "Sysmon event:\r\n" + "\r\n".join(f"{name}: {value}" for name, value in data.items())
    kept = {name: value for name, value in data.items() if name != "ProcessId" and value != ""}
    return _json(
        {
            "EventTime": "2024-05-14 05:31:07",
            "Hostname": computer,
            "Keywords": -9223372036854775808,
            "EventType": "INFO",
            "SeverityValue": 2,
            "Severity": "INFO",
            "EventID": event_id,
            "SourceName": PROVIDER,
            "ProviderGuid": PROVIDER_GUID,
            "Version": 5,
            "Task": event_id,
            "RecordNumber": 5003,
            "ProcessID": SERVICE_PID,
            "ThreadID": 3416,
            "Channel": CHANNEL,
            "Domain": "NT AUTHORITY",
            "AccountName": "SYSTEM",
            "Message": message,
        }
        | kept
        | {"EventReceivedTime": "2024-05-14 05:31:09", "SourceModuleName": "eventlog"}
    )


def xml_data(data: Fields, *, quote: str = '"') -> str:
    """The `<Data>` elements of an EventData."""
    return "".join(
        f"<Data Name={quote}{name}{quote}>{escape(str(value))}</Data>" for name, value in data.items()
    )


def sentinel(event_id: object, computer: str, *, event_data: str = "xml", **data: Any) -> bytes:
    """A row of Azure's Event table; `event_data` is "xml", "json", "pairs" or "columns"."""
    row: Fields = {
        "TenantId": "00000000-0000-0000-0000-000000000000",
        "SourceSystem": "OpsManager",
        "TimeGenerated": "2024-05-14T09:31:12.23Z",
        "Source": PROVIDER,
        "EventLog": CHANNEL,
        "Computer": computer,
        "EventLevelName": "Information",
        "EventID": event_id,
        "Type": "Event",
    }
    item = (
        '<DataItem type="System.XmlData" time="2024-05-14T09:31:07.5120000Z">'
        f"<EventData>{xml_data(data)}</EventData></DataItem>"
    )
    pairs = [{"@Name": name, "#text": value} for name, value in data.items()]
    forms: dict[str, Fields] = {
        "xml": {"EventData": item},
        "json": {"EventData": _json(data).decode()},
        "pairs": {"EventData": {"Data": pairs}},
        "columns": data,
    }
    return _json(row | forms[event_data])


def xml(
    event_id: object,
    computer: str,
    *,
    logged_at: str = LOGGED_AT,
    provider: str = PROVIDER,
    channel: str = CHANNEL,
    **data: Any,
) -> bytes:
    """XmlWinEventLog text as Splunk and wevtutil write it."""
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        f"<Provider Name='{provider}' Guid='{PROVIDER_GUID}'/><EventID>{event_id}</EventID>"
        f"<Version>5</Version><Level>4</Level><Task>{event_id}</Task><Opcode>0</Opcode><Keywords>0x8000000000000000</Keywords>"
        f"<TimeCreated SystemTime='{logged_at}'/><EventRecordID>16792</EventRecordID><Correlation/>"
        f"<Execution ProcessID='{SERVICE_PID}' ThreadID='3440'/><Channel>{channel}</Channel>"
        f"<Computer>{escape(computer)}</Computer><Security UserID='S-1-5-18'/></System>"
        f"<EventData>{xml_data(data, quote=chr(39))}</EventData></Event>"
    ).encode()


def other_flat(event_id: int = 4688, computer: str = HOST) -> bytes:
    """A flat record of another provider."""
    return _json(
        {
            "EventID": event_id,
            "SourceName": "Microsoft-Windows-Security-Auditing",
            "Channel": "Security",
            "Hostname": computer,
            "ProcessId": "3596",
        }
    )


def other_xml(event_id: int = 4688, computer: str = HOST) -> bytes:
    """An XML event of another provider."""
    return xml(
        event_id,
        computer,
        provider="Microsoft-Windows-Security-Auditing",
        channel="Security",
        SubjectUserName="jdoe",
    )


# --- texts and archives ----------------------------------------------------------------------------


def lines(*records: bytes, end: bytes = b"\n") -> bytes:
    """One record a line."""
    return b"".join(record + end for record in records)


def gzip(data: bytes) -> bytes:
    """A .gz without name and time, so that it is always the same."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    return engine.compress(data) + engine.flush()


def zip_of(members: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A .zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return buffer.getvalue()


def tar_of(
    members: dict[str, bytes], *, extra: Iterable[tarfile.TarInfo] = (), kind: int = tarfile.PAX_FORMAT
) -> bytes:
    """A .tar; `extra` are members without content, such as links, put first."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for info in extra:
            archive.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


# --- long logs ---------------------------------------------------------------------------------------

#: How often each EventID comes, in thousandths: about as in the published NXLog and Mordor logs of the tests,
#: with twice their share of the EventIDs that detection wants.
MIX = {10: 700, 13: 80, 11: 50, 12: 30, 7: 30, 22: 20, 1: 40, 3: 30, 5: 20}

_IMAGES = (
    r"C:\Windows\System32\svchost.exe",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
    r"C:\Windows\System32\cmd.exe",
    REGSVCS,
)
#: Percent. The last is rare, as in real logs.
_IMAGE_WEIGHTS = (30, 30, 20, 19, 1)


def event_fields(source: random.Random, event_id: int) -> Fields:
    """Fields of a made-up event; lengths as in real logs."""
    (image,) = source.choices(_IMAGES, _IMAGE_WEIGHTS)
    guid = f"{{5B1C63F0-{source.getrandbits(16):04X}-6643-{source.getrandbits(16):04X}-000000001A00}}"
    time = f"2024-05-14 09:{source.randrange(60):02}:{source.randrange(60):02}.{source.randrange(1000):03}"
    common: Fields = {
        "UtcTime": time,
        "ProcessGuid": guid,
        "ProcessId": str(source.randrange(4, 20000)),
        "Image": image,
    }
    if event_id == 1:
        arguments = " ".join(f"/{source.getrandbits(32):x}" for _ in range(source.randrange(8)))
        return process(**common, CommandLine=f'"{image}" {arguments}')
    if event_id == 3:
        return network(
            **common,
            DestinationIp=f"10.{source.randrange(256)}.0.9",
            DestinationPort=str(source.randrange(65536)),
        )
    if event_id == 5:
        return terminated(**common)
    if event_id == 10:
        trace = "|".join(
            f"C:\\Windows\\System32\\KERNELBASE.dll+{source.getrandbits(20):x}"
            for _ in range(source.randrange(3, 14))
        )
        return access(UtcTime=time, SourceImage=image, SourceProcessGUID=guid, CallTrace=trace)
    key = rf"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\{source.getrandbits(64):x}" * source.randrange(
        1, 4
    )
    return (
        {"RuleName": "-", "EventType": "SetValue"}
        | common
        | {"TargetObject": key, "Details": "DWORD (0x00000001)"}
    )


def records(build: Builder, count: int, *, seed: int = 1) -> Iterator[bytes]:
    """`count` made-up records with the mix of real logs, always the same for a seed."""
    source = random.Random(seed)  # noqa: S311  test data
    event_ids = source.choices(list(MIX), list(MIX.values()), k=count)
    return (build(event_id, HOST, **event_fields(source, event_id)) for event_id in event_ids)
