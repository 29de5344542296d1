"""Custom code of regsvcs_network_connection: the notable, the facts, and the case."""

from __future__ import annotations

from scripts.playbooks.snippets import QUOTED, RAISE, TITLES

READ = """
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
        several = value.split("\\n") if isinstance(value, str) else value if isinstance(value, list) else []
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
"""

UNUSABLE = (
    TITLES
    + """
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
                "and nothing was decided. The container stays as it is.\\n\\n"
                "Looked for: `dest` (CIM), `Computer` (Sysmon), `deviceHostname`, `destinationHostName`, "
                "or a host name in `destinationAddress` (CEF). Of use as well: `process_name`, `user`, "
                "`src_ip`, `dest_ip`, `firstTime`, `lastTime`.\\n\\n"
                "Add an artifact with these fields, or run the action `respond to notable` with the notable."
            ),
        )
"""
)

GATHER = """
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
"""

NO_FACTS = """
    # Without a risk assessment there are no facts; the call has to come back all the same.
    if not parameters:
        parameters.append({"case_facts": "", "caller_mode": "approve"})
"""

WRITE = (
    QUOTED
    + TITLES
    + RAISE
    + """
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
            content = f"**{verdict}, score {score:g}**: {quoted(reason, 1000)}\\n\\n"
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
        lines.append("\\nThe playbook went on without an answer. Mend the cause, then run")
        lines.append("`regsvcs_network_connection` on this container again.")
        add_note(failure, "\\n".join(lines))
"""
)
