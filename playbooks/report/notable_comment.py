"""The comment that a case leaves on its notables: plain text, short, read in the SIEM's incident review."""

from __future__ import annotations

from collections.abc import Iterable

from actions.risk import Strength
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.prompt import not_known
from playbooks.report.safe_prose import safe_prose
from playbooks.report.story import story

#: Characters of a comment at most.
COMMENT_LIMIT = 3000

#: Characters of one listed line where the whole would be longer than COMMENT_LIMIT, so that every part of it
#: has its place whatever a log wrote into another.
SHORT_LINE = 140

_BY = "regsvcs-response"
_FINDINGS_SHOWN = 6
_STEPS_SHOWN = 4


def comment(report: CaseReport) -> str:
    """What the playbook found, as a comment: the same case and findings give the same text.

    Nothing in it is a link or live markup, and no time of the run stands in it, so that a second look that
    found the same is known by its text.
    """
    text = _text(report, None)
    if len(text) > COMMENT_LIMIT:
        text = _text(report, SHORT_LINE)
    return text if len(text) <= COMMENT_LIMIT else f"{text[: COMMENT_LIMIT - 6]} (...)"


def _text(report: CaseReport, longest: int | None) -> str:
    safe = safe_prose(report.facts)
    risk = report.risk
    verdict = wording.CASE_VERDICT[risk.case_verdict]
    strong = [safe(each.sentence) for each in risk.indicators if each.strength is Strength.STRONG]
    unknown = not_known(report)
    steps = [safe(each) for each in report.next_steps]
    lines = [
        f"{_BY}, case {report.case_id}: {verdict}, score {risk.score:g} of 100.",
        f"Why: {safe(risk.verdict_reason)}",
        safe(story(report.facts)),
        *_listed("Strong findings", strong[:_FINDINGS_SHOWN], len(strong), longest),
        *_listed("Not known", unknown, len(risk.unknowns), longest),
        *_listed("Do next", steps[:_STEPS_SHOWN], len(steps), longest),
    ]
    return "\n".join(line for line in lines if line)


def _listed(title: str, shown: Iterable[str], total: int, longest: int | None) -> list[str]:
    every = [_cut(each, longest) for each in shown]
    more = [f"- and {total - len(every)} more, in the report"] if total > len(every) else []
    return [f"{title}:", *(f"- {each}" for each in every), *more] if every else []


def _cut(line: str, longest: int | None) -> str:
    return line if longest is None or len(line) <= longest else f"{line[: longest - 6]} (...)"
