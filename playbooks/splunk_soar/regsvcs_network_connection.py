"""
Answers the notable 'Detect Regsvcs with Network Connection' (T1218.009). It judges the destination and looks it up, finds the process and its lineage, assesses the risk, writes the report into the case and a comment to its notables in Splunk, and asks an Incident Commander before a host is contained. It isolates a host only where every guard of the isolation policy passes: in mode approve after an approval, in mode auto at once. It closes no case.
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
    read_notable__lookup_ip = None
    read_notable__problem = None

    ################################################################################
    ## Custom Code Start
    ################################################################################

    import ipaddress

    # What names the machine or leads to it; an artifact with none of them is no notable.
    hosts = [
        "Computer", "ComputerName", "ProcessGuid", "SourceIp", "dest", "dest_dns", "dest_nt_host",
        "destinationAddress", "destinationHostName", "deviceHostname", "dvc", "dvc_dns", "dvc_nt_host",
        "entity", "process_guid", "process_guids", "risk_object", "sourceAddress", "src", "src_ip",
    ]
    # destinationAddress comes last: Splunk's connector writes both dest and dest_ip to it, and loses one.
    peers = ["dest_ip", "DestinationIp", "destinationAddress"]
    # All that the app reads. What it does not read is not handed on: it may be of any size.
    known = [
        "Computer", "ComputerName", "DestinationHostname", "DestinationIp", "DestinationPort", "Image",
        "Initiated", "ProcessGuid", "ProcessId", "SourceHostname", "SourceIp", "SourcePort", "User",
        "analytic_generation", "baseEventCount", "count", "dest", "dest_bunit", "dest_category",
        "dest_dns", "dest_host", "dest_ip", "dest_nt_host", "dest_owner", "dest_port", "dest_ports",
        "dest_priority", "dest_untold", "destinationAddress", "destinationHostName", "destinationPort",
        "destinationProcessName", "destinationUserName", "deviceDirection", "deviceHostname",
        "direction", "dvc", "dvc_bunit", "dvc_category", "dvc_dns", "dvc_ip", "dvc_nt_host",
        "dvc_owner", "dvc_priority", "endTime", "entity", "entity_type", "event_id", "fileName",
        "finding_id", "finding_score", "firstTime", "first_time", "info_max_time", "info_min_time",
        "initiated", "lastTime", "last_time", "machine_doubtful", "orig_host", "orig_rid", "orig_sid",
        "owner", "process_exec", "process_guid", "process_guids", "process_id", "process_ids",
        "process_name", "process_path", "rid", "risk_message", "risk_object", "risk_object_type",
        "risk_score", "rule_name", "rule_title", "search_name", "sid", "sourceAddress",
        "sourceHostName", "sourcePort", "sourceProcessName", "sourceUserName", "src", "src_bunit",
        "src_category", "src_dns", "src_host", "src_ip", "src_nt_host", "src_owner", "src_port",
        "src_ports", "src_priority", "startTime", "status", "status_label", "urgency", "user",
        "user_bunit", "user_category", "user_managedBy", "user_priority", "user_watchlist",
    ]

    def kept(value, depth=0):
        # What JSON can carry and the parser reads; it says itself what it cannot use.
        if isinstance(value, str):
            return value.encode("utf-8", "replace").decode()
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return value if abs(value) < 2**63 else None
        if isinstance(value, list) and depth < 5:
            return [kept(each, depth + 1) for each in value[:1001]]
        return {}

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
                    # A zone such as %eth0 belongs to one machine, and may hold anything.
                    found += [str(ipaddress.ip_address(text))] if "%" not in text else []
                except ValueError:
                    continue
            if found:
                return found
        return []

    def named(**ids):
        # An identifier that the app made itself says nothing about the notable.
        made = ("derived:", "sha256:", "notable:", "rejected:")
        texts_of = {name: str(kept(str(text)))[:1024] for name, text in ids.items() if text}
        return {name: text for name, text in texts_of.items() if not text.startswith(made)}

    # All of them, not the new ones alone: a later notable joins its case, and a run by hand finds the first.
    datapath = ["artifact:*.cef", "artifact:*.source_data_identifier"]
    rows = phantom.collect2(container=container, datapath=datapath, scope="all", limit=2000)
    artifacts, ips, total, too_long = [], [], 0, 0
    for cef, identifier in rows:
        if not isinstance(cef, dict):
            continue
        fields = {name: kept(cef[name]) for name in known if name in cef}
        if isinstance(cef.get("_raw"), str) and not any(fields.get(name) for name in hosts):
            fields["_raw"] = kept(cef["_raw"])
        size = len(json.dumps(fields))
        if size > 65536 or total + size > 6291456:
            too_long += 1
        elif any(texts(fields.get(name)) for name in [*hosts, "_raw"]):
            total += size
            artifacts.append({"cef": fields, **named(source_data_identifier=identifier)})
            ips += addresses(fields)

    case = named(name=container.get("name"), source_data_identifier=container.get("source_data_identifier"))
    read_notable__usable = "yes" if artifacts else "no"
    read_notable__notable = json.dumps({"container": case, "artifacts": artifacts})
    # As many as an action takes at once; `assess risk` judges the others by itself.
    read_notable__ip = ", ".join(list(dict.fromkeys(ips))[:1000])
    read_notable__lookup_ip = ", ".join(list(dict.fromkeys(ips))[:200])
    read_notable__problem = ""
    if too_long:
        read_notable__problem = f"{too_long} of {len(rows)} artifacts are too long to be read"
    if len(rows) >= 2000:
        read_notable__problem = "the container has 2,000 artifacts or more; the others were not read"

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="read_notable:usable", value=json.dumps(read_notable__usable))
    phantom.save_block_result(key="read_notable:notable", value=json.dumps(read_notable__notable))
    phantom.save_block_result(key="read_notable:ip", value=json.dumps(read_notable__ip))
    phantom.save_block_result(key="read_notable:lookup_ip", value=json.dumps(read_notable__lookup_ip))
    phantom.save_block_result(key="read_notable:problem", value=json.dumps(read_notable__problem))

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

    read_notable__problem = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:problem")) != "" else "null")  # pylint: disable=used-before-assignment

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

    title = "Regsvcs response: no notable in this container"
    # An artifact added to a case later, such as a file, is no notable either, and needs no note.
    if not any(each.startswith("Regsvcs response: ") for _, each in notes_of(container)):
        problem = f" Besides, {quoted(read_notable__problem)}." if read_notable__problem else ""
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=title,
            content=(
                "No artifact of this container leads to the machine the process ran on, so nothing was "
                f"looked up and nothing was decided. The container stays as it is.{problem}\n\n"
                "Looked for: `dvc`, `dest`, `src_ip`, `process_guid` (CIM), `Computer` (Sysmon), "
                "`deviceHostname`, `destinationHostName`, `sourceAddress`, or a host name in "
                "`destinationAddress` (CEF). Of use as well: `process_name`, `user`, `dest_ip`, "
                "`direction`, `firstTime`, `lastTime`.\n\n"
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

    phantom.act("check ip", parameters=parameters, name="check_ip", assets=["regsvcs_response"], callback=lookup_ip)

    return


@phantom.playbook_block()
def lookup_ip(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("lookup_ip() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # What sources know of the notable's addresses; nobody is asked about a private one
    ################################################################################

    read_notable__lookup_ip = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:lookup_ip")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    if read_notable__lookup_ip is not None:
        parameters.append({
            "ip": read_notable__lookup_ip,
        })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("lookup ip", parameters=parameters, name="lookup_ip", assets=["regsvcs_response"], callback=join_gather_facts)

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

    if phantom.completed(action_names=["lookup_ip", "get_process_lineage"]):
        # save the state that the joined function has now been called
        phantom.save_block_result(key="join_gather_facts_called", value="gather_facts")

        # call connected block "gather_facts"
        gather_facts(container=container, handle=handle)

    return


@phantom.playbook_block()
def gather_facts(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("gather_facts() called")

    ################################################################################
    # The facts of both branches; what failed is unknown. Which peers were not looked up yet?
    ################################################################################

    check_ip_result_data = phantom.collect2(container=container, datapath=["check_ip:action_result.data.*.facts","check_ip:action_result.data.*.ip","check_ip:action_result.data.*.external"], action_results=results)
    lookup_ip_result_data = phantom.collect2(container=container, datapath=["lookup_ip:action_result.data.*.ip"], action_results=results)
    get_process_lineage_result_data = phantom.collect2(container=container, datapath=["get_process_lineage:action_result.data.*.facts","get_process_lineage:action_result.data.*.peers"], action_results=results)
    read_notable__lookup_ip = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:lookup_ip")) != "" else "null")  # pylint: disable=used-before-assignment

    check_ip_result_item_0 = [item[0] for item in check_ip_result_data]
    check_ip_result_item_1 = [item[1] for item in check_ip_result_data]
    check_ip_result_item_2 = [item[2] for item in check_ip_result_data]
    lookup_ip_result_item_0 = [item[0] for item in lookup_ip_result_data]
    get_process_lineage_result_item_0 = [item[0] for item in get_process_lineage_result_data]
    get_process_lineage_result_item_1 = [item[1] for item in get_process_lineage_result_data]

    gather_facts__ip_facts = None
    gather_facts__process_facts = None
    gather_facts__process_problem = None
    gather_facts__further = None
    gather_facts__further_ips = None
    gather_facts__left_out = None

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

    # One that was asked about counts as looked up, also where that failed: the note on the failure says so.
    asked = {*read_notable__lookup_ip.split(", "), *lookup_ip_result_item_0}
    external = [ip for ip, known in zip(check_ip_result_item_1, check_ip_result_item_2) if known]
    for peers in get_process_lineage_result_item_1:
        external += [peers] if isinstance(peers, str) else peers or []
    further = [each for each in dict.fromkeys(external) if each not in asked]
    gather_facts__further = "yes" if further else "no"
    gather_facts__further_ips = ", ".join(further[:200])
    gather_facts__left_out = len(further[200:])

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="gather_facts:ip_facts", value=json.dumps(gather_facts__ip_facts))
    phantom.save_block_result(key="gather_facts:process_facts", value=json.dumps(gather_facts__process_facts))
    phantom.save_block_result(key="gather_facts:process_problem", value=json.dumps(gather_facts__process_problem))
    phantom.save_block_result(key="gather_facts:further", value=json.dumps(gather_facts__further))
    phantom.save_block_result(key="gather_facts:further_ips", value=json.dumps(gather_facts__further_ips))
    phantom.save_block_result(key="gather_facts:left_out", value=json.dumps(gather_facts__left_out))

    further_ips_due(container=container)

    return


@phantom.playbook_block()
def further_ips_due(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("further_ips_due() called")

    ################################################################################
    # Are there external addresses that were not looked up yet?
    ################################################################################

    # check for 'if' condition 1
    found_match_1 = phantom.decision(
        container=container,
        conditions=[
            ["gather_facts:custom_function:further", "==", "yes"]
        ],
        conditions_dps=[
            ["gather_facts:custom_function:further", "==", "yes"]
        ],
        name="further_ips_due:condition_1",
        delimiter=None)

    # call connected blocks if condition 1 matched
    if found_match_1:
        lookup_further_ips(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'else' condition 2
    join_gather_reputation(action=action, success=success, container=container, results=results, handle=handle)

    return


@phantom.playbook_block()
def lookup_further_ips(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("lookup_further_ips() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # What sources know of the addresses that were not looked up yet
    ################################################################################

    gather_facts__further_ips = json.loads(_ if (_ := phantom.get_run_data(key="gather_facts:further_ips")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    if gather_facts__further_ips is not None:
        parameters.append({
            "ip": gather_facts__further_ips,
        })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("lookup ip", parameters=parameters, name="lookup_further_ips", assets=["regsvcs_response"], callback=join_gather_reputation)

    return


@phantom.playbook_block()
def join_gather_reputation(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("join_gather_reputation() called")

    # if the joined function has already been called, do nothing
    if phantom.get_run_data(key="join_gather_reputation_called"):
        return

    if phantom.completed(action_names=["lookup_ip", "get_process_lineage"]):
        # save the state that the joined function has now been called
        phantom.save_block_result(key="join_gather_reputation_called", value="gather_reputation")

        # call connected block "gather_reputation"
        gather_reputation(container=container, handle=handle)

    return


@phantom.playbook_block()
def gather_reputation(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("gather_reputation() called")

    ################################################################################
    # The facts of all look-ups as one list; one that failed adds none
    ################################################################################

    lookup_ip_result_data = phantom.collect2(container=container, datapath=["lookup_ip:action_result.data.*.facts"], action_results=results)
    lookup_further_ips_result_data = phantom.collect2(container=container, datapath=["lookup_further_ips:action_result.data.*.facts"], action_results=results)

    lookup_ip_result_item_0 = [item[0] for item in lookup_ip_result_data]
    lookup_further_ips_result_item_0 = [item[0] for item in lookup_further_ips_result_data]

    gather_reputation__reputation_facts = None

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # The second look-up ran only where there was something further to ask about.
    facts = [each for each in [*lookup_ip_result_item_0, *lookup_further_ips_result_item_0] if each]
    gather_reputation__reputation_facts = json.dumps(facts) if facts else ""

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="gather_reputation:reputation_facts", value=json.dumps(gather_reputation__reputation_facts))

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
    gather_reputation__reputation_facts = json.loads(_ if (_ := phantom.get_run_data(key="gather_reputation:reputation_facts")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    parameters.append({
        "notable": read_notable__notable,
        "ip_facts": gather_facts__ip_facts,
        "process_facts": gather_facts__process_facts,
        "process_problem": gather_facts__process_problem,
        "reputation_facts": gather_reputation__reputation_facts,
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
    # Every guard of the isolation policy, whose mode says how far it goes
    ################################################################################

    assess_risk_result_data = phantom.collect2(container=container, datapath=["assess_risk:action_result.data.*.facts","assess_risk:action_result.parameter.context.artifact_id"], action_results=results)

    parameters = []

    # build parameters list for 'decide_isolation' call
    for assess_risk_result_item in assess_risk_result_data:
        if assess_risk_result_item[0] is not None:
            parameters.append({
                "case_facts": assess_risk_result_item[0],
                "caller_mode": "auto",
                "context": {'artifact_id': assess_risk_result_item[1]},
            })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Without a risk assessment there are no facts; the call has to come back all the same.
    if not parameters:
        parameters.append({"case_facts": "", "caller_mode": "auto"})

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

    decide_isolation_result_data = phantom.collect2(container=container, datapath=["decide_isolation:action_result.data.*.note_title","decide_isolation:action_result.data.*.note","decide_isolation:action_result.data.*.severity","decide_isolation:action_result.data.*.case_id","decide_isolation:action_result.data.*.state","decide_isolation:action_result.data.*.facts"], action_results=results)
    assess_risk_result_data = phantom.collect2(container=container, datapath=["assess_risk:action_result.data.*.case_id","assess_risk:action_result.data.*.case_verdict","assess_risk:action_result.data.*.score","assess_risk:action_result.data.*.severity","assess_risk:action_result.data.*.verdict_reason"], action_results=results)
    read_notable__ip = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:ip")) != "" else "null")  # pylint: disable=used-before-assignment
    read_notable__notable = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:notable")) != "" else "null")  # pylint: disable=used-before-assignment
    read_notable__problem = json.loads(_ if (_ := phantom.get_run_data(key="read_notable:problem")) != "" else "null")  # pylint: disable=used-before-assignment
    gather_facts__further_ips = json.loads(_ if (_ := phantom.get_run_data(key="gather_facts:further_ips")) != "" else "null")  # pylint: disable=used-before-assignment
    gather_facts__left_out = json.loads(_ if (_ := phantom.get_run_data(key="gather_facts:left_out")) != "" else "null")  # pylint: disable=used-before-assignment

    decide_isolation_result_item_0 = [item[0] for item in decide_isolation_result_data]
    decide_isolation_result_item_1 = [item[1] for item in decide_isolation_result_data]
    decide_isolation_result_item_2 = [item[2] for item in decide_isolation_result_data]
    decide_isolation_result_item_3 = [item[3] for item in decide_isolation_result_data]
    decide_isolation_result_item_4 = [item[4] for item in decide_isolation_result_data]
    decide_isolation_result_item_5 = [item[5] for item in decide_isolation_result_data]
    assess_risk_result_item_0 = [item[0] for item in assess_risk_result_data]
    assess_risk_result_item_1 = [item[1] for item in assess_risk_result_data]
    assess_risk_result_item_2 = [item[2] for item in assess_risk_result_data]
    assess_risk_result_item_3 = [item[3] for item in assess_risk_result_data]
    assess_risk_result_item_4 = [item[4] for item in assess_risk_result_data]

    write_case__due = None
    write_case__case_facts = None

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

    import hashlib

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
        ("lookup_ip", "lookup ip", "The reputation is unknown. That lowered nothing."),
        ("get_process_lineage", "get process lineage", "The process tree is unknown. That lowered nothing."),
        ("assess_risk", "assess risk", "There is no score. Unknown is not harmless: a person has to look."),
        ("decide_isolation", "decide isolation", "Nothing was decided and nobody is asked."),
    ]
    if gather_facts__further_ips:
        effect = "The reputation of further addresses is unknown. That lowered nothing."
        steps.insert(3, ("lookup_further_ips", "lookup further ips", effect))
    failed = {}
    if read_notable__problem:
        failed["read notable"] = (read_notable__problem, "What they say is in no report.")
    for block, step, effect in steps:
        datapath = [f"{block}:action_result.status", f"{block}:action_result.message"]
        answers = phantom.collect2(container=container, datapath=datapath)
        reasons = [message for status, message in answers if status != "success"]
        if reasons or not answers:
            failed[step] = (reasons[0] if reasons else "it gave no answer", effect)
    if "check ip" in failed and not read_notable__ip:
        failed["check ip"] = ("the notable holds no destination address", failed["check ip"][1])
        # There was nothing to look up; what telemetry shows is looked up after it.
        failed.pop("lookup ip", None)
    if gather_facts__left_out and "lookup further ips" not in failed:
        reason = f"{gather_facts__left_out} addresses are more than it takes, and were not looked up"
        failed["lookup further ips"] = (reason, "Their reputation is unknown. That lowered nothing.")
    if "check ip" in failed and "assess risk" in failed:
        failed["check ip"] = (failed["check ip"][0], "The address is not judged.")
    if "decide isolation" in failed and "assess risk" in failed:
        why = "there is no risk assessment to decide on"
        failed["decide isolation"] = (why, failed["decide isolation"][1])

    # (title, note, severity, case id, state) of each case
    cases = list(
        zip(
            (str(title)[:250] for title in decide_isolation_result_item_0),
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
            title = f"Regsvcs risk: {verdict}, score {score:g} ({case_id})"[:250]
            content = f"**{verdict}, score {score:g}**: {quoted(reason, 1000)}\n\n"
            content += "The isolation decision failed, and with it the whole report."
            cases.append((title, content, severity, case_id, ""))

    # A second trigger finds its notes and changes nothing, so that what a person has set since then stays.
    # The title of a report holds a digest of the case's state: a new destination or finding is a new report.
    notes = notes_of(container)
    ids = {title: note_id for note_id, title in notes}

    def stands(title):
        # Re-enrichment writes the same report under "Changed at ...".
        return any(
            each == title or each.startswith("Changed at ") and each.endswith(f": {title}") for each in ids
        )

    def mended_at(title):
        return ids.get(f"Mended: {title}", 0)

    failure = ""
    if failed:
        # Another reason, or another notable while it lasts, is another failure.
        artifacts = json.loads(read_notable__notable)["artifacts"]
        notables = sorted(json.dumps(each) for each in artifacts)
        about = [[str(reason) for reason, _ in failed.values()], notables]
        digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:8]
        failure = f"Regsvcs response: failed: {', '.join(failed)} ({digest})"
    new_failure = bool(failure) and ids.get(failure, 0) <= mended_at(failure)
    new_cases = [each for each in cases if not stands(each[0])]

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
            keep_state(container, case_id, state)
        add_note(title, note)

    if new_failure:
        lines = []
        for step, (reason, effect) in failed.items():
            lines.append(f"- **{step}** failed: {quoted(reason, 1000)}. {effect}")
        lines.append("\nThe playbook went on without an answer. Mend the cause, then run")
        lines.append("`regsvcs_network_connection` on this container again.")
        add_note(failure, "\n".join(lines))

    if not failed:
        for title, note_id in ids.items():
            if title.startswith("Regsvcs response: failed: ") and note_id > mended_at(title):
                content = "A later run went through without a failure. The newest report of the case counts."
                add_note(f"Mended: {title}", content)

    # A state that no note says to stand in Splunk is written there, also when an earlier run broke off.
    due = []
    for title, case_id, facts in zip(
        decide_isolation_result_item_0, decide_isolation_result_item_3, decide_isolation_result_item_5
    ):
        if facts and splunk_note(container, case_id) != f"{written_to}{str(title)[:200]}":
            due.append(facts)
    write_case__due = "yes" if due else "no"
    write_case__case_facts = json.dumps(due)

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="write_case:due", value=json.dumps(write_case__due))
    phantom.save_block_result(key="write_case:case_facts", value=json.dumps(write_case__case_facts))

    write_back_due(container=container)

    return


@phantom.playbook_block()
def write_back_due(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("write_back_due() called")

    ################################################################################
    # Is there a state of a case that is not in Splunk yet?
    ################################################################################

    # check for 'if' condition 1
    found_match_1 = phantom.decision(
        container=container,
        conditions=[
            ["write_case:custom_function:due", "==", "yes"]
        ],
        conditions_dps=[
            ["write_case:custom_function:due", "==", "yes"]
        ],
        name="write_back_due:condition_1",
        delimiter=None)

    # call connected blocks if condition 1 matched
    if found_match_1:
        update_notable(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'else' condition 2
    join_announce_question(action=action, success=success, container=container, results=results, handle=handle)

    return


@phantom.playbook_block()
def update_notable(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("update_notable() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # A comment on each notable of the case, and its risk once; nothing without a Splunk
    ################################################################################

    write_case__case_facts = json.loads(_ if (_ := phantom.get_run_data(key="write_case:case_facts")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    parameters.append({
        "case_facts": write_case__case_facts,
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
    # What was written to Splunk and what was left, or why it failed; the question comes anyway
    ################################################################################

    decide_isolation_result_data = phantom.collect2(container=container, datapath=["decide_isolation:action_result.data.*.case_id","decide_isolation:action_result.data.*.note_title","decide_isolation:action_result.data.*.facts"], action_results=results)
    update_notable_result_data = phantom.collect2(container=container, datapath=["update_notable:action_result.data.*.case_id","update_notable:action_result.data.*.target","update_notable:action_result.data.*.event_id","update_notable:action_result.data.*.outcome","update_notable:action_result.data.*.written","update_notable:action_result.data.*.left","update_notable:action_result.data.*.detail"], action_results=results)
    write_case__case_facts = json.loads(_ if (_ := phantom.get_run_data(key="write_case:case_facts")) != "" else "null")  # pylint: disable=used-before-assignment

    decide_isolation_result_item_0 = [item[0] for item in decide_isolation_result_data]
    decide_isolation_result_item_1 = [item[1] for item in decide_isolation_result_data]
    decide_isolation_result_item_2 = [item[2] for item in decide_isolation_result_data]
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

    due = json.loads(write_case__case_facts)
    for case_id, title, facts in zip(
        decide_isolation_result_item_0, decide_isolation_result_item_1, decide_isolation_result_item_2
    ):
        if facts in due:
            note_splunk(container, case_id, title, rows_of.get(case_id, []), problem)

    ################################################################################
    ## Custom Code End
    ################################################################################

    join_announce_question(container=container)

    return


@phantom.playbook_block()
def join_announce_question(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("join_announce_question() called")

    # if the joined function has already been called, do nothing
    if phantom.get_run_data(key="join_announce_question_called"):
        return

    if phantom.completed(action_names=["decide_isolation"]):
        # save the state that the joined function has now been called
        phantom.save_block_result(key="join_announce_question_called", value="announce_question")

        # call connected block "announce_question"
        announce_question(container=container, handle=handle)

    return


@phantom.playbook_block()
def announce_question(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("announce_question() called")

    ################################################################################
    # Which host to ask about, if any; the note written here keeps it from being asked twice
    ################################################################################

    decide_isolation_result_data = phantom.collect2(container=container, datapath=["decide_isolation:action_result.data.*.question","decide_isolation:action_result.data.*.host","decide_isolation:action_result.data.*.prompt","decide_isolation:action_result.data.*.question_title","decide_isolation:action_result.data.*.score","decide_isolation:action_result.data.*.host_id","decide_isolation:action_result.data.*.not_known","decide_isolation:action_result.data.*.decision","decide_isolation:action_result.data.*.case_id","decide_isolation:action_result.data.*.facts"], action_results=results)

    decide_isolation_result_item_0 = [item[0] for item in decide_isolation_result_data]
    decide_isolation_result_item_1 = [item[1] for item in decide_isolation_result_data]
    decide_isolation_result_item_2 = [item[2] for item in decide_isolation_result_data]
    decide_isolation_result_item_3 = [item[3] for item in decide_isolation_result_data]
    decide_isolation_result_item_4 = [item[4] for item in decide_isolation_result_data]
    decide_isolation_result_item_5 = [item[5] for item in decide_isolation_result_data]
    decide_isolation_result_item_6 = [item[6] for item in decide_isolation_result_data]
    decide_isolation_result_item_7 = [item[7] for item in decide_isolation_result_data]
    decide_isolation_result_item_8 = [item[8] for item in decide_isolation_result_data]
    decide_isolation_result_item_9 = [item[9] for item in decide_isolation_result_data]

    announce_question__ask = None
    announce_question__question = None
    announce_question__host = None
    announce_question__titles = None
    announce_question__kind = None
    announce_question__waiting = None
    announce_question__case_facts = None
    announce_question__case_id = None

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def plain_host(text):
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "_" for c in str(text or ""))
        return name[:255] or "unknown"

    def notes_of(case):
        # (id, title), the oldest first
        notes = [note["data"] for note in phantom.get_notes(container=case) or [] if note.get("success")]
        return sorted((note["id"], str(note["title"] or "")) for note in notes)

    def status_of(case):
        return str((phantom.get_container(case["id"]) or case).get("status", "")).lower()

    from datetime import UTC

    ended_without = ("Nobody answered: ", "No valid answer: ")
    isolating = "Isolating (until "
    outcomes = ("Isolated: ", "Not isolated: ", "Isolation not certain: ", "Isolation failed: ")

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
    soon = (now + timedelta(minutes=10)).strftime("%Y-%m-%d %H:%M")
    until = (now + timedelta(minutes=30 + 1)).strftime("%Y-%m-%d %H:%M")
    latest_over = (now - timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M")

    # (question, host, prompt, title of the question, score, host id, what is not known, case id, facts)
    rows = [
        (
            "at_once" if decided == "isolate" else asks,
            str(host),
            str(prompt),
            str(key)[:200],
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
    if status_of(container) not in ("closed", "resolved") and not followed:
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
                f"The role `Incident Commander` is asked whether to contain {quoted(host)}. "
                "The answer is awaited for 30 minutes; without one nothing is done."
            )
            if at_once:
                content = (
                    "All guards pass, and the mode of the policy is auto: the playbook runs `isolate host` "
                    f"for {quoted(host)}. What became of it is in a note of its own."
                )
            unknown = [row[6]] if isinstance(row[6], str) else row[6] or []
            if unknown:
                content += "\n\nNot known:\n" + "".join(f"\n- {quoted(each)}" for each in unknown)
            if asked(notes, row[3])[2]:
                content += "\n\nAn earlier question ended without an outcome: its time is over, and no note"
                content += " says what came of it. The run that asked it did not go on."
            if others:
                content += f"\n\n{waiting} Run the playbook again to be asked about it."
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
            shown, room = [], 20000
            for row in won[:20]:
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
            announce_question__question = "\n\n".join(shown)
            announce_question__host = host
            announce_question__titles = [row[3] for row in won]
            kinds = {row[0] for row in won}
            announce_question__kind = "at_once" if at_once else "by_hand" if len(kinds) > 1 else min(kinds)
            announce_question__case_facts = won[0][8]
            announce_question__case_id = won[0][7]
            announce_question__waiting = waiting if others else ""

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="announce_question:ask", value=json.dumps(announce_question__ask))
    phantom.save_block_result(key="announce_question:question", value=json.dumps(announce_question__question))
    phantom.save_block_result(key="announce_question:host", value=json.dumps(announce_question__host))
    phantom.save_block_result(key="announce_question:titles", value=json.dumps(announce_question__titles))
    phantom.save_block_result(key="announce_question:kind", value=json.dumps(announce_question__kind))
    phantom.save_block_result(key="announce_question:waiting", value=json.dumps(announce_question__waiting))
    phantom.save_block_result(key="announce_question:case_facts", value=json.dumps(announce_question__case_facts))
    phantom.save_block_result(key="announce_question:case_id", value=json.dumps(announce_question__case_id))

    question_due(container=container)

    return


@phantom.playbook_block()
def question_due(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("question_due() called")

    ################################################################################
    # Is a person to be asked, a host isolated at once, or an earlier order followed up?
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

    # check for 'elif' condition 2
    found_match_2 = phantom.decision(
        container=container,
        conditions=[
            ["announce_question:custom_function:ask", "==", "isolate"]
        ],
        conditions_dps=[
            ["announce_question:custom_function:ask", "==", "isolate"]
        ],
        name="question_due:condition_2",
        delimiter=None)

    # call connected blocks if condition 2 matched
    if found_match_2:
        join_order_isolation(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'elif' condition 3
    found_match_3 = phantom.decision(
        container=container,
        conditions=[
            ["announce_question:custom_function:ask", "==", "follow"]
        ],
        conditions_dps=[
            ["announce_question:custom_function:ask", "==", "follow"]
        ],
        name="question_due:condition_3",
        delimiter=None)

    # call connected blocks if condition 3 matched
    if found_match_3:
        follow_isolation(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'else' condition 4
    nothing_asked(action=action, success=success, container=container, results=results, handle=handle)

    return


@phantom.playbook_block()
def nothing_asked(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("nothing_asked() called")

    ################################################################################
    # Closing note where no question is due
    ################################################################################

    decide_isolation_result_data = phantom.collect2(container=container, datapath=["decide_isolation:action_result.data.*.question","decide_isolation:action_result.data.*.question_title"], action_results=results)

    decide_isolation_result_item_0 = [item[0] for item in decide_isolation_result_data]
    decide_isolation_result_item_1 = [item[1] for item in decide_isolation_result_data]

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def notes_of(case):
        # (id, title), the oldest first
        notes = [note["data"] for note in phantom.get_notes(container=case) or [] if note.get("success")]
        return sorted((note["id"], str(note["title"] or "")) for note in notes)

    def status_of(case):
        return str((phantom.get_container(case["id"]) or case).get("status", "")).lower()

    titles = {title for _, title in notes_of(container)}
    # In a case that a person has ended there is nothing to go on with.
    ended = status_of(container) in ("closed", "resolved")
    for question, key in zip(decide_isolation_result_item_0, decide_isolation_result_item_1):
        key = str(key)[:200]
        title = f"Nothing asked: {key}"
        # Of an order that was given, its own notes tell.
        told = any(f"{word}{key}" in titles for word in ("Approved: ", *("Isolated: ", "Not isolated: ", "Isolation not certain: ", "Isolation failed: ")))
        told = told or any(each.startswith("Isolating (until ") and each.endswith(f": {key}") for each in titles)
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
    # Only Approve approves and only Decline declines; anything else is no answer, tested first
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
        logical_operator="and",
        conditions=[
            ["ask_about_containment:action_result.summary.responses.0", "==", "Approve"],
            ["announce_question:custom_function:kind", "==", "isolate"]
        ],
        conditions_dps=[
            ["ask_about_containment:action_result.summary.responses.0", "==", "Approve"],
            ["announce_question:custom_function:kind", "==", "isolate"]
        ],
        name="answer:condition_2",
        delimiter=None)

    # call connected blocks if condition 2 matched
    if found_match_2:
        join_order_isolation(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'elif' condition 3
    found_match_3 = phantom.decision(
        container=container,
        conditions=[
            ["ask_about_containment:action_result.summary.responses.0", "==", "Approve"]
        ],
        conditions_dps=[
            ["ask_about_containment:action_result.summary.responses.0", "==", "Approve"]
        ],
        name="answer:condition_3",
        delimiter=None)

    # call connected blocks if condition 3 matched
    if found_match_3:
        approved(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'elif' condition 4
    found_match_4 = phantom.decision(
        container=container,
        conditions=[
            ["ask_about_containment:action_result.summary.responses.0", "==", "Decline"]
        ],
        conditions_dps=[
            ["ask_about_containment:action_result.summary.responses.0", "==", "Decline"]
        ],
        name="answer:condition_4",
        delimiter=None)

    # call connected blocks if condition 4 matched
    if found_match_4:
        declined(action=action, success=success, container=container, results=results, handle=handle)
        return

    # check for 'else' condition 5
    expired(action=action, success=success, container=container, results=results, handle=handle)

    return


@phantom.playbook_block()
def approved(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("approved() called")

    ################################################################################
    # Guards stand in the way: a task for a person
    ################################################################################

    announce_question__titles = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:titles")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__waiting = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:waiting")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__kind = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:kind")) != "" else "null")  # pylint: disable=used-before-assignment

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def plain_host(text):
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "_" for c in str(text or ""))
        return name[:255] or "unknown"

    def status_of(case):
        return str((phantom.get_container(case["id"]) or case).get("status", "")).lower()

    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

    host = quoted(announce_question__host)
    # Read now: a person may have ended the case while the question was open.
    status = status_of(container)

    by_hand = (
        "1. First do the steps of the report that come before isolating, such as getting the memory of the "
        "process: isolating or restarting may lose it.\n"
        f"2. Make sure in the EDR console that {host} is the machine of this case.\n"
        "3. Isolate it there, and wait until the console shows it as isolated.\n"
        "4. Write into this case who isolated it, when, and when that is to be reviewed.\n"
        "5. Go on with the next steps of the report."
    )
    reason = first("ask_about_containment:action_result.summary.responses.1")
    content = (
        f"**Approved** by {quoted(first('ask_about_containment:action_result.data.*.user'))}. "
        f"Reason: {quoted(reason or 'none given', 1000)}.\n\n"
        f"**Task: contain {host} by hand.** Guards stand in the way of the playbook (see *Isolation* in the "
        f"report). This playbook has isolated nothing.\n\n{by_hand}"
    )

    if status in ("closed", "resolved"):
        content += f"\n\nThe container is {status} by now: make sure that this still counts."
    if announce_question__waiting:
        content += f"\n\n{announce_question__waiting} Run the playbook again to be asked about it."
    phantom.pin(
        container=container,
        data=plain_host(announce_question__host),
        message="Approved: contain this host by hand",
        pin_type="card",
        pin_style="red",
    )

    for key in announce_question__titles or []:
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=f"{'Approved'}: {key}",
            content=content,
        )

    ################################################################################
    ## Custom Code End
    ################################################################################

    return


@phantom.playbook_block()
def join_order_isolation(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("join_order_isolation() called")

    # if the joined function has already been called, do nothing
    if phantom.get_run_data(key="join_order_isolation_called"):
        return

    if phantom.completed(action_names=["decide_isolation"]):
        # save the state that the joined function has now been called
        phantom.save_block_result(key="join_order_isolation_called", value="order_isolation")

        # call connected block "order_isolation"
        order_isolation(container=container, handle=handle)

    return


@phantom.playbook_block()
def order_isolation(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("order_isolation() called")

    ################################################################################
    # Who approved it, or the policy alone; noted before the order is given
    ################################################################################

    announce_question__titles = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:titles")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__kind = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:kind")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__case_facts = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:case_facts")) != "" else "null")  # pylint: disable=used-before-assignment

    order_isolation__host = None
    order_isolation__case_facts = None
    order_isolation__approved_by = None
    order_isolation__why = None

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

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
        by = str(first("ask_about_containment:action_result.data.*.user") or "a member of the role Incident Commander")
        reason = str(first("ask_about_containment:action_result.summary.responses.1") or "")
        order_isolation__approved_by = by
        order_isolation__why = reason
        content = (
            f"**Approved** by {quoted(by)}. Reason: {quoted(reason or 'none given', 1000)}.\n\n"
            f"The playbook runs `isolate host` for {quoted(announce_question__host)}. "
            "All guards are evaluated again first. What became of it is in a note of its own."
        )
        for key in announce_question__titles or []:
            note(f"Approved: {key}", content)
        # Written before the order: a run that ends here is followed up by the next one.
        until = (datetime.now(UTC) + timedelta(minutes=10)).strftime("%Y-%m-%d %H:%M")
        for key in (announce_question__titles or [])[:1]:
            note(f"Isolating (until {until} UTC): {key}", "The outcome of `isolate host` is awaited.")

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.save_block_result(key="order_isolation:host", value=json.dumps(order_isolation__host))
    phantom.save_block_result(key="order_isolation:case_facts", value=json.dumps(order_isolation__case_facts))
    phantom.save_block_result(key="order_isolation:approved_by", value=json.dumps(order_isolation__approved_by))
    phantom.save_block_result(key="order_isolation:why", value=json.dumps(order_isolation__why))

    isolate_host(container=container)

    return


@phantom.playbook_block()
def isolate_host(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("isolate_host() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # All guards again, one call, and proof; a host that is ordered already is not called again
    ################################################################################

    order_isolation__host = json.loads(_ if (_ := phantom.get_run_data(key="order_isolation:host")) != "" else "null")  # pylint: disable=used-before-assignment
    order_isolation__case_facts = json.loads(_ if (_ := phantom.get_run_data(key="order_isolation:case_facts")) != "" else "null")  # pylint: disable=used-before-assignment
    order_isolation__approved_by = json.loads(_ if (_ := phantom.get_run_data(key="order_isolation:approved_by")) != "" else "null")  # pylint: disable=used-before-assignment
    order_isolation__why = json.loads(_ if (_ := phantom.get_run_data(key="order_isolation:why")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    if order_isolation__host is not None and order_isolation__case_facts is not None:
        parameters.append({
            "host": order_isolation__host,
            "case_facts": order_isolation__case_facts,
            "approved_by": order_isolation__approved_by,
            "why": order_isolation__why,
            "caller_mode": "auto",
        })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("isolate host", parameters=parameters, name="isolate_host", assets=["regsvcs_containment"], callback=note_isolation)

    return


@phantom.playbook_block()
def note_isolation(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("note_isolation() called")

    ################################################################################
    # What became of it, as the action says; a task where the host is not isolated
    ################################################################################

    isolate_host_result_data = phantom.collect2(container=container, datapath=["isolate_host:action_result.data.*.outcome","isolate_host:action_result.data.*.verified","isolate_host:action_result.data.*.ours","isolate_host:action_result.data.*.sentence","isolate_host:action_result.data.*.owner","isolate_host:action_result.data.*.review_by","isolate_host:action_result.data.*.intent_id"], action_results=results)
    announce_question__titles = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:titles")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__waiting = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:waiting")) != "" else "null")  # pylint: disable=used-before-assignment

    isolate_host_result_item_0 = [item[0] for item in isolate_host_result_data]
    isolate_host_result_item_1 = [item[1] for item in isolate_host_result_data]
    isolate_host_result_item_2 = [item[2] for item in isolate_host_result_data]
    isolate_host_result_item_3 = [item[3] for item in isolate_host_result_data]
    isolate_host_result_item_4 = [item[4] for item in isolate_host_result_data]
    isolate_host_result_item_5 = [item[5] for item in isolate_host_result_data]
    isolate_host_result_item_6 = [item[6] for item in isolate_host_result_data]

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def plain_host(text):
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "_" for c in str(text or ""))
        return name[:255] or "unknown"

    def notes_of(case):
        # (id, title), the oldest first
        notes = [note["data"] for note in phantom.get_notes(container=case) or [] if note.get("success")]
        return sorted((note["id"], str(note["title"] or "")) for note in notes)

    def status_of(case):
        return str((phantom.get_container(case["id"]) or case).get("status", "")).lower()

    host = quoted(announce_question__host)

    by_hand = (
        "1. First do the steps of the report that come before isolating, such as getting the memory of the "
        "process: isolating or restarting may lose it.\n"
        f"2. Make sure in the EDR console that {host} is the machine of this case.\n"
        "3. Isolate it there, and wait until the console shows it as isolated.\n"
        "4. Write into this case who isolated it, when, and when that is to be reviewed.\n"
        "5. Go on with the next steps of the report."
    )

    datapath = ["isolate_host:action_result.status", "isolate_host:action_result.message"]
    answers = phantom.collect2(container=container, datapath=datapath)
    message = (answers[0][1] or "it gave no reason") if answers else "it gave no answer"
    succeeded = any(status == "success" for status, _ in answers)
    row = next(
        iter(
            zip(
                isolate_host_result_item_0,
                isolate_host_result_item_1,
                isolate_host_result_item_2,
                isolate_host_result_item_3,
                isolate_host_result_item_4,
                isolate_host_result_item_5,
                isolate_host_result_item_6,
            )
        ),
        None,
    )
    outcome, verified, ours, sentence, owner, review_by, intent_id = row or ("", False, False, "", "", "", "")
    isolated = bool(verified) and outcome in ("isolated", "ours_stands", "already_isolated")
    # Another run is at it: that one writes the outcome.
    sentence = str(sentence or "").rstrip(".")
    awaited = outcome == "pending" and False

    if isolated:
        word = "Isolated"
        content = f"**{host} is isolated**: {quoted(sentence, 1000)}.\n\n"
        if ours:
            content += f"{quoted(owner)} answers for it, and it is to be looked at again by {review_by}. "
        else:
            content += "This app did not isolate it: somebody else did before. "
        content += (
            "Nothing releases it by itself: run `release host` on the asset `regsvcs_containment` when the "
            "host may be reached again.\n\nGo on with the next steps of the report."
        )
        pin, style = "Isolated", "blue"
    elif outcome in ("unknown", "pending"):
        word = "Isolation not certain"
        content = (
            f"**Whether {host} is isolated is not certain**: {quoted(sentence, 1000)}.\n\n"
            "**Task: look at the host in the EDR console**, and run `get isolation status` on the asset "
            "`regsvcs_containment`. The host takes no other order until that is known. If it is not isolated "
            f"and nothing is under way there, contain it by hand:\n\n{by_hand}"
        )
        pin, style = "Isolation not certain: look in the EDR console", "red"
    elif outcome:
        word = "Not isolated"
        content = (
            f"**{host} is not isolated** by this playbook: {quoted(sentence, 1000)}.\n\n"
            f"**Task: contain {host} by hand**, if it still has to be.\n\n{by_hand}"
        )
        pin, style = "Not isolated: contain this host by hand", "red"
    elif False and succeeded:
        word = "Not isolated"
        content = (
            f"**{host} is not isolated** by this playbook: an earlier run was to isolate it and ended before "
            f"that, and the ledger holds no order.\n\n**Task: contain {host} by hand**, if it still has to "
            "be. To be asked again, add a note with the title `Ask again` and run the playbook."
            f"\n\n{by_hand}"
        )
        pin, style = "Not isolated: contain this host by hand", "red"
    else:
        word = "Isolation failed"
        content = (
            f"`isolate host` failed: {quoted(message, 1000)}.\n\n"
            f"**Nothing shows that {host} is isolated: treat it as not isolated.**\n\n"
            "**Task: look in the EDR console, and contain the host by hand**, if it "
            f"still has to be.\n\n{by_hand}"
        )
        pin, style = "Isolation failed: contain this host by hand", "red"
    if intent_id:
        content += f"\n\nOrder in the ledger: {quoted(intent_id)}."
    # Read now: a person may have ended the case meanwhile.
    status = status_of(container)
    if status in ("closed", "resolved"):
        content += f"\n\nThe container is {status} by now: make sure that this still counts."
    if announce_question__waiting:
        content += f"\n\n{announce_question__waiting} Run the playbook again to be asked about it."

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

    ################################################################################
    ## Custom Code End
    ################################################################################

    return


@phantom.playbook_block()
def follow_isolation(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("follow_isolation() called")

    # phantom.debug('Action: {0} {1}'.format(action['name'], ('SUCCEEDED' if success else 'FAILED')))

    ################################################################################
    # What became of an order whose run did not go on; the EDR is only asked
    ################################################################################

    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__case_id = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:case_id")) != "" else "null")  # pylint: disable=used-before-assignment

    parameters = []

    parameters.append({
        "host": announce_question__host,
        "case_id": announce_question__case_id,
    })

    ################################################################################
    ## Custom Code Start
    ################################################################################

    # Write your custom code here...

    ################################################################################
    ## Custom Code End
    ################################################################################

    phantom.act("get isolation status", parameters=parameters, name="follow_isolation", assets=["regsvcs_containment"], callback=note_follow_up)

    return


@phantom.playbook_block()
def note_follow_up(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("note_follow_up() called")

    ################################################################################
    # What became of the earlier order; nothing while another run is at it
    ################################################################################

    follow_isolation_result_data = phantom.collect2(container=container, datapath=["follow_isolation:action_result.data.*.outcome","follow_isolation:action_result.data.*.verified","follow_isolation:action_result.data.*.ours","follow_isolation:action_result.data.*.sentence","follow_isolation:action_result.data.*.owner","follow_isolation:action_result.data.*.review_by","follow_isolation:action_result.data.*.intent_id"], action_results=results)
    announce_question__titles = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:titles")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__waiting = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:waiting")) != "" else "null")  # pylint: disable=used-before-assignment

    follow_isolation_result_item_0 = [item[0] for item in follow_isolation_result_data]
    follow_isolation_result_item_1 = [item[1] for item in follow_isolation_result_data]
    follow_isolation_result_item_2 = [item[2] for item in follow_isolation_result_data]
    follow_isolation_result_item_3 = [item[3] for item in follow_isolation_result_data]
    follow_isolation_result_item_4 = [item[4] for item in follow_isolation_result_data]
    follow_isolation_result_item_5 = [item[5] for item in follow_isolation_result_data]
    follow_isolation_result_item_6 = [item[6] for item in follow_isolation_result_data]

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def plain_host(text):
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "_" for c in str(text or ""))
        return name[:255] or "unknown"

    def notes_of(case):
        # (id, title), the oldest first
        notes = [note["data"] for note in phantom.get_notes(container=case) or [] if note.get("success")]
        return sorted((note["id"], str(note["title"] or "")) for note in notes)

    def status_of(case):
        return str((phantom.get_container(case["id"]) or case).get("status", "")).lower()

    host = quoted(announce_question__host)

    by_hand = (
        "1. First do the steps of the report that come before isolating, such as getting the memory of the "
        "process: isolating or restarting may lose it.\n"
        f"2. Make sure in the EDR console that {host} is the machine of this case.\n"
        "3. Isolate it there, and wait until the console shows it as isolated.\n"
        "4. Write into this case who isolated it, when, and when that is to be reviewed.\n"
        "5. Go on with the next steps of the report."
    )

    datapath = ["follow_isolation:action_result.status", "follow_isolation:action_result.message"]
    answers = phantom.collect2(container=container, datapath=datapath)
    message = (answers[0][1] or "it gave no reason") if answers else "it gave no answer"
    succeeded = any(status == "success" for status, _ in answers)
    row = next(
        iter(
            zip(
                follow_isolation_result_item_0,
                follow_isolation_result_item_1,
                follow_isolation_result_item_2,
                follow_isolation_result_item_3,
                follow_isolation_result_item_4,
                follow_isolation_result_item_5,
                follow_isolation_result_item_6,
            )
        ),
        None,
    )
    outcome, verified, ours, sentence, owner, review_by, intent_id = row or ("", False, False, "", "", "", "")
    isolated = bool(verified) and outcome in ("isolated", "ours_stands", "already_isolated")
    # Another run is at it: that one writes the outcome.
    sentence = str(sentence or "").rstrip(".")
    awaited = outcome == "pending" and True

    if isolated:
        word = "Isolated"
        content = f"**{host} is isolated**: {quoted(sentence, 1000)}.\n\n"
        if ours:
            content += f"{quoted(owner)} answers for it, and it is to be looked at again by {review_by}. "
        else:
            content += "This app did not isolate it: somebody else did before. "
        content += (
            "Nothing releases it by itself: run `release host` on the asset `regsvcs_containment` when the "
            "host may be reached again.\n\nGo on with the next steps of the report."
        )
        pin, style = "Isolated", "blue"
    elif outcome in ("unknown", "pending"):
        word = "Isolation not certain"
        content = (
            f"**Whether {host} is isolated is not certain**: {quoted(sentence, 1000)}.\n\n"
            "**Task: look at the host in the EDR console**, and run `get isolation status` on the asset "
            "`regsvcs_containment`. The host takes no other order until that is known. If it is not isolated "
            f"and nothing is under way there, contain it by hand:\n\n{by_hand}"
        )
        pin, style = "Isolation not certain: look in the EDR console", "red"
    elif outcome:
        word = "Not isolated"
        content = (
            f"**{host} is not isolated** by this playbook: {quoted(sentence, 1000)}.\n\n"
            f"**Task: contain {host} by hand**, if it still has to be.\n\n{by_hand}"
        )
        pin, style = "Not isolated: contain this host by hand", "red"
    elif True and succeeded:
        word = "Not isolated"
        content = (
            f"**{host} is not isolated** by this playbook: an earlier run was to isolate it and ended before "
            f"that, and the ledger holds no order.\n\n**Task: contain {host} by hand**, if it still has to "
            "be. To be asked again, add a note with the title `Ask again` and run the playbook."
            f"\n\n{by_hand}"
        )
        pin, style = "Not isolated: contain this host by hand", "red"
    else:
        word = "Isolation failed"
        content = (
            f"`get isolation status` failed: {quoted(message, 1000)}.\n\n"
            f"**Nothing shows that {host} is isolated: treat it as not isolated.**\n\n"
            "**Task: look in the EDR console, and contain the host by hand**, if it "
            f"still has to be.\n\n{by_hand}"
        )
        pin, style = "Isolation failed: contain this host by hand", "red"
    if intent_id:
        content += f"\n\nOrder in the ledger: {quoted(intent_id)}."
    # Read now: a person may have ended the case meanwhile.
    status = status_of(container)
    if status in ("closed", "resolved"):
        content += f"\n\nThe container is {status} by now: make sure that this still counts."
    if announce_question__waiting:
        content += f"\n\n{announce_question__waiting} Run the playbook again to be asked about it."

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
    announce_question__waiting = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:waiting")) != "" else "null")  # pylint: disable=used-before-assignment

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def plain_host(text):
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "_" for c in str(text or ""))
        return name[:255] or "unknown"

    def status_of(case):
        return str((phantom.get_container(case["id"]) or case).get("status", "")).lower()

    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

    host = quoted(announce_question__host)
    # Read now: a person may have ended the case while the question was open.
    status = status_of(container)
    reason = first("ask_about_containment:action_result.summary.responses.1")
    content = (
        f"**Declined** by {quoted(first('ask_about_containment:action_result.data.*.user'))}. "
        f"Reason: {quoted(reason or 'none given', 1000)}.\n\n"
        f"This playbook has isolated nothing: not {host}, and no other host. "
        "Go on with the next steps of the report.\n\n"
        "Another verdict or score of the case is asked about again. To be asked about this one again, add a "
        "note with the title `Ask again` to this container and run `regsvcs_network_connection`. To act "
        "without the question, contain the host by hand and write into this case who did it, and when."
    )

    if status in ("closed", "resolved"):
        content += f"\n\nThe container is {status} by now: make sure that this still counts."
    if announce_question__waiting:
        content += f"\n\n{announce_question__waiting} Run the playbook again to be asked about it."

    for key in announce_question__titles or []:
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=f"{'Declined'}: {key}",
            content=content,
        )

    ################################################################################
    ## Custom Code End
    ################################################################################

    return


@phantom.playbook_block()
def expired(action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None, filtered_results=None, custom_function=None, loop_state_json=None, **kwargs):
    phantom.debug("expired() called")

    ################################################################################
    # Closing note: no answer, or none that counts; nothing was done
    ################################################################################

    announce_question__titles = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:titles")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__host = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:host")) != "" else "null")  # pylint: disable=used-before-assignment
    announce_question__waiting = json.loads(_ if (_ := phantom.get_run_data(key="announce_question:waiting")) != "" else "null")  # pylint: disable=used-before-assignment

    ################################################################################
    ## Custom Code Start
    ################################################################################

    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"

    def plain_host(text):
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "_" for c in str(text or ""))
        return name[:255] or "unknown"

    def status_of(case):
        return str((phantom.get_container(case["id"]) or case).get("status", "")).lower()

    def first(datapath):
        rows = phantom.collect2(container=container, datapath=[datapath])
        return next((row[0] for row in rows if row[0]), "")

    host = quoted(announce_question__host)
    # Read now: a person may have ended the case while the question was open.
    status = status_of(container)
    if first("ask_about_containment:action_result.status") == "success":
        outcome = "No valid answer"
        answer = first("ask_about_containment:action_result.summary.responses.0")
        why = f"the answer was {quoted(answer)}" if answer else "it was answered without a choice"
        why += f", by {quoted(first('ask_about_containment:action_result.data.*.user'))}"
    else:
        outcome = "Nobody answered"
        why = quoted(first("ask_about_containment:action_result.message"))
    missing = "a valid answer" if outcome == "No valid answer" else "an answer"
    content = (
        f"The question about {host} ended without {missing}: {why}.\n\n"
        "**Nothing has been decided, and this playbook has isolated nothing.** "
        "That is neither an approval nor a refusal.\n\n"
        "To be asked again, run `regsvcs_network_connection` on this container. To act without the question, "
        "contain the host by hand and write into this case who did it, and when."
    )

    if status in ("closed", "resolved"):
        content += f"\n\nThe container is {status} by now: make sure that this still counts."
    if announce_question__waiting:
        content += f"\n\n{announce_question__waiting} Run the playbook again to be asked about it."

    for key in announce_question__titles or []:
        phantom.add_note(
            container=container,
            note_type="general",
            note_format="markdown",
            title=f"{outcome}: {key}",
            content=content,
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
