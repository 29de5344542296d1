"""What would change a verdict, and the names in its sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from actions.reputation_facts import DestinationVerdict, LookupCoverage, Vote, VoteWeight
from actions.reputation_policy import ReputationPolicy
from actions.reputation_votes import Age, age_of, lineage_of
from actions.reputation_wording import STATUS_WORDS, VERDICT_WORDS, day, seen_words, title_of
from connectors.facts.destination_role import DestinationRole, RoleEffect
from connectors.facts.reputation import Leaning, SourceAnswer, SourceInfo, SourceStatus

#: Sources that a sentence names; the others are counted.
MAX_NAMES = 6

_BAD = frozenset({Leaning.MALICIOUS, Leaning.SUSPICIOUS})
_SPEAKING = frozenset({SourceStatus.OK, SourceStatus.STALE})


class Basis(NamedTuple):
    """What a verdict rests on.

    Attributes:
        answers: all of them, failures too.
        votes: the weightiest first.
        now: the time of the verdict.
        withheld: why sources were not asked; "" when all were.
        own_range: the organisation's range that holds the address; "" if none.
    """

    answers: tuple[SourceAnswer, ...]
    votes: tuple[Vote, ...]
    coverage: LookupCoverage
    roles: tuple[DestinationRole, ...]
    infos: Mapping[str, SourceInfo]
    policy: ReputationPolicy
    now: datetime
    withheld: str = ""
    own_range: str = ""

    def weighing(self, weight: VoteWeight) -> tuple[Vote, ...]:
        """The votes of one weight."""
        return tuple(vote for vote in self.votes if vote.weight is weight)

    def role_with(self, effect: RoleEffect) -> DestinationRole | None:
        """The first role with an effect."""
        return next((role for role in self.roles if role.effect is effect), None)

    @property
    def sinkhole(self) -> str:
        """What names the address a sinkhole; "" if nothing does."""
        role = self.role_with(RoleEffect.PROBABLE_INFECTION)
        return role.source if role else ""

    @property
    def outdated(self) -> tuple[Vote, ...]:
        """Bad reports that are too old to weigh anything."""
        return tuple(
            vote
            for vote in self.votes
            if vote.weight is VoteWeight.NONE and vote.leaning is not Leaning.HARMLESS
        )

    def names(self, votes: Iterable[Vote]) -> str:
        """The sources of some votes, as people know them."""
        return _listed(dict.fromkeys(title_of(vote.source, self.infos) for vote in votes))

    def reports(self, votes: Iterable[Vote], *, tell_old: bool = True) -> str:
        """Every source that speaks ill in some votes, folded ones too, each with its own date.

        Args:
            votes: some of them.
            tell_old: False where the sentence says already that all are too old.
        """
        return _listed(
            dict.fromkeys(
                self._report(answer, tell_old=tell_old)
                for vote in votes
                for source in (vote.source, *vote.also)
                for answer in self._bad_answers(source, vote.lineage)
            )
        )

    def _bad_answers(self, source: str, lineage: str) -> tuple[SourceAnswer, ...]:
        """What a source said with an author's word: the latest that is bad, or nothing."""
        bad = [
            each
            for each in self.answers
            if each.source == source
            and lineage_of(each) == lineage
            and each.status in _SPEAKING
            and each.leaning in _BAD
        ]
        return tuple(sorted(bad, key=lambda each: each.last_seen.timestamp() if each.last_seen else 0.0)[-1:])

    def _report(self, answer: SourceAnswer, *, tell_old: bool) -> str:
        parts = [seen_words(answer, self.now) or "date unknown"]
        age = age_of(answer.last_seen, decay_days=self.policy.decay_days, now=self.now)
        if tell_old and age is Age.OLD:
            parts.append("too old")
        if answer.status is SourceStatus.STALE:
            parts.append("an expired answer")
        return f"{title_of(answer.source, self.infos)} ({', '.join(parts)})"

    @property
    def failures(self) -> str:
        """The sources that were asked and failed, each with why."""
        return _listed(
            f"{title_of(failure.source, self.infos)} ({STATUS_WORDS[failure.status]})"
            for failure in self.coverage.failed
        )


def would_change(verdict: DestinationVerdict, basis: Basis) -> tuple[str, ...]:
    """What would change a verdict, one sentence each; none where sources were withheld.

    Who is not configured is no sentence here: it is the same for every address.
    """
    if basis.withheld:
        return ()
    return (*_by_evidence(verdict, basis), *_by_coverage(verdict, basis))


def _by_evidence(verdict: DestinationVerdict, basis: Basis) -> Iterator[str]:
    match verdict:
        case DestinationVerdict.MALICIOUS:
            yield _ends(basis)
        case DestinationVerdict.SUSPICIOUS_SHARED:
            yield "The host name that was asked for, or what the process did, tells whose traffic this is."
        case DestinationVerdict.SUSPICIOUS if basis.weighing(VoteWeight.CORROBORATES):
            (first, *_) = basis.weighing(VoteWeight.CORROBORATES)
            yield (
                f"Fresh evidence about outbound traffic by an author other than {first.lineage} makes it"
                f" {VERDICT_WORDS[DestinationVerdict.MALICIOUS]}."
            )
        case DestinationVerdict.SUSPICIOUS | DestinationVerdict.NO_FINDING | DestinationVerdict.UNDETERMINED:
            yield (
                "Fresh evidence about outbound traffic, of one grade-A source or of two independent authors,"
                f" makes it {VERDICT_WORDS[_worst(basis)]}."
            )
        case DestinationVerdict.KNOWN_GOOD_SERVICE:
            yield "A single bad report takes the verdict away."


def _worst(basis: Basis) -> DestinationVerdict:
    """The verdict that reports can bring about."""
    if basis.role_with(RoleEffect.CAPS_AT_SHARED) is not None:
        return DestinationVerdict.SUSPICIOUS_SHARED
    return DestinationVerdict.MALICIOUS


def _ends(basis: Basis) -> str:
    """When the evidence has run out: with the last vote that convicts, or the last but one of the others."""
    decay = timedelta(days=basis.policy.decay_days)
    seen = {
        weight: sorted(vote.last_seen for vote in basis.weighing(weight) if vote.last_seen is not None)
        for weight in (VoteWeight.CONVICTS, VoteWeight.CORROBORATES)
    }
    ends = (*seen[VoteWeight.CONVICTS][-1:], *seen[VoteWeight.CORROBORATES][-2:-1])
    return f"Without a new sighting the evidence is no longer fresh after {day(max(ends) + decay)}."


def _by_coverage(verdict: DestinationVerdict, basis: Basis) -> Iterator[str]:
    if verdict is DestinationVerdict.MALICIOUS:
        return
    for failure in basis.coverage.failed:
        title = title_of(failure.source, basis.infos)
        yield f"An answer of {title}, which failed now ({STATUS_WORDS[failure.status]})."


def _listed(texts: Iterable[str]) -> str:
    """The first ones, and how many more there are."""
    every = list(texts)
    more = f" and {len(every) - MAX_NAMES} more" if len(every) > MAX_NAMES else ""
    return ", ".join(every[:MAX_NAMES]) + more
