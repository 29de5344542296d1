"""Raw Sysmon events for tests of what comes after the readers."""

from __future__ import annotations

from connectors.edr.sysmon_file.event import RawEvent

HOST = "WS01.corp.example"
REGSVCS = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe"


def guid(number: int) -> str:
    """A ProcessGuid as Sysmon writes it."""
    return f"{{A1C5D0E2-{number:04X}-66F4-0000-000000002B00}}"


def bare(number: int) -> str:
    """The same, normalised."""
    return guid(number).strip("{}")


def utc(second: float) -> str:
    """UtcTime that many seconds after 2026-09-24 07:00."""
    minutes, rest = divmod(second, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"2026-09-24 {7 + hours:02d}:{minutes:02d}:{rest:06.3f}"


def event(number: int, *, second: float = 0, host: str = HOST, record: int = 1, **data: object) -> RawEvent:
    """Any Sysmon event."""
    return with_data(number, data, second=second, host=host, record=record)


def with_data(
    number: int, data: dict[str, object], *, second: float = 0, host: str = HOST, record: int = 1
) -> RawEvent:
    """Any Sysmon event, its fields as one mapping."""
    logged = utc(second).replace(" ", "T") + "Z"
    return RawEvent(number, host, logged, {"UtcTime": utc(second), **data}, "test.log", record)


def created(
    number: int,
    parent: int | None,
    image: str = r"C:\Windows\System32\cmd.exe",
    *,
    second: float = 0,
    pid: int | None = None,
    host: str = HOST,
    record: int = 1,
    **data: object,
) -> RawEvent:
    """EID 1 of process `number`, started by process `parent` (None: a null guid)."""
    fields: dict[str, object] = {
        "ProcessGuid": guid(number),
        "ProcessId": 1000 + number if pid is None else pid,
        "Image": image,
        "CommandLine": f'"{image}" /run',
        "User": r"CORP\user01",
        "IntegrityLevel": "Medium",
        "OriginalFileName": image.rpartition("\\")[2],
        "ParentProcessGuid": "{00000000-0000-0000-0000-000000000000}" if parent is None else guid(parent),
        "ParentProcessId": 0 if parent is None else 1000 + parent,
        "ParentImage": "?" if parent is None else r"C:\Windows\System32\cmd.exe",
        "ParentCommandLine": "?" if parent is None else "cmd.exe /run",
    }
    return with_data(1, {**fields, **data}, second=second, host=host, record=record)


def connected(
    number: int | None,
    dest_ip: object = "149.154.167.220",
    *,
    second: float = 0,
    image: object = REGSVCS,
    initiated: object = True,
    port: object = 443,
    host: str = HOST,
    **data: object,
) -> RawEvent:
    """EID 3 of process `number` (None: a null guid)."""
    fields: dict[str, object] = {
        "ProcessGuid": "{00000000-0000-0000-0000-000000000000}" if number is None else guid(number),
        "ProcessId": 0 if number is None else 1000 + number,
        "Image": image,
        "User": r"CORP\user01",
        "Protocol": "tcp",
        "Initiated": initiated,
        "SourceIp": "10.20.4.17",
        "SourcePort": 50000,
        "DestinationIp": dest_ip,
        "DestinationPort": port,
        "DestinationHostname": "not.used.example",
    }
    return with_data(3, {**fields, **data}, second=second, host=host)
