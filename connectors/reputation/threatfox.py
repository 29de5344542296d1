"""abuse.ch ThreatFox: servers and downloads of malware, shared by analysts and checked by abuse.ch.

Call: POST /api/v1/ with {"query": "search_ioc", "search_term": ...}, header Auth-Key; query_status ok,
no_result, or unknown_auth_key; fields ioc ("192.0.2.1:443" for ioc_type ip:port), threat_type,
confidence_level, malware_printable, first_seen, last_seen (null when unknown)
(https://threatfox.abuse.ch/api/). Check: the query "types". No limit is documented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.errors import AuthRejected, BadResponse
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
from connectors.reputation.answering import Sender, as_of, ask, check_by, cut, fetch, plural, secret_header
from connectors.reputation.authors import ABUSE_CH
from connectors.reputation.fields import Fields

BASE_URL = "https://threatfox-api.abuse.ch"

INFO = SourceInfo(
    name="threatfox",
    title="abuse.ch ThreatFox",
    reliability=Reliability.B,
    direction=EvidenceDirection.OUTBOUND,
    licence="Free with an Auth-Key when not for profit; abuse.ch's terms may want a subscription else.",
    online=True,
    volatile=True,
)

#: Seconds an answer is good for.
CACHE_S = 3600

#: Confidence, percent, from which an entry for a control server is grade A. A submission has 50 unless its
#: author vouches for more, and abuse.ch reviews what is shared; all else is grade B.
GRADE_A_CONFIDENCE = 75

#: Confidence, percent, below which an entry is suspicion only.
MALICIOUS_CONFIDENCE = 50

#: Names of malware that the sentence lists.
MAX_NAMES = 3

_THREATS = {
    "botnet_cc": "control server",
    "payload_delivery": "payload delivery",
    "payload": "payload",
    "cc_skimming": "card skimming",
}


class _Entry(NamedTuple):
    threat: str
    confidence: int
    malware: str
    last_seen: datetime | None


class ThreatFox:
    """Asks ThreatFox."""

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
        """Ask for the list of entry types, which needs the key and looks up nothing."""
        return check_by(INFO, self._check, needs_key=True, key=self._key)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """Which entries name it; see ReputationSource."""

        def work(_path: str, deadline: Deadline) -> Iterable[SourceAnswer]:
            call = self._call({"query": "search_ioc", "search_term": ip}, cache_s=CACHE_S)
            return fetch(
                self._http,
                call,
                lambda reply: as_of(read_threatfox(reply.json(), ip, reply.retrieved_at), reply),
                deadline=deadline,
                fresh=fresh,
            )

        return ask(INFO, ip, work, deadline_s=deadline_s, needs_key=True, key=self._key, clock=self._clock)

    def _call(self, body: dict[str, str], *, cache_s: int = 0) -> Call:
        return Call(
            INFO.name,
            f"{self._base_url}/api/v1/",
            method="POST",
            headers={"Accept": "application/json"},
            secret_headers=secret_header("Auth-Key", self._key),
            body=body,
            cache_s=cache_s,
        )

    def _check(self, deadline: Deadline) -> str:
        reply = self._http.send(self._call({"query": "types"}), deadline=deadline, fresh=True)
        status = query_status(INFO.name, Fields(INFO.name, reply.json()))
        if status != "ok":
            raise BadResponse(INFO.name, "the answer to the check is not ok")
        return "the key is accepted"


def query_status(source: str, data: Fields) -> str:
    """The outcome that abuse.ch writes into every answer.

    Raises:
        AuthRejected: the key is not known there (also sent with status 200 by older answers).
        BadResponse: it is missing.
    """
    status = data.text("query_status")
    if status in {"unknown_auth_key", "no_auth_key", "illegal_auth_key", "unauthorized"}:
        raise AuthRejected(source, "abuse.ch does not know the Auth-Key; make one at https://auth.abuse.ch/")
    if not status:
        raise data.wrong("query_status", "is missing")
    return status


def read_threatfox(body: object, ip: str, retrieved_at: datetime) -> tuple[SourceAnswer, ...]:
    """Read the answer of search_ioc. Entries for another address, which a search may bring up, do not count.

    Raises:
        BadResponse: it is not one.
        AuthRejected: the key is not known.
    """
    data = Fields(INFO.name, body)
    status = query_status(INFO.name, data)
    if status == "no_result":
        return (_not_found(ip, retrieved_at),)
    if status != "ok":
        raise data.wrong("query_status", "says that the search failed")
    about_it = [entry for entry in data.objects("data") if _is_about(entry, ip)]
    entries = [read for entry in about_it if (read := _read_entry(entry, retrieved_at))]
    if about_it and not entries:
        raise BadResponse(INFO.name, f"none of {plural(len(about_it), 'entry')} can be read")
    if not entries:
        return (_not_found(ip, retrieved_at),)
    best = max(entry.confidence for entry in entries)
    grade_a = any(e.threat == "botnet_cc" and e.confidence >= GRADE_A_CONFIDENCE for e in entries)
    return (
        SourceAnswer(
            source=INFO.name,
            ip=ip,
            status=SourceStatus.OK,
            leaning=Leaning.MALICIOUS if best >= MALICIOUS_CONFIDENCE else Leaning.SUSPICIOUS,
            direction=INFO.direction,
            reliability=Reliability.A if grade_a else INFO.reliability,
            lineage=ABUSE_CH,
            last_seen=max((e.last_seen for e in entries if e.last_seen is not None), default=None),
            retrieved_at=retrieved_at,
            evidence_url=_page(ip),
            detail=_sentence(entries, best),
        ),
    )


def _is_about(entry: Fields, ip: str) -> bool:
    try:
        kind, ioc = entry.text("ioc_type"), entry.text("ioc")
        if kind == "ip:port":
            return canonical_ip(ioc.rpartition(":")[0].strip("[]")) == ip
        return kind == "url" and canonical_ip(urlsplit(ioc).hostname or "") == ip
    except (BadResponse, ValueError):  # ValueError: urlsplit, of a hostile URL
        return False


def _read_entry(entry: Fields, now: datetime) -> _Entry | None:
    """One entry; None when a field of it has a wrong type."""
    try:
        return _Entry(
            threat=entry.text("threat_type"),
            confidence=entry.count("confidence_level", most=100),
            malware=entry.shown("malware_printable"),
            last_seen=entry.maybe_time("last_seen", now=now) or entry.maybe_time("first_seen", now=now),
        )
    except BadResponse:
        return None


def _sentence(entries: Sequence[_Entry], best: int) -> str:
    threats = sorted({_THREATS[e.threat] for e in entries if e.threat in _THREATS})
    names = sorted({e.malware for e in entries if e.malware})
    listed = ", ".join(names[:MAX_NAMES]) + (" and more" if len(names) > MAX_NAMES else "")
    notes = [
        f"{plural(len(entries), 'entry')}, confidence up to {best} %",
        ", ".join(threats),
        f"malware {listed}" if names else "",
    ]
    return cut("; ".join(note for note in notes if note))


def _not_found(ip: str, retrieved_at: datetime) -> SourceAnswer:
    return SourceAnswer(
        source=INFO.name,
        ip=ip,
        status=SourceStatus.NOT_FOUND,
        direction=INFO.direction,
        reliability=INFO.reliability,
        retrieved_at=retrieved_at,
        evidence_url=_page(ip),
        detail="ThreatFox has no entry for the address; entries over six months old are gone",
    )


def _page(ip: str) -> str:
    return f"https://threatfox.abuse.ch/browse.php?search=ioc%3A{ip.replace(':', '%3A')}"
