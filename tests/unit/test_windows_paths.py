"""Windows paths and command lines, as Windows reads them."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.command_line import arguments_of, split_arguments
from actions.windows_paths import (
    below_system_root,
    file_name,
    folders,
    in_program_files,
    is_elevated,
    is_full_path,
    is_known_image,
    lower,
    normal,
    system_root,
)
from tests.case_builders import EXPLORER, REGSVCS, SERVICES, process

SPACED = r"C:\Some Tools\Reg Svcs\RegSvcs.exe"


@pytest.mark.parametrize(
    ("command_line", "image", "wanted"),
    [
        (None, REGSVCS, None),
        ("", REGSVCS, None),
        ("  ", REGSVCS, None),
        ("-", REGSVCS, None),
        (f'"{REGSVCS}"', REGSVCS, ()),
        (f'"{REGSVCS}"  ', REGSVCS, ()),
        (REGSVCS, REGSVCS, ()),
        (REGSVCS.upper(), REGSVCS, ()),
        ("RegSvcs.exe", REGSVCS, ()),
        ("regsvcs", REGSVCS, ()),
        ("RegSvcs.exe\t", REGSVCS, ()),
        ("RegSvcs.exe", "", ()),
        (SPACED, SPACED, ()),
        (SPACED.removesuffix(".exe"), SPACED, ()),
        (f"{SPACED} a.dll", SPACED, ("a.dll",)),
        (r"C:\Some Tools\x\..\Reg Svcs\RegSvcs.exe /u", SPACED, ("/u",)),
        (f'"{SPACED}" /u a.dll', SPACED, ("/u", "a.dll")),
        (f'"{REGSVCS}" "C:\\Program Files\\A\\b.dll"', REGSVCS, (r"C:\Program Files\A\b.dll",)),
        (f'"{REGSVCS}"x y', REGSVCS, ("y",)),
        (f'"{REGSVCS}', REGSVCS, ()),
        ("/u /s a.dll", REGSVCS, ("/u", "/s", "a.dll")),
        ("/u", REGSVCS, ("/u",)),
        ("loader.exe", REGSVCS, ()),
        ('RegSvcs.exe ""', REGSVCS, ("",)),
        ('RegSvcs.exe "a b" c', REGSVCS, ("a b", "c")),
        (r"RegSvcs.exe a\\b \"c\"", REGSVCS, (r"a\\b", '"c"')),
        ('RegSvcs.exe "a""b" c', REGSVCS, ('a"b', "c")),
    ],
)
def test_arguments(command_line: str | None, image: str, wanted: tuple[str, ...] | None) -> None:
    assert arguments_of(command_line, image) == wanted


@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=12), max_size=5))
@settings(max_examples=75)
def test_splitting_undoes_quoting(arguments: list[str]) -> None:
    assert split_arguments(subprocess.list2cmdline(arguments)) == arguments
    assert arguments_of(f'"{REGSVCS}" ' + subprocess.list2cmdline(arguments), REGSVCS) == tuple(arguments)


@given(st.text(max_size=60), st.text(max_size=30))
@settings(max_examples=75)
def test_any_text_is_split_without_error(text: str, image: str) -> None:
    found = arguments_of(text, image)
    assert (found is None) == (text.strip() in ("", "-"))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (r"C:\Windows\..\Temp\A.exe", r"c:\temp\a.exe"),
        (r"C:/Windows/System32/A.exe", r"c:\windows\system32\a.exe"),
        (r"\\?\C:\Windows\a.exe", r"c:\windows\a.exe"),
        (r"\??\C:\Windows\a.exe", r"c:\windows\a.exe"),
        (r'"C:\Windows\a.exe"', r"c:\windows\a.exe"),
        ("C:\\Windows \\a.exe", "c:\\windows \\a.exe"),
        ("", ""),
    ],
)
def test_normal(path: str, wanted: str) -> None:
    assert normal(path) == wanted


def test_only_ascii_letters_are_folded() -> None:
    assert lower("\u212aERNEL\u0130") == "\u212aernel\u0130"  # the Kelvin sign and the dotted I stay


@pytest.mark.parametrize(
    ("path", "full", "known"),
    [
        (REGSVCS, True, True),
        (r"\Device\HarddiskVolume3\Windows\a.exe", True, True),
        (r"\\server\share\a.exe", True, True),
        ("explorer.exe", False, True),
        ("System", False, True),
        ("?", False, False),
        ("-", False, False),
        ("", False, False),
        ("<unknown process>", False, False),
        ("&lt;unknown process&gt;", False, False),
    ],
)
def test_full_and_known(path: str, full: bool, known: bool) -> None:
    assert is_full_path(path) is full
    assert is_known_image(path) is known


def test_folders_and_name() -> None:
    assert folders(r"C:\Users\Public\a.exe") == ("users", "public")
    assert folders(r"\Device\HarddiskVolume3\Windows\a.exe") == ("windows",)
    assert folders("a.exe") == ()
    assert file_name(r"C:\Windows/a.exe") == "a.exe"


@pytest.mark.parametrize(
    ("images", "root"),
    [
        ((EXPLORER,), r"c:\windows"),
        ((r"D:\Windows\System32\services.exe",), r"d:\windows"),
        ((r"C:\Users\ann\explorer.exe",), None),
        ((r"C:\Evil\System32\svchost.exe",), None),
        ((r"C:\Evil\System32\svchost.exe", EXPLORER), r"c:\windows"),
        ((SERVICES, r"D:\Windows\System32\svchost.exe"), r"c:\windows"),
        ((r"C:\Windows\System32\notepad.exe",), None),
        ((), None),
    ],
)
def test_system_root_is_what_the_outermost_system_process_shows(
    images: tuple[str, ...], root: str | None
) -> None:
    assert system_root(process(image) for image in images) == root


def test_an_unusual_system_root_is_believed_of_the_system_alone() -> None:
    image = r"C:\Win10\System32\services.exe"
    assert system_root([process(image, integrity="System")]) == r"c:\win10"
    assert system_root([process(image, integrity="High")]) is None


@pytest.mark.parametrize(
    ("path", "root", "wanted"),
    [
        (r"C:\Windows\System32\csrss.exe", None, r"system32\csrss.exe"),
        (r"D:\WINNT\System32\csrss.exe", None, r"system32\csrss.exe"),
        (r"C:\Windows\System32\csrss.exe", r"c:\windows", r"system32\csrss.exe"),
        (r"D:\Windows\System32\csrss.exe", r"c:\windows", None),
        (r"C:\Win10\System32\csrss.exe", r"c:\win10", r"system32\csrss.exe"),
        (r"C:\Windows\System32\csrss.exe", r"c:\win10", None),
        (r"\Device\HarddiskVolume3\Windows\System32\csrss.exe", r"c:\windows", r"system32\csrss.exe"),
        (r"C:\Temp\Windows\System32\csrss.exe", None, None),
        ("C:\\Windows \\System32\\csrss.exe", None, None),
        (r"C:\Windows\System32\..\..\Temp\csrss.exe", None, None),
        ("csrss.exe", None, None),
        (r"C:\Windows", None, None),
    ],
)
def test_below_system_root(path: str, root: str | None, wanted: str | None) -> None:
    assert below_system_root(path, root) == wanted


@pytest.mark.parametrize(
    ("path", "root", "wanted"),
    [
        (r"C:\Program Files\A\b.dll", None, True),
        (r"C:\Program Files (x86)\A\b.dll", r"c:\windows", True),
        (r"C:\PROGRA~1\A\b.dll", r"c:\windows", True),
        (r"D:\Program Files\A\b.dll", r"c:\windows", False),
        (r"C:\Users\ann\Program Files\b.dll", None, False),
        (r"C:\Program Files\..\Temp\b.dll", None, False),
        (r"Program Files\A\b.dll", None, False),
    ],
)
def test_in_program_files(path: str, root: str | None, wanted: bool) -> None:
    assert in_program_files(path, root) is wanted


@pytest.mark.parametrize(
    ("integrity", "user", "wanted"),
    [
        ("System", "", True),
        ("High", "", True),
        ("S-1-16-16384", "", True),
        ("", r"NT AUTHORITY\SYSTEM", True),
        ("Medium", r"CORP\ann", False),
        ("", "", False),
    ],
)
def test_elevated(integrity: str, user: str, wanted: bool) -> None:
    assert is_elevated(process(integrity=integrity, user=user)) is wanted
