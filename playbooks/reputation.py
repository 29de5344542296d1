"""The reputation look-up as a run uses it: sources wired once, asked for the addresses of each case."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple, Self

from pydantic import SecretStr

from actions.case_facts import Destination
from actions.destination_roles import with_roles
from actions.ip_facts import IpCheck
from actions.lookup_reputation import (
    lookup,
    own_range_of,
    why_withheld,
    with_reputation,
)
from actions.reputation_facts import DestinationReputation
from actions.reputation_fusion import fuse
from connectors.clock import utc_now
from connectors.errors import ConfigError
from connectors.facts.destination_role import DestinationRole
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import SourceAnswer, SourceStatus
from connectors.http.call import Call, Reply
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import ReputationSource
from connectors.reputation.catalogue import (
    CATALOGUE,
    KEY_FILE,
    PREFIX,
    configured,
    describe,
    keys_from_environment,
    variable_of,
)
from connectors.reputation.offline.catalogue import offline_sources
from playbooks.reputation_settings import ReputationSettings
from playbooks.settings import Settings

_NOTHING_BEFORE: Mapping[str, DestinationReputation] = {}
_ALL_READABLE: Mapping[str, ConfigError] = {}
_log = logging.getLogger(__name__)

#: Of the seconds that look-ups share, the part that one keeps for those after it: lists on this machine and
#: answers in the cache need little, and a source that hangs in the first must not keep them from the last.
KEPT_PART = 0.2


class LookupTime:
    """Seconds that the look-ups of a case, or of a run, have together. Time in between does not count.

    Args:
        seconds: the policy's deadline.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = seconds
        self._clock = clock

    @contextmanager
    def spend(self, *, last: bool) -> Iterator[float]:
        """The seconds for one look-up, taken off by as much as it lasts.

        Args:
            last: True when no other comes after it; else KEPT_PART is kept.
        """
        begun = self._clock()
        try:
            yield self._left if last else self._left * (1 - KEPT_PART)
        finally:
            self._left = max(0.0, self._left - (self._clock() - begun))


class RolesFound(NamedTuple):
    """What lists say that an address serves as.

    Attributes:
        unread: names of sources that failed.
    """

    roles: tuple[DestinationRole, ...] = ()
    unread: tuple[str, ...] = ()


class UnreadableKey:
    """Stands in for a source whose key cannot be read: it fails, and the others are asked.

    Args:
        name: of the catalogue.
        error: why; it never holds the key.
    """

    def __init__(self, name: str, error: ConfigError) -> None:
        self.info = describe(name)
        self._why = f"its key cannot be read: {error}"

    def check(self) -> Health:
        """Failed."""
        return Health(connector=self.info.name, state=HealthState.FAILED, detail=self._why)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """One answer, ERROR: the source itself was not asked, so that it refused nothing."""
        del deadline_s, fresh
        return (
            SourceAnswer(
                source=self.info.name,
                ip=ip,
                status=SourceStatus.ERROR,
                direction=self.info.direction,
                reliability=self.info.reliability,
                took_ms=0,
                detail=f"not asked: {self._why}",
            ),
        )


class _Kept:
    """The client, which gives what is in its cache and sends nothing."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        """As the client when no time is left to ask."""
        del deadline, fresh
        return self._http.send(call, deadline=Deadline.after(0.0), fresh=False)


class Reputation:
    """Sources of one run. Nothing is read and no HTTP stack is loaded before something is asked.

    Args:
        settings: who is asked, and how.
        keys: secrets by source name.
        unreadable: why, of each source whose key cannot be read.
        clock: the time.
    """

    def __init__(
        self,
        settings: ReputationSettings,
        keys: Mapping[str, SecretStr],
        *,
        unreadable: Mapping[str, ConfigError] = _ALL_READABLE,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._policy = settings.policy
        self._clock = clock
        self._http = Http(settings.http, folder=settings.place, clock=clock)
        self._offline = offline_sources(settings.feeds_in_place, clock=clock)
        online = configured(settings.sources, self._http, keys, clock=clock)
        names = {each.info.name for each in online}
        self.unreadable = {name: error for name, error in unreadable.items() if name in names}
        self.sources: tuple[ReputationSource, ...] = (
            *(
                UnreadableKey(each.info.name, self.unreadable[each.info.name])
                if each.info.name in self.unreadable
                else each
                for each in online
            ),
            *self._offline,
        )

    def roles(self, ip: str) -> tuple[DestinationRole, ...]:
        """What the lists on this machine say that a canonical address serves as."""
        return self.roles_found(ip).roles

    def roles_found(self, ip: str) -> RolesFound:
        """The same, and the sources that failed: each costs its own roles alone."""
        roles: list[DestinationRole] = []
        unread: list[str] = []
        for source in self._offline:
            try:
                roles += source.roles(ip)
            except Exception as error:  # noqa: BLE001  the edge: one list's fault must not end the look-up
                # Only the kind: the text of an unexpected error may hold anything.
                _log.warning("the roles of %s could not be read: %s", source.info.name, type(error).__name__)
                unread.append(source.info.name)
        return RolesFound(tuple(roles), tuple(unread))

    def look_up(
        self,
        checks: Sequence[IpCheck],
        *,
        fresh: bool = False,
        before: Mapping[str, DestinationReputation] = _NOTHING_BEFORE,
        shared: LookupTime | None = None,
        last: bool = True,
    ) -> Mapping[str, DestinationReputation]:
        """The reputation of each address, by its text in `checks`; as actions.lookup_reputation.lookup.

        Args:
            checks: judged addresses.
            fresh: True asks volatile sources past their cache.
            before: an earlier look-up, by the same texts.
            shared: the seconds that several look-ups have together; None is the policy's for this one alone.
            last: False when others that share them come after it.
        """
        if not checks:
            return {}
        served = {each.ip: self.roles_found(each.asked) for each in checks if each.public}
        with (shared or LookupTime(self._policy.deadline_s)).spend(last=last) as seconds:
            return lookup(
                checks,
                self.sources,
                policy=self._policy,
                roles={ip: found.roles for ip, found in served.items()},
                roles_unread={ip: found.unread for ip, found in served.items()},
                before=before,
                fresh=fresh,
                within_s=seconds,
                clock=self._clock,
            )

    def time_for_all(self) -> LookupTime:
        """The policy's seconds, for look-ups that share them."""
        return LookupTime(self._policy.deadline_s)

    def kept(self, checks: Sequence[IpCheck]) -> Mapping[str, DestinationReputation]:
        """What follows from answers of online sources in the cache, expired ones too. Nobody is asked.

        The lists on this machine are as they are now: of an earlier copy nothing is kept.

        Args:
            checks: judged addresses; only external ones are in the result.
        """
        external = [each for each in checks if each.external]
        if not external:
            return {}
        online = configured(self._settings.sources, _Kept(self._http), self._keys, clock=self._clock)
        return lookup(
            external,
            (*online, *self._offline),
            policy=self._policy,
            roles={each.ip: self.roles(each.asked) for each in external},
            clock=self._clock,
        )

    def judged(self, destination: Destination, known: DestinationReputation | None) -> Destination:
        """The destination with its roles, and the verdict that follows from what is known with them.

        Names and ports of the case's own evidence can show that many share an address, which an earlier
        look-up could not know.

        Args:
            destination: with the names and ports that were seen.
            known: what a look-up gave; None when nobody was asked.
        """
        check = destination.check
        # A list's range may reach into addresses that are not public, where it means nothing.
        by_range = self.roles_found(check.asked) if check.public else RolesFound()
        served = with_roles(destination, by_range.roles)
        if known is None:
            return served
        again = fuse(
            known.answers,
            {each.info.name: each.info for each in self.sources},
            served.roles,
            ip=known.ip,
            policy=self._policy,
            now=known.decided_at,
            withheld=why_withheld(check),
            own_range=own_range_of(check),
            roles_unread=by_range.unread,
        )
        return with_reputation(served, again)

    def close(self) -> None:
        """Close connections and files."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reputation_of(settings: Settings, environ: Mapping[str, str]) -> Reputation:
    """The look-up of a command line or service: keys from the environment.

    A source whose key cannot be read fails by itself; `unreadable` of the result says why.
    """
    keys, unreadable = readable_keys(environ)
    return Reputation(settings.reputation, keys, unreadable=unreadable)


def readable_keys(
    environ: Mapping[str, str],
) -> tuple[Mapping[str, SecretStr], Mapping[str, ConfigError]]:
    """The keys by source name, and of each that cannot be read why."""
    keys: dict[str, SecretStr] = {}
    unreadable: dict[str, ConfigError] = {}
    for name in CATALOGUE:
        own = (variable_of(name), f"{PREFIX}{name.upper()}{KEY_FILE}")
        try:
            keys.update(keys_from_environment({each: environ[each] for each in own if each in environ}))
        except ConfigError as error:
            unreadable[name] = error
    return keys, unreadable
