"""From answers to votes: one for each author, with its weight. Pure.

The rule is docs and tests alike: evidence counts by its direction (reports about who calls in say little of
a destination), by its author (platforms republish each other), by its age and by its source's grade.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from actions.reputation_facts import Vote, VoteWeight
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)

#: A sighting further ahead than this is not believed: some vendors give days without a time zone.
CLOCK_SKEW = timedelta(days=1)

#: Grades that may corroborate: D is "not usually reliable", F "cannot be judged" (Admiralty code).
CORROBORATING = frozenset({Reliability.A, Reliability.B, Reliability.C})

#: The weightiest first.
WEIGHT_ORDER = (VoteWeight.CONVICTS, VoteWeight.CORROBORATES, VoteWeight.SUSPICION, VoteWeight.NONE)

_GRADE_ORDER = (Reliability.A, Reliability.B, Reliability.C, Reliability.D, Reliability.F)

_LEANING_ORDER = (Leaning.MALICIOUS, Leaning.SUSPICIOUS, Leaning.HARMLESS)

#: An expired answer was given because its source failed, and a failure must not take evidence away.
_SPEAKING = frozenset({SourceStatus.OK, SourceStatus.STALE})


class Age(Enum):
    """How old a sighting is."""

    FRESH = "fresh"
    OLD = "old"
    UNKNOWN = "unknown"


class _Ballot(NamedTuple):
    """One answer, weighed."""

    answer: SourceAnswer
    age: Age
    weight: VoteWeight
    reason: str


def votes_of(answers: Iterable[SourceAnswer], *, decay_days: int, now: datetime) -> tuple[Vote, ...]:
    """One vote for each author, the weightiest first; the order of the answers does not matter.

    Answers of unknown authors are a vote for each source, which is never independent of the others.
    """
    by_author: dict[tuple[str, str], list[_Ballot]] = {}
    for answer in answers:
        if answer.status in _SPEAKING and answer.leaning is not Leaning.NONE:
            lineage = lineage_of(answer)
            # Unknown authors cannot be told apart, but each source shows what it said.
            author = (lineage, "") if lineage else ("", answer.source)
            by_author.setdefault(author, []).append(_weighed(answer, decay_days=decay_days, now=now))
    votes = [_vote(lineage, ballots) for (lineage, _), ballots in by_author.items()]
    return tuple(
        sorted(
            votes,
            key=lambda vote: (
                WEIGHT_ORDER.index(vote.weight),
                _GRADE_ORDER.index(vote.reliability),
                vote.source,
                vote.lineage,
            ),
        )
    )


def lineage_of(answer: SourceAnswer) -> str:
    """The author as votes are counted by; "" when unknown."""
    return answer.lineage.strip().casefold()


def age_of(last_seen: datetime | None, *, decay_days: int, now: datetime) -> Age:
    """How old a sighting is; one of the future is unknown."""
    if last_seen is None or last_seen - now > CLOCK_SKEW:
        return Age.UNKNOWN
    return Age.FRESH if now - last_seen <= timedelta(days=decay_days) else Age.OLD


def can_report(info: SourceInfo) -> bool:
    """True for a source that can report a bad address.

    The others are lists on this machine that describe addresses: that such a list does not know one says
    nothing about reports. A source that is asked, even at the organisation's own server, reports, whatever
    way its evidence points.
    """
    return info.online or info.volatile or info.direction is not EvidenceDirection.CONTEXT


def can_report_destination(info: SourceInfo) -> bool:
    """True for a source that can report an address for being called, not only for calling in."""
    return can_report(info) and info.direction is not EvidenceDirection.INBOUND


def _vote(lineage: str, ballots: Sequence[_Ballot]) -> Vote:
    best = min(ballots, key=_ballot_order)
    answer = best.answer
    return Vote(
        lineage=lineage,
        source=answer.source,
        also=tuple(sorted({ballot.answer.source for ballot in ballots} - {answer.source})),
        leaning=answer.leaning,
        direction=answer.direction,
        reliability=answer.reliability,
        last_seen=answer.last_seen,
        fresh=best.age is Age.FRESH,
        weight=best.weight,
        reason=best.reason,
    )


def _ballot_order(ballot: _Ballot) -> tuple[int, int, int, float, str, str, str]:
    """The weightiest first; total over all that a vote shows, so that the order of answers does not show."""
    answer = ballot.answer
    return (
        WEIGHT_ORDER.index(ballot.weight),
        _LEANING_ORDER.index(answer.leaning),
        _GRADE_ORDER.index(answer.reliability),
        -(answer.last_seen.timestamp() if answer.last_seen else 0.0),
        answer.source,
        answer.direction,
        answer.status,
    )


def _weighed(answer: SourceAnswer, *, decay_days: int, now: datetime) -> _Ballot:
    age = age_of(answer.last_seen, decay_days=decay_days, now=now)
    weight, reason = _weight(answer, age)
    if answer.status is SourceStatus.STALE:
        reason = f"{reason}; an expired answer, since the source failed"
    return _Ballot(answer, age, weight, reason)


def _weight(answer: SourceAnswer, age: Age) -> tuple[VoteWeight, str]:
    """What an answer weighs, and why."""
    if answer.leaning is Leaning.HARMLESS:
        return VoteWeight.NONE, "a word in its favour clears nobody"
    if answer.leaning is Leaning.SUSPICIOUS:
        return _weight_of_suspicion(age)
    if answer.direction is EvidenceDirection.INBOUND:
        return _weight_of_inbound(age)
    if answer.direction is EvidenceDirection.CONTEXT:
        return VoteWeight.SUSPICION, "it does not say whether it is about what is called or who calls"
    return _weight_of_outbound(answer, age)


def _weight_of_suspicion(age: Age) -> tuple[VoteWeight, str]:
    if age is Age.OLD:
        return VoteWeight.NONE, "an old suspicion has run out"
    return VoteWeight.SUSPICION, "it is a suspicion only"


def _weight_of_inbound(age: Age) -> tuple[VoteWeight, str]:
    if age is Age.OLD:
        return VoteWeight.NONE, "an old report about who calls in says nothing of a destination"
    return VoteWeight.SUSPICION, "it is about who calls in, which says little of a destination"


def _weight_of_outbound(answer: SourceAnswer, age: Age) -> tuple[VoteWeight, str]:
    if age is not Age.FRESH:
        reason = "it is too old to convict" if age is Age.OLD else "it is not known how old it is"
        return VoteWeight.SUSPICION, reason
    return _weight_of_fresh_outbound(answer)


def _weight_of_fresh_outbound(answer: SourceAnswer) -> tuple[VoteWeight, str]:
    if answer.reliability is Reliability.A:
        return VoteWeight.CONVICTS, "fresh grade-A evidence about outbound traffic convicts by itself"
    if not lineage_of(answer):
        return VoteWeight.SUSPICION, "its author is unknown, so that it is independent of nobody"
    if answer.reliability not in CORROBORATING:
        return VoteWeight.SUSPICION, f"grade {answer.reliability} is not reliable enough to convict"
    return VoteWeight.CORROBORATES, "fresh evidence about outbound traffic needs a second author"
