"""The waterfall: the steps add up to the score, whatever the contributions are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.risk import Contribution, RiskAssessment, score_of
from playbooks.report.waterfall import BAR_WIDTH, Kind, Waterfall, waterfall
from tests.report_cases import benign, malicious, profile, stealer_risk

points = st.integers(min_value=-150, max_value=150)


def assessment(parts: list[tuple[int, int]], impact: int, confidence: int) -> RiskAssessment:
    contributions = tuple(
        Contribution(name=f"item {number}", impact_points=one, confidence_points=other, reason="r")
        for number, (one, other) in enumerate(parts)
    )
    return stealer_risk().model_copy(
        update={
            "contributions": contributions,
            "impact": impact,
            "confidence": confidence,
            "score": score_of(impact, confidence),
        }
    )


@given(
    st.lists(st.tuples(points, points), max_size=70),
    st.integers(min_value=0, max_value=100),
    st.integers(min_value=0, max_value=100),
)
@settings(max_examples=80)
def test_the_steps_add_up_to_the_score_and_stay_in_the_picture(
    parts: list[tuple[int, int]], impact: int, confidence: int
) -> None:
    risk = assessment(parts, impact, confidence)
    fall = waterfall(risk, profile())
    assert sum(bar.delta for bar in fall.bars) == pytest.approx(risk.score)
    assert fall.total.delta == risk.score
    for bar in (*fall.bars, fall.total):
        assert 0 <= bar.x <= bar.x + bar.width <= BAR_WIDTH
    assert 0 <= fall.zero < fall.hundred <= BAR_WIDTH


def steps(fall: Waterfall) -> list[tuple[str, str, str]]:
    return [(bar.name, bar.kind.value, bar.change) for bar in fall.bars]


def test_the_stealer() -> None:
    risk = malicious().risk
    fall = waterfall(risk, profile())
    assert steps(fall) == [
        ("ESCU base", "base", "80"),
        ("tampering", "up", "+20"),
        ("document or script ancestor", "up", "+15"),
        ("parent in writable place", "up", "+10"),
        ("no arguments", "up", "+10"),
        ("limit", "limit", "-35"),
    ]
    assert fall.total.change == "100"
    assert fall.bars[1].text == "Sysmon reported that the image in memory was replaced."
    assert fall.hundred == round(100 / 135 * BAR_WIDTH)


def test_confidence_lowers_the_score_in_proportion_to_impact() -> None:
    fall = waterfall(benign().risk, profile())
    assert steps(fall) == [("ESCU base", "base", "80"), ("signed installer chain", "down", "-48")]
    assert (fall.bars[1].x, fall.bars[1].width) == (320, 480)
    assert fall.bars[1].confidence == "-60"


def test_what_is_not_itemised_is_said() -> None:
    risk = assessment([(80, 100)], 90, 100)
    fall = waterfall(risk, profile())
    assert fall.bars[-1].name == "not itemised"
    assert fall.bars[-1].delta == 10
    assert fall.bars[-1].kind is Kind.LIMIT


def test_without_any_contribution_the_profile_gives_the_base() -> None:
    risk = assessment([], 80, 100)
    assert steps(waterfall(risk, profile())) == [("score", "base", "80")]
