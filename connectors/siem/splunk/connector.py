"""Splunk as a SIEM: notables in; comments, status and risk back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    InputError,
    NotSupported,
    PermissionMissing,
)
from connectors.facts.health import Health, HealthState
from connectors.facts.notable import Notable
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import Checkpoint, NotableUpdate, NotableWritten, RiskWritten
from connectors.siem.notable import NotableSettings, RejectedNotable
from connectors.siem.splunk import (
    checkpoint,
    escu_family,
    finding_write,
    notable_write,
    notables,
    reviews,
    risk_sending,
)
from connectors.siem.splunk.checkpoint import Kind
from connectors.siem.splunk.escu import SHIPPED, EscuAnalytic
from connectors.siem.splunk.escu_family import FamilyPage
from connectors.siem.splunk.findings import MissionControl, Notes, finding_id
from connectors.siem.splunk.jobs import SEARCH, SearchJobs
from connectors.siem.splunk.notables import NotableStore, Page
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, entry_of
from connectors.siem.splunk.review_statuses import read_statuses
from connectors.siem.splunk.risk_sending import RiskEvents, RiskTarget
from connectors.siem.splunk.saved_search import SavedSearches
from connectors.siem.splunk.settings import NotablesFrom, SplunkSettings
from connectors.state.once import MemoryOnce, Once

_log = logging.getLogger(__name__)

_WITHOUT_ESCU = (SHIPPED._replace(filter_macro=""),)

#: A difference between this machine's clock and Splunk's that is told, in seconds.
_SKEW_TOLD_S = 120


def _log_rejected(rejected: RejectedNotable) -> None:
    _log.warning("%s: a notable cannot be read: %s", CONNECTOR, ascii(str(rejected.error)))


def _health(state: HealthState, detail: str, missing: tuple[str, ...] = ()) -> Health:
    return Health(connector=CONNECTOR, state=state, detail=detail, missing_scopes=missing)


class SplunkSiem:
    """One Splunk, as one user. Safe to use from many threads at once."""

    name = CONNECTOR

    def __init__(
        self,
        http: Http,
        settings: SplunkSettings,
        token: SecretStr,
        hec_token: SecretStr | None = None,
        *,
        analytics: Sequence[EscuAnalytic] = _WITHOUT_ESCU,
        reading: NotableSettings | None = None,
        on_rejected: Callable[[RejectedNotable], None] = _log_rejected,
        once: Once | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            http: sends everything.
            settings: where Splunk is.
            token: of the management port.
            hec_token: of the event collector; needed where settings.hec_url is set.
            analytics: what is searched for where notables come from the analytics themselves; their Sysmon
                terms are those of the settings. Without ESCU there is no filter macro, so the default names
                none.
            reading: how times of notables are read.
            on_rejected: keeps a row that makes no notable; it is not given again.
            once: what was sent, so that other processes do not send it again; SqliteOnce in a folder that
                lasts. None remembers it in this object only.
            clock: the time of day.
            sleep: waits for a number of seconds.
            monotonic: seconds for deadlines.

        Raises:
            InputError: an event collector is named without its token.
        """
        self._settings = settings
        self._from = settings.notables_from
        self._analytics = tuple(each._replace(sysmon=settings.sysmon) for each in analytics)
        self._on_rejected = on_rejected
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._once: Once = once if once is not None else MemoryOnce(clock=clock)
        unsaid = (hec_token,) if hec_token is not None else ()
        self._rest = SplunkRest(http, settings, token, unsaid=unsaid)
        self._jobs = SearchJobs(self._rest, clock=clock, sleep=sleep, monotonic=monotonic)
        self._store = NotableStore(
            index_name=settings.notable_index,
            macro=self._from is NotablesFrom.NOTABLE_MACRO,
            search_names=settings.search_names,
            reading=reading or NotableSettings(),
        )
        self._risk = RiskEvents(
            http,
            self._rest,
            self._jobs,
            RiskTarget(index_name=settings.risk_index, hec_url=settings.hec_url),
            hec_token,
            once=self._once,
            unsaid=(token,),
            clock=clock,
            sleep=sleep,
            monotonic=monotonic,
        )
        self._control = MissionControl(http, settings.base_url, token, unsaid=unsaid)
        self._notes = Notes(self._control)
        #: The analytic as a saved search.
        self.saved_searches = SavedSearches(self._rest)

    def check(self) -> Health:
        """Whether Splunk answers and what the token's user may; reads only.

        It works where it can be read. What else is missing is named, with what will not work without it.
        """
        deadline = self._deadline()
        try:
            context = entry_of(self._rest.get(reviews.CONTEXT, {}, deadline))
            held = context.get("capabilities")
            if not isinstance(held, list):
                raise BadResponse(CONNECTOR, "the answer does not tell the capabilities of the token's user")
            missing = {each: what for each, what in self._needed().items() if each not in held}
            if SEARCH in missing:
                lacking = f"the token's user lacks {', '.join(missing)}: add it to its role"
                return _health(HealthState.FAILED, lacking, tuple(missing))
            skew = self._skew(deadline)
            if self._from is NotablesFrom.NOTABLE_MACRO and notable_write.CAPABILITY not in missing:
                read_statuses(self._rest, deadline)
        except PermissionMissing as exc:
            return _health(HealthState.FAILED, exc.message, (exc.scope,))
        except AuthRejected as exc:
            return _health(HealthState.FAILED, exc.message)
        except (ConnectorError, InputError) as exc:
            told = exc.message if isinstance(exc, ConnectorError) else str(exc)
            return _health(HealthState.FAILED, f"not usable: {told}")
        detail = "Splunk answers, and the token's user has the capabilities that are needed"
        if missing:
            lost = "; ".join(f"without {each} {what}" for each, what in missing.items())
            detail = f"Splunk can be searched; {lost}: add it to the role of the token's user"
        if self._settings.hec_url:
            detail += "; the event collector's token is proven by the first event only"
        return _health(HealthState.OK, f"{detail}{skew}", tuple(missing))

    def _skew(self, deadline: Deadline) -> str:
        """The end of a sentence where this machine's clock differs from Splunk's; "" where it does not."""
        apart = (self._clock() - self._jobs.now(deadline)).total_seconds()
        if abs(apart) < _SKEW_TOLD_S:
            return ""
        which = "ahead of" if apart > 0 else "behind"
        return f"; this machine's clock is {abs(apart) / 60:,.0f} minutes {which} Splunk's: set the wrong one"

    def fetch_notables(self, since: Checkpoint | None, *, limit: int) -> tuple[Sequence[Notable], Checkpoint]:
        """The next notables and where to go on; loses none and repeats none.

        `limit` counts events of the index: one with several destinations makes several notables. Where it
        raises, the checkpoint of before gives the same notables again.

        Raises:
            ConnectorError: a search failed.
            InputError: the checkpoint (one ahead of Splunk's clock, too) or the limit is unusable.
        """
        deadline = self._deadline()
        if self._from is NotablesFrom.ESCU:
            held = checkpoint.progresses_of(since.token) if since else {}
            now = self._jobs.now(deadline)
            family = escu_family.fetch(
                self._jobs, self._analytics, held, limit=limit, now=now, deadline=deadline
            )
            return self._given(family, checkpoint.token_of_all(family.progress))
        progress = checkpoint.progress_of(since.token, Kind.NOTABLES) if since else None
        now = self._jobs.now(deadline)
        page = notables.fetch(self._jobs, self._store, progress, limit=limit, now=now, deadline=deadline)
        return self._given(page, checkpoint.token_of(page.progress))

    def _given(self, page: Page | FamilyPage, token: str) -> tuple[Sequence[Notable], Checkpoint]:
        for rejected in page.rejected:
            self._on_rejected(rejected)
        return page.notables, Checkpoint(token)

    def notables_of(self, event_id: str) -> Sequence[Notable]:
        """The notables of one event, by event_id, finding id or SID+RID: one for each destination.

        Raises:
            NotFound: there is none.
            Ambiguous: the id stands for several events.
            NotableError: it is there and unusable.
            NotSupported: there is no Enterprise Security here.
        """
        self._need_es()
        return notables.of_event(
            self._jobs, self._store, event_id, now=self._clock(), deadline=self._deadline()
        )

    def update_notable(self, event_id: str, update: NotableUpdate) -> NotableWritten:
        """Write to a notable; where a person has set owner or status, the comment alone, which says so.

        A comment that is there already is not written again, so that a run may be repeated. On a finding of
        ES 8 the comment is a note (finding_write.py).

        Args:
            event_id: event_id, finding id or SID+RID.
            update: what to write.

        Raises:
            NotFound: there is no such notable.
            InputError: a status is unknown; the known ones are named.
            TimedOut: whether it was written is not known.
            NotSupported: there is no Enterprise Security here.
        """
        self._need_es()
        notables.refuse_long(event_id)
        now, deadline = self._clock(), self._deadline()
        if (finding := finding_id(event_id)) is not None:
            readable = self._from is NotablesFrom.NOTABLE_MACRO
            return finding_write.write(
                self._rest,
                self._jobs,
                self._control,
                update,
                finding_write.Finding(finding, readable, now),
                once=self._once,
                sleep=self._sleep,
                deadline=deadline,
            )
        found = notable_write.Notable(
            lambda: notables.find_row(self._jobs, self._store, event_id, now=now, deadline=deadline), now
        )
        return notable_write.write(
            self._rest, self._jobs, update, found, once=self._once, sleep=self._sleep, deadline=deadline
        )

    def add_risk(
        self,
        notable: Notable,
        *,
        score: float,
        base_score: float,
        techniques: Sequence[str],
        message: str,
        case_id: str,
    ) -> RiskWritten:
        """Add what the case's score exceeds the one there by, once a case; the peer is the threat object.

        Without Enterprise Security nobody has given a score yet, so all of it is added.

        Args:
            notable, score, base_score, techniques, message, case_id: as SiemConnector says.

        Raises:
            TimedOut: whether it arrived is not known; asked again, it is searched for before it is sent.
        """
        return self._risk.add(
            notable,
            score=score,
            base_score=0.0 if self._from is NotablesFrom.ESCU else base_score,
            techniques=techniques,
            message=message,
            case_id=case_id,
            deadline=self._deadline(),
        )

    def _needed(self) -> dict[str, str]:
        """The capabilities, and what does not work without each."""
        needed = {SEARCH: "nothing can be read"}
        if self._from is not NotablesFrom.ESCU:
            needed[notable_write.CAPABILITY] = "no notable can be updated"
        if not self._settings.hec_url:
            needed[risk_sending.CAPABILITY] = "no risk can be added"
        return needed

    def _need_es(self) -> None:
        if self._from is NotablesFrom.ESCU:
            raise NotSupported(
                CONNECTOR, "without Enterprise Security there are no notables to read or write"
            )

    def _deadline(self) -> Deadline:
        return Deadline.after(self._settings.deadline_s, clock=self._monotonic)
