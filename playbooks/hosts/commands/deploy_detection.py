"""`deploy-detection`: the analytic's saved search in Splunk; the difference first, written when asked."""

from __future__ import annotations

import os
import re
from pathlib import Path

from connectors.http.deadline import Deadline
from connectors.siem.splunk.saved_search import Difference, shown, wanted_settings
from playbooks.detection_deployment import detection_of, saved_search_name
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.terminal_output import PLAIN_WIDTH, chosen_profiles, note, write, write_json
from playbooks.report.display import visible
from playbooks.settings import load_settings
from playbooks.siem import splunk_of, told_with_remedy

#: Version of the JSON document; see playbooks/case.py.
SCHEMA_VERSION = "1.0"

#: Before a pipe between commands; one within a word or a pattern has no blanks.
_PIPE = re.compile(r"[ ]+(?=\| )")


def run(*, profile: str, name: str, apply: bool, with_es: bool, config: Path | None, as_json: bool) -> None:
    """Print the difference; with `apply` write exactly that, disabled.

    Raises:
        InputError: the profile or a setting is wrong.
        ConnectorError: Splunk does not answer or refuses.
        Conflict: the saved search has changed since the difference was made; nothing was written.
    """
    settings = load_settings(config)
    (chosen,) = chosen_profiles([profile])
    with warnings_as_notes(), splunk_of(settings, os.environ, on_rejected=lambda _: None) as siem:
        deadline_s = settings.splunk.deadline_s if settings.splunk else 0.0
        wanted = wanted_settings(detection_of(chosen, enterprise_security=with_es))
        saved = siem.saved_searches
        with told_with_remedy():
            planned = saved.plan(
                name or saved_search_name(chosen), wanted, deadline=Deadline.after(deadline_s)
            )
            if not as_json:
                lines = [part for line in shown(planned).split("\n") for part in _at_pipes(line)]
                write("\n".join(visible(line, keep_blanks=True) for line in lines))
            if apply:
                saved.apply(planned, wanted, deadline=Deadline.after(deadline_s))
    written = apply and bool(planned.changes)
    if as_json:
        write_json(_document(planned, written=written))
    note(_outcome(planned, written=written))


def _at_pipes(line: str) -> list[str]:
    """A long line broken before each pipe of its search, for reading: what is written has no such breaks."""
    if len(line) <= PLAIN_WIDTH:
        return [line]
    first, *others = _PIPE.split(line)
    return [first, *(f"    {each}" for each in others)]


def _document(planned: Difference, *, written: bool) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "name": planned.name,
        "exists": planned.exists,
        "enabled": planned.enabled,
        "changes": [each._asdict() for each in planned.changes],
        "written": written,
    }


def _outcome(planned: Difference, *, written: bool) -> str:
    if written:
        return "written, disabled: switching it on is done in Splunk"
    if planned.changes:
        return "nothing was written; --apply writes what is shown"
    return "nothing was written: the saved search is as it should be"
