"""What assess_risk answers: the score, itemised, the verdict, and what is unknown."""

from __future__ import annotations

from enum import StrEnum

from pydantic import field_validator

from actions.case_facts import DestinationVerdict, Unknown
from connectors.facts.base import Fact, Instant, SourceRef


class RiskPolicy(Fact):
    """What an organisation may set about the assessment.

    Attributes:
        security_agents: full paths of security products that open every process for writing, compared
            without regard to case. A folder `*` stands for exactly one folder, for paths that hold a version.
    """

    security_agents: tuple[str, ...] = ()

    @field_validator("security_agents")
    @classmethod
    def _full_paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            folders = path.split("\\")
            if len(folders) < 3 or len(folders[0]) != 2 or not folders[0].endswith(":"):
                raise ValueError(
                    f"security_agents: {path!r} is not a full path such as C:\\Folder\\agent.exe"
                )
            if any("*" in part and part != "*" for part in folders) or folders[-1] == "*":
                raise ValueError(
                    f"security_agents: in {path!r} a * may only stand for one whole folder, not for a part of"
                    " a name and not for the file"
                )
            if len(folders) == 3 and "*" in folders:
                raise ValueError(f"security_agents: {path!r} would trust a file in any folder of the drive")
        return paths


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
    """One item of the score. All items together add up to the impact and the confidence.

    Attributes:
        name: what it is: "ESCU base", an indicator's id, or "limit" for what goes past 0 or 100.
        impact_points: added to impact, percent points.
        confidence_points: added to confidence, percent points.
        reason: why this weight.
    """

    name: str
    impact_points: int = 0
    confidence_points: int = 0
    reason: str


def score_of(impact: int, confidence: int) -> float:
    """ESCU's arithmetic: impact x confidence / 100, both in percent."""
    return impact * confidence / 100


class RiskAssessment(Fact):
    """Score and verdicts of a case.

    Attributes:
        message: the ESCU message, word for word, then one sentence per strong finding.
        base_score: what the analytic has already put on its risk objects: what the notables say of
            themselves, else what their generation of the analytic gives, else the profile.
        impact, confidence: percent, after all contributions; impact never above 100.
        score: impact x confidence / 100.
        evidence_score: the same over the profile's own base in place of base_score: what policies ask for, so
            that the same evidence decides alike whatever a generation of the analytic starts from.
        contributions: first the ESCU base, then one per weighted indicator, in the table's order, and last
            the limit where the items exceed 100.
        indicators: all found, strong first, then in the table's order.
        destination_verdict: the worst of the case's destinations.
        case_verdict, verdict_reason: by the table in actions/verdict_table.py.
        unknowns: what was not known; none of it changed the score.
    """

    message: str
    base_score: float
    impact: int
    confidence: int
    score: float
    evidence_score: float | None = None
    contributions: tuple[Contribution, ...]
    indicators: tuple[Indicator, ...]
    destination_verdict: DestinationVerdict
    case_verdict: CaseVerdict
    verdict_reason: str
    unknowns: tuple[Unknown, ...]

    @property
    def decisive_score(self) -> float:
        """What a policy's threshold is over: evidence_score; in a case kept by an earlier version, score."""
        return self.score if self.evidence_score is None else self.evidence_score
