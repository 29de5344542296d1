"""A SIEM that keeps what became of each write, as the SIEM itself put it.

Once it has not answered, or refused the account, nothing further is tried: a playbook waits for all of it
before it asks a person, and each try would cost a whole time-out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from connectors.errors import AuthRejected, ConnectorError, ResponseError, Transient
from connectors.facts.health import Health
from connectors.facts.notable import Notable
from connectors.ports import Checkpoint, NotableUpdate, NotableWritten, RiskWritten, SiemConnector


class Kept(NamedTuple):
    """What became of one write.

    Attributes:
        event_id: the notable; None for a risk event.
        result: the SIEM's answer, or its refusal.
    """

    event_id: str | None
    result: NotableWritten | RiskWritten | ResponseError


class RecordedSiem:
    """Hands everything on, and keeps the outcomes of writes in order. What is raised stays raised.

    Attributes:
        kept: one for each write that was tried.
    """

    def __init__(self, siem: SiemConnector, *, disposition: str | None = None) -> None:
        """Nothing is written yet.

        Args:
            siem: where everything goes.
            disposition: what every notable gets beside its update; None leaves it.
        """
        self._siem = siem
        self._disposition = disposition
        self.kept: list[Kept] = []
        self._silent: ConnectorError | None = None

    @property
    def name(self) -> str:
        """As the SIEM's."""
        return self._siem.name

    def check(self) -> Health:
        """As the SIEM's."""
        return self._siem.check()

    def fetch_notables(self, since: Checkpoint | None, *, limit: int) -> tuple[Sequence[Notable], Checkpoint]:
        """As the SIEM's."""
        return self._siem.fetch_notables(since, limit=limit)

    def notables_of(self, event_id: str) -> Sequence[Notable]:
        """As the SIEM's."""
        return self._siem.notables_of(event_id)

    def update_notable(self, event_id: str, update: NotableUpdate) -> NotableWritten:
        """As the SIEM's, and kept."""
        if self._disposition:
            update = update._replace(disposition=self._disposition)
        return self._kept(event_id, lambda: self._siem.update_notable(event_id, update))

    def add_risk(self, notable: Notable, *, score: float, message: str, case_id: str) -> RiskWritten:
        """As the SIEM's, and kept."""
        return self._kept(
            None, lambda: self._siem.add_risk(notable, score=score, message=message, case_id=case_id)
        )

    def _kept[R: (NotableWritten, RiskWritten)](self, event_id: str | None, call: Callable[[], R]) -> R:
        try:
            if self._silent is not None:
                raise Transient(self._silent.connector, f"not tried, since before: {self._silent.message}")
            done = call()
        except ResponseError as error:
            if isinstance(error, Transient | AuthRejected) and self._silent is None:
                self._silent = error
            self.kept.append(Kept(event_id, error))
            raise
        self.kept.append(Kept(event_id, done))
        return done
