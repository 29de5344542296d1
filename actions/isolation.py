"""What decide_isolation answers. Isolation is off by default; an empty policy isolates nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from actions.case_facts import CaseFacts
from actions.risk import RiskAssessment
from connectors.facts.asset import AssetFacts
from connectors.facts.base import Fact, Instant
from connectors.facts.host import HostRef
from connectors.facts.isolation import IsolationStatus
from connectors.ports import Capability

Count = Annotated[int, Field(ge=0)]


class IsolationMode(StrEnum):
    """How far the playbook may go. Order matters: OFF < SHADOW < APPROVE < AUTO."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE = "approve"
    AUTO = "auto"


#: Modes from the lowest to the highest.
MODE_ORDER = (IsolationMode.OFF, IsolationMode.SHADOW, IsolationMode.APPROVE, IsolationMode.AUTO)


class LedgerView(Fact):
    """What the ledger says at this moment. None means: it could not be read.

    Attributes:
        in_run, in_hour, in_day, at_site_in_day: isolations so far, of this run, in the last 60 minutes, in
            the last 24 hours, and of those at this site; open intents count.
        active_lease: owner and review-by of an isolation that stands; "" if none.
        active_intent: id and state of an intent that is not finished; "" if none.
        last_release_at: the last release of this host by anyone, as far as ledger and EDR know; None if none.
        last_release_by: who; "" if unknown.
        last_fruitless_at: when an isolation of this host last came to nothing although the EDR may have been
            called; None if never.
        breaker_open: True after too many failures.
        kill_switch: True when someone has stopped all isolation.
    """

    in_run: Count | None = None
    in_hour: Count | None = None
    in_day: Count | None = None
    at_site_in_day: Count | None = None
    active_lease: str | None = None
    active_intent: str | None = None
    last_release_at: Instant | None = None
    last_release_by: str = ""
    last_fruitless_at: Instant | None = None
    breaker_open: bool | None = None
    kill_switch: bool | None = None


class IsolationRequest(Fact):
    """Everything decide_isolation looks at, except the policy and the time.

    Attributes:
        facts, risk: the case.
        caller_mode: the highest mode the caller allows.
        site: the host's site; "" if unknown or not used.
        connector: short name of the connector that would isolate; "" if none.
        capabilities: what that connector can do; empty if there is none.
        agent: the host as that connector knows it; None when it is facts.host itself, or not resolved.
        host_candidates: the machines that fit, where more than one does; empty when unambiguous.
        isolation: the host's state as just read; None when it was not read.
        asset: what the asset list says; None when there is none, or it was not read.
        ledger: None when there is no ledger, or it was not read.
    """

    facts: CaseFacts
    risk: RiskAssessment
    caller_mode: IsolationMode
    site: str = ""
    connector: str = ""
    capabilities: frozenset[Capability] = frozenset()
    agent: HostRef | None = None
    host_candidates: tuple[str, ...] = ()
    isolation: IsolationStatus | None = None
    asset: AssetFacts | None = None
    ledger: LedgerView | None = None

    @property
    def host(self) -> HostRef | None:
        """The machine that would be isolated."""
        return self.agent or self.facts.host


class GuardOutcome(StrEnum):
    """Outcome of one guard. UNKNOWN refuses like REFUSE, and says that the value is not known."""

    PASS = "pass"  # noqa: S105  an outcome, not a password
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
