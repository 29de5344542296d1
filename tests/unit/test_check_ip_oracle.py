"""The public check against a slow oracle: a linear scan of the registries with the standard library."""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.check_ip import EmbeddedScheme, IpCategory, check_ip, classify
from actions.iana_registry import IPV4_ROWS, IPV6_ROWS, Row

MAPPED = IPv6Network("::ffff:0:0/96")
NAT64 = IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = IPv6Network("2000::/3")
MULTICAST_V4 = IPv4Network("224.0.0.0/4")
MULTICAST_V6 = IPv6Network("ff00::/8")

AnyAddress = IPv4Address | IPv6Address


class Judgement(NamedTuple):
    public: bool
    category: IpCategory
    prefix: str | None


class Answer(NamedTuple):
    ip: str
    version: int
    judgement: Judgement
    embedded: tuple[EmbeddedScheme, str, Judgement, bool] | None


class ScannedRow(NamedTuple):
    first: int
    mask: int
    length: int
    row: Row


def scanned(rows: tuple[Row, ...]) -> list[ScannedRow]:
    networks = [(ip_network(row.prefix), row) for row in rows]
    return [
        ScannedRow(int(net.network_address), int(net.netmask), net.prefixlen, row) for net, row in networks
    ]


SCANNED = {4: scanned(IPV4_ROWS), 6: scanned(IPV6_ROWS)}


def plain_judgement(address: AnyAddress) -> Judgement:
    if address in (MULTICAST_V4 if address.version == 4 else MULTICAST_V6):
        return Judgement(public=False, category=IpCategory.MULTICAST, prefix=None)
    value = int(address)
    matching = [scan for scan in SCANNED[address.version] if value & scan.mask == scan.first]
    if matching:
        row = max(matching, key=lambda scan: scan.length).row
        return Judgement(public=row.reachable is True, category=row.category, prefix=row.prefix)
    if address.version == 4 or address in GLOBAL_UNICAST:
        return Judgement(public=True, category=IpCategory.PUBLIC, prefix=None)
    return Judgement(public=False, category=IpCategory.RESERVED, prefix=None)


def embedded_ipv4(address: AnyAddress) -> tuple[EmbeddedScheme, IPv4Address] | None:
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped:
        return EmbeddedScheme.IPV4_MAPPED, address.ipv4_mapped
    if address in NAT64:
        return EmbeddedScheme.NAT64, IPv4Address(int(address) % 2**32)
    if address.sixtofour:
        return EmbeddedScheme.SIX_TO_FOUR, address.sixtofour
    if address.teredo:
        return EmbeddedScheme.TEREDO, address.teredo[1]
    return None


def oracle(address: AnyAddress) -> Answer:
    inside = embedded_ipv4(address)
    if inside is None:
        return Answer(str(address), address.version, plain_judgement(address), None)
    scheme, inner = inside
    judged = plain_judgement(inner)
    decides = scheme in {EmbeddedScheme.IPV4_MAPPED, EmbeddedScheme.NAT64}
    judgement = judged if decides else plain_judgement(address)
    return Answer(str(address), 6, judgement, (scheme, str(inner), judged, decides))


def answered(text: str) -> Answer:
    """Return what check_ip says, in the oracle's terms; classify has to agree with it."""
    check = check_ip(text)
    row = check.registry_row
    judgement = Judgement(check.public, check.category, row.prefix if row else None)
    brief = classify(text)
    assert (brief.public, brief.category, brief.registry_row) == (check.public, check.category, row), text
    inside = check.embedded
    if inside is None:
        return Answer(check.ip, check.version, judgement, None)
    inner_row = classify(inside.ip).registry_row
    judged = Judgement(inside.public, inside.category, inner_row.prefix if inner_row else None)
    return Answer(check.ip, check.version, judgement, (inside.scheme, inside.ip, judged, inside.decides))


def random_addresses(count: int) -> Iterator[AnyAddress]:
    """Draw seeded addresses: two fifths IPv4, one fifth any IPv6, two fifths IPv6 in or near special ones."""
    rng = random.Random(20251009)  # noqa: S311 - test data, reproducible on purpose
    special = [*(ip_network(row.prefix) for row in IPV6_ROWS), GLOBAL_UNICAST, MULTICAST_V6]
    for index in range(count):
        kind = index % 5
        if kind < 2:
            yield IPv4Address(rng.getrandbits(32))
        elif kind == 2:
            yield IPv6Address(rng.getrandbits(128))
        else:
            network = rng.choice(special)
            host_bits = 128 - network.prefixlen
            # One bit more than the prefix leaves open: half of them fall just beside it.
            yield IPv6Address(int(network.network_address) ^ rng.getrandbits(min(host_bits + 1, 128)))


def around(network: IPv4Network | IPv6Network) -> list[AnyAddress]:
    """Return first and last address of a network, and their neighbours outside."""
    first, last = network.network_address, network.broadcast_address
    below = [first - 1] if int(first) else []
    above = [last + 1] if int(last) + 1 < 2**network.max_prefixlen else []
    return [first, last, *below, *above]


IPV4_BOUNDARIES = [
    address
    for network in (*(ip_network(row.prefix) for row in IPV4_ROWS), MULTICAST_V4)
    for address in around(network)
]
IPV6_BOUNDARIES = [
    address
    for network in (
        *(ip_network(row.prefix) for row in IPV6_ROWS),
        MAPPED,
        NAT64,
        GLOBAL_UNICAST,
        MULTICAST_V6,
        IPv6Network("::/0"),
    )
    for address in around(network)
]


def test_agrees_with_the_oracle_on_100_000_random_addresses() -> None:
    differing = [
        str(address) for address in random_addresses(100_000) if answered(str(address)) != oracle(address)
    ]
    assert differing == []


def test_the_random_addresses_reach_every_row_and_category() -> None:
    answers = [oracle(address) for address in random_addresses(20_000)]
    rows = {answer.judgement.prefix for answer in answers}
    # The rows for one host each, and the unwrapped ones, are for the boundary test.
    wide = {row.prefix for row in IPV6_ROWS if int(row.prefix.rpartition("/")[2]) < 96}
    assert wide <= rows
    assert {scheme for answer in answers if answer.embedded for scheme in answer.embedded[:1]} == set(
        EmbeddedScheme
    )


def test_agrees_with_the_oracle_on_every_boundary() -> None:
    assert len(IPV4_BOUNDARIES) > 100
    assert len(IPV6_BOUNDARIES) > 100
    for address in (*IPV4_BOUNDARIES, *IPV6_BOUNDARIES):
        assert answered(str(address)) == oracle(address)


@pytest.mark.parametrize("scheme", EmbeddedScheme)
def test_agrees_with_the_oracle_on_every_ipv4_boundary_inside_ipv6(scheme: EmbeddedScheme) -> None:
    for address in IPV4_BOUNDARIES:
        text = wrapped(scheme, IPv4Address(int(address)))
        answer = answered(text)
        assert answer == oracle(ip_address(text))
        assert answer.embedded is not None
        assert answer.embedded[:2] == (scheme, str(address))


def wrapped(scheme: EmbeddedScheme, inner: IPv4Address) -> str:
    value = int(inner)
    return str(
        IPv6Address(
            {
                EmbeddedScheme.IPV4_MAPPED: 0xFFFF << 32 | value,
                EmbeddedScheme.NAT64: 0x0064FF9B << 96 | value,
                EmbeddedScheme.SIX_TO_FOUR: 0x2002 << 112 | value << 80 | 1,
                EmbeddedScheme.TEREDO: 0x20010000 << 96 | 0xC0000201 << 64 | (value ^ 0xFFFFFFFF),
            }[scheme]
        )
    )


@settings(max_examples=75)
@given(st.ip_addresses())
def test_agrees_with_the_oracle_on_what_hypothesis_thinks_of(address: AnyAddress) -> None:
    assert answered(str(address)) == oracle(address)
