"""Custom code of regsvcs_network_connection: the order to isolate, and what became of it."""

from __future__ import annotations

from scripts.playbooks.snippets import ENDED, NOTES, PLAIN_HOST, QUOTED, STATUS

#: Minutes after the order in which its outcome may still come; later runs then ask what became of it.
ISOLATING_MINUTES = 10

#: What the titles of the outcomes begin with.
OUTCOMES = ("Isolated: ", "Not isolated: ", "Isolation not certain: ", "Isolation failed: ")

#: What an order's title begins with until its outcome is known.
ISOLATING = "Isolating (until "

#: What is read of a row of isolate host and get isolation status.
CONTAINED_COLUMNS = ("outcome", "verified", "ours", "sentence", "owner", "review_by", "intent_id")

#: What a person does where the playbook does not isolate; `host` is the name in a code span.
BY_HAND = """
    by_hand = (
        "1. First do the steps of the report that come before isolating, such as getting the memory of the "
        "process: isolating or restarting may lose it.\\n"
        f"2. Make sure in the EDR console that {host} is the machine of this case.\\n"
        "3. Isolate it there, and wait until the console shows it as isolated.\\n"
        "4. Write into this case who isolated it, when, and when that is to be reviewed.\\n"
        "5. Go on with the next steps of the report."
    )
"""

ORDER = (
    QUOTED
    + """
    from datetime import UTC

    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

    def note(title, content):
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=title,
            content=content,
        )

    order_isolation__host = announce_question__host
    order_isolation__case_facts = announce_question__case_facts
    # Without a name the policy alone decides, and isolates in mode auto only.
    order_isolation__approved_by = ""
    order_isolation__why = ""
    if announce_question__kind == "isolate":
        by = str(first("ask_about_containment:action_result.data.*.user") or "a member of the role ROLE")
        reason = str(first("ask_about_containment:action_result.summary.responses.1") or "")
        order_isolation__approved_by = by
        order_isolation__why = reason
        content = (
            f"**Approved** by {quoted(by)}. Reason: {quoted(reason or 'none given', 1000)}.\\n\\n"
            f"The playbook runs `isolate host` for {quoted(announce_question__host)}. "
            "All guards are evaluated again first. What became of it is in a note of its own."
        )
        for key in announce_question__titles or []:
            note(f"Approved: {key}", content)
        # Written before the order: a run that ends here is followed up by the next one.
        until = (datetime.now(UTC) + timedelta(minutes=ISOLATING_MINUTES)).strftime("%Y-%m-%d %H:%M")
        for key in (announce_question__titles or [])[:1]:
            note(f"Isolating (until {until} UTC): {key}", "The outcome of `isolate host` is awaited.")
"""
)


def outcome_of(block: str) -> str:
    """Code that notes what became of an isolation, by the rows of an action.

    Args:
        block: the action; `isolate_host` has ordered it, `follow_isolation` asks about an earlier order.
    """
    return (
        QUOTED
        + PLAIN_HOST
        + NOTES
        + STATUS
        + """
    host = quoted(announce_question__host)
"""
        + BY_HAND
        + """
    datapath = ["BLOCK:action_result.status", "BLOCK:action_result.message"]
    answers = phantom.collect2(container=container, datapath=datapath)
    message = (answers[0][1] or "it gave no reason") if answers else "it gave no answer"
    succeeded = any(status == "success" for status, _ in answers)
    row = next(
        iter(
            zip(
COLUMNS            )
        ),
        None,
    )
    outcome, verified, ours, sentence, owner, review_by, intent_id = row or ("", False, False, "", "", "", "")
    isolated = bool(verified) and outcome in ("isolated", "ours_stands", "already_isolated")
    # Another run is at it: that one writes the outcome.
    sentence = str(sentence or "").rstrip(".")
    awaited = outcome == "pending" and FOLLOWS

    if isolated:
        word = "Isolated"
        content = f"**{host} is isolated**: {quoted(sentence, 1000)}.\\n\\n"
        if ours:
            content += f"{quoted(owner)} answers for it, and it is to be looked at again by {review_by}. "
        else:
            content += "This app did not isolate it: somebody else did before. "
        content += (
            "Nothing releases it by itself: run `release host` on the asset `regsvcs_containment` when the "
            "host may be reached again.\\n\\nGo on with the next steps of the report."
        )
        pin, style = "Isolated", "blue"
    elif outcome in ("unknown", "pending"):
        word = "Isolation not certain"
        content = (
            f"**Whether {host} is isolated is not certain**: {quoted(sentence, 1000)}.\\n\\n"
            "**Task: look at the host in the EDR console**, and run `get isolation status` on the asset "
            "`regsvcs_containment`. The host takes no other order until that is known. If it is not isolated "
            f"and nothing is under way there, contain it by hand:\\n\\n{by_hand}"
        )
        pin, style = "Isolation not certain: look in the EDR console", "red"
    elif outcome:
        word = "Not isolated"
        content = (
            f"**{host} is not isolated** by this playbook: {quoted(sentence, 1000)}.\\n\\n"
            f"**Task: contain {host} by hand**, if it still has to be.\\n\\n{by_hand}"
        )
        pin, style = "Not isolated: contain this host by hand", "red"
    elif FOLLOWS and succeeded:
        word = "Not isolated"
        content = (
            f"**{host} is not isolated** by this playbook: an earlier run was to isolate it and ended before "
            f"that, and the ledger holds no order.\\n\\n**Task: contain {host} by hand**, if it still has to "
            "be. To be asked again, add a note with the title `Ask again` and run the playbook."
            f"\\n\\n{by_hand}"
        )
        pin, style = "Not isolated: contain this host by hand", "red"
    else:
        word = "Isolation failed"
        content = (
            f"`ACTION` failed: {quoted(message, 1000)}.\\n\\n"
            f"**Nothing shows that {host} is isolated: treat it as not isolated.**\\n\\n"
            "**Task: look in the EDR console, and contain the host by hand**, if it "
            f"still has to be.\\n\\n{by_hand}"
        )
        pin, style = "Isolation failed: contain this host by hand", "red"
    if intent_id:
        content += f"\\n\\nOrder in the ledger: {quoted(intent_id)}."
    # Read now: a person may have ended the case meanwhile.
    status = status_of(container)
    if status in ENDED:
        content += f"\\n\\nThe container is {status} by now: make sure that this still counts."
    if announce_question__waiting:
        content += f"\\n\\n{announce_question__waiting} Run the playbook again to be asked about it."

    said = {title for _, title in notes_of(container)}
    new = [key for key in announce_question__titles or [] if f"{word}: {key}" not in said]
    if new and not awaited:
        phantom.pin(
            container=container,
            data=plain_host(announce_question__host),
            message=pin,
            pin_type="card",
            pin_style=style,
        )
        for key in new:
            phantom.add_note(
                container=container,
                note_type="general",
                note_format="markdown",
                title=f"{word}: {key}",
                content=content,
            )
""".replace(
            "COLUMNS",
            "".join(
                f"                {block}_result_item_{index},\n" for index in range(len(CONTAINED_COLUMNS))
            ),
        )
        .replace("BLOCK", block)
        .replace("FOLLOWS", str(block == "follow_isolation"))
        .replace("ACTION", "isolate host" if block == "isolate_host" else "get isolation status")
        .replace("ENDED", ENDED)
    )
