"""What a connector says of itself when asked whether it works."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact


class HealthState(StrEnum):
    """Outcome of a connector's check."""

    OK = "ok"
    NOT_CONFIGURED = "not_configured"
    FAILED = "failed"


class Health(Fact):
    """Result of `check()`: no side effects, no secrets.

    Attributes:
        detail: one sentence: what works, or what is missing and how to mend it.
        missing_scopes: permissions that the credential lacks, in the vendor's words.
    """

    connector: str
    state: HealthState
    detail: str
    missing_scopes: tuple[str, ...] = ()
