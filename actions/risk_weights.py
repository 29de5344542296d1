"""The table of indicators: what each is worth, and why.

ESCU gives the notable impact 80 and confidence 100. So 20 points of impact are left to tell a weapon from an
oddity: a strong indicator takes half of them or more, so that two fill the scale; a medium one takes a
quarter, so that two weigh as much as a weak strong one. The mitigating ones lower confidence to a half, and
only all together (actions/assess_risk.py).

Adding an indicator is a function in actions/indicators/ and a row here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from actions.indicators import behaviour, destination, image, injection, lineage, mitigating
from actions.indicators.case_view import CaseView
from actions.indicators.finding import Finding
from actions.risk import IndicatorGroup, Strength

STRONG, MEDIUM, CONTEXT, MITIGATING = Strength.STRONG, Strength.MEDIUM, Strength.CONTEXT, Strength.MITIGATING
LINEAGE, IMAGE, INJECTION = IndicatorGroup.LINEAGE, IndicatorGroup.IMAGE, IndicatorGroup.INJECTION
BEHAVIOUR, DESTINATION = IndicatorGroup.BEHAVIOUR, IndicatorGroup.DESTINATION

_LEARN = "https://learn.microsoft.com/"
_REGSVCS = f"{_LEARN}dotnet/framework/tools/regsvcs-exe-net-services-installation-tool"
_SYSMON = f"{_LEARN}sysinternals/downloads/sysmon"
_ENDPOINT = "https://github.com/elastic/endpoint-package/blob/main/custom_schemas/custom_process.yml"
_ATTACK = "https://attack.mitre.org/techniques/"
_ESCU = "https://research.splunk.com/stories/suspicious_regsvcs_regasm_activity/"


class Row(NamedTuple):
    """One indicator.

    Attributes:
        id: stable, snake_case.
        group: two strong indicators of different groups are independent of each other.
        impact: points of impact it adds.
        confidence: points of confidence it takes away (zero or negative).
        find: the function that looks for it.
        reason: why this weight, in a sentence.
        source: where that can be read.
    """

    id: str
    strength: Strength
    group: IndicatorGroup
    impact: int
    confidence: int
    find: Callable[[CaseView], Finding | None]
    reason: str
    source: str


# fmt: off
WEIGHTS: tuple[Row, ...] = (
    # id, strength, group, impact, confidence, function
    # --- strong ---------------------------------------------------------------------------------
    Row("tampering", STRONG, INJECTION, 20, 0, injection.tampering,
        "The code in memory is not the file on disk: that is process hollowing seen directly.",
        f"{_SYSMON} (event 25); {_ATTACK}T1055/012/"),
    Row("remote_thread", STRONG, INJECTION, 15, 0, injection.remote_thread,
        "Hardly anything but csrss starts threads in other processes in ordinary use.",
        f"{_SYSMON} (event 8); {_ATTACK}T1055/"),
    Row("original_name_differs", STRONG, IMAGE, 15, 0, image.original_name_differs,
        "Another program carries this one's name.", f"{_ATTACK}T1036/"),
    Row("image_not_signed", STRONG, IMAGE, 15, 0, image.image_not_signed,
        "Microsoft signs the genuine program.", f"{_ATTACK}T1036/001/"),
    Row("image_path_unexpected", STRONG, IMAGE, 15, 0, image.image_path_unexpected,
        "The genuine program is installed in the .NET Framework folders alone.", f"{_ATTACK}T1036/005/"),
    Row("document_or_script_ancestor", STRONG, LINEAGE, 15, 0, lineage.document_or_script_ancestor,
        "A document, mail or script started the chain; none of these registers components.",
        f"{_ATTACK}T1204/002/"),
    Row("parent_in_writable_place", STRONG, LINEAGE, 10, 0, lineage.parent_in_writable_place,
        "Loaders drop to these folders; some installers unpack there too, hence not more.",
        f"{_ATTACK}T1218/009/"),
    Row("parent_not_signed", STRONG, LINEAGE, 10, 0, lineage.parent_not_signed,
        "Installers and management tools are signed; home-made tools may not be, hence not more.",
        f"{_ATTACK}T1553/002/"),
    Row("scheduled_task_beside", STRONG, LINEAGE, 10, 0, lineage.scheduled_task_beside,
        "Loaders make themselves permanent beside the process they hollow; some installers create tasks too.",
        f"{_ATTACK}T1053/005/"),
    Row("no_arguments", STRONG, BEHAVIOUR, 10, 0, behaviour.no_arguments,
        "Without an assembly to register, the tool prints its usage and makes no connection.",
        f"{_REGSVCS}; {_ESCU} (With No Command Line Arguments)"),
    Row("unexpected_child", STRONG, BEHAVIOUR, 10, 0, behaviour.unexpected_child,
        "The tool starts nothing but the console host and error reporting.",
        f"{_ESCU} (Spawning a Process)"),
    Row("scheduled_task_by_target", STRONG, BEHAVIOUR, 10, 0, behaviour.scheduled_task_by_target,
        "A registration tool does not schedule tasks.", f"{_ATTACK}T1053/005/"),
    Row("destination_malicious", STRONG, DESTINATION, 15, 0, destination.destination_malicious,
        "Independent or first-grade sources report the address for traffic of this direction.",
        f"{_ATTACK}T1071/"),
    # --- medium ---------------------------------------------------------------------------------
    Row("write_access", MEDIUM, INJECTION, 5, 0, injection.write_access,
        "Writing into a process needs these rights, but so do debuggers and some agents.",
        f"{_SYSMON} (event 10); {_LEARN}windows/win32/procthread/process-security-and-access-rights"),
    Row("created_suspended", MEDIUM, INJECTION, 5, 0, injection.created_suspended,
        "A process is hollowed before it runs; launchers, debuggers and job objects start some so too.",
        f"{_ATTACK}T1055/012/; {_ENDPOINT} (process.Ext.created_suspended)"),
    Row("image_in_unusual_place", MEDIUM, IMAGE, 5, 0, image.image_in_unusual_place,
        "The component store keeps genuine copies that nobody runs from there.", f"{_ATTACK}T1218/009/"),
    Row("parent_exited", MEDIUM, LINEAGE, 5, 0, lineage.parent_exited,
        "Loaders inject and exit, but so do some launchers.", f"{_ATTACK}T1055/012/"),
    Row("argument_in_writable_place", MEDIUM, BEHAVIOUR, 5, 0, behaviour.argument_in_writable_place,
        "Installed assemblies do not lie there; build and test runs may put them there.",
        f"{_ATTACK}T1218/009/"),
    Row("assembly_without_dll", MEDIUM, BEHAVIOUR, 5, 0, behaviour.assembly_without_dll,
        "Assemblies are .dll or .exe; other endings hide one.", f"{_ATTACK}T1036/008/"),
    Row("destination_suspicious", MEDIUM, DESTINATION, 5, 0, destination.destination_suspicious,
        "There are reports, but not enough for more.", f"{_ATTACK}T1071/"),
    Row("destination_sinkhole", MEDIUM, DESTINATION, 5, 0, destination.destination_sinkhole,
        "Only names taken from malware lead to a sinkhole; one list of ranges says so, hence not more.",
        f"{_ATTACK}T1071/; https://github.com/MISP/misp-warninglists (sinkholes)"),
    # --- context: shown, worth nothing ----------------------------------------------------------
    Row("shell_ancestor", CONTEXT, LINEAGE, 0, 0, lineage.shell_ancestor,
        "Every batch file and every managed installation has one.", _REGSVCS),
    Row("destination_role", CONTEXT, DESTINATION, 0, 0, destination.destination_role,
        "The bad and the good share these services; the host's evidence has to decide.",
        f"{_ATTACK}T1102/"),
    Row("destination_suspicious_shared", CONTEXT, DESTINATION, 0, 0, destination.suspicious_shared,
        "Reports about an address that many share need not be about this traffic.", f"{_ATTACK}T1102/"),
    Row("destination_not_external", CONTEXT, DESTINATION, 0, 0, destination.destination_not_external,
        "The analytic leaves out RFC 1918 alone; an own address may be a proxy that hides the real peer.",
        f"{_ESCU} (with Network Connection)"),
    Row("connection_inbound", CONTEXT, DESTINATION, 0, 0, destination.connection_inbound,
        "The analytic does not ask who opened the connection.", f"{_SYSMON} (event 3, Initiated)"),
    # --- mitigating: only all together ----------------------------------------------------------
    Row("signed_installer_chain", MITIGATING, LINEAGE, 0, -20, mitigating.signed_installer_chain,
        "Installers register components with this tool.", _REGSVCS),
    Row("program_files_dll", MITIGATING, BEHAVIOUR, 0, -15, mitigating.program_files_dll,
        "Only an administrator can put a DLL there.", _REGSVCS),
    Row("plain_destination", MITIGATING, DESTINATION, 0, -15, mitigating.plain_destination,
        "Windows checks the signature of what is loaded, from within the process.",
        f"{_LEARN}windows/win32/api/wincrypt/nf-wincrypt-certgetcertificatechain"),
)
# fmt: on

#: The rows that must all be found before any of them counts.
MITIGATING_IDS = frozenset(row.id for row in WEIGHTS if row.strength is MITIGATING)
