"""Draws docs/images/report.svg: the head of the stealer example's report, as a terminal shows it."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from actions.detection import Semantics
from actions.organisation_ranges import NONE
from actions.profile_catalog import shipped_profiles
from playbooks.logs import read_logs
from playbooks.report import terminal
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import InProcess

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs/images/report.svg"
WIDTH = 104

#: Where the picture ends: the analyst's first screen.
LAST_HEADING = "  found as well"


def main() -> None:
    """Draw the picture; the same examples give the same bytes."""
    profiles = shipped_profiles()
    log = read_logs(
        [ROOT / "examples/stealer/sysmon.xml"], profiles, semantics=Semantics.STRICT, organisation=NONE
    )
    (report,) = respond(
        InProcess(),
        [alert.notable for alert in log.detection.raised],
        edr=log.edr,
        profiles=profiles,
        settings=Settings(),
        clock=lambda: datetime(2026, 9, 24, 8, 0, tzinfo=UTC),
    )
    text = terminal.render(report, width=WIDTH, color=True, unicode=True)
    shown = text.partition(LAST_HEADING)[0].replace(f"{ROOT}/", "").rstrip() + "\x1b[0m"
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown))
    svg = console.export_svg(title="regsvcs-response run --sysmon examples/stealer/sysmon.xml")
    # The exported style loads its font from a content network: a picture loads nothing.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
