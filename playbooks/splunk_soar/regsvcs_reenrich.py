"""
Looks at the open cases of 'Detect Regsvcs with Network Connection' again, on the containers of a timer. What changed is written once into the case and to its notables in Splunk; nothing is isolated, asked or closed.
"""


import phantom.rules as phantom
import json
from datetime import datetime, timedelta


@phantom.playbook_block()
def on_start(container):
    phantom.debug('on_start() called')

    # call 'reenrich_cases' block
    reenrich_cases(container=container)

    return

@phantom.playbook_block()
def reenrich_cases(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("reenrich_cases() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # Every open case once more, those first that were not looked at for the longest time
    ################################################################################

    parameters = []

    parameters.append({
        "scope": "open cases",
    })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("reenrich case", parameters=parameters, name="reenrich_cases", assets=["regsvcs_response"], callback=write_changes)

    return


@phantom.playbook_block()
def write_changes(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("write_changes() called")

    ################################################################################
    # Changes into each case, its state for the next round, and a summary here
    ################################################################################

    reenrich_cases_result_data = phantom.collect2(container=container, datapath=["reenrich_cases:action_result.data.*.case_id","reenrich_cases:action_result.data.*.container_id","reenrich_cases:action_result.data.*.changed","reenrich_cases:action_result.data.*.changes","reenrich_cases:action_result.data.*.stop","reenrich_cases:action_result.data.*.severity","reenrich_cases:action_result.data.*.note_title","reenrich_cases:action_result.data.*.note","reenrich_cases:action_result.data.*.question","reenrich_cases:action_result.data.*.question_title","reenrich_cases:action_result.data.*.state","reenrich_cases:action_result.data.*.facts"], action_results=results)

    reenrich_cases_result_item_0 = [item[0] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_1 = [item[1] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_2 = [item[2] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_3 = [item[3] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_4 = [item[4] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_5 = [item[5] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_6 = [item[6] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_7 = [item[7] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_8 = [item[8] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_9 = [item[9] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_10 = [item[10] for item in reenrich_cases_result_data]
    reenrich_cases_result_item_11 = [item[11] for item in reenrich_cases_result_data]

    write_changes__due = None
    write_changes__case_facts = None
    write_changes__cases = None

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def notes_of(case):
        # (id, title), the oldest first
        notes = [note["data"] for note in phantom.get_notes(container=case) or [] if note.get("success")]
        return sorted((note["id"], str(note["title"] or "")) for note in notes)

    def raise_severity(case, wanted):
        # Only ever raised, and never from a severity of the site's own, which has no place in this order.
        order = ["low", "medium", "high"]
        now = str(case.get("severity", "")).lower()
        if now in order and wanted in order and order.index(wanted) > order.index(now):
            phantom.set_severity(container=case, severity=wanted)

    def keep_state(case, case_id, state):
        # Severity low: an artifact raises that of its container.
        success, message, _ = phantom.add_artifact(
            container=case,
            raw_data={},
            cef_data={"regsvcsCaseId": case_id, "regsvcsState": state},
            label="regsvcs_case",
            name="Regsvcs case state",
            severity="low",
            run_automation=False,
        )
        return success, message

    written_to, not_written_to = "Written to Splunk: ", "Not written to Splunk: "

    def splunk_note(case, case_id):
        # The title of the last note about it; "" when there is none.
        starts = (written_to, not_written_to)
        said = [each for _, each in notes_of(case) if each.startswith(starts) and case_id in each]
        return said[-1] if said else ""

    def count(number, noun):
        return f"{number} {noun}{'' if number == 1 else 's'}"

    def add_note(case, title, content):
        # A timer that fires twice looks at the same state twice, and writes its notes once.
        title = title[:250]
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
            content = "Looked at again; this changed:\n"
            content += "".join(f"\n- {quoted(each)}" for each in changes)
            # As the other playbook writes the outcomes of a question.
            outcomes = [f"{word}: {str(key)[:200]}" for word in ("Approved", "Declined")]
            answered = any(each in outcomes for _, each in notes_of(case))
            if question in ("isolate", "by_hand") and not answered:
                content += "\n\n**The case calls for a decision about containment.** Run the playbook"
                content += " `regsvcs_network_connection` on this container to be asked."
            add_note(case, f"Changed at {at}: {str(title)[:200]}", f"{content}\n\n{note}")
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
        here = f"{written_to}{str(row[6])[:200]}"
        return bool(row[11]) and last != here and (bool(row[2]) or last.startswith(not_written_to))

    looked, changed_count, lines, due = 0, 0, [], []
    for row in zip(
        reenrich_cases_result_item_0,
        reenrich_cases_result_item_1,
        reenrich_cases_result_item_2,
        reenrich_cases_result_item_3,
        reenrich_cases_result_item_4,
        reenrich_cases_result_item_5,
        reenrich_cases_result_item_6,
        reenrich_cases_result_item_7,
        reenrich_cases_result_item_8,
        reenrich_cases_result_item_9,
        reenrich_cases_result_item_10,
        reenrich_cases_result_item_11,
    ):
        case_id, number, changed, changes, stop = row[:5]
        looked += 1
        where = f"{quoted(case_id)} in container {number}"
        case = phantom.get_container(number)
        if not case:
            lines.append(f"- {where}: the container could not be read; nothing was written.")
            continue
        if str(case.get("status", "")).lower() in ("closed", "resolved"):
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
        lines.insert(0, f"{quoted(answers[0][1], 1000)}\n")
    done = f"Regsvcs re-enrichment: {count(looked, 'case')}, {changed_count} changed"
    phantom.add_note(
        container=container,
        note_type="general",
        note_format="markdown",
        title="Regsvcs re-enrichment failed" if failed else done,
        content="\n".join(lines),
    )
    write_changes__due = "yes" if due else "no"
    write_changes__case_facts = json.dumps([each[3] for each in due])
    write_changes__cases = [each[:3] for each in due]

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="write_changes:due", value=json.dumps(write_changes__due))
    phantom.save_block_result(key="write_changes:case_facts", value=json.dumps(write_changes__case_facts))
    phantom.save_block_result(key="write_changes:cases", value=json.dumps(write_changes__cases))

    write_back_due(container=container)

    return


@phantom.playbook_block()
def write_back_due(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("write_back_due() called")

    ################################################################################
    # Is there a state of a case that belongs into Splunk?
    ################################################################################

    # check for 'if' condition 1
    found_match_1 = phantom.decision(
        container=container,
        conditions=[
            ["write_changes:custom_function:due", "==", "yes"]
        ],
        conditions_dps=[
            ["write_changes:custom_function:due", "==", "yes"]
        ],
        name="write_back_due:condition_1",
        delimiter=None)

    # call connected blocks if condition 1 matched
    if found_match_1:
        update_notable(action=action, success=success, container=container, results=results, handle=handle)
        return

    return


@phantom.playbook_block()
def update_notable(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("update_notable() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # A comment on each notable of the changed cases, and their risk once
    ################################################################################

    write_changes__case_facts = json.loads(_ if (_ := phantom.get_run_data(key="write_changes:case_facts")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    parameters.append({
        "case_facts": write_changes__case_facts,
    })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("update notable", parameters=parameters, name="update_notable", assets=["regsvcs_response"], callback=note_write_back)

    return


@phantom.playbook_block()
def note_write_back(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("note_write_back() called")

    ################################################################################
    # Into each case: what was written to Splunk, what was left, or why it failed
    ################################################################################

    update_notable_result_data = phantom.collect2(container=container, datapath=["update_notable:action_result.data.*.case_id","update_notable:action_result.data.*.target","update_notable:action_result.data.*.event_id","update_notable:action_result.data.*.outcome","update_notable:action_result.data.*.written","update_notable:action_result.data.*.left","update_notable:action_result.data.*.detail"], action_results=results)
    write_changes__cases = json.loads(_ if (_ := phantom.get_run_data(key="write_changes:cases")) != "" else "null")  # pylint: disable=used-before-assignment

    update_notable_result_item_0 = [item[0] for item in update_notable_result_data]
    update_notable_result_item_1 = [item[1] for item in update_notable_result_data]
    update_notable_result_item_2 = [item[2] for item in update_notable_result_data]
    update_notable_result_item_3 = [item[3] for item in update_notable_result_data]
    update_notable_result_item_4 = [item[4] for item in update_notable_result_data]
    update_notable_result_item_5 = [item[5] for item in update_notable_result_data]
    update_notable_result_item_6 = [item[6] for item in update_notable_result_data]

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def notes_of(case):
        # (id, title), the oldest first
        notes = [note["data"] for note in phantom.get_notes(container=case) or [] if note.get("success")]
        return sorted((note["id"], str(note["title"] or "")) for note in notes)

    written_to, not_written_to = "Written to Splunk: ", "Not written to Splunk: "

    def splunk_note(case, case_id):
        # The title of the last note about it; "" when there is none.
        starts = (written_to, not_written_to)
        said = [each for _, each in notes_of(case) if each.startswith(starts) and case_id in each]
        return said[-1] if said else ""

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
                        "its notables have no comment and its host no risk of it.\n\nTo write it, switch "
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
            lines.append("\nThe playbook went on. Mend the cause, then run `regsvcs_network_connection` on")
            lines.append("this container again; what is written already is not doubled.")
        name = f"{not_written_to if failed else written_to}{str(title)[:200]}"
        if splunk_note(case, case_id) != name:
            phantom.add_note(
                container=case,
                note_type="general",
                note_format="markdown",
                title=name,
                content="\n".join(lines),
            )

    datapath = ["update_notable:action_result.status", "update_notable:action_result.message"]
    answers = phantom.collect2(container=container, datapath=datapath)
    reasons = [message for status, message in answers if status != "success"]
    problem = (reasons[0] or "it gave no reason") if reasons else "" if answers else "it gave no answer"

    rows_of = {}
    for case_id, *row in zip(
        update_notable_result_item_0,
        update_notable_result_item_1,
        update_notable_result_item_2,
        update_notable_result_item_3,
        update_notable_result_item_4,
        update_notable_result_item_5,
        update_notable_result_item_6,
    ):
        rows_of.setdefault(case_id, []).append(row)

    for number, case_id, title in write_changes__cases or []:
        case = phantom.get_container(number)
        if case:
            note_splunk(case, case_id, title, rows_of.get(case_id, []), problem)

    ################################################################################
    ## Custom Code End
    ################################################################################

    return


@phantom.playbook_block()
def on_finish(container, summary):
    phantom.debug("on_finish() called")

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    return
