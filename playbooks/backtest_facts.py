"""What a backtest says: outcomes, guards, assumptions, and the difference between two policies."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field

from actions.isolation import Guard, GuardOutcome, IsolationMode
from actions.risk import CaseVerdict
from connectors.facts.base import Fact, Instant
from playbooks.case import CaseId


class Assume(StrEnum):
    """What the caller may have assumed where it is not known. What is known is never changed."""

    WORKSTATION = "workstation"
    """A host whose type is not known is a workstation."""
    PRIORITY = "priority"
    """The asset list ranks no host so that the policy protects it."""
    ADDRESS = "address"
    """The host's own address in a notable was the host's."""


class Terms(Fact):
    """What the backtest assumes.

    Attributes:
        delay_s: seconds between the last connection of a case and its decision.
        assume: what is assumed beyond what always is.
        run_per_case: True counts each case as a run of its own, as SOAR has it; False takes the whole
            backtest as one run.
    """

    delay_s: Annotated[float, Field(ge=0, le=86_400)] = 300
    assume: frozenset[Assume] = frozenset()
    run_per_case: bool = False


class Outcome(StrEnum):
    """What would have become of a case."""

    ISOLATE = "isolate"
    """Isolated without a person."""
    ASK = "ask"
    """A person would have been asked."""
    NOT = "not"


class BacktestGuard(Guard):
    """One guard. `assumption` names what its outcome rests on; "" where it rests on what was given."""

    assumption: str = ""


class BacktestCase(Fact):
    """One case as one policy would have decided it.

    Attributes:
        host: as telemetry names it, else as the notable does.
        host_id: "" where no machine was found.
        peers: the other ends of its connections.
        moment: when it was decided; None where no connection has a time.
        site: "" where the policy lists none, or none fits.
        mode: the live mode that was judged, the lower of policy and site.
        guards: all of them, in the order of the table.
    """

    case_id: CaseId
    host: str
    host_id: str
    process: str
    peers: tuple[str, ...]
    moment: Instant | None
    site: str
    score: float
    verdict: CaseVerdict
    mode: IsolationMode
    outcome: Outcome
    guards: tuple[BacktestGuard, ...]

    @property
    def obstacles(self) -> tuple[BacktestGuard, ...]:
        """The guards that stand in the way."""
        return tuple(each for each in self.guards if each.outcome is not GuardOutcome.PASS)


class Stopped(NamedTuple):
    """How many cases a guard stopped, and in how many of them it alone."""

    guard: str
    cases: int
    alone: int


class PolicyResult(Fact):
    """All cases as one policy would have decided them.

    Attributes:
        policy: its name.
        mode: as it is set.
        judged_as: the live mode that was judged: its own, or the one it rehearses.
        cases: in the order in which they were decided.
    """

    policy: str
    mode: IsolationMode
    judged_as: IsolationMode
    cases: tuple[BacktestCase, ...]

    def count(self, outcome: Outcome) -> int:
        """How many cases came to this."""
        return sum(case.outcome is outcome for case in self.cases)

    @property
    def stopped(self) -> tuple[Stopped, ...]:
        """The guards that stopped something, those that stopped most first."""
        order = {guard.id: place for case in self.cases for place, guard in enumerate(case.guards)}
        every = Counter(guard.id for case in self.cases for guard in case.obstacles)
        alone = Counter(case.obstacles[0].id for case in self.cases if len(case.obstacles) == 1)
        found = (Stopped(guard, cases, alone[guard]) for guard, cases in every.items())
        return tuple(sorted(found, key=lambda each: (-each.cases, -each.alone, order[each.guard])))


class Difference(Fact):
    """A case that two policies decide differently.

    Attributes:
        here, there: by the first policy, by the one it is compared with.
        guards: those that stand in the way by one policy alone; empty where only the mode differs.
    """

    case_id: CaseId
    here: BacktestCase
    there: BacktestCase
    guards: tuple[str, ...]


def differences(here: PolicyResult, there: PolicyResult) -> tuple[Difference, ...]:
    """The cases whose outcome differs, in the order of the first policy's.

    A case that only one of the two has is left out: both are made of the same cases.
    """
    others = {case.case_id: case for case in there.cases}
    found: list[Difference] = []
    for case in here.cases:
        other = others.get(case.case_id)
        if other is None or other.outcome is case.outcome:
            continue
        stops, stops_there = ({guard.id for guard in each.obstacles} for each in (case, other))
        guards = tuple(guard.id for guard in case.guards if (guard.id in stops) != (guard.id in stops_there))
        found.append(Difference(case_id=case.case_id, here=case, there=other, guards=guards))
    return tuple(found)


class Assumption(NamedTuple):
    """Something the backtest takes for granted.

    Attributes:
        id: stable, snake_case.
        sentence: what is assumed.
        guards: those that may rest on it.
    """

    id: str
    sentence: str
    guards: tuple[str, ...] = ()


_ALWAYS = (
    Assumption("agent", "The agent was in contact at that moment.", ("agent_seen",)),
    Assumption(
        "connector",
        "The EDR can isolate, verify and release, and knows exactly the machine that the log names.",
        ("connector_capable", "one_host"),
    ),
    Assumption(
        "tags",
        "The host has no tag in the EDR, and no category in the asset list, that protects it.",
        ("not_protected",),
    ),
    Assumption("state", "The host was not isolated by anybody else.", ("not_isolated",)),
    Assumption("releases", "Nobody had released the host before.", ("not_released_recently",)),
    Assumption(
        "ledger",
        "The ledger could be read, its kill switch was not set, and the circuit breaker was closed.",
        ("kill_switch", "breaker"),
    ),
    Assumption(
        "isolations",
        "Caps and leases count the isolations of this backtest alone. Every question counts as approved at"
        " once, every isolation as a success, and none is released before the end.",
        ("no_active_lease", "cap_per_hour", "cap_per_day", "cap_per_site"),
    ),
)

_ONE_RUN = Assumption("one_run", "The whole backtest is one run.", ("cap_per_run",))
_RUN_PER_CASE = Assumption("run_per_case", "Each case is a run of its own.", ("cap_per_run",))

_CHOSEN = {
    Assume.WORKSTATION: Assumption(
        "workstation", "A host whose type is not known is a workstation.", ("host_type",)
    ),
    Assume.PRIORITY: Assumption(
        "priority", "The asset list ranks no host so that the policy protects it.", ("asset_priority",)
    ),
    Assume.ADDRESS: Assumption(
        "address", "The host's own address in a notable was the host's at that time.", ("address_belongs",)
    ),
}


#: By guard: what may be assumed to see past it where what it asks for is not known.
SEEN_PAST = {guard: assume for assume, each in _CHOSEN.items() for guard in each.guards}


def _moment(delay_s: float) -> Assumption:
    return Assumption(
        "moment",
        f"Each case is decided {delay_s / 60:g} min after its last connection, with all that is known of it.",
        ("connection_fresh",),
    )


def assumptions_of(terms: Terms) -> tuple[Assumption, ...]:
    """Everything that is taken for granted."""
    run = _RUN_PER_CASE if terms.run_per_case else _ONE_RUN
    chosen = (_CHOSEN[each] for each in Assume if each in terms.assume)
    return (_moment(terms.delay_s), *_ALWAYS, run, *chosen)


#: By guard: the assumption its outcome rests on, where it rests on one.
RESTS_ON = {
    guard: each.id for each in (_moment(0), *_ALWAYS, _ONE_RUN, *_CHOSEN.values()) for guard in each.guards
}
