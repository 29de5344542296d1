"""What became of every host of a run whose isolations are being undone, as the ledger tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from actions.containment import ContainmentOutcome, ContainmentResult
from connectors.facts.base import Fact
from connectors.facts.ledger import HostKey, Intent, IntentKind, IntentState, Lease
from connectors.state.ledger import Ledger


class WaveOutcome(StrEnum):
    """What became of one host of a wave."""

    RELEASED_NOW = "released_now"
    """Released by this wave; the vendor's state was read afterwards."""
    RELEASED_BEFORE = "released_before"
    """Somebody had released it before."""
    NOT_ISOLATED = "not_isolated"
    """It was found not isolated, or its isolation came to nothing; no release was sent."""
    FAILED = "failed"
    """It was tried and is isolated still, as far as is known."""
    UNKNOWN = "unknown"
    """Something was ordered whose outcome is not known, or not known yet."""
    NOT_TRIED = "not_tried"
    """Its isolation stands, and nobody has tried to release it."""


class WaveHost(Fact):
    """One host of a wave.

    Attributes:
        sentence: what became of it, for a person; may hold text from outside.
        isolation_id: the isolation of this run; "" where only a lease names it.
        release_id: the last release; "" where there is none.
    """

    connector: str
    host_id: str
    hostname: str
    outcome: WaveOutcome
    sentence: str
    isolation_id: str
    release_id: str = ""


class WaveReport(Fact):
    """Every host of a run, once.

    Attributes:
        run_id: the run that is undone.
        stopped: why the wave ended before its time; "" where it did not.
    """

    run_id: str
    hosts: tuple[WaveHost, ...]
    stopped: str = ""

    @property
    def counts(self) -> Mapping[WaveOutcome, int]:
        """How many hosts came to each outcome, none left out."""
        found = Counter(host.outcome for host in self.hosts)
        return {outcome: found[outcome] for outcome in WaveOutcome}

    @property
    def complete(self) -> bool:
        """Whether no host of the run is isolated any more, as far as can be told."""
        return not any(
            host.outcome in (WaveOutcome.FAILED, WaveOutcome.UNKNOWN, WaveOutcome.NOT_TRIED)
            for host in self.hosts
        )


class _Told(NamedTuple):
    outcome: WaveOutcome
    sentence: str


class _Known(NamedTuple):
    """What is known beside the ledger of one host; see wave_report."""

    ledger: Ledger
    run_id: str
    since: datetime | None
    host: HostKey
    result: ContainmentResult | None


_NO_RESULTS: Mapping[HostKey, ContainmentResult] = MappingProxyType({})

#: What a result means for a host whose isolation stands. The ledger tells the rest.
_OF_RESULT = {
    ContainmentOutcome.NOT_ISOLATED: WaveOutcome.NOT_ISOLATED,
    ContainmentOutcome.REFUSED: WaveOutcome.FAILED,
    ContainmentOutcome.NOT_SENT: WaveOutcome.FAILED,
    ContainmentOutcome.FAILED: WaveOutcome.FAILED,
    ContainmentOutcome.EXPIRED: WaveOutcome.FAILED,
    ContainmentOutcome.PENDING: WaveOutcome.UNKNOWN,
    ContainmentOutcome.UNKNOWN: WaveOutcome.UNKNOWN,
}


def wave_report(
    ledger: Ledger,
    run_id: str,
    *,
    since: datetime | None = None,
    results: Mapping[HostKey, ContainmentResult] = _NO_RESULTS,
    stopped: str = "",
) -> WaveReport:
    """The report of a wave so far, from the ledger: also after the wave was killed.

    Args:
        ledger: what was done.
        run_id: the run that is undone; its releases bear the same id.
        since: when this attempt began: what was released earlier was released before. None counts every
            release of the wave as its own.
        results: what was concluded and is not in the ledger, such as that nothing could be sent.
        stopped: why the wave ended before its time.

    Raises:
        LedgerUnusable: it cannot be read.
    """
    ordered = ledger.intents(run_id=run_id)
    isolations = {each.order.host: each for each in ordered if each.order.kind is IntentKind.ISOLATE}
    releases = {each.order.host: each for each in ordered if each.order.kind is IntentKind.RELEASE}
    for each in ledger.intents(active=True):
        if each.order.kind is IntentKind.RELEASE:
            releases[each.order.host] = each
    leases = {each.host: each for each in ledger.leases(standing=None, run_id=run_id)}
    return WaveReport(
        run_id=run_id,
        hosts=tuple(
            _row(
                _Known(ledger, run_id, since, host, results.get(host)),
                leases.get(host),
                isolations.get(host),
                releases.get(host),
            )
            for host in dict.fromkeys([*isolations, *leases])
        ),
        stopped=stopped,
    )


def _row(known: _Known, lease: Lease | None, isolation: Intent | None, release: Intent | None) -> WaveHost:
    began = lease.began_at if lease else isolation.requested_at if isolation else None
    if release is not None and began is not None and release.requested_at < began:
        release = None
    if lease is not None and lease.ended_at is not None and not _verified(release):
        release = _release_since(known.ledger, lease) or release
    if isolation is not None and isolation.superseded_by:
        release = known.ledger.intent(isolation.superseded_by) or release
    told = None
    if isolation is not None and isolation.active and not (release is not None and release.active):
        told = _of_isolation(isolation, release)
    if told is None:
        told = _of_release(release, known)
    if told is None and lease is not None:
        told = _of_lease(lease, release, known.result)
    if told is None and isolation is not None:
        told = _of_isolation(isolation, release)
    hostname = lease.hostname if lease else isolation.order.hostname if isolation else ""
    outcome, sentence = told or _Told(WaveOutcome.UNKNOWN, "The ledger does not tell.")
    return WaveHost(
        connector=known.host.connector,
        host_id=known.host.host_id,
        hostname=hostname,
        outcome=outcome,
        sentence=sentence,
        isolation_id=lease.intent_id if lease else isolation.intent_id if isolation else "",
        release_id=release.intent_id if release else "",
    )


def _of_release(release: Intent | None, known: _Known) -> _Told | None:
    """What an active or verified release says; None where there is none."""
    if release is None:
        return None
    if release.active:
        return _Told(WaveOutcome.UNKNOWN, _underway(release))
    if release.state is not IntentState.VERIFIED:
        return None
    at = f"{release.changed_at:%Y-%m-%d %H:%M} UTC"
    by_this_run = release.order.run_id == known.run_id
    if by_this_run and (known.since is None or release.changed_at >= known.since):
        return _Told(WaveOutcome.RELEASED_NOW, f"Released, and seen released at {at}.")
    return _Told(WaveOutcome.RELEASED_BEFORE, f"Released by {release.order.by}, and seen released at {at}.")


def _underway(release: Intent) -> str:
    if release.state is IntentState.UNKNOWN:
        return f"What became of its release is not known: {release.detail or 'the vendor does not say'}."
    if release.called_at is None:
        return "Its release was written down; the vendor was not called so far. Run this again."
    return "Its release was sent and is not proved yet. Run this again, or reconcile."


def _of_lease(lease: Lease, release: Intent | None, result: ContainmentResult | None) -> _Told:
    if lease.ended_at is not None:
        at = f"{lease.ended_at:%Y-%m-%d %H:%M} UTC"
        return _Told(
            WaveOutcome.NOT_ISOLATED,
            f"It was found not isolated at {at} ({lease.ended_by}); no release of it was sent.",
        )
    if result is not None and result.outcome in _OF_RESULT:
        return _Told(_OF_RESULT[result.outcome], result.sentence)
    if release is not None:
        return _Told(
            WaveOutcome.FAILED, f"Its release ended {release.state.value}: {release.detail or 'no reason'}."
        )
    return _Told(WaveOutcome.NOT_TRIED, "Its isolation stands; no release was tried.")


def _of_isolation(isolation: Intent, release: Intent | None) -> _Told:
    """A host of the run on which no isolation stands."""
    state = isolation.state.value
    if isolation.active:
        tried = (
            f", and its release ended {release.state.value} ({release.detail.rstrip('.') or 'no reason'})"
            if release is not None
            else ""
        )
        return _Told(
            WaveOutcome.UNKNOWN, f"Its isolation is {state}{tried}: reconcile, or release it by name."
        )
    if isolation.superseded_by:  # of which nothing but a verified release is proof, and there is none
        told = f"A release took the place of its isolation ({isolation.superseded_by}), and is not proved."
        return _Told(WaveOutcome.UNKNOWN, f"{told} Reconcile, or release it by name.")
    return _Told(WaveOutcome.NOT_ISOLATED, f"Its isolation ended {state}: {isolation.detail or 'no reason'}.")


def _verified(release: Intent | None) -> bool:
    return release is not None and release.state is IntentState.VERIFIED


def _release_since(ledger: Ledger, lease: Lease) -> Intent | None:
    """The release of another run that ended a lease; None where none did."""
    found = [
        each
        for each in ledger.intents(host=lease.host)
        if each.order.kind is IntentKind.RELEASE
        and each.state is IntentState.VERIFIED
        and lease.began_at <= each.changed_at <= (lease.ended_at or each.changed_at)
    ]
    return found[-1] if found else None
