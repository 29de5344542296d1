"""Facts of a case as the rows that playbooks and people read.

Text of logs and notables is made visible and cut to a length here; the facts beside it stay whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actions.case_facts import CaseFacts, Unknown
from actions.containment_question import containment_question
from actions.risk import CaseVerdict, RiskAssessment
from actions.severity import severity_of
from actions.verdict_table import VERDICT_RANK
from connectors.facts.process import Lineage
from playbooks.case import CaseReport
from playbooks.case_steps import AssessedCase
from playbooks.hosts.soar.facts_json import pack
from playbooks.hosts.soar.outputs import ContributionRow, GuardOutput, IndicatorRow, RiskRow
from playbooks.reenrich import CaseState, ReenrichSettings, compare, state_digest, state_text
from playbooks.report import markdown, wording
from playbooks.report.display import visible
from playbooks.report.prompt import not_known, prompt
from playbooks.report.story import chain, host_of, process_of, user_of
from playbooks.report.view import MESSAGE_LIMIT

#: Entries of one list in a row; the facts have all.
LIST_LIMIT = 50
#: Characters of a lineage in one line.
LINEAGE_LIMIT = 1000


def risk_row(case: AssessedCase) -> RiskRow:
    """One assessed case."""
    facts, risk = case.facts, case.risk
    return RiskRow(
        case_id=case.case_id,
        host=host_of(facts),
        user=user_of(facts),
        process=process_of(facts),
        case_verdict=risk.case_verdict.value,
        verdict_reason=wording.sentence(risk.verdict_reason),
        score=risk.score,
        base_score=risk.base_score,
        impact=risk.impact,
        confidence=risk.confidence,
        severity=severity_of(risk.case_verdict, facts).value,
        destinations=[each.ip for each in facts.destinations],
        destination_verdict=risk.destination_verdict.value,
        risk_message=visible(risk.message, limit=MESSAGE_LIMIT),
        contributions=[
            ContributionRow(
                name=wording.name(each.name),
                impact_points=each.impact_points,
                confidence_points=each.confidence_points,
                reason=wording.sentence(each.reason),
            )
            for each in risk.contributions
        ],
        indicators=[
            IndicatorRow(
                id=each.id,
                strength=each.strength.value,
                group=each.group.value,
                sentence=wording.sentence(each.sentence),
            )
            for each in risk.indicators
        ],
        unknowns=unknown_names(risk.unknowns),
        facts=pack(case),
    )


def decision_fields(report: CaseReport) -> dict[str, object]:
    """The fields of a DecisionRow; the rows of `respond to notable` and `reenrich case` begin with them."""
    facts, risk, decision = report.facts, report.risk, report.decision
    question = containment_question(decision)
    state = compare(report, None, ReenrichSettings()).state
    return {
        "case_id": report.case_id,
        "host": host_of(facts),
        "user": user_of(facts),
        "process": process_of(facts),
        "case_verdict": risk.case_verdict.value,
        "score": risk.score,
        "severity": severity_of(risk.case_verdict, facts).value,
        "host_id": host_id_of(facts),
        "decision": decision.verdict.value,
        "effective_mode": decision.effective_mode.value,
        "decision_reason": wording.sentence(decision.summary),
        "question": question.value,
        "obstacles": [each.id for each in decision.obstacles],
        "guards": [
            GuardOutput(
                id=each.id,
                outcome=each.outcome.value,
                value=wording.path(each.value),
                limit=wording.path(each.limit),
                detail=wording.sentence(each.detail),
            )
            for each in decision.guards
        ],
        "next_steps": listed(wording.sentence(each) for each in report.next_steps),
        "not_known": list(not_known(report)),
        "prompt": prompt(report, question),
        "note_title": note_title(state),
        "question_title": question_title(state),
        "note": markdown.render(report),
        "state": state_text(state),
        "facts": pack(report),
    }


def response_fields(report: CaseReport) -> dict[str, object]:
    """The fields of a ResponseRow."""
    facts, risk = report.facts, report.risk
    return decision_fields(report) | {
        "verdict_reason": wording.sentence(risk.verdict_reason),
        "destinations": [each.ip for each in facts.destinations],
        "destination_verdict": risk.destination_verdict.value,
        "risk_message": visible(risk.message, limit=MESSAGE_LIMIT),
        "lineage": lineage_line(facts.lineage),
        "unknowns": unknown_names(risk.unknowns),
    }


def note_title(state: CaseState) -> str:
    """Names the case and its state: the same state gives the same title, by which a playbook knows it."""
    return f"Regsvcs response: {_outcome(state)} ({state.case_id}, state {state_digest(state)})"


def question_title(state: CaseState) -> str:
    """Names what a person is asked about: a question answered for it is not asked again."""
    return f"{_outcome(state)} ({state.case_id})"


def _outcome(state: CaseState) -> str:
    return f"{wording.CASE_VERDICT[state.case_verdict]}, score {state.score:g}"


def host_id_of(facts: CaseFacts) -> str:
    """The machine, by one spelling: as its source of processes knows it, else as the notable names it."""
    machine = facts.host.host_id if facts.host is not None else facts.notables[0].machine_label
    return wording.name(machine.lower())


def lineage_line(lineage: Lineage | None) -> str:
    """From the oldest known ancestor down to the process, in one line; "" where it is not known."""
    return visible(" > ".join(chain(lineage)), limit=LINEAGE_LIMIT)


def unknown_names(unknowns: Iterable[Unknown]) -> list[str]:
    """What is not known, each once."""
    return listed(dict.fromkeys(wording.name(each.what) for each in unknowns))


def listed(texts: Iterable[str]) -> list[str]:
    """The texts up to LIST_LIMIT, and how many more there are."""
    every = list(texts)
    if len(every) <= LIST_LIMIT:
        return every
    return [*every[:LIST_LIMIT], f"and {len(every) - LIST_LIMIT} more, in the facts"]


def worst_of(risks: Sequence[RiskAssessment]) -> CaseVerdict:
    """The worst verdict of at least one case."""
    return max((each.case_verdict for each in risks), key=VERDICT_RANK.__getitem__)


def cases_in_words(risks: Sequence[RiskAssessment]) -> str:
    """How many cases, the worst verdict and the highest score, without a stop."""
    verdict = wording.CASE_VERDICT[worst_of(risks)]
    highest = max(each.score for each in risks)
    if len(risks) == 1:
        return f"1 case: {verdict}, score {highest:g}"
    return f"{len(risks)} cases; the worst is {verdict}, the highest score {highest:g}"


def rejected_in_words(number: int) -> str:
    """A sentence on notables that could not be used; "" if there are none."""
    return f" {wording.count(number, 'notable')} could not be used." if number else ""
