"""An estate as Falcon tells of it: device records, and events in the fields of Falcon Data Replicator.

What is not read from Falcon is left out: parents' command lines, injected threads, modules, files that are
neither executables nor scripts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from connectors.facts.host import HostType
from connectors.facts.process import Connection, DnsAnswer, FileWritten, Process, SignatureState, image_name
from tests.estate import Estate, EstateHost, Happened

_TYPES = {
    HostType.WORKSTATION: ("1", "Workstation"),
    HostType.DOMAIN_CONTROLLER: ("2", "Domain Controller"),
    HostType.SERVER: ("3", "Server"),
}
_INTEGRITY = {"Untrusted": 0, "Low": 4096, "Medium": 8192, "High": 12288, "System": 16384}
_SIDS = {
    "NT AUTHORITY\\SYSTEM": "S-1-5-18",
    "NT AUTHORITY\\LOCAL SERVICE": "S-1-5-19",
    "NT AUTHORITY\\NETWORK SERVICE": "S-1-5-20",
}
_FLAGS = {
    SignatureState.VALID: str(1 << 18),
    SignatureState.UNSIGNED: str(1 << 9),
    SignatureState.INVALID: str(1 << 10),
}
_PROTOCOLS = {"tcp": "6", "udp": "17"}
_SCRIPTS = (".ps1", ".vbs", ".js", ".bat", ".cmd", ".hta")
_EXECUTABLES = (".exe", ".dll", ".sys", ".scr", ".ocx")

type Row = dict[str, Any]


def falcon_id(host_id: str, guid: str | None) -> str:
    """The TargetProcessId of a process: the same in every run."""
    if guid is None:
        return "0"
    return str(int(hashlib.sha256(f"{host_id}:{guid}".encode()).hexdigest()[:15], 16) + 1)


def devices_of(estate: Estate) -> list[Row]:
    """A device record for each host."""
    return [_device(each) for each in estate.hosts]


def histories_of(estate: Estate) -> dict[str, list[Row]]:
    """The address history of each host: an entry where an address was seen first, in no order."""
    return {
        host.host_id: [
            {"ip_address": each.ip, "mac_address": "00-50-56-00-00-01", "timestamp": _iso(each.first_seen)}
            for each in reversed(host.addresses)
            if each.first_seen is not None
        ]
        for host in estate.hosts
    }


def events_of(estate: Estate) -> list[Row]:
    """Every event that Falcon would have sent."""
    rows = [row for process in estate.processes for row in _process(process)]
    rows += [row for event in estate.events if (row := _event(event)) is not None]
    return rows


def _device(host: EstateHost) -> Row:
    first, _, domain = host.name.partition(".")
    number, described = _TYPES.get(host.host_type, ("", ""))
    record = {
        "device_id": host.host_id,
        "cid": "f" * 32,
        "hostname": first.upper(),
        "machine_domain": domain,
        "local_ip": host.addresses[-1].ip if host.addresses else "",
        "external_ip": "192.0.2.1",
        "platform_name": "Windows",
        "product_type": number,
        "product_type_desc": described,
        "first_seen": _iso(host.first_seen),
        "last_seen": _iso(host.last_seen),
        "status": "normal",
        "tags": list(host.tags),
        "groups": [],
    }
    return {name: value for name, value in record.items() if value != ""}


def _process(process: Process) -> Iterator[Row]:
    ref = process.ref
    key = falcon_id(ref.host_id, ref.guid)
    started = _seconds(ref.start_time)
    digests = {each.algorithm: each.digest.lower() for each in process.hashes}
    domain, _, name = process.user.rpartition("\\")
    row = {
        **_always("ProcessRollup2", ref.host_id, ref.start_time),
        "TargetProcessId": key,
        "ContextProcessId": falcon_id(ref.host_id, process.parent_guid),
        "ParentProcessId": falcon_id(ref.host_id, process.parent_guid),
        "SourceProcessId": falcon_id(ref.host_id, process.parent_guid),
        "RawProcessId": None if ref.pid is None else str(ref.pid),
        "ProcessStartTime": started,
        "ProcessEndTime": "",
        "ImageFileName": device_path(ref.image),
        "CommandLine": process.command_line,
        "ParentBaseFileName": image_name(process.parent_image) or None,
        "UserName": name or None,
        "LogonDomain": domain or None,
        "UserSid": _SIDS.get(process.user, "S-1-5-21-1-2-3-1001"),
        "IntegrityLevel": _text(_INTEGRITY.get(process.integrity)),
        "MD5HashData": digests.get("MD5"),
        "SHA1HashData": digests.get("SHA1", "0" * 40),
        "SHA256HashData": digests.get("SHA256"),
        "SignInfoFlags": _FLAGS.get(process.signature.state),
    }
    yield {name: value for name, value in row.items() if value is not None}
    if process.original_file_name and "SHA256" in digests:
        yield {
            **_always("PeVersionInfo", ref.host_id, ref.start_time),
            "SHA256HashData": digests["SHA256"],
            "OriginalFilename": process.original_file_name,
            "ImageFileName": device_path(ref.image),
        }
    if process.end_time is not None:
        yield {
            **_always("EndOfProcess", ref.host_id, process.end_time),
            "TargetProcessId": key,
            "ContextProcessId": key,
            "ParentProcessId": falcon_id(ref.host_id, process.parent_guid),
            "ProcessStartTime": started,
        }


def _event(event: Happened) -> Row | None:
    if event.guid is None:
        return None
    fact = event.fact
    context = {
        "ContextProcessId": falcon_id(event.host_id, event.guid),
        "ContextBaseFileName": image_name(event.image),
    }
    if isinstance(fact, Connection):
        return _network(event, fact, context)
    if isinstance(fact, DnsAnswer):
        version4 = [each for each in fact.addresses if ":" not in each]
        version6 = [each for each in fact.addresses if ":" in each]
        return {
            **_always("DnsRequest", event.host_id, fact.time),
            **context,
            "DomainName": fact.name,
            "QueryStatus": fact.status,
            "IP4Records": "".join(f"{each};" for each in version4),
            "IP6Records": "".join(f"{each};" for each in version6),
        }
    if isinstance(fact, FileWritten):
        path = fact.path.lower()
        name = "PeFileWritten" if path.endswith(_EXECUTABLES) else ""
        name = "NewScriptWritten" if path.endswith(_SCRIPTS) else name
        if name:
            return {
                **_always(name, event.host_id, fact.time),
                **context,
                "ContextImageFileName": device_path(fact.writer_image),
                "TargetFileName": device_path(fact.path),
            }
    return None


def _network(event: Happened, fact: Connection, context: Row) -> Row:
    outbound = fact.initiated is not False
    version = "6" if ":" in fact.dest_ip else "4"
    name = f"{'NetworkConnect' if outbound else 'NetworkReceiveAccept'}IP{version}"
    near, far = (fact.src_ip, fact.src_port), (fact.dest_ip, fact.dest_port)
    if not outbound:
        near, far = far, near
    return {
        **_always(name, event.host_id, fact.time),
        **context,
        f"LocalAddressIP{version}": near[0],
        "LocalPort": _text(near[1]),
        f"RemoteAddressIP{version}": far[0],
        "RemotePort": _text(far[1]),
        "Protocol": _PROTOCOLS.get(fact.protocol, "255"),
        "ConnectionDirection": "0" if outbound else "1",
    }


def device_path(path: str) -> str:
    r"""A path as the kernel has it: `C:\Windows` is `\Device\HarddiskVolume3\Windows`."""
    if path[1:3] == ":\\":
        return f"\\Device\\HarddiskVolume3{path[2:]}"
    return path


def _always(name: str, host_id: str, when: datetime | None) -> Row:
    milliseconds = int(when.timestamp() * 1000) if when is not None else 0
    return {
        "#event_simpleName": name,
        "event_simpleName": name,
        "event_platform": "Win",
        "aid": host_id,
        "@timestamp": milliseconds,
        "timestamp": str(milliseconds),
        "ContextTimeStamp": _seconds(when),
    }


def _seconds(when: datetime | None) -> str:
    return "" if when is None else f"{when.timestamp():.3f}"


def _iso(when: datetime | None) -> str:
    return "" if when is None else when.isoformat()


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
