"""`doctor`: whether what is configured works, and what is missing for what is not."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.facts.health import HealthState
from playbooks.hosts.commands.aligned import aligned
from playbooks.hosts.commands.doctor_checks import examine, title_of
from playbooks.hosts.commands.doctor_finding import Finding
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.hosts.terminal_output import write, write_json

#: Version of the JSON document; see playbooks/case.py.
SCHEMA_VERSION = "1.0"

_STATE = {
    HealthState.OK: "ok",
    HealthState.NOT_CONFIGURED: "not configured",
    HealthState.FAILED: "failed",
}


def run(*, config: Path | None, as_json: bool) -> None:
    """Check everything and print it.

    Raises:
        SystemExit: 1 after all was printed, when something that is configured fails.
    """
    with warnings_as_notes():
        found = examine(config, os.environ)
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                "checks": [each.model_dump(mode="json") for each in found],
            }
        )
    else:
        rows = [(title_of(each), each.area.value, _STATE[each.state]) for each in found]
        write(aligned(("what", "kind", "state"), rows, below=[_below(each) for each in found]))
    if any(each.state is HealthState.FAILED for each in found):
        raise SystemExit(EXIT_FAILED)


def _below(finding: Finding) -> str:
    return f"{finding.detail.rstrip('.')}. {finding.remedy}".rstrip(". ") + "."
