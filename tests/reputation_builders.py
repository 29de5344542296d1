"""Builders for reputation: answers, sources that only remember, and the fusion of both in one call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from actions.reputation_facts import DestinationReputation
from actions.reputation_fusion import fuse
from actions.reputation_policy import Override, OverrideDecision, ReputationPolicy
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
IP = "198.51.100.7"

OUTBOUND, INBOUND, CONTEXT = (
    EvidenceDirection.OUTBOUND,
    EvidenceDirection.INBOUND,
    EvidenceDirection.CONTEXT,
)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def answer(
    source: str = "threatfox",
    *,
    ip: str = IP,
    status: SourceStatus = SourceStatus.OK,
    leaning: Leaning = Leaning.MALICIOUS,
    direction: EvidenceDirection = OUTBOUND,
    reliability: Reliability = Reliability.B,
    lineage: str = "",
    last_seen: datetime | None = NOW - timedelta(days=1),
    detail: str = "",
) -> SourceAnswer:
    return SourceAnswer(
        source=source,
        ip=ip,
        status=status,
        leaning=leaning,
        direction=direction,
        reliability=reliability,
        lineage=lineage,
        last_seen=last_seen,
        detail=detail,
    )


def failed(source: str, status: SourceStatus = SourceStatus.TIMEOUT, *, ip: str = IP) -> SourceAnswer:
    return answer(source, ip=ip, status=status, leaning=Leaning.NONE, last_seen=None)


def not_found(source: str, *, ip: str = IP) -> SourceAnswer:
    return failed(source, SourceStatus.NOT_FOUND, ip=ip)


def info(
    name: str,
    *,
    online: bool = True,
    volatile: bool | None = None,
    direction: EvidenceDirection = OUTBOUND,
    reliability: Reliability = Reliability.B,
) -> SourceInfo:
    return SourceInfo(
        name=name,
        title=name.title(),
        reliability=reliability,
        direction=direction,
        licence="none",
        online=online,
        volatile=online if volatile is None else volatile,
    )


def role(kind: RoleKind, effect: RoleEffect = RoleEffect.NONE, label: str = "") -> DestinationRole:
    return DestinationRole(
        kind=kind, effect=effect, label=label or kind.value, reason="Known.", source=f"list of {kind}"
    )


TELEGRAM = role(RoleKind.BOT_API, RoleEffect.CAPS_AT_SHARED, "Telegram")
RESOLVER = role(RoleKind.RESOLVER, RoleEffect.CAPS_AT_SHARED, "public DNS resolver")
SINKHOLE = role(RoleKind.SINKHOLE, RoleEffect.PROBABLE_INFECTION, "sinkhole")
CLOUD = role(RoleKind.CLOUD, label="cloud")
PLATFORM = role(RoleKind.PLATFORM_SERVICE, label="certificate status service")


def override(
    target: str = IP,
    decision: OverrideDecision = OverrideDecision.ALLOW,
    *,
    expires: datetime = NOW + timedelta(days=30),
    reason: str = "our update mirror",
    owner: str = "SOC lead",
) -> Override:
    return Override(target=target, decision=decision, reason=reason, owner=owner, expires=expires)


def fused(
    *answers: SourceAnswer,
    roles: Iterable[DestinationRole] = (),
    infos: Iterable[SourceInfo] = (),
    policy: ReputationPolicy | None = None,
    ip: str = IP,
) -> DestinationReputation:
    """Fused; a source without an info is taken as online and outbound."""
    named = {given.name: given for given in infos}
    for given in answers:
        named.setdefault(given.source.partition(":")[0], info(given.source.partition(":")[0]))
    return fuse(answers, named, roles, ip=ip, policy=policy or ReputationPolicy(), now=NOW)


class RecordingSource:
    """Answers what a function gives, and remembers what it was asked."""

    def __init__(
        self,
        name: str,
        reply: Callable[[str], tuple[SourceAnswer, ...]] | None = None,
        *,
        online: bool = True,
        volatile: bool | None = None,
    ) -> None:
        self.info = info(name, online=online, volatile=volatile)
        self.asked: list[tuple[str, bool]] = []
        self.given_s: list[float] = []
        self._reply = reply or (lambda ip: (not_found(name, ip=ip),))

    def check(self) -> Health:
        return Health(connector=self.info.name, state=HealthState.OK, detail="")

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        self.asked.append((ip, fresh))
        self.given_s.append(deadline_s)
        return self._reply(ip)


def hangs(until: threading.Event) -> Callable[[str], tuple[SourceAnswer, ...]]:
    """A reply that does not come before the event."""

    def wait(ip: str) -> tuple[SourceAnswer, ...]:
        until.wait(60)
        return (answer("hung", ip=ip),)

    return wait
