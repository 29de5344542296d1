"""Read a host anew, right before it is decided on: which agent it is, and whether it is isolated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from actions.containment import HostReading
from connectors.errors import Ambiguous, AmbiguousHost, ConnectorError
from connectors.facts.host import HostRef, same_host_name
from connectors.ports import EdrConnector

#: Times of one case for which the addresses of its host are asked for; each costs a call or two. A beacon
#: raises a notable every hour.
MOST_TIMES = 12

#: One answer tells the addresses of so long a time around the one that was asked for, as Defender has it.
_AROUND = timedelta(minutes=10)


def read_host(
    edr: EdrConnector, *, hostname: str, host_id: str = "", at: Iterable[datetime] = ()
) -> HostReading:
    """The agent of a host and its isolation, as the connector says now.

    Args:
        edr: who is asked.
        hostname: of the host; only an agent of this name is taken.
        host_id: the agent that is expected; "" where none is known yet. Another agent is never taken for it:
            both are named as candidates.
        at: when its addresses have to be known; the latest MOST_TIMES of them count, those within ten minutes
            of each other as one.

    Returns:
        What could be read. An error of the connector is a problem in it, and is not raised.
    """
    if not hostname:
        return HostReading(None, problem="The host has no name to look it up by.")
    try:
        agent = _resolved(edr, hostname, apart(at))
    except Ambiguous as error:
        return HostReading(None, candidates=error.candidates, problem=_sentence(error))
    except ConnectorError as error:
        return HostReading(None, problem=_sentence(error))
    wrong = _another(agent, hostname, host_id)
    if wrong:
        expected = f"{hostname} ({host_id})" if host_id else hostname
        return HostReading(None, candidates=(expected, f"{agent.hostname} ({agent.host_id})"), problem=wrong)
    try:
        status = edr.get_isolation(agent)
    except ConnectorError as error:
        return HostReading(agent, problem=_sentence(error))
    return HostReading(agent, status=status)


def apart(times: Iterable[datetime]) -> list[datetime]:
    """The latest times that lie apart, the latest first: at most MOST_TIMES."""
    chosen: list[datetime] = []
    for each in sorted(set(times), reverse=True):
        if not chosen or chosen[-1] - each > _AROUND:
            chosen.append(each)
    return chosen[:MOST_TIMES]


def _resolved(edr: EdrConnector, hostname: str, times: Sequence[datetime]) -> HostRef:
    """The agent, with the addresses that it had at those times.

    Raises:
        ConnectorError: it is not known to be exactly one; two answers that name two agents are ambiguous.
    """
    first = edr.resolve_host(hostname=hostname, at=times[0] if times else None)
    addresses = dict.fromkeys(first.addresses)
    for each in times[1:]:
        further = edr.resolve_host(hostname=hostname, at=each)
        if further.host_id != first.host_id:
            both = (f"{first.hostname} ({first.host_id})", f"{further.hostname} ({further.host_id})")
            raise AmbiguousHost(edr.name, f"{hostname} is more than one machine", candidates=both)
        addresses.update(dict.fromkeys(further.addresses))
    return first.model_copy(update={"addresses": tuple(addresses)})


def _another(agent: HostRef, hostname: str, host_id: str) -> str:
    """Why the agent is not the host that was asked for; "" where it is."""
    if host_id and agent.host_id != host_id:
        return (
            f"{hostname} was the agent {host_id} and is {agent.host_id} by now: it is another machine, or was"
            " set up anew."
        )
    if not same_host_name(agent.hostname, hostname):
        return f"{agent.connector} answered with {agent.hostname} where {hostname} was asked for."
    return ""


def _sentence(error: ConnectorError) -> str:
    return f"{str(error).rstrip('.')}."
