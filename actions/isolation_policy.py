"""The organisation's isolation policy. Off by default: what is not set isolates nothing.

Validators raise ValueError with a text that begins with the setting's name; playbooks/settings.py turns it
into a ConfigError.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from actions.isolation import MODE_ORDER, IsolationMode
from connectors.errors import ConfigError
from connectors.facts.base import Fact
from connectors.facts.ledger import CapLimits
from connectors.networks import parse_network

#: Tags that protect a host under every policy, beside the policy's own.
ALWAYS_PROTECTED_TAGS = ("domain-controller", "jump-host", "multi-session", "critical", "do-not-isolate")

_LIVE = (IsolationMode.APPROVE, IsolationMode.AUTO)

Cap = Annotated[int, Field(ge=1, le=10_000)]
Name = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]


class Caps(Fact):
    """How many hosts may be isolated. A cap that is not set refuses.

    Attributes:
        per_run: in one run of the playbook.
        per_hour: in any 60 minutes.
        per_day: in any 24 hours.
        per_site_per_day: of those, at one site; needed only where sites are listed.
    """

    per_run: Cap | None = None
    per_hour: Cap | None = None
    per_day: Cap | None = None
    per_site_per_day: Cap | None = None

    @model_validator(mode="after")
    def _smaller_in_shorter_time(self) -> Self:
        ladder = (("per_run", self.per_run), ("per_hour", self.per_hour), ("per_day", self.per_day))
        given = [(name, cap) for name, cap in ladder if cap is not None]
        for (small, low), (large, high) in pairwise(given):
            if low > high:
                raise ValueError(f"caps.{small}: {low} is more than caps.{large}, which is {high}")
        if self.per_site_per_day and self.per_day and self.per_site_per_day > self.per_day:
            raise ValueError(
                f"caps.per_site_per_day: {self.per_site_per_day} is more than caps.per_day, which is"
                f" {self.per_day}"
            )
        return self


class Freshness(Fact):
    """How old may be what the decision rests on. Everything has to be younger than this.

    Attributes:
        agent_minutes: since the agent was last seen, and since the isolation state was read.
        connection_minutes: since the last connection of the case.
        reputation_hours: since a reputation answer was fetched, where the decision needs it.
        quiet_hours: for which a host stays alone after anyone has released it.
    """

    agent_minutes: Annotated[int, Field(ge=1, le=60)] = 5
    connection_minutes: Annotated[int, Field(ge=1, le=1440)] = 120
    reputation_hours: Annotated[int, Field(ge=1, le=168)] = 24
    quiet_hours: Annotated[int, Field(ge=1, le=8760)] = 24


def _networks(ranges: tuple[str, ...], field: str) -> tuple[str, ...]:
    try:
        return tuple(parse_network(each, field=field).text for each in ranges)
    except ConfigError as wrong:
        raise ValueError(str(wrong)) from wrong


class ProtectedHosts(Fact):
    """Hosts that are handed to a person. Servers and domain controllers always are.

    Attributes:
        names: host names, short or with their domain.
        globs: patterns over the short or full name, such as `dc*` or `*.ot.corp.example`.
        ranges: CIDR; a host with any address inside is protected.
        tags: the EDR's tags or the asset list's categories, beside ALWAYS_PROTECTED_TAGS.
        priorities: asset priorities; an empty list switches the guard off, for those without an asset list.
        allow_unknown_priority: True lets hosts through that the asset list does not rank.
    """

    names: tuple[Name, ...] = ()
    globs: tuple[Name, ...] = ()
    ranges: tuple[str, ...] = ()
    tags: tuple[Name, ...] = ()
    priorities: tuple[Name, ...] = ("critical", "high")
    allow_unknown_priority: bool = False

    @field_validator("names")
    @classmethod
    def _no_patterns(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if any(sign in name for sign in "*?["):
                raise ValueError(f"protected.names: {name!r} is a pattern; patterns go to protected.globs")
        return names

    @field_validator("ranges")
    @classmethod
    def _cidr(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        return _networks(ranges, "protected.ranges")


class SitePolicy(Fact):
    """One site: how far the playbook may go there.

    Attributes:
        ranges: CIDR; a host is at the site whose ranges hold its address. The longest prefix counts.
    """

    name: Name
    mode: IsolationMode
    ranges: tuple[str, ...] = ()

    @field_validator("ranges")
    @classmethod
    def _cidr(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        return _networks(ranges, "sites.ranges")


class IsolationPolicy(Fact):
    """When a host may be isolated.

    Attributes:
        mode: how far the playbook may go anywhere.
        sites: how far at each site; the lower of the two counts.
        other_sites: how far at a site that is not listed, or not known; only where sites are listed.
        rehearses: the live mode whose conditions `off` and `shadow` are judged by: approve or auto.
        min_score: the score a case needs at least, 0..100.
        kill_switch: True stops all isolation.
        approvers: who may approve, by the name of their account; empty leaves that to whoever may run the
            command, or the action on the asset. Case does not count.
        approval_minutes: after which a question takes no answer; nothing is done then.
        lease_hours: after which somebody has to look at an isolation again. It never ends by itself.
        deadline_s: seconds after the call to the vendor within which the isolation has to be seen.
        breaker_failures: isolations in a row that come to nothing until all are stopped for a person.
    """

    mode: IsolationMode = IsolationMode.OFF
    sites: tuple[SitePolicy, ...] = ()
    other_sites: IsolationMode = IsolationMode.OFF
    rehearses: IsolationMode = IsolationMode.APPROVE
    min_score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 90
    kill_switch: bool = False
    approvers: tuple[Name, ...] = ()
    approval_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    lease_hours: Annotated[int, Field(ge=1, le=720)] = 24
    deadline_s: Annotated[int, Field(ge=10, le=3600)] = 300
    breaker_failures: Annotated[int, Field(ge=1, le=100)] = 3
    caps: Caps = Caps()
    freshness: Freshness = Freshness()
    protected: ProtectedHosts = ProtectedHosts()

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.rehearses not in _LIVE:
            raise ValueError(f"rehearses: must be approve or auto, not {self.rehearses.value}")
        names = [site.name.lower() for site in self.sites]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sites: {', '.join(twice)} is listed more than once")
        if self.mode in _LIVE:
            self._has_caps()
        return self

    def _has_caps(self) -> None:
        needed = {
            "per_run": self.caps.per_run,
            "per_hour": self.caps.per_hour,
            "per_day": self.caps.per_day,
        }
        if self.sites:
            needed["per_site_per_day"] = self.caps.per_site_per_day
        for name, cap in needed.items():
            if cap is None:
                raise ValueError(f"caps.{name}: must be set where mode is {self.mode.value}")

    def site_mode(self, site: str) -> IsolationMode | None:
        """The mode at a site; None where the policy lists no sites."""
        if not self.sites:
            return None
        known = {each.name.lower(): each.mode for each in self.sites}
        return known.get(site.strip().lower(), self.other_sites)

    def effective_mode(self, site: str, caller: IsolationMode) -> IsolationMode:
        """The lowest of global, site and caller."""
        at_site = self.site_mode(site)
        modes = [self.mode, caller] + ([] if at_site is None else [at_site])
        return min(modes, key=MODE_ORDER.index)

    def may_approve(self, person: str) -> bool:
        """Whether a person's answer counts."""
        name = person.strip().casefold()
        return bool(name) and (not self.approvers or name in {each.casefold() for each in self.approvers})

    @property
    def limits(self) -> CapLimits:
        """The caps, as the ledger counts them."""
        caps = self.caps
        return CapLimits(
            per_run=caps.per_run,
            per_hour=caps.per_hour,
            per_day=caps.per_day,
            per_site_per_day=caps.per_site_per_day if self.sites else None,
        )

    def judged_as(self, effective: IsolationMode) -> IsolationMode:
        """The live mode whose conditions count: in `off` and `shadow` the one that is rehearsed."""
        if effective in _LIVE:
            return effective
        return self.mode if self.mode in _LIVE else self.rehearses
