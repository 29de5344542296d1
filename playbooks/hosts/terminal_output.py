"""What the commands share: how the terminal is, progress on long reads, and what logs could not be read."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from actions.detection import Semantics
from actions.profile import Profile
from actions.profile_catalog import profile_names, shipped_profile, shipped_profiles
from connectors.edr.sysmon_file.event import ReadReport
from connectors.errors import ConfigError
from playbooks.hosts.outcome import OutputClosed
from playbooks.report import log_words
from playbooks.report.display import visible
from playbooks.settings import load_profile

#: Logs larger than this get a progress bar, bytes on disk.
PROGRESS_FROM_BYTES = 32 * 1024 * 1024

#: Log problems told one by one on stderr; the rest is counted.
PROBLEMS_SHOWN = 10

#: Width used when output does not go to a terminal, columns.
PLAIN_WIDTH = 100


class Screen(NamedTuple):
    """How to print.

    Attributes:
        width: columns.
        color: whether colour may be used (a terminal, and NO_COLOR is not set).
        unicode: whether the output can show line-drawing characters.
    """

    width: int
    color: bool
    unicode: bool


def screen() -> Screen:
    """The screen standard output goes to."""
    terminal = sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "ascii").lower()
    return Screen(
        width=shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns if terminal else PLAIN_WIDTH,
        color=terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        unicode="utf" in encoding,
    )


def write(text: str) -> None:
    """Print text that is already safe to show; what the output's encoding lacks is shown as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    _put((text if text.endswith("\n") else text + "\n").encode(encoding, "backslashreplace"))


def write_json(document: object) -> None:
    """Print a JSON document in UTF-8; hidden characters of a log stand in it as JSON escapes."""
    import orjson

    from playbooks.report.document import printable_json

    _put(printable_json(orjson.dumps(document, option=orjson.OPT_INDENT_2)) + b"\n")


def _put(data: bytes) -> None:
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as gone:
        raise OutputClosed from gone


def note(text: str) -> None:
    """A remark on stderr; text from outside is made safe."""
    sys.stderr.write(visible(text) + "\n")


@contextmanager
def progress(paths: Sequence[Path]) -> Iterator[Callable[[int], None] | None]:
    """A progress bar on stderr for long reads; None when there is no terminal or little to read."""
    from connectors.edr.sysmon_file.reader import total_bytes

    total = total_bytes(paths) if sys.stderr.isatty() else 0
    if total < PROGRESS_FROM_BYTES:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=total)
        yield lambda count: bar.update(task, advance=count)


def tell_problems(report: ReadReport) -> None:
    """Say on stderr what could not be read, and what else is to be known of the logs."""
    for problem in report.problems[:PROBLEMS_SHOWN]:
        place = f":{problem.record}" if problem.record is not None else ""
        note(f"not read: {problem.source}{place}: {problem.reason}")
    more = report.problem_count - min(len(report.problems), PROBLEMS_SHOWN)
    if more > 0:
        note(f"not read: {more} further problems")
    for each in report.without_sysmon[:PROBLEMS_SHOWN]:
        note(f"no Sysmon log: {each.source}: {each.reason}")
    if (more := len(report.without_sysmon) - PROBLEMS_SHOWN) > 0:
        note(f"no Sysmon log: {more} further files")
    if report.repeated:
        note(log_words.repeated(report.repeated))
    for drift in list(report.drifts.values())[:PROBLEMS_SHOWN]:
        note(f"{drift.computer}: {log_words.drift(drift)}")
    if (more := len(report.drifts) - PROBLEMS_SHOWN) > 0:
        note(f"{more} further hosts whose UtcTime is off, in the JSON report")


def chosen_profiles(names: Sequence[str]) -> tuple[Profile, ...]:
    """Profiles by name or TOML file; all that ship when none is named.

    Raises:
        ConfigError: neither a shipped name nor a file.
    """
    if not names:
        return shipped_profiles()
    return tuple(_profile(name) for name in names)


def chosen_semantics(name: str) -> Semantics:
    """The reading of the analytic by name.

    Raises:
        ConfigError: there is none of this name.
    """
    try:
        return Semantics(name)
    except ValueError as error:
        *others, last = (each.value for each in Semantics)
        remedy = f"Use {', '.join(others)} or {last}"
        raise ConfigError("--semantics", f"no reading {name!r}", remedy) from error


def _profile(name: str) -> Profile:
    if name in profile_names():
        return shipped_profile(name)
    path = Path(name)
    if path.suffix.lower() == ".toml" or path.is_file():
        return load_profile(path)
    return shipped_profile(name)
