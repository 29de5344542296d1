"""`approve` and `decline`: the answer to a question about a host, and after an approval the isolation."""

from __future__ import annotations

import sys
from pathlib import Path

from connectors.facts.ledger import ApprovalState
from connectors.state.ledger import Ledger
from playbooks.case import CaseReport
from playbooks.hosts.commands.containment_told import PROVED
from playbooks.hosts.commands.isolation_output import outcome_of, print_case, well
from playbooks.hosts.commands.isolation_tools import (
    containing_of,
    given_why,
    ledger_here,
    opened,
    person,
    told_when_interrupted,
    wanted_edr,
)
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.isolation import answer_question
from playbooks.settings import load_settings


def run(question: str, *, approve: bool, why: str, edr_name: str, config: Path | None, as_json: bool) -> None:
    """Record the answer of the account that runs this; after an approval isolate, where all guards pass.

    Raises:
        InputError: there is no such question, or this account may not answer it.
        ConfigError: the settings, the EDR or its secret is missing or wrong.
        LedgerUnusable: the answer could not be recorded; nothing was sent.
        SystemExit: 1 after all was printed, where the host is not proved to be isolated, or the answer came
            too late.
    """
    by, why = person(), given_why(why)
    settings = load_settings(config)
    ledger = ledger_here(settings)
    still_open = _open_questions(ledger)
    name = wanted_edr(edr_name, settings, of=_connector_of(ledger, question))
    with warnings_as_notes(), opened(name, settings, ledger) as tools, told_when_interrupted():
        report = answer_question(
            question,
            containing_of(tools, settings),
            approve=approve,
            by=by.name,
            why=by.reason(why),
            settings=settings,
        )
    counted = _counted(report, still_open)
    print_case(report, config, outcome=_outcome(report, counted=counted), as_json=as_json)
    if not (counted and (_isolated(report) if approve else _declined(report))):
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def _open_questions(ledger: Ledger) -> frozenset[str]:
    return frozenset(each.approval_id for each in ledger.approvals(state=ApprovalState.ASKED))


def _connector_of(ledger: Ledger, wanted: str) -> str:
    """The connector that knows the host of a question; "" where there is no such question."""
    fitting = [
        each for each in ledger.approvals() if wanted.strip() in (each.approval_id, each.question.case_id)
    ]
    return fitting[-1].question.connector if fitting else ""


def _isolated(report: CaseReport) -> bool:
    result = report.containment.result if report.containment is not None else None
    return well(report) and result is not None and result.outcome in PROVED


def _declined(report: CaseReport) -> bool:
    """Whether it is declined; what is known of an earlier order does not matter here."""
    approval = report.containment.approval if report.containment is not None else None
    return approval is not None and approval.state is ApprovalState.DECLINED


def _counted(report: CaseReport, still_open: frozenset[str]) -> bool:
    """Whether this answer is the one that counted."""
    approval = report.containment.approval if report.containment is not None else None
    return approval is not None and approval.approval_id in still_open


def _outcome(report: CaseReport, *, counted: bool) -> str:
    """What came of this answer: "too_late", "declined", or what became of the order."""
    if not counted:
        return "too_late"
    return "declined" if _declined(report) else outcome_of(report)
