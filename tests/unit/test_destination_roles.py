"""Roles of destinations: each with its grounds, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from actions.case_facts import Destination
from actions.check_ip import check_ip
from actions.destination_hints import HINTS, ROLE_ROWS
from actions.destination_roles import is_shared, is_sinkhole, roles_of, with_roles
from connectors.addresses import pack_ip
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.reputation.offline.iporigin import IpOrigin
from connectors.reputation.offline.warninglists import INSTALLED


def destination(ip: str, *, names: Iterable[str] = (), ports: Iterable[int] = ()) -> Destination:
    return Destination(ip=ip, check=check_ip(ip), dns_names=tuple(names), ports=tuple(ports))


def named(name: str) -> Destination:
    return destination("198.51.100.1", names=[name], ports=[443])


SHARED, NO_EFFECT = RoleEffect.CAPS_AT_SHARED, RoleEffect.NONE


def by_range(ip: str) -> tuple[DestinationRole, ...]:
    return (*IpOrigin().roles(ip), *INSTALLED.roles(ip))


@pytest.mark.parametrize(
    ("known", "kind", "effect", "source"),
    [
        (destination("208.95.112.1", ports=[80]), RoleKind.IP_CHECK, SHARED, "range 208.95.112.1/32"),
        (named("api.ipify.org"), RoleKind.IP_CHECK, SHARED, "DNS name api.ipify.org"),
        (destination("149.154.167.220"), RoleKind.BOT_API, SHARED, "range 149.154.160.0/20"),
        (destination("198.51.100.1", ports=[587]), RoleKind.MAIL, NO_EFFECT, "port 587"),
        (destination("198.51.100.1", ports=[21]), RoleKind.FTP, NO_EFFECT, "port 21"),
        (destination("149.112.112.112"), RoleKind.RESOLVER, SHARED, "range 149.112.112.112/32"),
        (named("d1.cloudfront.net"), RoleKind.CDN, SHARED, "DNS name d1.cloudfront.net"),
        (named("crl.microsoft.com"), RoleKind.PLATFORM_SERVICE, NO_EFFECT, "DNS name crl.microsoft.com"),
    ],
)
def test_roles_of_the_own_table(known: Destination, kind: RoleKind, effect: RoleEffect, source: str) -> None:
    (role,) = roles_of(known)
    assert (role.kind, role.effect, role.source) == (kind, effect, source)
    assert role.reason


def test_a_name_of_the_attackers_is_nobody_elses() -> None:
    names = ("api.telegram.org.attacker.example", "notcloudfront.net")
    assert roles_of(destination("198.51.100.1", names=names)) == ()


def test_nothing_known_gives_no_role() -> None:
    unknown = destination("198.51.100.1", ports=(443,))
    assert unknown.roles == ()
    assert with_roles(unknown) == unknown


@pytest.mark.parametrize(
    ("ip", "kinds", "shared"),
    [
        ("104.16.0.1", {RoleKind.CDN}, True),
        ("101.2.192.9", {RoleKind.SECURITY_EDGE}, True),
        ("52.95.110.1", {RoleKind.CLOUD, RoleKind.VPN}, False),
    ],
)
def test_roles_of_real_lists(ip: str, kinds: set[RoleKind], shared: bool) -> None:
    roles = with_roles(destination(ip), by_range(ip)).roles
    assert {role.kind for role in roles} == kinds
    assert is_shared(roles) is shared
    assert not is_sinkhole(roles)


def test_the_same_role_of_two_lists_is_one_with_both_sources() -> None:
    (role,) = roles_of(destination("104.16.0.1"), by_range("104.16.0.1"))
    assert role.source == "iporigin; misp-warninglists: cloudflare"


def test_a_sinkhole_speaks_for_an_infection_and_stands_first() -> None:
    roles = roles_of(destination("104.155.11.149"), by_range("104.155.11.149"))
    assert roles[0].kind is RoleKind.SINKHOLE
    assert is_sinkhole(roles)
    assert not is_shared(roles)


def test_a_sinkhole_on_an_address_that_many_share_does_not() -> None:
    """The list of sinkholes names addresses of Cloudflare."""
    roles = roles_of(destination("104.21.27.14"), by_range("104.21.27.14"))
    sinkhole = next(role for role in roles if role.kind is RoleKind.SINKHOLE)
    assert sinkhole.effect is RoleEffect.NONE
    assert "only the host name could tell" in sinkhole.reason
    assert is_shared(roles)
    assert not is_sinkhole(roles)


def test_resolvers_of_the_own_table_are_on_the_list_of_resolvers() -> None:
    (row,) = [row for row in ROLE_ROWS if row.role is RoleKind.RESOLVER]
    for cidr in row.ranges:
        ip = cidr.partition("/")[0]
        assert RoleKind.RESOLVER in {role.kind for role in INSTALLED.roles(ip)}, ip


def test_the_table_is_well_formed() -> None:
    for row in (*HINTS, *ROLE_ROWS):
        assert all(name == name.lower() and not name.startswith(".") for name in row.names)
        assert all(pack_ip(cidr.partition("/")[0]) for cidr in row.ranges)
