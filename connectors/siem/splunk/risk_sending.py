"""Sending risk events, each once: to the HTTP Event Collector, or to receivers/simple.

Before anything is sent it is claimed (connectors/state/once.py) and the risk index is searched for the
event's id; where the outcome of sending is not known, it is searched for again. Neither is enough by itself:
an event cannot be found at once, and a claim ends.

HTTP Event Collector with indexer acknowledgement:
https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/about-http-event-collector-indexer-acknowledgment
receivers/simple: splunk-soar-connectors/splunk, splunk_connector.py (index, source, sourcetype, host).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import SecretStr

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
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.notables import refuse_partial
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, plain, record_of
from connectors.siem.splunk.risk_event import (
    ID_FIELD,
    SOURCE,
    RiskEvent,
    risk_event,
    there_query,
)
from connectors.state.once import Claimed, MemoryOnce, Once, OnceUnusable

_log = logging.getLogger(__name__)

SOURCETYPE = "stash"

RECEIVER = "/services/receivers/simple"

#: The capability that receivers/simple needs.
CAPABILITY = "edit_tcp"

#: How far back an earlier event of the case is looked for; cases are re-enriched for less.
HISTORY = timedelta(days=90)

#: An event may not be searchable for this long: it is not sent again, taken or unknown.
SETTLES_S = 300.0

#: Seconds between two questions about an acknowledgement or an event, doubled up to the second number.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 8.0

#: Seconds kept of the deadline to search for an event whose outcome is not known.
_READ_BACK_S = 15.0

#: Codes of the event collector (text and code stand in its answers).
_ACK_DISABLED = 14
_BUSY = 9


class RiskTarget(NamedTuple):
    """Where risk events go.

    Attributes:
        index_name: the risk index.
        hec_url: the event collector; "" sends to receivers/simple.
    """

    index_name: str = "risk"
    hec_url: str = ""


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
        once: Once | None = None,
        unsaid: tuple[SecretStr, ...] = (),
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send nothing yet.

        Args:
            http: sends to the event collector.
            rest: sends to the receiver.
            searches: looks for what is there.
            target: where events go.
            hec_token: of the event collector.
            once: what was sent before, by other processes too; None remembers it in this object only.
            unsaid: secrets besides hec_token that no answer may tell.
            clock: the time of day.
            sleep: waits for a number of seconds.
            monotonic: seconds for deadlines.

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
        self._unsaid = unsaid
        self._clock = clock
        self._sleep = sleep
        self._monotonic = monotonic
        self._once = once if once is not None else MemoryOnce(clock=clock)
        #: One channel for all events of this object: acknowledgements are counted by channel.
        self._channel = str(uuid.uuid4())
        self._lock = threading.Lock()

    def add(
        self,
        notable: Notable,
        *,
        score: float,
        base_score: float,
        techniques: Sequence[str],
        message: str,
        case_id: str,
        deadline: Deadline,
    ) -> RiskWritten:
        """Add the risk of a case, unless it is there.

        Args:
            notable, score, base_score, techniques, message, case_id: see risk_event.
            deadline: for all calls together.

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
            techniques=techniques,
            base_score=base_score,
            now=self._clock(),
        )
        if event is None:
            return RiskWritten.NOTHING_TO_ADD
        # One at a time: two threads with the same case must not both find nothing.
        with self._lock:
            key = self._key(event)
            match self._claimed(key, event, deadline):
                case Claimed.TAKEN:
                    return RiskWritten.ALREADY_THERE
                case Claimed.HELD:
                    raise TimedOut(
                        CONNECTOR,
                        "whether the last attempt's risk event arrived is still not known; "
                        "not sent again yet",
                    )
            try:
                there = self._is_there(event, deadline)
            except ConnectorError:
                self._noted(lambda: self._once.release(key))
                raise
            if there:
                self._noted(lambda: self._once.taken(key, SETTLES_S))
                return RiskWritten.ALREADY_THERE
            return self._send(key, event, deadline)

    def _claimed(self, key: str, event: RiskEvent, deadline: Deadline) -> Claimed:
        """GRANTED to send it; TAKEN where it was sent, or is there; HELD where that is not known.

        Another run that is sending it is waited for.
        """
        until = deadline.left() - min(_READ_BACK_S, deadline.left() / 2)
        pause = _FIRST_PAUSE_S
        while True:
            try:
                # It may be sent as late as the deadline, and not be found for SETTLES_S after that.
                claimed = self._once.claim(key, SETTLES_S + deadline.left())
            except OnceUnusable as exc:
                raise Rejected(CONNECTOR, f"no risk event was sent: {exc}") from exc
            if claimed is not Claimed.HELD:
                return claimed
            if self._is_there(event, deadline):
                self._noted(lambda: self._once.taken(key, SETTLES_S))
                return Claimed.TAKEN
            if deadline.left() - pause <= until:
                return Claimed.HELD
            self._sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _send(self, key: str, event: RiskEvent, deadline: Deadline) -> RiskWritten:
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
                self._noted(lambda: self._once.taken(key, SETTLES_S))
                return RiskWritten.INDEXED
            self._noted(lambda: self._once.unknown(key, SETTLES_S))
            raise TimedOut(
                CONNECTOR,
                f"whether the risk event arrived is not known, and it cannot be found ({exc.message})",
            ) from exc
        except (ConnectorError, InputError):
            self._noted(lambda: self._once.release(key))
            raise
        self._noted(lambda: self._once.taken(key, SETTLES_S))
        return sent

    def _key(self, event: RiskEvent) -> str:
        """What the claim on an event is known by: its id, and the Splunk it goes to."""
        where = f"{self._rest.base} {self._target.index_name} {event.id}"
        return f"risk {hashlib.sha256(where.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def _noted(self, note: Callable[[], None]) -> None:
        """That it cannot be noted does not change what was sent; the claim holds until it ends."""
        try:
            note()
        except OnceUnusable as exc:
            _log.warning("%s: %s", CONNECTOR, ascii(str(exc)))

    def _is_there(self, event: RiskEvent, deadline: Deadline) -> bool:
        now = self._clock()
        found = self._searches.rows(
            there_query(self._target.index_name, event.id),
            earliest=now - HISTORY,
            latest=now + timedelta(days=1),  # this machine's clock may be behind
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
            unsaid=self._unsaid,
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
