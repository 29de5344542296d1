"""A backtest as one self-contained page: no script, nothing from outside, a table beside every picture."""

from __future__ import annotations

from dataclasses import dataclass

from playbooks.backtest_facts import Outcome
from playbooks.report import html, wording
from playbooks.report.backtest_words import CONDITIONAL, BacktestView, Count, PolicyView

#: Cases in the table, and cases of which every guard is shown; the JSON has all.
CASES_LISTED = 1000
CASES_IN_FULL = 200

#: Width of a picture, its own units.
WIDTH = 1000
_GAP = 4

_TONES = {Outcome.ISOLATE: "bad", Outcome.ASK: "warn", Outcome.NOT: "quiet"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One outcome in the strip: its place, 0 to WIDTH, and its words for those who see no picture."""

    tone: str
    x: int
    width: int
    words: str
    number: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One guard: how many cases it stopped, how many of them alone, and both as widths."""

    name: str
    cases: int
    alone: int
    width: int
    alone_width: int


@dataclass(frozen=True, slots=True)
class Chart:
    """The pictures of one policy.

    Attributes:
        told: what the strip shows, in words.
    """

    policy: PolicyView
    told: str
    pieces: tuple[Piece, ...]
    bars: tuple[Bar, ...]


def render(view: BacktestView) -> str:
    """The backtest as an HTML page that needs nothing beside it."""
    total = len(view.cases)
    names = [policy.name for policy in view.policies]
    context = {
        "view": view,
        "charts": [_chart(view, place, total) for place in range(len(view.policies))],
        "names": names,
        "cases": view.cases[:CASES_LISTED],
        "left_out": max(0, total - CASES_LISTED),
        "in_full": view.cases[:CASES_IN_FULL],
        "not_in_full": max(0, total - CASES_IN_FULL),
        "differences": (view.differences or ())[:CASES_LISTED],
        "more_differences": max(0, len(view.differences or ()) - CASES_LISTED),
        "conditional": CONDITIONAL,
    }
    return html.page("backtest_page.html", context)


def _chart(view: BacktestView, place: int, total: int) -> Chart:
    policy = view.policies[place]
    bars = tuple(
        Bar(
            guard.name,
            guard.cases[place],
            guard.alone[place],
            _share(guard.cases[place], total),
            _share(guard.alone[place], total),
        )
        for guard in sorted(view.guards, key=lambda each: (-each.cases[place], -each.alone[place]))
        if guard.cases[place]
    )
    said = ", ".join(f"{each.words} {each.number}" for each in policy.counts)
    told = f"Of {wording.count(total, 'case')} by {policy.name}: {said}."
    return Chart(policy, told, _pieces(policy.counts, total), bars)


def _pieces(counts: tuple[Count, ...], total: int) -> tuple[Piece, ...]:
    """Side by side in proportion, with a gap between; every outcome is listed, none is drawn of nothing."""
    drawn: list[Piece] = []
    before = 0
    for each in counts:
        start, end = _share(before, total), _share(before + each.number, total)
        gap = _GAP if before and each.number else 0
        width = max(end - start - gap, 1) if each.number else 0
        drawn.append(Piece(_TONES[each.outcome], start + gap, width, each.words, each.number))
        before += each.number
    return tuple(drawn)


def _share(part: int, total: int) -> int:
    return round(part / total * WIDTH) if total else 0
