"""AlienVault OTX: the pulses (reports) that name an address.

Call: GET /api/v1/indicators/IPv4|IPv6/{ip}/general, header X-OTX-API-KEY; fields pulse_info and validation
(the vendor's SDK, https://github.com/AlienVault-OTX/OTX-Python-SDK, and its example is_malicious, which takes
any validation as a reason not to believe the pulses). Check: GET /api/v1/users/me, because look-ups ignore a
wrong key. The limit of 10,000 requests an hour is not in a page we could read: no limit of our own.

Anyone may publish a pulse. A pulse counts for its author only where the author is a known account; all others
are told together, without a lineage, and can never convict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.errors import BadResponse
from connectors.facts.health import Health
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)
from connectors.http.call import Call
from connectors.http.deadline import Deadline
from connectors.reputation.answering import (
    Sender,
    as_of,
    ask,
    check_by,
    check_subject,
    cut,
    fetch,
    plural,
    secret_header,
)
from connectors.reputation.authors import known_author
from connectors.reputation.directions import direction_of
from connectors.reputation.fields import Fields

BASE_URL = "https://otx.alienvault.com"

INFO = SourceInfo(
    name="otx",
    title="AlienVault OTX",
    reliability=Reliability.C,
    direction=EvidenceDirection.CONTEXT,
    licence="Free with an account; pulses belong to their authors.",
    online=True,
    volatile=True,
)

#: Seconds an answer is good for.
CACHE_S = 6 * 3600

#: Tags of one pulse that are read.
MAX_TAGS = 50

_FALSE_ALARM = frozenset({"false_positive", "whitelist"})


class _Pulse(NamedTuple):
    lineage: str
    direction: EvidenceDirection
    last_seen: datetime | None


class Otx:
    """Asks OTX."""

    def __init__(
        self,
        http: Sender,
        key: SecretStr | None,
        *,
        base_url: str = BASE_URL,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._http = http
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._clock = clock

    @property
    def info(self) -> SourceInfo:
        """What is true of the source."""
        return INFO

    def check(self) -> Health:
        """Ask who the key belongs to; looks up nothing."""
        return check_by(INFO, self._check, needs_key=True, key=self._key)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """Which pulses name it, by author; see ReputationSource."""

        def work(path: str, deadline: Deadline) -> Iterable[SourceAnswer]:
            kind = "IPv6" if ":" in ip else "IPv4"
            call = self._call(f"/api/v1/indicators/{kind}/{path}/general", cache_s=CACHE_S)
            return fetch(
                self._http,
                call,
                lambda reply: as_of(read_otx(reply.json(), ip, reply.retrieved_at), reply),
                deadline=deadline,
                fresh=fresh,
            )

        return ask(
            INFO,
            ip,
            work,
            deadline_s=deadline_s,
            needs_key=True,
            key=self._key,
            not_found="OTX has no record of the address",
            clock=self._clock,
        )

    def _call(self, path: str, *, cache_s: int = 0) -> Call:
        return Call(
            INFO.name,
            f"{self._base_url}{path}",
            headers={"Accept": "application/json"},
            secret_headers=secret_header("X-OTX-API-KEY", self._key),
            cache_s=cache_s,
            cache_not_found=True,
        )

    def _check(self, deadline: Deadline) -> str:
        reply = self._http.send(self._call("/api/v1/users/me"), deadline=deadline, fresh=True)
        if not Fields(INFO.name, reply.json()).text("username"):
            raise BadResponse(INFO.name, "the answer to the check names no user")
        return "the key is accepted"


def read_otx(body: object, ip: str, retrieved_at: datetime) -> tuple[SourceAnswer, ...]:
    """Read the general section of an address: one answer for each known author, one for all others.

    Raises:
        BadResponse: it is not one.
    """
    data = Fields(INFO.name, body)
    check_subject(INFO.name, data.text("indicator"), ip)
    info = data.child("pulse_info")
    total = info.count("count")
    false_alarm = any(_is_false_alarm(entry) for entry in data.objects("validation"))
    pulses = [pulse for entry in info.objects("pulses") if (pulse := _read_pulse(entry, retrieved_at))]
    if total and not pulses:
        raise BadResponse(INFO.name, f"none of {plural(total, 'pulse')} can be read")
    if not pulses:
        return (
            _answer(
                ip,
                retrieved_at,
                status=SourceStatus.OK if false_alarm else SourceStatus.NOT_FOUND,
                leaning=Leaning.HARMLESS if false_alarm else Leaning.NONE,
                detail="OTX lists the address as harmless" if false_alarm else "No pulse names the address",
            ),
        )
    by_author: dict[str, list[_Pulse]] = {}
    for pulse in pulses:
        by_author.setdefault(pulse.lineage, []).append(pulse)
    return tuple(
        _of_author(ip, retrieved_at, author, found, read=len(pulses), total=total, false_alarm=false_alarm)
        for author, found in sorted(by_author.items())
    )


def _is_false_alarm(entry: Fields) -> bool:
    try:
        return entry.text("source") in _FALSE_ALARM
    except BadResponse:
        return False


def _read_pulse(entry: Fields, now: datetime) -> _Pulse | None:
    """One pulse; None when a field of it has a wrong type, which its author may have brought about."""
    try:
        author = entry.maybe_child("author")
        tags = [tag for tag in entry.entries("tags")[:MAX_TAGS] if isinstance(tag, str)]
        return _Pulse(
            lineage=known_author(author.text("username")) if author else "",
            direction=direction_of((entry.text("name"), *tags)),
            last_seen=entry.maybe_time("modified", now=now) or entry.maybe_time("created", now=now),
        )
    except BadResponse:
        return None


def _of_author(
    ip: str,
    retrieved_at: datetime,
    author: str,
    pulses: Sequence[_Pulse],
    *,
    read: int,
    total: int,
    false_alarm: bool,
) -> SourceAnswer:
    directions = {pulse.direction for pulse in pulses}
    seen = [pulse.last_seen for pulse in pulses if pulse.last_seen is not None]
    notes = [
        f"{plural(len(pulses), 'pulse')} by {author or 'other authors'}",
        f"{read:,} of {total:,} were read" if total > read else "",
        "OTX itself lists the address as a false alarm" if false_alarm else "",
    ]
    reported = Leaning.MALICIOUS if author else Leaning.SUSPICIOUS
    return _answer(
        ip,
        retrieved_at,
        status=SourceStatus.OK,
        leaning=Leaning.NONE if false_alarm else reported,
        detail=cut("; ".join(note for note in notes if note)),
        lineage=author,
        direction=directions.pop() if len(directions) == 1 else EvidenceDirection.CONTEXT,
        last_seen=max(seen, default=None),
    )


def _answer(
    ip: str,
    retrieved_at: datetime,
    *,
    status: SourceStatus,
    leaning: Leaning,
    detail: str,
    lineage: str = "",
    direction: EvidenceDirection = EvidenceDirection.CONTEXT,
    last_seen: datetime | None = None,
) -> SourceAnswer:
    return SourceAnswer(
        source=INFO.name,
        ip=ip,
        status=status,
        leaning=leaning,
        direction=direction,
        reliability=INFO.reliability,
        lineage=lineage,
        last_seen=last_seen,
        retrieved_at=retrieved_at,
        evidence_url=f"https://otx.alienvault.com/indicator/ip/{ip}",
        detail=detail,
    )
