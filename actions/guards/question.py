"""What a guard is asked, and how it answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from actions.isolation import GuardOutcome, IsolationMode, IsolationRequest
from actions.isolation_policy import IsolationPolicy
from connectors.facts.host import HostRef

#: Clocks differ; a time that lies further in the future than this is not believed.
CLOCK_SKEW = timedelta(minutes=5)


class Question(NamedTuple):
    """What a guard looks at.

    Attributes:
        host: the machine that would be isolated; None when not resolved.
        effective: the effective mode.
        bar: the live mode whose conditions count, approve or auto.
    """

    request: IsolationRequest
    policy: IsolationPolicy
    now: datetime
    host: HostRef | None
    effective: IsolationMode
    bar: IsolationMode


class Answer(NamedTuple):
    """What a guard found: outcome, value and limit as text, and one sentence."""

    outcome: GuardOutcome
    value: str
    limit: str
    detail: str


def passed(value: str, limit: str, detail: str) -> Answer:
    """The guard lets it through."""
    return Answer(GuardOutcome.PASS, value, limit, detail)


def refused(value: str, limit: str, detail: str) -> Answer:
    """The guard stands in the way."""
    return Answer(GuardOutcome.REFUSE, value, limit, detail)


def unknown(limit: str, detail: str, value: str = "unknown") -> Answer:
    """What the guard asks for is not known, which stands in the way as well."""
    return Answer(GuardOutcome.UNKNOWN, value, limit, detail)


def judge_age(what: str, when: datetime | None, now: datetime, limit: timedelta) -> Answer:
    """Pass when something is younger than the limit.

    Args:
        what: the beginning of a sentence, such as "The agent was last seen".
        when: its time; None if unknown.
    """
    wanted = f"under {spell(limit)}"
    if when is None:
        return unknown(wanted, f"{what} at a time that is not known.")
    age = now - when
    if age < -CLOCK_SKEW:
        return unknown(wanted, f"{what} {spell(-age)} in the future; a clock is wrong.")
    age = max(age, timedelta(0))
    if age < limit:
        return passed(spell(age), wanted, f"{what} {spell(age)} ago.")
    return refused(spell(age), wanted, f"{what} {spell(age)} ago, which is too long ago.")


def spell(span: timedelta) -> str:
    """A span of time in its largest sensible unit, rounded down."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
