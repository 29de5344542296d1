"""Which options of `run` go together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from actions.isolation import MODE_ORDER, IsolationMode
from connectors.errors import InputError
from connectors.siem.splunk.notables import MAX_LIMIT

#: Events that `--new` takes at most, unless --limit says another number.
DEFAULT_LIMIT = 100

#: How far isolation may go where --mode is not given; the policy's own mode is off unless it is set.
DEFAULT_MODE = IsolationMode.APPROVE.value


class SplunkOptions(NamedTuple):
    """What of Splunk a run takes and writes.

    Attributes:
        event_ids: notables by event_id, finding id or SID+RID.
        new: take the next ones since the last run.
        limit: of `new`, events of the index at most; None is DEFAULT_LIMIT.
        write_back: comment on the notables of each case, and add its risk.
    """

    event_ids: Sequence[str] = ()
    new: bool = False
    limit: int | None = None
    write_back: bool = False

    @property
    def used(self) -> bool:
        """Whether Splunk is asked at all."""
        return bool(self.event_ids) or self.new or self.write_back

    @property
    def most(self) -> int:
        """The limit that holds."""
        return DEFAULT_LIMIT if self.limit is None else self.limit


#: Splunk is not asked.
NO_SPLUNK = SplunkOptions()


def check_options(
    *,
    logs: Sequence[Path],
    notables: Sequence[str],
    splunk: SplunkOptions,
    out: Path | None,
    lookup: bool,
    fresh: bool,
    edr_name: str,
) -> None:
    """Refuse options that contradict each other or lack another.

    Raises:
        InputError: the option, and what to do.
    """
    if not (logs or notables or splunk.event_ids or splunk.new):
        raise InputError(
            "run",
            "none of --notable, --event-id, --new and --sysmon was given",
            "Give one of them; see run --help",
        )
    if fresh and not lookup:
        raise InputError("--fresh", "asks anew, and --no-lookup asks nobody", "Give one of them")
    if logs and edr_name:
        raise InputError("--edr", "was given beside Sysmon logs", "Give one of them")
    _check_splunk(notables, splunk, out)


def _check_splunk(notables: Sequence[str], splunk: SplunkOptions, out: Path | None) -> None:
    if splunk.new and (notables or splunk.event_ids):
        beside = "--notable" if notables else "--event-id"
        raise InputError("--new", f"was given beside {beside}", "Run once for each")
    if splunk.new and out is None:
        raise InputError("--new", "needs a folder that keeps how far it came", "Give --out DIR")
    if splunk.limit is not None and not splunk.new:
        raise InputError("--limit", "is of --new alone", "Leave it out, or give --new")
    if not 1 <= splunk.most <= MAX_LIMIT:
        raise InputError("--limit", f"is not between 1 and {MAX_LIMIT:,}")
    if any(not each.strip() for each in splunk.event_ids):
        raise InputError("--event-id", "is empty", "Copy it from the notable")
    if splunk.write_back and not (notables or splunk.event_ids or splunk.new):
        raise InputError(
            "--write-back",
            "has nothing to write to: what a log raises is no notable of Splunk's",
            "Give --event-id, --new, or --notable with notables of Splunk's",
        )


def chosen_mode(name: str) -> IsolationMode:
    """The mode of --mode.

    Raises:
        InputError: there is none of this name.
    """
    try:
        return IsolationMode(name.strip().lower())
    except ValueError as error:
        known = ", ".join(each.value for each in MODE_ORDER)
        raise InputError("--mode", f"{name!r} is no mode of isolation", f"Give one of {known}") from error
