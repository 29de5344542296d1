"""What decide_isolation answers. Isolation is off by default; an empty policy isolates nothing."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact


class IsolationMode(StrEnum):
    """How far the playbook may go. Order matters: OFF < SHADOW < APPROVE < AUTO."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE = "approve"
    AUTO = "auto"


class GuardOutcome(StrEnum):
    """Outcome of one guard. UNKNOWN refuses like REFUSE, and says that the value is not known."""

    PASS = "pass"  # noqa: S105
    REFUSE = "refuse"
    UNKNOWN = "unknown"


class Guard(Fact):
    """One condition for isolation, evaluated even when another has already refused.

    Attributes:
        id: stable, snake_case.
        value: what was found, as text.
        limit: what the policy asks for, as text.
        detail: one sentence.
    """

    id: str
    outcome: GuardOutcome
    value: str
    limit: str
    detail: str


class IsolationVerdict(StrEnum):
    """What the decision says should happen now."""

    REFUSE = "refuse"
    """At least one guard stands in the way."""
    SHADOW = "shadow"
    """All guards pass; the mode only records what would have been done."""
    ASK = "ask"
    """All guards pass; a person must approve."""
    ISOLATE = "isolate"
    """All guards pass and the mode is auto."""


class IsolationDecision(Fact):
    """The decision, with every guard.

    Attributes:
        effective_mode: the lowest of global, site and caller.
        summary: one sentence: what would be done, or why not.
        guards: all of them, in the table's order.
    """

    verdict: IsolationVerdict
    effective_mode: IsolationMode
    summary: str
    guards: tuple[Guard, ...]

    @property
    def obstacles(self) -> tuple[Guard, ...]:
        """The guards that stand in the way."""
        return tuple(g for g in self.guards if g.outcome is not GuardOutcome.PASS)
