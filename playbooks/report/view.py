"""What a report says, section by section, for every renderer: the words are here, the layout is theirs.

The decision is told in the conditional; what was done about the host is told apart from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from actions.case_facts import CaseFacts, Unknown
from actions.case_users import users_of
from actions.isolation import GuardOutcome
from actions.listed_facts import host_type_of
from connectors.facts.notable import Direction
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.containment import done_of
from playbooks.report.content import VERDICT_TONE, WOULD_TONE, GuardRow, Item, Row, Tone, UnknownRow, View
from playbooks.report.destination_words import destination_blocks, destination_notes
from playbooks.report.display import visible
from playbooks.report.iocs import iocs
from playbooks.report.listed_words import asset_rows, identity_rows
from playbooks.report.machine_words import generation_words, machine_evidence, message_had, risk_at_peer
from playbooks.report.replaced_words import replaces_words, warning_of
from playbooks.report.score_words import not_seen, score_rows, score_total, unweighted
from playbooks.report.story import host_of, process_of, subject_of
from playbooks.report.talk import ONLY_SAID, Talk, talks

#: Characters shown of the risk message: ESCU's sentence and one for each strong finding.
MESSAGE_LIMIT = 3000
_PEERS_AT_A_GLANCE = 4
_EVENTS_NAMED = 3
_ITEMS_SHOWN = 30
_NOTES_SHOWN = 10


_GUARD_TONE = {
    GuardOutcome.PASS: Tone.PLAIN,
    GuardOutcome.REFUSE: Tone.BAD,
    GuardOutcome.UNKNOWN: Tone.UNKNOWN,
}


def view_of(report: CaseReport) -> View:
    """Everything a person is shown of a case."""
    risk, decision = report.risk, report.decision
    guards = [
        GuardRow(
            guard.outcome.value,
            _GUARD_TONE[guard.outcome],
            wording.name(guard.id),
            wording.path(guard.value),
            wording.path(guard.limit),
            wording.sentence(guard.detail),
        )
        for guard in decision.guards
    ]
    unknowns = _unknowns(report)
    obstructing = GuardOutcome.PASS.value
    return View(
        verdict=wording.CASE_VERDICT[risk.case_verdict],
        verdict_tone=VERDICT_TONE[risk.case_verdict],
        subject=subject_of(report.facts),
        warning=warning_of(report),
        score=f"score {risk.score:g} of 100 (ESCU alone: {risk.base_score:g})",
        glance=_glance(report),
        message=_message(report),
        score_rows=score_rows(report),
        score_total=score_total(report),
        unweighted=unweighted(report),
        destinations=destination_blocks(report.facts, report.generated_at),
        destination_notes=destination_notes(report),
        not_seen=not_seen(report),
        unknowns=tuple(unknowns[:_ITEMS_SHOWN]),
        unknowns_left_out=max(0, len(unknowns) - _ITEMS_SHOWN),
        would=wording.WOULD[decision.verdict],
        would_tone=WOULD_TONE[decision.verdict],
        mode=decision.effective_mode.value,
        decision=wording.sentence(decision.summary),
        done=done_of(report),
        obstacles=tuple(each for each in guards if each.outcome != obstructing),
        passed=tuple(each for each in guards if each.outcome == obstructing),
        next_steps=tuple(wording.sentence(step) for step in report.next_steps[:_ITEMS_SHOWN]),
        problems=_problems(report),
        iocs=iocs(report.facts),
    )


def _message(report: CaseReport) -> str:
    """ESCU's message, word for word, and what the notable itself had for the machine where that differs."""
    message = visible(report.risk.message, limit=MESSAGE_LIMIT)
    had = message_had(report.facts)
    return f"{message} ({had})" if had else message


# --- at a glance -----------------------------------------------------------------------------------


def _glance(report: CaseReport) -> tuple[Row, ...]:
    facts, risk, decision = report.facts, report.risk, report.decision
    notable = facts.notables[0]
    verdict = f"{wording.CASE_VERDICT[risk.case_verdict]}: {wording.sentence(risk.verdict_reason)}"
    rows = [Row("Verdict", verdict, elsewhere=True)]
    if facts.host is None:
        named = ", as the notable names it" if notable.dest else ""
        rows.append(Row("Host", f"{host_of(report.facts)}{named}; {_absent(report)}", Tone.UNKNOWN))
    else:
        rows.append(Row("Host", f"{host_of(report.facts)}, type {_host_type(facts)}"))
    if evidence := machine_evidence(facts):
        rows.append(Row("", evidence, Tone.QUIET))
    if at_peer := risk_at_peer(facts):
        rows.append(Row("", at_peer, Tone.WARN))
    if notable.other_dests:
        rows.append(Row("", f"the notable also names {wording.names(notable.other_dests)}", Tone.WARN))
    rows += asset_rows(facts)
    rows += _user_rows(report)
    rows += identity_rows(facts)
    rows.append(_process_row(report))
    found = talks(facts)
    rows += [
        _talk_row(talk, label="Talked to" if number == 0 else "")
        for number, talk in enumerate(found[:_PEERS_AT_A_GLANCE])
    ]
    if not found:
        rows.append(Row("Talked to", "unknown: neither notable nor telemetry gives an address", Tone.UNKNOWN))
    if len(found) > _PEERS_AT_A_GLANCE:
        more = len(found) - _PEERS_AT_A_GLANCE
        rows.append(
            Row("", f"and {wording.count(more, 'more address', 'more addresses')}, under Destinations")
        )
    would = f"{wording.WOULD[decision.verdict]} (mode {decision.effective_mode.value})"
    done = done_of(report)
    if done is not None:
        rows.append(Row("Isolation", done.headline, done.tone, elsewhere=True))
    else:
        rows.append(Row("Isolation", would, WOULD_TONE[decision.verdict], elsewhere=True))
    if report.next_steps:
        rows.append(Row("Do first", wording.sentence(report.next_steps[0]), elsewhere=True))
    rows.append(_raised_by(report))
    made = f"{wording.name(report.case_id)}, report of {wording.moment(report.generated_at)}"
    if replaced := replaces_words(report):
        rows.append(Row("", f"this case {replaced}", Tone.QUIET))
    return (*rows, Row("Case", made, Tone.QUIET, elsewhere=True))


def _host_type(facts: CaseFacts) -> str:
    kind = host_type_of(facts.host, facts.asset)
    said = "" if facts.host is None or kind is facts.host.host_type else ", as the asset list says"
    return f"{kind.value.replace('_', ' ')}{said}"


def _user_rows(report: CaseReport) -> list[Row]:
    users = users_of(report.facts)
    if not users.others:
        named = wording.names(users.all)
        return [Row("User", named or "unknown", Tone.PLAIN if named else Tone.UNKNOWN)]
    return [
        Row("User", f"{wording.name(users.own)}, as the process's own record says"),
        Row("", f"the notable names {wording.names(users.others)}", Tone.WARN),
    ]


def _absent(report: CaseReport, otherwise: str = "no source knows it") -> str:
    """Why there is nothing on host or process."""
    reason = report.facts.not_looked_up
    return f"not looked up: {wording.sentence(reason)}" if reason else otherwise


def _process_row(report: CaseReport) -> Row:
    lineage = report.facts.lineage
    if lineage is None:
        why = _absent(report, "not found in telemetry")
        return Row("Process", f"{process_of(report.facts)}, {why}", Tone.UNKNOWN)
    target = lineage.target
    place = wording.path(target.ref.image) if target.ref.image else "path unknown"
    return Row("Process", f"{wording.process_label(target)}, {place}")


def _talk_row(talk: Talk, *, label: str) -> Row:
    parts = [wording.endpoint(talk.ip, talk.ports)]
    parts += [wording.name(each) for each in talk.names[:1]]
    parts += [_DIRECTION_WORDS[talk.direction]]
    parts += [
        wording.count(talk.connections, "connection") if talk.connections is not None else "count unknown"
    ]
    text = f"{', '.join(parts)}; {wording.span(talk.first, talk.last)}"
    return Row(label, f"{text}; {ONLY_SAID}", Tone.WARN) if talk.only_said else Row(label, text)


_DIRECTION_WORDS = {
    Direction.OUTBOUND: "outbound",
    Direction.INBOUND: "inbound",
    Direction.UNKNOWN: "direction unknown",
}


def _raised_by(report: CaseReport) -> Row:
    notables, profile = report.facts.notables, report.facts.profile
    search = wording.name(notables[0].search_name or profile.title)
    technique = (
        f" ({', '.join(wording.name(each) for each in profile.techniques[-1:])})"
        if profile.techniques
        else ""
    )
    if told := generation_words(notables):
        technique += f", {told}"
    events = list(dict.fromkeys(each.event_id for each in notables))
    number = wording.count(len(events), "notable")
    state = ", ".join(
        f"{label} {wording.name(value)}"
        for label, value in (
            ("urgency", notables[0].urgency),
            ("status", notables[0].status),
            ("owner", notables[0].owner),
        )
        if value
    )
    event = ", ".join(wording.name(each) for each in events[:_EVENTS_NAMED])
    if len(events) > _EVENTS_NAMED:
        event += f" and {len(events) - _EVENTS_NAMED} more"
    return Row(
        "Raised by", f"{search}{technique}, {number}: {event}{f' ({state})' if state else ''}", Tone.QUIET
    )


# --- unknown, problems -----------------------------------------------------------------------------


def _unknowns(report: CaseReport) -> list[UnknownRow]:
    """All that is not known, each once, also when the assessment did not repeat it."""
    facts = report.facts
    all_unknown = dict.fromkeys((*report.risk.unknowns, *facts.problems))
    reasons = {each.why for each in all_unknown}
    lacking = dict.fromkeys(each for notable in facts.notables for each in notable.missing)
    all_unknown |= dict.fromkeys(
        Unknown(what=f"notable field {each.field}", why=each.effect)
        for each in lacking
        if each.effect not in reasons
    )
    return _grouped(all_unknown)


_NUMBER = re.compile(r"[0-9]+")


def _grouped(unknowns: Iterable[Unknown]) -> list[UnknownRow]:
    """Unknowns of one reason in one row, at the place of the first; reasons may differ in a number."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Unknown]] = {}
    for each in unknowns:
        reason = tuple(_NUMBER.split(each.why)), tuple(_NUMBER.split(each.remedy))
        groups.setdefault(reason, []).append(each)
    return [
        UnknownRow(
            visible(", ".join(wording.name(each.what) for each in group), limit=MESSAGE_LIMIT),
            wording.sentence(_joined([each.why for each in group])),
            wording.sentence(_joined([each.remedy for each in group])),
        )
        for group in groups.values()
    ]


def _joined(texts: list[str]) -> str:
    """One sentence for texts that differ at most in numbers: in place of one, all of them, ascending."""
    words = _NUMBER.split(texts[0])
    columns = zip(*(_NUMBER.findall(text) for text in texts), strict=True)
    numbers = [", ".join(sorted(set(column), key=lambda each: (len(each), each))) for column in columns]
    return "".join(part for pair in zip(words, [*numbers, ""], strict=True) for part in pair)


def _problems(report: CaseReport) -> tuple[Item, ...]:
    failed = [
        Item(f"no result from {wording.name(each.step)}: {wording.sentence(each.detail)}", Tone.WARN)
        for each in report.steps
        if not each.ok
    ]
    read_as = dict.fromkeys(note for notable in report.facts.notables for note in notable.notes)
    notes = [Item(f"notable: {wording.sentence(note)}", Tone.QUIET) for note in list(read_as)[:_NOTES_SHOWN]]
    unread = []
    for each in report.log_notes:
        record = f" #{each.record}" if each.record is not None else ""
        unread.append(
            Item(f"{wording.path(each.source)}{record}: {wording.sentence(each.reason)}", Tone.WARN)
        )
        if len(unread) == _NOTES_SHOWN:
            break
    total = max(report.log_problem_count, len(report.log_notes))
    return (*failed, *_capped(unread, total, _NOTES_SHOWN), *notes)


def _capped(items: list[Item], total: int, shown: int) -> tuple[Item, ...]:
    if total <= len(items[:shown]):
        return tuple(items)
    more = total - len(items[:shown])
    return (*items[:shown], Item(f"and {more} more in the JSON report", Tone.QUIET))
