"""VirusTotal API v3: what some ninety engines say of an address.

Call: GET /api/v3/ip_addresses/{ip}, header x-apikey (https://docs.virustotal.com/reference/ip-info).
Fields: last_analysis_stats, last_analysis_date, last_modification_date
(https://docs.virustotal.com/reference/ip-object). Public keys: 4 requests a minute, 500 a day, not for
commercial products (https://docs.virustotal.com/reference/public-vs-premium-api).

What is asked for becomes part of VirusTotal's data, which others can search
(https://docs.virustotal.com/reference/files-upload-url): one more reason to ask for public addresses only.

The engines are mostly lists made by others, VirusTotal does not say by whom: the lineage stays unknown, and
"harmless" means that an engine has nothing, not that anyone looked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

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
from connectors.http.call import Call, Limits
from connectors.http.deadline import Deadline
from connectors.reputation.answering import Sender, as_of, ask, check_by, check_subject, fetch, secret_header
from connectors.reputation.fields import Fields

BASE_URL = "https://www.virustotal.com"

INFO = SourceInfo(
    name="virustotal",
    title="VirusTotal",
    reliability=Reliability.C,
    direction=EvidenceDirection.CONTEXT,
    licence="A public key must not be used in commercial products or services; premium is under contract.",
    online=True,
    volatile=True,
)

LIMITS = Limits(per_minute=4, per_day=500)

#: Seconds an answer is good for.
CACHE_S = 6 * 3600

#: Engines that must call an address malicious before the whole leans that way; fewer is suspicion, because
#: single engines also list resolvers and cloud addresses.
MALICIOUS_ENGINES = 5

#: No answer has ever had more engines; a larger number is not believed.
MAX_ENGINES = 1_000

_ENGINES = ("malicious", "suspicious", "harmless", "undetected", "timeout")


class VirusTotal:
    """Asks VirusTotal."""

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
        """Ask for an upload address: it proves the key and looks up nothing (reference/files-upload-url)."""
        return check_by(INFO, self._check, needs_key=True, key=self._key)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """What the engines say; see ReputationSource."""

        def work(path: str, deadline: Deadline) -> Iterable[SourceAnswer]:
            return fetch(
                self._http,
                self._call(f"/api/v3/ip_addresses/{path}", cache_s=CACHE_S),
                lambda reply: as_of(read_virustotal(reply.json(), ip, reply.retrieved_at), reply),
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
            not_found="VirusTotal has no record of the address",
            clock=self._clock,
        )

    def _call(self, path: str, *, cache_s: int = 0) -> Call:
        return Call(
            INFO.name,
            f"{self._base_url}{path}",
            headers={"Accept": "application/json"},
            secret_headers=secret_header("x-apikey", self._key),
            cache_s=cache_s,
            cache_not_found=True,
            limits=LIMITS,
        )

    def _check(self, deadline: Deadline) -> str:
        reply = self._http.send(self._call("/api/v3/files/upload_url"), deadline=deadline, fresh=True)
        if "data" not in Fields(INFO.name, reply.json()):
            raise BadResponse(INFO.name, "the answer to the check has no data")
        return "the key is accepted"


def read_virustotal(body: object, ip: str, retrieved_at: datetime) -> tuple[SourceAnswer, ...]:
    """Read an IP object of API v3.

    Raises:
        BadResponse: it is not one; an answer of API v2 is named as such.
    """
    answer = Fields(INFO.name, body)
    if "data" not in answer and ("response_code" in answer or "positives" in answer):
        raise BadResponse(INFO.name, "this is an answer of the retired API v2; API v3 is needed")
    check_subject(INFO.name, answer.child("data").text("id"), ip)
    attributes = answer.child("data").child("attributes")
    stats = attributes.child("last_analysis_stats")
    counts = {name: stats.maybe_count(name, most=MAX_ENGINES) or 0 for name in _ENGINES}
    last_seen = attributes.maybe_time("last_analysis_date", now=retrieved_at) or attributes.maybe_time(
        "last_modification_date", now=retrieved_at
    )
    return (
        SourceAnswer(
            source=INFO.name,
            ip=ip,
            status=SourceStatus.OK,
            leaning=_leaning(counts),
            direction=INFO.direction,
            reliability=INFO.reliability,
            last_seen=last_seen,
            retrieved_at=retrieved_at,
            evidence_url=f"https://www.virustotal.com/gui/ip-address/{ip}",
            detail=_sentence(counts),
        ),
    )


def _leaning(counts: dict[str, int]) -> Leaning:
    if counts["malicious"] >= MALICIOUS_ENGINES:
        return Leaning.MALICIOUS
    if counts["malicious"] or counts["suspicious"]:
        return Leaning.SUSPICIOUS
    return Leaning.NONE


def _sentence(counts: dict[str, int]) -> str:
    engines = sum(counts.values())
    if not engines:
        return "No engine has looked at the address"
    return (
        f"{counts['malicious']} of {engines} engines call it malicious, {counts['suspicious']} suspicious; "
        f"{counts['harmless']} list nothing against it, {counts['undetected']} have no opinion"
    )
