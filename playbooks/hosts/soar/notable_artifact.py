"""A notable as the container and artifact that Splunk SOAR keeps, and an unusable one as text. Pure.

The artifact's `cef` has the notable's fields under their own CIM names, as given, and under the CEF names
the platform's playbooks and menus know. The host the process ran on is `deviceHostname`:
`destinationHostName`, beside a `destinationAddress`, would read as the name of the peer. The object as it
came stands whole in the artifact's `data`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.errors import NotableError
from connectors.facts.notable import Direction, Notable
from connectors.siem.notable import DERIVED
from connectors.siem.notable_fields import KNOWN_NAMES
from connectors.siem.notable_input import Candidate, json_text, kept_of
from connectors.siem.notable_text import fields_of

#: Labels of artifacts: a notable, one that could not be read, and the state of a case.
NOTABLE_LABEL = "notable"
REJECTED_LABEL = "regsvcs_rejected"
CASE_LABEL = "regsvcs_case"

#: Name in the `data` of an artifact under which a text is kept that is no object, or too deep for one.
TEXT = "text"

#: Names in the `cef` of an artifact with the state of a case.
CASE_STATE = "regsvcsState"
CASE_ID = "regsvcsCaseId"

#: How the identifiers begin that are made here: of a notable, of an object that makes none, of a long id.
MADE_OF_NOTABLE = "notable:"
_MADE_OF_REJECTED = "rejected:"
_MADE_OF_ID = "sha256:"

#: How an id begins that was made by us and not given by the SIEM.
MADE_IDS = (DERIVED, _MADE_OF_ID, MADE_OF_NOTABLE, _MADE_OF_REJECTED)

#: Longest name of a container, characters.
MAX_NAME = 120

#: Longest text kept of an unusable notable, characters.
MAX_TEXT = 256 * 1024

#: Deepest nesting that is kept as an object; below it the object is kept as text.
MAX_DEPTH = 32

_PLAIN_ID = re.compile(r"[A-Za-z0-9@.:_-]{1,200}")
_NOT_IN_NAMES = re.compile(r"[^\w .,:()@-]+")

type Json = dict[str, object]


class Parcel(NamedTuple):
    """What is kept of one object.

    Attributes:
        container: as POST rest/container takes it, without its artifact.
        artifact: as POST rest/artifact takes it, without container_id.
    """

    container: Json
    artifact: Json


def notable_parcel(candidate: Candidate, notables: Sequence[Notable], *, label: str) -> Parcel:
    """A usable notable: one container an event_id, one artifact a set of the analytic's by-fields.

    Args:
        candidate: the object as it was opened.
        notables: what it was read as; one for each destination address, at least one.
        label: the label of the container, which decides the playbooks that start.
    """
    first = notables[0]
    identity = json.dumps(
        sorted(
            [n.event_id, n.dest, n.user, n.process_name, n.src_ip or "", n.dest_ip or "", *_ids(n)]
            for n in notables
        )
    )
    fields, addresses = _fields(candidate, notables), _addresses(notables)
    types = {
        "dvc": ["ip" if canonical_ip(first.dest) else "host name"],
        "user": ["user name"],
        "process_name": ["process name"],
        "src_ip": [_ip_type(first.src_ip or "")],
        "dest_ip": sorted({_ip_type(ip) for ip in addresses}),
    }
    container: Json = {
        "name": _name(f"{first.search_name or first.process_name} on {first.machine_label}"),
        "label": label,
        "severity": "medium",
        "source_data_identifier": _identifier(_whole_id(candidate, min(n.event_id for n in notables))),
    }
    artifact: Json = {
        "name": "Notable",
        "label": NOTABLE_LABEL,
        "type": "notable",
        "severity": "medium",
        "source_data_identifier": f"{MADE_OF_NOTABLE}{_digest(identity)}",
        "cef": fields | _cef(first, addresses),
        "cef_types": {name: kinds for name, kinds in types.items() if name in fields and kinds},
        "data": _whole(candidate.raw),
        "run_automation": True,
    }
    when = first.first_time or first.last_time
    if when is not None:
        artifact["start_time"] = _time(when)
    return Parcel(container, artifact)


def rejected_parcel(text: str, error: NotableError, *, label: str, identity: str | None = None) -> Parcel:
    """An object that makes no notable, kept as text; no playbook starts on it.

    Args:
        text: the object's JSON, or the line or body as it came.
        error: what is wrong with it.
        label: the label of the container.
        identity: by which it is known again; None = the text.
    """
    kept = clean_text(text[:MAX_TEXT])
    identifier = f"{_MADE_OF_REJECTED}{_digest(text if identity is None else identity)}"
    container: Json = {
        "name": _name(f"Unusable notable: {error.field} {error.problem}"),
        "label": label,
        "severity": "low",
        "source_data_identifier": identifier,
    }
    artifact: Json = {
        "name": "Unusable notable",
        "label": REJECTED_LABEL,
        "type": "notable",
        "severity": "low",
        "source_data_identifier": identifier,
        "cef": {"regsvcsProblem": clean_text(str(error))},
        "data": {TEXT: kept},
        "run_automation": False,
    }
    return Parcel(container, artifact)


def text_of(candidate: Candidate) -> str:
    """The object as text, for keeping."""
    return kept_of(candidate)


def clean_text(text: str) -> str:
    """The text without what the platform's database cannot hold: NUL and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _fields(candidate: Candidate, notables: Sequence[Notable]) -> Json:
    """The fields that are read, as given; what stood elsewhere, such as in _raw, as it was read."""
    given: Json = {}
    for name, value in candidate.fields.items():
        if name in KNOWN_NAMES and "[" not in name and value not in (None, "", [], {}):
            kept = _clean(value, MAX_DEPTH)
            if kept is not None:
                given[name] = kept
    read = fields_of(notables)
    if notables[0].event_id.startswith(DERIVED):
        del read["event_id"]
    for name, value in read.items():
        if name not in given:
            given[name] = _clean(value, MAX_DEPTH)
    return given


def _ids(notable: Notable) -> tuple[str, ...]:
    """What tells rows of one event apart beside its addresses: version 15 makes one of each process."""
    return () if notable.dest else (notable.dest_given, *notable.process_guids)


def _cef(first: Notable, addresses: Sequence[str]) -> Json:
    directions = {Direction.OUTBOUND: "1", Direction.INBOUND: "0"}
    named: Mapping[str, object] = {
        "destinationAddress": _one_or_all(addresses),
        "sourceAddress": first.src_ip,
        "deviceHostname": None if canonical_ip(first.dest) else first.dest,
        "deviceAddress": first.dest if canonical_ip(first.dest) else None,
        "destinationUserName": first.user,
        "destinationProcessName": first.process_name,
        "destinationPort": str(first.dest_ports[0]) if len(first.dest_ports) == 1 else None,
        "deviceDirection": directions.get(first.direction),
    }
    return {name: clean_text(v) if isinstance(v, str) else v for name, v in named.items() if v}


def _addresses(notables: Sequence[Notable]) -> list[str]:
    return [each.dest_ip for each in notables if each.dest_ip is not None]


def _one_or_all(texts: Sequence[str]) -> object:
    return texts[0] if len(texts) == 1 else list(texts)


def _ip_type(ip: str) -> str:
    return "ipv6" if ":" in ip else "ip"


def _whole(raw: object) -> Json:
    kept = _clean(raw, MAX_DEPTH)
    return kept if isinstance(kept, dict) else {TEXT: clean_text(json_text(raw))}


def _clean(value: object, depth: int) -> object:
    """The value with clean texts; None when it is nested deeper than `depth`."""
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth == 0:
        return None
    if isinstance(value, Mapping):
        members = {clean_text(str(name)): _clean(each, depth - 1) for name, each in value.items()}
        lost = any(
            members[clean_text(str(name))] is None and each is not None for name, each in value.items()
        )
        return None if lost else members
    items = [_clean(each, depth - 1) for each in value]
    return (
        None if any(new is None and old is not None for new, old in zip(items, value, strict=True)) else items
    )


def _name(text: str) -> str:
    """A name without markup, control and direction characters, bounded."""
    name = " ".join(_NOT_IN_NAMES.sub("_", text).split())
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."


def _whole_id(candidate: Candidate, event_id: str) -> str:
    """The id as it was given, where the one that was read is one value of several or one line of a text.

    Two ids that begin alike would otherwise share a container.
    """
    for name in ("event_id", "finding_id"):
        given = candidate.fields.get(name)
        whole = given.strip() if isinstance(given, str) else ""
        if event_id == whole:
            break
        if event_id in whole:
            return whole
        if isinstance(given, list | tuple) and event_id in given and len(set(map(str, given))) > 1:
            return json_text(given)
    return event_id


def _identifier(event_id: str) -> str:
    """The event_id where it can stand in a filter as it is; else its digest."""
    return event_id if _PLAIN_ID.fullmatch(event_id) else f"{_MADE_OF_ID}{_digest(event_id)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _time(when: datetime) -> str:
    """As the platform writes times."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
