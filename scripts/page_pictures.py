"""Takes the pictures of docs/images: the stealer example's case page, light and dark, and its SOAR widget.

Needs Chromium (or Chrome) on the path; everything else, the SOAR SDK's templates included, is in the
development environment. Fonts are the machine's, so another machine gives other bytes.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from soar_sdk.views.template_renderer import get_template_renderer

from actions.detection import Semantics
from actions.organisation_ranges import NONE
from actions.profile_catalog import shipped_profiles
from playbooks.case import CaseReport
from playbooks.logs import read_logs
from playbooks.report import case_page, html, widgets
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import InProcess

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs/images"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_PAGE_SIZE = (1280, 1300)
_WIDGET_SIZE = (640, 1268)
#: Largest picture that is kept, bytes.
_LIMIT = 350_000
#: Stands for the platform's own style around a widget.
_SHELL = (
    "<!DOCTYPE html><meta charset='utf-8'><style>body{margin:0;background:#fff;color:#222}"
    ".widget-title-text{display:block;padding:10px 14px;border-bottom:1px solid #d8dde3;"
    "font:600 13px Arial,'Liberation Sans',sans-serif}.tools,.pull-left{display:none}</style>"
)


def main() -> None:
    """Take all pictures."""
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit("Chromium is not installed; the pictures were left as they are")
    report = _report()
    widget = get_template_renderer("jinja", str(html.TEMPLATES)).render_template(
        "widget_case.html", {"container": 1, "app": 1, **widgets.case_widget([report])}
    )
    page = case_page.render(report)
    for name, text, size, dark in (
        ("case-page-light", page, _PAGE_SIZE, False),
        ("case-page-dark", page, _PAGE_SIZE, True),
        ("widget", _SHELL + widget, _WIDGET_SIZE, False),
    ):
        picture = _taken(browser, text, size, dark=dark)
        if len(picture) > _LIMIT:
            sys.exit(f"{name}.png has {len(picture)} bytes, more than {_LIMIT}")
        (TARGET / f"{name}.png").write_bytes(picture)
        print(f"{name}.png: {len(picture)} bytes")


def _report() -> CaseReport:
    profiles = shipped_profiles()
    with contextlib.chdir(ROOT):
        log = read_logs(
            [Path("examples/stealer/sysmon.xml")], profiles, semantics=Semantics.STRICT, organisation=NONE
        )
    (report,) = respond(
        InProcess(),
        [alert.notable for alert in log.detection.raised],
        edr=log.edr,
        profiles=profiles,
        settings=Settings(),
        clock=lambda: datetime(2026, 9, 24, 8, 0, tzinfo=UTC),
    )
    return report


def _taken(browser: str, text: str, size: tuple[int, int], *, dark: bool) -> bytes:
    """A screenshot of a page, PNG."""
    with tempfile.TemporaryDirectory() as folder:
        file, picture = Path(folder) / "page.html", Path(folder) / "page.png"
        file.write_text(text, encoding="utf-8")
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--hide-scrollbars", f"--user-data-dir={folder}/profile",
                f"--blink-settings=preferredColorScheme={0 if dark else 1}",
                f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}", file.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )  # fmt: skip
        return picture.read_bytes()


if __name__ == "__main__":
    main()
