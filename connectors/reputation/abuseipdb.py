"""AbuseIPDB API v2: reports of what an address did to others. Inbound evidence.

Call: GET /api/v2/check?ipAddress&maxAgeInDays, header Key; free keys 1000 checks a day, 429 with Retry-After
and X-RateLimit-* (https://docs.abuseipdb.com/#check-endpoint). An unknown address is answered with zero
reports, not with 404.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.facts.health import Health
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)
from connectors.http.call import Call, Limits
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
from connectors.reputation.authors import ABUSEIPDB
from connectors.reputation.fields import Fields

BASE_URL = "https://api.abuseipdb.com"

INFO = SourceInfo(
    name="abuseipdb",
    title="AbuseIPDB",
    reliability=Reliability.C,
    direction=EvidenceDirection.INBOUND,
    licence="Use is subject to AbuseIPDB's terms; a free key allows 1,000 checks a day.",
    online=True,
    volatile=True,
)

LIMITS = Limits(per_day=1_000)

#: Seconds an answer is good for.
CACHE_S = 6 * 3600

#: Days of reports that are asked for (the API takes 1 to 365).
MAX_AGE_DAYS = 90

#: Confidence of abuse, percent, from which the reports lean malicious, and suspicious.
MALICIOUS_SCORE = 75
SUSPICIOUS_SCORE = 25

#: The usage types AbuseIPDB documents; any other text is not shown.
_USAGE_TYPES = {
    "Commercial": "commercial",
    "Organization": "organisation",
    "Government": "government",
    "Military": "military",
    "University/College/School": "university or school",
    "Library": "library",
    "Content Delivery Network": "content delivery network",
    "Fixed Line ISP": "fixed-line provider",
    "Mobile ISP": "mobile provider",
    "Data Center/Web Hosting/Transit": "data centre, hosting or transit",
    "Search Engine Spider": "search engine",
    "Reserved": "reserved",
}


class AbuseIpDb:
    """Asks AbuseIPDB."""

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
        """Check the loopback address; there is no other call, so this takes one of the day's checks."""
        return check_by(INFO, self._check, needs_key=True, key=self._key)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """What was reported; see ReputationSource."""

        def work(_path: str, deadline: Deadline) -> Iterable[SourceAnswer]:
            return fetch(
                self._http,
                self._call(ip, cache_s=CACHE_S),
                lambda reply: as_of(read_abuseipdb(reply.json(), ip, reply.retrieved_at), reply),
                deadline=deadline,
                fresh=fresh,
            )

        return ask(INFO, ip, work, deadline_s=deadline_s, needs_key=True, key=self._key, clock=self._clock)

    def _call(self, ip: str, *, cache_s: int = 0) -> Call:
        return Call(
            INFO.name,
            f"{self._base_url}/api/v2/check",
            params={"ipAddress": ip, "maxAgeInDays": str(MAX_AGE_DAYS)},
            headers={"Accept": "application/json"},
            secret_headers=secret_header("Key", self._key),
            cache_s=cache_s,
            limits=LIMITS,
        )

    def _check(self, deadline: Deadline) -> str:
        reply = self._http.send(self._call("127.0.0.1"), deadline=deadline, fresh=True)
        Fields(INFO.name, reply.json()).child("data")
        left = reply.headers.get("x-ratelimit-remaining", "")
        if left.isascii() and left.isdecimal() and len(left) <= 9:
            return f"the key is accepted; {plural(int(left), 'check')} left today"
        return "the key is accepted"


def read_abuseipdb(body: object, ip: str, retrieved_at: datetime) -> tuple[SourceAnswer, ...]:
    """Read the answer of the check call.

    Raises:
        BadResponse: it is not one.
    """
    data = Fields(INFO.name, body).child("data")
    check_subject(INFO.name, data.text("ipAddress"), ip)
    score = data.count("abuseConfidenceScore", most=100)
    reports = data.maybe_count("totalReports") or 0
    users = data.maybe_count("numDistinctUsers") or 0
    whitelisted = data.maybe_flag("isWhitelisted") is True
    tor = data.maybe_flag("isTor") is True
    last_seen = data.maybe_time("lastReportedAt", now=retrieved_at)
    usage = _USAGE_TYPES.get(data.text("usageType"), "")
    known = bool(reports or score or whitelisted or tor)
    harmless = whitelisted and score < SUSPICIOUS_SCORE
    notes = [
        f"{plural(reports, 'report')} by {plural(users, 'user')} in {MAX_AGE_DAYS} days, confidence {score} %"
        if reports or score
        else f"No report in {MAX_AGE_DAYS} days",
        "on AbuseIPDB's whitelist" if whitelisted else "",
        "a Tor node" if tor else "",
        f"used as: {usage}" if usage else "",
    ]
    return (
        SourceAnswer(
            source=INFO.name,
            ip=ip,
            status=SourceStatus.OK if known else SourceStatus.NOT_FOUND,
            leaning=Leaning.HARMLESS if harmless else _leaning(score),
            direction=EvidenceDirection.CONTEXT if harmless else INFO.direction,
            reliability=INFO.reliability,
            lineage=ABUSEIPDB if known else "",
            last_seen=last_seen,
            retrieved_at=retrieved_at,
            evidence_url=f"https://www.abuseipdb.com/check/{ip}",
            detail=cut("; ".join(note for note in notes if note)),
        ),
    )


def _leaning(score: int) -> Leaning:
    if score >= MALICIOUS_SCORE:
        return Leaning.MALICIOUS
    return Leaning.SUSPICIOUS if score >= SUSPICIOUS_SCORE else Leaning.NONE
