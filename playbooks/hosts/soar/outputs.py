"""What the actions answer: one row a case (or address), with the data paths the playbook reads.

Renaming a field here breaks playbooks that read it: `action_result.data.*.<name>`.
"""

from enum import StrEnum

from soar_sdk.action_results import OutputField

from playbooks.hosts.soar.shapes import Output

_CASE_ID = "case-7d2678510007df6c"


class IpCheckRow(Output):
    """One address."""

    ip: str = OutputField(cef_types=["ip", "ipv6"], example_values=["149.154.167.220"], column_name="Address")
    public: bool = OutputField(example_values=[True], column_name="Public")
    external: bool = OutputField(example_values=[True], column_name="Outside the organisation")
    category: str = OutputField(example_values=["public", "private"], column_name="Category")
    registry: str = OutputField(example_values=["10.0.0.0/8 Private-Use"], column_name="IANA registry row")
    embedded_ip: str = OutputField(cef_types=["ip"], example_values=["10.0.0.1"])
    embedded_scheme: str = OutputField(example_values=["ipv4_mapped"])
    note: str = OutputField(example_values=["Public in the registry."], column_name="Note")
    facts: str = OutputField()


class IpCheckSummary(Output):
    """All addresses of one parameter set."""

    checked: int = OutputField(example_values=[2])
    public: int = OutputField(example_values=[1])
    external: int = OutputField(example_values=[1])


class LookupRow(Output):
    """What sources know of one address.

    Attributes:
        ip: the address as it was asked for, canonical.
        verdict: what is known; "undetermined" and "no_finding" are not "clean".
        failed: sources that were asked and gave no usable answer, as "title: why not", in words for people.
        override: the word of the policy's list that was applied; "" if none.
        evidence: what weighs, as "title: detail (seen YYYY-MM-DD)".
    """

    ip: str = OutputField(cef_types=["ip", "ipv6"], example_values=["149.154.167.220"], column_name="Address")
    verdict: str = OutputField(
        example_values=[
            "malicious",
            "suspicious",
            "suspicious_shared",
            "known_good_service",
            "no_finding",
            "undetermined",
        ],
        column_name="Verdict",
    )
    reason: str = OutputField(example_values=["No source that reports bad addresses answered."])
    asked: list[str] = OutputField(example_values=["threatfox"])
    answered: list[str] = OutputField(example_values=["threatfox"])
    failed: list[str] = OutputField(example_values=["VirusTotal: quota used up"], column_name="No answer")
    not_configured: list[str] = OutputField(example_values=["otx"])
    roles: list[str] = OutputField(example_values=["Telegram bot API (149.154.160.0/20)"])
    would_change: list[str] = OutputField(example_values=["A single bad report takes the verdict away."])
    override: str = OutputField(example_values=["allow 192.0.2.7 by SOC until 2027-01-01 00:00 UTC"])
    evidence: list[str] = OutputField(example_values=["abuse.ch ThreatFox: Remcos (seen 2026-09-20)"])
    facts: str = OutputField()


class LookupSummary(Output):
    """All addresses of one parameter set."""

    looked_up: int = OutputField(example_values=[2])
    malicious: int = OutputField(example_values=[1])
    suspicious: int = OutputField(example_values=[0])
    undetermined: int = OutputField(example_values=[1])
    worst_verdict: str = OutputField(example_values=["malicious"])


class CaseRow(Output):
    """What every row of a case begins with."""

    case_id: str = OutputField(example_values=[_CASE_ID])
    host: str = OutputField(cef_types=["host name"], example_values=["WS01.corp.example"], column_name="Host")
    user: str = OutputField(cef_types=["user name"], example_values=["CORP\\user01"], column_name="User")
    process: str = OutputField(
        cef_types=["process name"], example_values=["RegSvcs.exe"], column_name="Process"
    )


class LineageRow(CaseRow):
    """Host, process and lineage of one case.

    Attributes:
        peers: addresses outside the organisation that the case talked to, by its notables and its telemetry:
            those to look up.
    """

    status: str = OutputField(
        example_values=["found", "process_not_found", "host_not_found"], column_name="Found"
    )
    pid: int = OutputField(cef_types=["pid"], example_values=[7516])
    process_guid: str = OutputField(example_values=["6C1B8F20-99B1-6B13-0F00-000000001200"])
    command_line: str = OutputField(example_values=['"C:\\Windows\\...\\RegSvcs.exe"'])
    lineage: str = OutputField(
        example_values=["explorer.exe > powershell.exe > RegSvcs.exe"], column_name="Lineage"
    )
    ancestor_count: int = OutputField(example_values=[7])
    child_count: int = OutputField(example_values=[0])
    candidates: list[str] = OutputField(example_values=["ws1.a.example"])
    peers: list[str] = OutputField(cef_types=["ip", "ipv6"], example_values=["149.154.167.220"])
    unknowns: list[str] = OutputField(example_values=["host: no host of this name"])
    facts: str = OutputField()


class LineageSummary(Output):
    """All cases of one parameter set."""

    cases: int = OutputField(example_values=[1])
    found: int = OutputField(example_values=[1])


class ContributionRow(Output):
    """One item of the score."""

    name: str = OutputField(example_values=["tampering"])
    impact_points: int = OutputField(example_values=[20])
    confidence_points: int = OutputField(example_values=[0])
    reason: str = OutputField(example_values=["That is process hollowing seen directly."])


class IndicatorRow(Output):
    """One finding."""

    id: str = OutputField(example_values=["tampering"])
    strength: str = OutputField(example_values=["strong"])
    group: str = OutputField(example_values=["injection"])
    sentence: str = OutputField(example_values=["Sysmon reported tampering with the process."])


class RiskRow(CaseRow):
    """Score and verdict of one case."""

    case_verdict: str = OutputField(example_values=["malicious", "undetermined"], column_name="Verdict")
    verdict_reason: str = OutputField(example_values=["A strong finding, and more."])
    score: float = OutputField(example_values=[100.0], column_name="Score")
    base_score: float = OutputField(example_values=[80.0])
    impact: int = OutputField(example_values=[100])
    confidence: int = OutputField(example_values=[100])
    severity: str = OutputField(example_values=["high", "medium", "low"], column_name="Severity")
    destinations: list[str] = OutputField(cef_types=["ip", "ipv6"], example_values=["149.154.167.220"])
    destination_verdict: str = OutputField(example_values=["undetermined"])
    risk_message: str = OutputField(example_values=["An instance of RegSvcs.exe contacting ..."])
    contributions: list[ContributionRow] = OutputField()
    indicators: list[IndicatorRow] = OutputField()
    unknowns: list[str] = OutputField(example_values=["reputation of 149.154.167.220"])
    facts: str = OutputField()


class RiskSummary(Output):
    """All cases of one parameter set."""

    cases: int = OutputField(example_values=[1])
    worst_verdict: str = OutputField(example_values=["malicious"])
    highest_score: float = OutputField(example_values=[100.0])


class GuardOutput(Output):
    """One guard of the isolation decision."""

    id: str = OutputField(example_values=["one_host"])
    outcome: str = OutputField(example_values=["pass", "refuse", "unknown"])
    value: str = OutputField(example_values=["WS01.corp.example"])
    limit: str = OutputField(example_values=["exactly one host"])
    detail: str = OutputField(example_values=["Exactly one host has this name."])


class DecisionRow(CaseRow):
    """The isolation decision of one case, and everything the playbook writes and asks.

    Attributes:
        question: "none", "by_hand" or "isolate": what a person is to be asked (actions/containment_question).
        prompt: the question with its evidence, plain text.
        host_id: the machine as the source of processes knows it, lower case; the notable's dest where it was
            not resolved to one machine.
        not_known: the most important of what is not known, one sentence each.
        note_title: names the case and its state; the same state gives the same title.
        question_title: names the case, its verdict and score: what a person is asked about once. A new
            destination alone gives a new note and no new question.
        note: the whole report, Markdown.
        state: the case's state as JSON, kept by the playbook as an artifact of label `regsvcs_case`, so that
            re-enrichment knows what was known.
    """

    case_verdict: str = OutputField(example_values=["malicious"], column_name="Verdict")
    score: float = OutputField(example_values=[100.0], column_name="Score")
    severity: str = OutputField(example_values=["high"])
    host_id: str = OutputField(example_values=["ws01.corp.example"])
    decision: str = OutputField(example_values=["refuse", "shadow", "ask"], column_name="Decision")
    effective_mode: str = OutputField(example_values=["off"], column_name="Mode")
    decision_reason: str = OutputField(example_values=["WS01 is not isolated because isolation is off."])
    question: str = OutputField(example_values=["none", "by_hand", "isolate"])
    obstacles: list[str] = OutputField(example_values=["mode"])
    guards: list[GuardOutput] = OutputField()
    next_steps: list[str] = OutputField(example_values=["Get the memory of RegSvcs.exe."])
    not_known: list[str] = OutputField(
        example_values=["Reputation of 149.154.167[.]220: no reputation source configured"]
    )
    prompt: str = OutputField()
    note_title: str = OutputField(
        example_values=[f"Regsvcs response: malicious, score 100 ({_CASE_ID}, state 3f2a91c0)"]
    )
    question_title: str = OutputField(example_values=[f"malicious, score 100 ({_CASE_ID})"])
    note: str = OutputField()
    state: str = OutputField()
    facts: str = OutputField()


class DecisionSummary(Output):
    """All cases of one parameter set."""

    cases: int = OutputField(example_values=[1])
    questions: int = OutputField(example_values=[0])


class ResponseRow(DecisionRow):
    """The whole playbook's answer for one case, up to the decision."""

    verdict_reason: str = OutputField(example_values=["A strong finding, and more."])
    destinations: list[str] = OutputField(cef_types=["ip", "ipv6"], example_values=["149.154.167.220"])
    destination_verdict: str = OutputField(example_values=["undetermined"])
    risk_message: str = OutputField(example_values=["An instance of RegSvcs.exe contacting ..."])
    lineage: str = OutputField(example_values=["explorer.exe > powershell.exe > RegSvcs.exe"])
    unknowns: list[str] = OutputField(example_values=["reputation of 149.154.167.220"])


class ResponseSummary(Output):
    """All cases of one parameter set."""

    cases: int = OutputField(example_values=[1])
    rejected: int = OutputField(example_values=[0])
    worst_verdict: str = OutputField(example_values=["malicious"])
    highest_score: float = OutputField(example_values=[100.0])


class ReenrichRow(DecisionRow):
    """One case looked at again.

    Attributes:
        container_id: the container the case belongs to.
        changed: True when something is to be written; also on the first look.
        changes: what changed, one sentence each.
        stop: why it is not looked at again; "" while it goes on.
    """

    container_id: int = OutputField(example_values=[17])
    changed: bool = OutputField(example_values=[True], column_name="Changed")
    changes: list[str] = OutputField(example_values=["verdict: undetermined before, malicious now"])
    stop: str = OutputField(example_values=["", "14 days are over"])


class ReenrichSummary(Output):
    """All cases of one parameter set."""

    cases: int = OutputField(example_values=[3])
    changed: int = OutputField(example_values=[1])
    stopped: int = OutputField(example_values=[0])


class Outcome(StrEnum):
    """What became of one notable or risk. Only WRITTEN claims that something was written now."""

    WRITTEN = "written"
    ALREADY_THERE = "already_there"
    """It was written before, and not again."""
    NOTHING_TO_ADD = "nothing_to_add"
    """The score does not exceed that of the correlation search."""
    LEFT_OUT = "left_out"
    """Further notables of a case with many, or none with an id of Splunk."""
    NOT_CONFIGURED = "not_configured"
    NOT_SWITCHED_ON = "not_switched_on"
    """The asset does not let a case be written."""
    NOT_SUPPORTED = "not_supported"
    """Without Enterprise Security there are no notables to write to."""
    FAILED = "failed"


class WriteBackRow(Output):
    """What became of one notable, or of the risk of one case.

    Attributes:
        case_id: "" where an event_id was given by hand.
        target: "notable" or "risk".
        event_id: the notable; "" for the risk.
        outcome: one of Outcome.
        written: fields of the notable that were written; empty unless outcome is "written".
        left: fields that were asked for and left as a person has set them.
        detail: one sentence.
    """

    case_id: str = OutputField(example_values=[_CASE_ID], column_name="Case")
    target: str = OutputField(example_values=["notable", "risk"], column_name="What")
    event_id: str = OutputField(
        cef_types=["splunk notable event id"],
        example_values=["3F8B0A52-8D6E-4C11-9D3E-5F2A7C1B9E04@@notable@@0f1e2d3c4b5a69788796a5b4c3d2e1f0"],
        column_name="Notable",
    )
    outcome: str = OutputField(
        example_values=["written", "already_there", "failed", "not_switched_on"], column_name="Outcome"
    )
    written: list[str] = OutputField(example_values=["comment"], column_name="Written")
    left: list[str] = OutputField(example_values=["status"], column_name="Left")
    detail: str = OutputField(
        example_values=["Left as it is: status; it is owned by 'analyst01'."], column_name="Detail"
    )


class WriteBackSummary(Output):
    """All rows of one parameter set.

    Attributes:
        notables: notables that were to be written to.
        written: of these, those that were written to now.
        already_there: of these, those that had it all before.
        failed: rows of notables and risk that failed.
        risks_added: cases whose risk was added now.
        configured: whether the policy names a Splunk.
    """

    notables: int = OutputField(example_values=[1])
    written: int = OutputField(example_values=[1])
    already_there: int = OutputField(example_values=[0])
    failed: int = OutputField(example_values=[0])
    risks_added: int = OutputField(example_values=[1])
    configured: bool = OutputField(example_values=[True])
