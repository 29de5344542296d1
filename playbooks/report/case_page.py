"""The case as one self-contained page, and the page that lists the cases of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from playbooks.case import CaseReport
from playbooks.report import html, wording
from playbooks.report.case_sections import sections_of
from playbooks.report.content import VERDICT_TONE
from playbooks.report.document import summary_row

#: Cases in the list; a run of more is for the JSON.
CASES_LISTED = 2000

#: What a case's id does not hold. A link made of it can then lead nowhere else.
_NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


def render(report: CaseReport) -> str:
    """One case as an HTML page that needs nothing beside it."""
    return html.page("case_page.html", {"case": sections_of(report)})


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One case in the list. `file` is the name of its page, without its ending."""

    file: str
    verdict: str
    tone: str
    score: str
    process: str
    host: str
    peer: str
    decision: str
    case_id: str


def render_index(reports: Sequence[CaseReport]) -> str:
    """The cases of a run, the highest score first, each with a link to its page."""
    by_score = sorted(reports, key=lambda report: -report.risk.score)
    context = {
        "rows": [_index_row(report) for report in by_score[:CASES_LISTED]],
        "total": wording.count(len(reports), "case"),
        "left_out": max(0, len(reports) - CASES_LISTED),
        "generated": wording.moment(max((each.generated_at for each in reports), default=None)),
    }
    return html.page("index_page.html", context)


def _index_row(report: CaseReport) -> IndexRow:
    row = summary_row(report)
    return IndexRow(
        file=_NOT_OF_A_NAME.sub("", report.case_id),
        verdict=wording.CASE_VERDICT[row.verdict],
        tone=VERDICT_TONE[row.verdict].value,
        score=f"{row.score:g}",
        process=row.process,
        host=row.host,
        peer=row.peer,
        decision=row.done or f"{wording.WOULD_SHORT[row.decision]} ({row.mode.value})",
        case_id=row.case_id,
    )
