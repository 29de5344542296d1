"""Sysmon's fields in documents that went through Elastic's Sysmon pipeline.

The ingest pipeline of Elastic's Windows integration, like the Sysmon module of winlogbeat, moves the fields
of an event to the Elastic Common Schema and empties `winlog.event_data`; empty fields and "-" are dropped.
https://www.elastic.co/docs/reference/integrations/windows
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.edr.sysmon_file.sysmon_names import BrokenRecord, utc_text
from connectors.edr.sysmon_file.xml_event import read_event

_Path = tuple[str, ...]

_EVERY_EVENT: dict[str, _Path] = {
    "ProcessGuid": ("process", "entity_id"),
    "ProcessId": ("process", "pid"),
    "Image": ("process", "executable"),
    "RuleName": ("rule", "name"),
}
_ACCESS: dict[str, _Path] = {
    "SourceProcessGUID": ("process", "entity_id"),
    "SourceProcessId": ("process", "pid"),
    "SourceImage": ("process", "executable"),
}
_BY_EVENT: dict[int, dict[str, _Path]] = {
    1: _EVERY_EVENT
    | {
        "CommandLine": ("process", "command_line"),
        "CurrentDirectory": ("process", "working_directory"),
        "OriginalFileName": ("process", "pe", "original_file_name"),
        "ParentProcessGuid": ("process", "parent", "entity_id"),
        "ParentProcessId": ("process", "parent", "pid"),
        "ParentImage": ("process", "parent", "executable"),
        "ParentCommandLine": ("process", "parent", "command_line"),
    },
    3: _EVERY_EVENT
    | {
        "Protocol": ("network", "transport"),
        "SourceIp": ("source", "ip"),
        "SourcePort": ("source", "port"),
        "SourceHostname": ("source", "domain"),
        "DestinationIp": ("destination", "ip"),
        "DestinationPort": ("destination", "port"),
        "DestinationHostname": ("destination", "domain"),
    },
    5: _EVERY_EVENT,
    7: _EVERY_EVENT
    | {
        "ImageLoaded": ("file", "path"),
        "OriginalFileName": ("file", "pe", "original_file_name"),
    },
    8: {name.replace("GUID", "Guid"): path for name, path in _ACCESS.items()},
    10: _ACCESS,
    11: _EVERY_EVENT | {"TargetFilename": ("file", "path")},
    22: _EVERY_EVENT | {"QueryName": ("dns", "question", "name")},
    25: _EVERY_EVENT | {"Type": ("message",)},
}
_CREATION, _NETWORK, _IMAGE_LOADED, _DNS = 1, 3, 7, 22
#: Where the hashes of an event stand; those of a loaded image under `dll` in documents of ECS 1.5 and later.
_HASHED: dict[int, tuple[str, ...]] = {_CREATION: ("process",), _IMAGE_LOADED: ("file", "dll")}
_HASHES = ("sha1", "md5", "sha256", "imphash")
_WITH_USER = (_CREATION, _NETWORK)
_DIRECTIONS = {"egress": "true", "ingress": "false"}


def restore_event_data(
    record: Mapping[str, object], event_id: int, data: Mapping[str, object]
) -> tuple[dict[str, object], str]:
    """The fields of a `winlog` document under Sysmon's names, and its TimeCreated; what `data` has wins.

    Taken from the original event where the document keeps it, else from its ECS fields. What the pipeline
    dropped stays missing, TimeCreated ("") among it: @timestamp is UtcTime, and event.created is TimeCreated
    or, from older agents, when the event was read.
    """
    original = _at(record, ("event", "original"))
    if isinstance(original, str) and original.lstrip().startswith("<Event"):
        try:
            event = read_event(original)
            return {**event.data, **data}, utc_text(event.system_time)
        except BrokenRecord:
            pass  # the document's own fields are still there
    fields: dict[str, object] = {}
    for name, path in _BY_EVENT.get(event_id, _EVERY_EVENT).items():
        value = _at(record, path)
        if value is not None:
            fields[name] = value
    return ({**fields, **_computed(record, event_id), **data} if fields else dict(data)), ""


def _computed(record: Mapping[str, object], event_id: int) -> dict[str, object]:
    fields: dict[str, object] = {}
    user, domain = _at(record, ("user", "name")), _at(record, ("user", "domain"))
    # In events without a User field of their own, this is the account of the Sysmon service.
    if event_id in _WITH_USER and isinstance(user, str) and isinstance(domain, str):
        fields["User"] = f"{domain}\\{user}"
    direction = _at(record, ("network", "direction"))
    if event_id == _NETWORK and isinstance(direction, str) and direction in _DIRECTIONS:
        fields["Initiated"] = _DIRECTIONS[direction]
    addresses = _at(record, ("dns", "resolved_ip"))
    if event_id == _DNS and isinstance(addresses, list):
        fields["QueryResults"] = "".join(f"{address};" for address in addresses if isinstance(address, str))
    for holder in _HASHED.get(event_id, ()):
        found = _hashes(record, holder)
        if found:
            fields["Hashes"] = found
            break
    if event_id == _IMAGE_LOADED:
        fields |= _signature(record)
        path = _at(record, ("dll", "path"))
        if path is not None and _at(record, ("file", "path")) is None:
            fields["ImageLoaded"] = path
    when = utc_text(record.get("@timestamp"))  # the pipeline sets it from UtcTime
    if when.endswith("Z"):
        fields["UtcTime"] = when.removesuffix("Z").replace("T", " ")
    return fields


def _hashes(record: Mapping[str, object], holder: str) -> str:
    """The hashes as Sysmon writes them: `SHA1=..,MD5=..`."""
    known = {name: _at(record, (holder, "hash", name)) for name in _HASHES}
    known["imphash"] = _at(record, (holder, "pe", "imphash")) or known["imphash"]
    return ",".join(f"{name.upper()}={value}" for name, value in known.items() if isinstance(value, str))


def _signature(record: Mapping[str, object]) -> dict[str, object]:
    """Signed, SignatureStatus and Signature of a loaded image.

    `signed` is only written where it is true, and by some versions never: a valid signature is one as well.
    """
    for holder in ("file", "dll"):
        signature = _at(record, (holder, "code_signature"))
        if isinstance(signature, Mapping):
            status = signature.get("status")
            valid = signature.get("valid") is True or (isinstance(status, str) and status.lower() == "valid")
            signed = True if valid else signature.get("signed", signature.get("exists"))
            logged = {
                "Signed": signed,
                "SignatureStatus": status if status is not None else ("Valid" if valid else None),
                "Signature": signature.get("subject_name"),
            }
            return {name: value for name, value in logged.items() if value is not None}
    return {}


def _at(record: Mapping[str, object], path: _Path) -> object:
    value: object = record
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
