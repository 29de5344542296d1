"""What is on disk of each feed, for a person."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from connectors.facts.base import Fact, Instant
from connectors.reputation.offline.feed_copies import Missing, content_of, parsed_of, place_of, why_stale
from connectors.reputation.offline.feed_settings import Feed, FeedSettings
from connectors.reputation.offline.feed_store import StoreBroken


class FeedState(StrEnum):
    """How good a feed's copy is."""

    GOOD = "good"
    STALE = "stale"
    BROKEN = "broken"
    MISSING = "missing"


class FeedStatus(Fact):
    """What is on disk of one feed.

    Attributes:
        fetched_at: when the copy was downloaded or last confirmed; None = there is no copy.
        age_s: seconds since then.
        size: bytes.
        count: entries.
        problem: what is wrong with it, or was at the last update; "" if nothing.
        credit: the author's copyright line.
    """

    name: str
    title: str
    state: FeedState
    origin: str
    licence: str
    fetched_at: Instant | None = None
    age_s: int | None = None
    size: int = 0
    count: int = 0
    problem: str = ""
    credit: str = ""


def list_feeds(settings: FeedSettings, now: datetime) -> tuple[FeedStatus, ...]:
    """What is on disk of each feed, each copy verified; a problem is told, never raised."""
    return tuple(status_of(settings, feed, now) for feed in settings.feeds)


def status_of(settings: FeedSettings, feed: Feed, now: datetime) -> FeedStatus:
    """What is on disk of one feed, verified."""

    def status(state: FeedState, problem: str = "", **more: object) -> FeedStatus:
        return FeedStatus.model_validate(
            {
                "name": feed.name,
                "title": feed.title,
                "state": state,
                "origin": feed.url or str(feed.path),
                "licence": feed.licence,
                "problem": problem,
                **more,
            }
        )

    try:
        place = place_of(settings, feed)
        content = content_of(settings, feed, place)
        parsed = parsed_of(feed, content)
    except Missing as error:
        return status(FeedState.MISSING, str(error))
    except StoreBroken as error:
        return status(FeedState.BROKEN, str(error))
    too_old = why_stale(feed, place.fetched_at, now)
    problem = place.record.problem if place.record else ""
    return status(
        FeedState.STALE if too_old else FeedState.GOOD,
        "; ".join(filter(None, (too_old, problem))),
        fetched_at=place.fetched_at,
        age_s=max(0, int((now - place.fetched_at).total_seconds())),
        size=len(content),
        count=len(parsed.entries),
        credit=parsed.credit,
    )
