"""From the facts of an action to the case that is contained, and from what became of it to a row."""

from __future__ import annotations

from collections.abc import Sequence

from actions.assess_risk import assess_risk
from actions.containment import ContainmentOutcome, ContainmentResult
from connectors.clock import utc_now
from connectors.errors import InputError
from connectors.facts.host import same_host_name
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import Lease
from playbooks.case import CaseReport
from playbooks.case_steps import AssessedCase
from playbooks.hosts.soar.answers.answer import Answer, NotDone
from playbooks.hosts.soar.containment_outputs import ContainmentRow, ContainmentSummary
from playbooks.hosts.soar.facts_json import Kind, kind_of, unpack
from playbooks.report import wording
from playbooks.report.display import visible
from playbooks.report.story import host_of
from playbooks.settings import Settings

#: Outcomes after which the host is in the wanted state, and that state.
_WANTED = {
    ContainmentOutcome.ISOLATED: IsolationState.ISOLATED,
    ContainmentOutcome.ALREADY_ISOLATED: IsolationState.ISOLATED,
    ContainmentOutcome.OURS_STANDS: IsolationState.ISOLATED,
    ContainmentOutcome.RELEASED: IsolationState.NOT_ISOLATED,
    ContainmentOutcome.NOT_ISOLATED: IsolationState.NOT_ISOLATED,
}


def one_case(text: str, host: str, settings: Settings) -> AssessedCase:
    """The case whose host is to be contained. Its risk is made anew of its facts, whatever is handed over.

    Args:
        text: facts of decide isolation, respond to notable, or assess risk.
        host: the host as whoever ordered it was shown it.
        settings: the policy.

    Raises:
        InputError: the facts cannot be used, are of several cases, or of another host.
    """
    cases = _cases(text)
    if len(cases) != 1:
        problem = f"holds {len(cases)} cases" if cases else "holds no case"
        raise InputError("case_facts", problem, "Give the facts output of one case")
    (case,) = cases
    _check_host(case, host)
    return case.model_copy(update={"risk": assess_risk(case.facts, settings.risk, utc_now())})


def _cases(text: str) -> list[AssessedCase]:
    if kind_of(text, field="case_facts") is not Kind.CASE_REPORT:
        return unpack(text, AssessedCase, field="case_facts")
    return [as_assessed(each) for each in unpack(text, CaseReport, field="case_facts")]


def as_assessed(report: CaseReport) -> AssessedCase:
    """The case of a report, as it was before it was decided. The host is read anew before any order."""
    host = report.facts.host
    return AssessedCase(
        case_id=report.case_id,
        facts=report.facts,
        risk=report.risk,
        connector=host.connector if host is not None else "",
        log_notes=report.log_notes,
        log_problem_count=report.log_problem_count,
    )


def _check_host(case: AssessedCase, given: str) -> None:
    facts, wanted = case.facts, given.strip()
    names = {host_of(facts), facts.notables[0].machine_label}
    if facts.host is not None:
        names |= {facts.host.hostname, facts.host.host_id}
    if not any(name.casefold() == wanted.casefold() or same_host_name(name, wanted) for name in names):
        raise InputError(
            "host",
            f"is {visible(wanted)!r}, but case_facts are about {host_of(facts)}",
            "Give host and facts of one row",
        )


def row_of_report(report: CaseReport) -> ContainmentRow:
    """What became of a case: of its order, or why there was none."""
    told = report.containment
    if told is not None and told.result is not None:
        row = row_of_result(told.result, case_id=report.case_id)
        return row.model_copy(update={"sentence": _joined(told.result.sentence, told.note)})
    host, summary = report.facts.host, report.decision.summary
    return blank_row(
        case_id=report.case_id,
        host=host_of(report.facts),
        host_id=host.host_id if host is not None else "",
        outcome=ContainmentOutcome.REFUSED,
        obstacles=[each.id for each in report.decision.obstacles],
        sentence=told.note if told is not None and told.note else summary,
    )


def row_of_result(
    result: ContainmentResult, *, case_id: str = "", lease: Lease | None = None
) -> ContainmentRow:
    """What became of one order.

    Args:
        result: the outcome.
        case_id: of the case, where the result has no order that says it.
        lease: the lease that stands, where the result does not say.
    """
    status, intent, lease = result.status, result.intent, result.lease or lease
    row = blank_row(
        case_id=case_id or (intent.order.case_id if intent else lease.case_id if lease else ""),
        host=result.hostname,
        host_id=result.host_id,
        outcome=result.outcome,
        sentence=result.sentence,
    )
    wanted = _WANTED.get(result.outcome)
    row.verified = wanted is not None and status is not None and status.state is wanted and status.proved
    row.ours = result.outcome is ContainmentOutcome.ISOLATED or lease is not None
    if status is not None:
        row.state, row.how_known, row.as_of = (
            status.state.value,
            status.how_known.value,
            wording.moment(status.as_of),
        )
    if intent is not None:
        row.intent_id, row.intent_state = intent.intent_id, intent.state.value
        row.ordered_by = wording.name(intent.order.by)
    if lease is not None:
        row.owner, row.review_by = wording.name(lease.owner), f"{lease.review_by:%Y-%m-%d %H:%M} UTC"
        row.intent_id = row.intent_id or lease.intent_id
    return row


def blank_row(
    *,
    host: str,
    outcome: ContainmentOutcome,
    sentence: str,
    case_id: str = "",
    host_id: str = "",
    obstacles: Sequence[str] = (),
) -> ContainmentRow:
    """A row that claims nothing."""
    return ContainmentRow(
        case_id=case_id,
        host=wording.name(host),
        host_id=wording.name(host_id, unknown=""),
        outcome=outcome.value,
        verified=False,
        state="",
        how_known="",
        as_of="",
        ours=False,
        intent_id="",
        intent_state="",
        ordered_by="",
        owner="",
        review_by="",
        obstacles=list(obstacles),
        sentence=wording.sentence(sentence),
    )


def answer_of(rows: list[ContainmentRow]) -> Answer[ContainmentRow, ContainmentSummary]:
    """The rows with what they come to: the message is what is known of each host."""
    summary = ContainmentSummary(
        hosts=len(rows),
        verified=sum(row.verified for row in rows),
        outcome=rows[0].outcome if rows else "",
    )
    return Answer(rows, summary, " ".join(row.sentence for row in rows))


def done_or_failed(row: ContainmentRow) -> Answer[ContainmentRow, ContainmentSummary]:
    """The answer of an order, which succeeds only where the wanted state was read at the vendor.

    Raises:
        NotDone: it was not.
    """
    answer = answer_of([row])
    if not row.verified:
        raise NotDone(answer)
    return answer


def _joined(*sentences: str) -> str:
    return " ".join(wording.sentence(each) for each in sentences if each)
