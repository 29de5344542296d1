"""Each indicator: where it is found, where it is not, and where it cannot be told."""

from __future__ import annotations

from datetime import datetime

import pytest

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts, Destination, DestinationVerdict
from actions.case_unknowns import NO_SOURCE_REMEDY as REMEDY
from actions.case_unknowns import UNASKED_REMEDY, case_unknowns
from actions.destination_hints import HINTS, HintKind, has_plain_reason, hints_for, is_below
from actions.destination_roles import roles_of
from actions.indicators.case_view import view_of
from actions.indicators.finding import EVIDENCE_KEPT, finding
from actions.lookup_reputation import with_reputation
from actions.organisation_ranges import OrganisationRanges
from actions.profile import Profile
from actions.risk import EvidenceItem, Indicator, IndicatorGroup, RiskPolicy, Strength
from actions.risk_weights import WEIGHTS
from connectors.facts.base import SourceRef
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.notable import Direction
from connectors.facts.process import (
    ModuleLoad,
    Process,
    ProcessAccess,
    ProcessEvidence,
    RemoteThread,
    Signature,
    SignatureState,
)
from connectors.facts.reputation import EvidenceDirection, SourceAnswer, SourceStatus
from connectors.reputation.catalogue import variable_of
from tests.case_builders import (
    CMD,
    CONHOST,
    CRL_IP,
    CSRSS,
    EXPLORER,
    INSTALLED_DLL,
    LOADER,
    MSIEXEC,
    PEER_IP,
    REGSVCS,
    SCHTASKS,
    SERVICES,
    SIGNED,
    TELEGRAM_IP,
    UNSIGNED,
    WINWORD,
    access_from,
    after,
    case,
    connection,
    destination,
    evidence,
    installer_case,
    lineage,
    notable,
    plain_case,
    process,
    tampered,
    thread_from,
)
from tests.reputation_builders import failed, fused, info, not_found

POLICY = RiskPolicy()
POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"


def found(facts: CaseFacts, policy: RiskPolicy = POLICY) -> dict[str, Indicator]:
    return {i.id: i for i in assess_risk(facts, policy, after(120)).indicators}


def unknowns(facts: CaseFacts) -> set[str]:
    return {u.what for u in case_unknowns(view_of(facts, POLICY))}


def below(
    target: Process | None = None,
    *ancestors: Process,
    siblings: tuple[Process, ...] = (),
    children: tuple[Process, ...] = (),
    seen: ProcessEvidence | None = None,
) -> CaseFacts:
    chain = lineage(target or process(), *ancestors, siblings=siblings, children=children)
    return case(lineage=chain, evidence=seen)


def with_target(**fields: object) -> CaseFacts:
    return below(process().model_copy(update=fields), process(EXPLORER, pid=10))


# --- command line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command_line", "wanted", "is_unknown"),
    [
        (f'"{REGSVCS}"', True, False),
        ("RegSvcs.exe", True, False),
        (f'"{REGSVCS}" C:\\Tools\\Own.dll', False, False),
        ("/u /s C:\\Tools\\Own.dll", False, False),
        (None, False, True),
        ("", False, True),
        ("-", False, True),
    ],
)
def test_no_arguments(command_line: str | None, wanted: bool, is_unknown: bool) -> None:
    facts = with_target(command_line=command_line)
    assert ("no_arguments" in found(facts)) is wanted
    assert ("command line" in unknowns(facts)) is is_unknown


def test_what_registration_tools_alone_do_wrong_is_asked_of_them_alone() -> None:
    profile = Profile(name="other", title="Other", process_names=("regsvcs.exe",))
    fetches = case(lineage=lineage(process(command_line="RegSvcs.exe a.txt")), profile=profile)
    assert "assembly_without_dll" not in found(fetches)
    facts = case(lineage=lineage(process(command_line="RegSvcs.exe")), profile=profile)
    assert "no_arguments" not in found(facts)
    assert "command line" not in unknowns(facts)


@pytest.mark.parametrize(
    ("argument", "wanted"),
    [
        (r"C:\Users\ann\AppData\Local\Temp\x.dll", True),
        (r"C:\Windows\Temp\x.dll", True),
        (r"C:\Users\Public\x.dll", True),
        (r"C:\PerfLogs\x.dll", True),
        (r"C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Startup\x.dll", True),
        (r"/tlb:C:\Temp\x.tlb", True),
        (r"C:\Tools\x.dll", False),
        (r"C:\Source\Public\x.dll", False),
        (r"C:\Data\PerfLogs\x.dll", False),
        (r"C:\Tools\Temporary\x.dll", False),
        (r"/i:http://host.example/temp/x", False),
    ],
)
def test_argument_in_writable_place(argument: str, wanted: bool) -> None:
    facts = with_target(command_line=f'RegSvcs.exe "{argument}"')
    assert ("argument_in_writable_place" in found(facts)) is wanted


@pytest.mark.parametrize(
    ("argument", "wanted"),
    [("a.txt", True), ("a.DAT", True), (r"C:\x\b.jpg", True), ("a.dll", False), ("/log:a.txt", False)],
)
def test_assembly_without_dll(argument: str, wanted: bool) -> None:
    facts = with_target(command_line=f"RegSvcs.exe {argument}")
    assert ("assembly_without_dll" in found(facts)) is wanted


def test_unknown_arguments_are_no_finding() -> None:
    ids = found(with_target(command_line=None))
    assert not {"argument_in_writable_place", "assembly_without_dll"} & set(ids)


# --- image ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("original", "wanted", "is_unknown"),
    [
        ("RegSvcs.exe", False, False),
        ("REGSVCS.EXE", False, False),
        ("loader.exe", True, False),
        ("", False, True),
        ("-", False, True),
    ],
)
def test_original_name(original: str, wanted: bool, is_unknown: bool) -> None:
    facts = with_target(original_file_name=original)
    assert ("original_name_differs" in found(facts)) is wanted
    assert ("OriginalFileName" in unknowns(facts)) is is_unknown


@pytest.mark.parametrize(
    ("state", "wanted", "is_unknown"),
    [
        (SignatureState.UNSIGNED, True, False),
        (SignatureState.INVALID, True, False),
        (SignatureState.VALID, False, False),
        (SignatureState.UNKNOWN, False, True),
    ],
)
def test_image_signature(state: SignatureState, wanted: bool, is_unknown: bool) -> None:
    facts = with_target(signature=Signature(state=state))
    assert ("image_not_signed" in found(facts)) is wanted
    assert ("signature of RegSvcs.exe (pid 4711)" in unknowns(facts)) is is_unknown


def test_a_module_load_of_the_own_image_tells_its_signature_too() -> None:
    own, other = (
        ModuleLoad(path=REGSVCS.upper(), signature=UNSIGNED),
        ModuleLoad(path=LOADER, signature=UNSIGNED),
    )
    assert "image_not_signed" in found(below(process(signature=SIGNED), seen=evidence(modules=(own,))))
    assert "image_not_signed" not in found(below(process(signature=SIGNED), seen=evidence(modules=(other,))))


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (REGSVCS, None),
        (REGSVCS.upper(), None),
        (r"C:\Windows\Microsoft.NET\Framework\v1.1.4322\RegSvcs.exe", None),
        (r"C:\Windows\Microsoft.NET\FrameworkArm64\v4.0.30319\RegSvcs.exe", None),
        (r"\\?\C:\Windows\Microsoft.NET\Framework\v2.0.50727\RegSvcs.exe", None),
        (r"\Device\HarddiskVolume3\Windows\Microsoft.NET\Framework\v4.0.30319\RegSvcs.exe", None),
        (r"C:\Windows\Microsoft.NET\Framework64\v1.1.4322\RegSvcs.exe", "image_path_unexpected"),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\x\RegSvcs.exe", "image_path_unexpected"),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\..\..\RegSvcs.exe", "image_path_unexpected"),
        (r"D:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe", "image_path_unexpected"),
        ("C:\\Windows \\Microsoft.NET\\Framework64\\v4.0.30319\\RegSvcs.exe", "image_path_unexpected"),
        (r"C:\Temp\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe", "image_path_unexpected"),
        (r"C:\Users\ann\RegSvcs.exe", "image_path_unexpected"),
        (r"\\server\share\RegSvcs.exe", "image_path_unexpected"),
        (r"C:\Windows\WinSxS\amd64_netfx_x\RegSvcs.exe", "image_in_unusual_place"),
        (r"C:\Windows\WinSxS_evil\RegSvcs.exe", "image_path_unexpected"),
    ],
)
def test_image_path(image: str, wanted: str | None) -> None:
    facts = below(process(image), process(EXPLORER, pid=10))
    ids = set(found(facts)) & {"image_path_unexpected", "image_in_unusual_place"}
    assert ids == ({wanted} if wanted else set())


@pytest.mark.parametrize("image", ["", "RegSvcs.exe", "<unknown process>", "?"])
def test_image_path_unknown(image: str) -> None:
    facts = below(process(image), process(EXPLORER, pid=10))
    assert not set(found(facts)) & {"image_path_unexpected", "image_in_unusual_place"}
    assert "image path" in unknowns(facts)


def test_system_root_comes_from_the_telemetry() -> None:
    image = r"D:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe"
    assert "image_path_unexpected" not in found(
        below(process(image), process(r"D:\Windows\explorer.exe", pid=10))
    )
    assert "image_path_unexpected" not in found(below(process(image)))  # nothing tells the drive
    assert "image_path_unexpected" in found(below(process(image), process(EXPLORER, pid=10)))
    fake = process(r"D:\Windows\System32\svchost.exe", pid=20)  # nearer than the real system
    assert "image_path_unexpected" in found(below(process(image), fake, process(EXPLORER, pid=10)))


# --- lineage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "wanted", "is_unknown"),
    [
        (SignatureState.UNSIGNED, True, False),
        (SignatureState.INVALID, True, False),
        (SignatureState.VALID, False, False),
        (SignatureState.UNKNOWN, False, True),
    ],
)
def test_parent_signature(state: SignatureState, wanted: bool, is_unknown: bool) -> None:
    facts = below(None, process(r"C:\Tools\a.exe", pid=20, signature=Signature(state=state)))
    assert ("parent_not_signed" in found(facts)) is wanted
    assert ("signature of a.exe (pid 20)" in unknowns(facts)) is is_unknown


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (LOADER, True),
        (r"C:\Users\ann\AppData\Roaming\a.exe", True),
        (r"C:\USERS\PUBLIC\a.exe", True),
        (r"C:\ProgramData\x\a.exe", True),
        (r"C:\PROGRA~3\a.exe", True),
        (r"C:\Windows\Temp\a.exe", True),
        (r"C:\Windows\System32\..\Temp\a.exe", True),
        (r"C:\Program Files\Acme\a.exe", False),
        (r"C:\Source\ProgramData\a.exe", False),
        (r"C:\Program Files\Acme\Temp.exe", False),
    ],
)
def test_parent_in_writable_place(image: str, wanted: bool) -> None:
    assert ("parent_in_writable_place" in found(below(None, process(image, pid=20)))) is wanted


def test_only_the_parent_counts_for_its_place() -> None:
    assert "parent_in_writable_place" not in found(below(None, process(CMD, pid=20), process(LOADER, pid=15)))


def test_a_parent_known_only_from_the_process_record_counts() -> None:
    facts = case(lineage=lineage(process(parent_image=LOADER, parent_pid=30)))
    assert found(facts)["parent_in_writable_place"].sentence == (
        "Its parent loader.exe (pid 30) ran from Temp, where any user may write."
    )


@pytest.mark.parametrize("image", ["", "?", "<unknown process>"])
def test_parent_unknown(image: str) -> None:
    facts = case(lineage=lineage(process(parent_image=image, parent_pid=30)))
    assert not {i for i in found(facts) if i.startswith("parent")}
    assert "the parent process" in unknowns(facts)


@pytest.mark.parametrize(
    "image",
    [
        WINWORD,
        r"C:\Office\OUTLOOK.EXE",
        r"C:\Windows\System32\mshta.exe",
        r"C:\Windows\System32\wscript.exe",
        r"C:\Windows\SysWOW64\cscript.exe",
        r"C:\Users\ann\AutoIt3.exe",
        "EXCEL.EXE",
    ],
)
def test_document_or_script_ancestor(image: str) -> None:
    facts = below(None, process(CMD, pid=20), process(image, pid=15), process(EXPLORER, pid=10))
    assert found(facts)["document_or_script_ancestor"].group is IndicatorGroup.LINEAGE


def test_a_renamed_interpreter_is_known_by_its_original_name() -> None:
    renamed = process(r"C:\Users\ann\x.exe", pid=15, original_file_name="AutoIt3.exe")
    assert found(below(None, renamed))["document_or_script_ancestor"].sentence == (
        "It descends from the AutoIt interpreter."
    )


def test_other_ancestors_are_no_documents_and_shells_are_context() -> None:
    facts = below(None, process(CMD, pid=20), process(POWERSHELL, pid=15), process(EXPLORER, pid=10))
    ids = found(facts)
    assert "document_or_script_ancestor" not in ids
    assert ids["shell_ancestor"].strength is Strength.CONTEXT
    assert (
        ids["shell_ancestor"].sentence
        == "It descends from a shell: cmd.exe (pid 20), powershell.exe (pid 15)."
    )
    assert "shell_ancestor" not in found(below(None, process(EXPLORER, pid=10)))


TASK = process(SCHTASKS, pid=50, command_line="schtasks /Create /TN x /TR y /SC ONLOGON")


@pytest.mark.parametrize(
    ("parent", "wanted"),
    [
        (process(r"C:\Users\ann\Downloads\a.exe", pid=20), True),
        (process(r"C:\Users\ann\AppData\Local\Temp\cmd.exe", pid=20), True),
        (process(CMD, pid=20), False),
        (process(POWERSHELL, pid=20), False),
        (process(EXPLORER, pid=20), False),
        (process(MSIEXEC, pid=20), False),
        (process(SERVICES, pid=20), False),
        (process(r"C:\Program Files\PowerShell\7\pwsh.exe", pid=20), False),
        (process(r"C:\Windows\CCM\CcmExec.exe", pid=20, parent_image=SERVICES, parent_pid=4), False),
    ],
)
def test_scheduled_task_beside(parent: Process, wanted: bool) -> None:
    assert ("scheduled_task_beside" in found(below(None, parent, siblings=(TASK,)))) is wanted


@pytest.mark.parametrize(
    ("sibling", "wanted"),
    [
        (process(SCHTASKS, pid=50, command_line="schtasks.exe -create /tn x"), True),
        (
            process(r"C:\x\s.exe", pid=50, command_line="s.exe /CREATE", original_file_name="schtasks.exe"),
            True,
        ),
        (process(SCHTASKS, pid=50, command_line="schtasks /Query"), False),
        (process(SCHTASKS, pid=50, command_line=None), False),
        (process(r"C:\x\make.exe", pid=50, command_line="make /Create"), False),
    ],
)
def test_what_counts_as_creating_a_task(sibling: Process, wanted: bool) -> None:
    facts = below(None, process(r"C:\Tools\a.exe", pid=20), siblings=(sibling,))
    assert ("scheduled_task_beside" in found(facts)) is wanted


def test_scheduled_task_under_an_unknown_parent_is_no_finding() -> None:
    assert "scheduled_task_beside" not in found(below(None, siblings=(TASK,)))


def test_scheduled_task_by_the_process_itself() -> None:
    ids = found(below(None, process(CMD, pid=20), children=(TASK,)))
    assert ids["scheduled_task_by_target"].group is ids["unexpected_child"].group is IndicatorGroup.BEHAVIOUR
    assert "scheduled_task_beside" not in ids


@pytest.mark.parametrize(
    ("parent_end", "target_end", "connected", "wanted"),
    [
        (3.0, None, 30.0, True),
        (3.0, 20.0, None, True),
        (10.0, None, 30.0, True),
        (10.1, None, 30.0, False),  # too late for a loader
        (-1.0, None, 30.0, False),  # a pid used again
        (3.0, 2.0, None, False),  # it waited for the process
        (3.0, None, None, False),  # nothing shows that the process went on
        (3.0, None, 2.0, False),
        (None, None, 30.0, False),  # the end was not recorded
    ],
)
def test_parent_exited(
    parent_end: float | None, target_end: float | None, connected: float | None, wanted: bool
) -> None:
    def at(seconds: float | None) -> datetime | None:
        return None if seconds is None else after(seconds)

    seen = evidence(connections=() if connected is None else (connection(seconds=connected),))
    facts = below(
        process(end=at(target_end)), process(r"C:\Tools\a.exe", pid=20, end=at(parent_end)), seen=seen
    )
    assert ("parent_exited" in found(facts)) is wanted


@pytest.mark.parametrize("end_source", [SourceRef(source="log", record=20, event_id="5"), None])
def test_the_parents_end_is_cited_where_it_stands(end_source: SourceRef | None) -> None:
    parent = process(r"C:\Tools\a.exe", pid=20, end=after(2))
    created_at = SourceRef(source="log", record=15, event_id="1")
    parent = parent.model_copy(update={"source": created_at, "end_source": end_source})
    facts = below(process(), parent, seen=evidence(connections=(connection(seconds=30),)))
    started, ended = found(facts)["parent_exited"].evidence
    assert (ended.text, ended.time, ended.source) == ("a.exe (pid 20) ended", after(2), end_source)
    assert started.text.endswith("started")


def test_long_log_texts_are_cut_in_findings() -> None:
    line = "schtasks" + " " * 5000 + "/create /tn x" + "y" * 20_000
    sibling = process(SCHTASKS, pid=61, command_line=line)
    facts = below(process(), process(LOADER, pid=20), siblings=(sibling,))
    (item,) = found(facts)["scheduled_task_beside"].evidence
    assert item.text.startswith("schtasks /create /tn xyyy")
    assert item.text.endswith("y [cut: 25,021 characters in the record]")
    assert len(item.text) < 4200
    named = finding("x" * 40_000, [])
    assert len(named.sentence) < 4200


# --- children -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (CMD, True),
        (CONHOST, False),
        (r"\??\C:\Windows\system32\conhost.exe", False),
        (r"C:\Windows\SysWOW64\WerFault.exe", False),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\dw20.exe", False),
        ("conhost.exe", False),
        (r"C:\Users\ann\AppData\Local\Temp\conhost.exe", True),
        (r"C:\Windows\Temp\conhost.exe", True),
        (r"D:\Windows\System32\conhost.exe", True),
        ("", False),
        ("<unknown process>", False),
    ],
)
def test_unexpected_child(image: str, wanted: bool) -> None:
    facts = below(None, process(EXPLORER, pid=10), children=(process(image, pid=60),))
    assert ("unexpected_child" in found(facts)) is wanted


# --- injection ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "wanted"), [(True, True), (False, False), (None, False)])
def test_created_suspended(told: bool | None, wanted: bool) -> None:
    assert ("created_suspended" in found(with_target(created_suspended=told))) is wanted
    parent = process(EXPLORER).model_copy(update={"created_suspended": told})
    assert "created_suspended" not in found(below(process(), parent))
    assert "created_suspended" not in found(case())


def test_tampering() -> None:
    assert found(below(seen=evidence(tampering=(tampered(),))))["tampering"].sentence == (
        "Sysmon reported tampering with the process (Image is replaced)."
    )
    assert "tampering" not in found(below(seen=evidence()))
    assert "tampering" not in found(below())
    assert "what else the process did" in unknowns(below())


@pytest.mark.parametrize(
    ("thread", "wanted", "is_unknown"),
    [
        (thread_from(LOADER), True, False),
        (thread_from(CSRSS), False, False),
        (thread_from(CSRSS.upper()), False, False),
        (thread_from(r"\Device\HarddiskVolume2\Windows\System32\csrss.exe"), False, False),
        (thread_from(r"C:\Users\ann\AppData\Local\Temp\csrss.exe"), True, False),
        (thread_from(r"C:\Windows\csrss.exe"), True, False),
        (thread_from(r"C:\Windows\System32\drivers\csrss.exe"), True, False),
        (thread_from(r"D:\Windows\System32\csrss.exe"), True, False),
        (thread_from("csrss.exe"), False, True),
        (thread_from("loader.exe"), True, False),
        (thread_from(REGSVCS, pid=4711), False, False),  # its own
        (thread_from(""), False, True),
        (thread_from("<unknown process>"), False, True),
    ],
)
def test_remote_thread(thread: RemoteThread, wanted: bool, is_unknown: bool) -> None:
    facts = below(None, process(EXPLORER, pid=10), seen=evidence(remote_threads=(thread,)))
    assert ("remote_thread" in found(facts)) is wanted
    assert ("who started a thread in the process" in unknowns(facts)) is is_unknown


@pytest.mark.parametrize(
    ("access", "wanted"),
    [
        (access_from(LOADER), True),
        (access_from(LOADER, granted=0x28), True),
        (access_from(LOADER, granted=0x20), False),
        (access_from(LOADER, granted=0x1410), False),
        (access_from(LOADER, granted=None), False),
        (access_from(LOADER, creator=True), False),
        (access_from(CSRSS), False),
        (access_from(CONHOST), False),
        (access_from(r"C:\Windows\system32\lsass.exe"), False),
        (access_from(r"C:\Windows\system32\svchost.exe"), False),
        (access_from(r"C:\Users\ann\svchost.exe"), True),
        (access_from(r"C:\Windows\SysWOW64\svchost.exe"), True),
        (access_from(REGSVCS, pid=4711), False),
        (access_from("?"), False),
    ],
)
def test_write_access(access: ProcessAccess, wanted: bool) -> None:
    facts = below(None, process(EXPLORER, pid=10), seen=evidence(accesses=(access,)))
    assert ("write_access" in found(facts)) is wanted


@pytest.mark.parametrize(
    ("access", "wanted"),
    [
        (access_from(r"C:\Tools\a.exe", pid=20, creator=None), False),  # the guid is the parent's
        (access_from(r"C:\Tools\b.exe", pid=21, creator=None), True),  # the guid is another's
        (access_from(r"C:\Tools\b.exe", pid=None, creator=None), True),  # another image than the parent's
        (access_from(r"C:\Tools\a.exe", pid=None, creator=None), False),  # may be the parent, may be not
    ],
)
def test_who_is_the_creator_is_worked_out_where_the_source_does_not_say(
    access: ProcessAccess, wanted: bool
) -> None:
    facts = below(None, process(r"C:\Tools\a.exe", pid=20), seen=evidence(accesses=(access,)))
    assert ("write_access" in found(facts)) is wanted


def test_write_access_unknown() -> None:
    assert "rights of a process access" in unknowns(
        below(seen=evidence(accesses=(access_from(LOADER, granted=None),)))
    )
    assert "who opened the process" in unknowns(below(seen=evidence(accesses=(access_from("?"),))))
    no_parent = below(seen=evidence(accesses=(access_from(LOADER, pid=None, creator=None),)))
    assert f"whether {LOADER} created the process" in unknowns(no_parent)
    assert "write_access" not in found(no_parent)


@pytest.mark.parametrize(
    ("agent", "image", "exempt"),
    [
        (r"C:\Program Files\Agent\Agent.exe", r"c:\program files\agent\AGENT.EXE", True),
        (r"C:\Program Files\Agent\Agent.exe", r"C:\Temp\Agent.exe", False),
        (r"C:\Agent\*\Agent.exe", r"C:\Agent\7.1\agent.exe", True),
        (r"C:\Agent\*\Agent.exe", r"C:\Agent\7.1\x\agent.exe", False),
        (r"C:\Agent\*\Agent.exe", r"C:\Agent\agent.exe", False),
        (r"C:\Agent\*\Agent.exe", r"C:\Agent\7.1\..\..\Temp\agent.exe", False),
    ],
)
def test_security_agents_are_exempt_by_full_path(agent: str, image: str, exempt: bool) -> None:
    facts = below(seen=evidence(accesses=(access_from(image),)))
    assert "write_access" in found(facts)
    assert ("write_access" not in found(facts, RiskPolicy(security_agents=(agent,)))) is exempt


@pytest.mark.parametrize(
    "path",
    ["agent.exe", r"\\server\a.exe", r"C:\Agent\a*.exe", r"C:\Agent\*", r"C:\*\a.exe", "C:\\a.exe", ""],
)
def test_security_agents_must_be_full_paths(path: str) -> None:
    with pytest.raises(ValueError, match="security_agents"):
        RiskPolicy(security_agents=(path,))


# --- destination ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [
        (DestinationVerdict.MALICIOUS, "destination_malicious"),
        (DestinationVerdict.SUSPICIOUS, "destination_suspicious"),
        (DestinationVerdict.SUSPICIOUS_SHARED, "destination_suspicious_shared"),
        (DestinationVerdict.KNOWN_GOOD_SERVICE, None),
        (DestinationVerdict.NO_FINDING, None),
        (DestinationVerdict.UNDETERMINED, None),
    ],
)
@pytest.mark.parametrize("direction", list(Direction))
def test_reputation(verdict: DestinationVerdict, wanted: str | None, direction: Direction) -> None:
    facts = case(
        destinations=(destination(verdict=verdict, reason="two sources agree"),),
        notables=(notable(direction=direction),),
    )
    by_reputation = {"destination_malicious", "destination_suspicious", "destination_suspicious_shared"}
    ids = found(facts)
    # Who was called from outside is never judged by who called; a notable that does not say may be outbound.
    expected = {wanted} - {None} if direction is not Direction.INBOUND else set()
    assert set(ids) & by_reputation == expected
    unjudged = any(each.startswith("reputation of ") for each in unknowns(facts))
    assert unjudged is (verdict is DestinationVerdict.UNDETERMINED)


def test_only_the_worst_destination_counts() -> None:
    bad = destination("9.9.9.9", verdict=DestinationVerdict.MALICIOUS)
    doubtful = destination(verdict=DestinationVerdict.SUSPICIOUS)
    facts = case(destinations=(doubtful, bad), notables=(notable(), notable("9.9.9.9")))
    assert "destination_malicious" in found(facts)
    assert "destination_suspicious" not in found(facts)


def test_a_connection_event_settles_the_direction() -> None:
    bad = (destination(verdict=DestinationVerdict.MALICIOUS),)
    silent = (notable(direction=Direction.UNKNOWN),)

    def facts(*initiated: bool | None) -> CaseFacts:
        seen = evidence(connections=tuple(connection(initiated=i) for i in initiated))
        return case(destinations=bad, notables=silent, evidence=seen)

    assert "destination_malicious" in found(facts())
    assert "destination_malicious" in found(facts(True))
    assert "destination_malicious" in found(facts(True, False))
    assert "destination_malicious" not in found(facts(False))
    assert "connection_inbound" in found(facts(False))
    assert "connection_inbound" not in found(facts(True))
    assert f"who opened the connection with {PEER_IP}" in unknowns(facts(None))
    assert f"who opened the connection with {PEER_IP}" not in unknowns(facts(False))


@pytest.mark.parametrize(
    ("ip", "names", "ports", "labels"),
    [
        (TELEGRAM_IP, (), (443,), ["Telegram"]),
        (PEER_IP, ("api.telegram.org",), (443,), ["Telegram"]),
        (PEER_IP, ("API.Telegram.ORG.",), (), ["Telegram"]),
        (PEER_IP, ("api.telegram.org.attacker.example",), (443,), []),
        (PEER_IP, ("notipify.org",), (443,), []),
        (PEER_IP, ("api.ipify.org",), (), ["IP-check service"]),
        ("208.95.112.1", (), (80,), ["IP-check service"]),
        ("208.95.112.2", (), (80,), []),
        (PEER_IP, ("cdn.discordapp.com",), (443,), ["Discord"]),
        (PEER_IP, (), (25,), ["mail submission"]),
        (PEER_IP, (), (587, 443), ["mail submission"]),
        (PEER_IP, (), (21,), ["FTP"]),
        (PEER_IP, (), (2525,), []),
        (PEER_IP, ("ctldl.windowsupdate.com",), (80,), ["Windows update service"]),
    ],
)
def test_hints(ip: str, names: tuple[str, ...], ports: tuple[int, ...], labels: list[str]) -> None:
    seen = destination(ip, dns_names=names, ports=ports)
    assert [hint.label for hint in hints_for(seen)] == labels


def test_every_hint_can_be_reached() -> None:
    for hint in HINTS:
        assert hint.names or hint.ranges or hint.ports
        for name in hint.names:
            assert is_below(name, name)
            assert is_below("x." + name, name)
            assert not is_below("x" + name, name)
            assert hint in hints_for(destination(dns_names=(name,), ports=()))


def test_role_is_context_and_not_for_those_who_called_in() -> None:
    ids = found(case(destinations=(destination(TELEGRAM_IP),), notables=(notable(TELEGRAM_IP),)))
    assert ids["destination_role"].strength is Strength.CONTEXT
    inbound = (notable(TELEGRAM_IP, direction=Direction.INBOUND),)
    assert "destination_role" not in found(case(destinations=(destination(TELEGRAM_IP),), notables=inbound))


def test_plain_reason_alone_is_no_role() -> None:
    facts = case(destinations=(destination(CRL_IP, dns_names=("crl3.digicert.com",), ports=(80,)),))
    assert "destination_role" not in found(facts)


@pytest.mark.parametrize(
    ("ip", "wanted"),
    [
        ("127.0.0.1", True),
        ("169.254.1.1", True),
        ("fe80::1", True),
        ("8.8.4.4", False),
        ("2002:808:404::1", False),
    ],
)
def test_destination_not_external(ip: str, wanted: bool) -> None:
    assert ("destination_not_external" in found(case(destinations=(destination(ip),)))) is wanted


def test_an_own_range_may_hide_the_destination() -> None:
    own = OrganisationRanges(("8.8.4.0/24",))
    facts = case(destinations=(destination(organisation=own),))
    assert found(facts)["destination_not_external"].evidence[0].text == (
        "8.8.4.4 lies in the organisation's range 8.8.4.0/24"
    )
    assert "the real destination behind 8.8.4.4" in unknowns(facts)


@pytest.mark.parametrize(
    ("names", "ports", "verdict", "wanted"),
    [
        (("crl3.digicert.com",), (80,), DestinationVerdict.UNDETERMINED, True),
        (("crl3.digicert.com", "ocsp.digicert.com"), (80, 443), DestinationVerdict.NO_FINDING, True),
        (("crl3.digicert.com", "x.example"), (80,), DestinationVerdict.UNDETERMINED, False),
        (("crl3.digicert.com.x.example",), (80,), DestinationVerdict.UNDETERMINED, False),
        ((), (80,), DestinationVerdict.UNDETERMINED, False),
        (("crl3.digicert.com",), (), DestinationVerdict.UNDETERMINED, False),
        (("crl3.digicert.com",), (80, 587), DestinationVerdict.UNDETERMINED, False),
        (("crl3.digicert.com",), (80,), DestinationVerdict.SUSPICIOUS_SHARED, False),
        (("crl3.digicert.com",), (80,), DestinationVerdict.MALICIOUS, False),
    ],
)
def test_plain_reason(
    names: tuple[str, ...], ports: tuple[int, ...], verdict: DestinationVerdict, wanted: bool
) -> None:
    assert has_plain_reason(destination(CRL_IP, dns_names=names, ports=ports, verdict=verdict)) is wanted


def test_plain_reason_needs_a_public_address() -> None:
    assert not has_plain_reason(destination("127.0.0.1", dns_names=("crl3.digicert.com",), ports=(80,)))


# --- mitigating -----------------------------------------------------------------------------------


def test_the_installer_case_has_all_three() -> None:
    ids = found(installer_case())
    assert set(ids) == {"signed_installer_chain", "program_files_dll", "plain_destination"}
    assert all(i.strength is Strength.MITIGATING for i in ids.values())


INSTALLER = process(MSIEXEC, pid=20, signature=SIGNED)
ELEVATED = process(signature=SIGNED, integrity="High")


@pytest.mark.parametrize(
    ("target", "ancestors", "wanted"),
    [
        (ELEVATED, (INSTALLER,), True),
        (ELEVATED, (process(CMD, pid=21, signature=SIGNED), INSTALLER), True),
        (ELEVATED, (process(r"C:\Program Files\Acme\Setup.exe", pid=20, signature=SIGNED),), True),
        (process(signature=SIGNED, user=r"NT AUTHORITY\SYSTEM"), (INSTALLER,), True),
        (process(signature=SIGNED, integrity="Medium"), (INSTALLER,), False),
        (process(signature=SIGNED), (INSTALLER,), False),  # its rights are not known
        (process(integrity="High"), (INSTALLER,), False),  # its signature is not known
        (ELEVATED, (process(MSIEXEC, pid=20),), False),
        (ELEVATED, (process(CMD, pid=21), INSTALLER), False),  # a link in the chain is not known
        (ELEVATED, (process(r"C:\Users\ann\msiexec.exe", pid=20, signature=SIGNED),), False),
        (ELEVATED, (process(CMD, pid=21, signature=SIGNED),), False),
        (ELEVATED, (), False),
    ],
)
def test_signed_installer_chain(target: Process, ancestors: tuple[Process, ...], wanted: bool) -> None:
    facts = below(target, *ancestors)
    assert ("signed_installer_chain" in found(facts)) is wanted


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (f'"{INSTALLED_DLL}"', True),
        (f'/quiet /appname:Acme "{INSTALLED_DLL}"', True),
        (f'"{INSTALLED_DLL}" C:\\Tools\\b.dll', False),
        ("/quiet", False),
        ("", False),
        (r'"C:\Program Files\..\Users\Public\b.dll"', False),
        (r"Acme.Services.dll", False),
        (r'"C:\Program Files\Acme\a.exe"', False),
        (r'"D:\Program Files\Acme\a.dll"', False),
    ],
)
def test_program_files_dll(arguments: str, wanted: bool) -> None:
    facts = below(process(command_line=f'"{REGSVCS}" {arguments}'), process(EXPLORER, pid=10))
    assert ("program_files_dll" in found(facts)) is wanted


def test_plain_destination_means_every_peer() -> None:
    crl = destination(CRL_IP, dns_names=("crl3.digicert.com",), ports=(80,))
    out = (notable(CRL_IP),)
    assert "plain_destination" in found(case(destinations=(crl,), notables=out))
    assert "plain_destination" not in found(case(destinations=(), notables=out))
    assert "plain_destination" not in found(case(destinations=(crl, destination()), notables=out))
    inbound = (notable(CRL_IP, direction=Direction.INBOUND),)
    assert "plain_destination" not in found(case(destinations=(crl,), notables=inbound))
    other = evidence(connections=(connection(PEER_IP),))
    assert "plain_destination" not in found(case(destinations=(crl,), notables=out, evidence=other))


# --- the table and the evidence -------------------------------------------------------------------


def test_table_is_consistent() -> None:
    ids = [row.id for row in WEIGHTS]
    assert len(ids) == len(set(ids))
    for row in WEIGHTS:
        weighty = row.strength in (Strength.STRONG, Strength.MEDIUM)
        assert (row.impact > 0) is weighty, row.id
        assert (row.confidence < 0) is (row.strength is Strength.MITIGATING), row.id
        assert row.reason.endswith(".")
        assert row.source.startswith("https://")
    weakest = min(row.impact for row in WEIGHTS if row.strength is Strength.STRONG)
    strongest = max(row.impact for row in WEIGHTS if row.strength is Strength.MEDIUM)
    assert strongest < weakest
    assert 2 * weakest >= 20  # two strong ones fill what ESCU's impact of 80 leaves


def test_nothing_is_found_where_nothing_is_known() -> None:
    assert found(case()) == {}
    assert {"process lineage", "the host", "what else the process did"} <= unknowns(case())


def test_an_ordinary_registration_has_context_alone() -> None:
    assert set(found(plain_case())) == {"shell_ancestor"}


def test_evidence_is_ordered_distinct_and_capped() -> None:
    late, early = EvidenceItem(text="b", time=after(2)), EvidenceItem(text="c", time=after(1))
    timeless = EvidenceItem(text="a")
    assert finding("x", [timeless, late, early, late]).evidence == (early, late, timeless)
    many = finding("x", [EvidenceItem(text=f"{n:04}") for n in range(EVIDENCE_KEPT + 5)]).evidence
    assert len(many) == EVIDENCE_KEPT + 1
    assert many[-1].text == "and 5 more of the same kind"


def test_hint_kinds_are_all_used() -> None:
    assert {hint.kind for hint in HINTS} == set(HintKind)


# --- roles and reputation -------------------------------------------------------------------------

SINKHOLE = DestinationRole(
    kind=RoleKind.SINKHOLE,
    effect=RoleEffect.PROBABLE_INFECTION,
    label="sinkhole",
    reason="What calls it is probably infected.",
    source="misp-warninglists: sinkholes",
)
CDN = DestinationRole(
    kind=RoleKind.CDN,
    effect=RoleEffect.CAPS_AT_SHARED,
    label="Cloudflare CDN",
    reason="The host name decides.",
    source="misp-warninglists: cloudflare",
)


def with_role(role: DestinationRole, verdict: DestinationVerdict, ip: str = "9.9.9.9") -> Destination:
    return destination(ip, verdict=verdict).model_copy(update={"roles": (role,)})


@pytest.mark.parametrize(
    "known",
    [
        destination(TELEGRAM_IP),
        destination(dns_names=("api.ipify.org",)),
        destination(ports=(587,)),
        destination("9.9.9.8", dns_names=("ocsp.digicert.com",), ports=(80,)),
        destination("9.9.9.8", dns_names=("cdn.discordapp.com",), ports=(21,)),
    ],
)
def test_roles_of_the_own_table_say_what_the_hints_said(known: Destination) -> None:
    def said(peer: Destination) -> Indicator | None:
        return found(case(destinations=(peer,), notables=(notable(peer.ip),))).get("destination_role")

    named = tuple(role for role in roles_of(known) if role.kind is not RoleKind.RESOLVER)
    assert said(known.model_copy(update={"roles": named})) == said(known)


def test_a_role_from_a_list_of_ranges_is_context() -> None:
    peer = with_role(CDN, DestinationVerdict.UNDETERMINED)
    facts = case(destinations=(peer,), notables=(notable(peer.ip),))
    role = found(facts)["destination_role"]
    assert role.strength is Strength.CONTEXT
    assert role.sentence == "Known services among its peers: 9.9.9.9 (Cloudflare CDN)."
    assert "destination_sinkhole" not in found(facts)


@pytest.mark.parametrize(
    ("verdict", "direction", "wanted"),
    [
        (DestinationVerdict.SUSPICIOUS, Direction.OUTBOUND, True),
        (DestinationVerdict.UNDETERMINED, Direction.OUTBOUND, True),
        (DestinationVerdict.MALICIOUS, Direction.UNKNOWN, True),
        (DestinationVerdict.SUSPICIOUS, Direction.INBOUND, False),
        (DestinationVerdict.KNOWN_GOOD_SERVICE, Direction.OUTBOUND, False),
    ],
)
def test_calling_a_sinkhole_is_a_probable_infection(
    verdict: DestinationVerdict, direction: Direction, wanted: bool
) -> None:
    """Known good it is by a person's word alone, and then that counts."""
    peer = with_role(SINKHOLE, verdict)
    ids = found(case(destinations=(peer,), notables=(notable(peer.ip, direction=direction),)))
    assert ("destination_sinkhole" in ids) is wanted
    assert "destination_role" not in ids
    if wanted:
        assert ids["destination_sinkhole"].strength is Strength.MEDIUM
        assert ids["destination_sinkhole"].sentence == "Probable infection: it called a sinkhole, 9.9.9.9."
        assert ids["destination_sinkhole"].evidence[0].text.endswith("Known by misp-warninglists: sinkholes.")


def test_a_sinkhole_is_not_counted_twice() -> None:
    peers = (with_role(SINKHOLE, DestinationVerdict.SUSPICIOUS),)
    assert "destination_suspicious" not in found(case(destinations=peers, notables=(notable("9.9.9.9"),)))
    other = destination("9.9.9.7", verdict=DestinationVerdict.SUSPICIOUS)
    ids = found(case(destinations=(*peers, other), notables=(notable("9.9.9.9"), notable("9.9.9.7"))))
    assert ids["destination_suspicious"].sentence == "The destination 9.9.9.7 is suspicious by reputation."
    assert "destination_sinkhole" in ids


def reputation_unknowns(*peers: Destination) -> list[tuple[str, str, str]]:
    listed = case_unknowns(view_of(case(destinations=peers), POLICY))
    return [(u.what, u.why, u.remedy) for u in listed if " knows of " in u.what or "reputation" in u.what]


def peer_with(*answers: SourceAnswer, ip: str = "9.9.9.9") -> Destination:
    given = tuple(each.model_copy(update={"ip": ip}) for each in answers)
    return with_reputation(destination(ip), fused(*given, ip=ip))


def test_without_any_source_one_unknown_stands_for_all_addresses() -> None:
    absent = failed("virustotal", SourceStatus.NOT_CONFIGURED)
    asked = [("reputation of the destinations", "no source that reports bad addresses is configured", REMEDY)]
    assert reputation_unknowns(peer_with(absent), peer_with(absent, ip="9.9.9.7")) == asked
    assert variable_of("virustotal") in REMEDY


def test_of_what_was_not_looked_up_the_reason_is_told_once() -> None:
    left, broke = "more than 50 addresses of a case", "The look-up broke (ValueError)."
    peers = [destination(f"9.9.9.{n}", reason=left if n < 4 else broke) for n in (1, 2, 3, 9)]
    assert reputation_unknowns(*peers) == [
        ("reputation of 9.9.9.1 and 2 more", left, UNASKED_REMEDY),
        ("reputation of 9.9.9.9", broke, UNASKED_REMEDY),
    ]


def test_where_only_sources_about_callers_answered_that_is_the_reason() -> None:
    inbound = info("abuseipdb", direction=EvidenceDirection.INBOUND)
    found = fused(not_found("abuseipdb", ip="9.9.9.9"), infos=[inbound], ip="9.9.9.9")
    ((what, why, _),) = reputation_unknowns(with_reputation(destination("9.9.9.9"), found))
    assert (what, why) == ("reputation of 9.9.9.9", found.reason)
    assert "no source that reports" not in why


def test_roles_that_could_not_be_read_are_not_known() -> None:
    found = fused(not_found("otx", ip="9.9.9.9"), ip="9.9.9.9")
    coverage = found.coverage.model_copy(update={"roles_unread": ("iporigin",)})
    peer = with_reputation(destination("9.9.9.9"), found.model_copy(update={"coverage": coverage}))
    listed = case_unknowns(view_of(case(destinations=(peer,)), POLICY))
    assert "what iporigin says that 9.9.9.9 serves as" in [each.what for each in listed]


def test_failures_are_named_by_source_and_what_is_not_configured_is_none() -> None:
    peer = peer_with(
        failed("virustotal", SourceStatus.TIMEOUT),
        failed("abuseipdb", SourceStatus.AUTH),
        failed("otx", SourceStatus.NOT_CONFIGURED),
    )
    assert [what for what, _, _ in reputation_unknowns(peer)] == [
        "reputation of 9.9.9.9",
        "what AbuseIPDB knows of 9.9.9.9",
        "what VirusTotal knows of 9.9.9.9",
    ]


def test_an_answer_beside_a_failure_leaves_the_failure_alone_unknown() -> None:
    peer = peer_with(not_found("otx"), failed("virustotal", SourceStatus.RATE_LIMITED))
    assert reputation_unknowns(peer) == [("what VirusTotal knows of 9.9.9.9", "quota used up", "")]


def test_of_a_private_or_own_address_nothing_is_missing() -> None:
    own = destination("9.9.9.9", organisation=OrganisationRanges(("9.9.9.0/24",)))
    assert reputation_unknowns(destination("10.0.0.1"), own) == []


def test_an_address_that_only_holds_a_public_one_was_not_looked_up() -> None:
    peer = destination("2002:808:404::1", reason="8.8.4.4 inside it is public: look that up.")
    assert reputation_unknowns(peer) == [
        (
            "reputation of 2002:808:404::1",
            "8.8.4.4 inside it is public: look that up.",
            "Look the address inside it up",
        )
    ]
