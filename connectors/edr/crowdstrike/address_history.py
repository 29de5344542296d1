"""When a device had which address, by the history that Falcon keeps. Pure.

An entry is `{ip_address, mac_address, timestamp}` (CrowdStrike/gofalcon,
falcon/models/deviceapi_network_address_v1.go); CrowdStrike's own example calls the entries changes
(CrowdStrike/caracara, examples/hosts/list_network_history.py). How long an address was kept after its entry
is not documented. So it is taken for the device's between two sightings of it, of which the device's record
is one, with no other address of that adapter between them. When it ended before the next one is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.facts.host import AddressSeen, HostRef

#: Entries that are read, and addresses that are kept.
MOST_ENTRIES = 2000
MOST_ADDRESSES = 200


class _Run(NamedTuple):
    """Sightings of one address by one adapter, no other one between them.

    Attributes:
        until: when the adapter was first seen with another address; None if it was not.
    """

    ip: str
    first: datetime
    last: datetime
    until: datetime | None


def with_history(host: HostRef, record: Mapping[str, object], *, at: datetime) -> HostRef:
    """The host with what its history tells of its addresses.

    An address of the host's record is the host's when it was last seen, and since the adapter got it.

    Args:
        record: the history of this device.
        at: the time that counts. An address that the adapter may still have had then is told a second time,
            with an open end.
    """
    seen_now = {each.ip for each in host.addresses}
    spans: list[AddressSeen] = []
    for run in _runs(record):
        now = run.until is None and run.ip in seen_now and host.last_seen is not None
        last = max(run.last, host.last_seen) if now and host.last_seen else run.last
        spans.append(AddressSeen(ip=run.ip, first_seen=run.first, last_seen=last))
        if not now and run.last < at and (run.until is None or at < run.until):
            spans.append(AddressSeen(ip=run.ip, first_seen=run.first))
    told = {each.ip for each in spans}
    rest = [each for each in host.addresses if each.ip not in told]
    return host.model_copy(update={"addresses": tuple(dict.fromkeys((*spans, *rest)))[:MOST_ADDRESSES]})


def _runs(record: Mapping[str, object]) -> Iterator[_Run]:
    """The runs of each adapter, newest first, so that a long history loses its oldest."""
    adapters: dict[str, list[tuple[datetime, str]]] = {}
    for adapter, moment, ip in _entries(record):
        adapters.setdefault(adapter, []).append((moment, ip))
    runs = [run for sightings in adapters.values() for run in _of_adapter(sorted(sightings))]
    yield from sorted(runs, key=lambda run: run.last, reverse=True)


def _of_adapter(sightings: list[tuple[datetime, str]]) -> Iterator[_Run]:
    run: _Run | None = None
    for moment, ip in sightings:
        if run is not None and run.ip == ip:
            run = run._replace(last=moment)
            continue
        if run is not None:
            yield run._replace(until=moment)
        run = _Run(ip, moment, moment, None)
    if run is not None:
        yield run


def _entries(record: Mapping[str, object]) -> Iterator[tuple[str, datetime, str]]:
    """Adapter, time and address of each entry that can be read."""
    history = record.get("history")
    for each in history[:MOST_ENTRIES] if isinstance(history, list) else []:
        if not isinstance(each, Mapping):
            continue
        ip = canonical_ip(fields.text(each.get("ip_address")).strip())
        moment = fields.instant(each.get("timestamp"))
        if ip is not None and moment is not None:
            yield fields.text(each.get("mac_address")).strip().lower().replace(":", "-"), moment, ip
