"""abuse.ch URLhaus: URLs on a host that give out malware.

Call: POST /v1/host/ with the form field host, header Auth-Key; query_status ok, no_results, invalid_host, or
unknown_auth_key; fields url_count and urls[] with url_status online, offline or unknown, date_added
and threat (https://urlhaus-api.abuse.ch/#hostinfo). It documents IPv4 addresses and names only. Check: the
same call for a documentation address, which no one can list. No limit is documented.
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
from connectors.reputation.authors import ABUSE_CH
from connectors.reputation.fields import Fields
from connectors.reputation.threatfox import query_status

BASE_URL = "https://urlhaus-api.abuse.ch"

#: Grade B: each URL was seen to give out malware, but the host is often a hacked or a shared one.
INFO = SourceInfo(
    name="urlhaus",
    title="abuse.ch URLhaus",
    reliability=Reliability.B,
    direction=EvidenceDirection.OUTBOUND,
    licence="Free with an Auth-Key when not for profit; abuse.ch's terms may want a subscription else.",
    online=True,
    volatile=True,
)

#: Seconds an answer is good for.
CACHE_S = 3600

#: An address of RFC 5737, asked for when only the key matters.
CHECK_IP = "192.0.2.1"


class UrlHaus:
    """Asks URLhaus."""

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
        """Ask for a documentation address, which proves the key."""
        return check_by(INFO, self._check, needs_key=True, key=self._key)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """Which URLs on it give out malware; see ReputationSource."""

        def work(_path: str, deadline: Deadline) -> Iterable[SourceAnswer]:
            if ":" in ip:
                raise NotSupported(INFO.name, "not asked: URLhaus documents IPv4 addresses and names only")
            return fetch(
                self._http,
                self._call(ip, cache_s=CACHE_S),
                lambda reply: as_of(read_urlhaus(reply.json(), ip, reply.retrieved_at), reply),
                deadline=deadline,
                fresh=fresh,
            )

        return ask(INFO, ip, work, deadline_s=deadline_s, needs_key=True, key=self._key, clock=self._clock)

    def _call(self, ip: str, *, cache_s: int = 0) -> Call:
        return Call(
            INFO.name,
            f"{self._base_url}/v1/host/",
            method="POST",
            headers={"Accept": "application/json"},
            secret_headers=secret_header("Auth-Key", self._key),
            form={"host": ip},
            cache_s=cache_s,
        )

    def _check(self, deadline: Deadline) -> str:
        reply = self._http.send(self._call(CHECK_IP), deadline=deadline, fresh=True)
        query_status(INFO.name, Fields(INFO.name, reply.json()))
        return "the key is accepted"


def read_urlhaus(body: object, ip: str, retrieved_at: datetime) -> tuple[SourceAnswer, ...]:
    """Read the answer of the host call.

    Raises:
        BadResponse: it is not one.
        AuthRejected: the key is not known.
    """
    data = Fields(INFO.name, body)
    status = query_status(INFO.name, data)
    if status == "no_results":
        return (_answer(ip, retrieved_at, SourceStatus.NOT_FOUND, "URLhaus lists no URL on the address"),)
    if status != "ok":
        raise data.wrong("query_status", "says that the look-up failed")
    check_subject(INFO.name, data.text("host"), ip)
    urls = [read for entry in data.objects("urls") if (read := _read_url(entry, retrieved_at))]
    total = data.maybe_count("url_count")
    total = len(urls) if total is None else total
    if not total:
        return (_answer(ip, retrieved_at, SourceStatus.NOT_FOUND, "URLhaus lists no URL on the address"),)
    if not urls:
        raise BadResponse(INFO.name, f"none of {plural(total, 'URL')} can be read")
    online = sum(is_online for is_online, _ in urls)
    # What is online at the moment of the answer was seen at that moment: URLhaus goes on checking.
    added = max((when for _, when in urls if when is not None), default=None)
    return (
        _answer(
            ip,
            retrieved_at,
            SourceStatus.OK,
            cut(f"{plural(total, 'URL')} gave out malware; {online} of {len(urls)} read are online now"),
            leaning=Leaning.MALICIOUS if online else Leaning.SUSPICIOUS,
            lineage=ABUSE_CH,
            last_seen=retrieved_at if online else added,
        ),
    )


def _read_url(entry: Fields, now: datetime) -> tuple[bool, datetime | None] | None:
    """Whether one URL is online, and when it was added; None when a field has a wrong type."""
    try:
        return entry.text("url_status") == "online", entry.maybe_time("date_added", now=now)
    except BadResponse:
        return None


def _answer(
    ip: str,
    retrieved_at: datetime,
    status: SourceStatus,
    detail: str,
    *,
    leaning: Leaning = Leaning.NONE,
    lineage: str = "",
    last_seen: datetime | None = None,
) -> SourceAnswer:
    return SourceAnswer(
        source=INFO.name,
        ip=ip,
        status=status,
        leaning=leaning,
        direction=INFO.direction,
        reliability=INFO.reliability,
        lineage=lineage,
        last_seen=last_seen,
        retrieved_at=retrieved_at,
        evidence_url=f"https://urlhaus.abuse.ch/host/{ip}/",
        detail=detail,
    )
