"""What a look-up says of an address, and by which votes: types only."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact, Instant
from connectors.facts.reputation import EvidenceDirection, Leaning, Reliability, SourceAnswer, SourceStatus


class DestinationVerdict(StrEnum):
    """What is known of the peer address. NO_FINDING and UNDETERMINED are not "clean"."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    SUSPICIOUS_SHARED = "suspicious_shared"
    KNOWN_GOOD_SERVICE = "known_good_service"
    NO_FINDING = "no_finding"
    UNDETERMINED = "undetermined"


class VoteWeight(StrEnum):
    """What a vote can bring about, by itself or with others."""

    CONVICTS = "convicts"
    """Malicious by itself: fresh grade-A evidence about outbound traffic."""
    CORROBORATES = "corroborates"
    """Suspicious by itself, malicious with one more of another author."""
    SUSPICION = "suspicion"
    """Suspicious, however many there are."""
    NONE = "none"
    """Shown, and changes nothing: too old, or a word in favour, which clears nobody."""


class Vote(Fact):
    """The one vote of an author. Where several answers repeat the author, the weightiest speaks.

    Attributes:
        lineage: the author, lower case; "" when unknown, and then each source votes for itself.
        source: the source whose answer speaks.
        also: other sources that gave the same author's word, sorted.
        fresh: seen within the policy's days; False where it is not known when.
        reason: why it weighs what it does, the end of a sentence.
    """

    lineage: str
    source: str
    also: tuple[str, ...] = ()
    leaning: Leaning
    direction: EvidenceDirection
    reliability: Reliability
    last_seen: Instant | None
    fresh: bool
    weight: VoteWeight
    reason: str


class SourceFailure(Fact):
    """A source that was asked and gave no usable answer."""

    source: str
    status: SourceStatus
    detail: str = ""


class LookupCoverage(Fact):
    """Who was asked, and who answered; names of sources, sorted.

    Attributes:
        asked: all that were asked and are configured.
        answered: of those, the ones with an answer of now.
        failed: of those, the others; one with an expired answer is here, and its answer still votes.
        not_configured: lacks a key, an address, a package or a copy on disk.
        not_asked: left out, such as third parties for an address of the organisation's own.
        judging: of those that answered, the ones that can report a bad address, whether they do or not; the
            others describe addresses.
        roles_unread: sources whose roles of the address could not be read: one may know that many share it.
    """

    asked: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    failed: tuple[SourceFailure, ...] = ()
    not_configured: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    judging: tuple[str, ...] = ()
    roles_unread: tuple[str, ...] = ()


class DestinationReputation(Fact):
    """The verdict on one address, and all that it rests on.

    Attributes:
        ip: the address that sources were asked about, canonical; for an IPv4-mapped or NAT64 destination the
            IPv4 inside.
        reason: one plain sentence.
        would_change: what would change the verdict, one sentence each.
        override: the override that was applied, one sentence; "" if none.
        override_headline: what stands in place of the verdict's name, such as "allowed by the SOC (update
            mirror); by the sources: suspicious"; "" without an override.
        overrides_not_applied: those that name the address and were not, one sentence each: expired, or
            outranked by another.
        would_be: the verdict without the override; None when none was applied.
        decided_at: when.
        answers: what the verdict rests on; inside a Destination they are beside it and not here again.
    """

    ip: str
    verdict: DestinationVerdict
    reason: str
    votes: tuple[Vote, ...] = ()
    coverage: LookupCoverage = LookupCoverage()
    would_change: tuple[str, ...] = ()
    override: str = ""
    override_headline: str = ""
    overrides_not_applied: tuple[str, ...] = ()
    would_be: DestinationVerdict | None = None
    decided_at: Instant
    answers: tuple[SourceAnswer, ...] = ()
