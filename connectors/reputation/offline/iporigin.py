"""The package iporigin: which cloud, CDN, VPN or crawler an address belongs to, and Tor exits.

Its table is compiled from what the providers publish (MIT; two of its sources rest on verbal permission, so
that it is depended on and not redistributed). It is read when first asked. Its `online` module is never used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import (
    EvidenceDirection,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)

NAME = "iporigin"

INFO = SourceInfo(
    name=NAME,
    title="iporigin",
    reliability=Reliability.B,
    direction=EvidenceDirection.CONTEXT,
    licence="MIT; its data is not to be redistributed.",
    online=False,
    volatile=False,
)


class _Meaning(NamedTuple):
    kind: RoleKind
    effect: RoleEffect
    noun: str
    reason: str


#: By the package's `kind`; "reserved" and "unknown" say nothing of a public address.
_MEANINGS: dict[str, _Meaning] = {
    "hosting": _Meaning(
        RoleKind.CLOUD, RoleEffect.NONE, "hosting", "Whoever rents a machine there has the address alone."
    ),
    "cdn": _Meaning(
        RoleKind.CDN,
        RoleEffect.CAPS_AT_SHARED,
        "CDN",
        "Its edges serve the sites of many customers from one address: the host name decides.",
    ),
    "vpn": _Meaning(
        RoleKind.VPN,
        RoleEffect.NONE,
        "VPN exit",
        "Traffic of the VPN's users comes out there; little goes in.",
    ),
    "tor": _Meaning(
        RoleKind.TOR_EXIT,
        RoleEffect.NONE,
        "exit",
        "It is a relay of the Tor network: what calls it may be a Tor client.",
    ),
    "bot": _Meaning(
        RoleKind.CRAWLER,
        RoleEffect.NONE,
        "crawler",
        "It fetches web pages; as a destination that is unusual.",
    ),
}

#: Marked as CDN by the package, but they also rent out servers, so that an address may be a tenant's alone.
_ALSO_RENT_SERVERS = frozenset({"DataCamp", "Gcore"})


class _Origin(NamedTuple):
    kind: str
    provider: str


class IpOrigin:
    """The package's table as a reputation source. Asking it sends nothing anywhere."""

    info = INFO

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter, package: str = "iporigin") -> None:
        """Read nothing yet.

        Args:
            clock: monotonic seconds, for `took_ms`.
            package: what to import; another name only in tests.
        """
        self._clock = clock
        self._package = package

    def check(self) -> Health:
        """Whether the package and its table can be read."""
        try:
            described = self._module().dataset_info()
        except ImportError:
            return _health(HealthState.NOT_CONFIGURED, f"The package {self._package} is not installed.")
        except RuntimeError as error:  # its DatasetError
            return _health(HealthState.FAILED, f"Its table cannot be read: {error}.")
        built = datetime.fromtimestamp(described["built_at"], UTC)
        return _health(HealthState.OK, f"{described['ranges']:,} ranges of {built:%Y-%m-%d}.")

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """One answer: where the address belongs; always context."""
        del deadline_s, fresh  # a table in memory answers in microseconds
        began = self._clock()
        try:
            module = self._module()
            origin = _origin(module, ip)
            built = datetime.fromtimestamp(module.dataset_info()["built_at"], UTC)
        except ImportError:
            return (_answer(ip, SourceStatus.NOT_CONFIGURED, self.check().detail),)
        except (RuntimeError, ValueError) as error:  # its DatasetError; not an address
            return (_answer(ip, SourceStatus.ERROR, str(error)),)
        took_ms = round(1000 * (self._clock() - began))
        role = _role(origin)
        if role is None:
            detail = f"In none of the ranges of {built:%Y-%m-%d}."
            return (_answer(ip, SourceStatus.NOT_FOUND, detail, took_ms=took_ms),)
        answer = _answer(ip, SourceStatus.OK, f"{role.label}. {role.reason}", took_ms=took_ms)
        return (answer.model_copy(update={"lineage": NAME, "last_seen": built}),)

    def roles(self, ip: str) -> tuple[DestinationRole, ...]:
        """The role of an address; empty when the table does not know it or cannot be read."""
        try:
            role = _role(_origin(self._module(), ip))
        except (ImportError, RuntimeError, ValueError):
            return ()
        return () if role is None else (role,)

    def _module(self) -> ModuleType:
        return import_module(self._package)


def _origin(module: ModuleType, ip: str) -> _Origin:
    found = module.classify(ip)
    return _Origin(str(found.kind), str(found.provider))


def _role(origin: _Origin) -> DestinationRole | None:
    kind = "hosting" if origin.provider in _ALSO_RENT_SERVERS else origin.kind
    meaning = _MEANINGS.get(kind)
    if meaning is None:
        return None
    return DestinationRole(
        kind=meaning.kind,
        effect=meaning.effect,
        label=f"{origin.provider} {meaning.noun}".strip(),
        reason=meaning.reason,
        source=NAME,
    )


def _answer(ip: str, status: SourceStatus, detail: str, *, took_ms: int | None = None) -> SourceAnswer:
    return SourceAnswer(
        source=NAME, ip=ip, status=status, reliability=INFO.reliability, took_ms=took_ms, detail=detail
    )


def _health(state: HealthState, detail: str) -> Health:
    return Health(connector=NAME, state=state, detail=detail)
