"""The Sysmon logs that a command was given: whether they are notables, which go in by another option."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from connectors.edr.sysmon_file.disk import path_label
from connectors.edr.sysmon_file.event import ReadReport
from connectors.errors import LogUnreadable
from playbooks.hosts.terminal_output import note, tell_problems
from playbooks.logs import holds_notables, notables_among
from playbooks.settings import Settings

#: What to do about it, for `run` itself and for the commands that take logs alone.
OF_RUN = "Give it with --notable"
OF_OTHERS = "Give it to `run`, with --notable"


@contextmanager
def naming_notables(logs: Sequence[Path], settings: Settings, remedy: str) -> Iterator[None]:
    """Around the reading of logs: where one is refused because it holds notables, that is what is said.

    Raises:
        LogUnreadable: as the reading does.
    """
    try:
        yield
    except LogUnreadable as error:
        refused = [path for path in logs if path_label(path) == error.field]
        if refused and holds_notables(refused[0], settings):
            raise LogUnreadable(error.field, "holds notables, and is no Sysmon log", remedy) from error
        raise


def tell_of_logs(report: ReadReport, logs: Sequence[Path], settings: Settings, remedy: str) -> None:
    """Say on stderr what could not be read, and which of it are notables."""
    tell_problems(report)
    for each in notables_among(logs, report, settings):
        note(f"{each} holds notables, and is no Sysmon log. {remedy}")
