"""When a source says it may be asked again: seconds, an HTTP date or an epoch, in one of several headers.

Retry-After is seconds or a date (RFC 9110, 10.2.3). X-RateLimit-Reset has no standard: some send an epoch,
some seconds; RateLimit-Reset of the IETF draft is seconds. The size of the number tells them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: In this order; the first one that can be read counts.
_HEADERS = (
    "retry-after",
    "x-ratelimit-retryafter",  # CrowdStrike: an epoch in seconds
    "x-ratelimit-reset",
    "ratelimit-reset",
    "x-rate-limit-reset",
)

#: From here on a number is an epoch in seconds, or in milliseconds: 2001-09-09 in either.
_EPOCH_S = 1e9
_EPOCH_MS = 1e12

#: Dates and numbers are shorter; no date is looked for in more.
_LONGEST = 64

_NUMBER = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?")


def retry_at(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When to ask again, never before `now`; None when the headers do not say it readably.

    Args:
        headers: names in lower case.
        now: timezone-aware.
    """
    for name in _HEADERS:
        if (moment := read_moment(headers.get(name, ""), now)) is not None:
            return moment
    return None


def read_moment(text: str, now: datetime) -> datetime | None:
    """One header's value as a moment, never before `now`; None when it is not readable."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return None
    try:
        if _NUMBER.fullmatch(text):
            return max(now, _from_number(float(text), now))
        moment = parsedate_to_datetime(text)
        return max(now, moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _from_number(number: float, now: datetime) -> datetime:
    if number >= _EPOCH_MS:
        return datetime.fromtimestamp(number / 1000, UTC)
    if number >= _EPOCH_S:
        return datetime.fromtimestamp(number, UTC)
    return now + timedelta(seconds=number)
