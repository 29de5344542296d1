"""The report on a terminal. Most important first; readable at 80 columns, without colour, and in ASCII.

All text reaches the screen through page.Page, which lets nothing of a log be obeyed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from connectors.facts.process import Lineage, ProcessEvidence
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.content import (
    DECIDED_BEFORE,
    VERDICT_TONE,
    WOULD_TONE,
    GuardRow,
    Item,
    Row,
    ScoreRow,
    Tone,
    View,
)
from playbooks.report.document import SummaryRow
from playbooks.report.evidence_words import evidence_rows
from playbooks.report.iocs import Ioc
from playbooks.report.page import Page
from playbooks.report.reputation_words import text_rows
from playbooks.report.source_queries import queries
from playbooks.report.tree import Part, TreeLine, layout, no_tree, tree_day
from playbooks.report.view import view_of

_LABEL_WIDTH = 11
#: Widest column of raw addresses and names.
_IOC_COLUMN = 40
_INDENT = "  "

_STYLES = {
    Tone.PLAIN: "",
    Tone.BAD: "bold red",
    Tone.WARN: "yellow",
    Tone.GOOD: "green",
    Tone.UNKNOWN: "magenta",
    Tone.QUIET: "dim",
}
_TREE_STYLES = {
    Part.HEAD: "bold",
    Part.DETAIL: "",
    Part.COMMAND: "cyan",
    Part.UNKNOWN: "magenta",
    Part.BAD: "bold red",
}
_LABEL_STYLE = "bold"


def render(report: CaseReport, *, width: int, color: bool, unicode: bool) -> str:
    """One case as text, with a newline at the end.

    Args:
        width: columns of the screen. Only observables to be copied are longer, never broken.
        color: with ANSI colours, else plain text.
        unicode: False writes pure ASCII; other characters of log text stand as escapes.
    """
    view = view_of(report)
    page = Page(width=width, color=color, unicode=unicode)
    _headline(page, view)
    _tree(page, report.facts.lineage, report.facts.not_looked_up)
    _score(page, view)
    _destinations(page, view)
    _unknowns(page, view)
    _decision(page, view)
    page.section("What to do next")
    for number, step in enumerate(view.next_steps, start=1):
        page.hang(f"{_INDENT}{number:>2}. ", step)
    if not view.next_steps:
        page.hang(_INDENT, "no step is proposed")
    if view.problems:
        page.section("What could not be read or done")
        for item in view.problems:
            _item(page, item)
    _iocs(page, view.iocs)
    return page.text()


def render_lineage(
    lineage: Lineage, evidence: ProcessEvidence | None, *, width: int, color: bool, unicode: bool
) -> str:
    """One process tree and what else was seen of its target, with a newline at the end."""
    page = Page(width=width, color=color, unicode=unicode)
    _tree(page, lineage)
    page.section("Evidence", wording.process_label(lineage.target))
    _rows(page, evidence_rows(evidence))
    asked = queries(lineage)
    page.section("Read", "each query whole with --json" if any(each.whole for each in asked) else "")
    for query in asked:
        page.hang(f"{_INDENT}- ", query.named)
    if (more := len(lineage.source_queries) - len(asked)) > 0:
        page.hang(f"{_INDENT}- ", f"and {more} more, with --json")
    if not asked:
        page.hang(_INDENT, "the source does not say what it read")
    return page.text().lstrip("\n")


def render_table(rows: Sequence[SummaryRow], *, width: int, color: bool, unicode: bool) -> str:
    """Many cases, with a newline at the end: one a line where they fit, else two lines each."""
    page = Page(width=width, color=color, unicode=unicode)
    header = ("Verdict", "Score", "Isolate?", "Case", "Host", "Process", "Peer")
    table = [_summary(page, row) for row in rows]
    columns = [max((line[place].cell_len for line in table), default=0) for place in range(len(header))]
    columns = [max(size, len(title)) for size, title in zip(columns, header, strict=True)]
    one_line = sum(columns) + len(_GAP) * (len(columns) - 1) <= page.width
    shown = len(header) if one_line else _FIRST_LINE
    page.unbroken(*_aligned(page, [page.styled(each, "bold") for each in header[:shown]], columns))
    for line in table:
        page.unbroken(*_aligned(page, line[:shown], columns))
        if not one_line:
            host, process, peer = line[shown:]
            page.hang(" " * (columns[0] + len(_GAP)), Text.assemble(process, " on ", host, " with ", peer))
    return page.text()


#: Columns on the first of two lines.
_FIRST_LINE = 4
_GAP = "  "


def _summary(page: Page, row: SummaryRow) -> list[Text]:
    return [
        page.styled(wording.CASE_VERDICT[row.verdict], _STYLES[VERDICT_TONE[row.verdict]]),
        page.styled(f"{row.score:>5g}"),
        page.styled(
            row.done or f"{wording.WOULD_SHORT[row.decision]} ({row.mode.value})",
            _STYLES[WOULD_TONE[row.decision]],
        ),
        page.styled(row.case_id),
        page.styled(row.host),
        page.styled(row.process),
        page.styled(row.peer),
    ]


def _aligned(page: Page, cells: Sequence[Text], columns: Sequence[int]) -> list[Text]:
    parts = []
    for cell, size in zip(cells, columns, strict=False):
        parts += [cell, page.styled(" " * (size - cell.cell_len) + _GAP)]
    return parts


# --- sections --------------------------------------------------------------------------------------


def _headline(page: Page, view: View) -> None:
    style = _STYLES[view.verdict_tone]
    banner = page.styled(f" {view.verdict.upper()} ", f"{style} reverse" if style else "reverse")
    page.hang("", Text.assemble(banner, page.styled(f" {view.score}", "bold")))
    if view.warning:
        page.hang("", view.warning, _STYLES[Tone.WARN])
    page.blank()
    _rows(page, view.glance, indent="")
    page.section("Risk message")
    page.hang(_INDENT, view.message)


def _rows(page: Page, rows: Iterable[Row], *, indent: str = _INDENT) -> None:
    for row in rows:
        page.hang(
            f"{indent}{row.label:<{_LABEL_WIDTH}}", row.text, _STYLES[row.tone], lead_style=_LABEL_STYLE
        )


def _tree(page: Page, lineage: Lineage | None, not_looked_up: str = "") -> None:
    day = tree_day(lineage) if lineage else None
    page.section("Process tree", f"{day} UTC" if day else "")
    if lineage is None:
        page.hang(_INDENT, no_tree(not_looked_up), _STYLES[Tone.UNKNOWN])
        return
    for line in layout(lineage, unicode=page.unicode):
        page.hang(_INDENT + line.lead, _tree_text(page, line), lead_style="dim", hang=_INDENT + line.hang)


def _tree_text(page: Page, line: TreeLine) -> Text:
    head = line.part is Part.HEAD
    text = page.styled(line.text, "bold red" if head and line.target else _TREE_STYLES[line.part])
    return Text.assemble(text, "  ", page.styled(line.tag, _TREE_STYLES[line.tag_part])) if line.tag else text


def _score(page: Page, view: View) -> None:
    page.section("Why the score")
    page.hang(_INDENT, "impact  confidence", "dim")
    for row in view.score_rows:
        page.hang(f"{_INDENT}{row.impact:>6}  {row.confidence:>10}  ", _finding(page, row))
        for evidence in row.evidence:
            page.hang(f"{'':22}- ", evidence, "dim")
    page.hang(f"{_INDENT}total: ", view.score_total, "bold")
    for number, item in enumerate(view.unweighted):
        if number == 0:
            page.hang(_INDENT, "found as well, worth no points:")
        _item(page, item)
    if view.not_seen:
        page.hang(_INDENT, view.not_seen)


def _finding(page: Page, row: ScoreRow) -> Text:
    text = page.styled(row.name, "bold")
    if row.text:
        text = Text.assemble(text, page.styled(f": {row.text}"))
    return Text.assemble(text, page.styled(f"{' ' if row.text else ': '}{row.reason}", "dim"))


def _destinations(page: Page, view: View) -> None:
    page.section("Destinations")
    if not view.destinations:
        page.hang(_INDENT, "no address is known", _STYLES[Tone.UNKNOWN])
    for block in view.destinations:
        page.hang(_INDENT, block.title, "bold")
        answers = (row for source in block.sources for row in text_rows(source))
        _rows(page, (*block.rows, *answers, *block.coverage), indent=_INDENT * 2)
    _rows(page, view.destination_notes)


def _unknowns(page: Page, view: View) -> None:
    page.section("What is not known", "none of it changed the score")
    for each in view.unknowns:
        text = Text.assemble(page.styled(each.what, _STYLES[Tone.UNKNOWN]), page.styled(f": {each.why}"))
        if each.remedy:
            text = Text.assemble(text, page.styled(f". To know it: {each.remedy}", "dim"))
        page.hang(f"{_INDENT}- ", text)
    if view.unknowns_left_out:
        page.hang(f"{_INDENT}- ", f"and {view.unknowns_left_out} more in the JSON report")
    if not view.unknowns:
        page.hang(_INDENT, "nothing of what was looked for")


def _item(page: Page, item: Item) -> None:
    page.hang(f"{_INDENT}- ", item.text, _STYLES[item.tone])
    for detail in item.details:
        page.hang(_INDENT * 3, detail, "dim")


def _decision(page: Page, view: View) -> None:
    page.section("Isolation")
    if view.done is not None:
        page.hang(_INDENT, view.done.headline, _STYLES[view.done.tone] or "bold")
        _rows(page, view.done.rows)
    if view.done is not None:
        page.hang(_INDENT, DECIDED_BEFORE, "dim")
    verdict = page.styled(view.would, _STYLES[view.would_tone] or "bold")
    page.hang(_INDENT, Text.assemble(verdict, page.styled(f" (mode {view.mode}): {view.decision}")))
    if view.obstacles:
        page.hang(_INDENT, "stands in the way (the Markdown and JSON reports say why):")
        page.add(_guards(page, view.obstacles))
    if view.passed:
        page.hang(_INDENT, "passes:")
        page.add(_guards(page, view.passed))


def _guards(page: Page, guards: Iterable[GuardRow]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column(overflow="fold")
    for guard in guards:
        table.add_row(
            page.styled(f"{_INDENT * 2}{guard.outcome:<7}", _STYLES[guard.tone]),
            page.styled(guard.name),
            page.styled(guard.value),
            page.styled(f"asked for: {guard.limit}", "dim"),
        )
    return table


def _iocs(page: Page, found: Sequence[Ioc]) -> None:
    page.section("Observables", "to search for elsewhere; being listed is no verdict")
    if not found:
        page.hang(_INDENT, "none")
        return
    network = [len(each.raw) for each in found if each.defanged != each.raw and len(each.raw) <= _IOC_COLUMN]
    column = max(network, default=0)
    for each in found:
        parts = [page.styled(f"{_INDENT}{each.kind.value:<8}", "bold"), page.styled(each.raw)]
        if each.defanged != each.raw:
            parts.append(page.styled(f"{'':{max(0, column - len(each.raw)) + 2}}{each.defanged}"))
        if each.note:
            parts.append(page.styled(f"  ({each.note})", "dim"))
        page.unbroken(*parts)
