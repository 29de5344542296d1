"""Custom code of regsvcs_network_connection: the notable, the facts, and the case."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable

from connectors.siem.notable_fields import CANDIDATES, KNOWN_NAMES
from playbooks.hosts.soar.notable_artifact import MADE_IDS
from scripts.playbooks.snippets import KEEP_STATE, NOTES, PART_LIMIT, QUOTED, RAISE, TITLE_LIMIT
from scripts.playbooks.splunk_code import IN_SPLUNK

#: The fields of an artifact that the app reads; made names, in brackets, are the parser's own.
_READ_NAMES = sorted(name for name in KNOWN_NAMES if "[" not in name)

#: The fields that name the machine, or by which it is looked up.
_LEADING_NAMES = sorted(
    {
        name.partition("[")[0]
        for key in ("machine", "device", "dest", "src_ip", "process_guid")
        for tier in CANDIDATES[key]
        for name in tier
    }
)

#: Characters of one artifact, and of all, that are handed on at most, as JSON. The parser takes 32 Ki
#: characters a text, and refuses everything over 8 MiB at once.
ARTIFACT_LIMIT = 64 * 1024
TOTAL_LIMIT = 6 * 1024 * 1024

#: Addresses that `check ip` and `lookup ip` take at once. More are refused, so no more are handed on.
CHECKED = 1000
LOOKED_UP = 200

#: Artifacts that are read; the vendor's reference of the playbook API advises against more.
ARTIFACTS = 2000


def _listed(names: Iterable[str]) -> str:
    """The names as lines of a list in the code."""
    text = textwrap.fill(json.dumps(list(names))[1:-1], 96, break_long_words=False)
    return textwrap.indent(text, " " * 8)


READ = f"""
    import ipaddress

    # What names the machine or leads to it; an artifact with none of them is no notable.
    hosts = [
{_listed(_LEADING_NAMES)},
    ]
    # destinationAddress comes last: Splunk's connector writes both dest and dest_ip to it, and loses one.
    peers = ["dest_ip", "DestinationIp", "destinationAddress"]
    # All that the app reads. What it does not read is not handed on: it may be of any size.
    known = [
{_listed(_READ_NAMES)},
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
        return {{}}

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
                    # A zone such as %eth0 belongs to one machine, and may hold anything.
                    found += [str(ipaddress.ip_address(text))] if "%" not in text else []
                except ValueError:
                    continue
            if found:
                return found
        return []

    def named(**ids):
        # An identifier that the app made itself says nothing about the notable.
        made = ({json.dumps(MADE_IDS)[1:-1]})
        texts_of = {{name: str(kept(str(text)))[:1024] for name, text in ids.items() if text}}
        return {{name: text for name, text in texts_of.items() if not text.startswith(made)}}

    # All of them, not the new ones alone: a later notable joins its case, and a run by hand finds the first.
    datapath = ["artifact:*.cef", "artifact:*.source_data_identifier"]
    rows = phantom.collect2(container=container, datapath=datapath, scope="all", limit={ARTIFACTS})
    artifacts, ips, total, too_long = [], [], 0, 0
    for cef, identifier in rows:
        if not isinstance(cef, dict):
            continue
        fields = {{name: kept(cef[name]) for name in known if name in cef}}
        if isinstance(cef.get("_raw"), str) and not any(fields.get(name) for name in hosts):
            fields["_raw"] = kept(cef["_raw"])
        size = len(json.dumps(fields))
        if size > {ARTIFACT_LIMIT} or total + size > {TOTAL_LIMIT}:
            too_long += 1
        elif any(texts(fields.get(name)) for name in [*hosts, "_raw"]):
            total += size
            artifacts.append({{"cef": fields, **named(source_data_identifier=identifier)}})
            ips += addresses(fields)

    case = named(name=container.get("name"), source_data_identifier=container.get("source_data_identifier"))
    read_notable__usable = "yes" if artifacts else "no"
    read_notable__notable = json.dumps({{"container": case, "artifacts": artifacts}})
    # As many as an action takes at once; `assess risk` judges the others by itself.
    read_notable__ip = ", ".join(list(dict.fromkeys(ips))[:{CHECKED}])
    read_notable__lookup_ip = ", ".join(list(dict.fromkeys(ips))[:{LOOKED_UP}])
    read_notable__problem = ""
    if too_long:
        read_notable__problem = f"{{too_long}} of {{len(rows)}} artifacts are too long to be read"
    if len(rows) >= {ARTIFACTS}:
        read_notable__problem = "the container has {ARTIFACTS:,} artifacts or more; the others were not read"
"""

UNUSABLE = (
    QUOTED
    + NOTES
    + """
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
                f"looked up and nothing was decided. The container stays as it is.{problem}\\n\\n"
                "Looked for: `dvc`, `dest`, `src_ip`, `process_guid` (CIM), `Computer` (Sysmon), "
                "`deviceHostname`, `destinationHostName`, `sourceAddress`, or a host name in "
                "`destinationAddress` (CEF). Of use as well: `process_name`, `user`, `dest_ip`, "
                "`direction`, `firstTime`, `lastTime`.\\n\\n"
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

    # One that was asked about counts as looked up, also where that failed: the note on the failure says so.
    asked = {*read_notable__lookup_ip.split(", "), *lookup_ip_result_item_0}
    external = [ip for ip, known in zip(check_ip_result_item_1, check_ip_result_item_2) if known]
    for peers in get_process_lineage_result_item_1:
        external += [peers] if isinstance(peers, str) else peers or []
    further = [each for each in dict.fromkeys(external) if each not in asked]
    gather_facts__further = "yes" if further else "no"
    gather_facts__further_ips = ", ".join(further[:LOOKED_UP])
    gather_facts__left_out = len(further[LOOKED_UP:])
""".replace("LOOKED_UP", str(LOOKED_UP))

REPUTATION = """
    # The second look-up ran only where there was something further to ask about.
    facts = [each for each in [*lookup_ip_result_item_0, *lookup_further_ips_result_item_0] if each]
    gather_reputation__reputation_facts = json.dumps(facts) if facts else ""
"""

NO_FACTS = """
    # Without a risk assessment there are no facts; the call has to come back all the same.
    if not parameters:
        parameters.append({"case_facts": "", "caller_mode": "auto"})
"""

WRITE = (
    QUOTED
    + NOTES
    + RAISE
    + KEEP_STATE
    + IN_SPLUNK
    + """
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
            (str(title)[:TITLE_LIMIT] for title in decide_isolation_result_item_0),
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
            title = f"Regsvcs risk: {verdict}, score {score:g} ({case_id})"[:TITLE_LIMIT]
            content = f"**{verdict}, score {score:g}**: {quoted(reason, 1000)}\\n\\n"
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
        lines.append("\\nThe playbook went on without an answer. Mend the cause, then run")
        lines.append("`regsvcs_network_connection` on this container again.")
        add_note(failure, "\\n".join(lines))

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
        if facts and splunk_note(container, case_id) != f"{written_to}{str(title)[:PART_LIMIT]}":
            due.append(facts)
    write_case__due = "yes" if due else "no"
    write_case__case_facts = json.dumps(due)
""".replace("TITLE_LIMIT", str(TITLE_LIMIT)).replace("PART_LIMIT", str(PART_LIMIT))
)
