"""Splunk SOAR over its own REST API: bounded calls, pages with a cap, answers in the one error tree.

Only the SDK's client is used, which carries the platform's session. Its `container.create` and
`artifact.create` are not: they wait without limit, and a client without a session keeps what it is given in
its own memory and says that it was created.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx
from soar_sdk.abstract import SOARClient

from connectors.addresses import shown
from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    NotFound,
    PermissionMissing,
    RateLimited,
    Rejected,
    TimedOut,
    Transient,
)

#: How errors call the platform.
PLATFORM = "soar"

#: Seconds for one call: to connect, and for anything else.
TIMEOUT = httpx.Timeout(20.0, connect=5.0)

#: Rows of one page.
PAGE_SIZE = 100

#: Digits of an id at most: those of a 64-bit number.
_MAX_DIGITS = 19

#: What the platform answers for a container it has already.
EXISTING = "existing_container_id"

type Row = Mapping[str, object]


class Rows(NamedTuple):
    """Rows of a list.

    Attributes:
        rows: in the order asked for.
        truncated: True when there are more than were read.
        left_out: how many more there are; None when the platform does not say.
    """

    rows: tuple[Row, ...]
    truncated: bool
    left_out: int | None = 0


def get_row(soar: SOARClient[Any], endpoint: str, **params: str | int) -> Row:
    """One object.

    Raises:
        ConnectorError: the platform did not give it; NotFound where there is none.
    """
    return _answer(lambda: soar.get(endpoint, params=dict(params), timeout=TIMEOUT))


def get_rows(soar: SOARClient[Any], endpoint: str, *, cap: int, **params: str | int) -> Rows:
    """The rows of a list, page by page: `cap` at most, and no more pages than that takes.

    Raises:
        ConnectorError: a page was not given; BadResponse where it is no list of objects.
    """
    found: list[Row] = []
    size = min(PAGE_SIZE, cap)
    last = False
    total: object = None
    for page in range(math.ceil(cap / size)):
        answer = get_row(soar, endpoint, **params, page_size=size, page=page)
        rows = answer.get("data")
        if not isinstance(rows, list):
            raise BadResponse(PLATFORM, f"{endpoint} gave no list")
        if not all(isinstance(row, Mapping) for row in rows):
            raise BadResponse(PLATFORM, f"{endpoint} gave a list with something that is no object")
        found += rows
        pages, total = answer.get("num_pages"), answer.get("count")
        # A page without rows ends the list whatever num_pages says.
        last = not rows or not isinstance(pages, int) or page + 1 >= pages
        if last:
            break
    truncated = len(found) > cap or not last
    counted = isinstance(total, int) and total > min(len(found), cap)
    left_out = total - min(len(found), cap) if counted and isinstance(total, int) else None
    return Rows(tuple(found[:cap]), truncated, left_out if truncated else 0)


def post_row(soar: SOARClient[Any], endpoint: str, body: Mapping[str, object]) -> Row:
    """Write one object and return the answer; that of an object the platform has already is one too.

    Raises:
        ConnectorError: it was not taken. TimedOut: it is not known whether it was.
    """
    return _answer(lambda: soar.post(endpoint, json=dict(body), timeout=TIMEOUT, follow_redirects=False))


def whole_number(row: Row, name: str) -> int:
    """A number of an answer, such as an id.

    Raises:
        BadResponse: it is missing or no whole number above 0.
    """
    value = row.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 10**_MAX_DIGITS:
        raise BadResponse(PLATFORM, f"the answer has no usable {name}")
    return value


def _answer(call: Callable[[], httpx.Response]) -> Row:
    try:
        response = call()
    except httpx.HTTPStatusError as error:
        answer = _object(error.response)
        if answer is not None and EXISTING in answer:
            return answer
        raise _refused(error.response.status_code, answer) from error
    except httpx.TimeoutException as error:
        raise TimedOut(PLATFORM, "the platform did not answer in time") from error
    except httpx.HTTPError as error:
        raise Transient(PLATFORM, f"the platform cannot be reached ({type(error).__name__})") from error
    answer = _object(response)
    if answer is None:
        raise BadResponse(PLATFORM, "the platform answered with something that is no JSON object")
    if answer.get("failed") and EXISTING not in answer:
        raise Rejected(PLATFORM, f"the platform refused it{_reason(answer)}")
    return answer


def _object(response: httpx.Response) -> Row | None:
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refused(status: int, answer: Row | None) -> ConnectorError:
    why = f"the platform answered {status}{_reason(answer)}"
    if status == 401:
        return AuthRejected(PLATFORM, why)
    if status == 403:
        return PermissionMissing(PLATFORM, why, scope="edit containers and artifacts")
    if status == 404:
        return NotFound(PLATFORM, why)
    if status == 408:
        return TimedOut(PLATFORM, why)
    if status == 429:
        return RateLimited(PLATFORM, why)
    return Transient(PLATFORM, why) if status >= 500 else Rejected(PLATFORM, why)


def _reason(answer: Row | None) -> str:
    message = (answer or {}).get("message")
    return f": {shown(message)}" if isinstance(message, str) and message else ""
