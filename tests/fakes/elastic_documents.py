"""An estate as Elastic Defend tells of it: host records, and events in elastic/endpoint-package's fields.

What is not read from Elastic Defend is left out: injected threads, opened handles, replaced images.
"""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime
from typing import Any

from connectors.facts.host import HostType
from connectors.facts.process import (
    Connection,
    DnsAnswer,
    FileHash,
    FileWritten,
    ModuleLoad,
    Process,
    Signature,
    SignatureState,
    image_name,
)
from tests.estate import Estate, EstateHost, Happened

#: An event names so many ancestors, however many there are.
ANCESTRY_CAP = 20

_EDITIONS = {
    HostType.WORKSTATION: "Windows 10 Enterprise",
    HostType.SERVER: "Windows Server 2019 Datacenter",
    HostType.DOMAIN_CONTROLLER: "Windows Server 2019 Datacenter",
}
_SIGNATURES: dict[SignatureState, dict[str, Any]] = {
    SignatureState.VALID: {"exists": True, "trusted": True, "status": "trusted"},
    SignatureState.UNSIGNED: {"exists": False},
    SignatureState.INVALID: {"exists": True, "trusted": False, "status": "errorExpired"},
}

type Document = dict[str, Any]


def agent_id(host_id: str) -> str:
    """The agent's id for an estate's host id."""
    return str(uuid.UUID(hex=host_id))


def entity_id(host_id: str, guid: str) -> str:
    """The entity id of a process: base64, so that its case matters."""
    return base64.b64encode(f"{agent_id(host_id)}-{guid}".encode()).decode()


def records_of(estate: Estate) -> list[Document]:
    """A record of the host list for each host."""
    return [_record(each) for each in estate.hosts]


def documents_of(estate: Estate) -> list[Document]:
    """Every event that Elastic Defend would have sent, by time."""
    found = [each for process in estate.processes for each in _process(estate, process)]
    found += [each for event in estate.events if (each := _event(estate, event)) is not None]
    found.sort(key=lambda each: str(each["@timestamp"]))
    for place, each in enumerate(found):
        each["event"]["id"] = f"event{place}"
    return found


def stamp(when: datetime | None) -> str:
    """A time as the agent writes it."""
    return (when or datetime(2000, 1, 1, tzinfo=UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _record(host: EstateHost) -> Document:
    addresses = host.addresses_at(host.last_seen)
    os = {"name": "Windows", "family": "windows", "type": "windows", "platform": "windows"}
    edition = _EDITIONS.get(host.host_type)
    if edition is not None:
        os |= {"full": f"{edition} 1809 (10.0.17763.2686)", "Ext": {"variant": edition}}  # type: ignore[dict-item]
    seen = stamp(host.last_seen)
    return {
        "metadata": {
            "@timestamp": seen,
            "agent": {"id": agent_id(host.host_id), "type": "endpoint", "version": "8.19.0"},
            "elastic": {"agent": {"id": agent_id(host.host_id)}},
            "Endpoint": {
                "capabilities": ["isolation"],
                "configuration": {"isolation": False},
                "state": {"isolation": False},
                "status": "enrolled",
            },
            "event": {"action": "endpoint_metadata", "created": seen, "ingested": seen},
            "host": {
                "hostname": host.name,
                "name": host.name,
                "ip": [*addresses, "127.0.0.1", "::1"],
                "os": os,
            },
        },
        "host_status": "healthy" if host.active else "offline",
        "last_checkin": seen,
    }


def _base(estate: Estate, host_id: str, kind: str, action: str, when: datetime | None) -> Document:
    host = estate.host(host_id)
    name = host.name if host is not None else ""
    return {
        "@timestamp": stamp(when),
        "agent": {"id": agent_id(host_id), "type": "endpoint"},
        "data_stream": {"type": "logs", "dataset": f"endpoint.events.{kind}", "namespace": "default"},
        "event": {"action": action, "module": "endpoint", "kind": "event"},
        "host": {
            "hostname": name,
            "name": name,
            "ip": host.addresses_at(when) if host is not None else [],
        },
    }


def ancestry(estate: Estate, process: Process) -> list[str]:
    """The entity ids of its ancestors, nearest first, as far as Elastic writes them."""
    found: list[str] = []
    host_id, guid = process.ref.host_id, process.parent_guid
    while guid is not None and len(found) < ANCESTRY_CAP:
        found.append(entity_id(host_id, guid))
        parent = estate.process(host_id, guid)
        guid = parent.parent_guid if parent is not None else None
    return found


def _process(estate: Estate, process: Process) -> list[Document]:
    ref = process.ref
    own: Document = {
        "entity_id": entity_id(ref.host_id, ref.guid or ""),
        "pid": ref.pid,
        "executable": ref.image,
        "name": image_name(ref.image),
        "working_directory": process.current_directory,
        "hash": _hashes(process.hashes),
        "pe": _pe(process),
        "Ext": {
            "ancestry": ancestry(estate, process),
            "token": {"integrity_level_name": process.integrity.lower()},
        },
        "parent": {
            "entity_id": entity_id(ref.host_id, process.parent_guid) if process.parent_guid else None,
            "pid": process.parent_pid,
            "executable": process.parent_image,
            "name": image_name(process.parent_image),
            "command_line": process.parent_command_line or "",
        },
    }
    if process.created_suspended is not None:
        own["Ext"]["created_suspended"] = process.created_suspended
    if (behind := process.effective_parent) is not None:
        own["Ext"]["effective_parent"] = {
            "entity_id": entity_id(ref.host_id, behind.guid or ""),
            "pid": behind.pid,
            "executable": behind.image,
            "name": image_name(behind.image),
        }
    if process.command_line is not None:
        own["command_line"] = process.command_line
    if process.signature.state in _SIGNATURES:
        own["code_signature"] = _signature(process.signature)
    domain, _, name = process.user.rpartition("\\")
    user = {"domain": domain, "name": name}
    start = _base(estate, ref.host_id, "process", "start", ref.start_time)
    found = [start | {"process": own, "user": user}]
    if process.end_time is not None:
        end = _base(estate, ref.host_id, "process", "end", process.end_time)
        found.append(end | {"process": own | {"exit_code": 0}, "user": user})
    return found


def _hashes(hashes: tuple[FileHash, ...]) -> dict[str, str]:
    return {each.algorithm.lower(): each.digest.lower() for each in hashes if each.algorithm != "IMPHASH"}


def _pe(process: Process) -> dict[str, str]:
    found = {"original_file_name": process.original_file_name} if process.original_file_name else {}
    for each in process.hashes:
        if each.algorithm == "IMPHASH":
            found["imphash"] = each.digest.lower()
    return found


def _signature(signature: Signature) -> dict[str, Any]:
    return _SIGNATURES[signature.state] | ({"subject_name": signature.signer} if signature.signer else {})


def _event(estate: Estate, event: Happened) -> Document | None:
    fact = event.fact
    own: Document = {"pid": event.pid, "executable": event.image, "name": image_name(event.image)}
    if event.guid is not None:
        own["entity_id"] = entity_id(event.host_id, event.guid)
    told: Document
    match fact:
        case Connection():
            kind = "network"
            action = "connection_accepted" if fact.initiated is False else "connection_attempted"
            told = {
                "source": {"ip": fact.src_ip, "address": fact.src_ip, "port": fact.src_port},
                "destination": {"ip": fact.dest_ip, "address": fact.dest_ip, "port": fact.dest_port},
                "network": {"transport": fact.protocol},
            }
            if fact.initiated is not None:
                told["network"]["direction"] = "egress" if fact.initiated else "ingress"
        case DnsAnswer():
            kind, action = "network", "lookup_result"
            told = {
                "dns": {
                    "question": {"name": fact.name},
                    "resolved_ip": list(fact.addresses),
                    "Ext": {"status": int(fact.status) if fact.status.isdecimal() else 0},
                }
            }
        case ModuleLoad():
            kind, action = "library", "load"
            told = {
                "dll": {
                    "path": fact.path,
                    "name": image_name(fact.path),
                    "hash": _hashes(fact.hashes),
                    "code_signature": _signature(fact.signature)
                    if fact.signature.state in _SIGNATURES
                    else {},
                }
            }
        case FileWritten():
            kind, action = "file", "creation"
            told = {"file": {"path": fact.path, "name": image_name(fact.path)}}
        case _:
            return None
    return _base(estate, event.host_id, kind, action, fact.time) | {"process": own} | told
