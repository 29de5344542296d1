"""regsvcs_reenrich: on a timer, every open case is looked at again; what changed is written into its case."""

from __future__ import annotations

from scripts.playbooks.blocks import Action, ActionType, Branch, Code, Decision, Playbook
from scripts.playbooks.snippets import ENDED, KEEP_STATE, NOTES, PART_LIMIT, QUOTED, RAISE, TITLE_LIMIT
from scripts.playbooks.splunk_code import IN_SPLUNK, WRITTEN_BACK_OF_ROUND, WRITTEN_COLUMNS

_COLUMNS = (
    "case_id",
    "container_id",
    "changed",
    "changes",
    "stop",
    "severity",
    "note_title",
    "note",
    "question",
    "question_title",
    "state",
    "facts",
)

_ROWS = "".join(f"        reenrich_cases_result_item_{index},\n" for index in range(len(_COLUMNS)))

_CODE = (
    """
    def count(number, noun):
        return f"{number} {noun}{'' if number == 1 else 's'}"

    def add_note(case, title, content):
        # A timer that fires twice looks at the same state twice, and writes its notes once.
        title = title[:TITLE_LIMIT]
        if title not in [each for _, each in notes_of(case)]:
            success, message, _ = phantom.add_note(
                container=case,
                note_type="general",
                note_format="markdown",
                title=title,
                content=content,
            )
            if not success:
                raise ValueError(f"the platform did not take the note: {message}")

    def write(case, row):
        case_id, _, changed, changes, stop, severity, title, note, question, key, state, _ = row
        if changed and changes:
            at = str(json.loads(state)["looked_at"])[:19]
            content = "Looked at again; this changed:\\n"
            content += "".join(f"\\n- {quoted(each)}" for each in changes)
            # As the other playbook writes the outcomes of a question.
            outcomes = [f"{word}: {str(key)[:PART_LIMIT]}" for word in ("Approved", "Declined")]
            answered = any(each in outcomes for _, each in notes_of(case))
            if question in ("isolate", "by_hand") and not answered:
                content += "\\n\\n**The case calls for a decision about containment.** Run the playbook"
                content += " `regsvcs_network_connection` on this container to be asked."
            add_note(case, f"Changed at {at}: {str(title)[:PART_LIMIT]}", f"{content}\\n\\n{note}")
        elif changed:
            add_note(case, str(title), str(note))
        if changed:
            raise_severity(case, severity)
        if stop:
            content = f"Re-enrichment of this case ends: {quoted(stop)}. A new notable starts it again."
            add_note(case, f"Not looked at again: {case_id}", content)
        if state:
            # Kept last: a run that breaks off before it writes its notes again at the next look.
            success, message = keep_state(case, case_id, state)
            if not success:
                raise ValueError(f"the platform did not take the state: {message}")

    datapaths = ["reenrich_cases:action_result.status", "reenrich_cases:action_result.message"]
    answers = phantom.collect2(container=container, datapath=datapaths)
    failures = [message for status, message in answers if status != "success"]

    def belongs_to_splunk(case, row):
        # A changed state once, and one that an earlier round did not get there.
        last = splunk_note(case, row[0])
        here = f"{written_to}{str(row[6])[:PART_LIMIT]}"
        return bool(row[11]) and last != here and (bool(row[2]) or last.startswith(not_written_to))

    looked, changed_count, lines, due = 0, 0, [], []
    for row in zip(
"""
    + _ROWS
    + """    ):
        case_id, number, changed, changes, stop = row[:5]
        looked += 1
        where = f"{quoted(case_id)} in container {number}"
        case = phantom.get_container(number)
        if not case:
            lines.append(f"- {where}: the container could not be read; nothing was written.")
            continue
        if str(case.get("status", "")).lower() in ENDED:
            continue
        try:
            write(case, row)
        except Exception as error:
            # One case that cannot be written keeps no other from being written.
            lines.append(f"- {where}: **not written, or not whole**: {quoted(error)}.")
            continue
        if belongs_to_splunk(case, row):
            due.append([number, case_id, str(row[6]), row[11]])
        changed_count += bool(changed)
        if changes or stop:
            said = [*(changes or []), *([stop] if stop else [])]
            lines.append(f"- {where}: {'; '.join(quoted(each) for each in said)}")

    failed = bool(failures) or not answers
    if failed:
        reason = quoted(failures[0] if failures else "it gave no answer", 1000)
        lines.append(f"- **reenrich case** failed: {reason}. What is known stays, for the next round.")
    else:
        lines.insert(0, f"{quoted(answers[0][1], 1000)}\\n")
    done = f"Regsvcs re-enrichment: {count(looked, 'case')}, {changed_count} changed"
    phantom.add_note(
        container=container,
        note_type="general",
        note_format="markdown",
        title="Regsvcs re-enrichment failed" if failed else done,
        content="\\n".join(lines),
    )
    write_changes__due = "yes" if due else "no"
    write_changes__case_facts = json.dumps([each[3] for each in due])
    write_changes__cases = [each[:3] for each in due]
"""
)

_WRITE = (
    QUOTED
    + NOTES
    + RAISE
    + KEEP_STATE
    + IN_SPLUNK
    + _CODE.replace("TITLE_LIMIT", str(TITLE_LIMIT))
    .replace("PART_LIMIT", str(PART_LIMIT))
    .replace("ENDED", ENDED)
)

_ROW = "reenrich_cases:action_result.data.*"

REENRICH = Playbook(
    name="regsvcs_reenrich",
    description=(
        "Looks at the open cases of 'Detect Regsvcs with Network Connection' again, on the containers of a"
        " timer. What changed is written once into the case and to its notables in Splunk; nothing is"
        " isolated, asked or closed."
    ),
    label="timer",
    start="reenrich_cases",
    blocks=(
        Action(
            name="reenrich_cases",
            about="Every open case once more, those first that were not looked at for the longest time",
            action="reenrich case",
            parameters={"scope": "open cases"},
            to=("write_changes",),
        ),
        Code(
            name="write_changes",
            about="Changes into each case, its state for the next round, and a summary here",
            inputs=tuple(f"{_ROW}.{name}" for name in _COLUMNS),
            outputs=("due", "case_facts", "cases"),
            code=_WRITE,
            to=("write_back_due",),
        ),
        Decision(
            name="write_back_due",
            about="Is there a state of a case that belongs into Splunk?",
            branches=(
                Branch(
                    "changed",
                    ("update_notable",),
                    (("write_changes:custom_function:due", "==", "yes"),),
                ),
            ),
        ),
        Action(
            name="update_notable",
            about="A comment on each notable of the changed cases, and their risk once",
            action="update notable",
            type=ActionType.GENERIC,
            parameters={"case_facts": "write_changes:custom_function:case_facts"},
            to=("note_write_back",),
        ),
        Code(
            name="note_write_back",
            about="Into each case: what was written to Splunk, what was left, or why it failed",
            inputs=(
                "write_changes:custom_function:cases",
                *(f"update_notable:action_result.data.*.{name}" for name in WRITTEN_COLUMNS),
            ),
            code=WRITTEN_BACK_OF_ROUND,
        ),
    ),
)
