"""Whole reports, word for word. A golden file is read like a page of documentation when it changes."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from playbooks.case import CaseReport
from playbooks.report import markdown, terminal
from tests.report_cases import benign, hostile, malicious, reputed, undetermined

FOLDER = Path(__file__).resolve().parent.parent / "golden"

WHEN_NOT_TO_UPDATE = """
{name} is not what is rendered now (- the file, + now).

Do NOT update it if you did not mean to change what a person reads: then the code is wrong.
Do NOT update it if a control character, a link, or a bare address in prose appears in the difference,
if "unknown" became something milder, or if "would" became a deed.
If you meant every line of the difference, rewrite the files and commit them with the change:
    UPDATE_GOLDEN=1 pytest tests/unit/test_report_golden.py
"""


def text(width: int, *, unicode: bool = True) -> Callable[[CaseReport], str]:
    return lambda report: terminal.render(report, width=width, color=False, unicode=unicode)


GOLDEN: dict[str, tuple[Callable[[], CaseReport], Callable[[CaseReport], str]]] = {
    "malicious.80.txt": (malicious, text(80)),
    "malicious.120.txt": (malicious, text(120)),
    "malicious.ascii.txt": (malicious, text(80, unicode=False)),
    "malicious.md": (malicious, markdown.render),
    "reputed.120.txt": (reputed, text(120)),
    "reputed.md": (reputed, markdown.render),
    "benign.80.txt": (benign, text(80)),
    "benign.md": (benign, markdown.render),
    "undetermined.80.txt": (undetermined, text(80)),
    "undetermined.md": (undetermined, markdown.render),
    "hostile.ascii.txt": (hostile, text(120, unicode=False)),
    "hostile.md": (hostile, markdown.render),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_report_is_the_golden_one(name: str) -> None:
    build, render = GOLDEN[name]
    now, path = render(build()), FOLDER / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_bytes(now.encode())
    golden = path.read_bytes().decode() if path.exists() else ""
    if now != golden:
        lines = difflib.unified_diff(golden.splitlines(), now.splitlines(), "golden", "now", lineterm="", n=1)
        shown = "\n".join(list(lines)[:60])
        pytest.fail(f"{WHEN_NOT_TO_UPDATE.format(name=name)}\n{shown}", pytrace=False)


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(GOLDEN)
