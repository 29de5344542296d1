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

_BY = "regsvcs-response"
_FINDINGS_SHOWN = 6
_STEPS_SHOWN = 4


def comment(report: CaseReport) -> str:
    """What the playbook found, as a comment: the same case and findings give the same text.

    Nothing in it is a link or live markup, and no time of the run stands in it, so that a second look that
    found the same is known by its text.
    """
    safe = safe_prose(report.facts)
    risk = report.risk
    verdict = wording.CASE_VERDICT[risk.case_verdict]
    strong = [safe(each.sentence) for each in risk.indicators if each.strength is Strength.STRONG]
    lines = [
        f"{_BY}, case {report.case_id}: {verdict}, score {risk.score:g} of 100.",
        safe(risk.verdict_reason),
        safe(story(report.facts)),
        *_listed("Strong findings", strong, _FINDINGS_SHOWN),
        *_listed("Not known", not_known(report), len(risk.unknowns)),
        *_listed("Do next", [safe(each) for each in report.next_steps], _STEPS_SHOWN),
    ]
    text = "\n".join(line for line in lines if line)
    return text if len(text) <= COMMENT_LIMIT else f"{text[: COMMENT_LIMIT - 6]} (...)"


def _listed(title: str, sentences: Iterable[str], most: int) -> list[str]:
    every = list(sentences)
    more = [f"- and {len(every) - most} more, in the report"] if len(every) > most else []
    return [f"{title}:", *(f"- {each}" for each in every[:most]), *more] if every else []
