"""One line of `test connectivity`: a source of the asset, how it stands, and a sentence on it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from connectors.facts.health import HealthState


class SourceState(StrEnum):
    """How a source stands. NOT_CONFIGURED is no fault."""

    OK = "ok"
    NOT_CONFIGURED = "not configured"
    WRONG = "wrong"


STATES = {
    HealthState.OK: SourceState.OK,
    HealthState.NOT_CONFIGURED: SourceState.NOT_CONFIGURED,
    HealthState.FAILED: SourceState.WRONG,
}


class SourceLine(NamedTuple):
    """One source, and a sentence on it, which may repeat what a server said: clean it before it is told."""

    name: str
    state: SourceState
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {self.state.value}; {self.detail}"
