"""Which machines Defender has isolated, read from the actions of all machines.

A machine record does not say it, so the actions of the last HISTORY are read, and each machine is judged by
its own, as when one is asked about. The type and creation time of actions can be filtered:
https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import batched

from connectors.edr.askable import is_plain_id
from connectors.edr.defender import filters
from connectors.edr.defender.api import CONNECTOR, DefenderApi, page_of
from connectors.edr.defender.isolation import MachineAction, machine_action, status_of
from connectors.edr.defender.machines import host_ref
from connectors.errors import ConnectorError
from connectors.facts.host import HostRef
from connectors.facts.isolation import IsolationState
from connectors.http.deadline import Deadline
from connectors.ports import IsolatedHosts

#: How far back actions are asked for. How long Defender keeps them is not documented; a device stays in its
#: inventory for 180 days (https://learn.microsoft.com/defender-endpoint/offboard-machines). An isolation that
#: is older does not show.
HISTORY = timedelta(days=180)

#: Machines whose records are asked for in one call, and calls: the ids stand in the URL.
NAMES_OF_A_CALL = 25
MOST_NAME_CALLS = 20

_STANDING = frozenset({IsolationState.ISOLATED, IsolationState.ISOLATING, IsolationState.RELEASING})


def isolated_hosts(
    api: DefenderApi, *, limit: int, deadline: Deadline, clock: Callable[[], datetime]
) -> IsolatedHosts:
    """The machines whose last action that succeeded isolated them, or that are being isolated or released.

    Their names and what else is known of them come from their records, NAMES_OF_A_CALL * MOST_NAME_CALLS at
    most. A machine whose record cannot be read is named by its id. Where there are more actions than were
    read, a later one may have released a machine, so that its state is unknown.
    """
    now = clock()
    page = page_of(lambda: api.actions_since(now - HISTORY, deadline))
    states, certain = _states(page.records, now=now)
    standing = [machine_id for machine_id, state in states.items() if state in _STANDING]
    kept = standing[:limit]
    known = _records(api, kept, deadline)
    return IsolatedHosts(
        tuple(
            known.get(each, HostRef(connector=CONNECTOR, host_id=each, hostname=each)).model_copy(
                update={"isolation": _told(states[each], complete=page.complete)}
            )
            for each in kept
        ),
        complete=page.complete and certain and len(kept) == len(standing),
    )


def _told(state: IsolationState, *, complete: bool) -> IsolationState:
    """What may be said of a machine: an action that is under way is, whatever else was not read."""
    return state if complete or state is not IsolationState.ISOLATED else IsolationState.UNKNOWN


def _states(
    records: Iterable[Mapping[str, object]], *, now: datetime
) -> tuple[dict[str, IsolationState], bool]:
    """The state of each machine, by the actions that were read, and whether each could be told."""
    actions: dict[str, list[MachineAction]] = {}
    certain = True
    for record in records:
        action = machine_action(record)
        if action is None:
            continue
        if not is_plain_id(action.machine_id):
            certain = False
            continue
        actions.setdefault(action.machine_id, []).append(action)
    # That there may be more actions than were read is told of the whole list.
    states = {
        machine_id: status_of(mine, machine_id=machine_id, action_id="", complete=True, now=now).state
        for machine_id, mine in actions.items()
    }
    return states, certain and IsolationState.UNKNOWN not in states.values()


def _records(api: DefenderApi, machine_ids: Sequence[str], deadline: Deadline) -> dict[str, HostRef]:
    """The hosts of these machines, as far as their records can be read."""
    asked = frozenset(machine_ids)
    found: dict[str, HostRef] = {}
    try:
        for host in _asked(api, machine_ids, deadline):
            if host.host_id in asked:
                found[host.host_id] = host
    except ConnectorError:
        return found  # that they are isolated is known without their names
    return found


def _asked(api: DefenderApi, machine_ids: Sequence[str], deadline: Deadline) -> Iterator[HostRef]:
    for number, ids in enumerate(batched(machine_ids, NAMES_OF_A_CALL, strict=False)):
        if number >= MOST_NAME_CALLS:
            return
        page = page_of(partial(api.machines, filters.machines_with_ids(ids), deadline))
        yield from map(host_ref, page.records)
