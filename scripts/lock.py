"""`make lock`: pins the requirement files again, by hash and for every platform, from pyproject.toml.

Needs uv, on the PATH or in .venv. The index is the one uv is configured for; its name is not written.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from scripts.check_requirements import HEADER, REQUIREMENTS, ROOT

UV_OPTIONS = (
    "--quiet",
    "--universal",
    "--python-version=3.13",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-annotate",
    "--no-header",
    "--upgrade",
)


def compile_requirements(uv: str, extras: tuple[str, ...], constraint: Path | None) -> str:
    """The text of one requirement file.

    Args:
        uv: path of the uv executable.
        extras: extras of the project to include.
        constraint: a requirement file whose versions hold here too.

    Raises:
        subprocess.CalledProcessError: uv could not resolve; it has said why on stderr.
    """
    command = [uv, "pip", "compile", "pyproject.toml", *UV_OPTIONS]
    command += [f"--extra={extra}" for extra in extras]
    if constraint is not None:
        command += ["--constraint", str(constraint)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return HEADER + done.stdout


def main() -> int:
    """Write every file of REQUIREMENTS."""
    in_venv = ROOT / ".venv/bin/uv"
    uv = shutil.which("uv") or (str(in_venv) if in_venv.exists() else None)
    if uv is None:
        print("make lock needs uv, which is not on the PATH: install it and run make again.", file=sys.stderr)
        return 1
    constraint = None
    # The file with the most extras is resolved freely; its versions hold in the others.
    for name, extras in sorted(REQUIREMENTS.items(), key=lambda each: -len(each[1])):
        path = ROOT / "requirements" / name
        try:
            text = compile_requirements(uv, extras, constraint)
        except subprocess.CalledProcessError as exc:
            print(f"uv could not resolve {name}; nothing was written for it.", file=sys.stderr)
            return exc.returncode
        path.write_text(text, encoding="utf-8")
        print(f"wrote requirements/{name}")
        constraint = constraint or path
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
