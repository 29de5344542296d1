"""A risk event for a case: what our score adds to the one ESCU has already given, once.

ESCU has put its score on user and host when the notable was raised. Only the positive difference is added, on
the host, under a source of our own, with the destination as threat object.

The event is text as ES writes its own risk events (sourcetype stash; connectors/siem/stash.py reads the form
back): `<epoch>, key="value", ...`. It carries an id made of case and host. Before anything is sent the risk
index is searched for that id, and where the outcome of sending is not known, it is searched for again.

HTTP Event Collector with indexer acknowledgement:
https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/about-http-event-collector-indexer-acknowledgment
receivers/simple: splunk-soar-connectors/splunk, splunk_connector.py (index, source, sourcetype, host).
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    InputError,
    Rejected,
    TimedOut,
    Transient,
)
from connectors.facts.notable import Notable
from connectors.http.call import Call, Refused, Reply
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import RiskWritten
from connectors.query import spl
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.notables import refuse_partial
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, plain, record_of

#: The name our risk events are known by (source and search_name).
SOURCE = "regsvcs-response"
SOURCETYPE = "stash"

#: What ESCU gives: impact 80 x confidence 100 / 100.
ESCU_SCORE = 80.0

RECEIVER = "/services/receivers/simple"

#: The capability that receivers/simple needs.
CAPABILITY = "edit_tcp"

#: The field that carries the id.
ID_FIELD = "response_risk_id"

#: How far back an earlier event of the case is looked for; cases are re-enriched for less.
HISTORY = timedelta(days=90)

#: An event may not be searchable for this long: it is not sent again, taken or unknown.
SETTLES_S = 300.0

#: Seconds between two questions about an acknowledgement or an event, doubled up to the second number.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 8.0

#: Seconds kept of the deadline to search for an event whose outcome is not known.
_READ_BACK_S = 15.0

_LONGEST_VALUE = 4_000
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

#: Codes of the event collector (text and code stand in its answers).
_ACK_DISABLED = 14
_BUSY = 9


class RiskTarget(NamedTuple):
    """Where risk events go.

    Attributes:
        index_name: the risk index.
        hec_url: the event collector; "" sends to receivers/simple.
        techniques: ATT&CK ids of the analytic.
        base_score: what is there already; 0 where no ESCU gives any.
    """

    index_name: str = "risk"
    hec_url: str = ""
    techniques: tuple[str, ...] = ("T1218", "T1218.009")
    base_score: float = ESCU_SCORE


class RiskEvent(NamedTuple):
    """One event, ready to be sent.

    Attributes:
        id: equal for the same case and host.
        text: the event.
        host: the risk object.
    """

    id: str
    text: str
    host: str


def risk_id(case_id: str, risk_object: str) -> str:
    """The id of the one risk event that a case gives a host."""
    parts = orjson.dumps([SOURCE, case_id, risk_object.casefold()])
    return hashlib.sha256(parts).hexdigest()[:40]


def risk_event(
    notable: Notable,
    *,
    score: float,
    message: str,
    case_id: str,
    techniques: tuple[str, ...],
    base_score: float,
    now: datetime,
) -> RiskEvent | None:
    """The event for a case; None where its score adds nothing.

    Args:
        notable: whose host gets the risk.
        score: of the case, in all.
        message: what is said of it.
        case_id: of the case.
        techniques: ATT&CK ids.
        base_score: what is there already.
        now: when it happens.

    Raises:
        InputError: the case has no id.
    """
    if not case_id.strip():
        raise InputError("case_id", "is empty")
    added = round(score - base_score, 2)
    if not added > 0:
        return None
    identity = risk_id(case_id, notable.dest)
    peer = canonical_ip(notable.peer_ip) if notable.peer_ip else None
    pairs = [
        ("search_name", SOURCE),
        (ID_FIELD, identity),
        ("case_id", case_id),
        ("risk_object", notable.dest),
        ("risk_object_type", "system"),
        ("risk_score", f"{added:g}"),
        ("risk_message", message),
        *(("annotations.mitre_attack", each) for each in techniques),
        *((("threat_object", peer), ("threat_object_type", "ip_address")) if peer else ()),
        ("dest", notable.dest),
        ("user", notable.user),
        ("process_name", notable.process_name),
        ("source_event_id", notable.event_id),
    ]
    return RiskEvent(identity, stash_text(pairs, now), notable.dest)


def stash_text(pairs: list[tuple[str, str]], when: datetime) -> str:
    """One line as ES writes an event: no value can end it, open another key or begin a new event.

    Raises:
        InputError: a key is no plain field name.
    """
    written = []
    for key, value in pairs:
        if not _KEY.fullmatch(key):
            raise InputError("risk event", f"{key[:40]!a} is no plain field name")
        plain = _CONTROL.sub(" ", value)[:_LONGEST_VALUE].strip()
        if plain:
            escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
            written.append(f'{key}="{escaped}"')
    return f"{int(when.timestamp())}, {', '.join(written)}"


def there_query(index: str, identity: str) -> str:
    """SPL that finds the event of an id, if it is there.

    Raises:
        InputError: the index is no plain name.
    """
    return (
        f"search {spl.term('index', index)} {spl.term('source', SOURCE)} {spl.term(ID_FIELD, identity)}"
        f" | where {spl.field(ID_FIELD)}={spl.literal(identity)} | head 1 | table {ID_FIELD}"
    )


class RiskEvents:
    """Sends risk events, each once."""

    def __init__(
        self,
        http: Http,
        rest: SplunkRest,
        searches: SearchJobs,
        target: RiskTarget,
        hec_token: SecretStr | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send nothing yet.

        Raises:
            InputError: an event collector is named without its token.
        """
        if target.hec_url and hec_token is None:
            raise InputError("hec_url", "is set without a token for the event collector")
        self._http = http
        self._rest = rest
        self._searches = searches
        self._target = target
        self._hec_token = hec_token
        self._clock = clock
        self._sleep = sleep
        self._monotonic = monotonic
        #: One channel for all events of this object: acknowledgements are counted by channel.
        self._channel = str(uuid.uuid4())
        self._lock = threading.Lock()
        self._unknown: dict[str, float] = {}
        self._taken: dict[str, float] = {}

    def add(
        self, notable: Notable, *, score: float, message: str, case_id: str, deadline: Deadline
    ) -> RiskWritten:
        """Add the risk of a case, unless it is there.

        Raises:
            QueryFailed: whether it is there already cannot be told; nothing was sent.
            TimedOut: whether it arrived is not known, and it cannot be found. Asked again, it is searched
                for first, and not sent again before SETTLES_S seconds have passed.
            PermissionMissing, AuthRejected, Rejected: it was not accepted.
        """
        event = risk_event(
            notable,
            score=score,
            message=message,
            case_id=case_id,
            techniques=self._target.techniques,
            base_score=self._target.base_score,
            now=self._clock(),
        )
        if event is None:
            return RiskWritten.NOTHING_TO_ADD
        # One at a time: two threads with the same case must not both find nothing.
        with self._lock:
            self._taken = {each: at for each, at in self._taken.items() if self._settles(at)}
            if event.id in self._taken or self._is_there(event, deadline):
                self._unknown.pop(event.id, None)
                return RiskWritten.ALREADY_THERE
            tried = self._unknown.get(event.id)
            if tried is not None and self._settles(tried):
                raise TimedOut(
                    CONNECTOR,
                    "whether the last attempt's risk event arrived is still not known; not sent again yet",
                )
            return self._send(event, deadline)

    def _send(self, event: RiskEvent, deadline: Deadline) -> RiskWritten:
        kept = min(_READ_BACK_S, deadline.left() / 2)
        sending = Deadline(deadline.at - kept, deadline.clock)
        try:
            sent = (
                self._to_collector(event, sending)
                if self._target.hec_url
                else self._to_receiver(event, sending)
            )
        except (TimedOut, BadResponse) as exc:
            # Sent, and not known whether it was taken: an answer that cannot be read says no more than none.
            if self._found_later(event, deadline):
                self._unknown.pop(event.id, None)
                return RiskWritten.INDEXED
            self._unknown[event.id] = self._monotonic()
            raise TimedOut(
                CONNECTOR,
                f"whether the risk event arrived is not known, and it cannot be found ({exc.message})",
            ) from exc
        self._unknown.pop(event.id, None)
        self._taken[event.id] = self._monotonic()
        return sent

    def _settles(self, since: float) -> bool:
        """Whether an event sent then may not be searchable yet."""
        return self._monotonic() - since < SETTLES_S

    def _is_there(self, event: RiskEvent, deadline: Deadline) -> bool:
        now = self._clock()
        found = self._searches.rows(
            there_query(self._target.index_name, event.id),
            earliest=now - HISTORY,
            latest=now + timedelta(hours=1),
            max_rows=1,
            deadline=deadline,
        )
        refuse_partial(found, 1)
        return any(row.get(ID_FIELD) == event.id for row in found.rows)

    def _found_later(self, event: RiskEvent, deadline: Deadline) -> bool:
        """Search until it is found or time is up; a search that fails has not found it."""
        pause = _FIRST_PAUSE_S
        while not deadline.passed:
            try:
                if self._is_there(event, deadline):
                    return True
            except ConnectorError:
                return False
            if deadline.left() <= pause:
                return False
            self._sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        return False

    def _to_receiver(self, event: RiskEvent, deadline: Deadline) -> RiskWritten:
        params = {
            "index": self._target.index_name,
            "source": SOURCE,
            "sourcetype": SOURCETYPE,
            "host": event.host,
        }
        self._rest.post_content(RECEIVER, params, event.text.encode(), deadline, scope=CAPABILITY)
        return RiskWritten.ACCEPTED

    def _to_collector(self, event: RiskEvent, deadline: Deadline) -> RiskWritten:
        body = {
            "time": int(self._clock().timestamp()),
            "host": event.host,
            "source": SOURCE,
            "sourcetype": SOURCETYPE,
            "index": self._target.index_name,
            "event": event.text,
        }
        answer = record_of(self._collector("event", body, deadline, repeatable=False))
        if answer.get("code") != 0:
            raise BadResponse(
                CONNECTOR, f"the event collector does not say that it took the event{_said(answer)}"
            )
        number = answer.get("ackId")
        if not isinstance(number, int) or isinstance(number, bool):
            return RiskWritten.ACCEPTED  # its token is not set to acknowledge
        return self._acknowledged(number, deadline)

    def _acknowledged(self, number: int, deadline: Deadline) -> RiskWritten:
        """Wait for the indexer.

        Raises:
            TimedOut: it has not acknowledged in time.
        """
        pause = _FIRST_PAUSE_S
        while True:
            try:
                answer = record_of(self._collector("ack", {"acks": [number]}, deadline, repeatable=True))
            except ConnectorError as exc:
                # The event was taken; that its indexing cannot be asked for changes nothing about that.
                raise TimedOut(CONNECTOR, f"the acknowledgement cannot be read: {exc.message}") from exc
            acks = answer.get("acks")
            if isinstance(acks, dict) and acks.get(str(number)) is True:
                return RiskWritten.INDEXED
            if deadline.left() <= pause:
                raise TimedOut(CONNECTOR, "the indexer has not acknowledged the event in time")
            self._sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _collector(
        self, path: str, body: Mapping[str, object], deadline: Deadline, *, repeatable: bool
    ) -> Reply:
        secret = self._hec_token.get_secret_value() if self._hec_token else ""
        call = Call(
            CONNECTOR,
            f"{self._target.hec_url.rstrip('/')}/services/collector/{path}",
            method="POST",
            params={"channel": self._channel},
            headers={"X-Splunk-Request-Channel": self._channel},
            secret_headers={"Authorization": SecretStr(f"Splunk {secret}")},
            body=body,
            repeatable=repeatable,
            refused=_refused_by_collector,
        )
        return self._http.send(call, deadline=deadline)


def _refused_by_collector(refused: Refused) -> ConnectorError | None:
    """Reads a refusal of the event collector: `{"text", "code"}`."""
    body = refused.json()
    answer = body if isinstance(body, dict) else {}
    words = _said(answer)
    if refused.status in {401, 403}:
        return AuthRejected(CONNECTOR, f"the event collector refused the token{words}")
    if refused.status == 503 and answer.get("code") == _BUSY:
        return Transient(CONNECTOR, f"not taken: the event collector is busy{words}")
    if answer.get("code") == _ACK_DISABLED:
        return Rejected(CONNECTOR, f"the token is not set to acknowledge{words}")
    if 400 <= refused.status <= 499 and refused.status != 429:
        return Rejected(CONNECTOR, f"the event collector refused the event (HTTP {refused.status}){words}")
    return None


def _said(answer: Mapping[str, object]) -> str:
    text, code = answer.get("text"), answer.get("code")
    if not isinstance(text, str) or not text:
        return ""
    return f": {plain(text)}" + (f" (code {code})" if isinstance(code, int) else "")
