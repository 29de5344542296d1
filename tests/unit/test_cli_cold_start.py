"""What is loaded before a command does its work: no vendor for the help, no renderer for the settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Each takes tens of milliseconds to load, or is a vendor's.
HEAVY = (
    *("requests", "urllib3", "tenacity", "requests_cache", "falconpy", "msal", "evtx"),
    *("jinja2", "playbooks.report", "connectors.siem.splunk", "connectors.edr"),
)


def loaded_by(code: str) -> set[str]:
    tail = "finally:\n import sys; sys.stderr.write('\\nLOADED ' + ' '.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", f"try:\n {code}\n{tail}"], capture_output=True, text=True, check=False
    )
    return set(run.stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize("command", [[], ["run"], ["deploy-detection"], ["lineage"]])
def test_help_loads_no_vendor_and_no_renderer(command: list[str]) -> None:
    argv = ["regsvcs-response", *command, "--help"]
    loaded = loaded_by(f"import sys; sys.argv = {argv!r}; from playbooks.hosts.cli import main; main()")
    assert "playbooks.hosts.cli" in loaded
    assert [each for each in HEAVY if each in loaded] == []


#: What draws a report or writes one down.
RENDERERS = tuple(
    f"playbooks.report.{each}"
    for each in ("terminal", "markdown", "html", "case_page", "notable_comment", "view")
)


def test_settings_load_no_renderer_and_no_connector() -> None:
    loaded = loaded_by("import playbooks.settings")
    assert "playbooks.write_back_settings" in loaded
    vendors = ("requests", "tenacity", "falconpy", "msal", "evtx", "jinja2", "rich")
    connectors = ("connectors.siem.splunk.connector", "connectors.edr.defender.connector")
    assert [each for each in (*RENDERERS, *vendors, *connectors) if each in loaded] == []
