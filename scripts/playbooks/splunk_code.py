"""Custom code about what was written to Splunk, of both playbooks."""

from __future__ import annotations

from scripts.playbooks.snippets import NOTES, PART_LIMIT, QUOTED

#: Tells what was last noted about a case and Splunk; needs NOTES. A note holds the state that was written, so
#: that the same state is not written again, and one that was not written is.
IN_SPLUNK = """
    written_to, not_written_to = "Written to Splunk: ", "Not written to Splunk: "

    def splunk_note(case, case_id):
        # The title of the last note about it; "" when there is none.
        starts = (written_to, not_written_to)
        said = [each for _, each in notes_of(case) if each.startswith(starts) and case_id in each]
        return said[-1] if said else ""
"""

#: What is read of the rows of `update notable`: the case, and what NOTE_SPLUNK takes.
WRITTEN_COLUMNS = ("case_id", "target", "event_id", "outcome", "written", "left", "detail")

#: Notes what became of a case in Splunk; needs QUOTED, NOTES and IN_SPLUNK.
NOTE_SPLUNK = """
    def listed(names):
        return ", ".join([names] if isinstance(names, str) else names or [])

    def note_splunk(case, case_id, title, rows, problem):
        # rows: (target, event_id, outcome, written, left, detail); problem: why the action failed, or "".
        outcomes = {row[2] for row in rows}
        failed = bool(problem) or "failed" in outcomes
        if not failed and "not_switched_on" in outcomes:
            # Told once: a note for each state would say nothing new.
            name = f"Nothing written to Splunk: not switched on ({case_id})"
            if name not in [each for _, each in notes_of(case)]:
                phantom.add_note(
                    container=case,
                    note_type="general",
                    note_format="markdown",
                    title=name,
                    content=(
                        "The asset does not let a case be written to Splunk (`write_to_splunk` is off), so "
                        "its notables have no comment and its host no risk of it.\\n\\nTo write it, switch "
                        "`write_to_splunk` on and run `regsvcs_network_connection` on this container again."
                    ),
                )
            return
        if not failed and outcomes.isdisjoint(("written", "already_there")):
            return  # Splunk is not configured, or there was nothing to write: no note claims a write.
        lines = [f"- **update notable** failed: {quoted(problem, 1000)}."] if problem else []
        for target, event_id, outcome, written, left, detail in rows:
            parts = [str(outcome).replace("_", " ")]
            parts += [f"{listed(written)} written"] if listed(written) else []
            parts += [f"{listed(left)} left"] if listed(left) else []
            parts += [quoted(detail)] if detail else []
            what = "risk of the host" if target == "risk" else f"notable {quoted(event_id)}"
            lines.append(f"- {what}: {'; '.join(parts)}")
        if failed:
            lines.append("\\nThe playbook went on. Mend the cause, then run `regsvcs_network_connection` on")
            lines.append("this container again; what is written already is not doubled.")
        name = f"{not_written_to if failed else written_to}{str(title)[:PART_LIMIT]}"
        if splunk_note(case, case_id) != name:
            phantom.add_note(
                container=case,
                note_type="general",
                note_format="markdown",
                title=name,
                content="\\n".join(lines),
            )
""".replace("PART_LIMIT", str(PART_LIMIT))

_OUTCOME = (
    QUOTED
    + NOTES
    + IN_SPLUNK
    + NOTE_SPLUNK
    + """
    datapath = ["update_notable:action_result.status", "update_notable:action_result.message"]
    answers = phantom.collect2(container=container, datapath=datapath)
    reasons = [message for status, message in answers if status != "success"]
    problem = (reasons[0] or "it gave no reason") if reasons else "" if answers else "it gave no answer"

    rows_of = {}
    for case_id, *row in zip(
"""
    + "".join(f"        update_notable_result_item_{index},\n" for index in range(len(WRITTEN_COLUMNS)))
    + """    ):
        rows_of.setdefault(case_id, []).append(row)
"""
)

#: Of regsvcs_network_connection: into the container that runs.
WRITTEN_BACK = (
    _OUTCOME
    + """
    due = json.loads(write_case__case_facts)
    for case_id, title, facts in zip(
        decide_isolation_result_item_0, decide_isolation_result_item_1, decide_isolation_result_item_2
    ):
        if facts in due:
            note_splunk(container, case_id, title, rows_of.get(case_id, []), problem)
"""
)

#: Of regsvcs_reenrich: into the container of each case.
WRITTEN_BACK_OF_ROUND = (
    _OUTCOME
    + """
    for number, case_id, title in write_changes__cases or []:
        case = phantom.get_container(number)
        if case:
            note_splunk(case, case_id, title, rows_of.get(case_id, []), problem)
"""
)
