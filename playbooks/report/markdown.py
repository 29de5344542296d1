"""The report for a ticket, in GitHub Flavored Markdown: the same content as on the terminal.

Text of a log is never markup here, and nothing of it becomes a link: display.markdown escapes it, addresses
and names of the case are defanged in prose, and stand raw in code blocks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from playbooks.case import CaseReport
from playbooks.report import display
from playbooks.report.content import DECIDED_BEFORE, GuardRow, Item, Row, SourceRow, View
from playbooks.report.display import fenced
from playbooks.report.iocs import Ioc, defanging
from playbooks.report.tree import layout, no_tree, tree_day
from playbooks.report.view import MESSAGE_LIMIT, view_of

#: Text of the log, made harmless for one line of Markdown.
Prose = Callable[[str], str]


def render(report: CaseReport) -> str:
    """One case as Markdown, with a newline at the end."""
    view = view_of(report)
    prose = _prose(report)
    blocks = [
        f"# {prose(view.verdict.capitalize())}: {prose(view.subject)}",
        f"**{prose(view.score)}**",
        *([f"**{prose(view.warning)}**"] if view.warning else []),
        _table(("Field", "Value"), _cells(view.glance, prose)),
        "## Risk message",
        f"> {prose(view.message)}",
        *_tree(report, prose),
        *_score(view, prose),
        *_destinations(view, prose),
        *_unknowns(view, prose),
        *_decision(view, prose),
        "## What to do next",
        "\n".join(f"{number}. {prose(step)}" for number, step in enumerate(view.next_steps, start=1))
        or "No step is proposed.",
    ]
    if view.problems:
        blocks += ["## What could not be read or done", _list(view.problems, prose)]
    blocks += _observables(view.iocs, prose)
    return "\n\n".join(blocks) + "\n"


def _prose(report: CaseReport) -> Prose:
    """Escapes text, and defangs the case's own addresses and names wherever they stand in it."""
    defanged = defanging(report.facts)
    return lambda text: _markdown(defanged(text))


def _markdown(text: str) -> str:
    return display.markdown(text, limit=2 * MESSAGE_LIMIT)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table; the header is ours, the cells are escaped already."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(rows: Iterable[Row], prose: Prose) -> list[tuple[str, ...]]:
    return [(row.label, prose(row.text)) for row in rows]


def _list(items: Iterable[Item], prose: Prose) -> str:
    lines = []
    for item in items:
        lines.append(f"- {prose(item.text)}")
        lines += [f"  - {prose(detail)}" for detail in item.details]
    return "\n".join(lines)


def _tree(report: CaseReport, prose: Prose) -> list[str]:
    lineage = report.facts.lineage
    if lineage is None:
        return ["## Process tree", prose(no_tree(report.facts.not_looked_up))]
    day = tree_day(lineage)
    lines = [f"{line.lead}{line.plain}" for line in layout(lineage, unicode=True)]
    dated = [f"{day} UTC. The process that raised the notable is marked »."] if day else []
    return ["## Process tree", *dated, fenced(lines)]


def _score(view: View, prose: Prose) -> list[str]:
    rows = [
        (
            row.impact,
            row.confidence,
            prose(f"{row.name}: {row.text} {row.reason}" if row.text else f"{row.name}: {row.reason}"),
            "; ".join(prose(each) for each in row.evidence),
        )
        for row in view.score_rows
    ]
    blocks = [
        "## Why the score",
        _table(("Impact", "Confidence", "Finding", "Evidence"), rows),
        f"Total: {prose(view.score_total)}",
    ]
    if view.unweighted:
        blocks += ["Found as well, worth no points:", _list(view.unweighted, prose)]
    if view.not_seen:
        blocks.append(prose(view.not_seen.capitalize()))
    return blocks


def _destinations(view: View, prose: Prose) -> list[str]:
    blocks = ["## Destinations"]
    if not view.destinations:
        blocks.append("No address is known.")
    for block in view.destinations:
        fields = (*block.rows, *block.coverage)
        blocks += [f"### {prose(block.title)}", _table(("Field", "Value"), _cells(fields, prose))]
        if block.sources:
            blocks.append(_table(_SOURCE_HEADER, [_source(each, prose) for each in block.sources]))
    if view.destination_notes:
        blocks.append("\n".join(f"- {row.label}: {prose(row.text)}" for row in view.destination_notes))
    return blocks


_SOURCE_HEADER = (
    "Source",
    "Says",
    "Last seen",
    "Asked",
    "About",
    "Author",
    "Counts as",
    "In its words",
    "Page",
)


def _source(row: SourceRow, prose: Prose) -> tuple[str, ...]:
    texts = (
        row.source,
        row.said,
        row.seen.removeprefix("last seen "),
        row.asked.removeprefix("asked "),
        row.about,
    )
    return tuple(prose(each) for each in (*texts, row.author, row.weight, row.detail, row.page))


def _unknowns(view: View, prose: Prose) -> list[str]:
    if not view.unknowns:
        return ["## What is not known", "Nothing of what was looked for."]
    rows = [(prose(each.what), prose(each.why), prose(each.remedy)) for each in view.unknowns]
    blocks = ["## What is not known", _table(("What", "Why", "How to know it"), rows)]
    if view.unknowns_left_out:
        blocks.append(f"And {view.unknowns_left_out} more in the JSON report.")
    return [*blocks, "None of it changed the score."]


def _decision(view: View, prose: Prose) -> list[str]:
    rows = [_guard(each, prose) for each in (*view.obstacles, *view.passed)]
    return [
        "## Isolation",
        *_done(view, prose),
        f"**{view.would}** (mode {view.mode}): {prose(view.decision)}",
        _table(("Outcome", "Guard", "Found", "Asked for", "Why"), rows),
    ]


def _done(view: View, prose: Prose) -> list[str]:
    if view.done is None:
        return []
    rows = _cells(view.done.rows, prose)
    headline = f"**Done: {prose(view.done.headline)}**"
    table = [_table(("Field", "Value"), rows)] if rows else []
    return [headline, *table, f"{DECIDED_BEFORE.capitalize()}:"]


def _guard(guard: GuardRow, prose: Prose) -> tuple[str, ...]:
    return guard.outcome, prose(guard.name), prose(guard.value), prose(guard.limit), prose(guard.detail)


def _observables(found: Sequence[Ioc], prose: Prose) -> list[str]:
    blocks = ["## Observables", "To search for elsewhere; being listed is no verdict."]
    if not found:
        return [*blocks, "None."]
    network = [each for each in found if each.defanged != each.raw]
    if network:
        rows = [(each.kind.value, prose(each.defanged), prose(each.note)) for each in network]
        blocks.append(_table(("Kind", "Defanged", "Note"), rows))
    notes = [f"  ({each.note})" if each.note and each not in network else "" for each in found]
    raw = (f"{each.kind.value:<8}{each.raw}{note}" for each, note in zip(found, notes, strict=True))
    return [*blocks, "Raw, for copying:", fenced(raw)]
