"""Isolation as an EDR reports it. Acceptance by an API is never isolation."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact, Instant


class IsolationState(StrEnum):
    """State of a host's network isolation. UNKNOWN is never read as either end."""

    NOT_ISOLATED = "not_isolated"
    ISOLATING = "isolating"
    ISOLATED = "isolated"
    RELEASING = "releasing"
    FAILED = "failed"
    UNKNOWN = "unknown"


class HowKnown(StrEnum):
    """Strength of the evidence for a state, strongest first."""

    OBSERVED = "observed"
    """The agent's own host state."""
    REPORTED = "reported"
    """The outcome of an action the vendor recorded."""
    DESIRED = "desired"
    """A flag that says what should be."""
    NOT_KNOWN = "not_known"


class IsolationStatus(Fact):
    """What is known of a host's isolation, and how.

    Attributes:
        as_of: when the vendor was asked.
        changed_at: when the state began; None if the vendor does not say.
    """

    state: IsolationState
    how_known: HowKnown
    as_of: Instant
    changed_at: Instant | None = None
    detail: str = ""

    @property
    def proved(self) -> bool:
        """Whether the state is more than a wish: the agent has it, or the outcome of an action gives it."""
        return self.how_known in (HowKnown.OBSERVED, HowKnown.REPORTED)


class ActionHandle(Fact):
    """A vendor's receipt for an isolate or release call.

    Attributes:
        action_id: the vendor's id; "" when it gives none.
        accepted_at: when the vendor answered.
    """

    connector: str
    host_id: str
    action_id: str = ""
    accepted_at: Instant
