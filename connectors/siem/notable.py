"""Notables from JSON: ES notables, ES 8 findings, search exports, webhook bodies, SOAR containers.

`parse_notables` answers for every object of the input: with one or more Notables, or with a
RejectedNotable that names the field and keeps the object. It raises only when the input as a whole is no
JSON or of no known shape.

Identity. Several destination addresses make one Notable each. They share the event_id, since that is what
the SIEM knows; so are the artifacts of one SOAR container. To tell notables apart take event_id with the
analytic's own grouping (dest, user, process_name, src_ip, dest_ip). Where the input has no id, one is
derived from the fields (`derived:` and a SHA-256), equal for equal fields whatever their order or shape.

Who is the machine and who the peer: roles.py. Which generation of the analytic it was: generations.py.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, ConfigDict, field_validator

from connectors.errors import NotableError
from connectors.facts.notable import MissingField, Notable, NotableSource
from connectors.siem.assets.notable_enrichment import asset_of, identity_of
from connectors.siem.generations import told_generation
from connectors.siem.notable_fields import KNOWN_NAMES, Fields, Reading, has_identity, with_made_names
from connectors.siem.notable_input import (
    MAX_NOTABLES,
    Candidate,
    kept_of,
    open_candidates,
    read_objects,
)
from connectors.siem.notable_times import read_times
from connectors.siem.notable_values import (
    read_count,
    read_dest_ips,
    read_ends,
    read_generation,
    read_guids,
    read_pids,
    read_ports,
    read_process_name,
    read_roles,
    read_score,
    read_src_ip,
)
from connectors.siem.stash import is_stash, parse_stash

#: Longest event_id, in characters; those of ES have about 90.
MAX_EVENT_ID = 1024

#: How an event_id begins that was made from the fields; it is made again when they are read again.
DERIVED = "derived:"

#: Most names of the peer that one notable keeps.
MAX_PEER_NAMES = 16

#: Characters kept of the notable's own message.
MAX_MESSAGE = 1000

#: Most notes of one notable; a value repeated a thousand times is one mistake.
MAX_NOTES = 32

#: What the absence of a field costs.
EFFECT_OF_MISSING = {
    "user": "the risk message cannot name the user",
    "src_ip": "it cannot be checked that the address belonged to the host, so nothing is isolated",
    "dest_ip": "the peer cannot be judged, and the process is looked for without it",
    "firstTime": "the start of the search for the process is open",
    "lastTime": "the end of the search for the process is open, and how old the connection is stays unknown",
    "event_id": "the notable cannot be updated in the SIEM",
}


class NotableSettings(BaseModel):
    """How notables are read.

    Attributes:
        timezone: IANA name of the zone firstTime and lastTime are written in: that of the Splunk user who
            owns the search.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        _zone(name)
        return name

    @property
    def zone(self) -> tzinfo:
        """The time zone."""
        return _zone(self.timezone)


class RejectedNotable(NamedTuple):
    """An object of the input that makes no notable.

    Attributes:
        position: which object of the input, from 1.
        raw: the object as JSON text, fit to be read again; a line that is no JSON as it stands.
        error: the field, the problem and the remedy.
    """

    position: int
    raw: str
    error: NotableError


class ParsedInput(NamedTuple):
    """What an input held."""

    notables: tuple[Notable, ...]
    rejected: tuple[RejectedNotable, ...]


def parse_notables(raw: bytes | str, *, settings: NotableSettings | None = None) -> ParsedInput:
    """Read notables from JSON or JSON lines of any known shape.

    Raises:
        NotableError: the input as a whole is no JSON, of no known shape, or over a limit.
    """
    return notables_from_object(read_objects(raw), settings=settings)


def notables_from_object(data: object, *, settings: NotableSettings | None = None) -> ParsedInput:
    """Read notables from parsed JSON of any known shape.

    Raises:
        NotableError: the object is of no known shape, or over a limit.
    """
    settings = settings or NotableSettings()
    notables: list[Notable] = []
    rejected: list[RejectedNotable] = []
    for position, candidate in enumerate(open_candidates(data), start=1):
        try:
            notables.extend(_read(candidate, settings, room=MAX_NOTABLES - len(notables)))
        except NotableError as error:
            raw = kept_of(candidate)
            # Without its traceback, which would keep every object alive.
            rejected.append(RejectedNotable(position, raw, error.with_traceback(None)))
    return ParsedInput(tuple(notables), tuple(rejected))


def _zone(name: str) -> tzinfo:
    if name == "UTC":  # known without a time zone database
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        raise ValueError("is not a time zone of the IANA database, such as Europe/Berlin") from exc


def _read(candidate: Candidate, settings: NotableSettings, *, room: int) -> list[Notable]:
    """One Notable per destination address.

    Raises:
        NotableError: the object is unusable, or makes more than `room` notables.
    """
    if candidate.problem:
        raise candidate.problem
    fields, from_text = _fields_of(candidate)
    reading = Reading(fields)
    if from_text:
        reading.notes.append("The fields were read from the text in _raw.")
    dest_ips = read_dest_ips(reading)
    src_ip, guids = read_src_ip(reading), read_guids(reading)
    source = candidate._replace(fields=fields).notable_source
    generation = read_generation(reading) or told_generation(
        _held_names(candidate.fields), complete=source is not NotableSource.SOAR_ARTIFACT
    )
    ends = read_ends(reading, dest_ips=dest_ips, src_ip=src_ip, generation=generation)
    roles = read_roles(reading, ends, has_guid=bool(guids))
    process_name = read_process_name(reading)
    if max(1, len(dest_ips)) > room:
        raise NotableError("dest_ip", f"brings the input over {MAX_NOTABLES:,} notables", "Split the input")
    if len(dest_ips) > 1:
        reading.notes.append(f"dest_ip has {len(dest_ips)} addresses; each is a notable of its own.")
    times = read_times(
        reading.texts("firstTime"),
        reading.texts("lastTime"),
        info_min=reading.one("info_min_time"),
        info_max=reading.one("info_max_time"),
        zone=settings.zone,
        zone_name=settings.timezone,
    )
    user = reading.one("user")
    common = Notable(
        source=source,
        event_id=_given_event_id(reading),
        search_name=reading.one("search_name"),
        dest=roles.machine,
        other_dests=roles.others,
        machine_field=roles.field,
        dest_given=ends.dest.texts[0] if ends.dest.texts else "",
        dest_meaning=roles.dest_meaning,
        machine_doubtful=roles.doubtful or (bool(roles.machine) and bool(reading.first("doubtful"))),
        peer_names=roles.peer_names[:MAX_PEER_NAMES],
        generation=generation.number if generation is not None else None,
        user=user,
        process_name=process_name,
        src_ip=src_ip,
        dest_ports=read_ports(reading, "dest_port"),
        src_ports=read_ports(reading, "src_port"),
        direction=ends.direction,
        count=read_count(reading),
        first_time=times.first,
        last_time=times.last,
        process_guids=guids,
        process_ids=read_pids(reading),
        risk_score=read_score(reading),
        asset=asset_of(fields, roles.enriched),
        identity=identity_of(fields, user),
        risk_object=reading.first("risk_system"),
        risk_message=reading.first("risk_message")[:MAX_MESSAGE],
        urgency=reading.one("urgency"),
        status=reading.one("status"),
        owner=reading.one("owner"),
    )
    job = (reading.one("orig_sid"), reading.one("orig_rid"))
    notes = [*reading.notes, *times.notes]
    if reading.moved:
        notes.append(f"Read from other names: {'; '.join(reading.moved)}.")
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES - 1 :] = [f"{len(notes) - MAX_NOTES + 1} further notes were left out."]
    return [_finished(common, dest_ip, job, tuple(notes)) for dest_ip in dest_ips or (None,)]


def _held_names(fields: Fields) -> frozenset[str]:
    """The names of the fields that hold a value."""
    return frozenset(name for name, value in fields.items() if value not in (None, "", [], {}))


def _fields_of(candidate: Candidate) -> tuple[Fields, bool]:
    """The fields, and whether the text in _raw had to give them.

    Raises:
        NotableError: _raw is all there is, and it is not a notable's text.
    """
    fields = with_made_names(candidate.fields)
    text = candidate.fields.get("_raw")
    if not isinstance(text, str) or has_identity(fields):
        return fields, False
    others = {name: value for name, value in candidate.fields.items() if value not in (None, "")}
    if not is_stash(text) and not KNOWN_NAMES.isdisjoint(others):
        return fields, False
    # What stands beside the text is newer: status and owner change after it was indexed.
    return with_made_names({**parse_stash(text), **others}), True


def _given_event_id(reading: Reading) -> str:
    """The id the input carries, "" if none.

    Raises:
        NotableError: it is over MAX_EVENT_ID.
    """
    for found in reading.tiers("event_id"):
        for text in found.texts:
            if text.isdigit() and found.names == ("event_id",):
                reading.notes.append(
                    f"event_id {text[:20]} is the number of a Windows event, not of a notable."
                )
                continue
            if len(text) > MAX_EVENT_ID:
                raise NotableError("event_id", f"is longer than {MAX_EVENT_ID} characters")
            return text
    return ""


def _finished(common: Notable, dest_ip: str | None, job: tuple[str, str], notes: tuple[str, ...]) -> Notable:
    """The notable of one destination address, with its id and the list of what is missing."""
    notable = common.model_copy(update={"dest_ip": dest_ip})
    held = {
        "user": notable.user,
        "src_ip": notable.src_ip,
        "dest_ip": notable.dest_ip,
        "firstTime": notable.first_time,
        "lastTime": notable.last_time,
        "event_id": notable.event_id,
    }
    missing = tuple(
        MissingField(field=name, effect=effect)
        for name, effect in EFFECT_OF_MISSING.items()
        if not held[name]
    )
    event_id = notable.event_id or _derived_id(notable, job)
    return notable.model_copy(update={"event_id": event_id, "missing": missing, "notes": notes})


def _derived_id(notable: Notable, job: tuple[str, str]) -> str:
    """An id made of what the notable says, the same for the same facts in any order, case or shape."""
    parts = [
        *sorted(text.casefold() for text in (notable.dest, *notable.other_dests)),
        *(text.casefold() for text in (notable.user, notable.process_name, notable.search_name)),
        notable.src_ip,
        notable.dest_ip,
        notable.count,
        _iso(notable.first_time),
        _iso(notable.last_time),
        *job,
    ]
    if not notable.dest:
        parts += [notable.dest_given.casefold(), *notable.process_guids]
    if notable.src_ports:  # version 15 of the analytic makes a row of each
        parts += ["src_port", *map(str, notable.src_ports)]
    return f"{DERIVED}{hashlib.sha256(orjson.dumps(parts)).hexdigest()}"


def _iso(when: datetime | None) -> str:
    return "" if when is None else when.isoformat()
