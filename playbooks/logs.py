"""Sysmon logs read once: what they raise, and the telemetry for the cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from actions.detect import DETECTION_EVENTS, Detector
from actions.detection import Detection, Semantics
from actions.organisation_ranges import OrganisationRanges
from actions.profile import Profile
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.store import CASE_EVENTS, SysmonStore
from connectors.errors import ConfigError, LogUnreadable


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
    detector.feed(read_events(paths, DETECTION_EVENTS, report, progress=progress))
    return detector.finish(), report


def read_logs(
    paths: Sequence[Path],
    profiles: Sequence[Profile],
    *,
    semantics: Semantics,
    organisation: OrganisationRanges,
    watched: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> LogRun:
    """Detection and telemetry in one reading.

    Args:
        paths: files or folders.
        profiles: what to detect; their processes' evidence is kept.
        semantics: which reading of the analytic raises.
        organisation: the organisation's own ranges.
        watched: further process names whose evidence is kept.
        progress: told the bytes read since the last call.

    Raises:
        LogUnreadable: a path cannot be read at all.
        ConfigError: two profiles claim one process name.
    """
    detector = Detector(distinct(profiles), semantics=semantics, organisation=organisation)
    names = [name for profile in profiles for name in profile.process_names]
    store = SysmonStore([*names, *watched])
    report = ReadReport()
    for event in read_events(paths, CASE_EVENTS, report, progress=progress):
        detector.take(event)
        store.add(event)
    return LogRun(detector.finish(), SysmonFileEdr(store, report), report)


def check_something_was_read(report: ReadReport) -> None:
    """Tell logs without Sysmon events from logs that could not be read.

    Raises:
        LogUnreadable: there were problems, and no Sysmon event.
    """
    if report.problem_count and not report.sysmon_events:
        raise LogUnreadable(
            "log",
            f"no Sysmon event could be read (problems: {report.problem_count})",
            "See the first of them above",
        )


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
