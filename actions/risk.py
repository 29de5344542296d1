"""What assess_risk answers: the score, itemised, the verdict, and what is unknown."""

from __future__ import annotations

from enum import StrEnum

from actions.case_facts import DestinationVerdict, Unknown
from connectors.facts.base import Fact, Instant, SourceRef


class CaseVerdict(StrEnum):
    """Verdict on the case. Nothing closes a case by itself."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    LIKELY_BENIGN = "likely_benign"
    UNDETERMINED = "undetermined"


class Strength(StrEnum):
    """Weight class of an indicator."""

    STRONG = "strong"
    MEDIUM = "medium"
    CONTEXT = "context"
    MITIGATING = "mitigating"


class IndicatorGroup(StrEnum):
    """Where an indicator comes from; two of different groups are independent of each other."""

    LINEAGE = "lineage"
    IMAGE = "image"
    INJECTION = "injection"
    BEHAVIOUR = "behaviour"
    DESTINATION = "destination"


class EvidenceItem(Fact):
    """One observation that supports an indicator.

    Attributes:
        text: what was seen, raw; escaped where it is shown.
        time: when; None if the source has no time.
        source: where it stands.
    """

    text: str
    time: Instant | None = None
    source: SourceRef | None = None


class Indicator(Fact):
    """A finding from the table of indicators, with the evidence for it.

    Attributes:
        id: stable, snake_case, from the table.
        sentence: one plain sentence; claims no more than was seen.
    """

    id: str
    strength: Strength
    group: IndicatorGroup
    sentence: str
    evidence: tuple[EvidenceItem, ...]


class Contribution(Fact):
    """One item of the score.

    Attributes:
        name: what it is: "ESCU base", an indicator's id.
        impact_points: added to impact, percent points.
        confidence_points: added to confidence, percent points (zero or negative).
        reason: why this weight.
    """

    name: str
    impact_points: int = 0
    confidence_points: int = 0
    reason: str


class RiskAssessment(Fact):
    """Score and verdicts of a case.

    Attributes:
        message: the ESCU message, word for word, then one sentence per strong finding.
        base_score: what ESCU has already put on the risk object.
        impact, confidence: percent, after all contributions; impact never above 100.
        score: impact x confidence / 100.
        contributions: first the ESCU base, then one per weighted indicator, in the table's order.
        indicators: all found, strong first.
        destination_verdict: the worst of the case's destinations.
        case_verdict, verdict_reason: by the table in actions/verdict_table.py.
        unknowns: what was not known; none of it changed the score.
    """

    message: str
    base_score: float
    impact: int
    confidence: int
    score: float
    contributions: tuple[Contribution, ...]
    indicators: tuple[Indicator, ...]
    destination_verdict: DestinationVerdict
    case_verdict: CaseVerdict
    verdict_reason: str
    unknowns: tuple[Unknown, ...]
