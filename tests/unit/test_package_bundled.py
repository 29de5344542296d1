"""docs/bundled-packages.md: licences as wheels state them, who needs what, and what a reader finds first."""

from __future__ import annotations

import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import pytest

from scripts.soar.bundled import (
    UNKNOWN,
    Family,
    document,
    family,
    licence,
    listed_versions,
    needed_by,
    wheel_metadata,
)

PYPROJECT = """
[project]
dependencies = ["plain>=1"]
[project.optional-dependencies]
soar = ["kit==1"]
"""


def metadata(*lines: str) -> Message:
    return HeaderParser().parsestr(
        "\n".join(("Metadata-Version: 2.1", *lines)) + "\n\nLicense: in the text\n"
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: other"], "MIT OR Apache-2.0"),
        (["License: GPL", "Classifier: License :: OSI Approved :: MIT License"], "MIT License"),
        (
            [
                "Classifier: License :: OSI Approved",
                "Classifier: License :: OSI Approved :: BSD License",
                "Classifier: License :: Public Domain",
                "Classifier: Topic :: Security",
            ],
            "BSD License, Public Domain",
        ),
        (["License: GPL"], "GPL"),
        (["License: BSD-3-Clause\n        Copyright somebody"], "BSD-3-Clause"),
        (["License: " + "a licence written out " * 5], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_the_licence_a_wheel_states(lines: list[str], expected: str) -> None:
    assert licence(metadata(*lines)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPL", Family.GPL),
        ("GPL-3.0-or-later", Family.GPL),
        ("AGPL-3.0", Family.GPL),
        ("GNU General Public License v3 (GPLv3)", Family.GPL),
        ("GNU Lesser General Public License v3 (LGPLv3)", Family.LGPL),
        ("LGPL-2.1-only", Family.LGPL),
        ("Mozilla Public License 2.0 (MPL 2.0)", Family.MPL),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", Family.MPL),
        ("MIT", Family.PERMISSIVE),
        ("PSF-2.0", Family.PERMISSIVE),
    ],
)
def test_the_family_of_a_licence(text: str, expected: Family) -> None:
    assert family(text) is expected


def wheel(folder: Path, name: str, licence_text: str, *needs: str, platform: str = "any") -> Path:
    tag = "py3-none-any" if platform == "any" else f"cp313-cp313-{platform}"
    path = folder / f"{name}-1.0-{tag}.whl"
    lines = [f"Name: {name}", "Version: 1.0", f"License: {licence_text}"]
    lines += [f"Requires-Dist: {need}" for need in needs]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", "Metadata-Version: 2.1\n" + "\n".join(lines) + "\n"
        )
        archive.writestr(f"{name}/vendored.dist-info/METADATA", "Name: other\n")
        if licence_text != "MIT":
            archive.writestr(f"{name}-1.0.dist-info/licenses/LICENSE.txt", "text")
    return path


def test_needed_by_follows_extras_and_the_platform_s_markers() -> None:
    packages = {
        "kit": metadata(
            "Requires-Dist: Mail_Reader[rtf]>=1",
            "Requires-Dist: windows-only; sys_platform == 'win32'",
            "Requires-Dist: sometimes; extra == 'speed'",
            "Requires-Dist: not-bundled",
        ),
        "mail-reader": metadata("Requires-Dist: rtf; extra == 'rtf'", "Requires-Dist: kit"),
        "rtf": metadata(),
        "windows-only": metadata(),
        "sometimes": metadata(),
    }
    assert needed_by({"the app": ["kit==1"], "us": ["rtf"]}, packages) == {
        "kit": ["the app", "mail-reader"],
        "mail-reader": ["kit"],
        "rtf": ["us", "mail-reader"],
    }


def test_a_wheel_without_metadata_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.py", "")
    with pytest.raises(ValueError, match="has 0 METADATA files"):
        wheel_metadata(path)


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    arms = [
        wheel(tmp_path, "plain", "MIT", platform=f"manylinux_2_28_{each}") for each in ("x86_64", "aarch64")
    ]
    return document(
        tmp_path,
        {
            "kit": [wheel(tmp_path, "kit", "Apache-2.0", "viral", "lesser")],
            "lesser": [wheel(tmp_path, "lesser", "LGPL")],
            "plain": arms,
            "viral": [wheel(tmp_path, "viral", "GPL")],
        },
    )


def test_copyleft_is_named_first(text: str) -> None:
    assert "bundles these 4 packages" in text
    assert "- GPL: `viral`\n- LGPL: `lesser`\n\n" in text
    assert text.index("## Copyleft") < text.index("| viral | 1.0") < text.index("| lesser | 1.0")
    assert text.index("| lesser | 1.0") < text.index("## Permissive") < text.index("| kit | 1.0")


def test_wheels_without_a_licence_text_are_named(text: str) -> None:
    assert "Wheels without a licence text inside: `plain`." in text


def test_a_row_names_licence_users_and_each_wheel(text: str) -> None:
    assert "| viral | 1.0 | GPL | kit | `viral-1.0-py3-none-any.whl` |\n" in text
    assert (
        "| plain | 1.0 | MIT | this project | `plain-1.0-cp313-cp313-manylinux_2_28_x86_64.whl`"
        "<br>`plain-1.0-cp313-cp313-manylinux_2_28_aarch64.whl` |\n"
    ) in text


def test_the_versions_of_a_document_can_be_read_back(text: str) -> None:
    assert listed_versions(text) == {"kit": "1.0", "lesser": "1.0", "plain": "1.0", "viral": "1.0"}
    assert (
        listed_versions("| package | version | licence | needed by | wheels |\n|---|---|---|---|---|\n") == {}
    )
