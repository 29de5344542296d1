"""What a feed holds, once it is read."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from connectors.facts.reputation import Leaning
from connectors.networks import Network


class FeedFormat(StrEnum):
    """How a feed is written."""

    FEODO = "feodo"
    THREATFOX = "threatfox"
    SPAMHAUS_DROP = "spamhaus_drop"
    IPSUM = "ipsum"
    MISP_WARNINGLIST = "misp_warninglist"
    PLAIN = "plain"


class FeedEntry(NamedTuple):
    """One range of a feed.

    Attributes:
        last_seen: when the author last saw it; None when the feed does not tell.
        leaning: what the entry says by itself; None = what the feed says of all its entries.
        detail: a few words on it, foreign text shortened and on one line.
        reference: the author's id of it, of letters and digits; "" if none.
    """

    network: Network
    last_seen: datetime | None = None
    leaning: Leaning | None = None
    detail: str = ""
    reference: str = ""


class ParsedFeed(NamedTuple):
    """What a feed holds.

    Attributes:
        unusable: why it is not a feed of this format; "" when it is one, even with no entry.
        refused: number of entries that cannot be used.
        problems: the first few of them, named.
        published_at: when the author made it; None when the feed does not tell.
        credit: the author's copyright line, to be kept with the data.
    """

    entries: tuple[FeedEntry, ...] = ()
    unusable: str = ""
    refused: int = 0
    problems: tuple[str, ...] = ()
    published_at: datetime | None = None
    credit: str = ""


class Refused(Exception):
    """Why one entry cannot be used."""


class Unusable(Exception):
    """Why the whole cannot be used."""


class Header(NamedTuple):
    """What a feed says of itself."""

    published_at: datetime | None = None
    credit: str = ""


#: What a reader yields: an entry, why one is refused, or what the feed says of itself.
type Item = FeedEntry | Refused | Header
