"""Custom code of regsvcs_network_connection: the question about containment, and its outcomes."""

from __future__ import annotations

import json

from scripts.playbooks.isolation_code import BY_HAND, ISOLATING, ISOLATING_MINUTES, ORDER, OUTCOMES
from scripts.playbooks.snippets import ENDED, NOTES, PART_LIMIT, PLAIN_HOST, QUOTED, STATUS

#: Who is asked about containment, and for how long, minutes.
ROLE = "Incident Commander"
MINUTES = 30

#: Minutes after the end of a question in which its outcome may still be written.
GRACE_MINUTES = 5

#: Cases whose evidence one question shows, and its characters.
CASES_ASKED = 20
PROMPT_LIMIT = 20_000

_ANNOUNCE = """
    from datetime import UTC

    ended_without = ("Nobody answered: ", "No valid answer: ")
    isolating = "ISOLATING"
    outcomes = OUTCOMES

    def asked(notes, key):
        # (answered, the questions that are open, those that ended without an outcome)
        answered, open_ones, lost = False, [], []
        for note_id, title in notes:
            if title.strip().lower() == "ask again":
                answered = False
            if not title.endswith(f": {key}"):
                continue
            start = title[: -len(key)]
            if start in ended_without:
                open_ones, lost = [], []
            elif start in ("Approved: ", "Declined: ", *outcomes):
                answered, open_ones, lost = True, [], []
            elif start.startswith(("Question (until ", isolating)):
                # The runner may have ended with the question: then nobody can answer it any more.
                over = start.partition("(until ")[2][:16] < latest_over
                (lost if over else open_ones).append(note_id)
        return answered, open_ones, lost

    def ordered(notes, case_id):
        # The key of an order whose outcome no note tells, and whether its time is over; "" for none.
        key, over = "", False
        for _, title in notes:
            if case_id and title.endswith(f"({case_id})"):
                if title.startswith(isolating):
                    key = title.partition(" UTC): ")[2]
                    over = title.removeprefix(isolating)[:16] < now.strftime("%Y-%m-%d %H:%M")
                elif title.startswith(outcomes):
                    key, over = "", False
        return key, over

    now = datetime.now(UTC)
    soon = (now + timedelta(minutes=ISOLATING_MINUTES)).strftime("%Y-%m-%d %H:%M")
    until = (now + timedelta(minutes=MINUTES + 1)).strftime("%Y-%m-%d %H:%M")
    latest_over = (now - timedelta(minutes=GRACE_MINUTES)).strftime("%Y-%m-%d %H:%M")

    # (question, host, prompt, title of the question, score, host id, what is not known, case id, facts)
    rows = [
        (
            "at_once" if decided == "isolate" else asks,
            str(host),
            str(prompt),
            str(key)[:PART_LIMIT],
            float(score or 0),
            str(machine or ""),
            unknown,
            str(case_id or ""),
            str(facts or ""),
        )
        for asks, host, prompt, key, score, machine, unknown, decided, case_id, facts in zip(
            decide_isolation_result_item_0,
            decide_isolation_result_item_1,
            decide_isolation_result_item_2,
            decide_isolation_result_item_3,
            decide_isolation_result_item_4,
            decide_isolation_result_item_5,
            decide_isolation_result_item_6,
            decide_isolation_result_item_7,
            decide_isolation_result_item_8,
            decide_isolation_result_item_9,
        )
    ]

    def machine_of(row):
        # A case whose host is not known shares its question with no other case.
        return row[5].lower() or f"case: {row[3]}"

    notes = notes_of(container)
    orders = {row[7]: ordered(notes, row[7]) for row in rows}
    followed = [row for row in rows if orders[row[7]][1]]
    due = []
    # What a person has ended is not asked about, nor isolated; nor is a host whose order has no outcome yet.
    if status_of(container) not in ENDED and not followed:
        for row in rows:
            answered, open_ones, _ = asked(notes, row[3])
            if row[0] in ("at_once", "isolate", "by_hand") and not answered and not open_ones:
                due += [row] if not orders[row[7]][0] else []

    announce_question__ask = "no"
    announce_question__question = ""
    announce_question__host = ""
    announce_question__titles = []
    announce_question__kind = ""
    announce_question__waiting = ""
    announce_question__case_facts = ""
    announce_question__case_id = ""
    if followed:
        # An earlier run ordered it and did not go on: what became of it comes before anything else.
        announce_question__ask = "follow"
        announce_question__host = followed[0][1]
        announce_question__titles = [orders[followed[0][7]][0]]
        announce_question__kind = "follow"
        announce_question__case_id = followed[0][7]
    if due:
        # One answer is for one host: that of the highest score. Its cases are asked about together.
        # What the policy isolates without an answer comes first.
        due.sort(key=lambda row: (row[0] != "at_once", -row[4]))
        host = due[0][1]
        at_once = due[0][0] == "at_once"
        mark = f"{isolating}{soon} UTC)" if at_once else f"Question (until {until} UTC)"
        mine = [row for row in due if machine_of(row) == machine_of(due[0])]
        others = {machine_of(row): row[1] for row in due if machine_of(row) != machine_of(due[0])}
        named = ", ".join(sorted(plain_host(each) for each in others.values())[:5])
        named += f" and {len(others) - 5} more" if len(others) > 5 else ""
        waiting = f"{len(others)} more host{'s wait' if len(others) > 1 else ' waits'}: {named}."
        written = {}
        for row in mine:
            content = (
                f"The role `ROLE` is asked whether to contain {quoted(host)}. "
                "The answer is awaited for MINUTES minutes; without one nothing is done."
            )
            if at_once:
                content = (
                    "All guards pass, and the mode of the policy is auto: the playbook runs `isolate host` "
                    f"for {quoted(host)}. What became of it is in a note of its own."
                )
            unknown = [row[6]] if isinstance(row[6], str) else row[6] or []
            if unknown:
                content += "\\n\\nNot known:\\n" + "".join(f"\\n- {quoted(each)}" for each in unknown)
            if asked(notes, row[3])[2]:
                content += "\\n\\nAn earlier question ended without an outcome: its time is over, and no note"
                content += " says what came of it. The run that asked it did not go on."
            if others:
                content += f"\\n\\n{waiting} Run the playbook again to be asked about it."
            success, message, note_id = phantom.add_note(
                container=container,
                note_type="general",
                note_format="markdown",
                title=f"{mark}: {row[3]}",
                content=content,
            )
            written[row[3]] = note_id if success else None
        # Two triggers at once both write their notes before either reads them: the earlier note asks.
        notes = notes_of(container)
        won = []
        for row in mine:
            mine_id = written[row[3]]
            answered, open_ones, _ = asked(notes, row[3])
            # Whoever cannot be sure to be the first asks all the same, and isolates nothing.
            first = not answered and min(open_ones, default=mine_id) == mine_id
            if first if mine_id is not None else not at_once:
                won.append(row)
        if won:
            shown, room = [], PROMPT_LIMIT
            for row in won[:CASES_ASKED]:
                if len(row[2]) + 2 > room and shown:
                    break
                shown.append(row[2][:room])
                room -= len(row[2]) + 2
            more = len(won) - len(shown)
            if more:
                shown.append(
                    f"{more} more case{'s' if more > 1 else ''} of this host: the evidence is in the notes. "
                    f"The answer is for {'them' if more > 1 else 'it'} as well."
                )
            if others:
                shown.append(f"{waiting} Run the playbook again to be asked about it.")
            announce_question__ask = "isolate" if at_once else "yes"
            announce_question__question = "\\n\\n".join(shown)
            announce_question__host = host
            announce_question__titles = [row[3] for row in won]
            kinds = {row[0] for row in won}
            announce_question__kind = "at_once" if at_once else "by_hand" if len(kinds) > 1 else min(kinds)
            announce_question__case_facts = won[0][8]
            announce_question__case_id = won[0][7]
            announce_question__waiting = waiting if others else ""
"""

_VALUES = {
    "ISOLATING_MINUTES": str(ISOLATING_MINUTES),
    "ISOLATING": ISOLATING,
    "OUTCOMES": json.dumps(OUTCOMES).replace("[", "(").replace("]", ")"),
    "ROLE": ROLE,
    "GRACE_MINUTES": str(GRACE_MINUTES),
    "MINUTES": str(MINUTES),
    "PART_LIMIT": str(PART_LIMIT),
    "PROMPT_LIMIT": str(PROMPT_LIMIT),
    "CASES_ASKED": str(CASES_ASKED),
    "ENDED": ENDED,
}


def _filled(code: str) -> str:
    """Custom code with the values of the names in capitals."""
    for name, value in _VALUES.items():
        code = code.replace(name, value)
    return code


ANNOUNCE = QUOTED + PLAIN_HOST + NOTES + STATUS + _filled(_ANNOUNCE)

NOTHING_ASKED = (
    NOTES
    + STATUS
    + _filled("""
    titles = {title for _, title in notes_of(container)}
    # In a case that a person has ended there is nothing to go on with.
    ended = status_of(container) in ENDED
    for question, key in zip(decide_isolation_result_item_0, decide_isolation_result_item_1):
        key = str(key)[:PART_LIMIT]
        title = f"Nothing asked: {key}"
        # Of an order that was given, its own notes tell.
        told = any(f"{word}{key}" in titles for word in ("Approved: ", *OUTCOMES))
        told = told or any(each.startswith("ISOLATING") and each.endswith(f": {key}") for each in titles)
        if question == "none" and not ended and not told and title not in titles:
            titles.add(title)
            phantom.add_note(
                container=container,
                note_type="general",
                note_format="markdown",
                title=title,
                content=(
                    "The run is complete. Nobody was asked about containment; the report says why, under "
                    "*Isolation*. This run has isolated nothing. A person closes the case, after the next "
                    "steps of the report."
                ),
            )
""")
)


def _outcome(title: str, content: str, more: str = "") -> str:
    """Code of a block that writes the outcome of the question, once a case that was asked about.

    Args:
        title: an expression that gives what the titles begin with.
        content: code that sets `content`.
        more: code between that and the notes.
    """
    return _filled(f"""{QUOTED}{PLAIN_HOST}{STATUS}
    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

    host = quoted(announce_question__host)
    # Read now: a person may have ended the case while the question was open.
    status = status_of(container)
{content}
    if status in ENDED:
        content += f"\\n\\nThe container is {{status}} by now: make sure that this still counts."
    if announce_question__waiting:
        content += f"\\n\\n{{announce_question__waiting}} Run the playbook again to be asked about it."
{more}
    for key in announce_question__titles or []:
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=f"{{{title}}}: {{key}}",
            content=content,
        )
""")


APPROVED = _outcome(
    "'Approved'",
    BY_HAND
    + """    reason = first("ask_about_containment:action_result.summary.responses.1")
    content = (
        f"**Approved** by {quoted(first('ask_about_containment:action_result.data.*.user'))}. "
        f"Reason: {quoted(reason or 'none given', 1000)}.\\n\\n"
        f"**Task: contain {host} by hand.** Guards stand in the way of the playbook (see *Isolation* in the "
        f"report). This playbook has isolated nothing.\\n\\n{by_hand}"
    )
""",
    """    phantom.pin(
        container=container,
        data=plain_host(announce_question__host),
        message="Approved: contain this host by hand",
        pin_type="card",
        pin_style="red",
    )
""",
)

ORDER_ISOLATION = _filled(ORDER)

DECLINED = _outcome(
    "'Declined'",
    """    reason = first("ask_about_containment:action_result.summary.responses.1")
    content = (
        f"**Declined** by {quoted(first('ask_about_containment:action_result.data.*.user'))}. "
        f"Reason: {quoted(reason or 'none given', 1000)}.\\n\\n"
        f"This playbook has isolated nothing: not {host}, and no other host. "
        "Go on with the next steps of the report.\\n\\n"
        "Another verdict or score of the case is asked about again. To be asked about this one again, add a "
        "note with the title `Ask again` to this container and run `regsvcs_network_connection`. To act "
        "without the question, contain the host by hand and write into this case who did it, and when."
    )
""",
)

EXPIRED = _outcome(
    "outcome",
    """    if first("ask_about_containment:action_result.status") == "success":
        outcome = "No valid answer"
        answer = first("ask_about_containment:action_result.summary.responses.0")
        why = f"the answer was {quoted(answer)}" if answer else "it was answered without a choice"
        why += f", by {quoted(first('ask_about_containment:action_result.data.*.user'))}"
    else:
        outcome = "Nobody answered"
        why = quoted(first("ask_about_containment:action_result.message"))
    missing = "a valid answer" if outcome == "No valid answer" else "an answer"
    content = (
        f"The question about {host} ended without {missing}: {why}.\\n\\n"
        "**Nothing has been decided, and this playbook has isolated nothing.** "
        "That is neither an approval nor a refusal.\\n\\n"
        "To be asked again, run `regsvcs_network_connection` on this container. To act without the question, "
        "contain the host by hand and write into this case who did it, and when."
    )
""",
)
