"""CIDR ranges: strict reading, and which of many hold an address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.addresses import parse_ip
from connectors.errors import ConfigError
from connectors.networks import Network, NetworkMap, parse_network


@pytest.mark.parametrize(
    ("text", "version", "length", "canonical", "last"),
    [
        ("10.0.0.0/8", 4, 8, "10.0.0.0/8", "10.255.255.255"),
        ("0.0.0.0/0", 4, 0, "0.0.0.0/0", "255.255.255.255"),
        ("192.0.2.7", 4, 32, "192.0.2.7/32", "192.0.2.7"),
        ("2001:DB8:0:0::/32", 6, 32, "2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("::1", 6, 128, "::1/128", "::1"),
        ("::/0", 6, 0, "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ],
)
def test_ranges_are_read(text: str, version: int, length: int, canonical: str, last: str) -> None:
    network = parse_network(text, field="ranges")
    assert (network.version, network.length, network.text) == (version, length, canonical)
    assert network.last == parse_ip(last).packed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not an address range"),
        ("corp.example", "'corp.example' is not an address range"),
        ("10.0.0/8", "'10.0.0/8' is not an address range"),
        ("10.0.0.0 /8", "'10.0.0.0 /8' is not an address range"),
        ("10.0.0.0-10.0.0.9", "'10.0.0.0-10.0.0.9' is not an address range"),
        ("fe80::%1/64", "'fe80::%1/64' is not an address range"),
        ("10.0.0.0/", "'10.0.0.0/' has no valid prefix length"),
        ("10.0.0.0/33", "'10.0.0.0/33' has no valid prefix length"),
        ("10.0.0.0/08", "'10.0.0.0/08' has no valid prefix length"),
        ("10.0.0.0/+8", "'10.0.0.0/+8' has no valid prefix length"),
        ("10.0.0.0/8\n", r"'10.0.0.0/8\n' has no valid prefix length"),
        ("10.0.0.0/\u0668", r"'10.0.0.0/\u0668' has no valid prefix length"),
        ("10.0.0.0/255.0.0.0", "'10.0.0.0/255.0.0.0' has no valid prefix length"),
        ("10.0.0.0/8/8", "'10.0.0.0/8/8' has no valid prefix length"),
        ("fd00::/129", "'fd00::/129' has no valid prefix length"),
        ("10.0.0.1/8", "'10.0.0.1/8' has bits set past its prefix length"),
        ("fd00::1/8", "'fd00::1/8' has bits set past its prefix length"),
    ],
)
def test_a_bad_range_is_named(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_network(text, field="organisation.ranges")
    assert caught.value.field == "organisation.ranges"
    assert caught.value.problem == problem
    assert caught.value.remedy


def test_set_host_bits_are_answered_with_the_range_meant() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 10\.0\.0\.0/8\?"):
        parse_network("10.9.8.7/8", field="x")


def network_map(*ranges: str) -> NetworkMap[str]:
    return NetworkMap((parse_network(text, field="test"), text) for text in ranges)


def test_nested_touching_and_outermost_ranges() -> None:
    held = network_map("0.0.0.0/1", "10.0.0.0/8", "10.0.0.0/9", "10.255.255.255", "11.0.0.0/8", "255.0.0.0/8")
    assert len(held) == 6
    for text, covering in {
        "0.0.0.0": ("0.0.0.0/1",),  # noqa: S104 - looked up, not bound
        "9.255.255.255": ("0.0.0.0/1",),
        "10.0.0.0": ("10.0.0.0/9", "10.0.0.0/8", "0.0.0.0/1"),
        "10.128.0.0": ("10.0.0.0/8", "0.0.0.0/1"),
        "10.255.255.255": ("10.255.255.255", "10.0.0.0/8", "0.0.0.0/1"),
        "11.0.0.0": ("11.0.0.0/8", "0.0.0.0/1"),
        "12.0.0.0": ("0.0.0.0/1",),
        "128.0.0.0": (),
        "254.255.255.255": (),
        "255.255.255.255": ("255.0.0.0/8",),
        "::a00:0": (),
    }.items():
        packed = parse_ip(text).packed
        assert held.covering(packed) == covering, text
        assert held.longest(packed) == (covering[0] if covering else None), text


def test_the_same_range_twice_gives_both_values_in_the_order_given() -> None:
    network = parse_network("2001:db8::/32", field="test")
    held = NetworkMap([(network, "first"), (network, "second")])
    assert held.covering(parse_ip("2001:db8::1").packed) == ("first", "second")
    assert held.longest(parse_ip("2001:db9::").packed) is None


def test_an_empty_map_holds_nothing() -> None:
    held: NetworkMap[str] = NetworkMap()
    assert len(held) == 0
    assert held.covering(bytes(4)) == held.covering(bytes(16)) == ()


def make_network(value: int, length: int) -> Network:
    return Network(4, (value >> (32 - length) << (32 - length)).to_bytes(4), length)


#: Few distinct lead bits, so that ranges nest and touch; both ends of the space occur.
LEADS = st.sampled_from([0, 0x0A000000, 0x0A800000, 0x0AFFFFFF, 0x0B000000, 0x80000000, 0xFFFFFFFF])


@settings(max_examples=100)
@given(
    st.lists(st.builds(make_network, LEADS, st.integers(0, 32)), max_size=12),
    st.lists(LEADS.flatmap(lambda lead: st.integers(max(0, lead - 2), min(lead + 2, 0xFFFFFFFF)))),
)
def test_covering_agrees_with_a_linear_scan(networks: list[Network], addresses: list[int]) -> None:
    held = NetworkMap((network, index) for index, network in enumerate(networks))
    for address in addresses:
        expected = [
            index
            for index, network in sorted(enumerate(networks), key=lambda pair: -pair[1].length)
            if ipaddress.IPv4Address(address) in ipaddress.ip_network(network.text)
        ]
        assert list(held.covering(address.to_bytes(4))) == expected


def test_many_texts_get_one_value_and_what_is_no_range_is_returned() -> None:
    held = network_map("10.0.0.0/8")
    refused = held.add_texts(
        [
            *("10.1.2.3/8", "10.1.2.3", "10.1.2.3", "FE80::/10", "::ffff:9270:3d68"),
            *("10.0.0.0/33", "x", "10.0.0.0/08"),
        ],
        "list",
    )
    assert sorted(refused) == ["10.0.0.0/08", "10.0.0.0/33", "x"]
    assert len(held) == 5
    assert held.covering(parse_ip("10.1.2.3").packed) == ("list", "10.0.0.0/8", "list")
    assert held.covering(parse_ip("fe80::1").packed) == ("list",)
    assert held.covering(parse_ip("::ffff:146.112.61.104").packed) == ("list",)


@given(st.lists(st.builds(make_network, LEADS, st.integers(0, 32)), max_size=8, unique=True), LEADS)
def test_texts_are_held_as_the_same_ranges_one_by_one(networks: list[Network], address: int) -> None:
    one_by_one = NetworkMap((network, 1) for network in networks)
    at_once: NetworkMap[int] = NetworkMap()
    assert at_once.add_texts([network.text for network in networks], 1) == []
    packed = address.to_bytes(4)
    assert at_once.covering(packed) == one_by_one.covering(packed)
    assert len(at_once) == len(one_by_one)
