"""Four cases built by hand, complete enough to look at: what the report tests render."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from actions.case_facts import CaseFacts, Destination, DestinationVerdict, Unknown
from actions.check_ip import IpCategory, IpCheck, RegistryRow
from actions.destination_roles import with_roles
from actions.isolation import Guard, GuardOutcome, IsolationDecision, IsolationMode, IsolationVerdict
from actions.lookup_reputation import why_withheld, with_reputation
from actions.profile import Profile
from actions.reputation_fusion import fuse
from actions.reputation_policy import Override, OverrideDecision, ReputationPolicy
from actions.reputation_wording import title_of
from actions.risk import (
    CaseVerdict,
    Contribution,
    EvidenceItem,
    Indicator,
    IndicatorGroup,
    RiskAssessment,
    Strength,
)
from connectors.facts.base import SourceRef
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.notable import Direction, MissingField, Notable, NotableSource
from connectors.facts.process import (
    Connection,
    Coverage,
    CoverageState,
    DnsAnswer,
    EvidenceKind,
    FileHash,
    FileWritten,
    Gap,
    GapKind,
    KnownFrom,
    Lineage,
    ModuleLoad,
    Process,
    ProcessAccess,
    ProcessEvidence,
    ProcessRef,
    RemoteThread,
    Signature,
    SignatureState,
    Tampering,
)
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)
from playbooks.case import CaseReport, LogNote, StepOutcome

HOST = "WS-042.corp.example"
USER = "CORP\\user01"
LOG = "stealer_chain.ndjson"
REGSVCS = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegSvcs.exe"
TELEGRAM = "149.154.167.220"
BASE_MESSAGE = (
    f"An instance of RegSvcs.exe contacting a remote destination was identified on endpoint {HOST} "
    f"by user {USER}. This behavior is not normal for RegSvcs.exe."
)
BASE_REASON = "What the analytic 'Detect Regsvcs with Network Connection' gives by itself."
UNKNOWN_SIGNATURE = Signature()

#: What an attacker would like a report to print, run or follow.
HOSTILE = (
    "\x1b[2J\x1b]8;;https://evil.example/\x07click\x1b]8;;\x07\x1b]0;title\x07"
    "\r\n\tcovered\x00\x08\x7f\x9b31m\x85\u202egnp.exe\u202c\u2066x\u2069\u200b\u200d\ufeff\u2028\U000e0041"
    "</script><img src=x onerror=alert(1)><!-- --> [red]r[/red] :smile: [link=https://evil.example]l[/link]"
    "![i](https://evil.example/i.png) [c](javascript:alert(1)) ](javascript:alert(1)) <https://evil.example>"
    " https://evil.example www.evil.example a@evil.example `tick` ``` | a | b |\n|---|---|\n# h\n- l\n1. n\n"
    "=2+3 *b* _e_ ~~s~~ &lt; $dest$ \\| \\ \ue000"
)


def at(clock: str, *, day: int = 1) -> datetime:
    """A moment of the case, UTC."""
    return datetime.fromisoformat(f"2026-10-{day:02d}T{clock}+00:00").astimezone(UTC)


def ref(record: int, event_id: str = "1", *, source: str = LOG) -> SourceRef:
    return SourceRef(source=source, record=record, event_id=event_id)


def process(
    pid: int,
    image: str,
    command_line: str | None,
    start: str,
    record: int,
    *,
    user: str = USER,
    integrity: str = "Medium",
    signature: Signature = UNKNOWN_SIGNATURE,
    end: str | None = None,
    known_from: KnownFrom = KnownFrom.CREATION,
    parent: Process | None = None,
    original_file_name: str = "",
) -> Process:
    digest = hashlib.sha256(image.encode()).hexdigest().upper()
    created = known_from is KnownFrom.CREATION
    return Process(
        ref=ProcessRef(
            host_id=HOST,
            guid=f"6E1C0F3A-5D21-68DD-{pid:04X}-000000001200",
            pid=pid,
            start_time=at(start) if created else None,
            image=image,
        ),
        known_from=known_from,
        command_line=command_line,
        user=user if created else "",
        integrity=integrity if created else "",
        original_file_name=original_file_name,
        hashes=(FileHash(algorithm="SHA256", digest=digest),) if created else (),
        signature=signature,
        parent_guid=parent.ref.guid if parent else None,
        parent_pid=parent.ref.pid if parent else None,
        parent_image=parent.ref.image if parent else "",
        parent_command_line=parent.command_line if parent else None,
        end_time=at(end) if end else None,
        source=ref(record) if created else None,
    )


def profile() -> Profile:
    return Profile(
        name="regsvcs",
        title="Detect Regsvcs with Network Connection",
        detection_id="e3e7a1c0-f2b9-445c-8493-f30a63522d1a",
        process_names=("regsvcs.exe",),
        techniques=("T1218", "T1218.009"),
        tactic="Defense Evasion",
        original_file_names=("regsvcs.exe",),
        expects_arguments=True,
    )


def said(
    source: str,
    *,
    status: SourceStatus = SourceStatus.OK,
    leaning: Leaning = Leaning.NONE,
    direction: EvidenceDirection = EvidenceDirection.CONTEXT,
    reliability: Reliability = Reliability.B,
    lineage: str = "",
    last_seen: datetime | None = None,
    page: str = "",
    detail: str = "",
) -> SourceAnswer:
    """One source's answer; `looked_up` adds the address."""
    return SourceAnswer(
        source=source,
        ip="",
        status=status,
        leaning=leaning,
        direction=direction,
        reliability=reliability,
        lineage=lineage,
        last_seen=last_seen,
        retrieved_at=at("09:05:01"),
        took_ms=120,
        evidence_url=page,
        detail=detail,
    )


def looked_up(
    destination: Destination, *answers: SourceAnswer, overrides: tuple[Override, ...] = ()
) -> Destination:
    """The destination as a look-up of 09:05:02 leaves it; warninglists describe, the others judge."""
    infos = {
        name: SourceInfo(
            name=name,
            title=title_of(name),
            reliability=Reliability.B,
            direction=EvidenceDirection.OUTBOUND,
            licence="",
            online=name != "misp_warninglists",
            volatile=True,
        ).model_copy(update={"direction": EvidenceDirection.CONTEXT} if name == "misp_warninglists" else {})
        for name in {each.source.partition(":")[0] for each in answers}
    }
    found = fuse(
        (each.model_copy(update={"ip": destination.ip}) for each in answers),
        infos,
        destination.roles,
        ip=destination.ip,
        policy=ReputationPolicy(overrides=overrides),
        now=at("09:05:02"),
        withheld=why_withheld(destination.check),
    )
    return with_reputation(destination, found)


def public(ip: str) -> IpCheck:
    return IpCheck(ip=ip, version=4, public=True, category=IpCategory.PUBLIC, registry_row=None)


def telegram() -> Destination:
    seen = Destination(
        ip=TELEGRAM,
        check=IpCheck(ip=TELEGRAM, version=4, public=True, category=IpCategory.PUBLIC, registry_row=None),
        dns_names=("api.telegram.org",),
        ports=(443,),
    )
    return looked_up(
        with_roles(seen),
        said(
            "local_feed",
            leaning=Leaning.SUSPICIOUS,
            direction=EvidenceDirection.OUTBOUND,
            last_seen=at("09:05:00"),
            lineage="local",
            detail="reported by a user",
        ),
        said("abuseipdb", status=SourceStatus.RATE_LIMITED, detail="daily quota used up, again at 00:00 UTC"),
        said("misp_warninglists", status=SourceStatus.NOT_FOUND, detail="On none of 43 lists."),
        said("virustotal", status=SourceStatus.NOT_CONFIGURED),
        said("greynoise", status=SourceStatus.NOT_CONFIGURED),
    )


def stealer_lineage() -> Lineage:
    microsoft = Signature(state=SignatureState.VALID, signer="Microsoft Corporation")
    explorer = process(
        3120,
        r"C:\Windows\explorer.exe",
        r"C:\Windows\Explorer.EXE",
        "07:58:01",
        0,
        known_from=KnownFrom.CHILD,
    )
    outlook = process(
        4312,
        r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE",
        r'"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE"',
        "08:02:11",
        12,
        signature=microsoft,
        parent=explorer,
    )
    word = process(
        5120,
        r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE",
        r'"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE" /n "C:\Users\user01\AppData\Local'
        r'\Microsoft\Windows\INetCache\Content.Outlook\8F3K2L1M\invoice_2026-10.docm" /o ""',
        "08:12:40",
        58,
        signature=microsoft,
        parent=outlook,
    )
    powershell = process(
        6604,
        r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        "powershell.exe -NoProfile -WindowStyle Hidden -EncodedCommand " + "SQBFAFgAIAAoAE4AZQB3AC0A" * 60,
        "08:13:31",
        71,
        parent=word,
    )
    loader = process(
        7012,
        r"C:\Users\user01\AppData\Local\Temp\loader.exe",
        r"C:\Users\user01\AppData\Local\Temp\loader.exe",
        "08:13:58",
        80,
        signature=Signature(state=SignatureState.UNSIGNED),
        end="08:14:04",
        parent=powershell,
    )
    conhost = process(
        7020,
        r"C:\Windows\System32\conhost.exe",
        r"\??\C:\Windows\system32\conhost.exe 0xffffffff -ForceV1",
        "08:13:58",
        82,
        parent=loader,
    )
    target = process(
        7188,
        REGSVCS,
        f'"{REGSVCS}"',
        "08:14:01",
        84,
        signature=Signature(),
        parent=loader,
        original_file_name="RegSvcs.exe",
    )
    child = process(
        7402,
        r"C:\Windows\SysWOW64\schtasks.exe",
        r'schtasks /Create /SC ONLOGON /TN Updater /TR "C:\Users\user01\AppData\Local\Temp\loader.exe"',
        "08:14:55",
        97,
        parent=target,
    )
    return Lineage(
        target=target,
        ancestors=(loader, powershell, word, outlook, explorer),
        siblings=(conhost,),
        children=(child,),
        gaps=(
            Gap(
                kind=GapKind.PARENT_NOT_RECORDED,
                at="explorer.exe (pid 3120)",
                detail=(
                    "telemetry ends here: its creation is not in the log; image and command line are as "
                    "its child recorded them, and what started it is unknown"
                ),
            ),
        ),
        source_queries=("Sysmon events 1, 3, 5, 11, 22, 25 of WS-042.corp.example, 8 creations",),
    )


def stealer_evidence() -> ProcessEvidence:
    loader = r"C:\Users\user01\AppData\Local\Temp\loader.exe"
    powershell = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
    return ProcessEvidence(
        connections=tuple(
            Connection(
                time=at(clock),
                src_ip="10.20.30.42",
                src_port=port,
                dest_ip=TELEGRAM,
                dest_port=443,
                protocol="tcp",
                initiated=True,
                source=ref(record, "3"),
            )
            for clock, port, record in (
                ("08:14:22", 50112, 92),
                ("08:19:40", 50177, 101),
                ("08:31:07", 50240, 118),
            )
        ),
        dns=(
            DnsAnswer(time=at("08:14:20"), name="api.ipify.org", status="0", source=ref(90, "22")),
            DnsAnswer(
                time=at("08:14:22"),
                name="api.telegram.org",
                addresses=(TELEGRAM,),
                status="0",
                source=ref(91, "22"),
            ),
        ),
        tampering=(Tampering(time=at("08:14:02"), type="Image is replaced", source=ref(87, "25")),),
        remote_threads=(
            RemoteThread(time=at("08:14:02"), source_image=loader, start_module="", source=ref(86, "8")),
        ),
        accesses=(
            ProcessAccess(
                time=at("08:14:01"),
                source_image=loader,
                granted_access=0x1FFFFF,
                source_is_creator=True,
                source=ref(85, "10"),
            ),
        ),
        modules=(
            ModuleLoad(
                time=at("08:14:03"),
                path=r"C:\Users\user01\AppData\Local\Temp\inject.dll",
                signature=Signature(state=SignatureState.UNSIGNED),
                hashes=(
                    FileHash(
                        algorithm="SHA1", digest=hashlib.sha1(b"inject", usedforsecurity=False).hexdigest()
                    ),
                    FileHash(algorithm="SHA256", digest=hashlib.sha256(b"inject").hexdigest().upper()),
                ),
                source=ref(88, "7"),
            ),
        ),
        image_writers=(
            FileWritten(time=at("08:13:55"), path=loader, writer_image=powershell, source=ref(78, "11")),
        ),
        coverage=(
            Coverage(kind=EvidenceKind.CONNECTION, state=CoverageState.OBSERVED),
            Coverage(kind=EvidenceKind.DNS, state=CoverageState.OBSERVED),
            Coverage(kind=EvidenceKind.TAMPERING, state=CoverageState.OBSERVED),
            Coverage(kind=EvidenceKind.REMOTE_THREAD, state=CoverageState.OBSERVED),
            Coverage(kind=EvidenceKind.PROCESS_ACCESS, state=CoverageState.OBSERVED),
            Coverage(kind=EvidenceKind.MODULE, state=CoverageState.OBSERVED),
            Coverage(kind=EvidenceKind.FILE, state=CoverageState.NONE_OBSERVED),
            Coverage(kind=EvidenceKind.TERMINATION, state=CoverageState.NOT_COLLECTED),
        ),
    )


def indicator(
    id_: str, strength: Strength, group: IndicatorGroup, sentence: str, *items: EvidenceItem
) -> Indicator:
    return Indicator(id=id_, strength=strength, group=group, sentence=sentence, evidence=items)


def seen(text: str, clock: str | None, record: int, event_id: str = "1") -> EvidenceItem:
    return EvidenceItem(text=text, time=at(clock) if clock else None, source=ref(record, event_id))


def stealer_risk() -> RiskAssessment:
    lineage, image, injection = IndicatorGroup.LINEAGE, IndicatorGroup.IMAGE, IndicatorGroup.INJECTION
    bare = "RegSvcs.exe was started without arguments, which registers nothing."
    tampered = "Sysmon reported that the image in memory was replaced."
    office = "An Office program is among the ancestors: WINWORD.EXE."
    temp = "The parent ran from a folder that any user can write to."
    return RiskAssessment(
        message=f"{BASE_MESSAGE} {tampered} {bare} {office} {temp}",
        base_score=80.0,
        impact=100,
        confidence=100,
        score=100.0,
        contributions=(
            Contribution(name="ESCU base", impact_points=80, confidence_points=100, reason=BASE_REASON),
            Contribution(
                name="tampering",
                impact_points=20,
                reason="The code in memory is not the file on disk: that is process hollowing seen directly.",
            ),
            Contribution(
                name="document_or_script_ancestor",
                impact_points=15,
                reason="A document started the chain, and documents register no components.",
            ),
            Contribution(
                name="parent_in_writable_place",
                impact_points=10,
                reason="Loaders drop to these folders; some installers unpack there too.",
            ),
            Contribution(
                name="no_arguments",
                impact_points=10,
                reason="Without an assembly to register, the tool makes no connection.",
            ),
            Contribution(name="limit", impact_points=-35, reason="Impact and confidence are percentages."),
        ),
        indicators=(
            indicator(
                "tampering",
                Strength.STRONG,
                injection,
                tampered,
                seen("Image is replaced", "08:14:02", 87, "25"),
            ),
            indicator("no_arguments", Strength.STRONG, image, bare, seen(f'"{REGSVCS}"', "08:14:01", 84)),
            indicator(
                "document_or_script_ancestor",
                Strength.STRONG,
                lineage,
                office,
                seen("WINWORD.EXE (pid 5120) started powershell.exe", "08:12:40", 58),
            ),
            indicator(
                "parent_in_writable_place",
                Strength.STRONG,
                lineage,
                temp,
                seen(r"C:\Users\user01\AppData\Local\Temp\loader.exe", "08:13:58", 80),
            ),
            indicator(
                "shell_ancestor",
                Strength.CONTEXT,
                lineage,
                "powershell.exe is among the ancestors; that alone is common.",
                seen("powershell.exe (pid 6604)", "08:13:31", 71),
            ),
        ),
        destination_verdict=DestinationVerdict.SUSPICIOUS_SHARED,
        case_verdict=CaseVerdict.MALICIOUS,
        verdict_reason="four strong indicators of three independent groups",
        unknowns=(
            Unknown(
                what="signature of RegSvcs.exe",
                why="the log holds no image load of it",
                remedy="collect Sysmon event 7 for RegSvcs.exe, or check the file on the host",
            ),
            Unknown(
                what="reputation of 149.154.167.220",
                why="abuseipdb did not answer: daily quota used up, again at 00:00 UTC",
                remedy="run again after 00:00 UTC",
            ),
            Unknown(what="what started explorer.exe", why="its creation is not in the log"),
        ),
    )


def guard(id_: str, outcome: GuardOutcome, value: str, limit: str, detail: str) -> Guard:
    return Guard(id=id_, outcome=outcome, value=value, limit=limit, detail=detail)


def stealer_decision() -> IsolationDecision:
    ok, no, unknown = GuardOutcome.PASS, GuardOutcome.REFUSE, GuardOutcome.UNKNOWN
    return IsolationDecision(
        verdict=IsolationVerdict.REFUSE,
        effective_mode=IsolationMode.OFF,
        summary="3 of 9 guards stand in the way; the first: isolation is switched off",
        guards=(
            guard(
                "mode",
                no,
                "off",
                "shadow or higher",
                "Isolation is off by default; no policy switches it on.",
            ),
            guard("one_host", ok, HOST, "exactly one host", "The name resolves to one host."),
            guard(
                "source_address",
                ok,
                "10.20.30.42",
                "an address of the host then",
                "The host had it at the time.",
            ),
            guard(
                "host_type",
                unknown,
                "unknown",
                "workstation",
                "A log does not say what kind of machine it is.",
            ),
            guard("direction", ok, "outbound", "outbound", "The host opened the connection."),
            guard("connection_age", ok, "34 min", "under 2 h", "The last connection is recent."),
            guard("score", ok, "100", "90 or more", "The score is over the threshold."),
            guard(
                "strong_indicators", ok, "4, of lineage: yes", "2 or more, one of lineage", "Enough stand."
            ),
            guard(
                "connector",
                no,
                "sysmon_file: resolve, lineage",
                "isolate and verify",
                "A log file can neither isolate a host nor verify it.",
            ),
        ),
    )


def stealer_notable() -> Notable:
    return Notable(
        source=NotableSource.DETECTION,
        event_id="detection:1f0c",
        search_name="Detect Regsvcs with Network Connection",
        dest=HOST,
        user=USER,
        process_name="RegSvcs.exe",
        src_ip="10.20.30.42",
        dest_ip=TELEGRAM,
        dest_ports=(443,),
        direction=Direction.OUTBOUND,
        count=3,
        first_time=at("08:14:22"),
        last_time=at("08:31:07"),
        process_guids=("6E1C0F3A-5D21-68DD-1C14-000000001200",),
        risk_score=80.0,
        urgency="high",
    )


def malicious() -> CaseReport:
    """A stealer chain: mail, Office, PowerShell, a loader that exits, RegSvcs without arguments, Telegram."""
    return CaseReport(
        case_id="case-5f2a9c41d07be318",
        generated_at=at("09:05:12"),
        facts=CaseFacts(
            profile=profile(),
            notables=(stealer_notable(),),
            destinations=(telegram(),),
            host=HostRef(
                connector="sysmon_file",
                host_id=HOST,
                hostname=HOST,
                addresses=(
                    AddressSeen(ip="10.20.30.42", first_seen=at("08:14:22"), last_seen=at("08:31:07")),
                ),
                first_seen=at("07:58:01"),
                last_seen=at("08:31:07"),
            ),
            lineage=stealer_lineage(),
            evidence=stealer_evidence(),
        ),
        risk=stealer_risk(),
        decision=stealer_decision(),
        steps=(
            StepOutcome(step="check_ip", ok=True, detail="1 of 1 address is public"),
            StepOutcome(step="lookup_reputation", ok=False, detail="1 of 2 sources answered"),
            StepOutcome(step="get_process_lineage", ok=True, detail="5 ancestors, 1 sibling, 1 child"),
        ),
        next_steps=(
            "Ask the owner of WS-042.corp.example to take it off the network, or isolate it in the EDR.",
            "Acquire memory of RegSvcs.exe (pid 7188) before the host is restarted.",
            "Collect loader.exe and the document that started the chain; search for both on other hosts.",
            r"Reset the credentials that CORP\user01 used on this host.",
        ),
        log_notes=(
            LogNote(source=LOG, record=61, reason="the line ends inside a JSON string"),
            LogNote(source="archive.zip!part2.evtx", record=None, reason="2 of 14 chunks are missing"),
        ),
        log_problem_count=2,
    )


def bad_peer() -> Destination:
    """A control server: two authors, one of them heard twice, an expired answer, failures, hostile pages."""
    seen = Destination(ip="203.0.113.77", check=public("203.0.113.77"), ports=(8443,))
    malicious, outbound = Leaning.MALICIOUS, EvidenceDirection.OUTBOUND
    return looked_up(
        seen,
        said(
            "threatfox",
            leaning=malicious,
            direction=outbound,
            reliability=Reliability.A,
            lineage="abuse.ch",
            last_seen=at("03:05:00"),
            page="https://threatfox.abuse.ch/browse.php?search=ioc%3A203.0.113.77",
            detail="botnet control server, confidence 100",
        ),
        said(
            "urlhaus",
            leaning=malicious,
            direction=outbound,
            lineage="abuse.ch",
            last_seen=at("03:00:00") - timedelta(days=3),
            page="https://urlhaus.abuse.ch/host/203.0.113.77/",
            detail="1 URL online",
        ),
        said(
            "virustotal",
            leaning=malicious,
            reliability=Reliability.C,
            last_seen=at("01:00:00"),
            page="https://www.virustotal.com/gui/ip-address/203.0.113.77",
            detail="11 of 94 engines call it malicious",
        ),
        said(
            "otx",
            status=SourceStatus.STALE,
            leaning=Leaning.SUSPICIOUS,
            reliability=Reliability.C,
            last_seen=at("01:00:00") - timedelta(days=200),
            page="https://www.virustotal.com@evil.example/x",
            detail="expired answer: no answer in time. 2 pulses",
        ),
        said("abuseipdb", status=SourceStatus.RATE_LIMITED, detail="quota used up; ask again after midnight"),
        said("greynoise", status=SourceStatus.NOT_FOUND, detail="It has not scanned the internet."),
        said("misp", status=SourceStatus.AUTH, detail="it refused the key"),
        said("misp_warninglists", status=SourceStatus.NOT_FOUND, detail="On none of 43 lists."),
        said("taxii", status=SourceStatus.NOT_CONFIGURED),
    )


def sinkhole_peer() -> Destination:
    """A sinkhole that no source reports."""
    role = DestinationRole(
        kind=RoleKind.SINKHOLE,
        effect=RoleEffect.PROBABLE_INFECTION,
        label="sinkhole",
        reason="Names that were taken from malware lead there: what calls it is probably infected.",
        source="misp-warninglists: sinkholes",
    )
    seen = Destination(ip="198.51.100.9", check=public("198.51.100.9"), ports=(80,), roles=(role,))
    return looked_up(
        seen,
        said("misp_warninglists:sinkholes", detail="On the list of known sinkholes."),
        said("threatfox", status=SourceStatus.TIMEOUT, detail="no answer before the deadline"),
        said("virustotal", status=SourceStatus.NOT_CONFIGURED),
    )


def allowed_peer() -> Destination:
    """An address that a person vouches for."""
    word = Override(
        target="198.51.100.20",
        decision=OverrideDecision.ALLOW,
        reason="our update mirror",
        owner="SOC lead",
        expires=at("00:00:00", day=20),
    )
    seen = Destination(ip="198.51.100.20", check=public("198.51.100.20"), ports=(443,))
    return looked_up(seen, said("threatfox", status=SourceStatus.NOT_FOUND), overrides=(word,))


def unheard_peer() -> Destination:
    """An address about which nobody could be asked."""
    seen = Destination(ip="198.51.100.30", check=public("198.51.100.30"), ports=(443,))
    return looked_up(
        seen,
        said("threatfox", status=SourceStatus.NOT_CONFIGURED),
        said("virustotal", status=SourceStatus.NOT_CONFIGURED),
    )


def own_peer() -> Destination:
    """An address inside: nobody is asked about it."""
    check = IpCheck(ip="10.20.0.8", version=4, public=False, category=IpCategory.PRIVATE, registry_row=None)
    return looked_up(Destination(ip="10.20.0.8", check=check, ports=(8080,)))


def reputed() -> CaseReport:
    """The stealer chain with every kind of reputation among its peers."""
    report = malicious()
    peers = (telegram(), bad_peer(), sinkhole_peer(), allowed_peer(), unheard_peer(), own_peer())
    return report.model_copy(update={"facts": report.facts.model_copy(update={"destinations": peers})})


def benign() -> CaseReport:
    """An installer registers a COM+ component; the destination has a plain reason."""
    dll = r"C:\Program Files\Vendor Suite\bin\Vendor.Components.dll"
    vendor = Signature(state=SignatureState.VALID, signer="Vendor Suite GmbH")
    system, peer = "NT AUTHORITY\\SYSTEM", "2620:4f:8000::6"
    log = "installer.evtx"
    installer = process(
        2204,
        r"C:\Windows\System32\msiexec.exe",
        r"C:\Windows\system32\msiexec.exe /V",
        "10:00:02",
        7,
        user=system,
        integrity="System",
        signature=Signature(state=SignatureState.VALID, signer="Microsoft Windows"),
    )
    regsvcs = REGSVCS.replace("Framework", "Framework64", 1)
    target = process(
        2290,
        regsvcs,
        f'"{regsvcs}" /quiet "{dll}"',
        "10:00:09",
        11,
        user=system,
        integrity="System",
        signature=Signature(state=SignatureState.VALID, signer="Microsoft Corporation"),
        parent=installer,
    )
    return CaseReport(
        case_id="case-77b01e03c2fa9946",
        generated_at=at("11:10:00"),
        facts=CaseFacts(
            profile=profile(),
            notables=(
                Notable(
                    source=NotableSource.ES_NOTABLE,
                    event_id="A1@@notable@@2",
                    dest="APP-007",
                    user=system,
                    process_name="regsvcs.exe",
                    src_ip="2001:db8::17",
                    dest_ip=peer,
                    direction=Direction.OUTBOUND,
                    count=1,
                    first_time=at("10:00:12"),
                    last_time=at("10:00:12"),
                ),
            ),
            destinations=(
                Destination(
                    ip=peer,
                    check=IpCheck(
                        ip=peer,
                        version=6,
                        public=True,
                        category=IpCategory.PUBLIC_SPECIAL,
                        registry_row=RegistryRow(
                            prefix="2620:4f:8000::/48",
                            name="Direct Delegation AS112 Service",
                            rfc="RFC 7534",
                            globally_reachable=True,
                            registry_date="2025-10-09",
                        ),
                    ),
                    verdict=DestinationVerdict.KNOWN_GOOD_SERVICE,
                    verdict_reason="a revocation service of the signer",
                    dns_names=("ocsp.vendor.example",),
                    ports=(80, 443),
                    answers=(
                        SourceAnswer(
                            source="local_feed",
                            ip=peer,
                            status=SourceStatus.OK,
                            leaning=Leaning.HARMLESS,
                            detail="listed as a revocation service",
                        ),
                    ),
                ),
            ),
            host=HostRef(
                connector="sysmon_file", host_id="APP-007", hostname="APP-007", host_type=HostType.SERVER
            ),
            lineage=Lineage(target=target, ancestors=(installer,)),
            evidence=ProcessEvidence(
                dns=(
                    DnsAnswer(time=at("10:00:11"), name="ocsp.vendor.example", addresses=(peer,), status="0"),
                ),
                modules=(ModuleLoad(time=at("10:00:10"), path=dll, signature=vendor),),
            ),
        ),
        risk=RiskAssessment(
            message=BASE_MESSAGE.replace(HOST, "APP-007").replace(USER, system),
            base_score=80.0,
            impact=80,
            confidence=40,
            score=32.0,
            contributions=(
                Contribution(name="ESCU base", impact_points=80, confidence_points=100, reason=BASE_REASON),
                Contribution(
                    name="signed_installer_chain",
                    confidence_points=-60,
                    reason="Parent, argument and destination agree.",
                ),
            ),
            indicators=(
                indicator(
                    "signed_installer_chain",
                    Strength.MITIGATING,
                    IndicatorGroup.LINEAGE,
                    "A signed installer registered a DLL under Program Files and asked a revocation service.",
                    EvidenceItem(text=dll, time=at("10:00:10"), source=ref(13, "7", source=log)),
                ),
            ),
            destination_verdict=DestinationVerdict.KNOWN_GOOD_SERVICE,
            case_verdict=CaseVerdict.LIKELY_BENIGN,
            verdict_reason="the mitigating indicators agree and nothing speaks against them",
            unknowns=(),
        ),
        decision=IsolationDecision(
            verdict=IsolationVerdict.REFUSE,
            effective_mode=IsolationMode.SHADOW,
            summary="the verdict is likely_benign",
            guards=(
                guard("mode", GuardOutcome.PASS, "shadow", "shadow or higher", "Shadow mode records only."),
                guard("host_type", GuardOutcome.REFUSE, "server", "workstation", "Servers are for a person."),
            ),
        ),
        next_steps=("Confirm with the owner of APP-007 that Vendor Suite was installed at 10:00 UTC.",),
    )


def undetermined() -> CaseReport:
    """Nothing but a notable: no log, no host, no peer, nobody's answer."""
    no_log = Unknown(
        what="process lineage",
        why="no process telemetry was given",
        remedy="give the Sysmon log of the host with --sysmon",
    )
    return CaseReport(
        case_id="case-0d44e2aa81b6530f",
        generated_at=at("12:00:00"),
        facts=CaseFacts(
            profile=profile(),
            notables=(
                Notable(
                    source=NotableSource.WEBHOOK,
                    event_id="webhook:9",
                    dest="ws-310",
                    process_name="regsvcs.exe",
                    missing=(
                        MissingField(field="dest_ip", effect="there is no address to check"),
                        MissingField(field="user", effect="the risk message names no user"),
                    ),
                    notes=("dest was a list of one name; it was taken as that name.",),
                ),
            ),
            problems=(no_log,),
        ),
        risk=RiskAssessment(
            message=BASE_MESSAGE.replace(HOST, "ws-310").replace(f" by user {USER}", " by user unknown"),
            base_score=80.0,
            impact=80,
            confidence=100,
            score=80.0,
            contributions=(
                Contribution(name="ESCU base", impact_points=80, confidence_points=100, reason=BASE_REASON),
            ),
            indicators=(),
            destination_verdict=DestinationVerdict.UNDETERMINED,
            case_verdict=CaseVerdict.UNDETERMINED,
            verdict_reason="nothing beyond the notable is known",
            unknowns=(no_log, Unknown(what="destination", why="the notable has no dest_ip")),
        ),
        decision=IsolationDecision(
            verdict=IsolationVerdict.REFUSE,
            effective_mode=IsolationMode.OFF,
            summary="isolation is off, and the host is not known",
            guards=(
                guard("mode", GuardOutcome.REFUSE, "off", "shadow or higher", "Isolation is off by default."),
                guard(
                    "one_host",
                    GuardOutcome.UNKNOWN,
                    "unknown",
                    "exactly one host",
                    "No source knows the host.",
                ),
            ),
        ),
        next_steps=("Run again with the Sysmon log of ws-310.",),
    )


def every_text[M: BaseModel](model: M, replace: Callable[[str], str]) -> M:
    """The same model with every free text replaced; enum values and versions stay.

    The case's id stays too, which is made of a hash, and the profile: it is the user's own, and takes only
    text that fits on a line.
    """
    changes = {
        name: _replaced(value, replace) for name, value in model if name not in ("schema_version", "case_id")
    }
    return model.model_copy(update=changes)


def _replaced(value: object, replace: Callable[[str], str]) -> object:
    if type(value) is str:  # an enum's member is a str too, and stays
        return replace(value)
    if isinstance(value, Profile):
        return value
    if isinstance(value, BaseModel):
        return every_text(value, replace)
    if isinstance(value, tuple):
        return tuple(_replaced(each, replace) for each in value)
    return value


def hostile() -> CaseReport:
    """The stealer chain, every text of it written by an attacker; one command line is 5 MB long."""
    report = every_text(malicious(), lambda old: f"{HOSTILE} {old}")
    lineage = report.facts.lineage
    if lineage is None:
        raise AssertionError("the malicious case has a lineage")
    target = lineage.target.model_copy(update={"command_line": HOSTILE * (5_000_000 // len(HOSTILE) + 1)})
    lineage = lineage.model_copy(update={"target": target})
    return report.model_copy(update={"facts": report.facts.model_copy(update={"lineage": lineage})})


def with_ancestors(count: int) -> CaseReport:
    """The stealer chain below a line of many shells, each started a second after the one above."""
    report = malicious()
    lineage = report.facts.lineage
    if lineage is None:
        raise AssertionError("the malicious case has a lineage")
    start = at("07:00:00")
    shells = tuple(
        process(
            9000 - number,
            r"C:\Windows\System32\cmd.exe",
            f"cmd.exe /c call step{number}.cmd",
            (start - timedelta(seconds=number)).strftime("%H:%M:%S"),
            number,
        )
        for number in range(count)
    )
    lineage = lineage.model_copy(update={"ancestors": shells})
    return report.model_copy(update={"facts": report.facts.model_copy(update={"lineage": lineage})})
