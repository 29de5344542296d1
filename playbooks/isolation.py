"""From a case to what is done about its host: a note, a question to a person, or an isolation.

Every way decides anew on a host and a ledger that were just read, and ends in one order at most. What a
connector or the ledger does not answer is a sentence in the report, and never costs it.
"""

from __future__ import annotations

from collections.abc import Collection

from actions.containment import ContainmentOutcome
from actions.isolation import IsolationMode, IsolationVerdict
from actions.isolation_by_hand import refusal
from actions.isolation_policy import IsolationPolicy
from connectors.errors import InputError, ResponseError
from connectors.facts.ledger import Approval, ApprovalState
from playbooks.approvers import check_approver
from playbooks.carry_out import (
    Containing,
    Done,
    Orderer,
    as_it_stands,
    asked,
    decide_settled,
    good_until,
    isolated,
    keep,
    new_question,
    sentence,
    told,
)
from playbooks.case import CaseReport, ContainmentReport
from playbooks.case_steps import AssessedCase
from playbooks.containment_reasons import reason_of
from playbooks.decided_anew import DecidedAnew, decide_anew, host_key
from playbooks.settings import Settings

__all__ = [
    "Containing",
    "DecidedAnew",
    "answer_question",
    "approved_elsewhere",
    "contain_case",
    "decide_anew",
    "isolate_by_hand",
]

#: Who an order or a note is by where no person decided.
PLAYBOOK = "playbook"


def contain_case(
    case: AssessedCase, containing: Containing, *, settings: Settings, caller_mode: IsolationMode
) -> CaseReport:
    """Decide anew and carry it out. Safe to repeat: one question and one isolation a host.

    In mode `shadow` an audit note is written, and nothing is sent. Where an order of this host is unfinished,
    such as after a crash, its outcome is read first.

    Args:
        case: the case with its risk.
        containing: what it is done with.
        settings: the policy.
        caller_mode: the highest mode the caller allows.
    """
    policy = settings.isolation
    lost = keep(case, containing, policy)
    done = decide_settled(case, containing, settings=settings, caller_mode=caller_mode)
    failed = False
    try:
        found = _carried_out(done, containing, policy, may_ask=not lost)
    except ResponseError as error:
        failed = True
        found = as_it_stands(done, containing, note=f"Nothing was ordered: {sentence(error)}")
    if lost:
        found = found or ContainmentReport()
        found = found.model_copy(update={"note": " ".join(filter(None, (found.note, lost)))})
    return told(done, found, failed=failed or bool(lost))


def _carried_out(
    done: Done, containing: Containing, policy: IsolationPolicy, *, may_ask: bool
) -> ContainmentReport | None:
    report, ledger = done.report, containing.tools.ledger
    key = host_key(done.case, containing.tools.edr, done.decided.reading)
    subject = key.host_id if key is not None else ""
    data = {
        "connector": containing.tools.edr.name,
        "case_id": done.case.case_id,
        "run_id": containing.run_id,
        "summary": report.decision.summary,
    }
    match report.decision.verdict:
        case IsolationVerdict.ISOLATE:
            why = Orderer(PLAYBOOK, by_person=False, reason=reason_of(report), run_id=containing.run_id)
            return isolated(done, why, containing, policy)
        case IsolationVerdict.ASK if key is not None and may_ask:
            return asked(done, key, containing, policy)
        case IsolationVerdict.SHADOW:
            ledger.note("shadow_isolation", subject=subject, by=PLAYBOOK, data=data)
            return ContainmentReport(shadow=True, note=done.notes)
        case _:
            found = as_it_stands(done, containing)
            only = [guard.id for guard in report.decision.obstacles] == ["not_isolated"]
            if (
                found.result is not None
                and found.result.outcome is ContainmentOutcome.ALREADY_ISOLATED
                and only
            ):
                ledger.note("already_isolated", subject=subject, by=PLAYBOOK, data=data)
            return found if found.result is not None or found.note else None


def answer_question(
    case_or_approval_id: str, containing: Containing, *, approve: bool, by: str, why: str, settings: Settings
) -> CaseReport:
    """Record an answer. After an approval, evaluate all guards again, and isolate where they pass.

    A late or second answer is recorded and changes nothing. Where a guard stands in the way, the report names
    it, and the approval stays unused until it expires.

    Args:
        case_or_approval_id: the question, or a kept case whose host it is about.
        containing: what it is done with.
        approve: False declines, which needs a `why`.
        by, why: who answers, and for what reason.
        settings: the policy.

    Raises:
        InputError: there is no such question, its case is not kept, or this person may not answer. The
            question stays open.
        LedgerUnusable: the answer could not be recorded.
    """
    by, why = by.strip(), why.strip()
    ledger = containing.tools.ledger
    if not approve and not why:
        raise InputError("why", "is empty", "Say why the isolation is declined")
    approval = _question(case_or_approval_id, containing)
    _check_person(by, containing, settings.isolation, subject=approval.approval_id, wanted="answer")
    case = containing.cases.get(approval.question.case_id)
    answered = ledger.answer(approval.approval_id, approve=approve, by=by, why=why)
    if answered is None:
        raise InputError("approval", f"there is no question {approval.approval_id}")
    approval, run_id = answered.approval, answered.approval.question.run_id
    done = decide_settled(
        case, containing, settings=settings, caller_mode=IsolationMode.APPROVE, run_id=run_id
    )
    if not answered.counted:
        late = as_it_stands(done, containing, approval=approval, note=_too_late(approval))
        return told(done, late, failed=True)
    if not approve:
        declined = f"{by} has declined the isolation: {why.rstrip('.')}."
        return told(done, as_it_stands(done, containing, approval=approval, note=declined))
    return _after_approval(done, approval, containing, settings.isolation)


def _after_approval(
    done: Done, approval: Approval, containing: Containing, policy: IsolationPolicy
) -> CaseReport:
    """Isolate where all guards pass on what was just read; else say which stand in the way."""
    decision = done.report.decision
    if decision.verdict not in (IsolationVerdict.ASK, IsolationVerdict.ISOLATE):
        note = f"{approval.answered_by} has approved, and nothing was sent. {_in_the_way(done)}"
        return told(done, as_it_stands(done, containing, approval=approval, note=note), failed=True)
    why = Orderer(
        by=approval.answered_by,
        by_person=True,
        reason=approval.why or reason_of(done.report),
        run_id=approval.question.run_id,
        approval=approval,
    )
    return _ordered(done, why, containing, policy)


def _ordered(done: Done, why: Orderer, containing: Containing, policy: IsolationPolicy) -> CaseReport:
    try:
        found = isolated(done, why, containing, policy)
    except ResponseError as error:
        note = f"Nothing was ordered: {sentence(error)}"
        found = as_it_stands(done, containing, approval=why.approval, note=note)
        return told(done, found, failed=True)
    return told(done, found, failed=found.result is None)


def approved_elsewhere(
    case: AssessedCase, containing: Containing, *, by: str, why: str, settings: Settings
) -> CaseReport:
    """Isolate after an approval that was given on a platform; it is recorded here like any answer.

    Safe to repeat while the approval is good: the same host and run are isolated once.

    Args:
        case: the case that was approved.
        containing: what it is done with; its run is the platform's.
        by, why: who approved, and for what reason.
        settings: the policy.

    Raises:
        InputError, LedgerUnusable: as answer_question.
    """
    by, policy, ledger = by.strip(), settings.isolation, containing.tools.ledger
    _check_person(by, containing, policy, subject=case.case_id, wanted="approve")
    containing.cases.keep(case)
    done = decide_settled(case, containing, settings=settings, caller_mode=IsolationMode.APPROVE)
    key = host_key(case, containing.tools.edr, done.decided.reading)
    if key is None:
        note = f"Nothing was sent. {_in_the_way(done)}"
        return told(done, as_it_stands(done, containing, note=note), failed=True)
    of_run = [
        each
        for each in ledger.approvals()
        if each.question.host == key and each.question.run_id == containing.run_id
    ]
    last = of_run[-1] if of_run else None
    good = last is not None and good_until(last) > containing.tools.clock()
    if last is not None and good and last.state is ApprovalState.APPROVED:
        if last.used_by:
            note = (
                f"{last.answered_by} has approved it before, and it was ordered then: nothing is sent again."
            )
            return told(done, as_it_stands(done, containing, approval=last, note=note))
        if last.question.case_id == case.case_id and last.answered_by.casefold() == by.casefold():
            return _after_approval(done, last, containing, policy)
    if last is None or not (good or last.state is ApprovalState.EXPIRED):
        last, _ = ledger.ask(new_question(done, key, containing.run_id, policy))
    return answer_question(last.approval_id, containing, approve=True, by=by, why=why, settings=settings)


def isolate_by_hand(
    case_id: str, containing: Containing, *, despite: Collection[str], by: str, why: str, settings: Settings
) -> CaseReport:
    """Isolate the host of a kept case on a person's word, against guards that the person names.

    Args:
        case_id: a kept case.
        containing: what it is done with.
        despite: ids of guards that the person decides against; actions/isolation_by_hand.py has those that
            can be.
        by, why: who orders it, and for what reason.
        settings: the policy.

    Raises:
        InputError: the case is not kept, the reason is missing, or this person may not order it.
        LedgerUnusable: that the person may not order it could not be recorded.
    """
    by, why, policy = by.strip(), why.strip(), settings.isolation
    if not why:
        raise InputError("why", "is empty", "Say why the host is to be isolated")
    case = containing.cases.get(case_id)
    _check_person(by, containing, policy, subject=case_id, wanted="order")
    done = decide_settled(case, containing, settings=settings, caller_mode=IsolationMode.APPROVE)
    against = refusal(done.report.decision, despite)
    if against:
        note = f"Nothing was sent. {against}"
        return told(done, as_it_stands(done, containing, note=note), failed=True)
    waived = ", ".join(guard.id for guard in done.report.decision.obstacles)
    reason = f"{why} (despite {waived})" if waived else why
    return _ordered(
        done, Orderer(by, by_person=True, reason=reason, run_id=containing.run_id), containing, policy
    )


def _question(wanted: str, containing: Containing) -> Approval:
    """The question of an id, or about the host of a case: the open one, else the last."""
    wanted, every = wanted.strip(), containing.tools.ledger.approvals()
    fitting = [each for each in every if wanted in (each.approval_id, each.question.case_id)]
    if not any(each.state is ApprovalState.ASKED for each in fitting) and wanted.startswith("case-"):
        # One question a host: it may have been asked for another case.
        host = containing.cases.get(wanted).facts.host
        fitting += [
            each
            for each in every
            if host is not None and each.question.host == (host.connector, host.host_id)
            if each.state is ApprovalState.ASKED
        ]
    if not fitting:
        raise InputError("approval", f"{wanted!r} is no question and no case with one", "Look at the status")
    still_open = [each for each in fitting if each.state is ApprovalState.ASKED]
    return (still_open or fitting)[-1]


def _check_person(
    by: str, containing: Containing, policy: IsolationPolicy, *, subject: str, wanted: str
) -> None:
    """Raise where a person's word does not count; who tried is recorded."""
    if not by:
        raise InputError("by", "is empty", "Say who decides")
    check_approver(by, policy, containing.tools.ledger, field="by", subject=subject, wanted=wanted)


def _too_late(approval: Approval) -> str:
    match approval.state:
        case ApprovalState.EXPIRED:
            return (
                f"The question expired at {approval.expires_at:%Y-%m-%d %H:%M} UTC: the answer is too late."
            )
        case ApprovalState.APPROVED | ApprovalState.DECLINED:
            return f"{approval.answered_by} has {approval.state.value} before: this answer changes nothing."
        case _:
            return "The answer did not count."


def _in_the_way(done: Done) -> str:
    guards = " ".join(f"{guard.id}: {guard.detail}" for guard in done.report.decision.obstacles)
    return f"Guards stand in the way. {guards}" if guards else f"{done.report.decision.summary}"
