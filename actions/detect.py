"""The analytic over Sysmon events: which connections of watched processes raise a notable.

`escu` is the search as Splunk shipped it ("Detect Regsvcs with Network Connection", version 7), over the CIM
fields of connectors/edr/sysmon_cim.py, with its faults: any address outside RFC 1918 raises, and `stats by`
drops an event in which a by-field is missing. `escu-15` is the same of version 15, over the fields of the
add-on that Splunk supports: more ranges are left out, and each process, source port and peer is a row of its
own. `strict` judges the peer by direction and registry. Whatever the reading, a notable's `dest` is the
computer that logged the events.
https://research.splunk.com/endpoint/e3e7a1c0-f2b9-445c-8493-f30a63522d1a/
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from actions.analytic import judge_as_escu, judge_strictly
from actions.detection import (
    Alert,
    Detection,
    DetectionCounts,
    Semantics,
)
from actions.organisation_ranges import NONE, OrganisationRanges
from actions.profile import Profile
from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_cim import CimConnection, cim_connection, direction, supported_fields
from connectors.edr.sysmon_file.event import RawEvent
from connectors.facts.notable import DestMeaning, Direction, MissingField, Notable, NotableSource
from connectors.facts.process import image_name
from connectors.siem.generations import VERSION_7, VERSION_15, Generation

#: EventIDs the detection needs: connections, and creations to name a process that Sysmon lost.
DETECTION_EVENTS = frozenset({1, 3})

#: Connections of unnamed processes held until the end of the log; further ones count as unresolved.
PENDING_KEPT = 20_000

#: ProcessGuids, process ids, source ports and names of the peer that one notable names, of each at most; its
#: count still tells all events.
VALUES_KEPT = 1_000

#: strftime of the macro `security_content_ctime`; the search head's time zone, here UTC.
CTIME_FORMAT = "%Y-%m-%dT%H:%M:%S"


@dataclass(slots=True)
class _Group:
    """Events of one by-field combination and one direction.

    Attributes:
        by: values of version 15's by-fields, in its order; empty for other readings, whose are in `cim`.
    """

    profile: str
    cim: CimConnection
    direction: Direction
    by: tuple[str | None, ...] = ()
    resolved: bool = False
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    guids: set[str] = field(default_factory=set)
    pids: set[int] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    src_ports: set[int] = field(default_factory=set)
    peer_names: set[str] = field(default_factory=set)

    def add(self, event: RawEvent, when: datetime | None) -> None:
        self.count += 1
        if when is not None:
            self.first = when if self.first is None else min(self.first, when)
            self.last = when if self.last is None else max(self.last, when)
        get = event.data.get
        _keep(self.guids, fields.guid(get("ProcessGuid")))
        _keep(self.pids, fields.integer(get("ProcessId")) or None)  # 0 is the idle process: not known
        _keep(self.src_ports, fields.port(get("SourcePort")))
        if self.direction is not Direction.UNKNOWN:
            inbound = self.direction is Direction.INBOUND
            _keep(self.peer_names, fields.text(get("SourceHostname" if inbound else "DestinationHostname")))
        port = fields.port(get("DestinationPort"))
        if port is not None:
            self.ports.add(port)

    def absorb(self, other: _Group) -> None:
        self.count += other.count
        for when in (other.first, other.last):
            if when is not None:
                self.first = when if self.first is None else min(self.first, when)
                self.last = when if self.last is None else max(self.last, when)
        self.guids |= other.guids
        self.pids |= other.pids
        self.ports |= other.ports
        self.src_ports |= other.src_ports
        self.peer_names |= other.peer_names


class Detector:
    """Takes events one by one or many at a time; answers at the end. Memory grows with alerts, not events.

    Args:
        profiles: what to look for; no process name may stand in two of them.
        semantics: the reading of the analytic.
        organisation: the organisation's own public ranges.
    """

    def __init__(
        self,
        profiles: Iterable[Profile],
        *,
        semantics: Semantics = Semantics.STRICT,
        organisation: OrganisationRanges = NONE,
    ) -> None:
        self._semantics = semantics
        self._profiles = tuple(profiles)
        self._by_name = {
            name.lower(): profile.name for profile in self._profiles for name in profile.process_names
        }
        self._organisation = organisation
        self._groups: dict[tuple[object, ...], _Group] = {}
        self._pending: dict[tuple[object, ...], tuple[str, _Group]] = {}
        self._names: dict[str, dict[str, str]] = {}  # computer -> ProcessGuid -> image name
        self._connections = 0
        self._unknown = 0
        self._unresolved = 0

    def feed(self, events: Iterable[RawEvent]) -> None:
        """Take many events (EventIDs of DETECTION_EVENTS; others are ignored)."""
        take = self.take
        for event in events:
            take(event)

    def take(self, event: RawEvent) -> None:
        """Take one event."""
        number = event.event_id
        if number == 3:
            self._connections += 1
        elif number != 1:
            return
        image = event.data.get("Image")
        name = image.rpartition("\\")[2].lower() if isinstance(image, str) else ""
        profile = self._by_name.get(name)
        if profile is not None:
            self._remember_name(event)
            if number == 3:
                self._match(event, profile)
        elif number == 3 and (name == "" or name in fields.UNKNOWN_PROCESS):
            self._hold(event)

    def finish(self) -> Detection:
        """The result so far; may be called again after more events."""
        semantics = self._semantics
        groups = dict(self._groups)
        resolved, unresolved = self._resolve(groups)
        alerts = [self._alert(group) for group in _for_reading(groups.values(), semantics)]
        alerts.sort(key=_alert_order)
        strict = semantics is Semantics.STRICT
        chosen = [a for a in alerts if (a.strict if strict else a.escu).raised]
        others = [a for a in alerts if not (a.strict if strict else a.escu).raised]
        counts = DetectionCounts(
            connections=self._connections,
            matched=sum(group.count for group in groups.values()),
            not_raised=sum(alert.notable.count or 0 for alert in others),
            unknown_process=self._unknown,
            unknown_resolved=resolved,
            unknown_unresolved=self._unresolved + unresolved,
        )
        return Detection(
            semantics=semantics,
            profiles=tuple(profile.name for profile in self._profiles),
            raised=tuple(chosen),
            not_raised=tuple(others),
            counts=counts,
        )

    def _remember_name(self, event: RawEvent) -> None:
        guid = fields.guid(event.data.get("ProcessGuid"))
        if guid is not None:
            names = self._names.setdefault(event.computer.lower(), {})
            names.setdefault(guid, sys.intern(image_name(fields.text(event.data.get("Image")))))

    def _match(self, event: RawEvent, profile: str) -> None:
        cim = cim_connection(event)
        way = direction(event)
        by = self._by(event)
        key = (profile, *cim[:5], way, by)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(profile, cim, way, by)
        group.add(event, cim.time)

    def _hold(self, event: RawEvent) -> None:
        """Keep a connection of an unnamed process until the log has been read: its EID 1 may come later."""
        self._unknown += 1
        guid = fields.guid(event.data.get("ProcessGuid"))
        if guid is None:
            self._unresolved += 1
            return
        cim = cim_connection(event)
        way = direction(event)
        by = self._by(event)
        key = (guid, *cim[:5], way, by)
        held = self._pending.get(key)
        if held is None:
            if len(self._pending) >= PENDING_KEPT:
                self._unresolved += 1
                return
            held = self._pending[key] = (guid, _Group("", cim, way, by, resolved=True))
        held[1].add(event, cim.time)

    def _by(self, event: RawEvent) -> tuple[str | None, ...]:
        if self._semantics is not Semantics.ESCU_15:
            return ()
        held = supported_fields(event)
        return tuple(held[name] for name in VERSION_15.by)

    def _resolve(self, groups: dict[tuple[object, ...], _Group]) -> tuple[int, int]:
        """Name what was held; returns (events resolved, events still unnamed)."""
        resolved = unresolved = 0
        for guid, held in self._pending.values():
            name = self._names.get((held.cim.dest or "").lower(), {}).get(guid)
            if name is None:
                unresolved += held.count
                continue
            resolved += held.count
            cim = held.cim._replace(process_name=name)
            group = _Group(self._by_name[name.lower()], cim, held.direction, held.by, resolved=True)
            group.absorb(held)
            key = (*_key(group), True)
            if key in groups:
                groups[key].absorb(group)
            else:
                groups[key] = group
        return resolved, unresolved

    def _alert(self, group: _Group) -> Alert:
        peer = group.cim.src_ip if group.direction is Direction.INBOUND else group.cim.dest_ip
        generation = self._semantics.generation
        return Alert(
            profile=group.profile,
            notable=_notable(group, generation),
            escu=judge_as_escu(
                generation or VERSION_7,
                dest_ip=group.cim.dest_ip,
                absent=_absent(group),
                resolved=group.resolved,
            ),
            strict=judge_strictly(group.cim.dest, peer, self._organisation),
            resolved=group.resolved,
        )


def detect(
    events: Iterable[RawEvent],
    profiles: Iterable[Profile],
    *,
    semantics: Semantics = Semantics.STRICT,
    organisation: OrganisationRanges = NONE,
) -> Detection:
    """Run the analytic over events in one call."""
    detector = Detector(profiles, semantics=semantics, organisation=organisation)
    detector.feed(events)
    return detector.finish()


def _keep[T](held: set[T], value: T | None) -> None:
    """Add a value that is one, up to VALUES_KEPT."""
    if value is not None and value != "" and len(held) < VALUES_KEPT:
        held.add(value)


def _key(group: _Group) -> tuple[object, ...]:
    return (group.profile, *group.cim[:5], group.direction, group.by)


def _absent(group: _Group) -> Sequence[str]:
    """By-fields that the events lack, of version 15 where it is read, else of version 7."""
    if not group.by:
        return group.cim.absent
    return [name for name, value in zip(VERSION_15.by, group.by, strict=True) if value is None]


def _for_reading(groups: Iterable[_Group], semantics: Semantics) -> list[_Group]:
    """Groups as the reading sees them: version 7 knows no direction, and no shipped search resolved names."""
    merged: dict[tuple[object, ...], _Group] = {}
    for group in groups:
        by_fields = (group.profile, *(group.by or group.cim[:5]))
        apart = group.direction if semantics is Semantics.STRICT else group.resolved
        _merge(merged, (*by_fields, apart), group)
    return list(merged.values())


def _merge(merged: dict[tuple[object, ...], _Group], key: tuple[object, ...], group: _Group) -> None:
    """Add a copy of the group under the key; two directions under one key make it unknown."""
    known = merged.get(key)
    if known is None:
        known = merged[key] = _Group(group.profile, group.cim, group.direction, group.by, group.resolved)
    if known.direction is not group.direction:
        known.direction = Direction.UNKNOWN
    known.resolved = known.resolved and group.resolved
    known.absorb(group)


def _notable(group: _Group, generation: Generation | None) -> Notable:
    """The notable of a group.

    Args:
        group: its events.
        generation: whose reading it is of; None for the strict one.
    """
    cim = group.cim
    by = dict(zip(VERSION_15.by, group.by, strict=True)) if group.by else {"dest": cim.dest}
    field_of_machine = "dvc" if group.by else "Computer" if generation is None else "dest"
    src_ip = canonical_ip(cim.src_ip) if cim.src_ip else None
    dest_ip = canonical_ip(cim.dest_ip) if cim.dest_ip else None
    effects = {
        "user": "the user is unknown",
        "src_ip": "that the address belonged to the host cannot be checked",
        "dest_ip": "the destination is unknown",
        "dest": "the host is unknown",
    }
    present = {"user": cim.user, "src_ip": src_ip, "dest_ip": dest_ip, "dest": cim.dest}
    return Notable(
        source=NotableSource.DETECTION,
        event_id=_event_id(group),
        dest=cim.dest or "",
        machine_field=field_of_machine if cim.dest else "",
        dest_given=by["dest"] or "",
        dest_meaning=_meaning(group, by["dest"]),
        peer_names=tuple(sorted(group.peer_names)),
        generation=generation.number if generation else None,
        user=cim.user or "",
        process_name=cim.process_name or "",
        src_ip=src_ip,
        dest_ip=dest_ip,
        dest_ports=tuple(sorted(group.ports)),
        src_ports=tuple(sorted(group.src_ports)),
        direction=group.direction,
        count=group.count,
        first_time=group.first,
        last_time=group.last,
        process_guids=tuple(sorted(group.guids)),
        process_ids=tuple(sorted(group.pids)),
        missing=tuple(
            MissingField(field=name, effect=effect) for name, effect in effects.items() if not present[name]
        ),
    )


def _meaning(group: _Group, dest: str | None) -> DestMeaning:
    """What the reading's own dest is: version 15's is the other end, which is the machine for inbound."""
    if not dest or (group.by and group.direction is Direction.UNKNOWN):
        return DestMeaning.UNTOLD
    outward = group.by and group.direction is Direction.OUTBOUND
    return DestMeaning.PEER if outward else DestMeaning.MACHINE


def _event_id(group: _Group) -> str:
    """A stable id: the same events of the same log give the same one."""
    parts = [group.profile, *(str(part) for part in (*group.cim[:5], group.direction.value, *group.by))]
    if group.first is not None:
        parts.append(group.first.isoformat())
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"detected:{digest[:32]}"


def _alert_order(alert: Alert) -> tuple[object, ...]:
    notable = alert.notable
    first = notable.first_time.timestamp() if notable.first_time is not None else float("inf")
    return (first, notable.dest, notable.dest_ip or "", notable.event_id)
