"""A collection of a TAXII 2.1 server, read whole and asked here: the server never learns the address.

Call: GET {collection}/objects/ with match[type] and limit, Accept application/taxii+json;version=2.1; an
envelope of objects, more and next; without next the reading goes on by added_after from the header
X-TAXII-Date-Added-Last (https://docs.oasis-open.org/cti/taxii/v2.1/os/taxii-v2.1-os.html, sections 3.4, 3.5
and 5.4, and the client of the OASIS committee, taxii2-client). Check: GET {collection}/, field can_read.

The key is "user:password" for HTTP Basic, which the standard asks of every server, or a Bearer token, which
has no colon. Open collections need none.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from threading import Lock

from pydantic import SecretStr

from connectors.addresses import parse_ip
from connectors.clock import utc_now
from connectors.errors import BadResponse, PermissionMissing, TimedOut
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
from connectors.reputation.answering import Sender, ask, check_by, cut, fetch, plural, secret_header
from connectors.reputation.fields import Fields
from connectors.reputation.stix_indicators import Indicator
from connectors.reputation.taxii_pages import SOURCE, Collection, page_of, read_collection

INFO = SourceInfo(
    name=SOURCE,
    title="TAXII collection",
    reliability=Reliability.C,
    direction=EvidenceDirection.CONTEXT,
    licence="As agreed with the operator of the collection.",
    online=False,
    volatile=True,
)

ACCEPT = "application/taxii+json;version=2.1"

#: Seconds the collection is good for.
CACHE_S = 3600

_GOOD_FOR = timedelta(seconds=CACHE_S)


class Taxii:
    """Asks one collection.

    Args:
        base_url: the collection, such as https://taxii.example.org/api/collections/<id>/.
        direction: what its indicators are about where they do not say themselves.
        reliability: the grade its reader gives it.
    """

    def __init__(
        self,
        http: Sender,
        key: SecretStr | None,
        *,
        base_url: str,
        clock: Callable[[], datetime] = utc_now,
        direction: EvidenceDirection = EvidenceDirection.CONTEXT,
        reliability: Reliability = Reliability.C,
    ) -> None:
        self._http = http
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._info = INFO.model_copy(update={"direction": direction, "reliability": reliability})
        self._lock = Lock()
        self._collection: Collection | None = None

    @property
    def info(self) -> SourceInfo:
        """What is true of the source."""
        return self._info

    def check(self) -> Health:
        """Ask for the collection's own description, not for its objects."""
        return check_by(self._info, self._check, needs_key=False, key=self._key)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """Which indicators cover it, by author; see ReputationSource."""

        def work(_path: str, deadline: Deadline) -> Iterable[SourceAnswer]:
            # One reading serves all addresses that are asked for at the same time.
            if not self._lock.acquire(timeout=deadline.left()):
                raise TimedOut(INFO.name, "the collection was still being read at the deadline")
            try:
                collection = self._collection_by(deadline, fresh=fresh)
            finally:
                self._lock.release()
            return answers_of(collection, ip, self._info, self._clock())

        return ask(
            self._info,
            ip,
            work,
            deadline_s=deadline_s,
            needs_key=False,
            key=self._key,
            clock=self._clock,
        )

    def _call(self, path: str, params: dict[str, str], *, cache_s: int = 0) -> Call:
        return Call(
            INFO.name,
            f"{self._base_url}/{path}",
            params=params,
            headers={"Accept": ACCEPT},
            secret_headers=secret_header("Authorization", _authorization(self._key)),
            cache_s=cache_s,
        )

    def _check(self, deadline: Deadline) -> str:
        reply = self._http.send(self._call("", {}), deadline=deadline, fresh=True)
        collection = Fields(INFO.name, reply.json())
        if not collection.flag("can_read"):
            raise PermissionMissing(INFO.name, "the account may not read the collection", scope="can_read")
        title = collection.shown("title")
        return "the collection may be read" + (f": {title}" if title else "")

    def _collection_by(self, deadline: Deadline, *, fresh: bool) -> Collection:
        """The collection kept from an earlier look-up while it is good, else as read now."""
        kept = self._collection
        if kept is not None and not fresh and self._clock() - kept.retrieved_at < _GOOD_FOR:
            return kept
        read = read_collection(
            lambda params: fetch(
                self._http,
                self._call("objects/", params, cache_s=CACHE_S),
                page_of,
                deadline=deadline,
                fresh=fresh,
            )
        )
        if not (read.stale or read.incomplete):
            self._collection = read
        return read


def _authorization(key: SecretStr | None) -> SecretStr | None:
    if key is None:
        return None
    secret = key.get_secret_value()
    if ":" in secret:
        return SecretStr(f"Basic {base64.b64encode(secret.encode()).decode()}")
    return SecretStr(f"Bearer {secret}")


def answers_of(collection: Collection, ip: str, info: SourceInfo, now: datetime) -> tuple[SourceAnswer, ...]:
    """What a collection says of an address: one answer for each author and direction.

    Raises:
        ConnectorError: nothing covers it, but the collection was not read to its end.
    """
    found = collection.indicators.by_network.covering(parse_ip(ip).packed)
    if not found:
        if collection.failed is not None:
            raise collection.failed
        if collection.incomplete:
            raise BadResponse(info.name, f"no indicator in what was read; {collection.incomplete}")
    groups: dict[tuple[str, EvidenceDirection], list[Indicator]] = {}
    for each in found:
        direction = info.direction if each.direction is EvidenceDirection.CONTEXT else each.direction
        groups.setdefault((each.lineage, direction), []).append(each)
    if not groups:
        groups["", info.direction] = []
    return tuple(
        _answer(collection, ip, info, group, lineage=lineage, direction=direction, now=now)
        for (lineage, direction), group in sorted(groups.items(), key=lambda item: item[0])
    )


#: From the strongest; an author's answer leans as its strongest valid indicator does.
_STRONGEST = (Leaning.MALICIOUS, Leaning.SUSPICIOUS, Leaning.HARMLESS)


def _answer(
    collection: Collection,
    ip: str,
    info: SourceInfo,
    indicators: Sequence[Indicator],
    *,
    lineage: str,
    direction: EvidenceDirection,
    now: datetime,
) -> SourceAnswer:
    valid = [each for each in indicators if each.holds(now)]
    leanings = {each.leaning for each in valid}
    seen = [each.modified for each in (valid or indicators) if each.modified is not None]
    index = collection.indicators
    notes = [
        f"expired answer: {collection.stale}" if collection.stale else "",
        f"{plural(len(indicators), 'indicator')}, {len(valid)} valid now"
        if indicators
        else f"None of {plural(index.indicators, 'indicator')} covers the address",
        f"{index.not_evaluated:,} not evaluated" if index.not_evaluated else "",
        collection.incomplete,
    ]
    status = SourceStatus.OK if indicators else SourceStatus.NOT_FOUND
    return SourceAnswer(
        source=info.name,
        ip=ip,
        status=SourceStatus.STALE if collection.stale else status,
        leaning=next((leaning for leaning in _STRONGEST if leaning in leanings), Leaning.NONE),
        direction=direction,
        reliability=info.reliability,
        lineage=lineage,
        last_seen=max(seen, default=None),
        retrieved_at=collection.retrieved_at,
        detail=cut("; ".join(note for note in notes if note)),
    )
