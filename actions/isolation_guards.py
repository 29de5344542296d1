"""The table of guards, in the order in which they are shown. Every one is evaluated, whatever the others say.

Adding a guard is a function in actions/guards/ and a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from actions.guards import evidence, freshness, host, state
from actions.guards.question import Answer, Question


class GuardRow(NamedTuple):
    """One guard.

    Attributes:
        id: stable, snake_case.
        ask: the function that judges.
        reason: what goes wrong without it.
    """

    id: str
    ask: Callable[[Question], Answer]
    reason: str


# fmt: off
GUARDS: tuple[GuardRow, ...] = (
    GuardRow("mode", state.mode, "Containment that is on by default takes working machines offline."),
    GuardRow("kill_switch", state.kill_switch, "A person must be able to stop everything at once."),
    GuardRow("one_host", host.one_host, "A name that fits two machines isolates the wrong one."),
    GuardRow("address_belongs", host.address_belongs, "Names are reused; the address tells whose it was."),
    GuardRow("host_type", host.host_type, "A server offline is an outage."),
    GuardRow("not_protected", host.not_protected, "Some machines are never to be cut off without a person."),
    GuardRow("asset_priority", host.asset_priority, "The asset list knows what the EDR does not."),
    GuardRow("agent_seen", freshness.agent_seen, "For an offline host the request may wait for weeks."),
    GuardRow("connection_fresh", freshness.connection_fresh, "What ended long ago is for an investigation."),
    GuardRow("reputation_fresh", freshness.reputation_fresh, "Addresses change hands."),
    GuardRow("not_isolated", state.not_isolated, "Two calls may finish out of order."),
    GuardRow("not_released_recently", state.not_released_recently, "Whoever released it had a reason."),
    GuardRow("no_active_lease", state.no_active_lease, "One host, one isolation, one owner."),
    GuardRow("direction_outbound", evidence.direction_outbound, "Anyone may connect to a host."),
    GuardRow("connector_capable", state.connector_capable, "An accepted request is not an isolation."),
    GuardRow("cap_per_run", state.cap_per_run, "A mistake must stay small."),
    GuardRow("cap_per_hour", state.cap_per_hour, "A mistake must stay small."),
    GuardRow("cap_per_day", state.cap_per_day, "A mistake must stay small."),
    GuardRow("cap_per_site", state.cap_per_site, "One site must not be emptied."),
    GuardRow("breaker", state.breaker, "When isolations keep failing, something else is wrong."),
    GuardRow("score", evidence.score, "The score says how sure the case is."),
    GuardRow("verdict", evidence.verdict, "Without a person the case has to be clear."),
    GuardRow("strong_findings", evidence.strong_findings, "A notable by itself proves nothing."),
)
# fmt: on
