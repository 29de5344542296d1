"""A case in a line or two: who talked to what, and through which processes it came to run."""

from __future__ import annotations

from collections.abc import Sequence

from actions.case_facts import CaseFacts, NamedCase
from actions.case_users import users_of
from actions.host_addresses import foreign_addresses, known_as
from connectors.facts.notable import Direction
from connectors.facts.process import Lineage
from playbooks.report import wording
from playbooks.report.talk import Talk, others, talks

_PEERS_NAMED = 2
#: Names in the chain: the first ones and those next to the process.
_CHAIN_TOP, _CHAIN_NEAR = 2, 6

_CONTACT = {
    Direction.OUTBOUND: "connected to",
    Direction.INBOUND: "was contacted by",
    Direction.UNKNOWN: "exchanged data, in an unknown direction, with",
}

_SAID = "as the notable says and not in the telemetry"
_CONTACT_SAID = {
    Direction.OUTBOUND: f"connected, {_SAID}, to",
    Direction.INBOUND: f"was, {_SAID}, contacted by",
    Direction.UNKNOWN: f"exchanged data, {_SAID}, with",
}


def subject_of(case: NamedCase) -> str:
    """Process and host, the name of the case."""
    return f"{process_of(case)} on {host_of(case)}"


def host_of(case: NamedCase) -> str:
    """The resolved host, else the name the notable gives, else what is known of the machine."""
    return wording.name(case.host.hostname if case.host else case.notables[0].machine_label)


def user_of(case: NamedCase) -> str:
    """The account of the process: that of its own record where a notable contradicts it. "" if unknown."""
    users = users_of(case)
    named = (users.own,) if users.others else users.all
    return wording.names(named[:1])


def user_words(case: NamedCase) -> str:
    """Who ran the process; where a notable contradicts the process's own record, both. "" if unknown."""
    users = users_of(case)
    if not users.others:
        return wording.names(users.all)
    return f"{wording.name(users.own)} (the notable names {wording.names(users.others)})"


def process_of(case: NamedCase) -> str:
    """The process as telemetry spells it, else as the notable does."""
    lineage = case.lineage
    return wording.name((lineage.target.name if lineage else "") or case.notables[0].process_name)


def story(facts: CaseFacts) -> str:
    """Who talked to what, one sentence."""
    who = f"{subject_of(facts)}, run by {user_words(facts) or 'an unknown user'},"
    found = talks(facts)
    if not found:
        return f"{who} made a connection; with which address is unknown{_others(facts)}."
    seen = [each for each in found if not each.only_said]
    said = [each for each in found if each.only_said]
    if not seen:
        contact = f"{_CONTACT_SAID[_way(said)]} {_peers(said)}"
        return f"{who} {contact}; {_how_often(said)}{_others(facts)}."
    text = f"{who} {_CONTACT[_way(seen)]} {_peers(seen)}; {_how_often(seen)}{_others(facts)}"
    if said:
        text += f"; the notable also names {_peers(said)} ({_how_often(said)}), not in the telemetry"
    return f"{text}."


def another_machine(facts: CaseFacts) -> str:
    """One sentence where a notable gives the host an address that was not its own then, else ""."""
    host = facts.host
    foreign = foreign_addresses(host, facts.notables)
    if host is None or not foreign:
        return ""
    ips = wording.names(sorted({each.ip for each in foreign}))
    known = wording.sentence(known_as(host, foreign[0]))
    return f"May be about another machine: the notable says that it had {ips}, and {known}."


def _peers(found: Sequence[Talk]) -> str:
    peers = " and ".join(_peer(each) for each in found[:_PEERS_NAMED])
    if (more := len(found) - _PEERS_NAMED) > 0:
        peers += f" and {wording.count(more, 'more address', 'more addresses')}"
    return peers


def _others(facts: CaseFacts) -> str:
    """Connections of the process with addresses that are no destinations of the case."""
    found = others(facts)
    parts = [
        f"{number} with {one if number == 1 else several}"
        for number, one, several in (
            (found.not_public, "an address that is not public", "addresses that are not public"),
            (found.own, "an address of the organisation's own", "addresses of the organisation's own"),
            (found.unreadable, "an address that is not readable", "addresses that are not readable"),
        )
        if number
    ]
    return f", and {', '.join(parts)}" if parts else ""


def _peer(talk: Talk) -> str:
    named = f" ({wording.name(talk.names[0])})" if talk.names else ""
    return f"{wording.endpoint(talk.ip, talk.ports)}{named}"


def _way(found: Sequence[Talk]) -> Direction:
    ways = {each.direction for each in found}
    return ways.pop() if len(ways) == 1 else Direction.UNKNOWN


def _how_often(found: Sequence[Talk]) -> str:
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
