"""On which hosts a connection was seen: gathered by one search, or two, told by the files' connector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.askable import can_be_asked
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_splunk import queries
from connectors.edr.sysmon_splunk.finding import MOST_EVENTS, FilesInSplunk
from connectors.edr.sysmon_splunk.gathering import AHEAD, Gathering, searched
from connectors.errors import QueryFailed
from connectors.ports import ConnectionClue, MachineSeen, Window


def machines_of(
    gathering: Gathering,
    sysmon: str,
    clue: ConnectionClue,
    *,
    window: Window,
    history: timedelta,
    clock: Callable[[], datetime],
) -> Sequence[MachineSeen]:
    """The hosts on which the connection was seen, as EdrConnector.find_machines has it.

    Args:
        gathering: of any host's events.
        sysmon: search terms for Sysmon's events.
        clue: what is known of the connection.
        window: in which it was made.
        history: how long before it a process may have started.
        clock: the time of day.

    Raises:
        QueryFailed: more fits than can be looked through, or Splunk did not give all; none is named.
    """
    name = clue.process_name.strip()
    guids = sorted({guid for each in clue.guids if (guid := fields.guid(each)) is not None})
    source, destination = (canonical_ip((each or "").strip()) for each in (clue.src_ip, clue.dest_ip))
    ends = (source, destination) if source and destination else None
    if not name or not can_be_asked(name, *guids) or not (guids or ends):
        return ()
    _refuse_part(more=len(guids) > queries.MOST_KEYS)
    asked = clue._replace(src_ip=source, dest_ip=destination)
    span = searched(window, now=clock(), history=history)
    query = queries.seen_on_any(sysmon, guids=guids, name=name, ends=ends)
    _refuse_part(more=gathering.search(query, span, most=MOST_EVENTS))
    unknown, pids = _unnamed(gathering)
    if not _have(gathering, guids):
        unknown |= set(guids)
    if unknown or pids:
        _refuse_part(more=max(len(unknown), len(pids)) > queries.MOST_KEYS)
        query = queries.starts(sysmon, guids=sorted(unknown), pids=sorted(pids))
        before = Window(span.start - history, clock() + AHEAD)
        _refuse_part(more=gathering.search(query, before, most=MOST_EVENTS))
    if gathering.partial:
        raise QueryFailed(FilesInSplunk.name, "Splunk did not give all events of that time; none is named")
    files = FilesInSplunk(gathering.store(), ReadReport(), clock=clock)
    # When a host was first heard of is more than a search for one connection tells.
    return [
        each._replace(host=each.host.model_copy(update={"first_seen": None}))
        for each in files.find_machines(asked, window=window)
    ]


def _unnamed(gathering: Gathering) -> tuple[set[str], set[tuple[str, int]]]:
    """Connections whose process only its start names: by guid, or by host and pid where that is null."""
    guids, pids = set(), set()
    for event in gathering.events:
        if event.event_id != 3:
            continue
        guid, pid = fields.guid(event.data.get("ProcessGuid")), fields.integer(event.data.get("ProcessId"))
        image = fields.text(event.data.get("Image"))
        if guid is None and pid is not None:
            pids.add((event.computer.lower(), pid))
        elif guid is not None and (not image or image.lower() in fields.UNKNOWN_PROCESS):
            guids.add(guid)
    return guids, pids


def _have(gathering: Gathering, guids: Sequence[str]) -> bool:
    """Whether anything of the processes was found; True where none is asked for."""
    return not guids or any(fields.guid(each.data.get("ProcessGuid")) in guids for each in gathering.events)


def _refuse_part(*, more: bool) -> None:
    if more:
        raise QueryFailed(FilesInSplunk.name, f"more than {MOST_EVENTS:,} events fit; none is named")
