"""Writes the playbooks for the visual editor, each a .py and a .json of one name, from one description.

python -m scripts.playbook_pairs            write playbooks/splunk_soar/
python -m scripts.playbook_pairs --check    exit 1 when a file there is not what would be written
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.playbooks.code import python
from scripts.playbooks.document import document
from scripts.playbooks.network_connection import NETWORK_CONNECTION
from scripts.playbooks.reenrich import REENRICH

FOLDER = Path(__file__).resolve().parent.parent / "playbooks/splunk_soar"

PLAYBOOKS = (NETWORK_CONNECTION, REENRICH)


def files() -> Iterator[tuple[str, str]]:
    """Name and text of every file."""
    for playbook in PLAYBOOKS:
        code = python(playbook)
        yield f"{playbook.name}.py", code
        yield f"{playbook.name}.json", json.dumps(document(playbook, code), indent=4) + "\n"


def drifted(folder: Path) -> list[str]:
    """The names of the files in a folder that are missing, differ, or belong to no playbook."""
    wanted = dict(files())
    present = {path.name for path in folder.glob("*.*")} - {"__init__.py"}
    return sorted(
        name
        for name in wanted.keys() | present
        if name not in wanted
        or name not in present
        or (folder / name).read_text(encoding="utf-8") != wanted[name]
    )


def main(arguments: list[str]) -> int:
    """Write the files, or with --check only compare them."""
    if arguments == ["--check"]:
        names = drifted(FOLDER)
        for name in names:
            print(f"{name}: not what scripts/playbooks describes; run python -m scripts.playbook_pairs")
        return 1 if names else 0
    if arguments:
        print("usage: python -m scripts.playbook_pairs [--check]", file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
