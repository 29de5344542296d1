"""What must not go into a package: files that lie in the tree by chance, and contents that are private.

Whatever lies in a packaged folder would reach every SOAR that installs the app: an editor's backup, a link
to a file of this machine, a module that was never committed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from scripts.soar.stage import LAYERS, TEMPLATES, app_sources, is_left_out, playbook_sources
from scripts.soar.wheels import PackageError

_FORBIDDEN_NAME = re.compile(
    r"(^|/)(tests?|\.[^/]*|__pycache__|conftest\.py|test_[^/]*|[^/]*_test\.py|id_(rsa|ed25519)[^/]*)(/|$)"
    r"|\.(pyc|pyo|pem|key|p12|pfx|env|log|evtx)$"
)
_SECRETS = (
    re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY"),
    re.compile(rb"://[^/\s:@'\"{}<>]+:[^/\s:@'\"{}<>]+@"),
    # Keys of AWS and tokens of GitHub, by the prefixes that both document.
    re.compile(rb"\b(?:A[KS]IA[0-9A-Z]{16}|gh[opsur]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z]{22}_)"),
)
#: They would lead git away from the folder it is asked about; git sets them where it runs a hook.
_GIT_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def unfit_sources(root: Path) -> list[str]:
    """One sentence for each file of the tree that stands in the way of a package: empty when none does.

    Args:
        root: a git checkout, or an unpacked source archive, where there is no git to ask.

    Raises:
        PackageError: git could not say which files it tracks.
        ValueError: see `stage.playbook_sources`.
    """
    sources = {*app_sources(root).values(), *playbook_sources(root).values()}
    lying = {path.relative_to(root).as_posix() for layer in LAYERS for path in (root / layer).rglob("*")}
    templates = {name for name in lying if name.startswith(f"{TEMPLATES}/")}
    # A link to a folder is not followed, so what it would bring is in no list; it is named itself.
    packaged = {name for name in lying if not is_left_out(name)} | templates | sources
    on_the_way = {parent.as_posix() for name in sources for parent in PurePosixPath(name).parents}
    links = {name for name in packaged | on_the_way if (root / name).is_symlink()} - {"."}
    strays = {name for name in templates - links if (root / name).is_file() and not name.endswith(".html")}
    tracked = tracked_files(root)
    untracked = set() if tracked is None else sources - tracked - links
    return sorted(
        [f"{name}: is a symbolic link; put the file itself there, or remove it" for name in links]
        + [f"{name}: is no *.html; move it out of {TEMPLATES}, or remove it" for name in strays]
        + [f"{name}: is not tracked by git; `git add` it, or remove it" for name in untracked]
    )


def tracked_files(root: Path) -> set[str] | None:
    """Paths of the files git tracks; None where `root` is no git checkout of its own.

    Raises:
        PackageError: git is not there, or refused; it has said why on stderr.
    """
    if not (root / ".git").exists():
        return None
    environment = {name: value for name, value in os.environ.items() if name not in _GIT_PLACES}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z"],  # noqa: S607  the user's git, as make finds it
            check=True,
            env=environment,
            stdout=subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise PackageError("Packaging a git checkout needs git, which is not on the PATH.") from error
    except subprocess.CalledProcessError as error:
        raise PackageError("git could not list the files it tracks (its reason is above).") from error
    return set(os.fsdecode(done.stdout).split("\0")) - {""}


def private_contents(files: Mapping[str, bytes], private_paths: Iterable[Path]) -> list[str]:
    """One sentence for each file that must not leave this machine: empty when all may.

    Args:
        files: path in the archive -> content, without other people's wheels.
        private_paths: folders of this machine that no file may name, such as the checkout and the home.
    """
    # A folder right under the root, such as /root or /app, may be named by chance.
    needles = [str(path).encode() for path in private_paths if len(path.parts) > 2]
    found = []
    for name, content in sorted(files.items()):
        if _FORBIDDEN_NAME.search(name):
            found.append(f"{name}: a file of this kind is not packaged")
        elif any(needle in content for needle in needles):
            found.append(f"{name}: holds a path of this machine")
        elif any(pattern.search(content) for pattern in _SECRETS):
            found.append(f"{name}: holds what looks like a secret")
    return found
