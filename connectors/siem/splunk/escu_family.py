"""The analytics of several programs over plain Splunk, polled together.

Each has a progress of its own in the one checkpoint, so that nothing depends on the others:

- One that is added later begins with its own first look, and the others go on where they were.
- One that is left out for a while keeps its place, and makes up for what it missed when it is back.
- Where the limit is reached before its turn, its first look is noted, and next time it comes first.

One of them that fails fails the poll: nothing moves on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from connectors.errors import InputError, QueryFailed
from connectors.facts.notable import Notable
from connectors.http.deadline import Deadline
from connectors.siem.notable import RejectedNotable
from connectors.siem.splunk import checkpoint, escu
from connectors.siem.splunk.checkpoint import Progress
from connectors.siem.splunk.escu import EscuAnalytic
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.notables import MAX_LIMIT
from connectors.siem.splunk.rest import CONNECTOR


class FamilyPage(NamedTuple):
    """The next notables of all analytics.

    Attributes:
        notables, rejected: see Page.
        progress: where to go on, by analytic (key_of); those that were not asked for are kept.
    """

    notables: tuple[Notable, ...]
    rejected: tuple[RejectedNotable, ...]
    progress: Mapping[str, Progress]


def key_of(analytic: EscuAnalytic) -> str:
    """What an analytic's progress is known by: its title and program, as its notables' ids are."""
    return checkpoint.digest(json.dumps([analytic.title, analytic.process_name.casefold()]))


def fetch(
    searches: SearchJobs,
    analytics: Sequence[EscuAnalytic],
    held: Mapping[str, Progress],
    *,
    limit: int,
    now: datetime,
    deadline: Deadline,
) -> FamilyPage:
    """The next notables of all analytics, at most `limit`.

    Args:
        searches: runs the searches.
        analytics: what is searched for; one that is named twice counts once.
        held: how far each of them came; empty for the first poll.
        limit: notables at most, of all together.
        now: Splunk's own time.
        deadline: for all searches together.

    Raises:
        ConnectorError, QueryFailed, InputError: as escu.fetch.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InputError("limit", f"is not between 1 and {MAX_LIMIT:,}")
    by_key = {key_of(each): each for each in analytics}
    after = dict(held)
    notables: list[Notable] = []
    rejected: list[RejectedNotable] = []
    # Whoever waited longest is first; a family that fills every page must not keep one from its turn.
    for key in sorted(by_key, key=lambda each: held[each].indexed if each in held else 0):
        left = limit - len(notables) - len(rejected)
        if not left:
            after.setdefault(key, escu.begun(now))
            continue
        page = escu.fetch(searches, by_key[key], held.get(key), limit=left, now=now, deadline=deadline)
        notables += page.notables
        rejected += page.rejected
        after[key] = page.progress
    # No token holds more.
    if sum(len(each.seen) for each in after.values()) > escu.MAX_PAGED:
        raise QueryFailed(CONNECTOR, f"more than {escu.MAX_PAGED:,} groups in one poll; none was taken")
    return FamilyPage(tuple(notables), tuple(rejected), after)
