"""
Answers the notable 'Detect Regsvcs with Network Connection' (T1218.009). It judges the destination, finds the process and its lineage, assesses the risk, writes the report into the case, and asks an Incident Commander before a host is contained. It isolates nothing by itself and closes no case.
"""


import phantom.rules as phantom
import json
from datetime import datetime, timedelta


@phantom.playbook_block()
def on_start(container):
    phantom.debug('on_start() called')

    # call 'read_notable' block
    read_notable(container=container)

    return

@phantom.playbook_block()
def read_notable(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("read_notable() called")

    ################################################################################
    # Collects the notable from the artifacts, with CIM or CEF names; the app reads it
    ################################################################################

    read_notable__usable = None
    read_notable__notable = None
    read_notable__ip = None

    ################################################################################
    ## Custom Code Start
    ################################################################################

    import ipaddress

    # Where the app reads the host from; an artifact with none of them is no notable.
    hosts = ["dest", "Computer", "destinationHostName", "deviceHostname", "destinationAddress"]
    hosts += ["risk_object", "entity", "_raw"]
    # destinationAddress comes last: Splunk's connector writes both dest and dest_ip to it, and loses one.
    peers = ["dest_ip", "DestinationIp", "destinationAddress"]

    def texts(value):
        # A field of several values comes as a list, as the JSON text of a list, or as lines.
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return []
        several = value.split("\n") if isinstance(value, str) else value if isinstance(value, list) else []
        return [each.strip() for each in several if isinstance(each, str) and each.strip()]

    def addresses(cef):
        for name in peers:
            found = []
            for text in texts(cef.get(name)):
                try:
                    found.append(str(ipaddress.ip_address(text)))
                except ValueError:
                    continue
            if found:
                return found
        return []

    def named(**ids):
        # An identifier that the app made itself says nothing about the notable.
        made = ("derived:", "sha256:", "notable:", "rejected:")
        return {name: text for name, text in ids.items() if text and not str(text).startswith(made)}

    # All of them, not the new ones alone: a later notable joins its case, and a run by hand finds the first.
    datapath = ["artifact:*.cef", "artifact:*.source_data_identifier"]
    artifacts, ips = [], []
    for cef, identifier in phantom.collect2(container=container, datapath=datapath, scope="all"):
        if isinstance(cef, dict) and any(texts(cef.get(name)) for name in hosts):
            artifacts.append({"cef": cef, **named(source_data_identifier=identifier)})
            ips += addresses(cef)

    case = named(name=container.get("name"), source_data_identifier=container.get("source_data_identifier"))
    read_notable__usable = "yes" if artifacts else "no"
    read_notable__notable = json.dumps({"container": case, "artifacts": artifacts})
    read_notable__ip = ", ".join(dict.fromkeys(ips))

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="read_notable:usable", value=json.dumps(read_notable__usable))
    phantom.save_block_result(key="read_notable:notable", value=json.dumps(read_notable__notable))
    phantom.save_block_result(key="read_notable:ip", value=json.dumps(read_notable__ip))

    notable_usable(container=container)

    return


@phantom.playbook_block()
def notable_usable(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("notable_usable() called")

    ################################################################################
    # Is there a notable to work on?
    ################################################################################

    # check for 'if' condition 1
    found_match_1 = phantom.decision(
        container=container,
        conditions=[
            ["read_notable:custom_function:usable", "==", "yes"]
        ],
        conditions_dps=[
            ["read_notable:custom_function:usable", "==", "yes"]
        ],
        name="notable_usable:condition_1",
        delimiter=None)

    # call connected blocks if condition 1 matched
    if found_match_1:
        check_ip(action=action, success=success, container=container, results=results, handle=handle)
        get_process_lineage(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'else' condition 2
    note_no_notable(action=action, success=success, container=container, results=results, handle=handle)

    return


@phantom.playbook_block()
def note_no_notable(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("note_no_notable() called")

    ################################################################################
    # Says what is missing
    ################################################################################

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def titles_of(case):
        notes = phantom.get_notes(container=case) or []
        return {note["data"]["title"] for note in notes if note.get("success")}

    title = "Regsvcs response: no notable in this container"
    # An artifact added to a case later, such as a file, is no notable either, and needs no note.
    if not any(each.startswith("Regsvcs response: ") for each in titles_of(container)):
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=title,
            content=(
                "No artifact of this container names the host the process ran on, so nothing was looked up "
                "and nothing was decided. The container stays as it is.\n\n"
                "Looked for: `dest` (CIM), `Computer` (Sysmon), `deviceHostname`, `destinationHostName`, "
                "or a host name in `destinationAddress` (CEF). Of use as well: `process_name`, `user`, "
                "`src_ip`, `dest_ip`, `firstTime`, `lastTime`.\n\n"
                "Add an artifact with these fields, or run the action `respond to notable` with the notable."
            ),
        )

    ################################################################################
    ## Custom Code End
    ################################################################################

    return


@phantom.playbook_block()
def check_ip(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("check_ip() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # Is the destination public, and not the organisation's own?
    ################################################################################

    read_notable__ip = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:ip")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    if read_notable__ip is not None:
        parameters.append({
            "ip": read_notable__ip,
        })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("check ip", parameters=parameters, name="check_ip", assets=["regsvcs_response"], callback=join_gather_facts)

    return


@phantom.playbook_block()
def get_process_lineage(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("get_process_lineage() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # Host, process, its ancestors and children
    ################################################################################

    read_notable__notable = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:notable")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    parameters.append({
        "notable": read_notable__notable,
    })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("get process lineage", parameters=parameters, name="get_process_lineage", assets=["regsvcs_response"], callback=join_gather_facts)

    return


@phantom.playbook_block()
def join_gather_facts(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("join_gather_facts() called")

    # if the joined function has already been called, do nothing
    if phantom.get_run_data(key="join_gather_facts_called"):
        return

    if phantom.completed(action_names=["check_ip", "get_process_lineage"]):
        # save the state that the joined function has now been called
        phantom.save_block_result(key="join_gather_facts_called", value="gather_facts")

        # call connected block "gather_facts"
        gather_facts(container=container, handle=handle)

    return


@phantom.playbook_block()
def gather_facts(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("gather_facts() called")

    ################################################################################
    # The facts of both branches, one list each; what failed is handed on as unknown
    ################################################################################

    check_ip_result_data = phantom.collect2(container=container, datapath=["check_ip:action_result.data.*.facts"], action_results=results)
    get_process_lineage_result_data = phantom.collect2(container=container, datapath=["get_process_lineage:action_result.data.*.facts"], action_results=results)

    check_ip_result_item_0 = [item[0] for item in check_ip_result_data]
    get_process_lineage_result_item_0 = [item[0] for item in get_process_lineage_result_data]

    gather_facts__ip_facts = None
    gather_facts__process_facts = None
    gather_facts__process_problem = None

    ################################################################################
    ## Custom Code Start
    ################################################################################

    ip_facts = [each for each in check_ip_result_item_0 if each]
    process_facts = [each for each in get_process_lineage_result_item_0 if each]
    gather_facts__ip_facts = json.dumps(ip_facts) if ip_facts else ""
    gather_facts__process_facts = json.dumps(process_facts) if process_facts else ""
    gather_facts__process_problem = ""
    if not process_facts:
        # What could not be asked is unknown, and assess risk lists it as that.
        datapath = ["get_process_lineage:action_result.message"]
        known = [row[0] for row in phantom.collect2(container=container, datapath=datapath) if row[0]]
        gather_facts__process_problem = known[0] if known else "get process lineage gave no answer"

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="gather_facts:ip_facts", value=json.dumps(gather_facts__ip_facts))
    phantom.save_block_result(key="gather_facts:process_facts", value=json.dumps(gather_facts__process_facts))
    phantom.save_block_result(key="gather_facts:process_problem", value=json.dumps(gather_facts__process_problem))

    assess_risk(container=container)

    return


@phantom.playbook_block()
def assess_risk(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("assess_risk() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # Score, verdict, and what is not known
    ################################################################################

    read_notable__notable = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:notable")) != "" else "null")  # pylint: disable=used-before-assignment
    gather_facts__ip_facts = json.loads(_ if (_ := phantom.get_run_data(key="gather_facts:ip_facts")) != "" else "null")  # pylint: disable=used-before-assignment
    gather_facts__process_facts = json.loads(_ if (_ := phantom.get_run_data(key="gather_facts:process_facts")) != "" else "null")  # pylint: disable=used-before-assignment
    gather_facts__process_problem = json.loads(_ if (_ := phantom.get_run_data(key="gather_facts:process_problem")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    parameters.append({
        "notable": read_notable__notable,
        "ip_facts": gather_facts__ip_facts,
        "process_facts": gather_facts__process_facts,
        "process_problem": gather_facts__process_problem,
    })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("assess risk", parameters=parameters, name="assess_risk", assets=["regsvcs_response"], callback=decide_isolation)

    return


@phantom.playbook_block()
def decide_isolation(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("decide_isolation() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # Every guard of the isolation policy; never above the mode approve
    ################################################################################

    assess_risk_result_data = phantom.collect2(container=container, datapath=["assess_risk:action_result.data.*.facts","assess_risk:action_result.parameter.context.artifact_id"], action_results=results)

    parameters = []

    # build parameters list for 'decide_isolation' call
    for assess_risk_result_item in assess_risk_result_data:
        if assess_risk_result_item[0] is not None:
            parameters.append({
                "case_facts": assess_risk_result_item[0],
                "caller_mode": "approve",
                "context": {'artifact_id': assess_risk_result_item[1]},
            })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Without a risk assessment there are no facts; the call has to come back all the same.
    if not parameters:
        parameters.append({"case_facts": "", "caller_mode": "approve"})

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("decide isolation", parameters=parameters, name="decide_isolation", assets=["regsvcs_response"], callback=write_case)

    return


@phantom.playbook_block()
def write_case(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("write_case() called")

    ################################################################################
    # The report of each case, severity, status, and what failed; a second trigger adds nothing
    ################################################################################

    decide_isolation_result_data = phantom.collect2(container=container, datapath=["decide_isolation:action_result.data.*.note_title","decide_isolation:action_result.data.*.note","decide_isolation:action_result.data.*.severity","decide_isolation:action_result.data.*.case_id","decide_isolation:action_result.data.*.state"], action_results=results)
    assess_risk_result_data = phantom.collect2(container=container, datapath=["assess_risk:action_result.data.*.case_id","assess_risk:action_result.data.*.case_verdict","assess_risk:action_result.data.*.score","assess_risk:action_result.data.*.severity","assess_risk:action_result.data.*.verdict_reason"], action_results=results)
    read_notable__ip = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:ip")) != "" else "null")  # pylint: disable=used-before-assignment

    decide_isolation_result_item_0 = [item[0] for item in decide_isolation_result_data]
    decide_isolation_result_item_1 = [item[1] for item in decide_isolation_result_data]
    decide_isolation_result_item_2 = [item[2] for item in decide_isolation_result_data]
    decide_isolation_result_item_3 = [item[3] for item in decide_isolation_result_data]
    decide_isolation_result_item_4 = [item[4] for item in decide_isolation_result_data]
    assess_risk_result_item_0 = [item[0] for item in assess_risk_result_data]
    assess_risk_result_item_1 = [item[1] for item in assess_risk_result_data]
    assess_risk_result_item_2 = [item[2] for item in assess_risk_result_data]
    assess_risk_result_item_3 = [item[3] for item in assess_risk_result_data]
    assess_risk_result_item_4 = [item[4] for item in assess_risk_result_data]

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def titles_of(case):
        notes = phantom.get_notes(container=case) or []
        return {note["data"]["title"] for note in notes if note.get("success")}

    def raise_severity(case, wanted):
        # Only ever raised, and never from a severity of the site's own, which has no place in this order.
        order = ["low", "medium", "high"]
        now = str(case.get("severity", "")).lower()
        if now in order and wanted in order and order.index(wanted) > order.index(now):
            phantom.set_severity(container=case, severity=wanted)

    def add_note(title, content):
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=title,
            content=content,
        )

    steps = [
        ("check_ip", "check ip", "`assess risk` judged the addresses by itself."),
        ("get_process_lineage", "get process lineage", "The process tree is unknown. That lowered nothing."),
        ("assess_risk", "assess risk", "There is no score. Unknown is not harmless: a person has to look."),
        ("decide_isolation", "decide isolation", "Nothing was decided and nobody is asked."),
    ]
    failed = {}
    for block, step, effect in steps:
        datapath = [f"{block}:action_result.status", f"{block}:action_result.message"]
        answers = phantom.collect2(container=container, datapath=datapath)
        reasons = [message for status, message in answers if status != "success"]
        if reasons or not answers:
            failed[step] = (reasons[0] if reasons else "it gave no answer", effect)
    if "check ip" in failed and not read_notable__ip:
        failed["check ip"] = ("the notable holds no destination address", failed["check ip"][1])
    if "check ip" in failed and "assess risk" in failed:
        failed["check ip"] = (failed["check ip"][0], "The address is not judged.")
    if "decide isolation" in failed and "assess risk" in failed:
        why = "there is no risk assessment to decide on"
        failed["decide isolation"] = (why, failed["decide isolation"][1])

    # (title, note, severity, case id, state) of each case
    cases = list(
        zip(
            decide_isolation_result_item_0,
            decide_isolation_result_item_1,
            decide_isolation_result_item_2,
            decide_isolation_result_item_3,
            decide_isolation_result_item_4,
        )
    )
    decided = {each[3] for each in cases}
    for case_id, verdict, score, severity, reason in zip(
        assess_risk_result_item_0,
        assess_risk_result_item_1,
        assess_risk_result_item_2,
        assess_risk_result_item_3,
        assess_risk_result_item_4,
    ):
        if case_id not in decided:
            title = f"Regsvcs risk: {verdict}, score {score:g} ({case_id})"
            content = f"**{verdict}, score {score:g}**: {quoted(reason, 1000)}\n\n"
            content += "The isolation decision failed, and with it the whole report."
            cases.append((title, content, severity, case_id, ""))

    # A second trigger finds its notes and changes nothing, so that what a person has set since then stays.
    titles = titles_of(container)
    failure = f"Regsvcs response: failed: {', '.join(failed)}" if failed else ""
    new_failure = bool(failure) and failure not in titles
    new_cases = [each for each in cases if each[0] not in titles]

    if new_failure or new_cases:
        fresh = phantom.get_container(container["id"]) or container
        # A case that could not be judged is not a harmless one.
        for severity in [each[2] for each in new_cases] if cases else ["medium"]:
            raise_severity(fresh, severity)
            fresh = phantom.get_container(container["id"]) or fresh
        if str(fresh.get("status", "")).lower() == "new":
            phantom.set_status(container=fresh, status="open")

    for title, note, severity, case_id, state in new_cases:
        if state:
            # For re-enrichment. Severity low: an artifact raises that of its container.
            phantom.add_artifact(
                container=container,
                raw_data={},
                cef_data={"regsvcsCaseId": case_id, "regsvcsState": state},
                label="regsvcs_case",
                name="Regsvcs case state",
                severity="low",
                run_automation=False,
            )
        add_note(title, note)

    if new_failure:
        lines = []
        for step, (reason, effect) in failed.items():
            lines.append(f"- **{step}** failed: {quoted(reason, 1000)}. {effect}")
        lines.append("\nThe playbook went on without an answer. Mend the cause, then run")
        lines.append("`regsvcs_network_connection` on this container again.")
        add_note(failure, "\n".join(lines))

    ################################################################################
    ## Custom Code End
    ################################################################################

    announce_question(container=container)

    return


@phantom.playbook_block()
def announce_question(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("announce_question() called")

    ################################################################################
    # Which host to ask about, if any; the note written here keeps it from being asked twice
    ################################################################################

    decide_isolation_result_data = phantom.collect2(container=container, datapath=["decide_isolation:action_result.data.*.question","decide_isolation:action_result.data.*.host","decide_isolation:action_result.data.*.prompt","decide_isolation:action_result.data.*.note_title","decide_isolation:action_result.data.*.score"], action_results=results)

    decide_isolation_result_item_0 = [item[0] for item in decide_isolation_result_data]
    decide_isolation_result_item_1 = [item[1] for item in decide_isolation_result_data]
    decide_isolation_result_item_2 = [item[2] for item in decide_isolation_result_data]
    decide_isolation_result_item_3 = [item[3] for item in decide_isolation_result_data]
    decide_isolation_result_item_4 = [item[4] for item in decide_isolation_result_data]

    announce_question__ask = None
    announce_question__question = None
    announce_question__host = None
    announce_question__titles = None
    announce_question__kind = None

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

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
            f"The role `Incident Commander` is asked whether to contain {quoted(host)}. "
            "The answer is awaited for 30 minutes; without one nothing is done."
        )
        for each in others:
            content += f"\n\nNot asked yet: {quoted(each)}. Run the playbook again for it."
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
            announce_question__question = "\n\n".join(str(row[2]) for row in won)
            announce_question__host = host
            announce_question__titles = [row[3] for row in won]
            announce_question__kind = "isolate" if all(row[0] == "isolate" for row in won) else "by_hand"

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="announce_question:ask", value=json.dumps(announce_question__ask))
    phantom.save_block_result(key="announce_question:question", value=json.dumps(announce_question__question))
    phantom.save_block_result(key="announce_question:host", value=json.dumps(announce_question__host))
    phantom.save_block_result(key="announce_question:titles", value=json.dumps(announce_question__titles))
    phantom.save_block_result(key="announce_question:kind", value=json.dumps(announce_question__kind))

    question_due(container=container)

    return


@phantom.playbook_block()
def question_due(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("question_due() called")

    ################################################################################
    # Is a person to be asked?
    ################################################################################

    # check for 'if' condition 1
    found_match_1 = phantom.decision(
        container=container,
        conditions=[
            ["announce_question:custom_function:ask", "==", "yes"]
        ],
        conditions_dps=[
            ["announce_question:custom_function:ask", "==", "yes"]
        ],
        name="question_due:condition_1",
        delimiter=None)

    # call connected blocks if condition 1 matched
    if found_match_1:
        ask_about_containment(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'else' condition 2
    nothing_asked(action=action, success=success, container=container, results=results, handle=handle)

    return


@phantom.playbook_block()
def nothing_asked(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("nothing_asked() called")

    ################################################################################
    # Closing note where no question is due
    ################################################################################

    decide_isolation_result_data = phantom.collect2(container=container, datapath=["decide_isolation:action_result.data.*.question","decide_isolation:action_result.data.*.note_title"], action_results=results)

    decide_isolation_result_item_0 = [item[0] for item in decide_isolation_result_data]
    decide_isolation_result_item_1 = [item[1] for item in decide_isolation_result_data]

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def titles_of(case):
        notes = phantom.get_notes(container=case) or []
        return {note["data"]["title"] for note in notes if note.get("success")}

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

    ################################################################################
    ## Custom Code End
    ################################################################################

    return


@phantom.playbook_block()
def ask_about_containment(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("ask_about_containment() called")

    ################################################################################
    # The question with its evidence
    ################################################################################

    # set approver and message variables for phantom.prompt call

    user = None
    role = "Incident Commander"
    message = """{0}"""

    # parameter list for template variable replacement
    parameters = [
        "announce_question:custom_function:question"
    ]

    # responses
    response_types = [
        {
            "prompt": "Contain this host?",
            "options": {
                "type": "list",
                "required": True,
                "choices": [
                    "Approve",
                    "Decline"
                ],
            },
        },
        {
            "prompt": "Reason",
            "options": {
                "type": "message",
                "required": False,
            },
        }
    ]

    phantom.prompt2(container=container, user=user, role=role, message=message, respond_in_mins=30, name="ask_about_containment", parameters=parameters, response_types=response_types, callback=answer)

    return


@phantom.playbook_block()
def answer(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("answer() called")

    ################################################################################
    # Without an answer it is neither approved nor declined, so that is tested first
    ################################################################################

    # check for 'if' condition 1
    found_match_1 = phantom.decision(
        container=container,
        conditions=[
            ["ask_about_containment:action_result.status", "!=", "success"]
        ],
        conditions_dps=[
            ["ask_about_containment:action_result.status", "!=", "success"]
        ],
        name="answer:condition_1",
        delimiter=None)

    # call connected blocks if condition 1 matched
    if found_match_1:
        expired(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'elif' condition 2
    found_match_2 = phantom.decision(
        container=container,
        conditions=[
            ["ask_about_containment:action_result.summary.responses.0", "==", "Approve"]
        ],
        conditions_dps=[
            ["ask_about_containment:action_result.summary.responses.0", "==", "Approve"]
        ],
        name="answer:condition_2",
        delimiter=None)

    # call connected blocks if condition 2 matched
    if found_match_2:
        approved(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'else' condition 3
    declined(action=action, success=success, container=container, results=results, handle=handle)

    return


@phantom.playbook_block()
def approved(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("approved() called")

    ################################################################################
    # Until the isolation action exists: a task for a person
    ################################################################################

    announce_question__titles = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:titles")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__kind = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:kind")) != "" else "null")  # pylint: disable=used-before-assignment

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

    host = quoted(announce_question__host)
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
        f"Reason: {quoted(reason or 'none given', 1000)}.\n\n"
        f"**Task: contain {host} by hand.** {why} Nothing has been isolated.\n\n"
        f"1. Make sure in the EDR console that {host} is the machine of this case.\n"
        "2. Isolate it there, and wait until the console shows it as isolated.\n"
        "3. Write into this case who isolated it, when, and when that is to be reviewed.\n"
        "4. Go on with the next steps of the report."
    )
    phantom.pin(
        container=container,
        data=quoted(announce_question__host).strip("`"),
        message="Approved: contain this host by hand",
        pin_type="card",
        pin_style="red",
    )

    for title in announce_question__titles or []:
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=f"Approved: {title}",
            content=approved_content,
        )

    ################################################################################
    ## Custom Code End
    ################################################################################

    return


@phantom.playbook_block()
def declined(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("declined() called")

    ################################################################################
    # Closing note: who declined, and why
    ################################################################################

    announce_question__titles = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:titles")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

    answer = first("ask_about_containment:action_result.summary.responses.0")
    reason = first("ask_about_containment:action_result.summary.responses.1")
    declined_content = (
        f"**Not approved** by {quoted(first('ask_about_containment:action_result.data.*.user'))}; "
        f"the answer was {quoted(answer)}. "
        f"Reason: {quoted(reason or 'none given', 1000)}.\n\n"
        f"Nothing has been isolated: {quoted(announce_question__host)} stays as it is, and the case is open. "
        "Go on with the next steps of the report."
    )

    for title in announce_question__titles or []:
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=f"Declined: {title}",
            content=declined_content,
        )

    ################################################################################
    ## Custom Code End
    ################################################################################

    return


@phantom.playbook_block()
def expired(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("expired() called")

    ################################################################################
    # Closing note: nobody answered, nothing was done
    ################################################################################

    announce_question__titles = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:titles")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

    expired_content = (
        f"The question about {quoted(announce_question__host)} ended without an answer: "
        f"{quoted(first('ask_about_containment:action_result.message'))}.\n\n"
        "**Nothing has been decided and nothing has been isolated.** "
        "That is neither an approval nor a refusal.\n\n"
        "To be asked again, run `regsvcs_network_connection` on this container. To act without the question, "
        "contain the host by hand and write into this case who did it, and when."
    )

    for title in announce_question__titles or []:
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=f"Nobody answered: {title}",
            content=expired_content,
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
