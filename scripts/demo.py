"""`make demo`: the main job on the examples, by the commands a user would type, ending in a table.

Each example is worked twice: from its log alone, which is printed, and from its notable with the log, of
which the table shows the outcome.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).with_name("regsvcs-response")

EXAMPLES = (
    ("stealer", "examples/stealer/sysmon.xml"),
    ("installer", "examples/installer/sysmon.ndjson"),
    ("local-only", "examples/local-only/sysmon.ndjson"),
)


class Outcome(NamedTuple):
    """One line of the closing table."""

    example: str
    source: str
    raised: str
    verdict: str
    score: str
    isolation: str
    report: str


def shown(*arguments: str) -> None:
    """Run a command and show it with its output.

    Raises:
        SystemExit: it failed.
    """
    sys.stdout.write(f"\n$ regsvcs-response {shlex.join(arguments)}\n")
    sys.stdout.flush()
    done = subprocess.run([COMMAND, *arguments], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def document(*arguments: str) -> dict[str, Any]:
    """Run a command with --json and read its document.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run([COMMAND, *arguments, "--json"], cwd=ROOT, check=False, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def outcomes(example: str, source: str, out: str, *arguments: str) -> list[Outcome]:
    """The cases of one run, written to `out`; one line without a case where nothing was raised."""
    found = document(*arguments, "--out", out)
    raised = "given"
    if "--notable" not in arguments:
        detection = found["detection"]
        yes, no = len(detection["notables"]), len(detection["not_raised"])
        raised = f"{yes} of {yes + no}"
    if not found["cases"]:
        return [Outcome(example, source, raised, "not raised by strict", "-", "-", "-")]
    return [
        Outcome(
            example,
            source,
            raised,
            str(case["risk"]["case_verdict"]),
            f"{case['risk']['score']:.0f}",
            str(case["decision"]["verdict"]),
            f"{out}/{case['case_id']}.md",
        )
        for case in found["cases"]
    ]


def main() -> int:
    """Work all examples."""
    rows: list[Outcome] = []
    for name, log in EXAMPLES:
        shown("run", "--sysmon", log)
        rows += outcomes(name, "log", f"out/demo/{name}", "run", "--sysmon", log)
        notable = f"examples/{name}/notable.json"
        rows += outcomes(name, "notable", f"out/demo/{name}", "run", "--notable", notable, "--sysmon", log)
    heading = Outcome("example", "from", "raised", "verdict", "score", "isolate", "report")
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    sys.stdout.write("\n")
    for row in (heading, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
