"""Programs that indicators name, as data. What is exempted is exempted by its full path below SystemRoot."""

from __future__ import annotations

from typing import Final

from actions.windows_paths import below_system_root, file_name, folders, lower
from connectors.facts.process import Process

#: Programs that open documents and run scripts: an ancestor of these means that a file or mail started it.
DOCUMENT_AND_SCRIPT_HOSTS: Final = {
    "winword.exe": "Microsoft Word",
    "excel.exe": "Microsoft Excel",
    "powerpnt.exe": "Microsoft PowerPoint",
    "outlook.exe": "Microsoft Outlook",
    "onenote.exe": "Microsoft OneNote",
    "msaccess.exe": "Microsoft Access",
    "mspub.exe": "Microsoft Publisher",
    "visio.exe": "Microsoft Visio",
    "eqnedt32.exe": "the Office equation editor",
    "mshta.exe": "the HTML application host",
    "wscript.exe": "Windows Script Host",
    "cscript.exe": "Windows Script Host",
    "autoit3.exe": "the AutoIt interpreter",
    "autoit3_x64.exe": "the AutoIt interpreter",
}

#: Shells, for context: every batch file and every management tool has them.
SHELLS: Final = frozenset({"cmd.exe", "powershell.exe", "powershell_ise.exe", "pwsh.exe"})

#: Where the genuine shells and service hosts are. Windows Installer runs as a service (`msiexec /V`).
_SHELLS_AND_SERVICES: Final = frozenset(
    {
        "explorer.exe",
        r"system32\cmd.exe",
        r"syswow64\cmd.exe",
        r"system32\windowspowershell\v1.0\powershell.exe",
        r"syswow64\windowspowershell\v1.0\powershell.exe",
        r"system32\windowspowershell\v1.0\powershell_ise.exe",
        r"syswow64\windowspowershell\v1.0\powershell_ise.exe",
        r"system32\services.exe",
        r"system32\svchost.exe",
        r"syswow64\svchost.exe",
        r"system32\msiexec.exe",
        r"syswow64\msiexec.exe",
    }
)
_SERVICE_CONTROL_MANAGER: Final = r"system32\services.exe"
_PWSH_FOLDERS: Final = ("program files", "powershell")

CSRSS: Final = r"system32\csrss.exe"

#: System processes that open nearly every new process for writing as part of starting it.
OPENS_EVERY_PROCESS: Final = frozenset(
    {
        CSRSS,
        r"system32\conhost.exe",
        r"system32\lsass.exe",
        r"system32\svchost.exe",
    }
)

MSIEXEC: Final = frozenset({r"system32\msiexec.exe", r"syswow64\msiexec.exe"})

SCHEDULED_TASK_TOOL: Final = "schtasks.exe"


def names_of(process: Process) -> frozenset[str]:
    """The name of its image and the name its maker gave it: renaming a file changes only the first."""
    original = lower(process.original_file_name.strip())
    return frozenset({lower(process.name), original} - {"", "-"})


def is_shell_or_service(process: Process, root: str | None) -> bool:
    """True for a genuine shell, a service host, or what the service control manager started."""
    if below_system_root(process.ref.image, root) in _SHELLS_AND_SERVICES:
        return True
    if below_system_root(process.parent_image, root) == _SERVICE_CONTROL_MANAGER:
        return True
    is_pwsh = lower(file_name(process.ref.image)) == "pwsh.exe"
    return is_pwsh and folders(process.ref.image)[:2] == _PWSH_FOLDERS
