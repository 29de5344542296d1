"""Feeds on disk as reputation sources. Nothing is sent to anyone for a look-up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from connectors.addresses import pack_ip
from connectors.clock import utc_now
from connectors.facts.destination_role import DestinationRole
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import Leaning, SourceAnswer, SourceInfo, SourceStatus
from connectors.networks import NetworkMap
from connectors.reputation.offline.feed_copies import (
    Missing,
    Place,
    content_of,
    parsed_of,
    place_of,
    why_stale,
)
from connectors.reputation.offline.feed_entries import FeedEntry, FeedFormat, ParsedFeed
from connectors.reputation.offline.feed_listing import FeedState, status_of
from connectors.reputation.offline.feed_settings import Feed, FeedSettings
from connectors.reputation.offline.feed_store import (
    StoreBroken,
)
from connectors.reputation.offline.warninglists import role_on_list


class _Ready(NamedTuple):
    """A copy, ready to be asked.

    Attributes:
        version: tells one copy of a feed from another.
        header: what the feed says of itself; without its entries, which are in `ranges`.
    """

    version: str
    ranges: NetworkMap[FeedEntry]
    header: ParsedFeed


class FeedSource:
    """One feed as a reputation source."""

    def __init__(
        self, settings: FeedSettings, feed: Feed, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self._feed = feed
        self._clock = clock
        self._ready: _Ready | None = None
        self._lock = threading.Lock()

    @property
    def info(self) -> SourceInfo:
        """What is true of the feed whatever it answers."""
        return SourceInfo(
            name=self._feed.name,
            title=self._feed.title,
            reliability=self._feed.reliability,
            direction=self._feed.direction,
            licence=self._feed.licence,
            online=False,
            volatile=False,
        )

    def check(self) -> Health:
        """Whether there is a good copy."""
        status = status_of(self._settings, self._feed, self._clock())
        state = {FeedState.GOOD: HealthState.OK, FeedState.MISSING: HealthState.NOT_CONFIGURED}.get(
            status.state, HealthState.FAILED
        )
        credit = f" {status.credit}." if status.credit else ""
        detail = status.problem or f"{status.count:,} entries.{credit}"
        return Health(connector=self._feed.name, state=state, detail=detail)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """One answer for each entry that covers the address, the smallest range first.

        A copy that is too old answers STALE, with what it says; one that cannot be used answers ERROR.
        """
        del deadline_s, fresh  # the copy on disk is all there is
        packed = pack_ip(ip)
        if packed is None:
            return (self._answer(ip, SourceStatus.ERROR, detail="Not an address."),)
        try:
            ready, fetched_at = self._load()
        except Missing as error:
            return (self._answer(ip, SourceStatus.NOT_CONFIGURED, detail=_sentence(str(error))),)
        except StoreBroken as error:
            return (self._answer(ip, SourceStatus.ERROR, detail=_sentence(str(error))),)
        too_old = why_stale(self._feed, fetched_at, self._clock())
        covering = ready.ranges.covering(packed)
        if not covering:
            return (
                self._answer(
                    ip,
                    SourceStatus.STALE if too_old else SourceStatus.NOT_FOUND,
                    retrieved_at=fetched_at,
                    detail=_sentence(f"not listed{f'; {too_old}' if too_old else ''}"),
                ),
            )
        return tuple(
            self._answer(
                ip,
                SourceStatus.STALE if too_old else SourceStatus.OK,
                entry=entry,
                # Whoever still publishes an entry still stands by it.
                last_seen=entry.last_seen or ready.header.published_at or fetched_at,
                retrieved_at=fetched_at,
                detail=_sentence("; ".join(filter(None, (_listed(entry), too_old, ready.header.credit)))),
            )
            for entry in covering
        )

    def roles(self, ip: str) -> tuple[DestinationRole, ...]:
        """The role that being listed gives, by a copy that is good; empty for most feeds."""
        role = role_on_list(self._feed.warninglist) if self._feed.warninglist else self._feed.role
        if role is None or self.lookup(ip, deadline_s=0)[0].status is not SourceStatus.OK:
            return ()
        return (role,)

    def _load(self) -> tuple[_Ready, datetime]:
        """The copy that counts now, read again only when it is another one."""
        place = place_of(self._settings, self._feed)
        try:
            return self._ready_for(place), place.fetched_at
        except StoreBroken:
            # An update may have put another copy in its place between the manifest and the file.
            moved = place_of(self._settings, self._feed)
            if moved.version == place.version:
                raise
            return self._ready_for(moved), moved.fetched_at

    def _ready_for(self, place: Place) -> _Ready:
        with self._lock:
            if self._ready is None or self._ready.version != place.version:
                parsed = parsed_of(self._feed, content_of(self._settings, self._feed, place))
                ranges = NetworkMap((entry.network, entry) for entry in parsed.entries)
                self._ready = _Ready(place.version, ranges, parsed._replace(entries=()))
            return self._ready

    def _answer(
        self,
        ip: str,
        status: SourceStatus,
        *,
        detail: str,
        entry: FeedEntry | None = None,
        last_seen: datetime | None = None,
        retrieved_at: datetime | None = None,
    ) -> SourceAnswer:
        feed = self._feed
        leaning = Leaning.NONE
        if entry is not None:
            leaning = feed.leaning if entry.leaning is None else entry.leaning
        return SourceAnswer(
            source=feed.name,
            ip=ip,
            status=status,
            leaning=leaning,
            direction=feed.direction,
            reliability=feed.reliability,
            lineage=feed.lineage,
            last_seen=last_seen,
            retrieved_at=retrieved_at,
            evidence_url=_page(feed, entry),
            detail=detail,
        )


def feed_sources(
    settings: FeedSettings, *, clock: Callable[[], datetime] = utc_now
) -> tuple[FeedSource, ...]:
    """All feeds of the settings as sources; none is read yet."""
    return tuple(FeedSource(settings, feed, clock=clock) for feed in settings.feeds)


def _listed(entry: FeedEntry) -> str:
    return f"listed as {entry.network.text}" + (f": {entry.detail}" if entry.detail else "")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _page(feed: Feed, entry: FeedEntry | None) -> str:
    """A page on the entry that a person can open; references are of letters and digits alone."""
    if entry is None or not entry.reference:
        return ""
    if feed.format is FeedFormat.THREATFOX:
        return f"https://threatfox.abuse.ch/ioc/{entry.reference}/"
    if feed.format is FeedFormat.SPAMHAUS_DROP:
        return f"https://check.spamhaus.org/sbl/query/{entry.reference}"
    return ""
