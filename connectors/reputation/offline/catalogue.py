"""All sources that need no network: what is installed and what was downloaded before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from connectors.clock import utc_now
from connectors.facts.destination_role import DestinationRole
from connectors.ports import ReputationSource
from connectors.reputation.offline.feed_settings import FeedSettings
from connectors.reputation.offline.feeds import feed_sources
from connectors.reputation.offline.iporigin import IpOrigin
from connectors.reputation.offline.warninglists import INSTALLED


class OfflineSource(ReputationSource, Protocol):
    """A source that is asked on this machine alone."""

    def roles(self, ip: str) -> tuple[DestinationRole, ...]:
        """What the source says that the address serves as; empty when it does not know."""


def offline_sources(
    settings: FeedSettings, *, clock: Callable[[], datetime] = utc_now
) -> tuple[OfflineSource, ...]:
    """All of them, the most telling of roles first; none has read anything yet."""
    return (IpOrigin(), INSTALLED, *feed_sources(settings, clock=clock))


def roles_by_range(ip: str, sources: Iterable[OfflineSource]) -> tuple[DestinationRole, ...]:
    """What all sources say that an address serves as, in their order."""
    return tuple(role for source in sources for role in source.roles(ip))
