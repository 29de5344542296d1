"""What differs between two look-ups of one address, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from actions.reputation_facts import DestinationReputation, LookupCoverage, Vote, VoteWeight
from actions.reputation_wording import STATUS_WORDS, VERDICT_WORDS, WEIGHT_WORDS, day, title_of
from connectors.facts.reputation import Leaning, SourceStatus

_BAD = frozenset({Leaning.MALICIOUS, Leaning.SUSPICIOUS})
_SPEAKING = frozenset({SourceStatus.OK, SourceStatus.STALE})


def explain(before: DestinationReputation, after: DestinationReputation) -> tuple[str, ...]:
    """What has changed and by what, the verdict first; empty when nothing of weight has.

    A vote that is gone because its source failed is told as that, and not as a report taken back.
    """
    return (
        *_verdict(before, after),
        *_override(before, after),
        *_votes(before, after),
        *_coverage(before, after),
    )


def remembered(found: DestinationReputation) -> DestinationReputation:
    """What has to be kept of a look-up for `explain`, and as `before` of the next: votes and bad reports."""
    return DestinationReputation(
        ip=found.ip,
        verdict=found.verdict,
        reason="",
        votes=tuple(vote.model_copy(update={"reason": ""}) for vote in found.votes),
        coverage=LookupCoverage(
            answered=found.coverage.answered,
            failed=tuple(each.model_copy(update={"detail": ""}) for each in found.coverage.failed),
        ),
        override=found.override,
        decided_at=found.decided_at,
        answers=tuple(
            each.model_copy(update={"detail": "", "evidence_url": "", "took_ms": None})
            for each in found.answers
            if each.leaning in _BAD and each.status in _SPEAKING
        ),
    )


def _verdict(before: DestinationReputation, after: DestinationReputation) -> Iterator[str]:
    if before.verdict is not after.verdict:
        was, now = VERDICT_WORDS[before.verdict], VERDICT_WORDS[after.verdict]
        yield f"The verdict was {was} and is {now}: {after.reason}"


def _override(before: DestinationReputation, after: DestinationReputation) -> Iterator[str]:
    if before.override == after.override:
        return
    if before.override:
        yield f"No longer applied: override {before.override}."
    if after.override:
        yield f"Now applied: override {after.override}."


def _votes(before: DestinationReputation, after: DestinationReputation) -> Iterator[str]:
    old = {_author(vote): vote for vote in before.votes}
    new = {_author(vote): vote for vote in after.votes}
    failed = {failure.source for failure in after.coverage.failed}
    for author in sorted(old.keys() | new.keys()):
        was, now = old.get(author), new.get(author)
        if was is None and now is not None:
            yield f"New: {_called(now)} says {now.leaning}; {now.reason}."
        elif was is not None and now is None:
            why = "its source did not answer" if was.source in failed else "it is no longer reported"
            yield f"Gone: {_called(was)} said {was.leaning}; {why}."
        elif was is not None and now is not None:
            yield from _vote(was, now)


def _vote(was: Vote, now: Vote) -> Iterator[str]:
    if was.leaning is not now.leaning:
        yield f"{_called(now)} said {was.leaning} and says {now.leaning}; {now.reason}."
    elif was.weight is not now.weight:
        weights = f"{WEIGHT_WORDS[was.weight]}, now {WEIGHT_WORDS[now.weight]}"
        yield f"{_called(now)} weighs otherwise ({weights}); {now.reason}."
    elif _seen_again(was, now) and now.weight is not VoteWeight.NONE and now.last_seen is not None:
        yield f"{_called(now)} has seen it again, on {day(now.last_seen)}."


def _seen_again(was: Vote, now: Vote) -> bool:
    return now.last_seen is not None and (was.last_seen is None or day(now.last_seen) > day(was.last_seen))


def _author(vote: Vote) -> tuple[str, str]:
    return (vote.lineage, "") if vote.lineage else ("", vote.source)


def _called(vote: Vote) -> str:
    title = title_of(vote.source)
    return f"{vote.lineage} (by {title})" if vote.lineage else title


def _coverage(before: DestinationReputation, after: DestinationReputation) -> Iterator[str]:
    failed_before = {failure.source for failure in before.coverage.failed}
    for failure in after.coverage.failed:
        if failure.source not in failed_before:
            yield f"{title_of(failure.source)} did not answer this time ({STATUS_WORDS[failure.status]})."
    for name in after.coverage.answered:
        if name not in before.coverage.answered:
            yield f"{title_of(name)} has answered this time, and had not before."
