"""Guards about modes, switches, the connector, and what was done before."""

from __future__ import annotations

from datetime import timedelta

from actions.guards.question import Answer, Question, judge_age, passed, refused, spell, unknown
from actions.isolation import GuardOutcome, IsolationMode
from connectors.facts.isolation import IsolationState
from connectors.ports import Capability

#: Verifying tells an isolation from an accepted request; releasing is the way back that a lease promises.
NEEDED_CAPABILITIES = (Capability.ISOLATE, Capability.VERIFY, Capability.RELEASE)


def mode(q: Question) -> Answer:
    """The effective mode is not off. It is the lowest of global, site and caller."""
    at_site = q.policy.site_mode(q.request.site)
    parts = [f"global {q.policy.mode.value}"]
    parts += [] if at_site is None else [f"site {q.request.site or 'unknown'} {at_site.value}"]
    parts += [f"caller {q.request.caller_mode.value}"]
    value, limit = f"{q.effective.value} ({', '.join(parts)})", "shadow, approve or auto"
    if q.effective is IsolationMode.OFF:
        return refused(value, limit, "Isolation is switched off.")
    return passed(value, limit, f"The effective mode is {q.effective.value}.")


def kill_switch(q: Question) -> Answer:
    """Nobody has stopped all isolation."""
    limit = "not set"
    if q.policy.kill_switch:
        return refused("set in the policy", limit, "The policy has stopped all isolation.")
    state = q.request.ledger.kill_switch if q.request.ledger else None
    if state is None:
        return unknown(limit, f"Whether the kill switch is set is not known. {_no_ledger(q)}")
    if state:
        return refused("set", limit, "Someone has stopped all isolation.")
    return passed("not set", limit, "The kill switch is not set.")


def breaker(q: Question) -> Answer:
    """The circuit breaker is closed."""
    state = q.request.ledger.breaker_open if q.request.ledger else None
    if state is None:
        return unknown("closed", f"The state of the circuit breaker is not known. {_no_ledger(q)}")
    if state:
        return refused("open", "closed", "Too many isolations have failed; the circuit breaker is open.")
    return passed("closed", "closed", "The circuit breaker is closed.")


def connector_capable(q: Question) -> Answer:
    """The connector can isolate, verify that it did, and release again."""
    limit = ", ".join(capability.value for capability in NEEDED_CAPABILITIES)
    name = q.request.connector or "no connector"
    missing = [c.value for c in NEEDED_CAPABILITIES if c not in q.request.capabilities]
    value = ", ".join(sorted(c.value for c in q.request.capabilities)) or "nothing"
    if not q.request.connector:
        return refused("no connector", limit, "No connector is set up that could isolate.")
    if missing:
        return refused(value, limit, f"{name} cannot {' or '.join(missing)}.")
    return passed(value, limit, f"{name} can isolate, verify and release.")


def not_isolated(q: Question) -> Answer:
    """The host is known not to be isolated now."""
    limit = IsolationState.NOT_ISOLATED.value
    status = q.request.isolation
    if status is None:
        return unknown(limit, "The isolation state of the host was not read.")
    value = f"{status.state.value} ({status.how_known.value})"
    age = judge_age(
        "The isolation state was read",
        status.as_of,
        q.now,
        timedelta(minutes=q.policy.freshness.agent_minutes),
    )
    if age.outcome is not GuardOutcome.PASS:
        return unknown(limit, age.detail, value=value)
    match status.state:
        case IsolationState.ISOLATED:
            return refused(value, limit, "The host is already isolated: there is nothing to do.")
        case IsolationState.ISOLATING | IsolationState.RELEASING:
            return refused(value, limit, f"The host is {status.state.value} just now; wait for the outcome.")
        case IsolationState.NOT_ISOLATED if status.proved:
            return passed(value, limit, "The host is not isolated.")
        case _:
            return unknown(limit, "Whether the host is isolated is not certain.", value=value)


def not_released_recently(q: Question) -> Answer:
    """No release and no isolation that came to nothing a short while ago; then only a person isolates it."""
    quiet = timedelta(hours=q.policy.freshness.quiet_hours)
    limit = f"not within {q.policy.freshness.quiet_hours} h"
    ledger, status = q.request.ledger, q.request.isolation
    if ledger is None:
        return unknown(limit, f"When the host was last released is not known. {_no_ledger(q)}")
    tried = ledger.last_fruitless_at
    if q.bar is IsolationMode.AUTO and tried is not None and q.now - tried < quiet:
        value = f"tried {spell(max(q.now - tried, timedelta(0)))} ago"
        return refused(
            value, limit, "An isolation of the host came to nothing: only a person may order it again."
        )
    released = ledger.last_release_at
    # A release in the EDR's own console shows only in the state.
    if status and status.state is IsolationState.NOT_ISOLATED and status.changed_at is not None:
        released = max(released or status.changed_at, status.changed_at)
    if released is None:
        return passed("never", limit, "No release of this host is known.")
    age = max(q.now - released, timedelta(0))
    by = f" by {ledger.last_release_by}" if ledger.last_release_by else ""
    value = f"{spell(age)} ago"
    if age < quiet:
        return refused(
            value, limit, f"The host was released{by} {value}: only a person may isolate it again."
        )
    return passed(value, limit, f"The host was last released {value}.")


def no_active_lease(q: Question) -> Answer:
    """No isolation of this host stands or is under way."""
    limit = "none"
    ledger = q.request.ledger
    if ledger is None or ledger.active_lease is None or ledger.active_intent is None:
        return unknown(limit, f"Whether an isolation of this host stands is not known. {_no_ledger(q)}")
    standing = ledger.active_intent or ledger.active_lease
    if standing:
        return refused(standing, limit, f"An isolation of this host stands or is under way: {standing}.")
    return passed("none", limit, "No isolation of this host stands or is under way.")


def cap_per_run(q: Question) -> Answer:
    """Room for one more in this run."""
    count = q.request.ledger.in_run if q.request.ledger else None
    return _cap(q, "in this run", count, q.policy.caps.per_run)


def cap_per_hour(q: Question) -> Answer:
    """Room for one more in this hour."""
    count = q.request.ledger.in_hour if q.request.ledger else None
    return _cap(q, "in the last hour", count, q.policy.caps.per_hour)


def cap_per_day(q: Question) -> Answer:
    """Room for one more in this day."""
    count = q.request.ledger.in_day if q.request.ledger else None
    return _cap(q, "in the last 24 hours", count, q.policy.caps.per_day)


def cap_per_site(q: Question) -> Answer:
    """Room for one more at this site; without sites the day's cap is enough."""
    cap = q.policy.caps.per_site_per_day
    if cap is None and not q.policy.sites:
        return passed("no sites", "not used", "The policy lists no sites; the cap per day counts.")
    count = q.request.ledger.at_site_in_day if q.request.ledger else None
    return _cap(q, f"at {q.request.site or 'this site'} in the last 24 hours", count, cap)


def _no_ledger(q: Question) -> str:
    return "The ledger was not read." if q.request.ledger is None else "The ledger does not say."


def _cap(q: Question, span: str, count: int | None, cap: int | None) -> Answer:
    if cap is None:
        return refused("not set", "a cap", f"The policy sets no cap on isolations {span}.")
    limit = f"at most {cap}"
    if count is None:
        return unknown(limit, f"How many hosts were isolated {span} is not known. {_no_ledger(q)}")
    if count >= cap:
        return refused(str(count), limit, f"{count} isolated {span}: the cap is reached.")
    return passed(str(count), limit, f"{count} isolated {span}.")
