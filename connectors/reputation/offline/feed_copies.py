"""The copy of a feed that is on disk: where it is, what it holds, how old it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.reputation.offline.feed_entries import ParsedFeed
from connectors.reputation.offline.feed_formats import parse_feed
from connectors.reputation.offline.feed_settings import Feed, FeedSettings, age_words
from connectors.reputation.offline.feed_store import (
    FeedCopy,
    StoreBroken,
    own_list_changed,
    read_copy,
    read_manifest,
    read_own_list,
)

#: A copy dated further ahead than this is not trusted: a clock was wrong.
CLOCK_SKEW = timedelta(hours=1)


class Place(NamedTuple):
    """Where a feed's copy is.

    Attributes:
        record: what the manifest says of it; None for a list on disk.
        fetched_at: how old it is counted to be.
        version: tells one copy of a feed from another.
    """

    record: FeedCopy | None
    fetched_at: datetime
    version: str


class Missing(Exception):
    """There is no copy. Says why in one sentence."""


def why_stale(feed: Feed, fetched_at: datetime, now: datetime) -> str:
    """Why a copy is not to be trusted as fresh; "" when it is."""
    age = now - fetched_at
    if age < -CLOCK_SKEW:
        return "its copy is dated in the future"
    if age > timedelta(seconds=feed.max_age_s):
        return f"its copy is {age_words(age)} old, more than {age_words(timedelta(seconds=feed.max_age_s))}"
    return ""


def place_of(settings: FeedSettings, feed: Feed) -> Place:
    """Where the copy of a feed is.

    Raises:
        Missing: there is none, or one of another address.
        StoreBroken: the store cannot be read.
    """
    if feed.path is not None:
        changed = own_list_changed(feed.path)
        return Place(None, changed, changed.isoformat())
    if settings.folder is None:
        raise Missing("no folder for feeds is set")
    record = read_manifest(settings.folder).feeds.get(feed.name)
    if record is None or record.url != feed.url or record.fetched_at is None:
        tried = f" (last try: {record.problem})" if record and record.problem else ""
        raise Missing(f"no copy on disk{tried}; update the feeds")
    return Place(record, record.fetched_at, record.sha256)


def content_of(settings: FeedSettings, feed: Feed, place: Place) -> bytes:
    """The copy itself.

    Raises:
        StoreBroken: it cannot be read, or is not what was downloaded.
    """
    if feed.path is not None:
        return read_own_list(feed.path, limit=settings.max_bytes)
    if settings.folder is None or place.record is None:
        raise StoreBroken("no folder for feeds is set")
    return read_copy(settings.folder, place.record, limit=settings.max_bytes)


def parsed_of(feed: Feed, content: bytes) -> ParsedFeed:
    """What the copy holds.

    Raises:
        StoreBroken: it is not a feed of its format.
    """
    parsed = parse_feed(content, feed.format)
    if parsed.unusable:
        raise StoreBroken(f"its copy cannot be used: {parsed.unusable}")
    return parsed
