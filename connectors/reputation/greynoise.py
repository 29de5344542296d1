"""GreyNoise API v3: who scans the internet (inbound), and which addresses are common business services.

Community: GET /v3/community/{ip}, header key; 404 means not observed, 400 anything but routable IPv4
(https://docs.greynoise.io/reference/getcommunityip). Paid: GET /v3/ip/{ip} with internet_scanner_intelligence
and business_service_intelligence; 206 means that the plan left fields out (the vendor's OpenAPI document,
https://api.greynoise.io/v3/openapi.yaml, and https://docs.greynoise.io/docs/v2-v3-api-migration-matrix).
last_seen is documented as one day; a list of days is read too.
Check: GET /ping, which the same document gives for testing access.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.errors import BadResponse, NotSupported
from connectors.facts.health import Health
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)
from connectors.http.call import Call, Limits, Reply
from connectors.http.deadline import Deadline
from connectors.reputation.answering import (
    Sender,
    as_of,
    ask,
    check_by,
    check_subject,
    cut,
    fetch,
    secret_header,
)
from connectors.reputation.authors import GREYNOISE
from connectors.reputation.fields import Fields

BASE_URL = "https://api.greynoise.io"

INFO = SourceInfo(
    name="greynoise",
    title="GreyNoise",
    reliability=Reliability.B,
    direction=EvidenceDirection.INBOUND,
    licence="The community interface is free within its quota; the full one needs a subscription.",
    online=True,
    volatile=False,
)

#: The vendor's pages name 100 a day, 50 a week and 25 a week for the community interface. The smallest number
#: is taken as a day's worth; the vendor's own 429 says when a week is used up.
COMMUNITY_LIMITS = Limits(per_day=25)

#: Seconds an answer is good for.
CACHE_S = 24 * 3600

NOT_OBSERVED = "GreyNoise has not seen the address scan, and knows it as no common service"

_LEANINGS = {"malicious": Leaning.MALICIOUS, "suspicious": Leaning.SUSPICIOUS, "benign": Leaning.HARMLESS}

#: Trust levels of a business service: 1 high, 2 moderate, 3 a label only, such as cloud and bulk hosting.
_TRUSTED_LEVELS = frozenset({"1", "2"})


class GreyNoise:
    """Asks GreyNoise.

    Args:
        paid: True for a key with a subscription: asks the full look-up instead of the community one.
    """

    def __init__(
        self,
        http: Sender,
        key: SecretStr | None,
        *,
        base_url: str = BASE_URL,
        clock: Callable[[], datetime] = utc_now,
        paid: bool = False,
    ) -> None:
        self._http = http
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._paid = paid

    @property
    def info(self) -> SourceInfo:
        """What is true of the source."""
        return INFO

    def check(self) -> Health:
        """Ping with the key; takes no look-up."""
        return check_by(INFO, self._check, needs_key=True, key=self._key)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """Whether it scans, and whether it is a common service; see ReputationSource."""

        def work(path: str, deadline: Deadline) -> Iterable[SourceAnswer]:
            if ":" in ip:
                raise NotSupported(INFO.name, "not asked: GreyNoise answers for IPv4 addresses only")
            call = self._call(f"/v3/ip/{path}" if self._paid else f"/v3/community/{path}", cache_s=CACHE_S)
            return fetch(self._http, call, read, deadline=deadline, fresh=fresh)

        def read(reply: Reply) -> tuple[SourceAnswer, ...]:
            if self._paid:
                partial = reply.status == 206
                found = read_greynoise(reply.json(), ip, reply.retrieved_at, partial=partial)
            else:
                found = read_greynoise_community(reply.json(), ip, reply.retrieved_at)
            return as_of(found, reply)

        return ask(
            INFO,
            ip,
            work,
            deadline_s=deadline_s,
            needs_key=True,
            key=self._key,
            not_found=NOT_OBSERVED,
            clock=self._clock,
        )

    def _call(self, path: str, *, cache_s: int = 0) -> Call:
        return Call(
            INFO.name,
            f"{self._base_url}{path}",
            headers={"Accept": "application/json"},
            secret_headers=secret_header("key", self._key),
            cache_s=cache_s,
            cache_not_found=True,
            limits=Limits() if self._paid or not cache_s else COMMUNITY_LIMITS,
        )

    def _check(self, deadline: Deadline) -> str:
        reply = self._http.send(self._call("/ping"), deadline=deadline, fresh=True)
        answer = Fields(INFO.name, reply.json())
        if answer.text("message") != "pong":
            raise BadResponse(INFO.name, "the answer to the ping is not a pong")
        expires = answer.shown("expiration")
        return "the key is accepted" + (f"; it expires {expires}" if expires else "")


def read_greynoise_community(body: object, ip: str, retrieved_at: datetime) -> tuple[SourceAnswer, ...]:
    """Read the community answer: one answer for the scanner data, one for the service data, or not found.

    Raises:
        BadResponse: it is not one.
    """
    data = Fields(INFO.name, body)
    check_subject(INFO.name, data.text("ip"), ip)
    noise, riot = data.flag("noise"), data.flag("riot")
    classification = data.text("classification")
    last_seen = data.maybe_latest_time("last_seen", now=retrieved_at)
    answers = []
    if noise:
        answers.append(_scanner(ip, retrieved_at, classification, last_seen))
    if riot:
        answers.append(_service(ip, retrieved_at, trusted=True, name=data.shown("name"), last_seen=last_seen))
    return tuple(answers) or (_not_observed(ip, retrieved_at),)


def read_greynoise(
    body: object, ip: str, retrieved_at: datetime, *, partial: bool = False
) -> tuple[SourceAnswer, ...]:
    """Read the full look-up.

    Args:
        body: the answer.
        ip: the address asked for.
        retrieved_at: when it was fetched.
        partial: True when it came with status 206: the plan left fields out.

    Raises:
        BadResponse: it is not one.
    """
    data = Fields(INFO.name, body)
    check_subject(INFO.name, data.text("ip"), ip)
    scanner = data.maybe_child("internet_scanner_intelligence")
    service = data.maybe_child("business_service_intelligence")
    if scanner is None and service is None:
        raise BadResponse(INFO.name, "the answer has neither scanner nor service intelligence")
    answers = []
    if scanner is not None and scanner.maybe_flag("found"):
        last_seen = scanner.maybe_time("last_seen_timestamp", now=retrieved_at) or scanner.maybe_latest_time(
            "last_seen", now=retrieved_at
        )
        spoofable = scanner.maybe_flag("spoofable") is True
        answers.append(
            _scanner(ip, retrieved_at, scanner.text("classification"), last_seen, spoofable=spoofable)
        )
    if service is not None and service.maybe_flag("found"):
        answers.append(
            _service(
                ip,
                retrieved_at,
                trusted=service.text("trust_level") in _TRUSTED_LEVELS,
                name=service.shown("name"),
                last_seen=service.maybe_time("last_updated", now=retrieved_at),
            )
        )
    found = tuple(answers) or (_not_observed(ip, retrieved_at),)
    if not partial:
        return found
    return tuple(
        answer.model_copy(update={"detail": cut(f"{answer.detail}; the plan left parts out")})
        for answer in found
    )


def _scanner(
    ip: str,
    retrieved_at: datetime,
    classification: str,
    last_seen: datetime | None,
    *,
    spoofable: bool = False,
) -> SourceAnswer:
    word = classification if classification in _LEANINGS else "unknown"
    return SourceAnswer(
        source=INFO.name,
        ip=ip,
        status=SourceStatus.OK,
        leaning=_LEANINGS.get(classification, Leaning.NONE),
        direction=EvidenceDirection.INBOUND,
        reliability=INFO.reliability,
        lineage=GREYNOISE,
        last_seen=last_seen,
        retrieved_at=retrieved_at,
        evidence_url=_page(ip),
        detail=f"Scans the internet, intent {word}" + ("; its address may be forged" if spoofable else ""),
    )


def _service(
    ip: str, retrieved_at: datetime, *, trusted: bool, name: str, last_seen: datetime | None
) -> SourceAnswer:
    kind = "Known business service" if trusted else "Labelled as a service, without trust"
    return SourceAnswer(
        source=INFO.name,
        ip=ip,
        status=SourceStatus.OK,
        leaning=Leaning.HARMLESS if trusted else Leaning.NONE,
        direction=EvidenceDirection.CONTEXT,
        reliability=INFO.reliability,
        lineage=GREYNOISE,
        last_seen=last_seen,
        retrieved_at=retrieved_at,
        evidence_url=_page(ip),
        detail=kind + (f" {name}" if name else ""),
    )


def _not_observed(ip: str, retrieved_at: datetime) -> SourceAnswer:
    return SourceAnswer(
        source=INFO.name,
        ip=ip,
        status=SourceStatus.NOT_FOUND,
        direction=INFO.direction,
        reliability=INFO.reliability,
        retrieved_at=retrieved_at,
        evidence_url=_page(ip),
        detail=NOT_OBSERVED,
    )


def _page(ip: str) -> str:
    return f"https://viz.greynoise.io/ip/{ip}"
