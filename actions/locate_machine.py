"""Which machine a notable is about, where its fields do not settle that: telemetry is asked.

A machine that the notable names is resolved by that name. Where it names none, or two that disagree, the
connection itself is looked for (ProcessGuid, else process, both addresses and time), and then who had the
machine's own address at that time. Two machines that fit are both named and none is picked: whoever owns the
peer's address chooses its reverse name, so a `dest` that may be that name decides nothing.

Each notable costs one question more than a plain look-up by name at most.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from actions.check_ip import check_ip
from actions.organisation_ranges import NONE
from connectors.addresses import canonical_ip
from connectors.errors import AmbiguousHost, HostNotFound, QueryFailed
from connectors.facts.host import HostRef, same_host_name
from connectors.facts.notable import DestMeaning, Direction, Notable
from connectors.facts.process import ProcessRef
from connectors.ports import ConnectionClue, EdrConnector, MachineSeen, Window


class FoundBy(StrEnum):
    """How the machine became known, the surest way first."""

    PROCESS_GUID = "process_guid"
    """A process with the notable's ProcessGuid ran on it."""
    CONNECTION = "connection"
    """The connection between these addresses was seen on it at that time."""
    NAME = "name"
    """The notable names it."""
    ADDRESS = "address"
    """It had the notable's own address at that time."""
    DEST = "dest"
    """The EDR knows a machine of the name in `dest`; nothing shows that it is no peer's name."""


class Machine(NamedTuple):
    """The machine of a notable.

    Attributes:
        host: exactly one.
        by: how it became known.
        processes: those whose connection was seen; empty where the connection was not looked for.
        direction: of that connection; UNKNOWN where it was not looked for, or is not told.
    """

    host: HostRef
    by: FoundBy
    processes: tuple[ProcessRef, ...] = ()
    direction: Direction = Direction.UNKNOWN


def locate_machine(edr: EdrConnector, notable: Notable, window: Window) -> Machine:
    """The machine of a notable.

    Args:
        edr: who is asked.
        notable: its `dest` is the machine where the notable tells it.
        window: the time span of its connections.

    Raises:
        AmbiguousHost: several fit; they are named.
        HostNotFound: none fits.
        ConnectorError: the EDR could not look.
    """
    if notable.other_dests:
        return _of_several(edr, notable, window)
    if not notable.dest:
        return _unnamed(edr, notable, window)
    if canonical_ip(notable.dest) is not None:
        return Machine(edr.resolve_host(ip=notable.dest, at=notable.last_time), FoundBy.ADDRESS)
    if notable.machine_doubtful:
        return _doubtful(edr, notable, window)
    try:
        return Machine(edr.resolve_host(hostname=notable.dest), FoundBy.NAME)
    except HostNotFound:
        seen = _seen(edr, notable, window)
        if seen is None:
            raise
        if same_host_name(seen.host.hostname, notable.dest):
            return seen
        raise _contradiction(edr, notable, seen) from None


def _doubtful(edr: EdrConnector, notable: Notable, window: Window) -> Machine:
    """A machine that only its user's domain vouches for: the connection counts before its name."""
    try:
        seen = _seen(edr, notable, window)
    except QueryFailed:  # it could not see everything; the guard `one_host` asks for the connection
        seen = None
    if seen is None:
        return Machine(edr.resolve_host(hostname=notable.dest), FoundBy.NAME)
    if not same_host_name(seen.host.hostname, notable.dest):
        raise _contradiction(edr, notable, seen)
    return seen


def _contradiction(edr: EdrConnector, notable: Notable, seen: Machine) -> AmbiguousHost:
    names = (notable.dest, seen.host.hostname)
    why = f"the notable names {names[0]}, and its connection was seen on {names[1]}"
    return AmbiguousHost(edr.name, why, candidates=names)


def _of_several(edr: EdrConnector, notable: Notable, window: Window) -> Machine:
    """The one of several named machines on which the notable's process ran.

    Raises:
        AmbiguousHost: that is not told.
    """
    names = (notable.dest, *notable.other_dests)
    if notable.process_guids and edr.sysmon_guids:
        seen = edr.find_machines(_clue(notable), window=window)
        fitting = [each for each in seen if any(same_host_name(each.host.hostname, name) for name in names)]
        if len(seen) == len(fitting) == 1:
            return _machine(fitting[0], FoundBy.PROCESS_GUID)
    raise AmbiguousHost(edr.name, f"the notable names {len(names)} hosts", candidates=names)


def _unnamed(edr: EdrConnector, notable: Notable, window: Window) -> Machine:
    """The machine of a notable that names none."""
    own, cut = _own_address(notable), None
    try:
        seen = _seen(edr, notable, window)
    except QueryFailed as error:  # it could not see everything; who had the address can still be told
        if not own:
            raise
        seen, cut = None, error
    if seen is not None:
        return seen
    if own:
        try:
            return Machine(
                edr.resolve_host(ip=own, at=notable.last_time or notable.first_time), FoundBy.ADDRESS
            )
        except HostNotFound as error:
            if cut is not None:
                raise cut from error
            raise HostNotFound(edr.name, f"{_nothing_names_it(notable)}, and {error.message}") from error
    name = notable.dest_given
    if notable.dest_meaning is DestMeaning.UNTOLD and name and canonical_ip(name) is None:
        return Machine(edr.resolve_host(hostname=name), FoundBy.DEST)
    raise HostNotFound(edr.name, f"{_nothing_names_it(notable)}, and there is no address to look it up by")


def _seen(edr: EdrConnector, notable: Notable, window: Window) -> Machine | None:
    """The machine on which the connection was seen; None where it was seen on none.

    Raises:
        AmbiguousHost: it was seen on several. A `dest` that may be the peer's name picks none of them.
    """
    clue = _clue(notable)
    by_guid = bool(clue.guids) and edr.sysmon_guids
    if not by_guid and (clue.src_ip is None or clue.dest_ip is None):
        return None
    found = edr.find_machines(clue, window=window)
    if len(found) > 1:
        names = tuple(each.host.hostname for each in found)
        raise AmbiguousHost(edr.name, f"the connection was seen on {len(found)} machines", candidates=names)
    if not found:
        return None
    guids = {process.guid for process in found[0].processes}
    settled = by_guid and not guids.isdisjoint(clue.guids)
    return _machine(found[0], FoundBy.PROCESS_GUID if settled else FoundBy.CONNECTION)


def _machine(seen: MachineSeen, by: FoundBy) -> Machine:
    return Machine(seen.host, by, tuple(seen.processes), seen.direction)


def _own_address(notable: Notable) -> str:
    """The machine's own address; "" where it is missing or may be the peer's.

    Without a direction src_ip is the peer's where the connection was inbound; a public one may be.
    """
    own = notable.own_ip or ""
    return "" if own and notable.direction is Direction.UNKNOWN and not is_internal(own) else own


def is_internal(ip: str) -> bool:
    """Whether an address can be no peer of the analytic's: it is not public."""
    return not check_ip(ip, organisation=NONE).public


def _clue(notable: Notable) -> ConnectionClue:
    return ConnectionClue(notable.process_name, notable.src_ip, notable.dest_ip, notable.process_guids)


def _nothing_names_it(notable: Notable) -> str:
    if notable.dest_given:
        which = "is the peer" if notable.dest_meaning is DestMeaning.PEER else "may be the peer"
        return f"the notable does not name its machine (its dest, {notable.dest_given}, {which})"
    return "the notable does not name its machine"
