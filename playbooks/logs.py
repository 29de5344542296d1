"""Sysmon logs read once: what they raise, and the telemetry for the cases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from actions.detect import DETECTION_EVENTS, Detector
from actions.detection import Detection, Semantics
from actions.organisation_ranges import OrganisationRanges
from actions.profile import Profile
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.disk import path_label
from connectors.edr.sysmon_file.event import ReadProblem, ReadReport
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.repeats import each_once
from connectors.edr.sysmon_file.store import CASE_EVENTS, SysmonStore
from connectors.edr.sysmon_file.sysmon_names import SYSMON_CHANNEL
from connectors.errors import ConfigError, LogUnreadable, NotableError
from connectors.siem.notable import parse_notables
from connectors.siem.notable_input import MAX_INPUT
from playbooks.settings import Settings

#: Files given as logs that are looked into for notables, where they are no logs.
LOOKED_INTO = 20


class LogRun(NamedTuple):
    """What one reading of the logs gave."""

    detection: Detection
    edr: SysmonFileEdr
    report: ReadReport


def detect_in_logs(
    paths: Sequence[Path],
    profiles: Sequence[Profile],
    *,
    semantics: Semantics,
    organisation: OrganisationRanges,
    progress: Callable[[int], None] | None = None,
) -> tuple[Detection, ReadReport]:
    """Only the detection; memory does not grow with the logs.

    Raises:
        LogUnreadable: a path cannot be read at all.
        ConfigError: two profiles claim one process name.
    """
    detector = Detector(distinct(profiles), semantics=semantics, organisation=organisation)
    report = ReadReport()
    detector.feed(each_once(read_events(paths, DETECTION_EVENTS, report, progress=progress), report))
    return detector.finish(), report


def read_logs(
    paths: Sequence[Path],
    profiles: Sequence[Profile],
    *,
    semantics: Semantics,
    organisation: OrganisationRanges,
    watched: Sequence[str] = (),
    guids: Collection[str] = (),
    progress: Callable[[int], None] | None = None,
) -> LogRun:
    """Detection and telemetry in one reading.

    Args:
        paths: files or folders.
        profiles: what to detect; their processes' evidence is kept.
        semantics: which reading of the analytic raises.
        organisation: the organisation's own ranges.
        watched: further process names whose evidence is kept.
        guids: ProcessGuids, as Notable.process_guids has them, of further processes whose evidence is kept.
        progress: told the bytes read since the last call.

    Raises:
        LogUnreadable: a path cannot be read at all.
        ConfigError: two profiles claim one process name.
    """
    detector = Detector(distinct(profiles), semantics=semantics, organisation=organisation)
    names = [name for profile in profiles for name in profile.process_names]
    store = SysmonStore([*names, *watched], guids)
    report = ReadReport()
    for event in each_once(read_events(paths, CASE_EVENTS, report, progress=progress), report):
        detector.take(event)
        store.add(event)
    return LogRun(detector.finish(), SysmonFileEdr(store, report), report)


def check_something_was_read(report: ReadReport) -> None:
    """A log without one Sysmon event is none: nothing found in it must not look like an answer.

    Raises:
        LogUnreadable: there is no Sysmon event in all that was read.
    """
    if report.sysmon_events:
        return
    if report.problem_count:
        raise LogUnreadable(
            "log",
            f"no Sysmon event could be read (problems: {report.problem_count})",
            "See the first of them above",
        )
    first, *others = report.without_sysmon or [ReadProblem("log", None, "holds no event")]
    more = f"; nor do {len(others)} others hold one" if others else ""
    raise LogUnreadable(first.source, first.reason + more, f"Give the log of the channel {SYSMON_CHANNEL}")


def holds_notables(path: Path, settings: Settings) -> bool:
    """Whether a file that is no log holds notables; False where it cannot be looked at or is too large."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_INPUT:
            return False
        with path.open("rb") as file:
            return bool(parse_notables(file.read(MAX_INPUT + 1), settings=settings.notable).notables)
    except (OSError, NotableError):
        return False


def notables_among(paths: Sequence[Path], report: ReadReport, settings: Settings) -> tuple[str, ...]:
    """Of the files given as logs that are none: those that hold notables."""
    none = {each.source for each in report.problems if each.record is None}
    files = [path for path in dict.fromkeys(paths) if path_label(path) in none][:LOOKED_INTO]
    return tuple(path_label(path) for path in files if holds_notables(path, settings))


def distinct(profiles: Sequence[Profile]) -> Sequence[Profile]:
    """The profiles, checked: a process name may stand in one of them only.

    Raises:
        ConfigError: it stands in two.
    """
    owner: dict[str, str] = {}
    for profile in profiles:
        for name in profile.process_names:
            other = owner.setdefault(name.lower(), profile.name)
            if other != profile.name:
                raise ConfigError(
                    "process_names",
                    f"{name!r} stands in the profiles {other!r} and {profile.name!r}",
                    "Name it in one of them",
                )
    return profiles
