"""`deploy-detection`: our clone of the analytic's saved search in Splunk; the difference first."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from connectors.http.deadline import Deadline
from connectors.siem.splunk.saved_search import (
    Change,
    Difference,
    Installed,
    checked_name,
    cut_text,
    installed_text,
    shown,
)
from playbooks.detection_deployment import detection_of, saved_search_name
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.terminal_output import PLAIN_WIDTH, chosen_profiles, note, write, write_json
from playbooks.report.display import visible
from playbooks.settings import load_settings
from playbooks.siem import splunk_of, told_with_remedy

#: Version of the JSON document; see playbooks/case.py.
SCHEMA_VERSION = "1.0"

#: The generation of a saved search whose text is of none.
UNKNOWN = "unknown"

#: Before a pipe between commands; one within a word or a pattern has no blanks. A run of blanks is looked at
#: once, from its first.
_PIPE = re.compile(r"(?<! )[ ]++(?=\| )")


def run(
    *,
    profile: str,
    name: str,
    generation: int | None,
    apply: bool,
    with_es: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Print the difference; with `apply` write exactly that, disabled.

    Raises:
        InputError: the profile, the name, the generation or a setting is wrong.
        ConnectorError: Splunk does not answer or refuses.
        Conflict: the saved search has changed since the difference was made, or is newer or of no known
            generation; nothing was written.
    """
    settings = load_settings(config)
    (chosen,) = chosen_profiles([profile])
    detection = detection_of(chosen, enterprise_security=with_es, generation=generation)
    own = checked_name(name or saved_search_name(chosen))
    with warnings_as_notes(), splunk_of(settings, os.environ, on_rejected=lambda _: None) as siem:
        deadline_s = settings.splunk.deadline_s if settings.splunk else 0.0
        saved = siem.saved_searches
        with told_with_remedy():
            planned = saved.plan(own, detection, deadline=Deadline.after(deadline_s))
            installed = saved.installed(detection, deadline=Deadline.after(deadline_s))
            if not as_json:
                text = f"{shown(planned)}\n{installed_text(installed)}"
                lines = [part for line in text.split("\n") for part in _at_pipes(line)]
                write("\n".join(visible(line, keep_blanks=True) for line in lines))
            if apply:
                saved.apply(planned, detection, deadline=Deadline.after(deadline_s))
    written = apply and bool(planned.changes)
    if as_json:
        write_json(_document(planned, installed, generation=detection.generation.number, written=written))
    note(_outcome(planned, written=written))


def _at_pipes(line: str) -> list[str]:
    """A long line broken before each pipe of its search, for reading: what is written has no such breaks."""
    if len(line) <= PLAIN_WIDTH:
        return [line]
    first, *others = _PIPE.split(line)
    return [first, *(f"    {each}" for each in others)]


def _document(
    planned: Difference, installed: Installed, *, generation: int, written: bool
) -> dict[str, object]:
    """The run as JSON. A generation is a number, "unknown" where the text is of none, null without one."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": planned.name,
        "exists": planned.exists,
        "enabled": planned.enabled,
        "changes": _changes(planned.changes),
        "written": written,
        "generation": generation,
        "existing_generation": _numbered(planned.generation, exists=planned.exists),
        "refused": planned.refused,
        "installed_name": installed.name,
        "installed_generation": _numbered(installed.recognised.generation, exists=installed.exists),
        "installed_version": installed.version,
        "installed_enabled": installed.enabled,
        "installed_changes": _changes(installed.changes),
    }


def _changes(changes: Sequence[Change]) -> list[dict[str, object]]:
    return [
        each._replace(before=None if each.before is None else cut_text(each.before))._asdict()
        for each in changes
    ]


def _numbered(generation: int | None, *, exists: bool) -> int | str | None:
    return (UNKNOWN if generation is None else generation) if exists else None


def _outcome(planned: Difference, *, written: bool) -> str:
    if written:
        return "written, disabled: switching it on is done in Splunk"
    if planned.refused:
        return f"nothing was written, and --apply writes nothing: {planned.refused}; give another --name"
    if planned.changes:
        return "nothing was written; --apply writes what is shown"
    return "nothing was written: the saved search is as it should be"
