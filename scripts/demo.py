"""`make demo`: the main job on the examples, by the commands a user would type, ending in a table.

Each example is worked twice: from its log alone, which is printed, and from its notable with the log, of
which the table shows the outcome. Then one address of them is explained, and the first example is worked once
more as at work: the notable from a Splunk, the process from a Defender, the outcome written back.

Nothing leaves this machine: the commands get no key and no settings of the user's, so that only lists on this
machine are read; Splunk and Defender are stand-ins on 127.0.0.1 (scripts/demo_servers.py).
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scripts.demo_servers import standins

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).with_name("regsvcs-response")

EXAMPLES = (
    ("stealer", "examples/stealer/sysmon.xml"),
    ("installer", "examples/installer/sysmon.ndjson"),
    ("local-only", "examples/local-only/sysmon.ndjson"),
)


#: Added to the environment of a command by default.
NOTHING: Mapping[str, str] = {}


class Outcome(NamedTuple):
    """One line of the closing table."""

    example: str
    source: str
    raised: str
    verdict: str
    score: str
    isolation: str
    report: str


class Peer(NamedTuple):
    """One line of the table of addresses."""

    address: str
    serves_as: str
    reputation: str


#: The address whose look-up is explained: Telegram's, from the first example.
EXPLAINED = "149.154.167.220"

#: `reputation` ends so when no source gave a usable answer, as without keys.
NO_USABLE_ANSWER = 1

#: Keys and the settings file are named by variables of this prefix.
OUR_VARIABLES = "REGSVCS_RESPONSE_"


def offline() -> dict[str, str]:
    """The environment of the commands: without keys and settings, so that they send nothing to anyone."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(OUR_VARIABLES)}


def shown(*arguments: str, may_end: tuple[int, ...] = (0,)) -> None:
    """Run a command of ours and show it with its output.

    Raises:
        SystemExit: it ended otherwise than it may.
    """
    sys.stdout.write(f"\n$ regsvcs-response {shlex.join(arguments)}\n")
    sys.stdout.flush()
    done = subprocess.run([COMMAND, *arguments], cwd=ROOT, check=False, env=offline())
    if done.returncode not in may_end:
        sys.exit(done.returncode)


def document(*arguments: str, more: Mapping[str, str] = NOTHING) -> dict[str, Any]:
    """Run a command with --json and read its document.

    Args:
        arguments: of the command.
        more: added to its environment.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        [COMMAND, *arguments, "--json"],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        env={**offline(), **more},
    )
    if done.returncode:
        sys.exit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def outcomes(example: str, source: str, out: str, found: dict[str, Any]) -> list[Outcome]:
    """The cases of one run; one line without a case where nothing was raised."""
    raised = "given"
    if source == "log":
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
            str(case["risk"]["case_verdict"]).replace("_", " "),
            f"{case['risk']['score']:.0f}",
            str(case["decision"]["verdict"]),
            f"{out}/{case['case_id']}.md",
        )
        for case in found["cases"]
    ]


def peers(found: dict[str, Any]) -> list[Peer]:
    """The addresses of the cases of one run, what each serves as, and its verdict."""
    return [
        Peer(
            str(each["ip"]),
            ", ".join(dict.fromkeys(str(role["label"]) for role in each["roles"])) or "-",
            _reputation(each),
        )
        for case in found["cases"]
        for each in case["facts"]["destinations"]
    ]


def _reputation(destination: dict[str, Any]) -> str:
    """The verdict; of an address that is not public there is none."""
    verdict = str(destination["verdict"])
    if verdict == "undetermined" and not destination["check"]["public"]:
        return "not public, nobody was asked"
    return verdict.replace("_", " ")


def table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Write rows below their heading, after an empty line."""
    lines = [heading, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    sys.stdout.write("\n")
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(text.rstrip() + "\n")


def at_work() -> list[Outcome]:
    """The first example as at work, and what was written back to Splunk."""
    name = EXAMPLES[0][0]
    with standins(ROOT / "examples" / name) as at:
        arguments = ("run", "--event-id", at.event_id, "--edr", "defender", "--write-back")
        sys.stdout.write(
            f"\nThe {name} example, just raised, from stand-ins for Splunk and Defender on 127.0.0.1\n"
            f"$ regsvcs-response {shlex.join(arguments)} --config settings.toml\n"
        )
        sys.stdout.write(
            "settings.toml, whose addresses are those of the stand-ins; name your own at work:\n"
        )
        for line in at.config.read_text(encoding="utf-8").splitlines():
            sys.stdout.write(f"  {line}\n".replace("  \n", "\n"))
        sys.stdout.write(
            f"secrets, in the environment or in a file that NAME_FILE names: {', '.join(at.environ)}\n"
        )
        sys.stdout.flush()
        out = f"out/demo/{name}-at-work"
        given = (*arguments, "--config", str(at.config), "--out", out)
        found = document(*given, more=at.environ)
        (case,) = found["cases"]
        for step in case["steps"]:
            sys.stdout.write(f"  {'done  ' if step['ok'] else 'no    '}{step['step']}: {step['detail']}\n")
        sys.stdout.write("Splunk now has\n")
        for line in at.written():
            sys.stdout.write(f"  {line}\n")
    return outcomes(name, "Splunk, Defender", out, found)


def main() -> int:
    """Work all examples."""
    rows: list[Outcome] = []
    addresses: dict[Peer, None] = {}
    for name, log in EXAMPLES:
        shown("run", "--sysmon", log)
        notable = f"examples/{name}/notable.json"
        for source, arguments in (
            ("log", ("run", "--sysmon", log)),
            ("notable", ("run", "--notable", notable, "--sysmon", log)),
        ):
            out = f"out/demo/{name}"
            found = document(*arguments, "--out", out)
            rows += outcomes(name, source, out, found)
            addresses.update(dict.fromkeys(peers(found)))
    shown("reputation", EXPLAINED, "--explain", may_end=(0, NO_USABLE_ANSWER))
    rows += at_work()
    table(("example", "from", "raised", "verdict", "score", "isolate", "report"), rows)
    table(("address", "serves as", "reputation"), addresses)
    sys.stdout.write(
        "\nNo third party was asked: these commands were given no key. Only lists on this machine were"
        " read;\nregsvcs-response doctor says which sources there are and what each of them needs.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
