"""May this host be isolated now? One pure function for shadow, prompt and live, and again after approval.

It decides and does nothing: an ISOLATE here is carried out only by actions that read the kill switch and the
host's state once more before every write.
"""

from __future__ import annotations

from datetime import datetime

from actions.guards.question import Question
from actions.isolation import (
    Guard,
    GuardOutcome,
    IsolationDecision,
    IsolationMode,
    IsolationRequest,
    IsolationVerdict,
)
from actions.isolation_guards import GUARDS
from actions.isolation_policy import IsolationPolicy

_WHEN_ALL_PASS = {
    IsolationMode.OFF: IsolationVerdict.REFUSE,
    IsolationMode.SHADOW: IsolationVerdict.SHADOW,
    IsolationMode.APPROVE: IsolationVerdict.ASK,
    IsolationMode.AUTO: IsolationVerdict.ISOLATE,
}


def decide_isolation(request: IsolationRequest, policy: IsolationPolicy, now: datetime) -> IsolationDecision:
    """Evaluate every guard, and say what is to happen.

    Args:
        request: the case, the host and everything read about it.
        policy: the organisation's settings; the defaults refuse.
        now: when this is asked, with an offset.
    """
    effective = policy.effective_mode(request.site, request.caller_mode)
    question = Question(
        request=request,
        policy=policy,
        now=now,
        host=request.host,
        effective=effective,
        bar=policy.judged_as(effective),
    )
    guards = tuple(
        Guard(
            id=row.id,
            outcome=answer.outcome,
            value=answer.value,
            limit=answer.limit,
            detail=answer.detail,
        )
        for row in GUARDS
        for answer in [row.ask(question)]
    )
    obstacles = [guard.id for guard in guards if guard.outcome is not GuardOutcome.PASS]
    verdict = IsolationVerdict.REFUSE if obstacles else _WHEN_ALL_PASS[effective]
    return IsolationDecision(
        verdict=verdict,
        effective_mode=effective,
        summary=_summary(question, verdict, obstacles),
        guards=guards,
    )


def _summary(q: Question, verdict: IsolationVerdict, obstacles: list[str]) -> str:
    name = q.host.hostname if q.host else q.request.facts.notables[0].machine_label
    would = (
        f"{name} would be isolated at once"
        if q.bar is IsolationMode.AUTO
        else f"a person would be asked whether to isolate {name}"
    )
    match verdict:
        case IsolationVerdict.ISOLATE:
            return f"{name} is to be isolated: all {len(GUARDS)} guards pass, and the mode is auto."
        case IsolationVerdict.ASK:
            return f"A person is to be asked whether to isolate {name}: all {len(GUARDS)} guards pass."
        case IsolationVerdict.SHADOW:
            return f"In mode {q.bar.value}, {would}; mode shadow only records it."
        case IsolationVerdict.REFUSE if obstacles == ["mode"]:
            return f"{name} would not be isolated: isolation is off. In mode {q.bar.value}, {would}."
        case IsolationVerdict.REFUSE:
            count, listed = f"{len(obstacles)} of {len(GUARDS)}", ", ".join(obstacles)
            return f"{name} would not be isolated: {count} guards stand in the way ({listed})."
