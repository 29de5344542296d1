"""A notable in the names of the search again: what is handed on as fields is read as the same notable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connectors.facts.notable import DestMeaning, Direction, Notable
from connectors.siem.assets.notable_enrichment import enrichment_fields
from connectors.siem.notable_fields import DEST_NAMES


def fields_of(notables: Sequence[Notable]) -> dict[str, object]:
    """The fields of one event; those without a value are left out.

    The machine stands in `dest` where it was read from there, and else in `dvc`, where every add-on has it;
    `dest` then holds what the input had there.

    Args:
        notables: all of one event: one for each destination address; at least one.
    """
    first = notables[0]
    addresses = [each.dest_ip for each in notables if each.dest_ip is not None]
    machines = [each for each in (first.dest, *first.other_dests) if each]
    in_dest = first.machine_field in DEST_NAMES
    untold = first.dest_meaning is DestMeaning.UNTOLD
    fields: dict[str, object] = {
        "event_id": first.event_id,
        "search_name": first.search_name,
        "dvc": "" if in_dest else _one_or_all(machines),
        "dest": _one_or_all(machines) if in_dest else first.dest_given,
        "dest_host": list(first.peer_names),
        "user": first.user,
        "process_name": first.process_name,
        "src_ip": first.src_ip,
        "dest_ip": _one_or_all(addresses),
        "src_port": [str(port) for port in first.src_ports],
        "dest_port": [str(port) for port in first.dest_ports],
        "direction": None if first.direction is Direction.UNKNOWN else first.direction.value,
        "count": first.count,
        "firstTime": _iso(first.first_time),
        "lastTime": _iso(first.last_time),
        "process_guid": list(first.process_guids),
        "process_id": [str(pid) for pid in first.process_ids],
        "risk_score": first.risk_score,
        "risk_message": first.risk_message,
        "risk_object": first.risk_object,
        "risk_object_type": "system" if first.risk_object else None,
        "analytic_generation": first.generation,
        "machine_doubtful": "true" if first.machine_doubtful else None,
        # What spoke against dest, such as a peer of the same name, is not handed on.
        "dest_untold": "true" if first.dest_given and not first.dest and untold else None,
        "urgency": first.urgency,
        "status": first.status,
        "owner": first.owner,
    }
    kept = {name: value for name, value in fields.items() if value not in (None, "", [])}
    return kept | enrichment_fields(first.asset, first.identity)


def _one_or_all(texts: list[str]) -> object:
    return texts if len(texts) > 1 else next(iter(texts), None)


def _iso(when: datetime | None) -> str:
    return "" if when is None else when.isoformat()
