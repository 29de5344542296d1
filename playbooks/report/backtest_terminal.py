"""A backtest on a terminal: what would have been isolated, what stopped the rest, and what was assumed.

All text reaches the screen through page.Page, which lets nothing of a log be obeyed.
"""

from __future__ import annotations

from rich.table import Table

from playbooks.report.backtest_words import CONDITIONAL, BacktestView, CaseLine
from playbooks.report.content import Tone
from playbooks.report.page import Page
from playbooks.report.wording import count

#: Cases listed one by one; the page lists more, the JSON all.
CASES_SHOWN = 100

_INDENT = "  "
_STYLES = {
    Tone.PLAIN: "",
    Tone.BAD: "bold red",
    Tone.WARN: "yellow",
    Tone.GOOD: "green",
    Tone.UNKNOWN: "magenta",
    Tone.QUIET: "dim",
}


def render(view: BacktestView, *, width: int, color: bool, unicode: bool) -> str:
    """The backtest as text, with a newline at the end.

    Args:
        width, color, unicode: as terminal.render.
    """
    page = Page(width=width, color=color, unicode=unicode)
    page.section("Backtest", f"{view.total}{f', decided {view.span}' if view.span else ''}")
    for policy in view.policies:
        page.hang(_INDENT, f"{policy.name} ({policy.mode}): {policy.sentence}")
        if policy.hint:
            page.hang(_INDENT * 2, policy.hint)
    page.hang(_INDENT, CONDITIONAL, "dim")
    if not view.cases:
        page.hang(_INDENT, view.no_case)
    else:
        _guards(page, view)
        _cases(page, view)
    if view.differences is not None:
        _differences(page, view)
    page.section("Assumed", "the guards in brackets may rest on it")
    for each in view.assumptions:
        page.hang(f"{_INDENT}- ", each)
    for each in view.notes:
        page.hang(f"{_INDENT}- ", each)
    return page.text().lstrip("\n")


def _guards(page: Page, view: BacktestView) -> None:
    page.section("What stopped them", "cases; in brackets those it alone stopped")
    if not view.guards:
        page.hang(_INDENT, "no guard stopped anything")
        return
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(overflow="fold")
    for _ in view.policies:
        table.add_column(justify="right", overflow="fold")
    if len(view.policies) > 1:
        table.add_row(
            page.styled(f"{_INDENT}guard", "bold"),
            *(page.styled(each.name, "bold") for each in view.policies),
        )
    for guard in view.guards:
        numbers = zip(guard.cases, guard.alone, strict=True)
        table.add_row(
            page.styled(f"{_INDENT}{guard.name}"),
            *(page.styled(f"{cases} ({alone})") for cases, alone in numbers),
        )
    page.add(table)


def _cases(page: Page, view: BacktestView) -> None:
    page.section("Cases", f"by {view.policies[0].name}; --json and --out have every guard")
    for case in view.cases[:CASES_SHOWN]:
        _case(page, case)
    if len(view.cases) > CASES_SHOWN:
        page.hang(_INDENT, f"and {count(len(view.cases) - CASES_SHOWN, 'more case')}, with --json or --out")


def _case(page: Page, case: CaseLine) -> None:
    page.hang(
        f"{_INDENT}{case.outcome:<14}",
        f"{case.process} on {case.host} with {case.peers}",
        lead_style=_STYLES[case.tone],
    )
    hang = _INDENT + " " * 14
    site = f", site {case.site}" if case.site else ""
    page.hang(hang, f"{case.moment}, score {case.score}, {case.verdict}{site}, {case.case_id}", "dim")
    if case.stopped_by:
        page.hang(f"{hang}stopped by ", case.stopped_by)


def _differences(page: Page, view: BacktestView) -> None:
    found = view.differences or ()
    here, there = (each.name for each in view.policies[:2])
    page.section("Differences", f"{here} against {there}")
    if not found:
        page.hang(_INDENT, "none: both decide every case alike")
    for each in found[:CASES_SHOWN]:
        page.hang(_INDENT, f"{each.subject}, {each.case_id}: {each.here} by {here}, {each.there} by {there}")
        page.hang(f"{_INDENT * 2}because of ", each.why)
    if len(found) > CASES_SHOWN:
        page.hang(_INDENT, f"and {count(len(found) - CASES_SHOWN, 'more case')}, with --json")
