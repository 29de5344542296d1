"""`detect`: the analytic over Sysmon logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playbooks.hosts.given_logs import OF_OTHERS, naming_notables, tell_of_logs
from playbooks.hosts.terminal_output import (
    chosen_profiles,
    chosen_semantics,
    progress,
    write,
    write_json,
)
from playbooks.logs import check_something_was_read, detect_in_logs
from playbooks.report.detection import as_document, as_text
from playbooks.settings import load_settings


def run(
    *, logs: Sequence[Path], profiles: Sequence[str], semantics: str, config: Path | None, as_json: bool
) -> None:
    """Print what the analytic raises, and what it does not raise and why.

    Raises:
        InputError: a path, profile or setting is wrong.
    """
    settings = load_settings(config)
    with naming_notables(logs, settings, OF_OTHERS), progress(logs) as advance:
        detection, report = detect_in_logs(
            logs,
            chosen_profiles(profiles),
            semantics=chosen_semantics(semantics),
            organisation=settings.organisation_ranges,
            progress=advance,
        )
    tell_of_logs(report, logs, settings, OF_OTHERS)
    if as_json:
        document = as_document(detection, report)
        write_json(document)
    else:
        write(as_text(detection, report))
    check_something_was_read(report)
