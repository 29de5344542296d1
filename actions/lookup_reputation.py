"""Ask all sources about all addresses of a case at once, under one deadline, and fuse what they answer.

Who is asked about what: a third party about external addresses only (public, not the organisation's own, and
with no internal address inside); a source on this machine about public addresses; nobody about any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from actions.case_facts import Destination
from actions.ip_facts import IpCheck
from actions.reputation_facts import DestinationReputation
from actions.reputation_fanout import Receive, Task, ask_all, receive_from_queue
from actions.reputation_fusion import fuse
from actions.reputation_policy import ReputationPolicy
from connectors.clock import utc_now
from connectors.facts.base import EARLIEST_INSTANT
from connectors.facts.destination_role import DestinationRole
from connectors.facts.reputation import Leaning, SourceAnswer, SourceStatus
from connectors.http.deadline import Deadline
from connectors.ports import ReputationSource

_NO_ROLES: Mapping[str, Sequence[DestinationRole]] = {}
_NOTHING_BEFORE: Mapping[str, DestinationReputation] = {}

_NONE_UNREAD: Mapping[str, Sequence[str]] = {}

_BAD = frozenset({Leaning.MALICIOUS, Leaning.SUSPICIOUS})
_ANSWERS = frozenset({SourceStatus.OK, SourceStatus.NOT_FOUND, SourceStatus.STALE})


def lookup(
    ips: Sequence[IpCheck],
    sources: Sequence[ReputationSource],
    *,
    policy: ReputationPolicy,
    roles: Mapping[str, Sequence[DestinationRole]] = _NO_ROLES,
    roles_unread: Mapping[str, Sequence[str]] = _NONE_UNREAD,
    before: Mapping[str, DestinationReputation] = _NOTHING_BEFORE,
    fresh: bool = False,
    within_s: float | None = None,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
    receive: Receive = receive_from_queue,
) -> Mapping[str, DestinationReputation]:
    """The reputation of each address, by its text as in `ips`. Never raises for a source, never waits longer.

    Args:
        ips: judged addresses; one that stands there twice is asked about once.
        sources: online and on disk; of two with one name the first is asked.
        policy: the deadline, for all addresses together, and how evidence counts.
        roles: what each address is known to serve as, by its text as in `ips`.
        roles_unread: sources whose roles of an address could not be read, by its text as in `ips`.
        before: an earlier look-up. What a source reported then still counts, marked STALE, where it fails
            now: a failure never lowers a verdict.
        fresh: True asks volatile sources past their cache.
        within_s: seconds for it, where other look-ups have taken some of the policy's; None is all.
        clock: the time of the verdict.
        monotonic: seconds, for the deadline.
        receive: waits for the next answer; another one only in tests.
    """
    seconds = policy.deadline_s if within_s is None else min(within_s, policy.deadline_s)
    deadline = Deadline.after(seconds, clock=monotonic)
    by_name: dict[str, ReputationSource] = {}
    for source in sources:
        by_name.setdefault(source.info.name, source)
    infos = {name: source.info for name, source in by_name.items()}
    checks = {check.ip: check for check in ips}
    outside: dict[str, bool] = {}
    for check in checks.values():
        if check.public:
            asked = check.asked
            outside[asked] = check.sendable and outside.get(asked, True)
    tasks = [
        Task(source, infos[name], ip)
        for name, source in by_name.items()
        for ip, may_leave in outside.items()
        if may_leave or not infos[name].online
    ]
    answers = ask_all(tasks, deadline=deadline, fresh=fresh, receive=receive)
    now = clock()
    found: dict[str, DestinationReputation] = {}
    for ip, check in checks.items():
        asked = check.asked
        given = answers.get(asked, ())
        earlier = before[ip].answers if ip in before and check.public else ()
        found[ip] = fuse(
            (*given, *still_counting(earlier, given)),
            infos,
            roles.get(ip, ()),
            ip=asked,
            policy=policy,
            now=now,
            withheld=why_withheld(check),
            own_range=own_range_of(check),
            roles_unread=roles_unread.get(ip, ()),
        )
    return found


def why_withheld(check: IpCheck) -> str:
    """Why not every source was asked, one sentence; "" when all were."""
    if check.sendable:
        return ""
    if check.external:
        return (
            f"Its interface id holds {check.confidential_ipv4} (ISATAP), an internal address:"
            " no third party was asked."
        )
    if check.public:
        return "It is the organisation's own address: no third party was asked."
    if check.external_inside and check.embedded is not None:
        return (
            f"It is not public by itself and nobody was asked; {check.embedded.ip} inside it is public: look"
            " that up."
        )
    row = check.registry_row
    registered = f" ({row.name}, {row.rfc})" if row is not None else ""
    return f"It is not public{registered}; reputation does not apply."


def own_range_of(check: IpCheck) -> str:
    """The organisation's range that holds it; "" when it is not the organisation's."""
    return (check.organisation_range or check.ip) if check.organisation_owned else ""


def still_counting(
    earlier: Iterable[SourceAnswer], given: Sequence[SourceAnswer]
) -> tuple[SourceAnswer, ...]:
    """Earlier bad reports of sources that fail now, marked STALE; a source that answers now speaks anew."""
    failed = {answer.source: answer.status for answer in given if answer.status not in _ANSWERS}
    answering = {answer.source for answer in given if answer.status in _ANSWERS}
    return tuple(
        answer.model_copy(update={"status": SourceStatus.STALE})
        for answer in earlier
        if answer.status in {SourceStatus.OK, SourceStatus.STALE}
        and answer.leaning in _BAD
        and answer.source in failed.keys() - answering
    )


def with_reputation(destination: Destination, reputation: DestinationReputation) -> Destination:
    """The destination with the verdict and all that it rests on."""
    return destination.model_copy(
        update={
            "verdict": reputation.verdict,
            "verdict_reason": reputation.reason,
            "answers": reputation.answers,
            "reputation": reputation.model_copy(update={"answers": ()}),
        }
    )


def as_one(found: Sequence[DestinationReputation]) -> DestinationReputation:
    """Several look-ups of one address as one to fuse: of each source and author its best answer.

    An answer counts before a failure, so that a failure lowers nothing; of two answers the one fetched later,
    else the worse. The order of `found` does not matter.

    Args:
        found: at least one, all of one address.
    """
    latest = max(found, key=lambda each: (each.decided_at, each.model_dump_json()))
    answers: dict[tuple[str, str], SourceAnswer] = {}
    for answer in sorted((one for each in found for one in each.answers), key=_worth):
        answers[answer.source, answer.lineage] = answer
    answered = {source for (source, _), one in answers.items() if one.status in _ANSWERS}
    kept = (one for one in answers.values() if one.status in _ANSWERS or one.source not in answered)
    return latest.model_copy(update={"answers": tuple(kept)})


def _worth(answer: SourceAnswer) -> tuple[bool, datetime, bool, str]:
    fetched = answer.retrieved_at or EARLIEST_INSTANT
    return answer.status in _ANSWERS, fetched, answer.leaning in _BAD, answer.model_dump_json()


def reputation_of(destination: Destination) -> DestinationReputation | None:
    """What `with_reputation` put in, whole again; None when the destination was not looked up."""
    if destination.reputation is None:
        return None
    return destination.reputation.model_copy(update={"answers": destination.answers})
