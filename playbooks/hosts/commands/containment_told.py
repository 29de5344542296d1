"""What was done about the hosts of cases, in lines for a person. Made safe where they are printed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from actions.containment import ContainmentOutcome, ContainmentResult
from actions.isolation import IsolationVerdict
from actions.reconciliation import WaitingQuestion
from connectors.facts.ledger import Approval, ApprovalState
from playbooks.case import CaseReport, ContainmentReport
from playbooks.hosts.commands.open_questions import question_lines, with_config
from playbooks.report import wording

#: The host is isolated, and that was read.
PROVED = frozenset(
    {
        ContainmentOutcome.ISOLATED,
        ContainmentOutcome.ALREADY_ISOLATED,
        ContainmentOutcome.OURS_STANDS,
    }
)

#: An order that came to nothing, or may have.
CAME_TO_NOTHING = frozenset(
    {ContainmentOutcome.FAILED, ContainmentOutcome.EXPIRED, ContainmentOutcome.UNKNOWN}
)

#: In the detail of an order (actions/containment_words.py): the vendor may still have it under way.
MAY_COME = "may still carry it out"

OUTCOME_WORDS = {
    ContainmentOutcome.ISOLATED: "isolated",
    ContainmentOutcome.ALREADY_ISOLATED: "isolated by somebody else",
    ContainmentOutcome.OURS_STANDS: "isolated before",
    ContainmentOutcome.RELEASED: "released",
    ContainmentOutcome.NOT_ISOLATED: "not isolated",
    ContainmentOutcome.REFUSED: "refused, nothing was sent",
    ContainmentOutcome.NOT_SENT: "nothing was sent",
    ContainmentOutcome.FAILED: "failed",
    ContainmentOutcome.EXPIRED: "not carried out in time",
    ContainmentOutcome.PENDING: "under way in another run",
    ContainmentOutcome.UNKNOWN: "not known",
}


def result_line(result: ContainmentResult) -> str:
    """One host: its name and agent, the outcome, and what happened."""
    where = f"{result.hostname} ({result.connector} {result.host_id})"
    return f"{where}: {OUTCOME_WORDS[result.outcome]}. {result.sentence}"


def report_lines(report: CaseReport, config: Path | None) -> list[str]:
    """What came of one case, after an answer or an order by hand."""
    found = report.containment or ContainmentReport()
    lines = [result_line(found.result)] if found.result is not None else []
    lines += [found.note] if found.note else []
    if found.approval is not None and found.approval.state is ApprovalState.ASKED:
        lines += question_lines(WaitingQuestion.of(found.approval), config)
    return lines or [report.decision.summary]


def unknown_lines(intent_id: str, detail: str, config: Path | None) -> list[str]:
    """What to do about an order whose outcome is not known.

    Args:
        intent_id: the order.
        detail: what was last said of it.
        config: the settings file, for the commands.
    """
    more, order = with_config(config), shlex.quote(intent_id)
    wait = "the EDR may still carry it out: wait, and reconcile again" if MAY_COME in detail else "reconcile"
    close = f"  a person who knows: regsvcs-response close-intent {order} --as"
    return [
        f"  {wait}: regsvcs-response reconcile{more}",
        f"{close} failed --why TEXT{more}  # refused while the EDR has it under way",
        f"{close} verified --why TEXT{more}  # only where the EDR proves it",
    ]


def run_lines(reports: Sequence[CaseReport], run_id: str, config: Path | None) -> list[str]:
    """What a run asked and did about hosts: open questions, what was isolated, what is not known."""
    found = [each.containment for each in reports if each.containment is not None]
    lines: list[str] = []
    for approval in _once(each.approval for each in found):
        if approval.state is ApprovalState.ASKED:
            lines += question_lines(WaitingQuestion.of(approval), config)
    results = [each.result for each in found if each.result is not None]
    lines += [result_line(each) for each in sorted(results, key=lambda each: each.outcome not in PROVED)]
    shadow = sum(each.shadow for each in found)
    if shadow:
        lines.append(f"mode shadow: {wording.count(shadow, 'isolation')} only written down, nothing sent")
    lines += list(dict.fromkeys(each.note for each in found if each.note))
    if any(each.lease is not None and each.lease.run_id == run_id for each in results):
        lines.append(f"to undo this run: regsvcs-response release --run {run_id} --why TEXT")
    return lines


#: All guards passed, and yet nothing was sent.
_NOT_ORDERED = frozenset({ContainmentOutcome.REFUSED, ContainmentOutcome.NOT_SENT})


def run_failed(reports: Iterable[CaseReport], run_id: str) -> bool:
    """Whether an isolation of a run came to nothing, or what was wanted could not be ordered."""
    return any(_came_to_nothing(report, run_id) for report in reports)


def _came_to_nothing(report: CaseReport, run_id: str) -> bool:
    result = report.containment.result if report.containment is not None else None
    if result is None:
        return any(each.step == "isolate_host" and not each.ok for each in report.steps)
    if result.outcome in CAME_TO_NOTHING and _of_run(result, run_id):
        return True
    return result.outcome in _NOT_ORDERED and report.decision.verdict is IsolationVerdict.ISOLATE


def _of_run(result: ContainmentResult, run_id: str) -> bool:
    return result.intent is not None and result.intent.order.run_id == run_id


def _once(approvals: Iterable[Approval | None]) -> list[Approval]:
    return list({each.approval_id: each for each in approvals if each is not None}.values())
