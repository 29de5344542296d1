"""The rules of the ledger, over facts alone: what is refused, what follows what. Pure.

Windows reach from a moment in the past onwards without an end: after the clock was set back, what is dated in
the future still counts, so that a wrong clock closes caps and never opens them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.facts.ledger import (
    NEXT_STATES,
    Approval,
    ApprovalState,
    Breaker,
    CapLimits,
    Intent,
    IntentKind,
    IntentState,
    Lease,
    Order,
    Standing,
)
from connectors.state.ledger import Refused, Why

#: How far a question or an answer may lie in the future: as far as clocks are set back in the normal course.
CLOCK_STEP = timedelta(minutes=5)

#: Seconds of ten years. A lease without a review in sight is none.
_LONGEST_LEASE_S = 10 * 366 * 86_400.0

#: An intent that ended so came to nothing.
_FRUITLESS = frozenset({IntentState.FAILED, IntentState.EXPIRED, IntentState.UNKNOWN})

#: States that cannot be where the vendor was not called.
_AFTER_A_CALL = frozenset({IntentState.ACCEPTED, IntentState.PENDING, IntentState.VERIFIED})

TOOK_ITS_PLACE = "a release took its place"


def refusal(
    order: Order,
    caps: CapLimits,
    standing: Standing,
    approval: Approval | None,
    *,
    now: datetime,
    quiet_s: float,
) -> Refused | None:
    """The first rule that stands in the way of an order; None where none does.

    Args:
        standing: of the order's host, run and site.
        approval: the one that the order names; None where there is none of this id.
        quiet_s: seconds for which a host is left to people after a release or a fruitless isolation.
    """
    if order.kind is IntentKind.RELEASE:
        return _release_refusal(order, standing)
    return (
        _switches(standing)
        or _host_taken(standing)
        or (None if order.by_person else _left_to_people(standing, now=now, quiet_s=quiet_s))
        or _caps(order, caps, standing)
        or (_approval(order, approval, now=now) if order.approval_id else None)
    )


def takes_place_of(order: Order, active: Intent | None) -> Intent | None:
    """The isolation of unknown outcome that a release by a person supersedes; None where there is none."""
    if active is None or order.kind is not IntentKind.RELEASE or not order.by_person:
        return None
    of_unknown = active.order.kind is IntentKind.ISOLATE and active.state is IntentState.UNKNOWN
    return active if of_unknown else None


def moved(
    intent: Intent,
    state: IntentState,
    *,
    now: datetime,
    detail: str,
    action_id: str = "",
    accepted_at: datetime | None = None,
) -> Intent:
    """An intent in its next state.

    Raises:
        ValueError: this state cannot follow, such as a proof of what was never called for.
    """
    if state not in NEXT_STATES[intent.state]:
        raise ValueError(f"{state.value} cannot follow {intent.state.value}")
    if state in _AFTER_A_CALL and intent.called_at is None:
        raise ValueError(f"{state.value} cannot be where the vendor was not called")
    return changed(
        intent,
        state=state,
        changed_at=now,
        detail=detail,
        action_id=action_id or intent.action_id,
        accepted_at=accepted_at or intent.accepted_at,
        superseded_by="",
    )


def after_its_release(isolation: Intent, release: Intent, *, now: datetime) -> Intent | None:
    """A superseded isolation once its release has changed; None where that one is still under way.

    It ends only by the proof that the host is released. Where the release came to nothing, its own outcome
    is as unknown as before, and it closes the host again.
    """
    if release.active:
        return None
    if release.state is not IntentState.VERIFIED:
        return changed(isolation, superseded_by="")
    ended = moved(isolation, IntentState.FAILED, now=now, detail=TOOK_ITS_PLACE)
    return ended.model_copy(update={"superseded_by": release.intent_id})


def changed(intent: Intent, **fields: object) -> Intent:
    """An intent with other fields, one version on."""
    return Intent.model_validate({**dict(intent), **fields, "version": intent.version + 1})


def lease_of(intent: Intent, *, began_at: datetime, lease_s: float | None) -> Lease:
    """The lease that a verified isolation begins.

    Raises:
        ValueError: there are no seconds above 0 for it.
    """
    if lease_s is None or not 0 < lease_s <= _LONGEST_LEASE_S:
        raise ValueError(f"a verified isolation needs lease_s above 0 and up to {_LONGEST_LEASE_S:g}")
    order = intent.order
    return Lease(
        intent_id=intent.intent_id,
        connector=order.connector,
        host_id=order.host_id,
        hostname=order.hostname,
        site=order.site,
        case_id=order.case_id,
        run_id=order.run_id,
        owner=order.by,
        reason=order.reason,
        began_at=began_at,
        review_by=began_at + timedelta(seconds=lease_s),
    )


def extended(lease: Lease, *, review_by: datetime) -> Lease:
    """A lease with a later review.

    Raises:
        ValueError: it is not later, or has no time zone.
    """
    if review_by.tzinfo is None or review_by <= lease.review_by:
        raise ValueError(f"the review has to be later than {lease.review_by:%Y-%m-%d %H:%M} UTC")
    return Lease.model_validate({**dict(lease), "review_by": review_by})


def answered(approval: Approval, *, approve: bool, by: str, why: str, now: datetime) -> Approval:
    """A question with the answer that counts."""
    state = ApprovalState.APPROVED if approve else ApprovalState.DECLINED
    fields = {"state": state, "answered_at": now, "answered_by": by, "why": why}
    return Approval.model_validate({**dict(approval), **fields})


def breaker_after(breaker: Breaker, before: Intent, after: Intent) -> Breaker:
    """The breaker once an intent has changed. One that was unknown has been counted already."""
    if after.order.kind is not IntentKind.ISOLATE or after.state is before.state:
        return breaker
    if after.state is IntentState.VERIFIED:
        return breaker._replace(failures=0)
    if after.state in _FRUITLESS and before.state not in _FRUITLESS and after.called_at is not None:
        failures = breaker.failures + 1
        return breaker._replace(failures=failures, open=breaker.open or failures >= breaker.most)
    return breaker


def is_due(approval: Approval, now: datetime) -> bool:
    """Whether no answer is taken any more. A question from the future is due: its age cannot be told."""
    if approval.state is not ApprovalState.ASKED:
        return False
    return now >= approval.expires_at or now < approval.asked_at - CLOCK_STEP


def is_usable(approval: Approval, now: datetime) -> bool:
    """Whether an intent may rest on it: approved, not used, and answered less than expires_in_s ago."""
    if approval.state is not ApprovalState.APPROVED or approval.used_by or approval.answered_at is None:
        return False
    until = approval.answered_at + timedelta(seconds=approval.question.expires_in_s)
    return approval.answered_at - CLOCK_STEP <= now < until


def _switches(standing: Standing) -> Refused | None:
    if standing.kill_switch:
        return kill_switch_refusal(standing.kill_switch_by, standing.kill_switch_why)
    if standing.breaker_open:
        return Refused(
            Why.BREAKER,
            "too many isolations in a row came to nothing: a person has to look and close the breaker",
        )
    return None


def kill_switch_refusal(by: str, why: str) -> Refused:
    """That all isolation is stopped."""
    return Refused(
        Why.KILL_SWITCH, f"all isolation is stopped by {by or 'somebody'}: {why or 'no reason given'}"
    )


def _host_taken(standing: Standing) -> Refused | None:
    intent, lease = standing.intent, standing.lease
    if intent is not None:
        return Refused(
            Why.ACTIVE_INTENT,
            f"{intent.order.kind.value} {intent.intent_id} of this host is {intent.state.value}",
            intent=intent,
        )
    if lease is not None:
        return Refused(
            Why.ACTIVE_LEASE,
            f"this host is isolated by us: {lease.owner}, review by {lease.review_by:%Y-%m-%d %H:%M} UTC",
        )
    return None


def _left_to_people(standing: Standing, *, now: datetime, quiet_s: float) -> Refused | None:
    since = now - timedelta(seconds=quiet_s)
    fruitless, released = standing.last_fruitless_at, standing.last_release_at
    if fruitless is not None and fruitless > since:
        return Refused(
            Why.FRUITLESS,
            f"an isolation of this host came to nothing at {fruitless:%Y-%m-%d %H:%M} UTC: only a person"
            " orders it again",
        )
    if released is not None and released > since:
        return Refused(
            Why.RELEASED_RECENTLY,
            f"{standing.last_release_by or 'somebody'} released this host at {released:%Y-%m-%d %H:%M} UTC:"
            " only a person isolates it again",
        )
    return None


def _caps(order: Order, caps: CapLimits, standing: Standing) -> Refused | None:
    counted = [
        (Why.CAP_PER_RUN, "in this run", standing.in_run, caps.per_run),
        (Why.CAP_PER_HOUR, "in the last 60 minutes", standing.in_hour, caps.per_hour),
        (Why.CAP_PER_DAY, "in the last 24 hours", standing.in_day, caps.per_day),
    ]
    if caps.per_site_per_day is not None:
        where = f"at {order.site}" if order.site else "at no known site"
        counted.append(
            (
                Why.CAP_PER_SITE,
                f"{where} in the last 24 hours",
                standing.at_site_in_day,
                caps.per_site_per_day,
            )
        )
    for why, where, count, cap in counted:
        if cap is None:
            return Refused(why, f"there is no limit to the isolations {where}, so none is allowed")
        if count >= cap:
            return Refused(why, f"{count} isolations {where}, and {cap} are allowed")
    return None


def _approval(order: Order, approval: Approval | None, *, now: datetime) -> Refused | None:
    if approval is None:
        return Refused(Why.APPROVAL, f"there is no approval {order.approval_id}")
    problem = ""
    if approval.question.host != order.host:
        problem = "is of another host"
    elif approval.question.case_id != order.case_id:
        problem = "is of another case"
    elif approval.state is not ApprovalState.APPROVED:
        problem = f"is {approval.state.value}, not approved"
    elif approval.used_by:
        problem = f"was used by {approval.used_by}"
    elif not is_usable(approval, now):
        problem = "was given too long ago; ask again"
    return Refused(Why.APPROVAL, f"approval {approval.approval_id} {problem}") if problem else None


def _release_refusal(order: Order, standing: Standing) -> Refused | None:
    if standing.intent is not None and takes_place_of(order, standing.intent) is None:
        return _host_taken(standing)
    # What a release takes the place of is an isolation of ours, whatever came of it.
    if standing.lease is None and standing.intent is None and not order.foreign:
        return Refused(
            Why.NOT_OURS, "no isolation of ours stands on this host; name it to release it all the same"
        )
    return None
