"""The question to an analyst, with the evidence it rests on: plain text, short, complete enough to answer.

Nothing in it becomes a link, also where a platform renders the text as Markdown or HTML: the case's own
addresses and names are defanged wherever they stand, and what opens a tag, a link or code is replaced by a
look-alike. The note has the text as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from actions.case_facts import CaseFacts
from actions.case_unknowns import ANOTHER_HOST
from actions.containment_question import ContainmentQuestion
from actions.indicators.case_view import roles_known
from actions.isolation import GuardOutcome
from actions.reputation_wording import coverage_words, not_configured_words
from actions.risk import Strength
from actions.verdict_table import DESTINATION_RANK
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.safe_prose import safe_prose
from playbooks.report.story import another_machine, chain, host_of, process_of, user_words
from playbooks.report.talk import ONLY_SAID, Talk, talks

#: Characters of a whole prompt at most.
PROMPT_LIMIT = 6000

_PEERS_SHOWN = 3
_ROLES_SHOWN = 4
_FINDINGS_SHOWN = 5
_GUARDS_SHOWN = 3
_STEPS_SHOWN = 3
_UNKNOWNS_SHOWN = 3

#: How what is not known begins, one row a topic, from what an answer rests on most. Of a topic the first is
#: told: without a process there is neither lineage nor evidence, and saying it three times hides the rest.
_TOPICS = (
    (ANOTHER_HOST,),
    ("user",),
    (
        "host",
        "lineage and evidence",
        "process",
        "the host",
        "lineage",
        "what else the process did",
        "evidence of the process",
    ),
    ("the connection itself",),
    ("tampering", "remote threads", "write access"),
    ("reputation of", "the destination", "the real destination"),
    ("who opened the connection",),
    ("the parent process", "command line", "lineage at"),
)

#: Guards that ask the ledger. What they lack says nothing about the host or the case, so they come last.
LEDGER_GUARDS = frozenset(
    {
        "kill_switch",
        "not_released_recently",
        "no_active_lease",
        "cap_per_run",
        "cap_per_hour",
        "cap_per_day",
        "cap_per_site",
        "breaker",
    }
)

#: How the next step begins that the question itself is.
_ASKED_STEP = {
    ContainmentQuestion.ISOLATE: "Approve or decline the isolation of ",
    ContainmentQuestion.BY_HAND: "Contain ",
}

_ASKED = {
    ContainmentQuestion.ISOLATE: (
        "Isolate {host}?",
        "All guards of the policy pass. Nothing has been isolated so far.",
    ),
    ContainmentQuestion.BY_HAND: (
        "Contain {host} by hand?",
        "The case calls for containment, but guards stand in the playbook's way. Nothing has been isolated.",
    ),
}


def prompt(report: CaseReport, question: ContainmentQuestion) -> str:
    """The text of the question; "" where nothing is asked."""
    if question is ContainmentQuestion.NONE:
        return ""
    safe = safe_prose(report.facts)
    asked, state = _ASKED[question]
    risk = report.risk
    verdict = wording.CASE_VERDICT[risk.case_verdict]
    lines = [
        asked.format(host=safe(host_of(report.facts))),
        state,
        *([safe(warning)] if (warning := another_machine(report.facts)) else []),
        "",
        f"Verdict: {verdict}, score {risk.score:g} of 100. {safe(risk.verdict_reason)}",
        *_subject(report, safe),
        *_reputations(report.facts, safe),
        "",
        *_findings(report, safe),
        "",
        *_unknowns(report),
        "",
        *_guards(report, safe),
        "",
        *_steps(report, question, safe),
        "",
        f"Case {safe(wording.name(report.case_id))}. The note on this container holds the whole report.",
    ]
    text = "\n".join(lines)
    return (
        text if len(text) <= PROMPT_LIMIT else f"{text[: PROMPT_LIMIT - 40]}\n(...) The rest is in the note."
    )


def not_known(report: CaseReport) -> tuple[str, ...]:
    """The most important of what is not known, one sentence each: what could change the answer, first."""
    safe = safe_prose(report.facts)
    ranked = sorted(report.risk.unknowns, key=lambda each: _rank(each.what))
    told: dict[int, str] = {}
    for number, each in enumerate(ranked):
        topic, _ = _rank(each.what)
        key = topic if topic < len(_TOPICS) else len(_TOPICS) + number
        told.setdefault(key, safe(f"{each.what}: {each.why}"))
    return tuple(told.values())[:_UNKNOWNS_SHOWN]


def _rank(what: str) -> tuple[int, int]:
    """Topic, and place in it: those of the longest beginning that fits."""
    fitting = [
        (len(start), topic, place)
        for topic, starts in enumerate(_TOPICS)
        for place, start in enumerate(starts)
        if what.startswith(start)
    ]
    _, topic, place = max(fitting, default=(0, len(_TOPICS), 0))
    return topic, place


def _subject(report: CaseReport, safe: Callable[[str], str]) -> list[str]:
    facts = report.facts
    lineage = facts.lineage
    lines = [f"Host: {safe(host_of(facts))}", f"User: {safe(user_words(facts)) or 'unknown'}"]
    if lineage is None:
        absent = (
            f"not looked up: {safe(reason)}" if (reason := facts.not_looked_up) else "not found in telemetry"
        )
        return [*lines, f"Process: {safe(process_of(facts))}, {absent}", *_peers(facts, safe)]
    target = lineage.target
    lines.append(
        f"Process: {safe(wording.process_label(target))}, {safe(target.ref.image) or 'path unknown'}"
    )
    lines.append(
        f"Command line: {'not recorded' if target.command_line is None else safe(target.command_line)}"
    )
    *above, _ = map(safe, chain(lineage))
    lines.append(f"Started by: {' < '.join(reversed(above)) or 'unknown'}")
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
    if talk.only_said:
        parts.append(ONLY_SAID)
    return ", ".join(parts)


def _reputations(facts: CaseFacts, safe: Callable[[str], str]) -> list[str]:
    """What is known of the worst addresses; one that nobody judged never reads as clean."""
    worst = sorted(facts.destinations, key=lambda each: -DESTINATION_RANK[each.verdict])
    lines = []
    for each in worst[:_PEERS_SHOWN]:
        applies = wording.reputation_applies(each.verdict, each.check)
        headline = wording.destination_headline(each.verdict, each.reputation)
        verdict = safe(headline) if applies else wording.NOT_PUBLIC
        lines.append(f"Reputation of {safe(each.ip)}: {verdict}. {safe(each.verdict_reason)}")
        roles = [role.label for role in roles_known(each)[:_ROLES_SHOWN]]
        if roles:
            lines.append(f"- it serves as {safe(', '.join(roles))}")
        known = each.reputation
        if known is None:
            continue
        if known.override:
            lines.append(f"- by a person's word: {safe(known.override)}")
        lines.append(f"- {coverage_words(known)}")
        if known.coverage.failed:
            failed = ", ".join(wording.source_title(failure.source) for failure in known.coverage.failed)
            lines.append(f"- no answer from {safe(failed)}")
        if not_configured := not_configured_words([known.coverage]):
            lines.append(f"- not asked: {safe(not_configured)}")
    return lines


def _findings(report: CaseReport, safe: Callable[[str], str]) -> list[str]:
    strong = [each for each in report.risk.indicators if each.strength is Strength.STRONG]
    if not strong:
        return ["Strong findings: none"]
    return ["Strong findings:", *_bullets((safe(each.sentence) for each in strong), _FINDINGS_SHOWN)]


def _unknowns(report: CaseReport) -> list[str]:
    sentences = not_known(report)
    if not sentences:
        return ["Not known: nothing of what was looked for"]
    more = len(report.risk.unknowns) - len(sentences)
    return ["Not known:", *_bullets(sentences, _UNKNOWNS_SHOWN, more=more)]


def _guards(report: CaseReport, safe: Callable[[str], str]) -> list[str]:
    decision = report.decision
    if not decision.obstacles:
        return [f"Guards: all {len(decision.guards)} pass (mode {decision.effective_mode.value})"]
    head = f"In the way of the playbook (mode {decision.effective_mode.value}):"
    words = {GuardOutcome.REFUSE: "refuses", GuardOutcome.UNKNOWN: "not known"}
    # What refuses the case tells more than what could not be asked.
    ranked = sorted(
        decision.obstacles,
        key=lambda each: (each.id in LEDGER_GUARDS, each.outcome is not GuardOutcome.REFUSE),
    )
    sentences = (
        f"{safe(wording.name(each.id))}, {words[each.outcome]}: {safe(each.detail)}" for each in ranked
    )
    return [head, *_bullets(sentences, _GUARDS_SHOWN)]


def _steps(report: CaseReport, question: ContainmentQuestion, safe: Callable[[str], str]) -> list[str]:
    asked = _ASKED_STEP[question]
    steps = [each for each in report.next_steps if not each.startswith(asked)]
    if not steps:
        return ["Do first: no step is proposed"]
    return ["Do first:", *_bullets((safe(each) for each in steps), _STEPS_SHOWN)]


def _bullets(sentences: Iterable[str], limit: int, *, more: int = 0) -> list[str]:
    every = [f"- {each}" for each in sentences]
    more += max(0, len(every) - limit)
    return [*every[:limit], f"- and {more} more, in the note"] if more > 0 else every
