"""The analytic itself over plain Splunk, for those without Enterprise Security.

Splunk ESCU "Detect Regsvcs with Network Connection"
(https://research.splunk.com/endpoint/e3e7a1c0-f2b9-445c-8493-f30a63522d1a/) runs every hour over the events
from 70 to 10 minutes before: the windows of two runs meet and do not overlap. What ESCU loses is kept here:

- A run that was skipped is made up for: every scheduled run since the last one has its window searched.
- Events indexed after their window was searched raise too. A group (the analytic's `stats by` of a window) is
  new where its first event was indexed after the last poll; one that had an event before was raised already.

The groups are those of version 7, and of one machine each: with the add-on that Splunk supports `dest` is
the peer, and two victims of one server would be one. What names machine, peer and process stands beside a
group as values, so that a field that an add-on does not make drops no event.

An id is made of window and group, so what is searched twice has the same id twice. A group that was raised
is not raised again when further events of it arrive; its count is that of the first time.

One analytic; escu_family.py polls several.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.errors import BadResponse, InputError, QueryFailed
from connectors.facts.notable import Notable, NotableSource
from connectors.http.deadline import Deadline
from connectors.siem.generations import VERSION_7, VERSION_15, Generation
from connectors.siem.notable import RejectedNotable, notables_from_object
from connectors.siem.splunk import checkpoint
from connectors.siem.splunk.checkpoint import Kind, Progress, moment, seconds
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.notables import MAX_LIMIT, Page, refuse_partial
from connectors.siem.splunk.rest import CONNECTOR

#: The schedule, in seconds: cron `0 * * * *`, earliest -70m@m, latest -10m@m.
EVERY_S = 3600
EARLIEST_S = 70 * 60
LATEST_S = 10 * 60

#: Windows searched by one poll at most; the next poll goes on.
MAX_WINDOWS = 24

#: Groups of one search at most. More is an error, never a part.
MAX_ROWS = 50_000

#: Groups that are remembered while a poll is given in pages; its token holds no more (checkpoint.MAX_TOKEN).
MAX_PAGED = 150_000

#: Values of one field that a row carries beside the group.
_VALUES = 100

#: By-fields of the analytic.
BY = VERSION_7.by

#: The machine of a group, and what stands there where no field names it.
_MACHINE = "escu_machine"
_NO_MACHINE = "-"

#: What a group's row has beside them and a notable can hold.
_BESIDE = ("count", "firstTime", "lastTime")

#: What its events say besides, by the names of a notable; the first name that has a value counts.
_VALUES_OF = {
    "dest_port": ("dest_port",),
    "src_port": ("src_port",),
    "direction": ("direction", "Initiated"),
    "process_guid": ("process_guid", "ProcessGuid"),
    "process_id": ("process_id", "ProcessId"),
    "dvc": ("dvc",),
    "Computer": ("Computer",),
    "src": ("src",),
    "dest_host": ("dest_host",),
}
_EXTRAS = tuple(name for names in _VALUES_OF.values() for name in names)

_PROCESS = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_OPERATORS = frozenset({"AND", "OR", "NOT", "IN", "BY", "AS"})
_NO_TERM = frozenset("|[]\\")
_MACRO = re.compile(r"[A-Za-z0-9_]{1,200}")


class EscuAnalytic(NamedTuple):
    """What is searched for.

    Attributes:
        title: the analytic's name, which becomes the notable's search_name.
        process_name: such as regsvcs.exe.
        sysmon: search terms that find the Sysmon events (SplunkPlace.sysmon); ESCU's macro where it is
            installed. The add-on for Sysmon has to name their fields as the CIM does.
        filter_macro: the macro with the user's own exclusions; "" for none.
    """

    title: str = "Detect Regsvcs with Network Connection"
    process_name: str = "regsvcs.exe"
    sysmon: str = "`sysmon`"
    filter_macro: str = "detect_regsvcs_with_network_connection_filter"


class EscuWindow(NamedTuple):
    """One search: events from `start` on and before `end`.

    Attributes:
        indexed_since: only groups whose first event was indexed from then on; None takes every group.
    """

    start: datetime
    end: datetime
    indexed_since: datetime | None = None


class Planned(NamedTuple):
    """What a poll has to search, and how far it has come when that is done.

    Attributes:
        windows: in order of time.
        ran: the scheduled run (seconds since the epoch) up to which everything is then made up for.
    """

    windows: tuple[EscuWindow, ...]
    ran: int


class EscuPoll(NamedTuple):
    """How the poll behaves.

    Attributes:
        late: for how long after its window an event that was indexed late still raises.
        overlap: see NotableStore.
        first_runs: scheduled runs that the first poll makes up for.
    """

    late: timedelta = timedelta(hours=24)
    overlap: timedelta = timedelta(minutes=15)
    first_runs: int = 1


SHIPPED = EscuAnalytic()
POLL = EscuPoll()


def shipped_spl(analytic: EscuAnalytic = SHIPPED, generation: Generation = VERSION_7) -> str:
    """The search as ESCU ships it, on one line, for a saved search; it needs ESCU's macros.

    Raises:
        InputError: a name of the analytic cannot stand in a query.
    """
    filtered = f" | `{_checked_macro(analytic.filter_macro)}`" if analytic.filter_macro else ""
    renamed = " | rename Computer as dest" if generation.number < VERSION_7.number else ""
    by = (" " if _is_new(generation) else ", ").join(generation.by)
    return (
        f"{_events(analytic, generation)}{renamed}"
        f" | stats count min(_time) as firstTime max(_time) as lastTime by {by}"
        f" | `security_content_ctime(firstTime)` | `security_content_ctime(lastTime)`{filtered}"
    )


def poll_spl(analytic: EscuAnalytic, window: EscuWindow) -> str:
    """The search for one window: version 7's groups by machine, with epoch times, and what else events say.

    The values beside the groups (ports, process, direction, names) change no group. Computer is the event's
    own and before `dvc`, which an add-on makes of it.

    Raises:
        InputError: a name of the analytic cannot stand in a query.
    """
    offset = -LATEST_S % EVERY_S
    filtered = f" | `{_checked_macro(analytic.filter_macro)}`" if analytic.filter_macro else ""
    late = ""
    if window.indexed_since is not None:
        late = f" | where first_indexed>={int(window.indexed_since.timestamp())}"
    values = " ".join(f"values({name}) as {name}" for name in _EXTRAS)
    cut = ", ".join(f"{name}=mvindex({name}, 0, {_VALUES - 1})" for name in _EXTRAS)
    return (
        f"search {_events(analytic, VERSION_7)}"
        f" | eval escu_window={offset}+{EVERY_S}*floor((_time-{offset})/{EVERY_S}),"
        f' {_MACHINE}=coalesce(Computer, dvc, "{_NO_MACHINE}")'
        " | stats count min(_time) as firstTime max(_time) as lastTime min(_indextime) as first_indexed"
        f" {values}"
        f" by escu_window, {', '.join(BY)}, {_MACHINE}{late}{filtered} | eval {cut}"
        f" | sort 0 escu_window, {', '.join(BY)}, {_MACHINE}"
    )


def due_windows(progress: Progress | None, now: datetime, poll: EscuPoll = POLL) -> Planned:
    """What has to be searched now.

    First a look back for late events over the windows that were searched before, then the window of each
    scheduled run since, oldest first, MAX_WINDOWS at most.
    """
    last = int(now.timestamp()) // EVERY_S * EVERY_S
    done = progress.ran if progress else last - poll.first_runs * EVERY_S
    runs = range(done + EVERY_S, last + 1, EVERY_S)[:MAX_WINDOWS]
    windows = [EscuWindow(moment(run - EARLIEST_S), moment(run - LATEST_S)) for run in runs]
    if progress is not None:
        back = int(poll.late.total_seconds())
        searched = EscuWindow(
            moment(done - EARLIEST_S - back // EVERY_S * EVERY_S),
            moment(done - LATEST_S),
            moment(progress.since),
        )
        windows.insert(0, searched)
    return Planned(tuple(windows), max(done, runs[-1] if runs else done))


def fetch(
    searches: SearchJobs,
    analytic: EscuAnalytic,
    progress: Progress | None,
    *,
    limit: int,
    now: datetime,
    deadline: Deadline,
    poll: EscuPoll = POLL,
) -> Page:
    """The next notables, at most `limit`; nothing moves on where a search fails.

    `now` is Splunk's own time (SearchJobs.now): events and index times are of its clock.

    Raises:
        ConnectorError: a search failed.
        QueryFailed: a window has more than MAX_ROWS groups.
        InputError: the limit or a name of the analytic is unusable, or the progress lies ahead of
            Splunk's clock.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InputError("limit", f"is not between 1 and {MAX_LIMIT:,}")
    if progress is not None:
        checkpoint.refuse_future(progress, int(now.timestamp()))
    planned = due_windows(progress, now, poll)
    seen = progress.seen if progress else {}
    fresh: dict[str, tuple[int, Notable | RejectedNotable]] = {}
    for window in _joined(planned.windows):
        for row in _rows(searches, analytic, window, deadline):
            identity, indexed, notable = _group(analytic, row)
            if indexed >= int(now.timestamp()) + checkpoint.AHEAD_S:
                raise BadResponse(CONNECTOR, "a group's first event was indexed in the future")
            if checkpoint.digest(identity) not in seen:
                fresh.setdefault(identity, (indexed, notable))
    taken = list(fresh.items())[:limit]
    return Page(
        tuple(each for _, (_, each) in taken if isinstance(each, Notable)),
        tuple(each for _, (_, each) in taken if isinstance(each, RejectedNotable)),
        _after(progress, planned, taken, now=now, poll=poll, whole=len(taken) == len(fresh)),
    )


def _joined(windows: Sequence[EscuWindow]) -> list[EscuWindow]:
    """Windows that meet as one search: its groups are told apart by window all the same."""
    joined: list[EscuWindow] = []
    for window in windows:
        before = joined[-1] if joined else None
        if before and before.end == window.start and before.indexed_since == window.indexed_since:
            joined[-1] = before._replace(end=window.end)
        else:
            joined.append(window)
    return joined


def _rows(
    searches: SearchJobs, analytic: EscuAnalytic, window: EscuWindow, deadline: Deadline
) -> list[Mapping[str, object]]:
    """All groups of a span of whole windows, in as few searches as their number allows."""
    found = searches.rows(
        poll_spl(analytic, window),
        earliest=window.start,
        latest=window.end,
        max_rows=MAX_ROWS,
        deadline=deadline,
    )
    refuse_partial(found, MAX_ROWS)
    if not found.truncated:
        return list(found.rows)
    hours = int((window.end - window.start).total_seconds()) // EVERY_S
    if hours <= 1:
        raise QueryFailed(
            CONNECTOR,
            f"more than {MAX_ROWS:,} groups from {window.start.isoformat()} on; none was taken",
        )
    middle = window.start + timedelta(seconds=hours // 2 * EVERY_S)
    halves = (window._replace(end=middle), window._replace(start=middle))
    return [row for half in halves for row in _rows(searches, analytic, half, deadline)]


def _after(
    progress: Progress | None,
    planned: Planned,
    taken: Sequence[tuple[str, tuple[int, object]]],
    *,
    now: datetime,
    poll: EscuPoll,
    whole: bool,
) -> Progress:
    """The progress after a page; a page that is not whole is asked for again, less what was given."""
    until = int(now.timestamp())
    given = [(identity, indexed) for identity, (indexed, _) in taken]
    overlap_s = int(poll.overlap.total_seconds())
    if whole:
        return checkpoint.advanced(
            progress, kind=Kind.ESCU, given=given, indexed=until, overlap_s=overlap_s, ran=planned.ran
        )
    seen = dict(progress.seen) if progress else {}
    seen.update((checkpoint.digest(identity), indexed) for identity, indexed in given)
    if len(seen) > MAX_PAGED:
        raise QueryFailed(CONNECTOR, f"more than {MAX_PAGED:,} groups in one poll; none was taken")
    return (progress or begun(now, poll))._replace(seen=seen)


def begun(now: datetime, poll: EscuPoll = POLL) -> Progress:
    """The progress of an analytic that was not searched for yet: its first look is still to come."""
    until = int(now.timestamp())
    since = until - int(poll.overlap.total_seconds())
    return Progress(Kind.ESCU, since, since, {}, until // EVERY_S * EVERY_S - poll.first_runs * EVERY_S)


def _group(analytic: EscuAnalytic, row: Mapping[str, object]) -> tuple[str, int, Notable | RejectedNotable]:
    """Id, index time of the first event, and the notable of one group.

    The id of a group whose `dest` is its machine, or which has no machine, is made without the machine, as
    it was before groups were of one: what was polled then is known again.

    Raises:
        BadResponse: the row is not what the search makes.
    """
    key = [row.get(name) for name in BY]
    machine = row.get(_MACHINE, _NO_MACHINE)
    window, first_indexed = (seconds(row.get(name)) for name in ("escu_window", "first_indexed"))
    whole = all(isinstance(each, str) for each in (*key, machine))
    if window is None or first_indexed is None or not whole:
        raise BadResponse(CONNECTOR, "a group of the analytic lacks a by-field, its window or its index time")
    apart = () if machine in (_NO_MACHINE, row["dest"]) else (machine,)
    parts = json.dumps([analytic.title, window, *key, *apart], ensure_ascii=False, separators=(",", ":"))
    identity = f"escu:{hashlib.sha256(parts.encode('utf-8', 'surrogatepass')).hexdigest()}"
    parsed = notables_from_object([notable_fields(analytic, row, identity)])
    if parsed.rejected:
        return identity, first_indexed, parsed.rejected[0]
    return identity, first_indexed, parsed.notables[0].model_copy(update={"source": NotableSource.DETECTION})


def notable_fields(analytic: EscuAnalytic, row: Mapping[str, object], identity: str) -> dict[str, object]:
    """A group's row as the fields of a notable, by the names that ES would have them under."""
    said = {
        field: next((row[name] for name in names if row.get(name)), None)
        for field, names in _VALUES_OF.items()
    }
    return {
        **{name: row[name] for name in (*BY, *_BESIDE) if name in row},
        **{field: value for field, value in said.items() if value is not None},
        "event_id": identity,
        "search_name": analytic.title,
    }


def _is_new(generation: Generation) -> bool:
    """Whether it is written as since version 15: one list of ranges, and by-fields without commas."""
    return generation.number >= VERSION_15.number


def _events(analytic: EscuAnalytic, generation: Generation) -> str:
    """The analytic up to its first pipe."""
    process_name = analytic.process_name
    if not _PROCESS.fullmatch(process_name) or process_name.upper() in _OPERATORS:
        raise InputError("process_name", "is no plain file name, so it cannot be searched for")
    sysmon = analytic.sysmon
    if not sysmon.isprintable() or not _NO_TERM.isdisjoint(sysmon) or sysmon.count('"') % 2:
        raise InputError(
            "sysmon", "is no list of search terms: a pipe, a bracket, a backslash or an open quote"
        )
    if _is_new(generation):
        quoted = ", ".join(f'"{prefix}"' for prefix in generation.excluded)
        excluded = f"NOT dest_ip IN ({quoted})"
    else:
        excluded = " ".join(f"dest_ip!={prefix}" for prefix in generation.excluded)
    return f"{sysmon} EventID=3 {excluded} process_name={process_name}"


def _checked_macro(name: str) -> str:
    if not _MACRO.fullmatch(name):
        raise InputError("filter_macro", "is no plain macro name")
    return name
