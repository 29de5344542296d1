"""How far a poll has come: an index time, and what was already given near it. Pure.

An event is dated by the indexer that writes it (`_indextime`, whole seconds) and can be searched a little
later, so a poll that only moved forward would lose some. Each poll therefore looks back over an overlap and
leaves out what it has given before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import orjson

from connectors.errors import InputError
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT

#: Version of the token; another one is refused, never guessed at.
VERSION = 1

#: Ids remembered at most, those of the newest second aside; the overlap is cut short where they do not fit.
MAX_SEEN = 10_000

#: Largest token that is read, in characters. MAX_SEEN ids take about a quarter of it.
MAX_TOKEN = 4 * 1024 * 1024

#: Seconds by which a progress may be ahead of Splunk's clock, which may have been set back a little.
AHEAD_S = 300

#: Hexadecimal digits that stand for an id: 80 bits, so that two ids of a poll do not meet by chance.
_DIGITS = 20

#: Digits of a time, in seconds; more are not even read.
_LONGEST_TIME = 12

_EARLIEST = int(EARLIEST_INSTANT.timestamp())
_LATEST = int(LATEST_INSTANT.timestamp())


class Kind(StrEnum):
    """What is polled. The token of one is of no use to the other."""

    NOTABLES = "notables"
    ESCU = "escu"


class Progress(NamedTuple):
    """How far a poll has come. All times are whole seconds since the epoch.

    Attributes:
        kind: what is polled.
        indexed: everything indexed before this was looked at.
        since: where the next look begins; earlier than `indexed` by the overlap at most.
        seen: digest -> index time of what was given and may be found again.
        ran: the last scheduled run that was made up for (ESCU only); 0 otherwise.
    """

    kind: Kind
    indexed: int
    since: int
    seen: Mapping[str, int]
    ran: int = 0


def digest(identity: str) -> str:
    """What is remembered of an id."""
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def advanced(
    before: Progress | None,
    *,
    kind: Kind,
    given: Iterable[tuple[str, int]],
    indexed: int,
    overlap_s: int,
    ran: int = 0,
) -> Progress:
    """The progress after a page.

    Args:
        before: the progress that the page started from; None for the first page.
        kind: what is polled.
        given: id and index time of everything on the page.
        indexed: everything indexed before this was looked at, or given.
        overlap_s: seconds to look back next time.
        ran: see Progress.
    """
    indexed = max(indexed, before.indexed if before else indexed)
    since = max(indexed - overlap_s, before.since if before else indexed - overlap_s)
    seen = dict(before.seen) if before else {}
    seen.update((digest(identity), when) for identity, when in given)
    seen = {each: when for each, when in seen.items() if when >= since}
    if len(seen) > MAX_SEEN:
        newest = sorted(seen.values(), reverse=True)
        # From the first whole second that fits; of the newest second everything is kept in any case.
        since = min(newest[MAX_SEEN] + 1, newest[0])
        seen = {each: when for each, when in seen.items() if when >= since}
    return Progress(kind, indexed, since, seen, ran)


def refuse_future(progress: Progress, now: int) -> None:
    """Refuse a progress that lies ahead of Splunk's own time: polls from there would find nothing, for long.

    Args:
        progress: where a poll would begin.
        now: Splunk's own time, whole seconds since the epoch.

    Raises:
        InputError: it lies more than AHEAD_S ahead.
    """
    furthest = max(progress.indexed, progress.since, progress.ran)
    if furthest > now + AHEAD_S:
        raise InputError(
            "checkpoint",
            f"is of {moment(furthest):%Y-%m-%d %H:%M:%S} UTC, and Splunk's clock stands at "
            f"{moment(now):%Y-%m-%d %H:%M:%S} UTC: what is indexed until then would never be given",
            "If Splunk's clock is wrong, set it. Else begin anew without a checkpoint (remove it): "
            "the notables of the first look back are then given again",
        )


def token_of(progress: Progress) -> str:
    """The progress as text for a Checkpoint."""
    return orjson.dumps(_data_of(progress)).decode()


def progress_of(token: str, kind: Kind) -> Progress:
    """The progress that a token holds.

    Raises:
        InputError: it is no token of ours, of another version, or of another kind of poll.
    """
    return _read(_object(token), kind)


def token_of_all(held: Mapping[str, Progress]) -> str:
    """Several polls of one kind (ESCU) as one text: by name, each with a progress of its own."""
    polls = {name: _data_of(held[name]) for name in sorted(held)}
    return orjson.dumps({"v": VERSION, "kind": Kind.ESCU.value, "polls": polls}).decode()


def progresses_of(token: str) -> dict[str, Progress]:
    """What token_of_all was given.

    Raises:
        InputError: as progress_of.
    """
    data = _object(token)
    _refuse_other(data, Kind.ESCU)
    polls = data.get("polls")
    if not isinstance(polls, dict) or not all(isinstance(each, dict) for each in polls.values()):
        raise _unusable("a field is missing or wrong")
    return {name: _read(each, Kind.ESCU) for name, each in polls.items()}


def _data_of(progress: Progress) -> dict[str, object]:
    by_time: dict[int, list[str]] = {}
    for each, when in progress.seen.items():
        by_time.setdefault(when, []).append(each)
    return {
        "v": VERSION,
        "kind": progress.kind.value,
        "indexed": progress.indexed,
        "since": progress.since,
        "ran": progress.ran,
        "seen": [[when, sorted(by_time[when])] for when in sorted(by_time)],
    }


def _refuse_other(data: Mapping[str, object], kind: Kind) -> None:
    if data.get("v") != VERSION:
        raise _unusable("it is of another version")
    if data.get("kind") != kind.value:
        raise _unusable(f"it is not of a poll of {kind.value}")


def _read(data: Mapping[str, object], kind: Kind) -> Progress:
    _refuse_other(data, kind)
    times = [data.get(name) for name in ("indexed", "since", "ran")]
    groups = data.get("seen")
    if not all(is_time(when) for when in times) or not isinstance(groups, list):
        raise _unusable("a field is missing or wrong")
    seen: dict[str, int] = {}
    for group in groups:
        if not (isinstance(group, list) and len(group) == 2 and is_time(group[0])):
            raise _unusable("a field is missing or wrong")
        when, digests = group
        if not (isinstance(digests, list) and all(isinstance(each, str) for each in digests)):
            raise _unusable("a field is missing or wrong")
        seen.update(dict.fromkeys(digests, when))
    indexed, since, ran = (when for when in times if isinstance(when, int))
    return Progress(kind, indexed, since, seen, ran)


def moment(seconds: int) -> datetime:
    """Whole seconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def seconds(value: object) -> int | None:
    """Whole seconds since the epoch, of a time as Splunk writes it; None for what is none.

    Nor for one that no token could hold: it would end the poll for good.
    """
    text = str(value).partition(".")[0] if isinstance(value, str | int | float) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_TIME):
        return None
    when = int(text)
    return when if is_time(when) else None


def _object(token: str) -> dict[str, object]:
    if len(token) > MAX_TOKEN:
        raise _unusable(f"it is longer than {MAX_TOKEN:,} characters")
    try:
        data = orjson.loads(token)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as exc:
        raise _unusable("it is no JSON") from exc
    if not isinstance(data, dict):
        raise _unusable("it is no object")
    return data


def is_time(value: object) -> bool:
    """Whether it is whole seconds since the epoch, in the years that a token can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and _EARLIEST <= value < _LATEST


def _unusable(problem: str) -> InputError:
    return InputError(
        "checkpoint",
        f"cannot be used: {problem}",
        "Give the checkpoint of the last poll as it was, or none to begin anew",
    )
