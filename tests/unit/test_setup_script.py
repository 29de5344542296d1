"""scripts/setup.sh with a fake uv and fake interpreters: what it picks and says, when it does nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/setup.sh"
TOOLS = ("sh", "cat", "cksum", "dirname", "ln", "mkdir", "readlink", "rm", "sleep")

PYTHON = f"""#!/bin/sh
case "$*" in
    *_base_executable*) echo "$0"; exit ;;
    *"import pip"*|*ensurepip*) exit 1 ;;
esac
exec "{sys.executable}" "$@"
"""
# A uv that writes down what it was asked for, makes a .venv and "installs" the project.
UV = """#!/bin/sh
[ "$1" = --version ] || echo "$*" >>calls
case "$*" in
    venv*) mkdir -p .venv/bin && cp fake-python .venv/bin/python ;;
    *--require-hashes*) [ ! -e broken ] ;;
    *--editable*) touch .venv/bin/regsvcs-response && chmod +x .venv/bin/regsvcs-response ;;
esac
"""


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


class Checkout:
    """A checkout with a space in its name and a PATH that holds nothing but the shell's tools."""

    def __init__(self, root: Path) -> None:
        self.root = root / "a checkout"
        self.bin = root / "bin"
        self.bin.mkdir()
        for folder in ("scripts", "requirements"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(SCRIPT, self.root / "scripts/setup.sh")
        (self.root / "requirements/dev.txt").write_text("pins\n")
        (self.root / "pyproject.toml").write_text("[project]\n")
        executable(self.root / "fake-python", PYTHON)
        for tool in (*TOOLS, "cp", "touch", "chmod"):
            (self.bin / tool).symlink_to(str(shutil.which(tool)))

    def setup(self) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "HOME": str(self.root), "VIRTUAL_ENV": "/nonexistent"}
        command = [str(self.bin / "sh"), "scripts/setup.sh"]
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )

    def calls(self) -> list[str]:
        """First words of what uv was asked for since the last time."""
        log = self.root / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.split(" ")[0] + (" editable" if "--editable" in line else "") for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def with_uv(checkout: Checkout) -> Checkout:
    executable(checkout.bin / "uv", UV)
    return checkout


ALL_STEPS = ["venv", "pip", "pip editable"]


def test_neither_python_nor_uv_is_one_sentence(checkout: Checkout) -> None:
    # What a pyenv shim does where no version is selected.
    executable(
        checkout.bin / "python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
    )
    executable(checkout.bin / "python3", "#!/bin/sh\nexit 1\n")
    done = checkout.setup()
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "This project needs Python 3.13 or uv, and neither was found on the PATH: "
        "install one of them and run make again.\n"
    )
    assert not (checkout.root / ".venv").exists()
    assert not (checkout.root / ".cache/setup.lock").is_symlink()


def test_python_without_its_venv_package_is_named(checkout: Checkout) -> None:
    executable(checkout.bin / "python3.13", PYTHON)
    done = checkout.setup()
    assert done.returncode == 1
    assert "python3.13-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_python_without_its_venv_package_takes_uv(with_uv: Checkout) -> None:
    executable(with_uv.bin / "python3.13", PYTHON)
    assert with_uv.setup().returncode == 0
    assert with_uv.calls() == ALL_STEPS


def test_the_second_time_nothing_is_done(with_uv: Checkout) -> None:
    first = with_uv.setup()
    assert (first.returncode, with_uv.calls()) == (0, ALL_STEPS), first.stderr
    assert first.stdout.splitlines()[-1] == "Ready: .venv/bin/regsvcs-response"
    second = with_uv.setup()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert with_uv.calls() == []


def test_only_what_changed_is_done(with_uv: Checkout) -> None:
    with_uv.setup()
    with_uv.calls()
    (with_uv.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert with_uv.setup().returncode == 0
    assert with_uv.calls() == ["pip editable"]
    (with_uv.root / "requirements/dev.txt").write_text("other pins\n")
    assert with_uv.setup().returncode == 0
    assert with_uv.calls() == ALL_STEPS


def test_a_failed_install_leaves_no_stamp(with_uv: Checkout) -> None:
    with_uv.setup()
    with_uv.calls()
    (with_uv.root / "requirements/dev.txt").write_text("other pins\n")
    (with_uv.root / "broken").touch()
    failed = with_uv.setup()
    assert failed.returncode == 1
    assert "requirements/dev.txt could not be installed" in failed.stderr
    assert list((with_uv.root / ".venv").glob(".stamp-*")) == []
    (with_uv.root / "broken").unlink()
    with_uv.calls()
    assert with_uv.setup().returncode == 0
    assert with_uv.calls() == ALL_STEPS


def test_a_moved_folder_and_a_dead_interpreter_are_set_up_again(with_uv: Checkout) -> None:
    with_uv.setup()
    with_uv.calls()
    with_uv.root = with_uv.root.rename(with_uv.root.with_name("moved checkout"))
    assert with_uv.setup().returncode == 0
    assert with_uv.calls() == ALL_STEPS
    (with_uv.root / ".venv/bin/python").unlink()
    (with_uv.root / ".venv/bin/python").symlink_to("/nonexistent/python3.13")
    assert with_uv.setup().returncode == 0
    assert with_uv.calls() == ALL_STEPS


def test_a_lock_whose_owner_is_gone_is_taken_over(with_uv: Checkout) -> None:
    gone = subprocess.Popen([str(with_uv.bin / "sh"), "-c", "exit 0"])
    gone.wait()
    (with_uv.root / ".cache").mkdir()
    (with_uv.root / ".cache/setup.lock").symlink_to(str(gone.pid))
    done = with_uv.setup()
    assert done.returncode == 0, done.stderr
    assert not (with_uv.root / ".cache/setup.lock").is_symlink()
