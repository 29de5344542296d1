"""iporigin as a source: the real table of the installed package."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from connectors.facts.destination_role import RoleEffect, RoleKind
from connectors.facts.health import HealthState
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceStatus
from connectors.reputation.offline.iporigin import IpOrigin


@pytest.mark.parametrize(
    ("ip", "label", "kind", "effect"),
    [
        ("104.16.0.1", "Cloudflare CDN", RoleKind.CDN, RoleEffect.CAPS_AT_SHARED),
        ("52.95.110.1", "Amazon AWS hosting", RoleKind.CLOUD, RoleEffect.NONE),
        ("8.8.8.8", "Google hosting", RoleKind.CLOUD, RoleEffect.NONE),
    ],
)
def test_where_an_address_belongs(ip: str, label: str, kind: RoleKind, effect: RoleEffect) -> None:
    (role,) = IpOrigin().roles(ip)
    assert (role.label, role.kind, role.effect) == (label, kind, effect)
    (answer,) = IpOrigin().lookup(ip, deadline_s=1)
    assert answer.status is SourceStatus.OK
    assert answer.detail.startswith(label)
    assert answer.leaning is Leaning.NONE
    assert answer.direction is EvidenceDirection.CONTEXT
    assert answer.last_seen is not None


def test_an_unknown_address_is_not_found_and_nothing_is_concluded() -> None:
    (answer,) = IpOrigin().lookup("149.154.167.220", deadline_s=1)
    assert answer.status is SourceStatus.NOT_FOUND
    assert answer.leaning is Leaning.NONE
    assert IpOrigin().roles("149.154.167.220") == ()


def test_it_works_and_never_loads_its_online_part() -> None:
    assert IpOrigin().check().state is HealthState.OK
    assert "iporigin.online" not in sys.modules


def test_without_the_package_it_is_not_configured() -> None:
    source = IpOrigin(package="iporigin_that_is_not_installed")
    assert source.check().state is HealthState.NOT_CONFIGURED
    (answer,) = source.lookup("8.8.8.8", deadline_s=1)
    assert answer.status is SourceStatus.NOT_CONFIGURED
    assert source.roles("8.8.8.8") == ()


def fake_package(monkeypatch: pytest.MonkeyPatch, kind: str, provider: str) -> IpOrigin:
    module = ModuleType("fake_iporigin")
    module.__dict__["classify"] = lambda _ip: SimpleNamespace(kind=kind, provider=provider)
    module.__dict__["dataset_info"] = lambda: {"built_at": 1_791_200_061, "ranges": 1}
    monkeypatch.setitem(sys.modules, "fake_iporigin", module)
    return IpOrigin(package="fake_iporigin")


@pytest.mark.parametrize(
    ("kind", "provider", "role"),
    [
        ("tor", "Tor", RoleKind.TOR_EXIT),
        ("vpn", "Mullvad", RoleKind.VPN),
        ("bot", "Bingbot", RoleKind.CRAWLER),
        ("cdn", "DataCamp", RoleKind.CLOUD),
    ],
)
def test_other_kinds_never_cap(
    monkeypatch: pytest.MonkeyPatch, kind: str, provider: str, role: RoleKind
) -> None:
    (found,) = fake_package(monkeypatch, kind, provider).roles("198.51.100.1")
    assert (found.kind, found.effect) == (role, RoleEffect.NONE)
    assert provider in found.label


@pytest.mark.parametrize("kind", ["unknown", "reserved", "a kind of a later version"])
def test_kinds_that_say_nothing(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    source = fake_package(monkeypatch, kind, "")
    assert source.roles("198.51.100.1") == ()
    assert source.lookup("198.51.100.1", deadline_s=1)[0].status is SourceStatus.NOT_FOUND


def test_a_damaged_table_and_a_bad_text_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert IpOrigin().lookup("nonsense", deadline_s=1)[0].status is SourceStatus.ERROR
    source = fake_package(monkeypatch, "cdn", "x")

    def broken() -> None:
        raise RuntimeError("not an iporigin dataset")

    sys.modules["fake_iporigin"].__dict__["dataset_info"] = broken
    assert source.check().state is HealthState.FAILED
    assert source.lookup("198.51.100.1", deadline_s=1)[0].status is SourceStatus.ERROR
