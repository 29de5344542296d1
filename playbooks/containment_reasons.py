"""Why a host is isolated, in the words of the ledger, the vendor's console, and the question to a person."""

from __future__ import annotations

from actions.containment_question import ContainmentQuestion
from actions.risk import Strength
from connectors.facts.ledger import Order
from playbooks.case import CaseReport

#: Characters of a comment for the vendor; the shortest that the vendors take is longer.
COMMENT_LIMIT = 500


def reason_of(report: CaseReport) -> str:
    """Why the playbook isolates: score, verdict and strong findings by their ids. No text of a log."""
    risk = report.risk
    strong = dict.fromkeys(each.id for each in risk.indicators if each.strength is Strength.STRONG)
    found = f"; strong findings: {', '.join(strong)}" if strong else ""
    return f"verdict {risk.case_verdict.value}, score {risk.score:g}{found}"


def comment_of(order: Order) -> str:
    """The comment that the vendor keeps beside the isolation: case, run, who and why, on one line."""
    head = f"regsvcs-response {order.case_id or 'without a case'}, {order.run_id}, by {order.by}: "
    text = head + order.reason
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= COMMENT_LIMIT else f"{plain[: COMMENT_LIMIT - 5]} (...)"


def evidence_of(report: CaseReport) -> str:
    """What a person is shown with the question. Plain text, made safe to show."""
    from playbooks.report.prompt import prompt  # noqa: PLC0415  not for a run that asks nobody

    lines = prompt(report, ContainmentQuestion.ISOLATE).splitlines()
    # The last line points to a note of the platform, which is not everywhere.
    return "\n".join(lines[:-1] if lines[-1].startswith("Case ") else lines).rstrip()
