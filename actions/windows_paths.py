r"""Windows paths as logged: compared as Windows compares them, on any platform.

A name proves nothing: `csrss.exe` in a Temp folder is not csrss. So what is trusted here is trusted by its
full path below SystemRoot, whose drive comes from the telemetry.
"""

from __future__ import annotations

import ntpath
import re
import string
from collections.abc import Iterable, Sequence

from connectors.edr.sysmon_fields import UNKNOWN_PROCESS
from connectors.facts.process import Process, image_name

# Windows folds far fewer letters than Unicode does; `str.lower` would make the Kelvin sign a "k".
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_PREFIXES = ("\\\\?\\", "\\??\\", "\\\\.\\")

_UNKNOWN_IMAGES = frozenset({"", "-", "?", *UNKNOWN_PROCESS})

_VOLUME = re.compile(r"(?:[a-z]:|\\device\\harddiskvolume\d+)(?=\\)")

#: Where Windows itself lives unless its installer was told otherwise.
_USUAL_ROOTS = frozenset({"windows", "winnt"})

#: Processes that only the system starts from System32, and the user's shell.
_SYSTEM_PROCESS = re.compile(
    r"([a-z]:\\[^\\]+)\\"
    r"(?:system32\\(?:smss|csrss|wininit|winlogon|services|lsass|svchost|userinit)\.exe|explorer\.exe)"
)

_SYSTEM_INTEGRITY = frozenset({"system", "s-1-16-16384"})
_HIGH_INTEGRITY = frozenset({"high", "s-1-16-12288"})

#: First folders below a drive that hold installed programs; the last two are their 8.3 names.
_PROGRAM_FILES = frozenset({"program files", "program files (x86)", "progra~1", "progra~2"})


#: Longer texts are no path of a program and are compared as they stand: resolving one takes quadratic time.
_LONGEST_RESOLVED = 4096


def lower(text: str) -> str:
    """The text with A to Z in lower case, and no other letter changed."""
    return text.translate(_ASCII_LOWER)


def file_name(path: str) -> str:
    r"""Last part of a path, as logged; `/` counts as `\`."""
    return image_name(path)


def normal(path: str) -> str:
    r"""The path in one spelling: lower case, backslashes, no `\\?\`, `.` and `..` resolved.

    Blanks inside stay: `C:\Windows \System32` is another folder than `C:\Windows\System32`.
    """
    text = lower(path.strip().strip('"')).replace("/", "\\")
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    if len(text) > _LONGEST_RESOLVED:
        return text
    return ntpath.normpath(text) if text else ""


def is_full_path(path: str) -> bool:
    r"""True for a path from a drive, a volume or a share; False for a bare name or "?"."""
    text = normal(path)
    return _VOLUME.match(text) is not None or text.startswith("\\\\")


def is_known_image(image: str) -> bool:
    """False where the source did not know the process: "", "-", "?" and Sysmon's `<unknown process>`."""
    return lower(image.strip()) not in _UNKNOWN_IMAGES


def folders(path: str) -> tuple[str, ...]:
    r"""The folders of a file below its drive, in lower case: `C:\Users\Public\a.exe` -> `users`, `public`."""
    text = normal(path)
    volume = _VOLUME.match(text)
    inside = text[volume.end() :] if volume else text
    return tuple(part for part in inside.split("\\")[:-1] if part)


def system_root(outermost_first: Iterable[Process]) -> str | None:
    r"""SystemRoot in lower case without a trailing backslash, by the first system process; None without one.

    The outermost decides, because it lies farthest from whoever could fake one. A folder that is not called
    Windows is believed only of a process of System integrity.
    """
    for process in outermost_first:
        found = _SYSTEM_PROCESS.fullmatch(normal(process.ref.image))
        if found is None:
            continue
        root = found.group(1)
        if root.partition("\\")[2] in _USUAL_ROOTS or lower(process.integrity) in _SYSTEM_INTEGRITY:
            return root
    return None


def below_system_root(path: str, root: str | None) -> str | None:
    r"""The part of a path below SystemRoot, in lower case; None when it lies elsewhere.

    Args:
        path: as logged.
        root: what `system_root` found; None accepts `Windows` on any drive. A `\Device\HarddiskVolume`
            path cannot be tied to a drive letter and is judged by its folder alone.
    """
    text = normal(path)
    volume = _VOLUME.match(text)
    if volume is None:
        return None
    folder, _, rest = text[volume.end() + 1 :].partition("\\")
    if not rest:
        return None
    if root is None:
        return rest if folder in _USUAL_ROOTS else None
    drive, _, root_folder = root.partition("\\")
    same_volume = volume.group() == drive or volume.group().startswith("\\device")
    return rest if same_volume and folder == root_folder else None


def in_program_files(path: str, root: str | None) -> bool:
    """True for a file below Program Files on the system drive (on any drive while that is not known)."""
    text = normal(path)
    volume = _VOLUME.match(text)
    if volume is None:
        return False
    on_system_drive = root is None or volume.group() == root[:2] or volume.group().startswith("\\device")
    inside = folders(path)
    return on_system_drive and bool(inside) and inside[0] in _PROGRAM_FILES


def has_folders(path: str, wanted: Sequence[str], *, at_root: bool) -> bool:
    """True when these folders stand next to each other in the path (`at_root`: right below the drive)."""
    inside = folders(path)
    starts = range(1) if at_root else range(len(inside) - len(wanted) + 1)
    return any(inside[at : at + len(wanted)] == tuple(wanted) for at in starts)


def is_elevated(process: Process) -> bool:
    """True when the process is known to run as SYSTEM or with high integrity, which installers need."""
    integrity = lower(process.integrity)
    return integrity in _SYSTEM_INTEGRITY | _HIGH_INTEGRITY or lower(process.user).endswith("\\system")
