"""Why the playbook will not isolate, in the words of a step: the guard that says most, and not its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: What stands in the way, by guard.
GUARD_WORDS: Mapping[str, str] = {
    "mode": "isolation is switched off",
    "kill_switch": "all isolation is stopped, or whether it is cannot be told",
    "one_host": "it is not certain that it is exactly this machine",
    "address_belongs": "the notable's address is not proved to be this machine's",
    "host_type": "it is not known to be a workstation",
    "not_protected": "the machine is protected, or that cannot be told",
    "asset_priority": "its priority is protected, or not known",
    "agent_seen": "its agent was not in contact lately",
    "connection_fresh": "the connection is not recent",
    "reputation_fresh": "the reputation is not recent",
    "not_isolated": "it is not known to be connected to the network",
    "not_released_recently": "it was released lately, or that cannot be told",
    "no_active_lease": "an isolation of it stands, or that cannot be told",
    "direction_outbound": "it is not known that the process opened the connection",
    "connector_capable": "no connector can isolate, verify and release",
    "cap_per_run": "the cap of isolations a run is reached, or not set",
    "cap_per_hour": "the cap of isolations an hour is reached, or not set",
    "cap_per_day": "the cap of isolations a day is reached, or not set",
    "cap_per_site": "the cap of isolations at this site is reached, or not set",
    "breaker": "isolations have kept failing, or that cannot be told",
    "score": "the score is too low",
    "verdict": "the case is not clear enough",
    "strong_findings": "there are too few strong findings",
}

#: Guards that the passing of time alone changes. They do not name the reason while another does, so that a
#: second look at the same findings gives the same words.
_OF_THE_MOMENT = frozenset({"agent_seen", "connection_fresh", "reputation_fresh"})

SHADOW = "mode shadow only records it"


def why_not(obstacles: Sequence[str]) -> str:
    """The reason in a few words.

    Args:
        obstacles: ids of the guards in the way, in the table's order; none where mode shadow alone is.
    """
    lasting = [each for each in obstacles if each not in _OF_THE_MOMENT] or list(obstacles)
    if not lasting:
        return SHADOW
    first = GUARD_WORDS.get(lasting[0], lasting[0])
    return f"{first}, and other guards stand in the way too" if len(lasting) > 1 else first
