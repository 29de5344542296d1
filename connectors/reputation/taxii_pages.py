"""Reads a TAXII 2.1 collection page by page, within bounds.

An envelope has objects, more and next. Without next the reading goes on by added_after, from the header
X-TAXII-Date-Added-Last (https://docs.oasis-open.org/cti/taxii/v2.1/os/taxii-v2.1-os.html, section 3.5). The
pages are kept by the HTTP client's cache, so a reading that runs into its deadline goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from connectors.errors import ConnectorError
from connectors.http.call import Reply
from connectors.reputation.answering import plural
from connectors.reputation.fields import Fields
from connectors.reputation.stix_indicators import Index, build_index

#: The source's short name, in errors and answers.
SOURCE = "taxii"

#: Bounds of one reading. A collection beyond them is used as far as it was read, and that is said.
MAX_PAGES = 200
MAX_BYTES = 32 * 1024 * 1024

#: Objects asked for in a page; a server may give fewer.
PAGE_OBJECTS = 500

#: Longest page token that is sent back, characters.
MAX_TOKEN = 2_000

_QUERY = {"match[type]": "indicator,identity", "limit": str(PAGE_OBJECTS)}


class Collection(NamedTuple):
    """What was read.

    Attributes:
        retrieved_at: when its oldest page was fetched.
        stale: why pages of it are expired ones; "" when none is.
        incomplete: why it was not read to its end; "" when it was.
        failed: the error that ended the reading, if one did.
    """

    indicators: Index
    retrieved_at: datetime
    stale: str = ""
    incomplete: str = ""
    failed: ConnectorError | None = None


class Page(NamedTuple):
    """One envelope.

    Attributes:
        objects: as they came.
        more: True when there are further pages.
        following: the parameter that asks for the next one, with its value; None when the server names none.
    """

    reply: Reply
    objects: list[object]
    more: bool
    following: tuple[str, str] | None


def page_of(reply: Reply) -> Page:
    """Read one envelope.

    Raises:
        BadResponse: it is not one.
    """
    envelope = Fields(SOURCE, reply.json())
    more = envelope.maybe_flag("more") is True
    return Page(reply, envelope.entries("objects"), more, _following(envelope, reply) if more else None)


def read_collection(fetch_page: Callable[[dict[str, str]], Page]) -> Collection:
    """Read all pages.

    Args:
        fetch_page: fetches the page of these parameters; may raise ConnectorError.

    Raises:
        ConnectorError: not even the first page could be read.
    """
    objects: list[object] = []
    fetched: list[datetime] = []
    asked: set[tuple[str, str]] = set()
    params = dict(_QUERY)
    size, stale, incomplete = 0, "", ""
    failed: ConnectorError | None = None
    while not incomplete:
        try:
            page = fetch_page(params)
        except ConnectorError as error:
            if not fetched:
                raise
            failed, incomplete = error, f"the reading ended after {plural(len(fetched), 'page')}"
            break
        objects.extend(page.objects)
        fetched.append(page.reply.retrieved_at)
        size += len(page.reply.body)
        if page.reply.stale:
            stale = stale or page.reply.failure or "the source failed"
        if not page.more:
            break
        if page.following is None or page.following in asked:
            incomplete = f"the server names no page after {plural(len(fetched), 'page')}"
        elif len(fetched) >= MAX_PAGES or size >= MAX_BYTES:
            incomplete = f"only the first {plural(len(fetched), 'page')} of the collection were read"
        else:
            asked.add(page.following)
            params = {**_QUERY, page.following[0]: page.following[1]}
    index = build_index(SOURCE, objects, now=max(fetched))
    return Collection(index, min(fetched), stale, incomplete, failed)


def _following(envelope: Fields, reply: Reply) -> tuple[str, str] | None:
    """The parameter that asks for the next page, with its value; None when the server gives none."""
    token = envelope.text("next")
    if token:
        return ("next", token) if len(token) <= MAX_TOKEN else None
    last = reply.headers.get("x-taxii-date-added-last", "")
    return ("added_after", last) if 0 < len(last) <= 64 else None
