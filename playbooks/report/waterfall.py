"""The score as steps: where it stands after each contribution, so that the steps add up to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from actions.profile import Profile
from actions.risk import Contribution, RiskAssessment, score_of
from playbooks.report import wording

#: Width of a bar's picture, its own units.
BAR_WIDTH = 1000
_LIMIT = "limit"
#: Contributions shown; an assessment has at most one per indicator.
_BARS_SHOWN = 60


class Kind(StrEnum):
    """How a bar is drawn; the words beside it say the same."""

    BASE = "base"
    UP = "up"
    DOWN = "down"
    LIMIT = "limit"
    NONE = "none"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Bar:
    """One step.

    Attributes:
        delta: what it does to the score; all deltas add up to the score.
        after: the score after it, before any limit.
        impact, confidence: its points, "" for none.
        x, width: of the bar, 0 to BAR_WIDTH.
    """

    kind: Kind
    name: str
    text: str
    reason: str
    impact: str
    confidence: str
    delta: float
    after: float
    x: int = 0
    width: int = 0

    @property
    def change(self) -> str:
        """The delta in words: a sign, except for the base."""
        if self.kind in (Kind.BASE, Kind.TOTAL):
            return f"{self.delta:g}"
        return f"{self.delta:+g}" if self.delta else "0"


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All steps, the total last, and where zero and a hundred stand."""

    bars: tuple[Bar, ...]
    total: Bar
    zero: int
    hundred: int
    left_out: int


def waterfall(risk: RiskAssessment, profile: Profile) -> Waterfall:
    """Each contribution's effect on the score, in the order of the assessment."""
    parts = list(risk.contributions) or [Contribution(name="score", reason="It was not itemised.")]
    sentences = {each.id: each.sentence for each in risk.indicators}
    first = parts[0]
    impact = 0 if first.impact_points else profile.impact
    confidence = 0 if first.confidence_points else profile.confidence
    bars: list[Bar] = []
    before = 0.0
    for number, part in enumerate(parts):
        impact += part.impact_points
        confidence += part.confidence_points
        after = score_of(impact, confidence)
        bars.append(_bar(part, sentences.get(part.name, ""), before, after, first=number == 0))
        before = after
    shown, left_out = bars[:_BARS_SHOWN], len(bars) - len(bars[:_BARS_SHOWN])
    rest = risk.score - (shown[-1].after if shown else 0.0)
    if round(rest, 6):
        text = "What the score holds beyond the contributions shown."
        shown.append(Bar(Kind.LIMIT, "not itemised", "", text, "", "", rest, risk.score))
    total = Bar(Kind.TOTAL, "score", "", "", "", "", risk.score, risk.score)
    return _drawn(shown, total, left_out)


def _bar(part: Contribution, sentence: str, before: float, after: float, *, first: bool) -> Bar:
    delta = after - before
    if first:
        kind = Kind.BASE
    elif part.name == _LIMIT:
        kind = Kind.LIMIT
    else:
        kind = Kind.UP if delta > 0 else Kind.DOWN if delta < 0 else Kind.NONE
    return Bar(
        kind=kind,
        name=wording.name(part.name).replace("_", " "),
        text=wording.sentence(sentence) if sentence else "",
        reason=wording.sentence(part.reason),
        impact=_points(part.impact_points, plain=first),
        confidence=_points(part.confidence_points, plain=first),
        delta=delta,
        after=after,
    )


def _points(points: int, *, plain: bool) -> str:
    if points == 0:
        return ""
    return str(points) if plain else f"{points:+d}"


def _drawn(bars: list[Bar], total: Bar, left_out: int) -> Waterfall:
    """The bars with their places, on one scale that holds every step and 0 to 100."""
    low = min(0.0, *(each.after for each in bars))
    high = max(100.0, *(each.after for each in bars))

    def place(score: float) -> int:
        return round((score - low) / (high - low) * BAR_WIDTH)

    def drawn(bar: Bar, before: float) -> Bar:
        start, end = sorted((place(before), place(bar.after)))
        return Bar(
            bar.kind, bar.name, bar.text, bar.reason, bar.impact, bar.confidence, bar.delta, bar.after,
            x=start, width=end - start,
        )  # fmt: skip

    befores = [0.0, *(each.after for each in bars)]
    placed = tuple(drawn(bar, before) for bar, before in zip(bars, befores, strict=False))
    return Waterfall(placed, drawn(total, 0.0), place(0.0), place(100.0), left_out)
