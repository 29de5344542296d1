"""How each kind of feed is written: bytes in, entries, refusals and what the feed says of itself out.

A range wider than /8 (IPv4) or /16 (IPv6) is refused: it would list a good part of the internet at once.

Sources: the JSON lines of Spamhaus DROP at https://www.spamhaus.org/drop/drop_v4.json; the columns of
https://github.com/stamparm/ipsum; ThreatFox's export and Feodo Tracker's block list as their public readers
take them: an object of IOC id -> entries with ioc_value, ioc_type, first_seen_utc ..., and a list of objects
with ip_address, malware, first_seen, last_online ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import orjson

from connectors.addresses import pack_ip, shown
from connectors.errors import ConfigError
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT
from connectors.facts.reputation import Leaning
from connectors.networks import Network, parse_network
from connectors.reputation.offline.feed_entries import FeedEntry, FeedFormat, Header, Item, Refused, Unusable

#: Widest range that is taken, number of leading bits, by IP version.
WIDEST = {4: 8, 6: 16}

#: More lines than this, comments too, are not read; counted before anything else is done.
MAX_LINES = 1_000_000

#: JSON with more values than this is not read: a value takes many times its text in memory. Counted before it
#: is parsed, generously: commas and brackets in texts count too.
MAX_JSON_VALUES = 1_000_000

#: Characters of foreign text in a detail.
MAX_DETAIL = 120

#: ThreatFox confidence, percent, from which an entry counts as malicious; below it as suspicious.
MALICIOUS_FROM_CONFIDENCE = 75

#: Block lists an address has to be on, of those ipsum collects, to count: its README's own example is 3.
SUSPICIOUS_FROM_LISTS = 3

_COMMENT = ("#", ";", "//")
_SAFE_REFERENCE = re.compile(r"[A-Za-z0-9]{1,20}")
_PORT = re.compile(r":\d{1,5}\Z")
_LINE = re.compile(rb"[^\r\n]+")


def starts_with(content: bytes, *beginnings: bytes) -> bool:
    """Whether the content begins so, blanks aside."""
    return content.lstrip().startswith(beginnings)


def _json(content: bytes) -> object:
    _check_json_size(content)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unusable(f"it is not JSON (problem at character {error.pos})") from None


def _check_json_size(content: bytes) -> None:
    """Refuse JSON that would fill the memory, unparsed: each value has a comma or a bracket to itself."""
    if sum(map(content.count, (b",", b"{", b"["))) > MAX_JSON_VALUES:
        raise Unusable(f"it is JSON of more than {MAX_JSON_VALUES:,} values")


def _range(text: object) -> Network:
    """One address or range.

    Raises:
        Refused: it is neither, or too wide.
    """
    if not isinstance(text, str):
        raise Refused(f"an entry is no text but {type(text).__name__}")
    try:
        network = parse_network(text, field="feed")
    except ConfigError as error:
        raise Refused(error.problem) from None
    if network.length < WIDEST[network.version]:
        raise Refused(f"{network.text} is wider than /{WIDEST[network.version]}")
    return network


def _feodo(content: bytes) -> Iterator[Item]:
    document = _json(content)
    if not isinstance(document, list):
        raise Unusable("it is not a JSON list of addresses")
    for row in document:
        if not isinstance(row, dict):
            yield Refused(f"an entry is no object but {type(row).__name__}")
            continue
        yield _entry(
            row.get("ip_address"),
            last_seen=_moment(row.get("last_online")) or _moment(row.get("first_seen")),
            detail=_words(row.get("malware"), "botnet command server"),
        )


def _threatfox(content: bytes) -> Iterator[Item]:
    document = _json(content)
    if not isinstance(document, dict):
        raise Unusable("it is not a JSON object of ThreatFox entries")
    if "query_status" in document:
        raise Unusable(f"ThreatFox answered {shown(str(document['query_status']))} in place of its export")
    for identity, rows in document.items():
        for row in rows if isinstance(rows, list) else [rows]:
            if not isinstance(row, dict) or not isinstance(row.get("ioc_value"), str):
                yield Refused(f"entry {shown(str(identity))} has no ioc_value")
            elif row.get("ioc_type", "ip:port") == "ip:port":
                yield _threatfox_entry(str(identity), row)


def _threatfox_entry(identity: str, row: Mapping[str, object]) -> FeedEntry | Refused:
    confidence = row.get("confidence_level")
    sure = isinstance(confidence, int) and confidence >= MALICIOUS_FROM_CONFIDENCE
    known = f", confidence {confidence} %" if isinstance(confidence, int) else ""
    return _entry(
        _without_port(str(row["ioc_value"])),
        last_seen=_moment(row.get("last_seen_utc")) or _moment(row.get("first_seen_utc")),
        leaning=Leaning.MALICIOUS if sure else Leaning.SUSPICIOUS,
        detail=f"{_words(row.get('malware_printable'), _words(row.get('threat_type'), 'malware'))}{known}",
        reference=identity,
    )


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text if pack_ip(text) is not None else _PORT.sub("", text)


def _spamhaus_drop(content: bytes) -> Iterator[Item]:
    _check_json_size(content)
    for line in _lines(content, comments=()):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield Refused(f"{shown(line)} is not JSON")
            continue
        if not isinstance(row, dict):
            yield Refused(f"{shown(line)} is no JSON object")
        elif row.get("type") == "metadata":
            yield Header(_from_epoch(row.get("timestamp")), _words(row.get("copyright"), ""))
        else:
            number = str(row.get("sblid", ""))
            yield _entry(row.get("cidr"), detail=_words(number, ""), reference=number)


def _ipsum(content: bytes) -> Iterator[Item]:
    for line in _lines(content):
        columns = line.split(maxsplit=2)
        count = columns[1] if len(columns) == 2 else ""
        if not (count.isascii() and count.isdecimal() and len(count) <= 4):
            yield Refused(f"{shown(line)} is no address with a number of lists")
            continue
        enough = int(count) >= SUSPICIOUS_FROM_LISTS
        yield _entry(
            columns[0],
            leaning=Leaning.SUSPICIOUS if enough else Leaning.NONE,
            detail=f"on {int(count)} public block lists",
        )


def _misp_warninglist(content: bytes) -> Iterator[Item]:
    document = _json(content)
    entries = document.get("list") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(entries, list):
        raise Unusable("it is not a MISP warninglist")
    if document.get("type") != "cidr":
        raise Unusable(f"it is a warninglist of type {shown(str(document.get('type')))}, not of ranges")
    name = _words(document.get("name"), "")
    for text_of_range in entries:
        yield _entry(text_of_range, detail=name)


def _plain(content: bytes) -> Iterator[Item]:
    if starts_with(content, b"{", b"[{", b'["'):
        raise Unusable("it is JSON, not a list of addresses")
    for line in _lines(content):
        yield _entry(re.split(r"[\s,;#]", line, maxsplit=1)[0])


def _lines(content: bytes, *, comments: tuple[str, ...] = _COMMENT) -> Iterator[str]:
    """The lines that say something, one at a time: all of them at once would take many times the content.

    Raises:
        Unusable: there are too many, or one is no UTF-8.
    """
    if max(content.count(b"\n"), content.count(b"\r")) > MAX_LINES:
        raise Unusable(f"it has more than {MAX_LINES:,} lines")
    for found in _LINE.finditer(content):
        try:
            line = found[0].decode().strip()
        except UnicodeDecodeError:
            raise Unusable("it is not UTF-8 text") from None
        if line and not line.startswith(comments):
            yield line


def _entry(
    text: object,
    *,
    last_seen: datetime | None = None,
    leaning: Leaning | None = None,
    detail: str = "",
    reference: str = "",
) -> FeedEntry | Refused:
    try:
        network = _range(text)
    except Refused as error:
        return error
    safe = reference if _SAFE_REFERENCE.fullmatch(reference) else ""
    return FeedEntry(network, last_seen, leaning, detail, safe)


def _words(value: object, otherwise: str) -> str:
    """Foreign text on one line, printable and shortened."""
    if not isinstance(value, str):
        return otherwise
    # Cut first too: a text may be as long as the whole feed.
    begun = value[: 10 * MAX_DETAIL]
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in begun).split())
    return plain[:MAX_DETAIL] or otherwise


def _moment(value: object) -> datetime | None:
    """A date or a time such as "2026-08-11 00:00:00", with or without " UTC"; UTC where it does not say."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().removesuffix(" UTC"))
        return _of_fact(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _of_fact(moment: datetime) -> datetime | None:
    """The time, or None where no fact can hold it: an answer with it would fail."""
    return moment if EARLIEST_INSTANT <= moment < LATEST_INSTANT else None


def _from_epoch(value: object) -> datetime | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return _of_fact(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError, OSError):
        return None


READERS: dict[FeedFormat, Callable[[bytes], Iterator[Item]]] = {
    FeedFormat.FEODO: _feodo,
    FeedFormat.THREATFOX: _threatfox,
    FeedFormat.SPAMHAUS_DROP: _spamhaus_drop,
    FeedFormat.IPSUM: _ipsum,
    FeedFormat.MISP_WARNINGLIST: _misp_warninglist,
    FeedFormat.PLAIN: _plain,
}
