"""
Looks at the open cases of 'Detect Regsvcs with Network Connection' again, on the containers of a timer. What changed is written into the case once; nothing is isolated, asked or closed.
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

    reenrich_cases_result_data = phantom.collect2(container=container, datapath=["reenrich_cases:action_result.data.*.case_id","reenrich_cases:action_result.data.*.container_id","reenrich_cases:action_result.data.*.changed","reenrich_cases:action_result.data.*.changes","reenrich_cases:action_result.data.*.stop","reenrich_cases:action_result.data.*.severity","reenrich_cases:action_result.data.*.note_title","reenrich_cases:action_result.data.*.note","reenrich_cases:action_result.data.*.question","reenrich_cases:action_result.data.*.question_title","reenrich_cases:action_result.data.*.state"], action_results=results)

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
        case_id, _, changed, changes, stop, severity, title, note, question, key, state = row
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

    looked, changed_count, lines = 0, 0, []
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
