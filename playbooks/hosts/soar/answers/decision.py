"""`decide isolation`: what would be done about the host, what to ask, and the report. Isolates nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soar_sdk.abstract import SOARClient

from actions.assess_risk import assess_risk
from connectors.clock import utc_now
from connectors.errors import InputError
from playbooks.case import CaseReport
from playbooks.case_steps import AssessedCase, decide_case
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import decision_fields
from playbooks.hosts.soar.answers.given import mode_of
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.deciding import deciding_anew, run_id_of
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.outputs import DecisionRow, DecisionSummary
from playbooks.hosts.soar.params import DecisionParams
from playbooks.report import wording
from playbooks.report.story import subject_of
from playbooks.settings import Settings


def answer(
    params: DecisionParams, soar: SOARClient[Any], asset: Asset, state_folder: Path | None = None
) -> Answer[DecisionRow, DecisionSummary]:
    """Decide each case. Where it may come to an isolation, host and ledger are read for it.

    Raises:
        InputError: the facts or the mode cannot be used.
        ConfigError: the policy is wrong.
    """
    settings = settings_of(asset)
    mode = mode_of(params.caller_mode, auto=True)
    cases = unpack(params.case_facts, AssessedCase, field="case_facts")
    if not cases:
        raise InputError("case_facts", "holds no case", "Give the facts output of assess risk")
    with deciding_anew(asset, settings, mode, state_folder) as decide:
        reports = [
            decide(each, run_id_of(soar.get_executing_container_id()))
            or decide_case(each, settings=settings, caller_mode=mode, now=utc_now())
            for each in (_assessed_anew(case, settings) for case in cases)
        ]
    rows = [DecisionRow.model_validate(decision_fields(each)) for each in reports]
    summary = DecisionSummary(cases=len(rows), questions=sum(row.question != "none" for row in rows))
    return Answer(rows, summary, _message(reports, summary))


def _assessed_anew(case: AssessedCase, settings: Settings) -> AssessedCase:
    """The case with the risk made of its facts; the one that a caller hands over counts nothing."""
    return case.model_copy(update={"risk": assess_risk(case.facts, settings.risk, utc_now())})


def _message(reports: list[CaseReport], summary: DecisionSummary) -> str:
    if len(reports) == 1:
        (report,) = reports
        return f"{subject_of(report.facts)}: {wording.WOULD[report.decision.verdict]}."
    asked = wording.count(summary.questions, "needs", "need")
    return f"{len(reports)} cases; {asked} a person's answer."
