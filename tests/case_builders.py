"""Builders for cases: each fact in one call, with defaults that say nothing good and nothing bad."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from actions.case_facts import CaseFacts, Destination, DestinationVerdict, Unknown
from actions.check_ip import OrganisationRanges, check_ip
from actions.isolation import IsolationMode, IsolationRequest, LedgerView
from actions.isolation_policy import Caps, IsolationPolicy
from actions.organisation_ranges import NONE
from actions.profile import Profile
from actions.profiles.regsvcs import PROFILE
from actions.risk import RiskAssessment
from connectors.facts.asset import AssetFacts
from connectors.facts.base import SourceRef
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.isolation import HowKnown, IsolationState, IsolationStatus
from connectors.facts.notable import Direction, Notable, NotableSource
from connectors.facts.process import (
    Connection,
    Coverage,
    CoverageState,
    DnsAnswer,
    EvidenceKind,
    Gap,
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
from connectors.facts.reputation import SourceAnswer
from connectors.ports import Capability

#: When everything happens.
T0 = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)

HOST = "WS01.corp.example"
HOST_ID = "agent-01"
OWN_IP = "10.1.2.3"
PEER_IP = "8.8.4.4"
TELEGRAM_IP = "149.154.167.220"
CRL_IP = "93.184.220.29"

REGSVCS = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe"
EXPLORER = r"C:\Windows\explorer.exe"
SERVICES = r"C:\Windows\System32\services.exe"
MSIEXEC = r"C:\Windows\System32\msiexec.exe"
CMD = r"C:\Windows\System32\cmd.exe"
CSRSS = r"C:\Windows\System32\csrss.exe"
SCHTASKS = r"C:\Windows\System32\schtasks.exe"
CONHOST = r"C:\Windows\System32\conhost.exe"
WINWORD = r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE"
LOADER = r"C:\Users\ann\AppData\Local\Temp\loader.exe"
INSTALLED_DLL = r"C:\Program Files\Acme\Acme.Services.dll"

SIGNED = Signature(state=SignatureState.VALID, signer="Microsoft Windows")
UNSIGNED = Signature(state=SignatureState.UNSIGNED)

_GUID = "365ABB72-0000-5CD8-0000-{:012X}"


def after(seconds: float) -> datetime:
    """The instant so many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def guid_of(pid: int) -> str:
    """A ProcessGuid made from a pid."""
    return _GUID.format(pid)


def process(
    image: str = REGSVCS,
    *,
    pid: int = 4711,
    command_line: str | None = None,
    start: datetime | None = T0,
    end: datetime | None = None,
    signature: Signature | None = None,
    original_file_name: str = "",
    integrity: str = "",
    user: str = "",
    parent_image: str = "",
    parent_pid: int | None = None,
    known_from: KnownFrom = KnownFrom.CREATION,
) -> Process:
    """A process; what is not given is not known."""
    return Process(
        ref=ProcessRef(host_id=HOST_ID, guid=guid_of(pid), pid=pid, start_time=start, image=image),
        known_from=known_from,
        command_line=command_line,
        end_time=end,
        signature=signature or Signature(),
        original_file_name=original_file_name,
        integrity=integrity,
        user=user,
        parent_image=parent_image,
        parent_pid=parent_pid,
        parent_guid=None if parent_pid is None else guid_of(parent_pid),
        source=SourceRef(source="log.ndjson", record=pid, event_id="1"),
    )


def lineage(
    target: Process,
    *ancestors: Process,
    siblings: tuple[Process, ...] = (),
    children: tuple[Process, ...] = (),
    gaps: tuple[Gap, ...] = (),
) -> Lineage:
    """A lineage, ancestors nearest first; each is tied to its parent by guid."""
    chain = [target, *ancestors]
    tied = [
        child.model_copy(
            update={
                "parent_guid": parent.ref.guid,
                "parent_pid": parent.ref.pid,
                "parent_image": parent.ref.image,
            }
        )
        for child, parent in pairwise(chain)
    ]
    target, *rest = [*tied, chain[-1]]
    return Lineage(target=target, ancestors=tuple(rest), siblings=siblings, children=children, gaps=gaps)


def evidence(
    *,
    connections: tuple[Connection, ...] = (),
    dns: tuple[DnsAnswer, ...] = (),
    tampering: tuple[Tampering, ...] = (),
    remote_threads: tuple[RemoteThread, ...] = (),
    accesses: tuple[ProcessAccess, ...] = (),
    modules: tuple[ModuleLoad, ...] = (),
    coverage: CoverageState = CoverageState.NONE_OBSERVED,
) -> ProcessEvidence:
    """Evidence; all kinds have the one coverage."""
    return ProcessEvidence(
        connections=connections,
        dns=dns,
        tampering=tampering,
        remote_threads=remote_threads,
        accesses=accesses,
        modules=modules,
        coverage=tuple(Coverage(kind=kind, state=coverage) for kind in EvidenceKind),
    )


def connection(
    peer: str = PEER_IP, *, port: int = 443, seconds: float = 30, initiated: bool | None = True
) -> Connection:
    """A connection with a peer, so many seconds after T0."""
    src, dest = (peer, OWN_IP) if initiated is False else (OWN_IP, peer)
    return Connection(
        time=after(seconds),
        src_ip=src,
        src_port=50000,
        dest_ip=dest,
        dest_port=port,
        protocol="tcp",
        initiated=initiated,
    )


def tampered(seconds: float = 1) -> Tampering:
    """Sysmon EID 25."""
    return Tampering(time=after(seconds), type="Image is replaced")


def thread_from(image: str, *, pid: int | None = 900) -> RemoteThread:
    """Sysmon EID 8."""
    return RemoteThread(time=after(1), source_image=image, source_guid=None if pid is None else guid_of(pid))


def access_from(
    image: str, *, granted: int | None = 0x1FFFFF, pid: int | None = 900, creator: bool | None = False
) -> ProcessAccess:
    """Sysmon EID 10."""
    return ProcessAccess(
        time=after(1),
        source_image=image,
        source_guid=None if pid is None else guid_of(pid),
        granted_access=granted,
        source_is_creator=creator,
    )


def destination(
    ip: str = PEER_IP,
    *,
    verdict: DestinationVerdict = DestinationVerdict.UNDETERMINED,
    dns_names: tuple[str, ...] = (),
    ports: tuple[int, ...] = (443,),
    answers: tuple[SourceAnswer, ...] = (),
    organisation: OrganisationRanges = NONE,
    reason: str = "no reputation source configured",
) -> Destination:
    """A peer with its real public check."""
    return Destination(
        ip=ip,
        check=check_ip(ip, organisation=organisation),
        verdict=verdict,
        verdict_reason=reason,
        answers=answers,
        dns_names=dns_names,
        ports=ports,
    )


def notable(
    peer: str = PEER_IP,
    *,
    direction: Direction = Direction.OUTBOUND,
    dest: str = HOST,
    user: str = r"CORP\ann",
    process_name: str = "RegSvcs.exe",
    seconds: float = 60,
    other_dests: tuple[str, ...] = (),
) -> Notable:
    """A notable whose last event lies so many seconds after T0."""
    src, target = (peer, OWN_IP) if direction is Direction.INBOUND else (OWN_IP, peer)
    return Notable(
        source=NotableSource.ES_NOTABLE,
        event_id=f"e-{peer}-{seconds:g}",
        dest=dest,
        other_dests=other_dests,
        user=user,
        process_name=process_name,
        src_ip=src,
        dest_ip=target,
        direction=direction,
        count=1,
        first_time=T0,
        last_time=after(seconds),
    )


def host(
    *,
    host_type: HostType = HostType.WORKSTATION,
    tags: tuple[str, ...] = (),
    last_seen: datetime | None = None,
    connector: str = "defender",
) -> HostRef:
    """The host, with the address it has all day."""
    return HostRef(
        connector=connector,
        host_id=HOST_ID,
        hostname=HOST,
        host_type=host_type,
        addresses=(AddressSeen(ip=OWN_IP, first_seen=after(-3600), last_seen=after(3600)),),
        first_seen=after(-86400),
        last_seen=last_seen or after(120),
        tags=tags,
    )


def case(
    *,
    lineage: Lineage | None = None,
    evidence: ProcessEvidence | None = None,
    destinations: tuple[Destination, ...] | None = None,
    notables: tuple[Notable, ...] | None = None,
    host: HostRef | None = None,
    problems: tuple[Unknown, ...] = (),
    profile: Profile = PROFILE,
) -> CaseFacts:
    """A case: one outbound notable to an ordinary public address, unless given otherwise."""
    return CaseFacts(
        profile=profile,
        notables=(notable(),) if notables is None else notables,
        destinations=(destination(),) if destinations is None else destinations,
        host=host,
        lineage=lineage,
        evidence=evidence,
        problems=problems,
    )


def plain_case() -> CaseFacts:
    """A registration from a command prompt: nothing strong, nothing medium, not mitigated."""
    target = process(
        command_line=f'"{REGSVCS}" C:\\Tools\\Own.dll', original_file_name="RegSvcs.exe", integrity="Medium"
    )
    return case(
        lineage=lineage(target, process(CMD, pid=20), process(EXPLORER, pid=10)),
        evidence=evidence(),
        host=host(),
    )


def stealer_case() -> CaseFacts:
    """Word, a loader in Temp that exits, a bare and hollowed RegSvcs.exe, and Telegram."""
    target = process(command_line=f'"{REGSVCS}"', original_file_name="RegSvcs.exe")
    loader = process(LOADER, pid=30, signature=UNSIGNED, end=after(3))
    return case(
        lineage=lineage(target, loader, process(WINWORD, pid=20), process(EXPLORER, pid=10)),
        evidence=evidence(tampering=(tampered(),), connections=(connection(TELEGRAM_IP),)),
        destinations=(destination(TELEGRAM_IP, dns_names=("api.telegram.org",)),),
        notables=(notable(TELEGRAM_IP),),
        host=host(),
    )


def installer_case() -> CaseFacts:
    """A signed installer registers an installed DLL; the only traffic checks a certificate."""
    target = process(
        command_line=f'"{REGSVCS}" /quiet "{INSTALLED_DLL}"',
        original_file_name="RegSvcs.exe",
        signature=SIGNED,
        integrity="System",
        user=r"NT AUTHORITY\SYSTEM",
    )
    return case(
        lineage=lineage(
            target,
            process(MSIEXEC, pid=20, signature=SIGNED, integrity="System"),
            process(SERVICES, pid=10, signature=SIGNED, integrity="System"),
        ),
        evidence=evidence(connections=(connection(CRL_IP, port=80),)),
        destinations=(destination(CRL_IP, dns_names=("crl3.digicert.com",), ports=(80,)),),
        notables=(notable(CRL_IP),),
        host=host(),
    )


def live_policy(mode: IsolationMode = IsolationMode.AUTO) -> IsolationPolicy:
    """A policy that lets an isolation through."""
    return IsolationPolicy(mode=mode, caps=Caps(per_run=1, per_hour=3, per_day=10))


def ready_request(
    facts: CaseFacts, risk: RiskAssessment, *, caller_mode: IsolationMode = IsolationMode.AUTO
) -> IsolationRequest:
    """A request around a case in which everything but the evidence lets an isolation through."""
    return IsolationRequest(
        facts=facts,
        risk=risk,
        caller_mode=caller_mode,
        connector="defender",
        capabilities=frozenset(Capability),
        isolation=IsolationStatus(
            state=IsolationState.NOT_ISOLATED, how_known=HowKnown.OBSERVED, as_of=after(115)
        ),
        asset=AssetFacts(priority="low"),
        ledger=LedgerView(
            in_run=0,
            in_hour=0,
            in_day=0,
            at_site_in_day=0,
            active_lease="",
            active_intent="",
            breaker_open=False,
            kill_switch=False,
        ),
    )
