"""STIX patterns: the part that is read, and that everything else is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reputation.stix_patterns import MAX_PATTERN, networks_in


@pytest.mark.parametrize(
    ("pattern", "networks"),
    [
        ("[ipv4-addr:value = '192.0.2.1']", ["192.0.2.1/32"]),
        ("[ipv4-addr:value='192.0.2.1']", ["192.0.2.1/32"]),
        (" [ ipv4-addr:value  =  '192.0.2.1' ] ", ["192.0.2.1/32"]),
        ("[ipv6-addr:value = '2001:DB8::1']", ["2001:db8::1/128"]),
        ("[ipv4-addr:value ISSUBSET '192.0.2.0/24']", ["192.0.2.0/24"]),
        ("[ipv4-addr:value ISSUBSET '192.0.2.1']", ["192.0.2.1/32"]),
        (
            "[ipv4-addr:value = '192.0.2.1' OR ipv6-addr:value ISSUBSET '2001:db8::/32']",
            ["192.0.2.1/32", "2001:db8::/32"],
        ),
        (
            "[ipv4-addr:value = '192.0.2.1'] OR [ipv4-addr:value = '192.0.2.2']",
            ["192.0.2.1/32", "192.0.2.2/32"],
        ),
    ],
)
def test_the_part_that_is_read(pattern: str, networks: list[str]) -> None:
    found = networks_in(pattern)
    assert found is not None
    assert [network.text for network in found] == networks


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "[]",
        "[ipv4-addr:value = '192.0.2.1'",
        "ipv4-addr:value = '192.0.2.1'",
        "[ipv4-addr:value = '192.0.2.1'] [ipv4-addr:value = '192.0.2.2']",
        "[ipv4-addr:value = '192.0.2.1'] OR",
        "[ipv4-addr:value = '192.0.2.1' OR]",
        "[OR ipv4-addr:value = '192.0.2.1']",
        "[[ipv4-addr:value = '192.0.2.1']]",
        "[ipv4-addr:value = '192.0.2.1' ipv4-addr:value = '192.0.2.2']",
        "[ipv4-addr:value = '192.0.2.1' AND network-traffic:dst_port = 443]",
        "[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [ipv4-addr:value = '192.0.2.2']",
        "[ipv4-addr:value = '192.0.2.1'] REPEATS 5 TIMES",
        "[ipv4-addr:value != '192.0.2.1']",
        "[NOT ipv4-addr:value = '192.0.2.1']",
        "[ipv4-addr:value NOT ISSUBSET '192.0.2.0/24']",
        "[ipv4-addr:value IN ('192.0.2.1')]",
        "[ipv4-addr:value MATCHES '.*']",
        "[ipv4-addr:value = '192.0.2.0/24']",
        "[ipv4-addr:value ISSUBSET '192.0.2.1/24']",
        "[ipv4-addr:value = '2001:db8::1']",
        "[ipv6-addr:value = '192.0.2.1']",
        "[ipv4-addr:value = '192.0.2.001']",
        '[ipv4-addr:value = "192.0.2.1"]',
        "[network-traffic:dst_ref.value = '192.0.2.1']",
        "[domain-name:value = 'c2.example' OR ipv4-addr:value = '192.0.2.1']",
        "[ipv4-addr:value = '192.0.2.1' ORipv4-addr:value = '192.0.2.2']",
    ],
)
def test_everything_else_is_not_evaluated(pattern: str) -> None:
    assert networks_in(pattern) is None


def test_a_long_pattern_is_not_read() -> None:
    atom = "ipv4-addr:value = '192.0.2.1' OR "
    assert networks_in(f"[{atom * (MAX_PATTERN // len(atom) + 1)}ipv4-addr:value = '192.0.2.1']") is None


_PIECES = [
    "[",
    "]",
    " OR ",
    " AND ",
    "ipv4-addr:value = '192.0.2.1'",
    "ipv6-addr:value ISSUBSET '::/0'",
    "'",
    " ",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_whatever_is_read_has_balanced_brackets_and_no_and(pattern: str) -> None:
    found = networks_in(pattern)
    if found is not None:
        assert len(found) == pattern.count("-addr:value")
        assert pattern.count("[") == pattern.count("]") >= 1
        assert "AND" not in pattern


@given(st.text(max_size=200))
def test_any_text(pattern: str) -> None:
    networks_in(pattern)
