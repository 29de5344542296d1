"""The comment that a case leaves on its notables: plain text, short, read in the SIEM's incident review."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from actions.assess_risk import ESCU_BASE
from actions.risk import Contribution, Strength
from actions.source_words import source_words
from actions.verdict_table import DESTINATION_RANK
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.containment import standing_words
from playbooks.report.prompt import not_known
from playbooks.report.replaced_words import replaces_words
from playbooks.report.safe_prose import safe_prose
from playbooks.report.story import another_machine, story

#: Characters of a comment at most.
COMMENT_LIMIT = 3000

#: Characters of one line where the whole would be longer than COMMENT_LIMIT, so that every part of it has its
#: place whatever a log wrote into another.
SHORT_LINE = 120

_BY = "regsvcs-response"
_FINDINGS_SHOWN = 6
_STEPS_SHOWN = 4
_PEERS_SHOWN = 3
_POINTS_SHOWN = 8


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
    warning = another_machine(report.facts)
    head = [
        f"{_BY}, case {report.case_id}: {verdict}, score {risk.score:g} of 100.",
        safe(warning),
        _replaces(report),
        f"Why: {safe(risk.verdict_reason)}",
        safe(story(report.facts)),
        _score(report, safe),
        _told_by(report, safe),
        _reputation(report, safe),
        _contained(report),
    ]
    rest = f"in the report of {report.case_id}"
    lines = [
        *(_cut(each, longest) for each in head),
        *_listed("Strong findings", strong[:_FINDINGS_SHOWN], len(strong), longest, rest),
        *_listed("Not known", unknown, len(risk.unknowns), longest, rest),
        *_listed("Do next", steps[:_STEPS_SHOWN], len(steps), longest, rest),
    ]
    return "\n".join(line for line in lines if line)


def _replaces(report: CaseReport) -> str:
    """Which case of before this one takes the place of; its comment may stand above."""
    words = replaces_words(report)
    return f"This case {words}: what it says counts." if words else ""


def _score(report: CaseReport, safe: Callable[[str], str]) -> str:
    """Where the score comes from: what ESCU gave, and what each finding added."""
    risk = report.risk
    parts = [safe(_points(each)) for each in risk.contributions]
    more = len(parts) - _POINTS_SHOWN
    shown = ", ".join(parts[:_POINTS_SHOWN]) + (f" and {more} more" if more > 0 else "")
    product = f"impact {risk.impact} x confidence {risk.confidence} / 100" if risk.confidence != 100 else ""
    return f"Score: {shown}{f'; {product}' if product else ''}." if parts else ""


def _points(part: Contribution) -> str:
    if part.name == ESCU_BASE:
        sure = f" at confidence {part.confidence_points}" if part.confidence_points != 100 else ""
        return f"{part.impact_points} by ESCU itself{sure}"
    points = [f"{part.impact_points:+d}"] if part.impact_points else []
    points += [f"confidence {part.confidence_points:+d}"] if part.confidence_points else []
    return f"{' and '.join(points)} {part.name.replace('_', ' ')}"


def _told_by(report: CaseReport, safe: Callable[[str], str]) -> str:
    """Which telemetry the case rests on."""
    facts = report.facts
    if facts.host is None:
        why = facts.not_looked_up or "no source knows the host"
        return f"Telemetry: none, only the notable ({safe(why)})."
    told = ["host"]
    told += ["process and its lineage"] if facts.lineage is not None else []
    told += ["what it did"] if facts.evidence is not None else []
    return f"Telemetry: {safe(source_words(facts).title)} ({', '.join(told)})."


def _reputation(report: CaseReport, safe: Callable[[str], str]) -> str:
    """What is known of the worst addresses; of one that nobody judged never that it is clean."""
    judged = [
        each for each in report.facts.destinations if wording.reputation_applies(each.verdict, each.check)
    ]
    worst = sorted(judged, key=lambda each: (-DESTINATION_RANK[each.verdict], each.ip))
    if not worst:
        return ""
    parts = [
        f"{safe(each.ip)} {safe(wording.destination_headline(each.verdict, each.reputation))}"
        for each in worst[:_PEERS_SHOWN]
    ]
    more = len(worst) - len(parts)
    text = f"Reputation: {'; '.join(parts)}{f'; and {more} more' if more > 0 else ''}."
    answered = sorted(
        {name for each in worst if each.reputation for name in each.reputation.coverage.judging}
    )
    titles = wording.names([wording.source_title(each) for each in answered])
    return f"{text} Answered by {safe(titles)}." if titles else text


def _contained(report: CaseReport) -> str:
    """How the host stands; "" where nothing was done about it."""
    stands = standing_words(report.containment)
    return f"Containment: {stands}." if stands else ""


def _listed(title: str, shown: Iterable[str], total: int, longest: int | None, rest: str) -> list[str]:
    every = [_cut(each, longest) for each in shown]
    more = [f"- and {total - len(every)} more, {rest}"] if total > len(every) else []
    return [f"{title}:", *(f"- {each}" for each in every), *more] if every else []


def _cut(line: str, longest: int | None) -> str:
    return line if longest is None or len(line) <= longest else f"{line[: longest - 6]} (...)"
