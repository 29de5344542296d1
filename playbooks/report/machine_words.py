"""How the machine of a case became known, what its notables' `dest` is, and where ESCU's own risk went."""

from __future__ import annotations

from collections.abc import Iterable

from actions.assess_risk import escu_message
from actions.case_facts import CaseFacts
from actions.locate_machine import FoundBy
from connectors.facts.host import same_host_name
from connectors.facts.notable import DestMeaning, Notable
from playbooks.report import wording

_FOUND = {
    FoundBy.PROCESS_GUID: "found by the notable's ProcessGuid",
    FoundBy.CONNECTION: "found through src_ip, peer and time, by the connection's own event",
    FoundBy.ADDRESS: "found by who had the notable's address at that time",
    FoundBy.DEST: "taken from dest, a name the source knows; nothing else shows that it is not the peer's",
}


def machine_evidence(facts: CaseFacts) -> str:
    """What the machine is taken from, and what `dest` is: each way once. "" where nothing has to be said."""
    said = dict.fromkeys(filter(None, (_evidence(each, facts) for each in facts.notables)))
    return "; ".join(said)


def risk_at_peer(facts: CaseFacts) -> str:
    """One sentence where ESCU's own risk stands on the peer as a system, else ""."""
    said = [each for each in facts.notables if each.risk_object]
    peers = dict.fromkeys(each.risk_object for each in said if _is_peer(each.risk_object, each, facts))
    if peers:
        how = f"ESCU's own risk stands on {wording.names(tuple(peers))}"
    else:
        shipped = dict.fromkeys(
            each.dest_given
            for each in facts.notables
            if not each.risk_object and each.dest_given and _is_peer(each.dest_given, each, facts)
        )
        if not shipped:
            return ""
        how = f"as ESCU ships it, its own risk stands on {wording.names(tuple(shipped))}"
    return f"{how}, the peer, as a system; ours is on the machine"


def message_had(facts: CaseFacts) -> str:
    """The notables' own message, where it was read and differs from the one with the machine, else ""."""
    own = {escu_message(facts.profile, each, facts.host) for each in facts.notables}
    others = dict.fromkeys(each.risk_message for each in facts.notables if each.risk_message)
    differing = [wording.sentence(each) for each in others if each.strip() not in own]
    return f"the notable's own message: {differing[0]}" if differing else ""


def generation_words(notables: Iterable[Notable]) -> str:
    """Which generations of the analytic raised them, "" where that is not told."""
    numbers = sorted({each.generation for each in notables if each.generation is not None})
    return f"generation {', '.join(map(str, numbers))}" if numbers else ""


def _evidence(notable: Notable, facts: CaseFacts) -> str:
    parts = []
    if notable.machine_field and facts.found_by in (None, FoundBy.NAME):
        doubt = ", by the user's domain alone" if notable.machine_doubtful else ""
        parts.append(f"machine from {wording.name(notable.machine_field)}{doubt}")
    elif facts.found_by in _FOUND:
        parts.append(f"machine {_FOUND[facts.found_by]}")
    given = wording.name(notable.dest_given)
    if notable.dest_given and notable.dest_meaning is DestMeaning.PEER:
        parts.append(f"dest ({given}) is the peer")
    elif notable.dest_given and notable.dest_meaning is DestMeaning.UNTOLD:
        host = facts.host
        same = host is not None and same_host_name(notable.dest_given, host.hostname)
        other = (
            "is another name, most likely the peer's"
            if host is not None
            else "may be the machine or the peer"
        )
        parts.append(f"dest ({given}) {'names it' if same else other}")
    return "; ".join(parts)


def _is_peer(risk_object: str, notable: Notable, facts: CaseFacts) -> bool:
    """Whether a risk object is known to be the peer: by its address, or by a name that only the peer has."""
    if not risk_object:
        return False
    if risk_object in (notable.peer_ip, *notable.peer_names):
        return True
    host = facts.host
    return (
        risk_object == notable.dest_given
        and notable.dest_meaning is DestMeaning.PEER
        and not (host is not None and same_host_name(risk_object, host.hostname))
    )
