"""On which machines Defender recorded a connection: one query over all, one call for their records."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.edr import sysmon_fields as fields
from connectors.edr.askable import NamedPair, is_plain_id
from connectors.edr.defender import filters, queries
from connectors.edr.defender.api import CONNECTOR, DefenderApi, page_of
from connectors.edr.defender.machines import host_ref
from connectors.edr.defender.rows import Row, found_ref, path_of, process_ref
from connectors.edr.sightings import Sighting, machine_seen
from connectors.errors import QueryFailed
from connectors.facts.host import HostRef
from connectors.facts.notable import Direction
from connectors.facts.process import ProcessRef
from connectors.http.deadline import Deadline
from connectors.ports import MACHINES_NAMED, MachineSeen, Window


def machines(api: DefenderApi, pair: NamedPair, window: Window, deadline: Deadline) -> list[MachineSeen]:
    """The machines of a connection, the one that had it first first, MACHINES_NAMED at most.

    One of which Defender has no record any more goes by the name in its events, else by its id.

    Raises:
        QueryFailed: there are more processes than are looked through.
    """
    rows = api.hunt(queries.connected_between(pair, window), deadline)
    active = [row for row in rows if row.get("Found") == "active" and is_plain_id(_device(row))]
    if len(active) > queries.MOST_FOUND:
        raise QueryFailed(
            CONNECTOR,
            f"more than {queries.MOST_FOUND} processes had that connection: give a shorter time",
        )
    created = _by_key(row for row in rows if row.get("Found") == "created")
    seen: dict[str, list[Row]] = {}
    for row in sorted(active, key=lambda row: (fields.text(row.get("Seen")), _device(row))):
        if fields.text(row.get("FileName")).strip().lower() == pair.name.lower():
            seen.setdefault(_device(row), []).append(row)
    kept = dict(list(seen.items())[:MACHINES_NAMED])
    known = _hosts(api, kept, deadline)
    return [
        machine_seen(known[device_id], (_sighting(row, created) for row in events))
        for device_id, events in kept.items()
    ]


def _hosts(api: DefenderApi, seen: dict[str, list[Row]], deadline: Deadline) -> dict[str, HostRef]:
    """The host of each device, by one call for all of them."""
    if not seen:
        return {}
    page = page_of(lambda: api.machines(filters.machines_with_ids(seen), deadline))
    known = {each.host_id: each for each in map(host_ref, page.records)}
    return {device: known.get(device) or _unrecorded(device, events) for device, events in seen.items()}


def _unrecorded(device_id: str, events: Iterable[Row]) -> HostRef:
    names = (fields.text(row.get("DeviceName")).strip().rstrip(".") for row in events)
    return HostRef(connector=CONNECTOR, host_id=device_id, hostname=next(filter(None, names), device_id))


def _by_key(rows: Iterable[Row]) -> dict[tuple[str, str | None], ProcessRef]:
    """Processes as their creations name them, which spell the path as it is; other tables use lower case."""
    refs = (found_ref(_device(row), row) for row in rows)
    return {(ref.host_id, ref.guid): ref for ref in refs if ref is not None}


def _sighting(row: Row, created: dict[tuple[str, str | None], ProcessRef]) -> Sighting:
    device_id = _device(row)
    # A connection that was only inspected has no process (pid 0): its machine is known all the same.
    ref = found_ref(device_id, row) or process_ref(
        device_id, None, path_of(row.get("FolderPath"), row.get("FileName"))
    )
    inbound = fields.text(row.get("ActionType")) == queries.INBOUND
    return Sighting(
        created.get((device_id, ref.guid), ref), Direction.INBOUND if inbound else Direction.OUTBOUND
    )


def _device(row: Row) -> str:
    return fields.text(row.get("DeviceId"))
