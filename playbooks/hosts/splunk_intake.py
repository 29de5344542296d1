"""Notables that a run takes from Splunk: named ones, or the next ones since the last run.

The next ones are kept in a folder before they are worked, and how far that came is kept last: DIR/.lock,
DIR/notables.ndjson, DIR/checkpoint.json. A crash in between gives the same notables again. What a run took
and could not work is taken again by the next ones: DIR/unworked.ndjson.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from actions.profile import Profile
from connectors.errors import Ambiguous, ConfigError, InputError, NotableError, NotFound
from connectors.ports import Checkpoint, SiemConnector
from connectors.siem.notable import ParsedInput, RejectedNotable
from connectors.siem.splunk.settings import NotablesFrom, SplunkSettings
from connectors.state.folder_lock import FolderInUse, locked
from playbooks.case import CaseReport
from playbooks.hosts.given_notables import GivenNotables
from playbooks.hosts.notable_journal import NotableJournal
from playbooks.hosts.output_folder import OutputFolder
from playbooks.hosts.unworked import Identity, Unworked, UnworkedRecord, identity_of
from playbooks.hosts.write_back_record import WriteBackRecord
from playbooks.kept_checkpoint import KeptCheckpoint
from playbooks.profiles import of_profiles
from playbooks.report.wording import count

#: The file that tells how far notables were taken.
CHECKPOINT = "checkpoint.json"

#: Bytes of it that are read at most; a token has 4 MiB at most.
_MOST_BYTES = 16 * 1024 * 1024


def notables_by_id(
    siem: SiemConnector, event_ids: Sequence[str], profiles: Sequence[Profile]
) -> GivenNotables:
    """The notables of these ids; one that is not there or cannot be used does not stop the others.

    Raises:
        ConnectorError: Splunk does not answer, or refuses.
    """
    given = GivenNotables()
    for event_id in dict.fromkeys(event_ids):
        try:
            notables = siem.notables_of(event_id)
        except (NotFound, Ambiguous) as error:
            given.not_found.append(error)
        except NotableError as error:
            named = NotableError(f"--event-id {event_id}", f"{error.field}: {error.problem}", error.remedy)
            given.errors.append(named)
        else:
            _take(given, of_profiles(ParsedInput(tuple(notables), ()), profiles))
    return given


def nothing_new(settings: SplunkSettings) -> str:
    """What it means that there is no new notable, one sentence: what was asked is not all that is there."""
    if settings.notables_from is NotablesFrom.ESCU:
        return "the analytic ran over Splunk's Sysmon events and found nothing new"
    if not settings.search_names:
        return f"no new notable is in Splunk's index {settings.notable_index}"
    first, more = settings.search_names[0], len(settings.search_names) - 1
    others = f" and {count(more, 'more')}" if more == 1 else f" and {more} more" if more else ""
    return (
        f"no new notable is in Splunk under the names in splunk.search_names ({first!r}{others}); one under "
        "another name, such as that of a clone, is not taken"
    )


class Unfinished(NamedTuple):
    """Notables of a run that could not be worked.

    Attributes:
        no_report: no report holds them: a fault of ours.
        not_looked_up: the EDR failed, as their reports say.
        given_up: they could not be worked by any run while they were kept.
    """

    no_report: tuple[Identity, ...] = ()
    not_looked_up: tuple[Identity, ...] = ()
    given_up: tuple[Identity, ...] = ()


class Intake:
    """The notables since the last run, and what is kept of them in one folder."""

    def __init__(
        self,
        folder: OutputFolder,
        settings: SplunkSettings,
        *,
        clock: Callable[[], datetime],
        tell: Callable[[str], None],
    ) -> None:
        """Read what earlier runs kept; the folder's lock is held.

        Raises:
            InputError: a file of an earlier run cannot be used.
        """
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._path = folder.path / CHECKPOINT
        self._before = self._read_checkpoint()
        self._after: Checkpoint | None = None
        self._asked: dict[Identity, None] = {}
        self._given_up: tuple[Identity, ...] = ()
        self._tell = tell
        #: True once this run's notables are counted as done.
        self.ended = False
        try:
            self.journal = NotableJournal(folder.path, now=clock(), tell=tell)
            self.written = WriteBackRecord(folder.path, clock=clock, tell=tell)
            self._unworked = UnworkedRecord(folder.path, clock=clock, tell=tell)
        except OSError as error:
            problem = f"what is kept in it cannot be read ({error.strerror})"
            raise InputError(f"--out {folder.path}", problem, "Let this user read and write it") from error

    def take(
        self,
        siem: SiemConnector,
        rejected: Sequence[RejectedNotable],
        profiles: Sequence[Profile],
        *,
        limit: int,
        again: bool,
    ) -> GivenNotables:
        """The next notables with the earlier ones of their hosts and processes; all are kept first.

        Earlier ones that could not be worked come with them, `limit` of them at most.

        Args:
            siem: which notables are taken from.
            rejected: filled by `siem` with rows that make no notable.
            profiles: the programs whose notables are worked.
            limit: events of the index at most.
            again: True adds notables to which nothing was written back yet, or something could not be;
                `limit` of them at most.

        Raises:
            ConnectorError: Splunk does not answer, or refuses; nothing was kept.
            OSError: they cannot be kept.
        """
        since = Checkpoint(self._before.token) if self._before else None
        fetched, self._after = siem.fetch_notables(since, limit=limit)
        self._folder.keep_rejected(rejected)
        self.journal.append(fetched)
        given = GivenNotables()
        _take(given, ParsedInput((), tuple(rejected)))
        _take(given, of_profiles(ParsedInput(tuple(fetched), ()), profiles))
        earlier = {
            identity_of(each): each
            for each in of_profiles(ParsedInput(tuple(self.journal.recent), ()), profiles).notables
        }
        fresh = {identity_of(each) for each in given.notables}
        kept = {identity_of(each) for each in self.journal.recent}
        self._given_up = tuple(each for each in self._unworked.waiting if each not in kept)
        waiting = [each for each in self._unworked.waiting if each in earlier and each not in fresh]
        chosen = self._bounded(waiting, limit, "could not be worked before")
        if again:
            by_id: dict[str, list[Identity]] = {}
            for each in earlier:
                by_id.setdefault(each.event_id, []).append(each)
            taken = fresh.union(waiting)
            due = [one for each in self.written.due(by_id) for one in by_id[each] if one not in taken]
            chosen += self._bounded(due, limit, "are still to be written back")
        given.notables.extend(earlier[each] for each in chosen)
        self._asked = dict.fromkeys(identity_of(each) for each in given.notables)
        given.notables = self.journal.joined(given.notables)
        return given

    def _bounded(self, earlier: Sequence[Identity], limit: int, what: str) -> list[Identity]:
        """The first of earlier notables; how many wait for the next run is told."""
        if len(earlier) > limit:
            left = count(len(earlier) - limit, "earlier notable")
            self._tell(f"{left} that {what} wait for the next run")
        return list(earlier[:limit])

    def with_new(self, reports: Sequence[CaseReport]) -> tuple[CaseReport, ...]:
        """The cases that a notable of this run belongs to; the others were not asked about."""
        return tuple(
            report
            for report in reports
            if any(identity_of(each) in self._asked for each in report.facts.notables)
        )

    def unfinished(self, reports: Sequence[CaseReport], *, failed: Collection[str]) -> Unfinished:
        """The notables of this run that are to be worked again.

        Args:
            reports: of this run.
            failed: ids of the cases whose process could not be looked up. A notable of several cases is
                worked again where one of them is among these.
        """
        held = {identity_of(each) for report in reports for each in report.facts.notables}
        lacking = {
            identity_of(each)
            for report in reports
            if report.case_id in failed
            for each in report.facts.notables
        }
        return Unfinished(
            no_report=tuple(each for each in self._asked if each not in held),
            not_looked_up=tuple(each for each in self._asked if each in lacking),
            given_up=self._given_up,
        )

    def done(self, unfinished: Unfinished) -> None:
        """Keep what is to be worked again and how far this run came: the last thing of it, in this order.

        Raises:
            OSError: it cannot be kept; the next run takes the same notables again.
        """
        outcomes = {
            **dict.fromkeys(unfinished.not_looked_up, Unworked.NOT_LOOKED_UP),
            **dict.fromkeys(unfinished.no_report, Unworked.NO_REPORT),
        }
        self._unworked.keep(outcomes, ended=[*self._asked, *unfinished.given_up])
        self._keep_checkpoint()
        self.ended = True

    def _keep_checkpoint(self) -> None:
        if self._after is None:
            return
        kept = KeptCheckpoint(
            base_url=self._settings.base_url,
            notables_from=self._settings.notables_from,
            kept_at=self._clock(),
            token=self._after.token,
        )
        self._folder.keep(CHECKPOINT, kept.model_dump_json().encode())

    def _read_checkpoint(self) -> KeptCheckpoint | None:
        field, anew = str(self._path), "Delete it to begin anew with the notables of the last day"
        try:
            with self._path.open("rb") as file:
                kept = KeptCheckpoint.model_validate_json(file.read(_MOST_BYTES))
        except FileNotFoundError:
            return None
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            raise InputError(field, problem, "Let this user read and write it") from error
        except ValidationError as error:
            raise InputError(field, "is damaged or of another version", anew) from error
        if (kept.base_url, kept.notables_from) != (self._settings.base_url, self._settings.notables_from):
            problem = f"is of another Splunk: {kept.notables_from.value} of {kept.base_url}"
            raise ConfigError(field, problem, f"Name another folder in --out. {anew}")
        return kept


@contextmanager
def intake_of(
    folder: OutputFolder,
    settings: SplunkSettings,
    *,
    clock: Callable[[], datetime],
    tell: Callable[[str], None],
) -> Iterator[Intake]:
    """The intake of a folder, which no other run takes notables into meanwhile.

    Raises:
        InputError: another run is at work in it, or a file of an earlier run cannot be used.
    """
    try:
        with locked(folder.path):
            yield Intake(folder, settings, clock=clock, tell=tell)
    except FolderInUse as error:
        raise InputError("--out", str(error)) from error


def _take(given: GivenNotables, parsed: ParsedInput) -> None:
    given.notables.extend(parsed.notables)
    given.rejected.extend(parsed.rejected)
    given.errors.extend(each.error for each in parsed.rejected)
