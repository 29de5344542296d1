"""The limiter: never more calls in any window than a pace allows, and none held back without need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.vendor_pace import CAUTION, MARGIN_S, PACES, Limiter, Pace, paces_of
from tests.http_clients import Clock

_PACE = st.builds(Pace, st.integers(1, 6), st.integers(1, 40).map(float))
_STEP = st.tuples(st.integers(0, 15), st.integers(0, 3), st.integers(0, 2))


def _limiter(clock: Clock, *paces: Pace, made: tuple[float, ...] = ()) -> Limiter:
    return Limiter(paces, now=clock.monotonic, sleep=clock.sleep, made=made)


def _most_in_a_window(calls: list[float], seconds: float) -> int:
    """The most calls in any closed window of so many seconds; one that begins with a call has the most."""
    return max((sum(start <= each <= start + seconds for each in calls) for start in calls), default=0)


@given(paces=st.lists(_PACE, min_size=1, max_size=3), steps=st.lists(_STEP, max_size=40))
def test_no_window_ever_holds_more_calls_than_its_pace(
    paces: list[Pace], steps: list[tuple[int, int, int]]
) -> None:
    clock = Clock()
    limiter = _limiter(clock, *paces)
    begun: list[float] = []
    counted: list[float] = []
    for pause, calls, lasts in steps:
        clock.advance(pause)
        for _ in range(calls):
            with limiter.turn():
                begun.append(clock.monotonic())
                clock.advance(lasts)
            counted.append(clock.monotonic())
    for pace in paces:
        assert _most_in_a_window(begun, pace.seconds) <= pace.calls
    # The vendor counts a call at any moment between the two.
    for place, end in enumerate(counted):
        for pace in paces:
            if place + pace.calls < len(begun):
                assert begun[place + pace.calls] - end > pace.seconds


@given(paces=st.lists(_PACE, min_size=1, max_size=3), pauses=st.lists(st.integers(0, 15), max_size=40))
def test_no_call_is_held_back_without_need(paces: list[Pace], pauses: list[int]) -> None:
    clock = Clock()
    limiter = _limiter(clock, *paces)
    made: list[float] = []
    for pause in pauses:
        clock.advance(pause)
        waited = limiter.wait()
        now = clock.monotonic()
        if waited:
            early = now - 2 * MARGIN_S
            assert any(_most_in_a_window([*made, early], pace.seconds) > pace.calls for pace in paces)
        limiter.note()
        made.append(now)


@given(pace=_PACE, wanted=st.integers(1, 8), made=st.lists(st.integers(-60, 0), max_size=12))
def test_the_wait_for_several_calls_is_the_wait_for_the_last_of_them(
    pace: Pace, wanted: int, made: list[int]
) -> None:
    clock = Clock()
    limiter = _limiter(clock, pace, made=tuple(map(float, made)))
    clock.sleep(limiter.wait_s(wanted) + 0.001)
    for _ in range(min(wanted, pace.calls)):
        assert limiter.wait() == 0
        limiter.note()


def test_defender_has_two_windows_and_both_hold() -> None:
    clock = Clock()
    limiter = _limiter(clock, *paces_of("defender"))
    made: list[float] = []
    for _ in range(1600):
        with limiter.turn():
            made.append(clock.monotonic())
    assert made[99] == 0
    assert made[100] == pytest.approx(60 + MARGIN_S)
    assert made[1499] < 15 * 61
    assert made[1500] == pytest.approx(3600 + MARGIN_S)


def test_a_vendor_without_a_stated_limit_gets_a_caution() -> None:
    assert paces_of("elastic") == CAUTION == (Pace(100, 60),)
    assert "elastic" not in PACES


def test_a_call_that_fails_counts_too() -> None:
    clock = Clock()
    limiter = _limiter(clock, Pace(1, 10))
    with pytest.raises(RuntimeError), limiter.turn():
        raise RuntimeError
    assert limiter.wait_s() == pytest.approx(10 + MARGIN_S)


def test_calls_of_an_earlier_run_count_whatever_their_order() -> None:
    clock = Clock()
    limiter = _limiter(clock, Pace(2, 10), made=(-1.0, -9.0, -3.0))
    assert limiter.wait_s() == pytest.approx(7 + MARGIN_S)


def test_what_the_vendor_asks_to_wait_is_waited_and_never_shortened() -> None:
    clock = Clock()
    limiter = _limiter(clock, Pace(5, 10))
    limiter.hold(120)
    limiter.hold(30)
    assert limiter.wait() == pytest.approx(120)
    assert limiter.wait_s() == 0


def test_without_a_pace_nothing_waits() -> None:
    clock = Clock()
    limiter = _limiter(clock)
    for _ in range(50):
        with limiter.turn():
            pass
    assert clock.slept == []


@pytest.mark.parametrize("pace", [Pace(0, 60), Pace(1, 0), Pace(-1, 1), Pace(1, -1)])
def test_a_pace_that_allows_nothing_is_an_error(pace: Pace) -> None:
    with pytest.raises(ValueError, match="a pace needs"):
        _limiter(Clock(), pace)
