"""The case report: the one result document that every renderer and host shows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from actions.case_facts import CaseFacts
from actions.containment import ContainmentResult
from actions.isolation import IsolationDecision
from actions.risk import RiskAssessment
from connectors.edr.sysmon_file.event import ReadReport
from connectors.facts.base import Fact, Instant
from connectors.facts.ledger import Approval
from playbooks.report import log_words

#: Version of the JSON document. The first number changes when a field is renamed, moved or removed.
SCHEMA_VERSION: Literal["1.0"] = "1.0"

#: A case's id: stable, and safe as a file name and in a title.
CaseId = Annotated[str, StringConstraints(pattern=r"^case-[0-9a-f]{16}$")]


class StepOutcome(Fact):
    """How one step of the playbook went.

    Attributes:
        step: such as "check_ip".
        ok: False when it failed; the others went on.
        detail: one sentence.
    """

    step: str
    ok: bool
    detail: str


class LogNote(Fact):
    """Something in a log that could not be read, or is to be known of it.

    Attributes:
        source: file, and member of an archive; the host where it is about its clock.
        record: position, from 1; None when it concerns the source as a whole.
    """

    source: str
    record: int | None
    reason: str


class ContainmentReport(Fact):
    """What was done about the host of a case, beyond the decision.

    Attributes:
        approval: the question to a person, as it stands; None where none was asked.
        result: what became of the order; None where nothing was ordered.
        shadow: True where it was only written down what would have been done.
        note: what stood in the way, or has to be known beside it, as sentences; "" for nothing.
    """

    approval: Approval | None = None
    result: ContainmentResult | None = None
    shadow: bool = False
    note: str = ""


class CaseReport(Fact):
    """One case, complete: facts, risk, decision, and what to do next.

    Attributes:
        case_id: stable: the same host and process give the same id.
        earlier_ids: ids under which its notables stand where less is known of machine or process.
        replaces: those of them that a case of an earlier run has, whose notables are all in this one.
        replaced_by: the case that has taken the place of this one; None as a rule.
        generated_at: when this report was made.
        steps: how each step went.
        next_steps: what to do next, most urgent first, one sentence each.
        log_notes: what is to be known of the clock of the host, and what could not be read in the logs; the
            first 1000.
        log_problem_count: all that could not be read.
        containment: what was done about the host; None where nothing may be done.
    """

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    case_id: CaseId
    earlier_ids: tuple[CaseId, ...] = ()
    replaces: tuple[CaseId, ...] = ()
    replaced_by: CaseId | None = None
    generated_at: Instant
    facts: CaseFacts
    risk: RiskAssessment
    decision: IsolationDecision
    steps: tuple[StepOutcome, ...] = ()
    next_steps: tuple[str, ...] = ()
    log_notes: tuple[LogNote, ...] = ()
    log_problem_count: int = 0
    containment: ContainmentReport | None = None


def log_notes(read: ReadReport, host: str) -> tuple[LogNote, ...]:
    """How far the clock of the host is off, and what could not be read in the logs, as far as it was kept.

    Args:
        read: how the reading went.
        host: the Computer name of the case; "" where it is not known.
    """
    drifting = read.drifts.get(host.lower())
    clock = (
        (LogNote(source=drifting.computer, record=None, reason=log_words.drift(drifting)),)
        if drifting is not None
        else ()
    )
    unread = (LogNote(source=each.source, record=each.record, reason=each.reason) for each in read.problems)
    return (*clock, *unread)


def with_log_notes(report: CaseReport, read: ReadReport) -> CaseReport:
    """The report with what is to be known of the logs it rests on."""
    host = report.facts.host
    notes = log_notes(read, host.host_id if host is not None else "")
    return report.model_copy(update={"log_notes": notes, "log_problem_count": read.problem_count})
