"""What all reputation sources share: how an error becomes a status, and an expired answer is marked.

A source's own module knows its call and how to read its answer; both may raise a ConnectorError. Here is the
one place where that turns into a SourceAnswer or a Health, so that a look-up never raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.errors import AuthRejected, BadResponse, ConnectorError, NotFound, RateLimited, TimedOut
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import SourceAnswer, SourceInfo, SourceStatus
from connectors.http.call import Call, Reply
from connectors.http.deadline import Deadline

#: Longest `detail` of an answer, characters.
MAX_DETAIL = 300

#: Seconds a check may take.
CHECK_S = 10.0

#: The status of each error that has one of its own.
_STATUS_OF: tuple[tuple[type[ConnectorError], SourceStatus], ...] = (
    (AuthRejected, SourceStatus.AUTH),
    (RateLimited, SourceStatus.RATE_LIMITED),
    (TimedOut, SourceStatus.TIMEOUT),
)


class Sender(Protocol):
    """What a source needs of the HTTP client (connectors.http.client.Http)."""

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        """The answer to a call.

        Raises:
            NotFound, AuthRejected, RateLimited, Rejected, Transient, TimedOut, BadResponse.
        """


def ask(
    info: SourceInfo,
    ip: str,
    work: Callable[[str, Deadline], Iterable[SourceAnswer]],
    *,
    deadline_s: float,
    needs_key: bool,
    key: SecretStr | None,
    not_found: str = "",
    clock: Callable[[], datetime] = utc_now,
) -> tuple[SourceAnswer, ...]:
    """Do one look-up and answer with a status whatever happens.

    Args:
        info: the source.
        ip: the address; anything but canonical text is refused before it reaches a URL.
        work: asks and reads, at least one answer; gets the address fit for a URL path and the deadline. May
            raise ConnectorError.
        deadline_s: seconds for all of it.
        needs_key: True when the source answers nobody without a key.
        key: the credential, None when there is none.
        not_found: what a 404 of this source means, one sentence; "" when it means that the URL is wrong.
        clock: the time of a failure.
    """
    if canonical_ip(ip) != ip:
        return (_failure(info, "", SourceStatus.ERROR, "not asked: not an address in canonical form"),)
    if needs_key and key is None:
        return (_failure(info, ip, SourceStatus.NOT_CONFIGURED, f"{info.title} has no key configured"),)
    started = time.monotonic()
    try:
        answers = tuple(work(quote(ip, safe=":"), Deadline.after(deadline_s)))
    except ConnectorError as error:
        status, detail = status_of(error, not_found=not_found)
        said_at = error.as_of if isinstance(error, NotFound) else None
        answers = (_failure(info, ip, status, detail, retrieved_at=said_at or clock()),)
    took_ms = round((time.monotonic() - started) * 1000)
    return tuple(answer.model_copy(update={"took_ms": took_ms}) for answer in answers)


def fetch[T](http: Sender, call: Call, read: Callable[[Reply], T], *, deadline: Deadline, fresh: bool) -> T:
    """Send a call and read its reply.

    Some failures come with status 200 (a login page, "unknown key" as JSON), so the client is given the
    reader: what cannot be read is not kept, and an older answer stays.

    Raises:
        ConnectorError: of the client, or of `read`.
    """
    return read(http.send(call._replace(accept=read), deadline=deadline, fresh=fresh))


def status_of(error: ConnectorError, *, not_found: str = "") -> tuple[SourceStatus, str]:
    """The status that an error stands for, and a sentence."""
    detail = cut(error.message)
    status = next((status for kind, status in _STATUS_OF if isinstance(error, kind)), SourceStatus.ERROR)
    if isinstance(error, NotFound):
        if not_found:
            return SourceStatus.NOT_FOUND, not_found
        detail = cut(f"the service is not at this URL: {detail}")
    if isinstance(error, RateLimited) and error.retry_at is not None:
        when = error.retry_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        detail = cut(f"{detail}; ask again after {when}")
    return status, detail


def as_of(answers: Iterable[SourceAnswer], reply: Reply) -> tuple[SourceAnswer, ...]:
    """The answers, marked STALE when the reply is an expired one given because the source failed."""
    if not reply.stale:
        return tuple(answers)
    note = f"expired answer: {reply.failure or 'the source failed'}"
    return tuple(
        answer.model_copy(
            update={"status": SourceStatus.STALE, "detail": cut(f"{note}. {answer.detail}".strip())}
        )
        for answer in answers
    )


def check_by(
    info: SourceInfo, work: Callable[[Deadline], str], *, needs_key: bool, key: SecretStr | None
) -> Health:
    """Run a source's check.

    Args:
        info: the source.
        work: makes the cheapest call that proves the key and returns a sentence; may raise ConnectorError.
        needs_key: True when the source answers nobody without a key.
        key: the credential, None when there is none.
    """
    if needs_key and key is None:
        return Health(
            connector=info.name,
            state=HealthState.NOT_CONFIGURED,
            detail=f"{info.title} has no key configured",
        )
    try:
        detail = work(Deadline.after(CHECK_S))
    except ConnectorError as error:
        status, sentence = status_of(error)
        return Health(connector=info.name, state=HealthState.FAILED, detail=cut(f"{status}: {sentence}"))
    return Health(connector=info.name, state=HealthState.OK, detail=cut(detail))


def secret_header(name: str, key: SecretStr | None) -> dict[str, SecretStr]:
    """The header that carries the key; none when there is no key."""
    return {} if key is None else {name: key}


def cut(text: str, most: int = MAX_DETAIL) -> str:
    """Text of at most `most` characters, an ellipsis where it was cut."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def check_subject(source: str, stated: str, ip: str) -> None:
    """Make sure that an answer is about the address asked for, where it says which it is about.

    Args:
        source: short name.
        stated: the address as the answer states it; "" when it does not.
        ip: the address asked for, canonical.

    Raises:
        BadResponse: it is about another one.
    """
    if stated and canonical_ip(stated) != ip:
        raise BadResponse(source, "the answer is about another address")


def plural(number: int, noun: str) -> str:
    """A number with its noun: "1 pulse", "2 pulses"; "entry" becomes "entries"."""
    if number == 1:
        return f"{number:,} {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{number:,} {noun}s"


def _failure(
    info: SourceInfo,
    ip: str,
    status: SourceStatus,
    detail: str,
    *,
    retrieved_at: datetime | None = None,
) -> SourceAnswer:
    return SourceAnswer(
        source=info.name,
        ip=ip,
        status=status,
        direction=info.direction,
        reliability=info.reliability,
        retrieved_at=retrieved_at,
        took_ms=0,
        detail=detail,
    )
