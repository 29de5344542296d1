"""What was done about the host of a case, in words. Only what was read at the vendor is claimed."""

from __future__ import annotations

from actions.containment import ContainmentOutcome, ContainmentResult
from connectors.facts.isolation import HowKnown
from connectors.facts.ledger import Approval, ApprovalState
from playbooks.case import CaseReport, ContainmentReport
from playbooks.report import wording
from playbooks.report.content import Done, Row, Tone

#: Each outcome in a few words.
OUTCOME = {
    ContainmentOutcome.ISOLATED: "isolated, as read back from the EDR",
    ContainmentOutcome.ALREADY_ISOLATED: "isolated already, not by us",
    ContainmentOutcome.OURS_STANDS: "isolated by an earlier order of ours",
    ContainmentOutcome.RELEASED: "released, as read back from the EDR",
    ContainmentOutcome.NOT_ISOLATED: "not isolated; nothing was to be released",
    ContainmentOutcome.REFUSED: "nothing was sent: a rule stood in the way",
    ContainmentOutcome.NOT_SENT: "nothing was sent",
    ContainmentOutcome.FAILED: "the order failed",
    ContainmentOutcome.EXPIRED: "not isolated: accepted, and without effect until the deadline",
    ContainmentOutcome.PENDING: "under way: another run is at it",
    ContainmentOutcome.UNKNOWN: "unknown whether it is isolated; a person decides",
}

OUTCOME_TONE = {
    ContainmentOutcome.ISOLATED: Tone.GOOD,
    ContainmentOutcome.ALREADY_ISOLATED: Tone.PLAIN,
    ContainmentOutcome.OURS_STANDS: Tone.GOOD,
    ContainmentOutcome.RELEASED: Tone.PLAIN,
    ContainmentOutcome.NOT_ISOLATED: Tone.PLAIN,
    ContainmentOutcome.REFUSED: Tone.WARN,
    ContainmentOutcome.NOT_SENT: Tone.WARN,
    ContainmentOutcome.FAILED: Tone.BAD,
    ContainmentOutcome.EXPIRED: Tone.BAD,
    ContainmentOutcome.PENDING: Tone.WARN,
    ContainmentOutcome.UNKNOWN: Tone.UNKNOWN,
}

#: What became of a question, where it led to no order.
APPROVAL = {
    ApprovalState.ASKED: "a person is asked; nothing is isolated before the answer",
    ApprovalState.APPROVED: "approved, and not carried out",
    ApprovalState.DECLINED: "declined by a person; not isolated",
    ApprovalState.EXPIRED: "nobody answered in time; not isolated",
}

_APPROVAL_TONE = {
    ApprovalState.ASKED: Tone.WARN,
    ApprovalState.APPROVED: Tone.WARN,
    ApprovalState.DECLINED: Tone.PLAIN,
    ApprovalState.EXPIRED: Tone.WARN,
}

_KNOWN = {
    HowKnown.OBSERVED: "the agent itself says so",
    HowKnown.REPORTED: "by the outcome of the action that the vendor recorded",
    HowKnown.DESIRED: "a flag of what should be, which proves nothing",
    HowKnown.NOT_KNOWN: "not known",
}

SHADOW = "shadow mode: written down, and nothing was sent"


#: The same as an answer to "isolate?" in a table.
_SHORT = {
    ContainmentOutcome.ISOLATED: "isolated",
    ContainmentOutcome.ALREADY_ISOLATED: "isolated before",
    ContainmentOutcome.OURS_STANDS: "isolated before",
    ContainmentOutcome.RELEASED: "released",
    ContainmentOutcome.NOT_ISOLATED: "not isolated",
    ContainmentOutcome.REFUSED: "refused",
    ContainmentOutcome.NOT_SENT: "not sent",
    ContainmentOutcome.FAILED: "failed",
    ContainmentOutcome.EXPIRED: "no effect",
    ContainmentOutcome.PENDING: "under way",
    ContainmentOutcome.UNKNOWN: "unknown",
}

_APPROVAL_SHORT = {
    ApprovalState.ASKED: "asked",
    ApprovalState.APPROVED: "approved, not done",
    ApprovalState.DECLINED: "declined",
    ApprovalState.EXPIRED: "no answer",
}


_STANDS = {
    ContainmentOutcome.ISOLATED: "the host is isolated by us",
    ContainmentOutcome.OURS_STANDS: "the host is isolated by us",
    ContainmentOutcome.ALREADY_ISOLATED: "the host is isolated, not by us",
    ContainmentOutcome.RELEASED: "the host is not isolated",
    ContainmentOutcome.NOT_ISOLATED: "the host is not isolated",
}


def standing_words(found: ContainmentReport | None) -> str:
    """How the host stands, the same however often it is looked at; "" where nothing was done about it."""
    if found is None or found.shadow:
        return ""
    if found.result is not None:
        return _STANDS.get(found.result.outcome, OUTCOME[found.result.outcome])
    return APPROVAL[found.approval.state] if found.approval is not None else "nothing was ordered"


def done_short(found: ContainmentReport | None) -> str:
    """What was done about a host, in a word or two; "" where the decision says all."""
    if found is None or found.shadow:
        return ""
    if found.result is not None:
        return _SHORT[found.result.outcome]
    return _APPROVAL_SHORT[found.approval.state] if found.approval is not None else "not done"


def done_of(report: CaseReport) -> Done | None:
    """What was done about the case's host; None where nothing may be done, or there is nothing to tell."""
    found = report.containment
    if found is None:
        return None
    rows: list[Row] = []
    if found.result is not None:
        headline, tone = OUTCOME[found.result.outcome], OUTCOME_TONE[found.result.outcome]
        rows += _result_rows(found.result)
    elif found.approval is not None:
        headline, tone = APPROVAL[found.approval.state], _APPROVAL_TONE[found.approval.state]
    elif found.shadow:
        headline, tone = SHADOW, Tone.PLAIN
    else:
        headline, tone = "nothing was ordered", Tone.WARN
    if found.approval is not None:
        rows += _approval_rows(found.approval, report.case_id)
    if found.note:
        rows.append(Row("Note", wording.sentence(found.note), Tone.WARN))
    return Done(headline, tone, tuple(rows))


def _result_rows(result: ContainmentResult) -> list[Row]:
    rows = [Row("Happened", wording.sentence(result.sentence))]
    status = result.status
    if status is not None:
        state = f"{status.state.value.replace('_', ' ')}, read {wording.moment(status.as_of)}"
        rows.append(Row("State", f"{state}; {_KNOWN[status.how_known]}"))
    intent, lease = result.intent, result.lease
    if intent is not None:
        by = f"{wording.name(intent.order.by)}, {wording.moment(intent.requested_at)}"
        rows.append(Row("Ordered by", f"{by}; {wording.name(intent.intent_id)}", Tone.QUIET))
    if lease is not None:
        until = f"{wording.moment(lease.review_by)}, {wording.name(lease.owner)} answers for it"
        rows.append(Row("Review by", f"{until}. It does not end by itself"))
    return rows


def _approval_rows(approval: Approval, case_id: str) -> list[Row]:
    asked = f"{wording.name(approval.approval_id)}, asked {wording.moment(approval.asked_at)}"
    if approval.state is ApprovalState.ASKED:
        other = approval.question.case_id
        named = f" for {wording.name(other)}" if other != case_id else ""
        rows = [Row("Question", f"{asked}{named}, open until {wording.moment(approval.expires_at)}")]
        answer = f"{wording.name(other)} --why REASON"
        return [
            *rows,
            Row("To answer", f"regsvcs-response approve {answer}"),
            Row("", f"regsvcs-response decline {answer}"),
        ]
    rows = [Row("Question", asked)]
    if approval.answered_at is not None:
        answer = f"{approval.state.value} by {wording.name(approval.answered_by)}"
        why = f": {wording.sentence(approval.why)}" if approval.why else ""
        rows.append(Row("Answer", f"{answer}, {wording.moment(approval.answered_at)}{why}"))
    return rows
