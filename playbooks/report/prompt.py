"""The question to an analyst, with the evidence it rests on: plain text, short, complete enough to answer.

Nothing in it becomes a link: the case's own addresses and names are defanged wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from actions.case_facts import CaseFacts
from actions.containment_question import ContainmentQuestion
from actions.isolation import GuardOutcome
from actions.risk import Strength
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.display import visible
from playbooks.report.iocs import defanging
from playbooks.report.talk import Talk, talks
from playbooks.report.view import host_name, process_name

#: Characters of a whole prompt at most.
PROMPT_LIMIT = 6000

#: Characters of one line; the report beside the prompt has the whole text.
_LINE_LIMIT = 300
_PEERS_SHOWN = 3
_FINDINGS_SHOWN = 5
_GUARDS_SHOWN = 6
_STEPS_SHOWN = 3
_ANCESTORS_SHOWN = 6

_ASKED = {
    ContainmentQuestion.ISOLATE: (
        "Isolate {host}?",
        "All guards of the policy pass. Nothing has been isolated so far.",
    ),
    ContainmentQuestion.BY_HAND: (
        "Contain {host} by hand?",
        "The case calls for containment, but the playbook may not do it itself. Nothing has been isolated.",
    ),
}


def prompt(report: CaseReport, question: ContainmentQuestion) -> str:
    """The text of the question; "" where nothing is asked."""
    if question is ContainmentQuestion.NONE:
        return ""
    safe = _defanging(report.facts)
    asked, state = _ASKED[question]
    risk = report.risk
    verdict = wording.CASE_VERDICT[risk.case_verdict]
    lines = [
        asked.format(host=safe(host_name(report))),
        state,
        "",
        f"Verdict: {verdict}, score {risk.score:g} of 100. {safe(risk.verdict_reason)}",
        *_subject(report, safe),
        "",
        *_findings(report, safe),
        "",
        *_guards(report, safe),
        "",
        *_steps(report, safe),
        "",
        f"Case {wording.name(report.case_id)}. The note on this container holds the whole report.",
    ]
    text = "\n".join(lines)
    return (
        text if len(text) <= PROMPT_LIMIT else f"{text[: PROMPT_LIMIT - 40]}\n[...] The rest is in the note."
    )


def _defanging(facts: CaseFacts) -> Callable[[str], str]:
    """Makes a text of the log one safe line, in which no address or name of the case is a link."""
    defanged = defanging(facts)

    def safe(text: str) -> str:
        shown = defanged(visible(text, limit=_LINE_LIMIT))
        return re.sub(r"(?i)http(s?)://", r"hxxp\1://", shown).replace("://", "[:]//")

    return safe


def _subject(report: CaseReport, safe: Callable[[str], str]) -> list[str]:
    facts = report.facts
    lineage = facts.lineage
    user = next((each.user for each in facts.notables if each.user), "")
    lines = [f"Host: {safe(host_name(report))}", f"User: {safe(user) or 'unknown'}"]
    if lineage is None:
        return [
            *lines,
            f"Process: {safe(process_name(report))}, not found in telemetry",
            *_peers(facts, safe),
        ]
    target = lineage.target
    lines.append(
        f"Process: {safe(wording.process_label(target))}, {safe(target.ref.image) or 'path unknown'}"
    )
    lines.append(
        f"Command line: {'not recorded' if target.command_line is None else safe(target.command_line)}"
    )
    names = [wording.name(each.name, unknown="unknown process") for each in lineage.ancestors]
    started_by = " < ".join(names[:_ANCESTORS_SHOWN]) + (" < ..." if len(names) > _ANCESTORS_SHOWN else "")
    lines.append(f"Started by: {safe(started_by) or 'unknown'}")
    return [*lines, *_peers(facts, safe)]


def _peers(facts: CaseFacts, safe: Callable[[str], str]) -> list[str]:
    found = talks(facts)
    if not found:
        return ["Talked to: unknown"]
    lines = [f"Talked to: {_peer(each, safe)}" for each in found[:_PEERS_SHOWN]]
    more = len(found) - _PEERS_SHOWN
    return [*lines, f"and to {wording.count(more, 'more address', 'more addresses')}"] if more > 0 else lines


def _peer(talk: Talk, safe: Callable[[str], str]) -> str:
    parts = [safe(wording.endpoint(talk.ip, talk.ports)), *(safe(each) for each in talk.names[:1])]
    parts += [
        f"direction {talk.direction.value}",
        wording.count(talk.connections, "connection") if talk.connections is not None else "count unknown",
        wording.span(talk.first, talk.last),
    ]
    return ", ".join(parts)


def _findings(report: CaseReport, safe: Callable[[str], str]) -> list[str]:
    strong = [each for each in report.risk.indicators if each.strength is Strength.STRONG]
    if not strong:
        return ["Strong findings: none"]
    return ["Strong findings:", *_bullets((safe(each.sentence) for each in strong), _FINDINGS_SHOWN)]


def _guards(report: CaseReport, safe: Callable[[str], str]) -> list[str]:
    decision = report.decision
    if not decision.obstacles:
        return [f"Guards: all {len(decision.guards)} pass (mode {decision.effective_mode.value})"]
    head = f"In the way of the playbook (mode {decision.effective_mode.value}):"
    words = {GuardOutcome.REFUSE: "refuses", GuardOutcome.UNKNOWN: "not known"}
    sentences = (
        f"{wording.name(each.id)}, {words[each.outcome]}: {safe(each.detail)}" for each in decision.obstacles
    )
    return [head, *_bullets(sentences, _GUARDS_SHOWN)]


def _steps(report: CaseReport, safe: Callable[[str], str]) -> list[str]:
    if not report.next_steps:
        return ["Do first: no step is proposed"]
    return ["Do first:", *_bullets((safe(each) for each in report.next_steps), _STEPS_SHOWN)]


def _bullets(sentences: Iterable[str], limit: int) -> list[str]:
    every = [f"- {each}" for each in sentences]
    more = len(every) - limit
    return [*every[:limit], f"- and {more} more, in the note"] if more > 0 else every
