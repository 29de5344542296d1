"""`decide isolation`: what would be done about the host, what to ask, and the report. Isolates nothing."""

from __future__ import annotations

from actions.assess_risk import assess_risk
from actions.isolation import IsolationMode
from connectors.clock import utc_now
from connectors.errors import InputError
from playbooks.case import CaseReport
from playbooks.case_steps import AssessedCase, decide_case
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import decision_fields
from playbooks.hosts.soar.answers.given import mode_of
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.outputs import DecisionRow, DecisionSummary
from playbooks.hosts.soar.params import DecisionParams
from playbooks.report import wording
from playbooks.report.story import subject_of
from playbooks.settings import Settings


def answer(params: DecisionParams, asset: Asset) -> Answer[DecisionRow, DecisionSummary]:
    """Decide each case.

    Raises:
        InputError: the facts or the mode cannot be used.
        ConfigError: the policy is wrong.
    """
    settings = settings_of(asset)
    mode = mode_of(params.caller_mode)
    cases = unpack(params.case_facts, AssessedCase, field="case_facts")
    if not cases:
        raise InputError("case_facts", "holds no case", "Give the facts output of assess risk")
    reports = [_decided(each, settings, mode) for each in cases]
    rows = [DecisionRow.model_validate(decision_fields(each)) for each in reports]
    summary = DecisionSummary(cases=len(rows), questions=sum(row.question != "none" for row in rows))
    return Answer(rows, summary, _message(reports, summary))


def _decided(case: AssessedCase, settings: Settings, mode: IsolationMode) -> CaseReport:
    """The decision on the facts; the risk a caller hands over is made again from them, and counts nothing."""
    now = utc_now()
    risk = assess_risk(case.facts, settings.risk, now)
    return decide_case(case.model_copy(update={"risk": risk}), settings=settings, caller_mode=mode, now=now)


def _message(reports: list[CaseReport], summary: DecisionSummary) -> str:
    if len(reports) == 1:
        (report,) = reports
        return f"{subject_of(report.facts)}: {wording.WOULD[report.decision.verdict]}."
    asked = wording.count(summary.questions, "needs", "need")
    return f"{len(reports)} cases; {asked} a person's answer."
