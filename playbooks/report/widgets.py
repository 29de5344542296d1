"""What each SOAR widget shows: typed facts in, the context of its template out.

The SDK renders the templates; with nothing to show they say so in a sentence. A widget shows a few cases;
the report of each has everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from actions.case_facts import CaseFacts
from actions.containment_question import ContainmentQuestion, containment_question
from actions.ip_facts import IpCheck
from actions.reputation_facts import DestinationReputation
from actions.risk import CaseVerdict
from playbooks.case import CaseReport
from playbooks.case_findings import CaseFindings
from playbooks.case_steps import AssessedCase
from playbooks.lineage_status import LineageStatus, status_of, status_words
from playbooks.report import wording
from playbooks.report.case_sections import CaseSections, TreeSection, sections_of, tree_section
from playbooks.report.content import VERDICT_TONE, DestinationBlock, Row, UnknownRow
from playbooks.report.destination_words import destination_blocks, reputation_block
from playbooks.report.evidence_table import (
    FindingRow,
    coverage_rows,
    finding_rows,
    lineage_unknowns,
    unknown_rows,
)
from playbooks.report.ip_words import ip_row
from playbooks.report.source_queries import Query, queries
from playbooks.report.story import another_machine, chain, story, subject_of
from playbooks.report.timeline import Timeline, timeline_of
from playbooks.report.tree import NO_TREE, tree_day
from playbooks.report.waterfall import Waterfall, waterfall

#: Addresses, cases, and changes of one case in one widget.
ADDRESSES_SHOWN, CASES_SHOWN, CHANGES_SHOWN = 100, 10, 30
_CANDIDATES_SHOWN = 10

_QUESTION = {
    ContainmentQuestion.NONE: "Nobody is asked to contain the host.",
    ContainmentQuestion.BY_HAND: "A person is asked to contain the host by hand; the playbook will not.",
    ContainmentQuestion.ISOLATE: "A person is asked to approve that the playbook isolates the host.",
}


class ChangedCase(NamedTuple):
    """One case looked at again. A case that was not looked at, such as a closed one, has no process or host.

    Attributes:
        container_id: the container it belongs to; None when a row of an older version does not say.
        process, host: "" when the look gave no report.
        changes: one sentence each.
        stop: why it is not looked at again; "" while it goes on.
        changed: True when something is to be written; also on the first look.
    """

    case_id: str
    container_id: int | None
    process: str
    host: str
    verdict: CaseVerdict
    score: float
    changes: tuple[str, ...]
    stop: str
    changed: bool


class WrittenTarget(NamedTuple):
    """What became of one notable, or of the risk of one case, in the SIEM.

    Attributes:
        case_id, event_id: "" where there is none.
        risk: True for the risk.
        outcome: in words.
        failed: whether it failed.
        done: whether it stands in the SIEM now.
        written, left: names of fields.
        detail: one sentence.
    """

    case_id: str
    event_id: str
    risk: bool
    outcome: str
    failed: bool
    done: bool
    written: tuple[str, ...]
    left: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class LineageCase:
    """Host, process and lineage of one case. All text is safe to show.

    Attributes:
        hosts, processes: those that fit, where more than one does.
    """

    subject: str
    found: str
    tone: str
    chain: tuple[str, ...]
    hosts: tuple[str, ...]
    processes: tuple[str, ...]
    tree: TreeSection | None
    no_tree: str
    timeline: Timeline
    coverage: tuple[Row, ...]
    unknowns: tuple[UnknownRow, ...]
    sources: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class RiskCase:
    """Score and verdict of one case. All text is safe to show."""

    subject: str
    warning: str
    verdict: str
    verdict_reason: str
    tone: str
    score: str
    base: str
    story: str
    chain: tuple[str, ...]
    waterfall: Waterfall
    findings: tuple[FindingRow, ...]
    destinations: tuple[DestinationBlock, ...]
    unknowns: tuple[UnknownRow, ...]


@dataclass(frozen=True, slots=True)
class DecidedCase:
    """The sections of a case, and what a person is asked."""

    sections: CaseSections
    question: str


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """One case looked at again. All text is safe to show."""

    subject: str
    container_id: str
    verdict: str
    tone: str
    score: str
    state: str
    changes: tuple[str, ...]
    more: int
    stop: str


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """What became of one notable or risk. All text is safe to show."""

    subject: str
    case_id: str
    outcome: str
    tone: str
    written: str
    left: str
    detail: str


def check_ip_widget(checks: Sequence[IpCheck]) -> dict[str, object]:
    """For widget_check_ip.html."""
    return {
        "checks": [ip_row(each) for each in checks[:ADDRESSES_SHOWN]],
        "left_out": max(0, len(checks) - ADDRESSES_SHOWN),
    }


def lookup_widget(found: Sequence[DestinationReputation]) -> dict[str, object]:
    """For widget_lookup_ip.html."""
    return {
        "lookups": [reputation_block(each) for each in found[:ADDRESSES_SHOWN]],
        "left_out": max(0, len(found) - ADDRESSES_SHOWN),
    }


def lineage_widget(found: Sequence[CaseFindings]) -> dict[str, object]:
    """For widget_process_lineage.html."""
    return _cases([_lineage_case(each) for each in found[:CASES_SHOWN]], len(found))


def risk_widget(cases: Sequence[AssessedCase]) -> dict[str, object]:
    """For widget_risk.html."""
    return _cases([_risk_case(each) for each in cases[:CASES_SHOWN]], len(cases))


def decision_widget(reports: Sequence[CaseReport]) -> dict[str, object]:
    """For widget_decision.html."""
    return _cases([_decided(each) for each in reports[:CASES_SHOWN]], len(reports))


def case_widget(reports: Sequence[CaseReport]) -> dict[str, object]:
    """For widget_case.html."""
    return _cases([_decided(each) for each in reports[:CASES_SHOWN]], len(reports))


def changes_widget(cases: Sequence[ChangedCase]) -> dict[str, object]:
    """For widget_changes.html."""
    return _cases([_changed_row(each) for each in cases[:ADDRESSES_SHOWN]], len(cases))


def write_back_widget(targets: Sequence[WrittenTarget]) -> dict[str, object]:
    """For widget_write_back.html."""
    return {
        "targets": [_written_row(each) for each in targets[:ADDRESSES_SHOWN]],
        "left_out": max(0, len(targets) - ADDRESSES_SHOWN),
    }


def _written_row(target: WrittenTarget) -> WrittenRow:
    tone = "bad" if target.failed else "good" if target.done else "unknown"
    return WrittenRow(
        subject="Risk of the host"
        if target.risk
        else wording.name(target.event_id, unknown="Notables of the case"),
        case_id=wording.name(target.case_id, unknown=""),
        outcome=wording.name(target.outcome),
        tone=tone,
        written=", ".join(wording.name(each) for each in target.written),
        left=", ".join(wording.name(each) for each in target.left),
        detail=wording.sentence(target.detail) if target.detail else "",
    )


def _cases(shown: Sequence[object], total: int) -> dict[str, object]:
    return {"cases": shown, "left_out": total - len(shown)}


def _lineage_case(found: CaseFindings) -> LineageCase:
    lineage = found.lineage
    return LineageCase(
        subject=subject_of(found),
        found=status_words(found).capitalize(),
        tone="plain" if status_of(found) is LineageStatus.FOUND else "unknown",
        chain=chain(lineage),
        hosts=tuple(wording.name(each) for each in found.host_candidates[:_CANDIDATES_SHOWN]),
        processes=tuple(wording.name(each) for each in found.process_candidates[:_CANDIDATES_SHOWN]),
        tree=tree_section(lineage),
        no_tree=NO_TREE,
        timeline=timeline_of(lineage, found.evidence),
        coverage=coverage_rows(found.evidence),
        unknowns=unknown_rows(lineage_unknowns(found.problems, lineage, found.evidence)),
        sources=queries(lineage),
    )


def _risk_case(case: AssessedCase) -> RiskCase:
    facts, risk = case.facts, case.risk
    return RiskCase(
        subject=subject_of(facts),
        warning=another_machine(facts),
        verdict=wording.CASE_VERDICT[risk.case_verdict].capitalize(),
        verdict_reason=wording.sentence(risk.verdict_reason),
        tone=VERDICT_TONE[risk.case_verdict].value,
        score=f"{risk.score:g}",
        base=f"{risk.base_score:g}",
        story=story(facts),
        chain=chain(facts.lineage),
        waterfall=waterfall(risk, facts.profile),
        findings=finding_rows(risk.indicators, _day(facts)),
        destinations=destination_blocks(facts),
        unknowns=unknown_rows(risk.unknowns),
    )


def _day(facts: CaseFacts) -> date | None:
    return tree_day(facts.lineage) if facts.lineage else None


def _decided(report: CaseReport) -> DecidedCase:
    return DecidedCase(sections_of(report), _QUESTION[containment_question(report.decision)])


def _changed_row(case: ChangedCase) -> ChangedRow:
    state = "changed" if case.changes else "first look" if case.changed else "unchanged"
    if not case.host:
        state = "not looked at"
    named = f"{wording.name(case.process)} on {wording.name(case.host)}"
    return ChangedRow(
        subject=named if case.host else wording.name(case.case_id),
        container_id="unknown" if case.container_id is None else str(case.container_id),
        verdict=wording.CASE_VERDICT[case.verdict],
        tone=VERDICT_TONE[case.verdict].value,
        score=f"{case.score:g}",
        state=state,
        changes=tuple(wording.sentence(each) for each in case.changes[:CHANGES_SHOWN]),
        more=max(0, len(case.changes) - CHANGES_SHOWN),
        stop=wording.sentence(case.stop) if case.stop else "",
    )
