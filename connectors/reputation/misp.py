"""A MISP server of the organisation or its community: attributes that hold the address.

Call: POST /attributes/restSearch, header Authorization; attributes with type, to_ids, timestamp, last_seen,
decay_score[].decayed and Event.Orgc.name (https://www.misp-project.org/openapi/, operation
restSearchAttributes, and PyMISP), and warnings[] where a warninglist of the server holds the value
(MISP's app/Model/Warninglist.php). Check: GET /servers/getVersion, as PyMISP does.

The value is an address, a range in CIDR notation, or for the composite types both parts with a "|" between.

The type tells the direction: ip-dst is what malware talks to, ip-src is who attacks.

All that one server says is the word of one author at most. MISP states an event's creator (Orgc), but whoever
synchronises or feeds events into the server picks that name freely, and so does its title; the answer has no
mark that the server has checked either. Were each organisation an author of its own, one feeder under two
names would be two independent authors, and convict. So:

- What names no known author counts as the server's own, lineage "misp", whatever organisation it is from.
- A known author that is named (a mirrored URLhaus feed) can only take independence away: it is the lineage
  where the server says nothing of its own, so that it is one vote with that author's own answer. Beside the
  server's own, or beside another named author, it has no lineage and counts as independent of nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from pydantic import SecretStr

from connectors.addresses import canonical_ip
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
from connectors.reputation.answering import Sender, as_of, ask, check_by, cut, fetch, plural, secret_header
from connectors.reputation.authors import author_mentioned
from connectors.reputation.fields import Fields

INFO = SourceInfo(
    name="misp",
    title="MISP",
    reliability=Reliability.B,
    direction=EvidenceDirection.OUTBOUND,
    licence="Self-hosted; what may be shared further is marked on each event.",
    online=True,
    volatile=True,
)

#: Seconds an answer is good for.
CACHE_S = 15 * 60

#: Attributes that are asked for at most; reaching it is said.
LIMIT = 200

#: Shortest prefix by IP version; an attribute of a wider range says nothing of one address.
_WIDEST = {4: 8, 6: 16}

_DIRECTIONS = {
    "ip-dst": EvidenceDirection.OUTBOUND,
    "ip-dst|port": EvidenceDirection.OUTBOUND,
    "domain|ip": EvidenceDirection.OUTBOUND,
    "ip-src": EvidenceDirection.INBOUND,
    "ip-src|port": EvidenceDirection.INBOUND,
}


class _Attribute(NamedTuple):
    """What is used of an attribute; `claimed` is the known author that its event names, "" for none."""

    claimed: str
    direction: EvidenceDirection
    to_ids: bool
    warned: bool
    decayed: bool
    last_seen: datetime | None


class Misp:
    """Asks a MISP server.

    Args:
        base_url: the server, such as https://misp.example.org.
    """

    def __init__(
        self,
        http: Sender,
        key: SecretStr | None,
        *,
        base_url: str,
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
        """Ask for the server's version, which needs the key and looks up nothing."""
        return check_by(INFO, self._check, needs_key=True, key=self._key)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """Which attributes hold it, by author and direction; see ReputationSource."""

        def work(_path: str, deadline: Deadline) -> Iterable[SourceAnswer]:
            return fetch(
                self._http,
                self._search(ip),
                lambda reply: as_of(read_misp(reply.json(), ip, reply.retrieved_at), reply),
                deadline=deadline,
                fresh=fresh,
            )

        return ask(INFO, ip, work, deadline_s=deadline_s, needs_key=True, key=self._key, clock=self._clock)

    def _search(self, ip: str) -> Call:
        query: dict[str, object] = {
            "returnFormat": "json",
            "value": ip,
            "type": list(_DIRECTIONS),
            "limit": LIMIT,
            "page": 1,
            "includeContext": True,
            "includeDecayScore": True,
            "includeWarninglistHits": True,
        }
        return Call(
            INFO.name,
            f"{self._base_url}/attributes/restSearch",
            method="POST",
            headers={"Accept": "application/json"},
            secret_headers=secret_header("Authorization", self._key),
            body=query,
            cache_s=CACHE_S,
        )

    def _check(self, deadline: Deadline) -> str:
        call = Call(
            INFO.name,
            f"{self._base_url}/servers/getVersion",
            headers={"Accept": "application/json"},
            secret_headers=secret_header("Authorization", self._key),
        )
        version = Fields(INFO.name, self._http.send(call, deadline=deadline, fresh=True).json()).shown(
            "version"
        )
        if not version:
            raise BadResponse(INFO.name, "the answer to the check names no version")
        return f"the key is accepted by MISP {version}"


def read_misp(body: object, ip: str, retrieved_at: datetime) -> tuple[SourceAnswer, ...]:
    """Read the answer of restSearch: one answer for each lineage and direction.

    Raises:
        BadResponse: it is not one.
    """
    given = _entries(Fields(INFO.name, body))
    entries = [entry for entry in given if _is_about(entry, ip)]
    if given and not entries:
        raise BadResponse(INFO.name, "the answer is about other addresses")
    attributes = [read for entry in entries if (read := _read_attribute(entry, retrieved_at))]
    if entries and not attributes:
        raise BadResponse(INFO.name, f"none of {plural(len(entries), 'attribute')} can be read")
    if not attributes:
        return (
            SourceAnswer(
                source=INFO.name,
                ip=ip,
                status=SourceStatus.NOT_FOUND,
                direction=INFO.direction,
                reliability=INFO.reliability,
                retrieved_at=retrieved_at,
                detail="No attribute on this server holds the address",
            ),
        )
    lineage = _lineages(attributes)
    groups: dict[tuple[str, EvidenceDirection], list[_Attribute]] = {}
    for attribute in attributes:
        groups.setdefault((lineage(attribute), attribute.direction), []).append(attribute)
    full = len(entries) >= LIMIT
    return tuple(
        _of_group(ip, retrieved_at, author, direction, found, full=full)
        for (author, direction), found in sorted(groups.items())
    )


def _entries(body: Fields) -> list[Fields]:
    """The attributes. Some versions answer `{"response": []}` when there are none (MISP issue 3568)."""
    if body.is_empty_list("response"):
        return []
    response = body.child("response")
    if "Attribute" not in response:
        raise response.wrong("Attribute", "is missing")
    return list(response.objects("Attribute"))


def _is_about(entry: Fields, ip: str) -> bool:
    """True when a part of the value is the address or a range that holds it, or no value is stated."""
    try:
        stated = entry.text("value").strip()
    except BadResponse:
        return False
    return not stated or any(_holds(part.strip(), ip) for part in stated.split("|"))


def _holds(part: str, ip: str) -> bool:
    if canonical_ip(part) == ip:
        return True
    try:
        network = ip_network(part, strict=False)
    except ValueError:  # a port or a name
        return False
    return network.prefixlen >= _WIDEST[network.version] and ip_address(ip) in network


def _lineages(attributes: Sequence[_Attribute]) -> Callable[[_Attribute], str]:
    """Who each attribute counts as written by; one server gets one lineage at most (see the module)."""
    voting = [each for each in attributes if each.to_ids] or attributes
    claimed = {each.claimed for each in voting}
    sole = INFO.name if "" in claimed else min(claimed)

    def lineage(attribute: _Attribute) -> str:
        author = attribute.claimed or INFO.name
        return author if author == sole else ""

    return lineage


def _read_attribute(entry: Fields, now: datetime) -> _Attribute | None:
    """One attribute; None when a field of it has a wrong type."""
    try:
        event = entry.maybe_child("Event")
        organisation = event.maybe_child("Orgc") if event else None
        title = event.text("info") if event else ""
        name = organisation.text("name") if organisation else ""
        scores = [score.maybe_flag("decayed") for score in entry.objects("decay_score")]
        return _Attribute(
            claimed=author_mentioned(title, name),
            direction=_DIRECTIONS.get(entry.text("type"), EvidenceDirection.CONTEXT),
            to_ids=entry.flag("to_ids"),
            warned=bool(entry.entries("warnings")),
            decayed=bool(scores) and all(score is True for score in scores),
            last_seen=entry.maybe_time("last_seen", now=now) or entry.maybe_time("timestamp", now=now),
        )
    except BadResponse:
        return None


def _of_group(
    ip: str,
    retrieved_at: datetime,
    lineage: str,
    direction: EvidenceDirection,
    attributes: Sequence[_Attribute],
    *,
    full: bool,
) -> SourceAnswer:
    for_detection = [a for a in attributes if a.to_ids]
    warned = any(a.warned for a in attributes)
    current = [a for a in for_detection if not a.decayed]
    if warned or not for_detection:
        leaning = Leaning.NONE
    else:
        leaning = Leaning.MALICIOUS if current else Leaning.SUSPICIOUS
    notes = [
        f"{plural(len(attributes), 'attribute')}, {len(for_detection)} meant for detection",
        "on a warninglist of the server" if warned else "",
        "all of those have decayed" if for_detection and not current else "",
        f"only the first {LIMIT} were read" if full else "",
    ]
    relevant = current or for_detection or attributes
    return SourceAnswer(
        source=INFO.name,
        ip=ip,
        status=SourceStatus.OK,
        leaning=leaning,
        direction=direction,
        reliability=INFO.reliability,
        lineage=lineage,
        last_seen=max((a.last_seen for a in relevant if a.last_seen is not None), default=None),
        retrieved_at=retrieved_at,
        detail=cut("; ".join(note for note in notes if note)),
    )
