"""regsvcs_network_connection: the answer to the notable, from its artifact to the closing note."""

from __future__ import annotations

from scripts.playbooks.blocks import Action, Branch, Code, Decision, Playbook, Prompt
from scripts.playbooks.case_code import GATHER, NO_FACTS, READ, UNUSABLE, WRITE
from scripts.playbooks.question_code import (
    ANNOUNCE,
    APPROVED,
    DECLINED,
    EXPIRED,
    MINUTES,
    NOTHING_ASKED,
    ROLE,
)

_DECISION = "decide_isolation:action_result.data.*"
_RISK = "assess_risk:action_result.data.*"
_ASKED = (
    "announce_question:custom_function:titles",
    "announce_question:custom_function:host",
    "announce_question:custom_function:waiting",
    "announce_question:custom_function:kind",
)

NETWORK_CONNECTION = Playbook(
    name="regsvcs_network_connection",
    description=(
        "Answers the notable 'Detect Regsvcs with Network Connection' (T1218.009). It judges the destination,"
        " finds the process and its lineage, assesses the risk, writes the report into the case, and asks an"
        " Incident Commander before a host is contained. It isolates nothing by itself and closes no case."
    ),
    label="events",
    start="read_notable",
    blocks=(
        Code(
            name="read_notable",
            about="Collects the notable from the artifacts, with CIM or CEF names; the app reads it",
            outputs=("usable", "notable", "ip", "problem"),
            code=READ,
            to=("notable_usable",),
        ),
        Decision(
            name="notable_usable",
            about="Is there a notable to work on?",
            branches=(
                Branch(
                    "notable found",
                    ("check_ip", "get_process_lineage"),
                    (("read_notable:custom_function:usable", "==", "yes"),),
                ),
                Branch("else", ("note_no_notable",)),
            ),
        ),
        Code(
            name="note_no_notable",
            about="Says what is missing",
            inputs=("read_notable:custom_function:problem",),
            code=UNUSABLE,
        ),
        Action(
            name="check_ip",
            about="Is the destination public, and not the organisation's own?",
            action="check ip",
            parameters={"ip": "read_notable:custom_function:ip"},
            required=("ip",),
            to=("gather_facts",),
        ),
        Action(
            name="get_process_lineage",
            about="Host, process, its ancestors and children",
            action="get process lineage",
            parameters={"notable": "read_notable:custom_function:notable"},
            to=("gather_facts",),
        ),
        Code(
            name="gather_facts",
            about="The facts of both branches, one list each; what failed is handed on as unknown",
            waits=("check_ip", "get_process_lineage"),
            inputs=("check_ip:action_result.data.*.facts", "get_process_lineage:action_result.data.*.facts"),
            outputs=("ip_facts", "process_facts", "process_problem"),
            code=GATHER,
            to=("assess_risk",),
        ),
        Action(
            name="assess_risk",
            about="Score, verdict, and what is not known",
            action="assess risk",
            parameters={
                "notable": "read_notable:custom_function:notable",
                "ip_facts": "gather_facts:custom_function:ip_facts",
                "process_facts": "gather_facts:custom_function:process_facts",
                "process_problem": "gather_facts:custom_function:process_problem",
            },
            to=("decide_isolation",),
        ),
        Action(
            name="decide_isolation",
            about="Every guard of the isolation policy; never above the mode approve",
            action="decide isolation",
            parameters={"case_facts": f"{_RISK}.facts", "caller_mode": "approve"},
            required=("case_facts",),
            code=NO_FACTS,
            to=("write_case",),
        ),
        Code(
            name="write_case",
            about="The report of each case, severity, status, and what failed; a second trigger adds nothing",
            inputs=(
                "read_notable:custom_function:ip",
                "read_notable:custom_function:notable",
                "read_notable:custom_function:problem",
                *(f"{_DECISION}.{name}" for name in ("note_title", "note", "severity", "case_id", "state")),
                *(
                    f"{_RISK}.{name}"
                    for name in ("case_id", "case_verdict", "score", "severity", "verdict_reason")
                ),
            ),
            code=WRITE,
            to=("announce_question",),
        ),
        Code(
            name="announce_question",
            about="Which host to ask about, if any; the note written here keeps it from being asked twice",
            inputs=tuple(
                f"{_DECISION}.{name}"
                for name in ("question", "host", "prompt", "question_title", "score", "host_id", "not_known")
            ),
            outputs=("ask", "question", "host", "titles", "kind", "waiting"),
            code=ANNOUNCE,
            to=("question_due",),
        ),
        Decision(
            name="question_due",
            about="Is a person to be asked?",
            branches=(
                Branch(
                    "ask",
                    ("ask_about_containment",),
                    (("announce_question:custom_function:ask", "==", "yes"),),
                ),
                Branch("else", ("nothing_asked",)),
            ),
        ),
        Code(
            name="nothing_asked",
            about="Closing note where no question is due",
            inputs=(f"{_DECISION}.question", f"{_DECISION}.question_title"),
            code=NOTHING_ASKED,
        ),
        Prompt(
            name="ask_about_containment",
            about="The question with its evidence",
            role=ROLE,
            message="{0}",
            parameters=("announce_question:custom_function:question",),
            choice="Contain this host?",
            choices=("Approve", "Decline"),
            comment="Reason",
            minutes=MINUTES,
            to=("answer",),
        ),
        Decision(
            name="answer",
            about="Only Approve approves and only Decline declines; anything else is no answer, tested first",
            branches=(
                Branch(
                    "no answer",
                    ("expired",),
                    (("ask_about_containment:action_result.status", "!=", "success"),),
                ),
                Branch(
                    "approved",
                    ("approved",),
                    (("ask_about_containment:action_result.summary.responses.0", "==", "Approve"),),
                ),
                Branch(
                    "declined",
                    ("declined",),
                    (("ask_about_containment:action_result.summary.responses.0", "==", "Decline"),),
                ),
                Branch("else", ("expired",)),
            ),
        ),
        Code(
            name="approved",
            about="Until the isolation action exists: a task for a person",
            inputs=_ASKED,
            code=APPROVED,
        ),
        Code(name="declined", about="Closing note: who declined, and why", inputs=_ASKED[:3], code=DECLINED),
        Code(
            name="expired",
            about="Closing note: no answer, or none that counts; nothing was done",
            inputs=_ASKED[:3],
            code=EXPIRED,
        ),
    ),
)
