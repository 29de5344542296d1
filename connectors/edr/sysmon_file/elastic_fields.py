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
        "Signature": ("file", "code_signature", "subject_name"),
        "SignatureStatus": ("file", "code_signature", "status"),
    },
    8: {name.replace("GUID", "Guid"): path for name, path in _ACCESS.items()},
    10: _ACCESS,
    11: _EVERY_EVENT | {"TargetFilename": ("file", "path")},
    22: _EVERY_EVENT | {"QueryName": ("dns", "question", "name")},
    25: _EVERY_EVENT | {"Type": ("message",)},
}
_NETWORK, _DNS = 3, 22
_WITH_USER = (1, _NETWORK)
_DIRECTIONS = {"egress": "true", "ingress": "false"}


def restore_event_data(
    record: Mapping[str, object], event_id: int, data: Mapping[str, object]
) -> dict[str, object]:
    """The fields of a `winlog` document under Sysmon's names; what `data` still has wins.

    Taken from the original event where the document keeps it, else from its ECS fields. What the pipeline
    dropped stays missing.
    """
    original = _at(record, ("event", "original"))
    if isinstance(original, str) and original.lstrip().startswith("<Event"):
        try:
            return {**read_event(original).data, **data}
        except BrokenRecord:
            pass  # the document's own fields are still there
    fields: dict[str, object] = {}
    for name, path in _BY_EVENT.get(event_id, _EVERY_EVENT).items():
        value = _at(record, path)
        if value is not None:
            fields[name] = value
    return {**fields, **_computed(record, event_id), **data} if fields else dict(data)


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
    when = utc_text(record.get("@timestamp"))  # the pipeline sets it from UtcTime
    if when.endswith("Z"):
        fields["UtcTime"] = when.removesuffix("Z").replace("T", " ")
    return fields


def _at(record: Mapping[str, object], path: _Path) -> object:
    value: object = record
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
