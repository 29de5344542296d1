"""Custom code of regsvcs_network_connection: the question about containment, and its outcomes."""

from __future__ import annotations

from scripts.playbooks.snippets import QUOTED, TITLES

#: Who is asked about containment, and for how long, minutes.
ROLE = "Incident Commander"
MINUTES = 30

ANNOUNCE = (
    QUOTED
    + """
    def read_notes():
        return [note["data"] for note in phantom.get_notes(container=container) or [] if note.get("success")]

    def asked_in(notes, title):
        # After a question that nobody answered it may be asked again; after an answer it may not.
        unanswered = [note["id"] for note in notes if note["title"] == f"Nobody answered: {title}"]
        since = max(unanswered, default=0)
        return [note["id"] for note in notes if note["title"] == f"Question: {title}" and note["id"] > since]

    rows = list(
        zip(
            decide_isolation_result_item_0,
            decide_isolation_result_item_1,
            decide_isolation_result_item_2,
            decide_isolation_result_item_3,
            decide_isolation_result_item_4,
        )
    )
    notes = read_notes()
    due = [row for row in rows if row[0] in ("isolate", "by_hand") and not asked_in(notes, row[3])]

    announce_question__ask = "no"
    announce_question__question = ""
    announce_question__host = ""
    announce_question__titles = []
    announce_question__kind = ""
    if due:
        # One answer is for one host: that of the highest score. Its cases are asked about together.
        due.sort(key=lambda row: -float(row[4] or 0))
        host = str(due[0][1])
        mine = [row for row in due if str(row[1]).lower() == host.lower()]
        others = sorted({str(row[1]) for row in due if str(row[1]).lower() != host.lower()})
        content = (
            f"The role `ROLE` is asked whether to contain {quoted(host)}. "
            "The answer is awaited for MINUTES minutes; without one nothing is done."
        )
        for each in others:
            content += f"\\n\\nNot asked yet: {quoted(each)}. Run the playbook again for it."
        won = []
        for row in mine:
            success, message, note_id = phantom.add_note(
                container=container,
                note_type="general",
                note_format="markdown",
                title=f"Question: {row[3]}",
                content=content,
            )
            # Two triggers at once both write their note before either reads them: the earlier note asks.
            earlier = min(asked_in(read_notes(), row[3]), default=note_id)
            if not success or earlier == note_id:
                won.append(row)
        if won:
            announce_question__ask = "yes"
            announce_question__question = "\\n\\n".join(str(row[2]) for row in won)
            announce_question__host = host
            announce_question__titles = [row[3] for row in won]
            announce_question__kind = "isolate" if all(row[0] == "isolate" for row in won) else "by_hand"
""".replace("ROLE", ROLE).replace("MINUTES", str(MINUTES))
)

NOTHING_ASKED = (
    TITLES
    + """
    titles = titles_of(container)
    for question, title in zip(decide_isolation_result_item_0, decide_isolation_result_item_1):
        if question == "none" and f"Nothing asked: {title}" not in titles:
            phantom.add_note(
                container=container,
                note_type="general",
                note_format="markdown",
                title=f"Nothing asked: {title}",
                content=(
                    "The run is complete. Nobody was asked about containment and nothing was isolated; the "
                    "report says why, under *Isolation*. The case stays open: a person closes it, after the "
                    "next steps of the report."
                ),
            )
"""
)


def _outcome(block: str, title: str, content: str, more: str = "") -> str:
    """Code of a block that writes the outcome of the question, once a case that was asked about."""
    return f"""{QUOTED}
    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

{content}{more}
    for title in announce_question__titles or []:
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=f"{title}: {{title}}",
            content={block}_content,
        )
"""


APPROVED = _outcome(
    "approved",
    "Approved",
    """    host = quoted(announce_question__host)
    reason = first("ask_about_containment:action_result.summary.responses.1")
    if announce_question__kind == "isolate":
        why = "No guard stands in the way, but this version of the playbook has no isolation action yet."
    else:
        why = (
            "Guards stand in the way of the playbook (see *Isolation* in the report), and this version "
            "has no isolation action yet."
        )
    approved_content = (
        f"**Approved** by {quoted(first('ask_about_containment:action_result.data.*.user'))}. "
        f"Reason: {quoted(reason or 'none given', 1000)}.\\n\\n"
        f"**Task: contain {host} by hand.** {why} Nothing has been isolated.\\n\\n"
        f"1. Make sure in the EDR console that {host} is the machine of this case.\\n"
        "2. Isolate it there, and wait until the console shows it as isolated.\\n"
        "3. Write into this case who isolated it, when, and when that is to be reviewed.\\n"
        "4. Go on with the next steps of the report."
    )
""",
    """    phantom.pin(
        container=container,
        data=quoted(announce_question__host).strip("`"),
        message="Approved: contain this host by hand",
        pin_type="card",
        pin_style="red",
    )
""",
)

DECLINED = _outcome(
    "declined",
    "Declined",
    """    answer = first("ask_about_containment:action_result.summary.responses.0")
    reason = first("ask_about_containment:action_result.summary.responses.1")
    declined_content = (
        f"**Not approved** by {quoted(first('ask_about_containment:action_result.data.*.user'))}; "
        f"the answer was {quoted(answer)}. "
        f"Reason: {quoted(reason or 'none given', 1000)}.\\n\\n"
        f"Nothing has been isolated: {quoted(announce_question__host)} stays as it is, and the case is open. "
        "Go on with the next steps of the report."
    )
""",
)

EXPIRED = _outcome(
    "expired",
    "Nobody answered",
    """    expired_content = (
        f"The question about {quoted(announce_question__host)} ended without an answer: "
        f"{quoted(first('ask_about_containment:action_result.message'))}.\\n\\n"
        "**Nothing has been decided and nothing has been isolated.** "
        "That is neither an approval nor a refusal.\\n\\n"
        "To be asked again, run `regsvcs_network_connection` on this container. To act without the question, "
        "contain the host by hand and write into this case who did it, and when."
    )
""",
)
