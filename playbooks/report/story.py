"""A case in a line or two: who talked to what, and through which processes it came to run."""

from __future__ import annotations

from actions.case_facts import CaseFacts
from connectors.facts.notable import Direction
from connectors.facts.process import Lineage
from playbooks.report import wording
from playbooks.report.talk import Talk, talks

_PEERS_NAMED = 2
#: Names in the chain: the first ones and those next to the process.
_CHAIN_TOP, _CHAIN_NEAR = 2, 6

_CONTACT = {
    Direction.OUTBOUND: "connected to",
    Direction.INBOUND: "was contacted by",
    Direction.UNKNOWN: "exchanged data, in an unknown direction, with",
}


def subject_of(facts: CaseFacts) -> str:
    """Process and host, the name of the case."""
    return f"{process_of(facts)} on {host_of(facts)}"


def host_of(facts: CaseFacts) -> str:
    """The resolved host, else the name the notable gives."""
    return wording.name(facts.host.hostname if facts.host else facts.notables[0].dest)


def user_of(facts: CaseFacts) -> str:
    """The first user a notable names, else the one of the process; "" if unknown."""
    users = [each.user for each in facts.notables if each.user]
    if not users and facts.lineage is not None and facts.lineage.target.user:
        users = [facts.lineage.target.user]
    return wording.name(users[0]) if users else ""


def process_of(facts: CaseFacts) -> str:
    """The process as telemetry spells it, else as the notable does."""
    lineage = facts.lineage
    return wording.name((lineage.target.name if lineage else "") or facts.notables[0].process_name)


def story(facts: CaseFacts) -> str:
    """Who talked to what, one sentence."""
    user = user_of(facts)
    who = f"{subject_of(facts)}, run by {user}," if user else f"{subject_of(facts)}, run by an unknown user,"
    found = talks(facts)
    if not found:
        return f"{who} made a connection; with which address is unknown."
    peers = " and ".join(_peer(each) for each in found[:_PEERS_NAMED])
    if (more := len(found) - _PEERS_NAMED) > 0:
        peers += f" and {wording.count(more, 'more address', 'more addresses')}"
    return f"{who} {_contact(found)} {peers}; {_how_often(found)}."


def _peer(talk: Talk) -> str:
    named = f" ({wording.name(talk.names[0])})" if talk.names else ""
    return f"{wording.endpoint(talk.ip, talk.ports)}{named}"


def _contact(found: tuple[Talk, ...]) -> str:
    ways = {each.direction for each in found}
    return _CONTACT[ways.pop() if len(ways) == 1 else Direction.UNKNOWN]


def _how_often(found: tuple[Talk, ...]) -> str:
    counts = [each.connections for each in found if each.connections is not None]
    number = (
        wording.count(sum(counts), "connection")
        if len(counts) == len(found)
        else "number of connections unknown"
    )
    first = min((each.first for each in found if each.first), default=None)
    last = max((each.last for each in found if each.last), default=None)
    return f"{number}, {wording.span(first, last)}"


def chain(lineage: Lineage | None) -> tuple[str, ...]:
    """Names from the first process known down to the process itself; those between are counted."""
    if lineage is None:
        return ()
    names = [
        wording.name(each.name, unknown="unknown process")
        for each in (*lineage.ancestors[::-1], lineage.target)
    ]
    between = len(names) - _CHAIN_TOP - _CHAIN_NEAR
    if between <= 0:
        return tuple(names)
    return (*names[:_CHAIN_TOP], f"{between} more", *names[-_CHAIN_NEAR:])
