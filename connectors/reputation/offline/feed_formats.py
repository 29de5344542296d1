"""Feeds read and bounded: bytes in, ranges and named problems out. Nothing here raises on what a feed holds.

A feed that is something else altogether (a web page, broken JSON) is unusable as a whole; single entries that
cannot be read are counted and the first few named.
"""

from __future__ import annotations

import codecs

from connectors.networks import Network
from connectors.reputation.offline.feed_entries import (
    FeedEntry,
    FeedFormat,
    Header,
    ParsedFeed,
    Refused,
    Unusable,
)
from connectors.reputation.offline.feed_readers import READERS, starts_with

#: More entries than this are not taken; the largest of the built-in feeds has about 200,000.
MAX_ENTRIES = 500_000

#: Entries of one range that are kept, such as the ports of one command server; the rest say nothing new.
MAX_OF_ONE_RANGE = 100

#: Feeds that hold nothing at times: no command server may be known. Any other empty list is a fault.
_MAY_BE_EMPTY = frozenset({FeedFormat.FEODO, FeedFormat.THREATFOX})

#: Entries that are named in a problem; the rest is counted.
MAX_NAMED = 5

#: More unreadable entries than this, and the rest is not read.
MAX_REFUSED = 100_000

#: IPv4 addresses that a list of bad ranges may cover, 1/64 of all: four /8.
MAX_IPV4 = 2**26

#: Feeds whose entries are single addresses.
_SINGLE_ADDRESSES = frozenset({FeedFormat.FEODO, FeedFormat.THREATFOX, FeedFormat.IPSUM})

#: Feeds of ranges that anyone's addresses may be in; warninglists of clouds are wide by nature.
_RANGES_OF_ANYONE = frozenset({FeedFormat.SPAMHAUS_DROP, FeedFormat.PLAIN})


def parse_feed(content: bytes, feed_format: FeedFormat) -> ParsedFeed:
    """Read a feed.

    Args:
        content: the whole of it, as it was downloaded.
        feed_format: how it is written.
    """
    entries: list[FeedEntry] = []
    of_range: dict[Network, int] = {}
    named: list[str] = []
    refused = share = 0
    header = Header()
    try:
        for item in READERS[feed_format](_checked(content)):
            if isinstance(item, Header):
                header = item
            elif isinstance(item, FeedEntry) and not _is_too_wide(item, feed_format):
                already = of_range[item.network] = of_range.get(item.network, 0) + 1
                if already <= MAX_OF_ONE_RANGE:
                    entries.append(item)
                if already == 1:
                    share += _ipv4_addresses(item)
            else:
                refused += 1
                if len(named) < MAX_NAMED:
                    named.append(_named(item))
            _check_size(len(entries), refused, share if feed_format in _RANGES_OF_ANYONE else 0)
    except Unusable as error:
        return ParsedFeed(unusable=str(error))
    if not entries and not refused and feed_format not in _MAY_BE_EMPTY:
        return ParsedFeed(unusable="it holds no address")
    if refused > len(entries):
        first = f"such as: {named[0]}" if named else ""
        return ParsedFeed(
            unusable=f"{refused} of its {refused + len(entries)} entries cannot be read, {first}",
            refused=refused,
            problems=tuple(named),
        )
    return ParsedFeed(tuple(entries), "", refused, tuple(named), header.published_at, header.credit)


def _named(item: FeedEntry | Refused) -> str:
    return f"{item.network.text} is no single address" if isinstance(item, FeedEntry) else str(item)


def _check_size(entries: int, refused: int, share: int) -> None:
    """Stop the reading of what is no list, however long it goes on.

    Raises:
        Unusable: there is too much of it.
    """
    if entries > MAX_ENTRIES:
        raise Unusable(f"it has more than {MAX_ENTRIES:,} entries")
    if refused > MAX_REFUSED:
        raise Unusable(f"more than {MAX_REFUSED:,} of its entries cannot be read")
    if share > MAX_IPV4:
        raise Unusable(f"it covers more than {MAX_IPV4:,} IPv4 addresses")


def _is_too_wide(entry: FeedEntry, feed_format: FeedFormat) -> bool:
    """True for a range in a feed that holds single addresses: it would convict its neighbours."""
    whole = 32 if entry.network.version == 4 else 128
    return feed_format in _SINGLE_ADDRESSES and entry.network.length != whole


def _ipv4_addresses(entry: FeedEntry) -> int:
    return 2 ** (32 - entry.network.length) if entry.network.version == 4 else 0


def _checked(content: bytes) -> bytes:
    """The content without a byte order mark. It stays bytes: as text it may take four times the memory."""
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content or content.isspace():
        raise Unusable("it is empty")
    if starts_with(content, b"<"):
        raise Unusable("it is a web page, not a list")
    return content
