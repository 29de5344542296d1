"""Downloading feeds. A download replaces the copy on disk only when it is a list of the kind expected.

The last good copy stays when a download fails, is no list, is too large, or has lost nearly all its entries.
One feed's failure leaves the others alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from connectors.errors import ConnectorError
from connectors.facts.base import Fact, Instant
from connectors.http.call import NOT_MODIFIED, Call, Reply
from connectors.http.deadline import Deadline
from connectors.reputation.offline.feed_formats import parse_feed
from connectors.reputation.offline.feed_settings import Feed, FeedSettings
from connectors.reputation.offline.feed_store import (
    FeedCopy,
    Manifest,
    StoreBroken,
    UpdateUnderWay,
    delete_leftovers,
    delete_old_copies,
    read_copy,
    read_manifest,
    update_lock,
    write_copy,
    write_manifest,
)

#: Share of its entries that a feed has to keep, or its last copy stays: a feed that is cut off or emptied by
#: mistake would otherwise make every address unlisted.
LEAST_SHARE = 0.1

#: Characters of a validator that are sent back to the server at most.
_MAX_VALIDATOR = 256


class SendsCalls(Protocol):
    """What is needed of the HTTP client."""

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        """Send one call; raises a ConnectorError when there is no usable answer."""


class UpdateResult(StrEnum):
    """What came of updating one feed."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    TOO_SOON = "too_soon"
    KEPT = "kept"
    """The download was refused or failed; the last good copy stays."""
    FAILED = "failed"
    """As KEPT, and there is no copy."""
    BUSY = "busy"
    ON_DISK = "on_disk"
    """A list of the user's own, which is not downloaded."""


class FeedOutcome(Fact):
    """What came of updating one feed.

    Attributes:
        detail: one sentence.
        count: entries in the copy on disk.
        size: its bytes.
        fetched_at: when it was downloaded or last confirmed; None = there is none.
    """

    name: str
    result: UpdateResult
    detail: str
    count: int = 0
    size: int = 0
    fetched_at: Instant | None = None


class _Refused(Exception):
    """Why a download is not taken."""


def update_feeds(settings: FeedSettings, http: SendsCalls, now: datetime) -> tuple[FeedOutcome, ...]:
    """Download every feed whose time has come.

    Args:
        settings: which feeds, and where their copies are.
        http: the client; its cap on bodies should not be under `settings.max_bytes`.
        now: the time, timezone-aware.
    """
    feeds = settings.feeds
    if settings.folder is None:
        return tuple(_without_folder(feed) for feed in feeds)
    outcomes: list[FeedOutcome] = []
    try:
        with update_lock(settings.folder):
            delete_leftovers(settings.folder)
            run = _Run(settings.folder, settings, http, now)
            # One by one: what was done before a fault is told too.
            outcomes.extend(_update(run, feed) for feed in feeds)
    except UpdateUnderWay:
        return tuple(_outcome(feed, UpdateResult.BUSY, "Another update is under way.") for feed in feeds)
    except (StoreBroken, OSError) as error:
        detail = f"The folder of feeds cannot be used: {error}."
        outcomes += [_outcome(feed, UpdateResult.FAILED, detail) for feed in feeds[len(outcomes) :]]
    return tuple(outcomes)


class _Run(NamedTuple):
    """What one update works with."""

    folder: Path
    settings: FeedSettings
    http: SendsCalls
    now: datetime

    def keep(self, feed: Feed, record: FeedCopy) -> None:
        """Write what is now true of one feed. Only this process writes: it holds the lock."""
        feeds = read_manifest(self.folder).feeds
        write_manifest(self.folder, Manifest(feeds={**feeds, feed.name: record}))


def _update(run: _Run, feed: Feed) -> FeedOutcome:
    if feed.path is not None:
        return _on_disk(feed)
    known = read_manifest(run.folder).feeds.get(feed.name)
    before = known if known is not None and known.url == feed.url else FeedCopy(url=feed.url)
    wait = _wait(feed, before, run.now)
    if wait is not None:
        return _outcome(feed, UpdateResult.TOO_SOON, wait, before)

    before = _without_broken(run, feed, before)
    tried = before.model_copy(update={"tried_at": run.now, "problem": ""})
    # Before the download, so that a process that dies in it does not ask again at once either.
    run.keep(feed, tried)
    try:
        reply = run.http.send(_call(feed, before), deadline=Deadline.after(run.settings.timeout_s))
        after = _take(run, feed, tried, reply)
    except (ConnectorError, _Refused, OSError) as error:
        problem = error.message if isinstance(error, ConnectorError) else str(error)
        failed = tried.model_copy(update={"problem": problem})
        run.keep(feed, failed)
        if before.fetched_at is None:
            return _outcome(feed, UpdateResult.FAILED, f"{problem}.", failed)
        return _outcome(feed, UpdateResult.KEPT, f"{problem}. The last good copy stays.", failed)
    run.keep(feed, after)
    delete_old_copies(run.folder, feed, keep=after.file)
    if after.sha256 == before.sha256:
        return _outcome(feed, UpdateResult.UNCHANGED, "No change.", after)
    return _outcome(feed, UpdateResult.UPDATED, f"{after.count:,} entries, before {before.count:,}.", after)


def _wait(feed: Feed, record: FeedCopy, now: datetime) -> str | None:
    """Why it is too soon to ask again; None when it is not. A clock set back does not block for ever."""
    if record.tried_at is None:
        return None
    failed = record.fetched_at is None or record.fetched_at < record.tried_at
    interval = timedelta(seconds=feed.retry_s if failed else feed.min_interval_s)
    since = now - record.tried_at
    if not timedelta(0) <= since < interval:
        return None
    minutes = -(-(interval - since).total_seconds() // 60)
    return f"Asked {since.total_seconds() // 60:.0f} minutes ago; the next time is in {minutes:.0f} minutes."


def _without_broken(run: _Run, feed: Feed, record: FeedCopy) -> FeedCopy:
    """The record, or an empty one when its copy cannot be used: "not modified" would then keep it."""
    if record.fetched_at is None:
        return record
    try:
        content = read_copy(run.folder, record, limit=run.settings.max_bytes)
        usable = not parse_feed(content, feed.format).unusable
    except StoreBroken:
        usable = False
    return record if usable else FeedCopy(url=record.url, tried_at=record.tried_at)


def _call(feed: Feed, record: FeedCopy) -> Call:
    headers: dict[str, str] = {}
    if record.fetched_at is not None:
        if record.etag:
            headers["If-None-Match"] = record.etag
        if record.last_modified:
            headers["If-Modified-Since"] = record.last_modified
    return Call(source=feed.name, url=feed.url, headers=headers)


def _take(run: _Run, feed: Feed, tried: FeedCopy, reply: Reply) -> FeedCopy:
    """Judge an answer and write its copy.

    Raises:
        _Refused: it is not taken.
        OSError: the copy cannot be written.
    """
    if reply.status == NOT_MODIFIED:
        if tried.fetched_at is None:
            raise _Refused("the server says that nothing has changed, but there is no copy")
        return tried.model_copy(update={"fetched_at": run.now})
    if reply.stale:
        raise _Refused(f"there was no new answer ({reply.failure})")
    if len(reply.body) > run.settings.max_bytes:
        raise _Refused(f"the download is larger than {run.settings.max_bytes:,} bytes")
    parsed = parse_feed(reply.body, feed.format)
    if parsed.unusable:
        raise _Refused(f"the download is not taken: {parsed.unusable}")
    count = len(parsed.entries)
    if tried.fetched_at is not None and count < LEAST_SHARE * tried.count:
        raise _Refused(
            f"the download has {count:,} entries, the copy on disk {tried.count:,}; if the list has truly "
            f"shrunk, delete {tried.file} in the folder of feeds and update again"
        )
    name, sha256 = write_copy(run.folder, feed, reply.body)
    refused = f"{parsed.refused} entries refused, such as: {parsed.problems[0]}" if parsed.refused else ""
    return FeedCopy(
        url=feed.url,
        tried_at=run.now,
        fetched_at=run.now,
        etag=_validator(reply, "etag"),
        last_modified=_validator(reply, "last-modified"),
        file=name,
        sha256=sha256,
        count=count,
        size=len(reply.body),
        credit=parsed.credit,
        problem=refused,
    )


def _validator(reply: Reply, name: str) -> str:
    """A header to send back; "" when it is not fit for one."""
    value = reply.headers.get(name, "")
    return value if len(value) <= _MAX_VALIDATOR and value.isascii() and value.isprintable() else ""


def _on_disk(feed: Feed) -> FeedOutcome:
    return _outcome(feed, UpdateResult.ON_DISK, f"Read from {feed.path} as it is.")


def _without_folder(feed: Feed) -> FeedOutcome:
    if feed.path is not None:
        return _on_disk(feed)
    return _outcome(feed, UpdateResult.FAILED, "No folder for feeds is set.")


def _outcome(feed: Feed, result: UpdateResult, detail: str, record: FeedCopy | None = None) -> FeedOutcome:
    return FeedOutcome(
        name=feed.name,
        result=result,
        detail=detail,
        count=record.count if record else 0,
        size=record.size if record else 0,
        fetched_at=record.fetched_at if record else None,
    )
