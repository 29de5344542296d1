"""What follows from an isolation decision: settle what is unfinished, ask, order, and tell it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.isolate_host import isolate_host
from actions.isolation import IsolationMode
from actions.isolation_policy import IsolationPolicy
from actions.next_steps import next_steps
from actions.risk import RiskPolicy
from actions.settle_intent import settle
from actions.steps.case import Contained
from connectors.errors import InputError, ResponseError
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import Approval, ApprovalState, HostKey, IntentKind, Order, Question
from playbooks.case import CaseReport, ContainmentReport, StepOutcome
from playbooks.case_steps import AssessedCase
from playbooks.containment_reasons import comment_of, evidence_of
from playbooks.decided_anew import DecidedAnew, decide_anew
from playbooks.kept_cases import KeptCases
from playbooks.settings import Settings

_WELL = frozenset(
    {
        ContainmentOutcome.ISOLATED,
        ContainmentOutcome.ALREADY_ISOLATED,
        ContainmentOutcome.OURS_STANDS,
        ContainmentOutcome.RELEASED,
        ContainmentOutcome.PENDING,
    }
)


class Containing(NamedTuple):
    """What containing needs.

    Attributes:
        run_id: the run that new questions and orders belong to.
    """

    tools: Tools
    cases: KeptCases
    run_id: str


class Done(NamedTuple):
    """A case decided anew, after what was unfinished about its host was settled.

    Attributes:
        settled: what became of the unfinished order; None where there was none.
        trouble: why it could not be settled, a sentence; "" otherwise.
        risk: the policy that the case was assessed by.
    """

    case: AssessedCase
    decided: DecidedAnew
    settled: ContainmentResult | None = None
    trouble: str = ""
    risk: RiskPolicy = RiskPolicy()

    @property
    def report(self) -> CaseReport:
        """The report of the decision."""
        return self.decided.report

    @property
    def notes(self) -> str:
        """What has to be known beside the decision."""
        earlier = f"An earlier order for this host: {self.settled.sentence}" if self.settled else ""
        return " ".join(filter(None, (earlier, self.trouble)))


class Orderer(NamedTuple):
    """Who orders an isolation, and what it rests on.

    Attributes:
        run_id: the run that the order belongs to.
        approval: None where nobody was asked.
    """

    by: str
    by_person: bool
    reason: str
    run_id: str
    approval: Approval | None = None


def decide_settled(
    case: AssessedCase,
    containing: Containing,
    *,
    settings: Settings,
    caller_mode: IsolationMode,
    run_id: str = "",
) -> Done:
    """Decide anew; where an order of the host is unfinished, read its outcome first.

    Args:
        run_id: the run that the cap per run counts; "" is containing's own.
    """
    tools = containing.tools

    def decide() -> DecidedAnew:
        return decide_anew(
            case,
            edr=tools.edr,
            ledger=tools.ledger,
            settings=settings,
            caller_mode=caller_mode,
            run_id=run_id or containing.run_id,
            clock=tools.clock,
        )

    first = decide()
    intent = first.standing.intent if first.standing is not None else None
    if intent is None:
        return Done(case, first, risk=settings.risk)
    try:
        settled = settle(intent, tools, policy=settings.isolation, wait=False)
    except ResponseError as error:
        trouble = f"An earlier order could not be settled: {sentence(error)}"
        return Done(case, first, trouble=trouble, risk=settings.risk)
    return Done(case, decide(), settled, risk=settings.risk)


def isolated(
    done: Done, orderer: Orderer, containing: Containing, policy: IsolationPolicy
) -> ContainmentReport:
    """Order the isolation of the host that was read, once.

    Raises:
        ResponseError: nothing was ordered; the reason.
    """
    agent, approval = done.decided.reading.agent, orderer.approval
    if agent is None:
        return ContainmentReport(approval=approval, note="Nothing is isolated: the host was not found.")
    if approval is not None and approval.question.host != HostKey(agent.connector, agent.host_id):
        note = "Nothing is isolated: the approval is of another machine than the one of this name by now."
        return ContainmentReport(approval=approval, note=note)
    order = Order(
        kind=IntentKind.ISOLATE,
        connector=agent.connector,
        host_id=agent.host_id,
        hostname=agent.hostname,
        site=done.decided.site,
        case_id=approval.question.case_id if approval is not None else done.case.case_id,
        run_id=orderer.run_id,
        by=orderer.by,
        by_person=orderer.by_person,
        reason=orderer.reason,
        approval_id=approval.approval_id if approval is not None else "",
        deadline_s=policy.deadline_s,
    )
    result = isolate_host(order, containing.tools, policy=policy, comment=comment_of(order))
    if approval is not None and result.intent is not None:
        # The intent of a refused order may be another's.
        ours = result.intent.order.approval_id == approval.approval_id
        approval = approval.model_copy(update={"used_by": result.intent.intent_id}) if ours else approval
    return ContainmentReport(approval=approval, result=result, note=done.notes)


def new_question(done: Done, key: HostKey, run_id: str, policy: IsolationPolicy) -> Question:
    """The question to a person about a host."""
    agent = done.decided.reading.agent
    return Question(
        connector=key.connector,
        host_id=key.host_id,
        hostname=agent.hostname if agent is not None else done.case.facts.notables[0].machine_label,
        case_id=done.case.case_id,
        run_id=run_id,
        evidence=evidence_of(done.report),
        expires_in_s=policy.approval_minutes * 60,
    )


def asked(done: Done, key: HostKey, containing: Containing, policy: IsolationPolicy) -> ContainmentReport:
    """Ask a person, or join what was asked about this host before: one question a host.

    Raises:
        LedgerUnusable: nobody was asked.
    """
    ledger, now = containing.tools.ledger, containing.tools.clock()
    approved = [
        each
        for each in ledger.approvals(state=ApprovalState.APPROVED)
        if each.question.host == key and not each.used_by and good_until(each) > now
    ]
    if approved:
        return ContainmentReport(
            approval=approved[-1], note=f"{_approved(approved[-1])} {done.notes}".rstrip()
        )
    declined = _declined(ledger.approvals(state=ApprovalState.DECLINED), done, key, now=now, policy=policy)
    if declined is not None:
        return declined
    approval, new = ledger.ask(new_question(done, key, containing.run_id, policy))
    joined = f"This host is asked about already, for {approval.question.case_id}."
    note = "" if new else joined if approval.state is ApprovalState.ASKED else _approved(approval)
    return ContainmentReport(approval=approval, note=" ".join(filter(None, (note, done.notes))))


def _declined(
    approvals: Sequence[Approval], done: Done, key: HostKey, *, now: datetime, policy: IsolationPolicy
) -> ContainmentReport | None:
    """An answer that still stands: a person has declined this case a short while ago."""
    quiet = timedelta(hours=policy.freshness.quiet_hours)
    for each in reversed(approvals):
        asked, answered = each.question, each.answered_at
        if asked.host != key or asked.case_id != done.case.case_id or answered is None:
            continue
        if now - answered < quiet:
            again = f"{answered + quiet:%Y-%m-%d %H:%M} UTC"
            note = f"It is asked again after {again}; until then a person can order it by hand."
            return ContainmentReport(approval=each, note=" ".join(filter(None, (note, done.notes))))
    return None


def good_until(approval: Approval) -> datetime:
    """Until when an isolation may rest on an approval; of a question, until when it takes an answer."""
    since = approval.answered_at or approval.asked_at
    return since + timedelta(seconds=approval.question.expires_in_s)


def _approved(approval: Approval) -> str:
    return (
        f"{approval.answered_by} has approved the isolation of this host, and it was not carried out. It is"
        f" asked again after {good_until(approval):%Y-%m-%d %H:%M} UTC; until then a person can order it by"
        " hand."
    )


def as_it_stands(
    done: Done, containing: Containing, *, approval: Approval | None = None, note: str = ""
) -> ContainmentReport:
    """What is known of the host where nothing is ordered: what stands, or what an earlier isolation came to.

    What an unfinished release came to is a note: the result is about the isolation.
    """
    settled = done.settled
    releasing = settled is not None and _is_release(settled)
    result = _standing(done, containing) if releasing else settled or _standing(done, containing)
    told = " ".join(filter(None, (note, done.notes if releasing else done.trouble)))
    return ContainmentReport(approval=approval, result=result, note=told)


def _is_release(result: ContainmentResult) -> bool:
    return result.intent is not None and result.intent.order.kind is IntentKind.RELEASE


def _standing(done: Done, containing: Containing) -> ContainmentResult | None:
    reading, standing = done.decided.reading, done.decided.standing
    agent, status = reading.agent, reading.status
    if agent is None or status is None or standing is None:
        return None
    if status.state is not IsolationState.ISOLATED or not status.proved:
        return None
    lease = standing.lease
    if lease is not None:
        outcome = ContainmentOutcome.OURS_STANDS
        said = (
            f"{agent.hostname} is isolated by an earlier order, which {lease.owner} answers for;"
            f" review by {lease.review_by:%Y-%m-%d %H:%M} UTC."
        )
    else:
        outcome = ContainmentOutcome.ALREADY_ISOLATED
        said = f"{agent.hostname} is isolated already, by somebody else; nothing was sent."
    return ContainmentResult(
        outcome=outcome,
        hostname=agent.hostname,
        host_id=agent.host_id,
        connector=agent.connector,
        sentence=said,
        status=status,
        lease=lease,
        told_at=containing.tools.clock(),
    )


def told(done: Done, found: ContainmentReport | None, *, failed: bool = False) -> CaseReport:
    """The report with what was done about the host; as it was where there is nothing to tell.

    Args:
        failed: True where something that was wanted was not done.
    """
    report = done.report
    if found is None:
        return report
    result, approval = found.result, found.approval
    words = [result.sentence] if result is not None else []
    if result is None and approval is not None and approval.state is ApprovalState.ASKED:
        words.append(f"a person is asked ({approval.approval_id}); nothing is isolated before the answer")
    words += [found.note] if found.note else []
    ok = not failed and (result is None or result.outcome in _WELL)
    outcome = StepOutcome(step="isolate_host", ok=ok, detail=" ".join(words) or "nothing was done")
    answer = approval.state if approval is not None else None
    further = next_steps(
        report.facts, done.risk, report.risk, report.decision, contained=Contained(result, answer)
    )
    return report.model_copy(
        update={"steps": (*report.steps, outcome), "next_steps": further, "containment": found}
    )


def keep(case: AssessedCase, containing: Containing, policy: IsolationPolicy) -> str:
    """Keep a case for what a person may decide later; why that failed, a sentence, or ""."""
    if policy.mode is IsolationMode.OFF:
        return ""
    try:
        containing.cases.keep(case)
    except InputError as error:
        return f"Nobody can be asked about it later: {sentence(error)}"
    return ""


def sentence(error: ResponseError) -> str:
    """An error as a sentence."""
    return f"{str(error).rstrip('.')}."
