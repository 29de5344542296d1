"""A SIEM connector over the fake Splunk, on a clock that stands still until it is moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from pydantic import SecretStr

from connectors.http.client import Http
from connectors.siem.splunk.connector import SplunkSiem
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.rest import SplunkRest
from connectors.siem.splunk.settings import SplunkSettings
from tests.fakes.splunk_server import HEC_TOKEN, TOKEN, FakeSplunk
from tests.http_clients import Clock, client


class Bench(NamedTuple):
    """A connector, its Splunk and their clock."""

    siem: SplunkSiem
    fake: FakeSplunk
    clock: Clock
    http: Http

    @property
    def rest(self) -> SplunkRest:
        return SplunkRest(self.http, self.fake.settings(), SecretStr(TOKEN))

    @property
    def jobs(self) -> SearchJobs:
        return SearchJobs(self.rest, clock=self.clock, sleep=self.clock.sleep, monotonic=self.clock.monotonic)

    def again(self, *, hec: bool = False, **options: Any) -> SplunkSiem:
        """Another connector to the same Splunk, as after a restart.

        Args:
            hec: True sends risk to the event collector.
            options: settings, and what SplunkSiem takes by name.
        """
        settings = {name: options.pop(name) for name in SplunkSettings.model_fields if name in options}
        timed: dict[str, Any] = {
            "clock": self.clock,
            "sleep": self.clock.sleep,
            "monotonic": self.clock.monotonic,
        }
        return SplunkSiem(
            self.http,
            self.fake.settings(hec=hec, **settings),
            SecretStr(TOKEN),
            SecretStr(HEC_TOKEN) if hec else None,
            **timed | options,
        )


@contextmanager
def bench(*, read_s: float = 5.0, **options: Any) -> Iterator[Bench]:
    """A connector over a Splunk; a request that is not answered is given up after `read_s`."""
    clock = Clock()
    with FakeSplunk((), clock) as fake, client(clock, read_s=read_s, retries=0) as http:
        yield Bench(Bench(None, fake, clock, http).again(**options), fake, clock, http)  # type: ignore[arg-type]
