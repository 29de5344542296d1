"""An estate as Defender has it: machine records and the hunting tables.

Columns: https://learn.microsoft.com/defender-xdr/advanced-hunting-schema-tables
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.facts.host import HostType
from connectors.facts.process import (
    Connection,
    DnsAnswer,
    FileWritten,
    ModuleLoad,
    Process,
    ProcessAccess,
    RemoteThread,
    SignatureState,
)
from tests.estate import Estate, EstateHost, Happened

type Row = dict[str, Any]

_INITIATOR = (
    *("AccountDomain", "AccountName", "IntegrityLevel", "SHA1", "SHA256", "MD5", "FileName", "Id"),
    *("VersionInfoOriginalFileName", "CommandLine", "CreationTime", "FolderPath"),
    *("ParentId", "ParentFileName", "ParentCreationTime"),
)

COLUMNS = frozenset(
    {
        *(
            "Timestamp",
            "DeviceId",
            "DeviceName",
            "ActionType",
            "FileName",
            "FolderPath",
            "SHA1",
            "SHA256",
            "MD5",
        ),
        *("ProcessVersionInfoOriginalFileName", "ProcessId", "ProcessCommandLine", "ProcessIntegrityLevel"),
        *("ProcessCreationTime", "AccountDomain", "AccountName", "AdditionalFields", "ReportId"),
        *("RemoteIP", "RemotePort", "RemoteUrl", "LocalIP", "LocalPort", "Protocol"),
        *("IsSigned", "IsTrusted", "Signer"),
        *("NetworkAdapterStatus", "IPAddresses"),
        *(f"InitiatingProcess{name}" for name in _INITIATOR),
    }
)

_PLATFORMS = {
    HostType.WORKSTATION: "Windows10",
    HostType.SERVER: "WindowsServer2019",
    HostType.DOMAIN_CONTROLLER: "WindowsServer2019",
    HostType.UNKNOWN: "Windows10",
}

#: A process that the log does not say the start of was started so long before it did anything.
_BEFORE = timedelta(seconds=60)


def machine_of(host: EstateHost) -> Row:
    """A machine record: https://learn.microsoft.com/defender-endpoint/api/get-machines"""
    ips = host.addresses_at(host.last_seen)
    return {
        "id": host.host_id,
        "computerDnsName": host.name.lower(),
        "firstSeen": time_text(host.first_seen),
        "lastSeen": time_text(host.last_seen),
        "osPlatform": _PLATFORMS[host.host_type],
        "onboardingStatus": "Onboarded",
        "healthStatus": "Active" if host.active else "Inactive",
        "lastIpAddress": ips[0] if ips else None,
        "lastExternalIpAddress": "203.0.113.250",
        "machineTags": list(host.tags),
        "ipAddresses": [{"ipAddress": ip, "macAddress": None, "operationalStatus": "Up"} for ip in ips],
    }


def time_text(when: datetime | None, tick: int = 0) -> str | None:
    """As Defender writes a time in UTC, always with seven decimals here; the last one is `tick`."""
    return None if when is None else f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}{tick}Z"


class Tables:
    """The hunting tables of an estate."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._names = {host.host_id: host.name.lower() for host in estate.hosts}
        self._processes = {(p.ref.host_id, p.ref.guid): p for p in estate.processes if p.ref.guid}
        self._starts = dict(self._guessed_starts())
        self.rows: dict[str, list[Row]] = {
            name: []
            for name in (
                *("DeviceProcessEvents", "DeviceNetworkEvents", "DeviceEvents", "DeviceImageLoadEvents"),
                *("DeviceFileEvents", "DeviceFileCertificateInfo", "DeviceInfo", "DeviceNetworkInfo"),
            )
        }
        self.rows["DeviceInfo"] = [{"DeviceId": host.host_id} for host in estate.hosts]
        for host in estate.hosts:
            self._adapters(host)
        for process in estate.processes:
            self._created(process)
        for event in estate.events:
            self._happened(event)

    def _adapters(self, host: EstateHost) -> None:
        """Reports of its adapters, when an address was first and last seen."""
        for each in host.addresses:
            assigned = [{"IPAddress": each.ip, "SubnetPrefix": 24, "AddressType": "Private"}]
            told = {"NetworkAdapterStatus": "Up", "IPAddresses": json.dumps(assigned)}
            for when in (each.first_seen, each.last_seen):
                if when is not None:
                    self._add("DeviceNetworkInfo", host.host_id, when, "", told)

    def _guessed_starts(self) -> Iterator[tuple[tuple[str, str], datetime]]:
        first: dict[tuple[str, str], datetime] = {}
        for host_id, guid, when in self._mentions():
            if guid is not None and when is not None and (host_id, guid) not in self._processes:
                key = (host_id, guid)
                first[key] = min(first.get(key, when), when)
        yield from ((key, when - _BEFORE) for key, when in first.items())

    def _mentions(self) -> Iterator[tuple[str, str | None, datetime | None]]:
        for process in self._estate.processes:
            yield process.ref.host_id, process.parent_guid, process.ref.start_time
        for event in self._estate.events:
            yield event.host_id, event.guid, event.fact.time
            if isinstance(event.fact, RemoteThread | ProcessAccess):
                yield event.host_id, event.fact.source_guid, event.fact.time
            if isinstance(event.fact, FileWritten):
                yield event.host_id, event.fact.writer_guid, event.fact.time

    def created_at(self, host_id: str, guid: str | None) -> str | None:
        """The creation time, with a last digit that microseconds cannot hold."""
        if guid is None:
            return None
        process = self._processes.get((host_id, guid))
        when = process.ref.start_time if process is not None else self._starts.get((host_id, guid))
        return time_text(when, tick=1 + sum(guid.encode()) % 9)

    def _created(self, process: Process) -> None:
        host_id = process.ref.host_id
        row = {
            **self._about(host_id, process.ref.start_time, "ProcessCreated"),
            **_file(process.ref.image),
            **_hashes(process),
            "ProcessVersionInfoOriginalFileName": process.original_file_name,
            "ProcessId": process.ref.pid,
            "ProcessCommandLine": process.command_line or "",
            "ProcessIntegrityLevel": process.integrity,
            "ProcessCreationTime": self.created_at(host_id, process.ref.guid),
            **_account(process.user),
            **self._initiator(
                host_id,
                process.parent_guid,
                process.parent_pid,
                process.parent_image,
                process.parent_command_line,
            ),
        }
        self.rows["DeviceProcessEvents"].append(row)
        self._certificate(host_id, process, row["Timestamp"])

    def _certificate(self, host_id: str, of: Process | ModuleLoad, timestamp: str | None) -> None:
        sha1 = _hashes(of)["SHA1"]
        if of.signature.state is not SignatureState.UNKNOWN and sha1:
            self.rows["DeviceFileCertificateInfo"].append(
                {
                    "Timestamp": timestamp,
                    "DeviceId": host_id,
                    "SHA1": sha1,
                    "IsSigned": of.signature.state is not SignatureState.UNSIGNED,
                    "IsTrusted": of.signature.state is SignatureState.VALID,
                    "Signer": of.signature.signer,
                }
            )

    def _happened(self, event: Happened) -> None:
        fact, host_id = event.fact, event.host_id
        mine = self._initiator(host_id, event.guid, event.pid, event.image, None)
        target = {
            **_file(event.image),
            "ProcessId": event.pid,
            "ProcessCreationTime": self.created_at(host_id, event.guid),
        }
        match fact:
            case Connection():
                self._add(
                    "DeviceNetworkEvents", host_id, fact.time, _action_of(fact), {**mine, **_ends(fact)}
                )
            case DnsAnswer():
                # The answer is a list as text inside an object as text.
                results = json.dumps([{"Result": ip, "DnsQueryType": "A"} for ip in fact.addresses])
                details = {"DnsQueryString": fact.name, "DnsQueryResult": results}
                row = {**mine, "AdditionalFields": json.dumps(details)}
                self._add("DeviceEvents", host_id, fact.time, "DnsQueryResponse", row)
            case RemoteThread():
                source = self._initiator(host_id, fact.source_guid, None, fact.source_image, None)
                self._add(
                    "DeviceEvents", host_id, fact.time, "CreateRemoteThreadApiCall", {**target, **source}
                )
            case ProcessAccess():
                source = self._initiator(host_id, fact.source_guid, None, fact.source_image, None)
                wanted = json.dumps({"DesiredAccess": fact.granted_access})
                row = {**target, **source, "AdditionalFields": wanted}
                self._add("DeviceEvents", host_id, fact.time, "OpenProcessApiCall", row)
            case ModuleLoad():
                self._certificate(host_id, fact, time_text(fact.time))
                self._add(
                    "DeviceImageLoadEvents",
                    host_id,
                    fact.time,
                    "ImageLoaded",
                    {**mine, **_file(fact.path), **_hashes(fact)},
                )
            case FileWritten():
                self._add("DeviceFileEvents", host_id, fact.time, "FileCreated", {**mine, **_file(fact.path)})

    def _add(self, table: str, host_id: str, when: datetime | None, action: str, row: Row) -> None:
        self.rows[table].append({**self._about(host_id, when, action), **row})

    def _about(self, host_id: str, when: datetime | None, action: str) -> Row:
        return {
            "Timestamp": time_text(when),
            "DeviceId": host_id,
            "DeviceName": self._names.get(host_id, ""),
            "ActionType": action,
        }

    def _initiator(
        self, host_id: str, guid: str | None, pid: int | None, image: str, command_line: str | None
    ) -> Row:
        known = self._processes.get((host_id, guid or ""))
        row: Row = {
            "InitiatingProcessId": known.ref.pid if known is not None else pid or 0,
            "InitiatingProcessCreationTime": self.created_at(host_id, guid),
            "InitiatingProcessCommandLine": command_line or (known.command_line if known else None) or "",
            **{f"InitiatingProcess{name}": value for name, value in _file(image.lower()).items()},
        }
        if known is None:
            return row
        row |= {f"InitiatingProcess{name}": value for name, value in _hashes(known).items()}
        row |= {f"InitiatingProcess{name}": value for name, value in _account(known.user).items()}
        return row | {
            "InitiatingProcessIntegrityLevel": known.integrity,
            "InitiatingProcessVersionInfoOriginalFileName": known.original_file_name,
            "InitiatingProcessParentId": known.parent_pid,
            "InitiatingProcessParentFileName": known.parent_image.rpartition("\\")[2],
            "InitiatingProcessParentCreationTime": self.created_at(host_id, known.parent_guid),
        }


def _file(path: str) -> Row:
    """FolderPath holds the file's name too, whatever the documentation calls it."""
    return {"FileName": path.rpartition("\\")[2], "FolderPath": path}


def _hashes(of: Process | ModuleLoad) -> Row:
    found = {each.algorithm: each.digest.lower() for each in of.hashes}
    return {name: found.get(name, "") for name in ("SHA1", "SHA256", "MD5")}


def _account(user: str) -> Row:
    domain, _, name = user.rpartition("\\")
    return {"AccountDomain": domain, "AccountName": name}


def _action_of(fact: Connection) -> str:
    return "InboundConnectionAccepted" if fact.initiated is False else "ConnectionSuccess"


def _ends(fact: Connection) -> Row:
    inbound = fact.initiated is False
    return {
        "RemoteIP": fact.src_ip if inbound else fact.dest_ip,
        "RemotePort": fact.src_port if inbound else fact.dest_port,
        "LocalIP": fact.dest_ip if inbound else fact.src_ip,
        "LocalPort": fact.dest_port if inbound else fact.src_port,
        "Protocol": fact.protocol.capitalize(),
    }
