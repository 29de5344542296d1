"""What a report says was done about a host: each outcome in its own words, and no more than was read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from actions.containment import ContainmentOutcome, ContainmentResult
from connectors.facts.isolation import HowKnown, IsolationState, IsolationStatus
from connectors.facts.ledger import (
    Approval,
    ApprovalState,
    Intent,
    IntentKind,
    IntentState,
    Lease,
    Order,
    Question,
)
from playbooks.case import CaseReport, ContainmentReport
from playbooks.report import case_page, markdown, terminal
from playbooks.report.containment import OUTCOME, OUTCOME_TONE, done_of, done_short, standing_words
from playbooks.report.content import Tone
from playbooks.report.document import summary_row, to_json
from playbooks.report.notable_comment import comment
from playbooks.write_back import findings_of
from tests.report_cases import malicious

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

ORDER = Order(
    kind=IntentKind.ISOLATE,
    connector="defender",
    host_id="m-1",
    hostname="WS-042.corp.example",
    run_id="run-1",
    by="ada",
    by_person=True,
    reason="a stealer",
    deadline_s=300,
)


def result(outcome: ContainmentOutcome, state: IsolationState, *, lease: bool = False) -> ContainmentResult:
    intent = Intent(
        intent_id="iso-1",
        order=ORDER,
        state=IntentState.VERIFIED,
        version=3,
        requested_at=NOW,
        called_at=NOW,
        changed_at=NOW,
    )
    stands = Lease(
        intent_id="iso-1",
        connector="defender",
        host_id="m-1",
        hostname=ORDER.hostname,
        site="",
        case_id="",
        run_id="run-1",
        owner="ada",
        reason="a stealer",
        began_at=NOW,
        review_by=NOW + timedelta(hours=24),
    )
    return ContainmentResult(
        outcome=outcome,
        hostname=ORDER.hostname,
        host_id="m-1",
        connector="defender",
        sentence=f"The sentence of {outcome.value.replace('_', ' ')}.",
        status=IsolationStatus(state=state, how_known=HowKnown.REPORTED, as_of=NOW),
        intent=intent,
        lease=stands if lease else None,
        told_at=NOW,
    )


def approval(state: ApprovalState, *, case_id: str = "", why: str = "") -> Approval:
    answered = state in (ApprovalState.APPROVED, ApprovalState.DECLINED)
    return Approval(
        approval_id="ask-1",
        question=Question(
            connector="defender",
            host_id="m-1",
            hostname=ORDER.hostname,
            case_id=case_id or malicious().case_id,
            run_id="run-1",
            evidence="the evidence",
            expires_in_s=3600,
        ),
        state=state,
        asked_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        answered_at=NOW + timedelta(minutes=5) if answered else None,
        answered_by="ada" if answered else "",
        why=why,
    )


def told(found: ContainmentReport | None) -> CaseReport:
    return malicious().model_copy(update={"containment": found})


def as_text(report: CaseReport) -> str:
    return " ".join(terminal.render(report, width=120, color=False, unicode=True).split())


ISOLATED_NOW = frozenset(
    {ContainmentOutcome.ISOLATED, ContainmentOutcome.OURS_STANDS, ContainmentOutcome.ALREADY_ISOLATED}
)


@pytest.mark.parametrize("outcome", ContainmentOutcome)
def test_only_what_was_read_as_isolated_is_called_isolated(outcome: ContainmentOutcome) -> None:
    claims = OUTCOME[outcome].startswith("isolated")
    assert claims == (outcome in ISOLATED_NOW)
    assert (OUTCOME_TONE[outcome] is Tone.GOOD) == (
        outcome in ISOLATED_NOW - {ContainmentOutcome.ALREADY_ISOLATED}
    )
    assert done_short(ContainmentReport(result=result(outcome, IsolationState.UNKNOWN)))


@pytest.mark.parametrize("outcome", ContainmentOutcome)
def test_every_renderer_says_it(outcome: ContainmentOutcome) -> None:
    report = told(ContainmentReport(result=result(outcome, IsolationState.UNKNOWN)))
    for shown in (as_text(report), markdown.render(report), case_page.render(report)):
        assert OUTCOME[outcome].casefold() in shown.casefold()
        assert f"The sentence of {outcome.value.replace('_', ' ')}." in shown
        assert "Nothing on this page has been carried out" not in shown
    assert f"Containment: {standing_words(report.containment)}." in comment(report)


def test_an_isolation_names_evidence_order_and_review() -> None:
    isolated = result(ContainmentOutcome.ISOLATED, IsolationState.ISOLATED, lease=True)
    done = done_of(told(ContainmentReport(result=isolated)))
    assert done is not None
    assert {row.label: row.text for row in done.rows} == {
        "Happened": "The sentence of isolated.",
        "State": "isolated, read 2026-05-01 12:00:00 UTC; by the outcome of the action that the vendor"
        " recorded",
        "Ordered by": "ada, 2026-05-01 12:00:00 UTC; iso-1",
        "Review by": "2026-05-02 12:00:00 UTC, ada answers for it. It does not end by itself",
    }


@pytest.mark.parametrize(
    ("state", "headline", "short"),
    [
        (ApprovalState.ASKED, "a person is asked; nothing is isolated before the answer", "asked"),
        (ApprovalState.APPROVED, "approved, and not carried out", "approved, not done"),
        (ApprovalState.DECLINED, "declined by a person; not isolated", "declined"),
        (ApprovalState.EXPIRED, "nobody answered in time; not isolated", "no answer"),
    ],
)
def test_declined_and_expired_are_told_apart(state: ApprovalState, headline: str, short: str) -> None:
    report = told(ContainmentReport(approval=approval(state)))
    done = done_of(report)
    assert done is not None
    assert done.headline == headline
    assert summary_row(report).done == short


def test_an_open_question_says_how_it_is_answered() -> None:
    report = told(ContainmentReport(approval=approval(ApprovalState.ASKED)))
    for verb in ("approve", "decline"):
        assert f"regsvcs-response {verb} {report.case_id} --why REASON" in as_text(report)
    joined = told(ContainmentReport(approval=approval(ApprovalState.ASKED, case_id="case-0000000000000001")))
    assert "for case-0000000000000001" in as_text(joined)


def test_an_answer_names_who_and_why() -> None:
    found = ContainmentReport(
        approval=approval(ApprovalState.DECLINED, why="a pentest"), note="Nothing is left."
    )
    text = as_text(told(found))
    assert "declined by ada, 2026-05-01 12:05:00 UTC: a pentest" in text
    assert "Nothing is left." in text


def test_shadow_says_that_nothing_was_sent() -> None:
    report = told(ContainmentReport(shadow=True))
    assert "shadow mode: written down, and nothing was sent" in as_text(report)
    assert summary_row(report).done == ""


def test_text_of_others_is_made_safe() -> None:
    evil = "<script>x</script>\x1b]0;t\x07"
    found = ContainmentReport(approval=approval(ApprovalState.DECLINED, why=evil), note=evil)
    report = told(found)
    assert "<script>x" not in case_page.render(report)
    for shown in (as_text(report), case_page.render(report), markdown.render(report), comment(report)):
        assert "\x1b" not in shown
        assert "\x07" not in shown


def test_the_json_keeps_it_whole() -> None:
    report = told(ContainmentReport(approval=approval(ApprovalState.DECLINED, why="a pentest")))
    assert CaseReport.model_validate_json(to_json(report)) == report


def test_a_comment_is_due_again_when_the_host_was_contained() -> None:
    before, asked = told(None), told(ContainmentReport(approval=approval(ApprovalState.ASKED)))
    isolated = told(ContainmentReport(result=result(ContainmentOutcome.ISOLATED, IsolationState.ISOLATED)))
    assert len({findings_of(each) for each in (before, asked, isolated)}) == 3
    again = result(ContainmentOutcome.OURS_STANDS, IsolationState.ISOLATED, lease=True)
    looked_at = told(ContainmentReport(result=again))
    assert findings_of(looked_at) == findings_of(isolated), "nothing has changed since"
    assert comment(looked_at) == comment(isolated)
    assert findings_of(before) == findings_of(malicious())


def test_page_and_index_say_it_at_the_top() -> None:
    report = told(ContainmentReport(result=result(ContainmentOutcome.UNKNOWN, IsolationState.UNKNOWN)))
    page = case_page.render(report)
    assert page.index("Isolation: unknown whether it is isolated") < page.index("What to do next</h2>")
    index = case_page.render_index([report])
    assert ">unknown<" in index
    assert "would" not in index
