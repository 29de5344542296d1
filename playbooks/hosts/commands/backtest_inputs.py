"""What the inputs of a backtest are: logs, or notables, told by their content, in folders too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from actions.profile import Profile
from connectors.edr.sysmon_file.disk import log_paths, path_label
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.store import CASE_EVENTS
from connectors.errors import LogUnreadable, NotableError
from connectors.siem.notable import ParsedInput, parse_notables
from connectors.siem.notable_input import MAX_INPUT
from playbooks.profiles import of_profiles
from playbooks.settings import Settings

#: Bytes looked at to tell JSON from what else there is.
_HEAD_BYTES = 512

#: What may stand before JSON: blanks and byte order marks, in UTF-8 and UTF-16.
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"


class SortedInputs(NamedTuple):
    """The inputs, told apart.

    Attributes:
        logs: files and folders to read as logs; what is no log in them is a problem of the reading.
        notables: files that hold notables.
        in_folders: those of them that were found in a folder.
        rejected: why files of a folder, which hold no log, could not be used as notables.
        large: JSON files over MAX_INPUT, which are not looked into for notables.
    """

    logs: tuple[Path, ...]
    notables: tuple[Path, ...]
    in_folders: tuple[Path, ...]
    rejected: tuple[NotableError, ...]
    large: tuple[Path, ...]


def sort_inputs(paths: Sequence[Path], *, profiles: Sequence[Profile], settings: Settings) -> SortedInputs:
    """Tell logs from notables. Up to MAX_INPUT of a file is looked at; of a log, up to its first event.

    Whatever cannot be looked at is taken as a log, so that the reading of the logs tells why.

    Args:
        paths: files and folders. A file that was named is notables even where none of them is fit.
        profiles: the programs whose notables are worked.
        settings: how notables are read.
    """
    logs: list[Path] = []
    notables: list[Path] = []
    in_folders: list[Path] = []
    rejected: list[NotableError] = []
    large: list[Path] = []
    for path in dict.fromkeys(paths):
        report = ReadReport()
        files = _files_in(path, report)
        has_logs = bool(report.problem_count) or not files
        for file in files:
            if _is_large_json(file):
                large.append(file)
            parsed = _notables_in(file, settings)
            if parsed is None:
                has_logs = True
                continue
            if file == path:
                notables.append(file)
                continue
            in_folders.append(file)
            fit = of_profiles(parsed, profiles)
            if fit.notables:
                notables.append(file)
            else:
                rejected.append(_none_fit(file, fit))
        if has_logs:
            logs.append(path)
    return SortedInputs(
        tuple(logs), tuple(dict.fromkeys(notables)), tuple(in_folders), tuple(rejected), tuple(large)
    )


def forget(report: ReadReport, files: Iterable[Path]) -> None:
    """Take the problems of files that were found to be no logs out of the report of a folder."""
    labels = {path_label(file) for file in files}
    kept = [each for each in report.problems if each.source not in labels]
    report.problem_count -= len(report.problems) - len(kept)
    report.problems[:] = kept
    report.sources[:] = [each for each in report.sources if each not in labels]
    report.without_sysmon[:] = [each for each in report.without_sysmon if each.source not in labels]


def too_large(report: ReadReport, files: Iterable[Path]) -> tuple[NotableError, ...]:
    """Of the files that were too large to be looked into: those that are no log either."""
    no_logs = {each.source for each in report.problems if each.record is None}
    return tuple(
        NotableError(
            path_label(file),
            f"is no log, and too large to look for notables in (over {MAX_INPUT // 2**20} MiB)",
            "Split it where it holds notables",
        )
        for file in dict.fromkeys(files)
        if path_label(file) in no_logs
    )


def _files_in(path: Path, report: ReadReport) -> list[Path]:
    try:
        return [each.path for each in log_paths([path], report)]
    except LogUnreadable:
        return []


def _is_large_json(path: Path) -> bool:
    try:
        return path.stat().st_size > MAX_INPUT and _begins_as_json(path)
    except OSError:
        return False


def _begins_as_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES).lstrip(_BEFORE_JSON)[:1] in (b"{", b"[")


def _notables_in(path: Path, settings: Settings) -> ParsedInput | None:
    """What a file holds that is no log; None where it is one, or no notables, or cannot be looked at."""
    report = ReadReport()
    try:
        if path.stat().st_size > MAX_INPUT or not _begins_as_json(path):
            return None
        for _ in read_events([path], CASE_EVENTS, report):
            return None
        # A log of another provider has a known shape, and with it no problem as a whole.
        if report.sysmon_events or all(each.record is not None for each in report.problems):
            return None
        with path.open("rb") as file:
            parsed = parse_notables(file.read(MAX_INPUT + 1), settings=settings.notable)
    except (OSError, LogUnreadable, NotableError):
        return None
    return parsed if parsed.notables or parsed.rejected else None


def _none_fit(file: Path, parsed: ParsedInput) -> NotableError:
    first = parsed.rejected[0].error
    return NotableError(
        path_label(file),
        f"is no log, and holds no notable that can be used ({first.field}: {first.problem})",
        "Mend it, or take it out of the folder",
    )
