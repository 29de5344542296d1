"""Falcon's process events as facts.

Events and fields: Falcon Data Replicator's data as recorded in elastic/integrations (test-windows.log and
test-fdr.log of packages/crowdstrike/data_stream/fdr/_dev/test/pipeline); NG-SIEM has the same names
(CrowdStrike/logscale-community-content). All values are texts. `TargetProcessId` names a process for ever on
one agent, `RawProcessId` is the operating system's id, and what a process does carries its TargetProcessId as
`ContextProcessId`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from connectors.edr import sysmon_fields as fields
from connectors.facts.base import LATEST_INSTANT, SourceRef
from connectors.facts.process import FileHash, KnownFrom, Process, ProcessRef, Signature, SignatureState

#: A process id of Falcon: a decimal 64-bit number.
PROCESS_ID = re.compile(r"[0-9]{1,20}")

STARTS = ("ProcessRollup2", "SyntheticProcessRollup2")
END = "EndOfProcess"

#: Windows did not know an earlier time.
_EARLIEST_YEAR = 1980

#: From here on a number is an epoch in milliseconds (September 2001), below it is one in seconds.
_EPOCH_MS = 1e12

_HASHES = (("MD5HashData", "MD5"), ("SHA1HashData", "SHA1"), ("SHA256HashData", "SHA256"))
_HASH_LENGTHS = {"MD5": 32, "SHA1": 40, "SHA256": 64}

#: Mandatory label RIDs. https://learn.microsoft.com/windows/win32/secauthz/well-known-sids
_INTEGRITY = {
    0x0000: "Untrusted",
    0x1000: "Low",
    0x2000: "Medium",
    0x2100: "Medium Plus",
    0x3000: "High",
    0x4000: "System",
    0x5000: "Protected",
}

#: https://learn.microsoft.com/windows/win32/secauthz/well-known-sids, in the words of Windows' own logs.
_WELL_KNOWN_USERS = {
    "S-1-5-18": "NT AUTHORITY\\SYSTEM",
    "S-1-5-19": "NT AUTHORITY\\LOCAL SERVICE",
    "S-1-5-20": "NT AUTHORITY\\NETWORK SERVICE",
}

# SignInfoFlags, bit by bit: "Decode SignInfoFlags" of CrowdStrike/logscale-community-content
# (Queries-Only/Helpful-CQL-Queries). See `signature`.
_NO_SIGNATURE = 1 << 9
_BAD_SIGNATURE = 1 << 10 | 1 << 11 | 1 << 14 | 1 << 28
"""Chain invalid, hash mismatch, certificate check failed, certificate expired."""
_VALID_SIGNATURE = 1 << 18
_REVOKED = 1 << 29


def event_name(row: Mapping[str, object]) -> str:
    """The kind of an event: the tag, else the field of the same name."""
    return fields.text(row.get("#event_simpleName")) or fields.text(row.get("event_simpleName"))


def process_id(value: object) -> str | None:
    """A process id of Falcon; None for a missing one and for 0."""
    text = fields.text(value).strip()
    return text if PROCESS_ID.fullmatch(text) and text.strip("0") else None


def graph_process(text: str) -> tuple[str, str] | None:
    """The agent and the process of a graph id `pid:<agent>:<process>`, as detections name processes."""
    parts = text.split(":")
    if len(parts) != 3 or parts[0] != "pid" or not parts[1] or process_id(parts[2]) is None:
        return None
    return parts[1], parts[2]


def instant(value: object) -> datetime | None:
    """An epoch in seconds (`1745988595.443`) or milliseconds (`1743508799999`); None for anything else."""
    text = fields.text(value).strip()
    if not re.fullmatch(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", text):
        return None
    number = float(text)
    try:
        when = datetime.fromtimestamp(number / 1000 if number >= _EPOCH_MS else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return when if when.year >= _EARLIEST_YEAR and when < LATEST_INSTANT else None


def event_time(row: Mapping[str, object]) -> datetime | None:
    """When an event happened on the host; failing that, when the cloud had it."""
    for name in ("ContextTimeStamp", "timestamp", "@timestamp"):
        if (when := instant(row.get(name))) is not None:
            return when
    return None


def source_of(row: Mapping[str, object]) -> SourceRef:
    """Where a row stands: Falcon's event id."""
    event_id = fields.text(row.get("id")) or fields.text(row.get("@id"))
    return SourceRef(source=f"crowdstrike {event_id}".rstrip()[:200], event_id=event_name(row)[:80])


def processes(host_id: str, rows: Iterable[Mapping[str, object]]) -> list[Process]:
    """The processes that rows of starts and ends tell of, in the order of their start.

    A process that already ran when the sensor started has a synthetic record; where both exist, the real one
    counts. An end without a start names no process and is left out.
    """
    starts: dict[str, Mapping[str, object]] = {}
    ends: dict[str, Mapping[str, object]] = {}
    for row in rows:
        key = process_id(row.get("TargetProcessId"))
        name = event_name(row)
        if key is None:
            continue
        if name == END:
            ends.setdefault(key, row)
        elif name in STARTS and (key not in starts or name == STARTS[0] != event_name(starts[key])):
            starts[key] = row
    found = [_process(host_id, key, row, ends.get(key)) for key, row in starts.items()]
    return sorted(found, key=lambda each: (each.ref.start_time is None, each.ref.start_time or _NEVER))


_NEVER = datetime.max.replace(tzinfo=UTC)


def _process(host_id: str, key: str, row: Mapping[str, object], end: Mapping[str, object] | None) -> Process:
    get = row.get
    ended = instant(get("ProcessEndTime"))
    ended_in = row if ended is not None else None
    if ended is None and end is not None:
        ended, ended_in = event_time(end), end
    return Process(
        ref=ProcessRef(
            host_id=host_id,
            guid=key,
            pid=fields.integer(get("RawProcessId")),
            start_time=instant(get("ProcessStartTime")),
            image=fields.text(get("ImageFileName")),
        ),
        known_from=KnownFrom.CREATION,
        command_line=fields.recorded(get("CommandLine")),
        user=user(row),
        integrity=integrity(get("IntegrityLevel")),
        original_file_name=fields.text(get("OriginalFilename")),
        hashes=hashes(row),
        signature=signature(get("SignInfoFlags")),
        parent_guid=process_id(get("ParentProcessId")),
        parent_image=fields.text(get("ParentBaseFileName")),
        end_time=ended if ended_in is not None else None,
        end_source=source_of(ended_in) if ended is not None and ended_in is not None else None,
        source=source_of(row),
    )


def user(row: Mapping[str, object]) -> str:
    r"""`DOMAIN\name` where both are recorded, else the name, else the SID (well-known ones by name)."""
    name = fields.text(row.get("UserName")).strip()
    domain = fields.text(row.get("LogonDomain")).strip()
    sid = fields.text(row.get("UserSid")).strip()
    if sid in _WELL_KNOWN_USERS:
        return _WELL_KNOWN_USERS[sid]
    if name and domain and "\\" not in name:
        return f"{domain}\\{name}"
    return name or sid


def integrity(value: object) -> str:
    """An integrity level in the words of Windows; "" for a missing or unknown number."""
    number = fields.integer(value)
    return "" if number is None else _INTEGRITY.get(number, "")


def hashes(row: Mapping[str, object]) -> tuple[FileHash, ...]:
    """The image's hashes. One of nothing but zeros was not calculated."""
    found = []
    for name, algorithm in _HASHES:
        digest = fields.text(row.get(name)).strip().upper()
        if re.fullmatch(f"[0-9A-F]{{{_HASH_LENGTHS[algorithm]}}}", digest) and digest.strip("0"):
            found.append(FileHash(algorithm=algorithm, digest=digest))
    return tuple(found)


def signature(flags: object) -> Signature:
    """What SignInfoFlags say of the image's signature. Falcon does not name the signer.

    CrowdStrike publishes the names of the bits (CrowdStrike/logscale-community-content, "Decode
    SignInfoFlags"). What counts where HAS_VALID_SIGNATURE stands beside INVALID_SIGN_CHAIN, a hash that does
    not match, a failed check, an expired certificate (which a countersigned file outlives) or NO_SIGNATURE
    was found in no document: that is UNKNOWN, neither trusted nor held against the image. A revoked
    certificate contradicts no digest: beside it no signature is good.
    """
    number = fields.integer(flags)
    if number is None:
        return Signature()
    if number & _REVOKED:
        return Signature(state=SignatureState.INVALID)
    if number & _VALID_SIGNATURE:
        contradicted = number & (_BAD_SIGNATURE | _NO_SIGNATURE)
        return Signature(state=SignatureState.UNKNOWN if contradicted else SignatureState.VALID)
    if number & _BAD_SIGNATURE:
        return Signature(state=SignatureState.INVALID)
    if number & _NO_SIGNATURE:
        return Signature(state=SignatureState.UNSIGNED)
    return Signature()


def original_names(rows: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """OriginalFileName by SHA256 (upper case), from PeVersionInfo; contradicting ones are left out."""
    found: dict[str, str] = {}
    for row in rows:
        digest = fields.text(row.get("SHA256HashData")).strip().upper()
        name = fields.text(row.get("OriginalFilename"))
        if digest and name:
            found[digest] = name if found.get(digest, name) == name else ""
    return {digest: name for digest, name in found.items() if name}


def with_original_name(process: Process, names: Mapping[str, str]) -> Process:
    """The process with the OriginalFileName of its image, where that is recorded apart."""
    if process.original_file_name:
        return process
    for each in process.hashes:
        if each.algorithm == "SHA256" and each.digest in names:
            return process.model_copy(update={"original_file_name": names[each.digest]})
    return process
