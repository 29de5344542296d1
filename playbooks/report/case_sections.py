"""A case as the HTML templates show it: the words of `view` and the drawings, one field a section."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.facts.process import Lineage
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.content import Row, View
from playbooks.report.evidence_table import FindingRow, coverage_rows, finding_rows
from playbooks.report.process_nodes import ProcessTree, process_tree
from playbooks.report.source_queries import Query, queries
from playbooks.report.story import chain, story
from playbooks.report.svg_tree import Picture, Size, picture
from playbooks.report.timeline import Timeline, timeline
from playbooks.report.tree import no_tree, tree_day
from playbooks.report.view import view_of
from playbooks.report.waterfall import Waterfall, waterfall


@dataclass(frozen=True, slots=True)
class TreeSection:
    """The process tree: the list of its nodes, and a drawing of it for each size."""

    tree: ProcessTree
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class CaseSections:
    """Everything the templates show of a case. All text is safe to show; the templates escape HTML.

    Attributes:
        tone: how the verdict is to be taken; names a style.
        score, base: as numbers in words.
        chain: names of processes down to the one that raised the notable.
        tree: None when the process was not found; `no_tree` then says so.
        sources: what was read or asked.
        steps: how each step went.
    """

    case_id: str
    technique: str
    generated: str
    view: View
    subject: str
    warning: str
    verdict: str
    verdict_reason: str
    tone: str
    score: str
    base: str
    story: str
    chain: tuple[str, ...]
    glance: tuple[Row, ...]
    tree: TreeSection | None
    no_tree: str
    waterfall: Waterfall
    timeline: Timeline
    findings: tuple[FindingRow, ...]
    coverage: tuple[Row, ...]
    sources: tuple[Query, ...]


def sections_of(report: CaseReport) -> CaseSections:
    """The sections of one case."""
    facts, risk = report.facts, report.risk
    view = view_of(report)
    profile = facts.profile
    technique = ", ".join(wording.name(each) for each in profile.techniques[-1:])
    return CaseSections(
        case_id=wording.name(report.case_id),
        technique=f"{wording.name(profile.title)}{f', {technique}' if technique else ''}",
        generated=wording.moment(report.generated_at),
        view=view,
        subject=view.subject,
        warning=view.warning,
        verdict=view.verdict.capitalize(),
        verdict_reason=wording.sentence(risk.verdict_reason),
        tone=view.verdict_tone.value,
        score=f"{risk.score:g}",
        base=f"{risk.base_score:g}",
        story=story(facts),
        chain=chain(facts.lineage),
        glance=tuple(row for row in view.glance if not row.elsewhere),
        tree=tree_section(facts.lineage),
        no_tree=no_tree(facts.not_looked_up),
        waterfall=waterfall(risk, profile),
        timeline=timeline(facts),
        findings=finding_rows(risk.indicators, tree_day(facts.lineage) if facts.lineage else None),
        coverage=coverage_rows(facts.evidence),
        sources=queries(facts.lineage),
    )


def tree_section(lineage: Lineage | None) -> TreeSection | None:
    """The drawings of a lineage; None without one."""
    if lineage is None:
        return None
    tree = process_tree(lineage)
    return TreeSection(tree, tuple(picture(tree, size) for size in Size))
