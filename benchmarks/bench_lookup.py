"""Eight sources at 200 ms, asked side by side over the real client, beside the slowest of them asked alone.

The sources are the real ones with the real readers; each asks a server of its own on this machine, which
answers as the vendor documents, after 200 ms. The second figure has a ninth that never answers: the look-up
must end at its deadline with the answers of the others.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from pydantic import SecretStr

from actions.check_ip import check_ip
from actions.ip_facts import IpCheck
from actions.lookup_reputation import lookup
from actions.reputation_facts import DestinationReputation
from actions.reputation_policy import ReputationPolicy
from benchmarks.rows import Row, time_row
from connectors.facts.reputation import SourceAnswer, SourceInfo, SourceStatus
from connectors.http.client import Http
from connectors.http.settings import HttpSettings
from connectors.ports import ReputationSource
from connectors.reputation.virustotal import INFO, VirusTotal
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.fakes.reputation_servers import IP, VENDORS, Vendor, VendorServer

#: Sources. Of GreyNoise's two interfaces one is asked.
SIZES = (8,)
QUICK_SIZES = (8,)
REPEATS = 7

DELAY_S = 0.2

#: Seconds of the look-up with a source that never answers.
DEADLINE_S = 1.0


class _SlowServer(VendorServer):
    def _answer(self, seen: Seen) -> Answer:
        time.sleep(DELAY_S)
        return super()._answer(seen)


class _Hung(VirusTotal):
    """A source whose server takes the request and never answers."""

    @property
    def info(self) -> SourceInfo:
        return INFO.model_copy(update={"name": "hung"})

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        # Ten times the time it was given: only the look-up's own deadline ends it.
        return super().lookup(ip, deadline_s=10 * deadline_s, fresh=fresh)


def _target() -> IpCheck:
    """The address the servers know, of a range for documentation, judged as a public one would be."""
    return check_ip(IP).model_copy(update={"public": True})


def _chosen(count: int) -> list[Vendor]:
    by_source: dict[str, Vendor] = {}
    for vendor in VENDORS:
        by_source.setdefault(vendor.name.partition("_")[0], vendor)
    chosen = list(by_source.values())[:count]
    assert len(chosen) == count
    return chosen


@contextmanager
def _sources(count: int) -> Iterator[list[ReputationSource]]:
    with ExitStack() as stack:
        http = Http(HttpSettings(), folder=None)
        stack.callback(http.close)
        yield [
            vendor.make(http, SecretStr(vendor.key), stack.enter_context(_SlowServer(vendor)).url)
            for vendor in _chosen(count)
        ]


def _timed(
    sources: Sequence[ReputationSource], deadline_s: float = 20.0
) -> tuple[float, DestinationReputation]:
    target, policy = _target(), ReputationPolicy(deadline_s=deadline_s)
    start = time.perf_counter()
    found = lookup([target], sources, policy=policy, clock=_noon, fresh=True)
    return time.perf_counter() - start, found[target.ip]


def _noon() -> datetime:
    return datetime(2026, 11, 24, 12, tzinfo=UTC)


def run(sizes: Sequence[int]) -> list[Row]:
    """Time both; the median counts. A first look-up, with the imports, is not part of it."""
    return [row for size in sizes for row in (_side_by_side(size), _with_a_hung_one(size))]


def _side_by_side(size: int) -> Row:
    # New sources for each round: quotas for a minute and kept answers must not be part of it.
    together: list[float] = []
    slowest: list[float] = []
    for number in range(REPEATS + 1):
        with _sources(size) as sources:
            seconds, found = _timed(sources)
            assert len(found.coverage.answered) == size, found.coverage
        with _sources(size) as sources:
            alone = max(_timed([source])[0] for source in sources)
        if number:
            together.append(seconds)
            slowest.append(alone)
    return time_row(
        "sources side by side vs the slowest alone",
        size,
        statistics.median(together),
        statistics.median(slowest),
        "<= 1.15",
    )


def _with_a_hung_one(size: int) -> Row:
    with _sources(size) as sources, FakeServer(Answer(hold=True)) as silent:
        http = Http(HttpSettings(), folder=None)
        hung = _Hung(http, SecretStr("key"), base_url=silent.url)
        seconds, found = _timed([*sources, hung], DEADLINE_S)
        http.close()
    assert len(found.coverage.answered) == size, found.coverage
    assert [failure.status for failure in found.coverage.failed] == [SourceStatus.TIMEOUT]
    return time_row("one source hangs vs the deadline", size, seconds, DEADLINE_S, "<= 1.15")
