"""`feeds`: download the lists of addresses, and show what is on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from connectors.clock import utc_now
from connectors.http.call import Call, Reply
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.reputation.offline.feed_listing import FeedState, FeedStatus, list_feeds
from connectors.reputation.offline.feed_settings import Feed, age_words
from connectors.reputation.offline.feed_update import FeedOutcome, UpdateResult, update_feeds
from playbooks.hosts.commands.aligned import aligned
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.hosts.terminal_output import note, write, write_json
from playbooks.report.display import visible
from playbooks.settings import load_settings

#: Version of the JSON documents; see playbooks/case.py.
SCHEMA_VERSION = "1.0"

_RESULT = {
    UpdateResult.UPDATED: "updated",
    UpdateResult.UNCHANGED: "unchanged",
    UpdateResult.TOO_SOON: "not due",
    UpdateResult.KEPT: "kept last good copy",
    UpdateResult.FAILED: "failed",
    UpdateResult.BUSY: "busy",
    UpdateResult.ON_DISK: "on disk",
}

#: What was asked for was not done.
_NOT_DONE = frozenset({UpdateResult.KEPT, UpdateResult.FAILED})

#: Answers no look-up.
_UNUSABLE = frozenset({FeedState.MISSING, FeedState.BROKEN})

_STATE = {
    FeedState.GOOD: "good",
    FeedState.STALE: "stale",
    FeedState.BROKEN: "broken",
    FeedState.MISSING: "missing",
}


class _Announced:
    """The client, which says on stderr which feed it asks for."""

    def __init__(self, http: Http, feeds: Mapping[str, Feed]) -> None:
        self._http = http
        self._feeds = feeds

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        """As the client."""
        note(f"downloading {self._feeds[call.source].title} from {call.url}")
        return self._http.send(call, deadline=deadline, fresh=fresh)


def update(*, config: Path | None, as_json: bool) -> None:
    """Download every feed whose time has come, one after the other.

    Raises:
        ConfigError: the settings are wrong.
        SystemExit: 1 after all were tried, when one could not be updated, or has no copy that can be used.
    """
    settings = load_settings(config).reputation
    feeds = settings.feeds_in_place
    http = Http(
        settings.http.model_copy(update={"max_body_bytes": feeds.max_bytes}),
        folder=settings.place,
    )
    by_name = {feed.name: feed for feed in feeds.feeds}
    with warnings_as_notes():
        try:
            outcomes = update_feeds(feeds, _Announced(http, by_name), utc_now())
        finally:
            http.close()
    copies = {each.name: each for each in list_feeds(feeds, utc_now())}
    outcomes = tuple(_with_state(each, copies[each.name]) for each in outcomes)
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                "folder": str(feeds.folder),
                "feeds": [each.model_dump(mode="json") for each in outcomes],
            }
        )
    elif not outcomes:
        note("no feed is in the settings")
    else:
        write(_outcomes(outcomes, by_name))
        if same := _one_fault(outcomes):
            note(same)
    unusable = any(each.state in _UNUSABLE for each in copies.values())
    if unusable or any(each.result in _NOT_DONE for each in outcomes):
        raise SystemExit(EXIT_FAILED)


def show(*, config: Path | None, as_json: bool) -> None:
    """Print what is on this machine of each feed.

    Raises:
        ConfigError: the settings are wrong.
        SystemExit: 1 after all was printed, when a copy is broken.
    """
    settings = load_settings(config).reputation
    feeds = settings.feeds_in_place
    found = list_feeds(feeds, utc_now())
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                "folder": str(feeds.folder),
                "feeds": [each.model_dump(mode="json") for each in found],
            }
        )
    else:
        write(f"Folder: {visible(str(feeds.folder))}")
        if found:
            write(_statuses(found))
        else:
            note("no feed is in the settings")
    if any(each.state is FeedState.BROKEN for each in found):
        raise SystemExit(EXIT_FAILED)


def _with_state(outcome: FeedOutcome, copy: FeedStatus) -> FeedOutcome:
    """The outcome, with what was wrong at the last try where nothing was tried now."""
    waited = outcome.result in {UpdateResult.TOO_SOON, UpdateResult.BUSY}
    if not waited or copy.state not in _UNUSABLE or not copy.problem:
        return outcome
    detail = f"{outcome.detail} There is no copy that can be used: {copy.problem.rstrip('.')}."
    return outcome.model_copy(update={"detail": detail})


def _outcomes(outcomes: Sequence[FeedOutcome], feeds: Mapping[str, Feed]) -> str:
    rows = [(each.name, _RESULT[each.result], f"{each.count:,}", _size(each.size)) for each in outcomes]
    same = _one_fault(outcomes)
    below = [
        f"{'' if each.detail == same else each.detail} Licence: {feeds[each.name].licence}".strip()
        for each in outcomes
    ]
    return aligned(("feed", "outcome", "entries", "size"), rows, below=below)


def _one_fault(outcomes: Sequence[FeedOutcome]) -> str:
    """What is wrong with all alike, such as a folder that cannot be written, to be told once; else ""."""
    failed = [each.detail for each in outcomes if each.result is UpdateResult.FAILED]
    return failed[0] if len(failed) > 1 and len(set(failed)) == 1 else ""


def _statuses(found: Sequence[FeedStatus]) -> str:
    rows = [
        (
            each.name,
            _STATE[each.state],
            "-" if each.age_s is None else age_words(timedelta(seconds=each.age_s)),
            f"{each.count:,}",
            _size(each.size),
        )
        for each in found
    ]
    return aligned(("feed", "copy", "age", "entries", "size"), rows, below=[_below(each) for each in found])


def _below(status: FeedStatus) -> str:
    parts = (status.problem.rstrip("."), status.credit.rstrip("."), f"licence: {status.licence}")
    return "; ".join(filter(None, parts))


def _size(size: int) -> str:
    """Bytes in a unit that can be read."""
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:,.0f} kB" if size < 1024 * 1024 else f"{size / 1024 / 1024:,.1f} MB"
