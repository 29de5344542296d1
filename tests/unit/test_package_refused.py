"""What the packager refuses: what lies in the tree by chance, and contents that are private."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.check_requirements import ROOT
from scripts.soar import package
from scripts.soar.refused import private_contents, tracked_files, unfit_sources
from scripts.soar.stage import app_files, write_files
from scripts.soar.wheels import PackageError

NAMES = (
    "LICENSE",
    "packaging/README.md",
    "packaging/logo.svg",
    "packaging/logo_dark.svg",
    "actions/check_ip.py",
    "connectors/__init__.py",
    "connectors/table.csv",
    "playbooks/hosts/cli.py",
    "playbooks/hosts/soar/app.py",
    "playbooks/splunk_soar/flow.json",
    "playbooks/splunk_soar/flow.py",
    "playbooks/templates/parts/row.html",
    "playbooks/templates/widget.html",
)
LINK = "is a symbolic link; put the file itself there, or remove it"
NO_HTML = "is no *.html; move it out of playbooks/templates, or remove it"
UNTRACKED = "is not tracked by git; `git add` it, or remove it"


def fill(root: Path, *names: str) -> None:
    write_files(root, {name: name.encode() for name in names})


def git(root: Path, *arguments: str) -> None:
    """Git with no settings of the user, and of no other repository: a hook names one to what it runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**kept, "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "-C", str(root), *arguments]
    subprocess.run(command, check=True, timeout=30, capture_output=True, env=environment)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A source archive's tree, without git."""
    root = tmp_path / "tree"
    fill(root, *NAMES)
    return root


@pytest.fixture
def checkout(unpacked: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not on the PATH")
    git(unpacked, "init", "--quiet")
    git(unpacked, "add", ".")
    return unpacked


def test_a_clean_tree_is_packaged_with_and_without_git(checkout: Path) -> None:
    assert unfit_sources(checkout) == []
    shutil.rmtree(checkout / ".git")
    assert unfit_sources(checkout) == []


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("playbooks/templates/p.html", "/etc/passwd"),
        ("playbooks/templates/notes.txt", "/etc/passwd"),
        ("playbooks/templates/parts/more", "/etc"),
        ("connectors/x.py", "/etc/hostname"),
        ("connectors/vendored", "/etc"),
        ("actions/.#check_ip.py", "somebody@host.1234"),
        ("playbooks/splunk_soar/flow.py", "/etc/hostname"),
        ("playbooks/hosts/soar/app.py", "/etc/hostname"),
        ("packaging/README.md", "/etc/hostname"),
    ],
)
@pytest.mark.parametrize("added", [True, False])
def test_a_link_is_refused_once_whether_git_tracks_it_or_not(
    checkout: Path, place: str, target: str, *, added: bool
) -> None:
    (checkout / place).unlink(missing_ok=True)
    (checkout / place).symlink_to(target)
    if added:
        git(checkout, "add", "--force", ".")
    else:
        git(checkout, "rm", "--quiet", "--force", "--cached", "--ignore-unmatch", place)
    assert unfit_sources(checkout) == [f"{place}: {LINK}"]


@pytest.mark.parametrize("folder", ["playbooks", "playbooks/hosts", "packaging"])
def test_a_linked_folder_is_refused(unpacked: Path, folder: str) -> None:
    moved = unpacked.parent / "elsewhere"
    (unpacked / folder).rename(moved)
    (unpacked / folder).symlink_to(moved)
    assert unfit_sources(unpacked) == [f"{folder}: {LINK}"]


def test_only_html_lies_among_the_templates(unpacked: Path) -> None:
    strays = ["a.html~", "a.swp", "creds.json", "notes.txt", "parts/.DS_Store"]
    fill(unpacked, *(f"playbooks/templates/{name}" for name in strays))
    assert unfit_sources(unpacked) == sorted(f"playbooks/templates/{name}: {NO_HTML}" for name in strays)


def test_a_stray_file_git_tracks_is_refused_too(checkout: Path) -> None:
    fill(checkout, "playbooks/templates/notes.txt")
    git(checkout, "add", ".")
    assert unfit_sources(checkout) == [f"playbooks/templates/notes.txt: {NO_HTML}"]


@pytest.mark.parametrize(
    "name", ["actions/scratch.py", "playbooks/hosts/soar/app.py", "playbooks/templates/new.html", "LICENSE"]
)
def test_what_git_does_not_track_is_refused(checkout: Path, name: str) -> None:
    git(checkout, "rm", "--quiet", "--cached", "--ignore-unmatch", name)
    fill(checkout, name, ".gitignore")
    # That git ignores it makes it no better.
    (checkout / ".gitignore").write_text(name)
    assert unfit_sources(checkout) == [f"{name}: {UNTRACKED}"]


def test_half_committed_playbooks_are_refused(checkout: Path) -> None:
    git(checkout, "rm", "--quiet", "--cached", "playbooks/splunk_soar/flow.json")
    assert unfit_sources(checkout) == [f"playbooks/splunk_soar/flow.json: {UNTRACKED}"]


def test_what_is_not_packaged_may_lie_there(checkout: Path) -> None:
    fill(checkout, "actions/notes.txt", "playbooks/hosts/draft.py", "tests/test_x.py")
    (checkout / "playbooks/hosts/linked.py").symlink_to("cli.py")
    assert unfit_sources(checkout) == []


def test_without_git_every_module_is_packaged(unpacked: Path) -> None:
    fill(unpacked, "actions/scratch.py")
    assert unfit_sources(unpacked) == []
    assert "src/actions/scratch.py" in app_files(unpacked)


def test_a_tree_unpacked_inside_another_checkout_is_no_checkout(checkout: Path) -> None:
    inner = checkout / "vendored"
    fill(inner, *NAMES)
    assert tracked_files(inner) is None
    assert unfit_sources(inner) == []


def test_a_hook_s_environment_leads_nowhere_else(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(checkout / "none"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(checkout / "none"))
    assert tracked_files(checkout) == set(NAMES)


def test_a_missing_git_is_said(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    with pytest.raises(PackageError, match="needs git"):
        unfit_sources(checkout)


def test_a_git_that_refuses_is_said(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (checkout / ".git/HEAD").write_text("broken")
    with pytest.raises(PackageError, match="could not list"):
        unfit_sources(checkout)
    assert "fatal: " in capfd.readouterr().err


def test_a_check_of_the_manifest_takes_what_is_new_and_no_links(checkout: Path) -> None:
    fill(checkout, "actions/new.py", "playbooks/templates/notes.txt")
    (checkout / "actions/.#new.py").symlink_to("somebody@host.1234")
    (checkout / "playbooks/templates/p.html").symlink_to("/etc/passwd")
    assert sorted(app_files(checkout)) == [
        "LICENSE",
        "README.md",
        "logo.svg",
        "logo_dark.svg",
        "src/__init__.py",
        "src/actions/check_ip.py",
        "src/actions/new.py",
        "src/app.py",
        "src/connectors/__init__.py",
        "templates/parts/row.html",
        "templates/widget.html",
    ]


def test_a_build_stops_before_it_fetches_anything(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(unpacked, "playbooks/templates/notes.txt")
    monkeypatch.setattr(package, "ROOT", unpacked)
    assert package.main() == 1
    said = capsys.readouterr()
    assert said.err == f"Nothing was packaged:\nplaybooks/templates/notes.txt: {NO_HTML}\n"
    assert said.out == ""


def test_the_real_tree_holds_no_links_and_no_stray_templates() -> None:
    # Whether git tracks each file yet is asked when a package is made.
    assert [sentence for sentence in unfit_sources(ROOT) if UNTRACKED not in sentence] == []


@pytest.mark.parametrize(
    "name",
    [
        "src/tests/case.py",
        "src/test_a.py",
        "src/a_test.py",
        "src/conftest.py",
        "src/__pycache__/a.py",
        "src/a.pyc",
        ".env",
        "src/.git/config",
        "key.pem",
        "templates/id_rsa",
        "sysmon.evtx",
    ],
)
def test_files_of_these_kinds_are_refused(name: str) -> None:
    assert private_contents({name: b""}, ()) == [f"{name}: a file of this kind is not packaged"]


@pytest.mark.parametrize("name", ["src/app.py", "src/actions/detect.py", "templates/w.html", "src/latest.py"])
def test_the_app_s_own_files_are_not_refused(name: str) -> None:
    assert private_contents({name: b"url = 'https://host:8089/path'"}, (Path("/srv/checkout"),)) == []


def test_paths_of_this_machine_are_refused() -> None:
    files = {"a.py": b"x = '/srv/checkout/file'", "b.py": b"y = '/srv/other'", "c.py": b"z = '/app/x'"}
    # /app is too general a name: it may stand for any machine's.
    assert private_contents(files, (Path("/srv/checkout"), Path("/app"))) == [
        "a.py: holds a path of this machine"
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN RSA PRIVATE " + b"KEY-----",
        b"-----BEGIN PRIVATE " + b"KEY-----",
        b"https://me:pw" + b"@host/",
        b"AKIA" + b"Q7" * 8,
        b"ASIA" + b"Q7" * 8,
        b"ghp_" + b"a1B2c3" * 6,
        b"ghs_" + b"a1B2c3" * 6,
        b"github_pat_" + b"A1" * 11 + b"_" + b"b2" * 20,
    ],
)
def test_secrets_are_refused(content: bytes) -> None:
    assert private_contents({"a.py": b"x = '" + content + b"'"}, ()) == [
        "a.py: holds what looks like a secret"
    ]
