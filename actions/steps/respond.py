"""Steps that stop the damage: secure, contain, clean up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from actions.case_users import users_of
from actions.containment import ContainmentOutcome, ContainmentResult
from actions.guard_words import why_not
from actions.host_addresses import known_as
from actions.indicators.case_view import inbound_only
from actions.indicators.places import PARENT_PLACES, place_of
from actions.isolation import IsolationVerdict
from actions.risk import CaseVerdict
from actions.steps.case import StepCase, cut, is_shared
from connectors.facts.ledger import ApprovalState
from connectors.facts.notable import Notable
from connectors.facts.process import SignatureState

#: Findings that mean: the code may be in memory alone.
_IN_MEMORY = frozenset({"tampering", "remote_thread", "no_arguments", "write_access"})


_STANDS = frozenset(
    {
        ContainmentOutcome.ISOLATED,
        ContainmentOutcome.OURS_STANDS,
        ContainmentOutcome.ALREADY_ISOLATED,
    }
)


def another_machine(case: StepCase) -> Iterator[str]:
    """Which machine it was, before the one that was resolved is touched."""
    host = case.facts.host
    if host is None or not case.foreign:
        return
    first = case.foreign[0]
    ips = ", ".join(sorted({each.ip for each in case.foreign}))
    yield (
        f"Find out which machine had {cut(ips)} at the time of the notable, before {case.host} is touched:"
        f" {known_as(host, first)}."
    )


def volatile(case: StepCase) -> Iterator[str]:
    """What is lost when the host is isolated, restarted or left alone."""
    target = case.view.target
    if not case.is_bad or target is None or target.end_time is not None:
        return
    if case.found & _IN_MEMORY:
        get = f"Get the memory of {case.process} on {case.host}"
        if case.foreign:
            get += ", once it is clear that the notable is about it,"
        before = "restarting" if _is_isolated(case) else "isolating or restarting"
        yield f"{get} before {before}: the code that connected may be nowhere on disk."


def containment(case: StepCase) -> Iterator[str]:
    """Isolation: what is asked of a person, what became of an order, or what the playbook will not do."""
    if case.contained is not None and case.contained.result is not None:
        yield from _after(case.contained.result, case.host)
        return
    if case.contained is not None and case.contained.answer is ApprovalState.DECLINED:
        return
    match case.decision.verdict:
        case IsolationVerdict.ASK:
            yield f"Approve or decline the isolation of {case.host}; an expired request does nothing."
        case IsolationVerdict.ISOLATE:
            yield f"Check that {case.host} is verified as isolated; an accepted request is not an isolation."
        case IsolationVerdict.SHADOW | IsolationVerdict.REFUSE if (
            case.risk.case_verdict is CaseVerdict.MALICIOUS and "connection_inbound" not in case.found
        ):
            clear = " once it is clear that the notable is about it" if case.foreign else ""
            ids = [guard.id for guard in case.decision.obstacles]
            yield f"Contain {case.host} by hand{clear}; the playbook will not: {why_not(ids)}."
        case _:
            return


def _is_isolated(case: StepCase) -> bool:
    result = case.contained.result if case.contained is not None else None
    return result is not None and result.outcome in _STANDS


def _after(result: ContainmentResult, host: str) -> Iterator[str]:
    """What an order leaves to a person."""
    match result.outcome:
        case ContainmentOutcome.ISOLATED | ContainmentOutcome.OURS_STANDS:
            until = f" before {result.lease.review_by:%Y-%m-%d %H:%M} UTC" if result.lease else ""
            yield f"Look at {host}, which is isolated,{until} and release it once it is clean."
        case ContainmentOutcome.ALREADY_ISOLATED:
            yield f"Ask who has isolated {host}: it was not this playbook."
        case ContainmentOutcome.UNKNOWN:
            yield (
                f"Look in the EDR's console whether {host} is isolated: it cannot be told from here, and it"
                " is not ordered again before."
            )
        case ContainmentOutcome.PENDING:
            yield f"Wait for the isolation of {host}, which another run is at."
        case ContainmentOutcome.RELEASED | ContainmentOutcome.NOT_ISOLATED:
            return
        case _:
            yield f"Contain {host} by hand, if it is still to be: no isolation of ours has taken effect."


def look_up(case: StepCase) -> Iterator[str]:
    """The look-up itself, where no source has answered."""
    facts = case.facts
    if facts.not_looked_up and facts.lineage is None:
        yield (
            f"Give the Sysmon log of {cut(case.host)} or repeat the look-up: {cut(case.process)} was not"
            f" looked up ({cut(facts.not_looked_up)})."
        )


def candidates(case: StepCase) -> Iterator[str]:
    """Which machine it is."""
    others = sorted({other for n in case.facts.notables for other in n.other_dests})
    if others:
        yield f"Find out which host it was: the notable names {case.notable.dest}, {', '.join(others)}."
    elif case.facts.host is None and not case.facts.not_looked_up:
        yield _which_machine(case.notable)


def _which_machine(notable: Notable) -> str:
    if notable.dest:
        return f"Find out which machine {notable.dest} is; it was not resolved to exactly one."
    had = f"had {notable.own_ip}" if notable.own_ip else "it was"
    when = notable.last_time or notable.first_time
    at = f" at {when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when is not None else ""
    return f"Find out which machine {had}{at}: the notable does not name it."


def loader(case: StepCase) -> Iterator[str]:
    """The file that started it."""
    parent = case.view.parent
    if parent is None or not case.is_bad:
        return
    dropped = place_of(parent.ref.image, PARENT_PLACES) is not None
    unsigned = parent.signature.state in (SignatureState.UNSIGNED, SignatureState.INVALID)
    if dropped or unsigned:
        gone = " even though it has ended" if parent.end_time is not None else ""
        yield f"Secure {cut(parent.ref.image)} on {case.host}{gone}, and look for its hash on other hosts."


def image(case: StepCase) -> Iterator[str]:
    """Its own file, if that is not what its name says."""
    target = case.view.target
    wrong = {"original_name_differs", "image_not_signed", "image_path_unexpected"}
    if target is not None and case.found & wrong:
        yield f"Secure {cut(target.ref.image)} on {case.host} and look its hash up: it may be a masquerade."


def tasks(case: StepCase) -> Iterator[str]:
    """What would start it again."""
    if case.found & {"scheduled_task_beside", "scheduled_task_by_target"}:
        yield f"Read the scheduled task that was created beside {case.process} on {case.host}, and remove it."


def credentials(case: StepCase) -> Iterator[str]:
    """What a stealer has had access to."""
    if case.risk.case_verdict is not CaseVerdict.MALICIOUS:
        return
    users = sorted(set(users_of(case.facts).all))
    if users:
        yield (
            f"Treat the passwords and sessions of {cut(', '.join(users))} on {case.host} as stolen until"
            " shown otherwise: stealers commonly hide in this process."
        )


def fleet(case: StepCase) -> Iterator[str]:
    """Who else called there."""
    if not case.is_bad:
        return
    external = sorted(
        d.ip
        for d in case.facts.destinations
        if d.check.external and not is_shared(d) and not inbound_only(case.view.directions, d)
    )
    if external:
        yield f"Look for other hosts that called {', '.join(external)}."


def benign(case: StepCase) -> Iterator[str]:
    """Before closing as benign."""
    if case.risk.case_verdict is CaseVerdict.LIKELY_BENIGN:
        yield (
            f"Confirm the installation on {case.host} with whoever made it before closing; nothing closes by"
            " itself."
        )
