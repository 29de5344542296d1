"""A case as the steps look at it, and how they name things."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from actions import destination_roles
from actions.case_facts import CaseFacts, Destination
from actions.containment import ContainmentResult
from actions.host_addresses import OwnAddress, foreign_addresses
from actions.indicators.case_view import CaseView, roles_known
from actions.indicators.finding import named
from actions.isolation import IsolationDecision
from actions.risk import CaseVerdict, RiskAssessment
from connectors.facts.ledger import ApprovalState
from connectors.facts.notable import Notable

_BAD = (CaseVerdict.MALICIOUS, CaseVerdict.SUSPICIOUS)

#: Characters of a name or path from a log that a step repeats at most.
LONGEST_NAME = 200


class Contained(NamedTuple):
    """What was done about a host: an order, or a question to a person.

    Attributes:
        result: None where nothing was ordered.
        answer: what became of the question; None where none was asked.
    """

    result: ContainmentResult | None = None
    answer: ApprovalState | None = None


class StepCase(NamedTuple):
    """Facts, findings and decision; `notable` is the earliest one."""

    facts: CaseFacts
    view: CaseView
    risk: RiskAssessment
    decision: IsolationDecision
    notable: Notable
    contained: Contained | None = None

    @property
    def host(self) -> str:
        """Name of the host: as resolved, else as the notable has it."""
        return self.facts.host.hostname if self.facts.host else self.notable.machine_label

    @property
    def foreign(self) -> tuple[OwnAddress, ...]:
        """Addresses that notables give the host and that were not its own: it may be another machine."""
        return foreign_addresses(self.facts.host, self.facts.notables)

    @property
    def process(self) -> str:
        """Name and pid of the process, as far as known."""
        return named(self.view.target) if self.view.target else self.notable.process_name

    @property
    def found(self) -> frozenset[str]:
        """Ids of all indicators found."""
        return frozenset(indicator.id for indicator in self.risk.indicators)

    @property
    def is_bad(self) -> bool:
        """True for malicious and suspicious."""
        return self.risk.case_verdict in _BAD


def in_order(destinations: Iterable[Destination]) -> list[Destination]:
    """Destinations in one order."""
    return sorted(destinations, key=lambda d: (d.ip, d.dns_names, d.ports))


def is_shared(destination: Destination) -> bool:
    """True for a service that many share."""
    return destination_roles.is_shared(roles_known(destination))


def name_of(destination: Destination) -> str:
    """The name the process used for it, else the address."""
    return cut(min(destination.dns_names, default=destination.ip))


def utc(when: datetime) -> str:
    """A time in UTC, as ISO 8601."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def cut(text: str) -> str:
    """A text from a log, cut to a bearable length."""
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."
