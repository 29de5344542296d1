"""regsvcs_network_connection: the answer to the notable, from its artifact to the closing note."""

from __future__ import annotations

from scripts.playbooks.blocks import Action, ActionType, Branch, Code, Decision, Playbook, Prompt
from scripts.playbooks.case_code import GATHER, NO_FACTS, READ, REPUTATION, UNUSABLE, WRITE
from scripts.playbooks.isolation_code import CONTAINED_COLUMNS, outcome_of
from scripts.playbooks.question_code import (
    ANNOUNCE,
    APPROVED,
    DECLINED,
    EXPIRED,
    MINUTES,
    NOTHING_ASKED,
    ORDER_ISOLATION,
    ROLE,
)
from scripts.playbooks.splunk_code import WRITTEN_BACK, WRITTEN_COLUMNS

_DECISION = "decide_isolation:action_result.data.*"
_WRITTEN = "update_notable:action_result.data.*"
_RISK = "assess_risk:action_result.data.*"
_ISOLATED = "isolate_host:action_result.data.*"
_FOLLOWED = "follow_isolation:action_result.data.*"
_ASKED = (
    "announce_question:custom_function:titles",
    "announce_question:custom_function:host",
    "announce_question:custom_function:waiting",
    "announce_question:custom_function:kind",
)

NETWORK_CONNECTION = Playbook(
    name="regsvcs_network_connection",
    description=(
        "Answers the notable 'Detect Regsvcs with Network Connection' (T1218.009). It judges the destination"
        " and looks it up, finds the process and its lineage, assesses the risk, writes the report into the"
        " case and a comment to its notables in Splunk, and asks an Incident Commander before a host is"
        " contained. It isolates a host only where every guard of the isolation policy passes: in mode"
        " approve after an approval, in mode auto at once. It closes no case."
    ),
    label="events",
    start="read_notable",
    blocks=(
        Code(
            name="read_notable",
            about="Collects the notable from the artifacts, with CIM or CEF names; the app reads it",
            outputs=("usable", "notable", "ip", "lookup_ip", "problem"),
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
            to=("lookup_ip",),
        ),
        Action(
            name="lookup_ip",
            about="What sources know of the notable's addresses; nobody is asked about a private one",
            action="lookup ip",
            parameters={"ip": "read_notable:custom_function:lookup_ip"},
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
            about="The facts of both branches; what failed is unknown. Which peers were not looked up yet?",
            waits=("lookup_ip", "get_process_lineage"),
            inputs=(
                "read_notable:custom_function:lookup_ip",
                "check_ip:action_result.data.*.facts",
                "check_ip:action_result.data.*.ip",
                "check_ip:action_result.data.*.external",
                "lookup_ip:action_result.data.*.ip",
                "get_process_lineage:action_result.data.*.facts",
                "get_process_lineage:action_result.data.*.peers",
            ),
            outputs=("ip_facts", "process_facts", "process_problem", "further", "further_ips", "left_out"),
            code=GATHER,
            to=("further_ips_due",),
        ),
        Decision(
            name="further_ips_due",
            about="Are there external addresses that were not looked up yet?",
            branches=(
                Branch(
                    "further addresses",
                    ("lookup_further_ips",),
                    (("gather_facts:custom_function:further", "==", "yes"),),
                ),
                Branch("else", ("gather_reputation",)),
            ),
        ),
        Action(
            name="lookup_further_ips",
            about="What sources know of the addresses that were not looked up yet",
            action="lookup ip",
            parameters={"ip": "gather_facts:custom_function:further_ips"},
            required=("ip",),
            to=("gather_reputation",),
        ),
        Code(
            name="gather_reputation",
            about="The facts of all look-ups as one list; one that failed adds none",
            waits=("lookup_ip", "get_process_lineage"),
            skipped=("lookup_further_ips",),
            inputs=(
                "lookup_ip:action_result.data.*.facts",
                "lookup_further_ips:action_result.data.*.facts",
            ),
            outputs=("reputation_facts",),
            code=REPUTATION,
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
                "reputation_facts": "gather_reputation:custom_function:reputation_facts",
            },
            to=("decide_isolation",),
        ),
        Action(
            name="decide_isolation",
            about="Every guard of the isolation policy, whose mode says how far it goes",
            action="decide isolation",
            parameters={"case_facts": f"{_RISK}.facts", "caller_mode": "auto"},
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
                "gather_facts:custom_function:further_ips",
                "gather_facts:custom_function:left_out",
                *(
                    f"{_DECISION}.{name}"
                    for name in ("note_title", "note", "severity", "case_id", "state", "facts")
                ),
                *(
                    f"{_RISK}.{name}"
                    for name in ("case_id", "case_verdict", "score", "severity", "verdict_reason")
                ),
            ),
            outputs=("due", "case_facts"),
            code=WRITE,
            to=("write_back_due",),
        ),
        Decision(
            name="write_back_due",
            about="Is there a state of a case that is not in Splunk yet?",
            branches=(
                Branch(
                    "not in Splunk yet",
                    ("update_notable",),
                    (("write_case:custom_function:due", "==", "yes"),),
                ),
                Branch("else", ("announce_question",)),
            ),
        ),
        Action(
            name="update_notable",
            about="A comment on each notable of the case, and its risk once; nothing without a Splunk",
            action="update notable",
            type=ActionType.GENERIC,
            parameters={"case_facts": "write_case:custom_function:case_facts"},
            to=("note_write_back",),
        ),
        Code(
            name="note_write_back",
            about="What was written to Splunk and what was left, or why it failed; the question comes anyway",
            inputs=(
                "write_case:custom_function:case_facts",
                *(f"{_DECISION}.{name}" for name in ("case_id", "note_title", "facts")),
                *(f"{_WRITTEN}.{name}" for name in WRITTEN_COLUMNS),
            ),
            code=WRITTEN_BACK,
            to=("announce_question",),
        ),
        Code(
            name="announce_question",
            about="Which host to ask about, if any; the note written here keeps it from being asked twice",
            waits=("decide_isolation",),
            skipped=("update_notable",),
            inputs=tuple(
                f"{_DECISION}.{name}"
                for name in (
                    "question",
                    "host",
                    "prompt",
                    "question_title",
                    "score",
                    "host_id",
                    "not_known",
                    "decision",
                    "case_id",
                    "facts",
                )
            ),
            outputs=("ask", "question", "host", "titles", "kind", "waiting", "case_facts", "case_id"),
            code=ANNOUNCE,
            to=("question_due",),
        ),
        Decision(
            name="question_due",
            about="Is a person to be asked, a host isolated at once, or an earlier order followed up?",
            branches=(
                Branch(
                    "ask",
                    ("ask_about_containment",),
                    (("announce_question:custom_function:ask", "==", "yes"),),
                ),
                Branch(
                    "isolate at once",
                    ("order_isolation",),
                    (("announce_question:custom_function:ask", "==", "isolate"),),
                ),
                Branch(
                    "follow up",
                    ("follow_isolation",),
                    (("announce_question:custom_function:ask", "==", "follow"),),
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
                    "approved to isolate",
                    ("order_isolation",),
                    (
                        ("ask_about_containment:action_result.summary.responses.0", "==", "Approve"),
                        ("announce_question:custom_function:kind", "==", "isolate"),
                    ),
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
            about="Guards stand in the way: a task for a person",
            inputs=_ASKED,
            code=APPROVED,
        ),
        Code(
            name="order_isolation",
            about="Who approved it, or the policy alone; noted before the order is given",
            waits=("decide_isolation",),
            skipped=("update_notable", "ask_about_containment"),
            inputs=(
                *(_ASKED[index] for index in (0, 1, 3)),
                "announce_question:custom_function:case_facts",
            ),
            outputs=("host", "case_facts", "approved_by", "why"),
            code=ORDER_ISOLATION,
            to=("isolate_host",),
        ),
        Action(
            name="isolate_host",
            about="All guards again, one call, and proof; a host that is ordered already is not called again",
            action="isolate host",
            type=ActionType.CONTAIN,
            parameters={
                "host": "order_isolation:custom_function:host",
                "case_facts": "order_isolation:custom_function:case_facts",
                "approved_by": "order_isolation:custom_function:approved_by",
                "why": "order_isolation:custom_function:why",
                "caller_mode": "auto",
            },
            required=("host", "case_facts"),
            to=("note_isolation",),
        ),
        Code(
            name="note_isolation",
            about="What became of it, as the action says; a task where the host is not isolated",
            inputs=(*_ASKED[:3], *(f"{_ISOLATED}.{name}" for name in CONTAINED_COLUMNS)),
            code=outcome_of("isolate_host"),
        ),
        Action(
            name="follow_isolation",
            about="What became of an order whose run did not go on; the EDR is only asked",
            action="get isolation status",
            on=ActionType.CONTAIN,
            parameters={
                "host": "announce_question:custom_function:host",
                "case_id": "announce_question:custom_function:case_id",
            },
            to=("note_follow_up",),
        ),
        Code(
            name="note_follow_up",
            about="What became of the earlier order; nothing while another run is at it",
            inputs=(*_ASKED[:3], *(f"{_FOLLOWED}.{name}" for name in CONTAINED_COLUMNS)),
            code=outcome_of("follow_isolation"),
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
