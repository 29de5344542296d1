"""IP text: what is read, how it is written, and what is refused with which words."""

from __future__ import annotations

import ipaddress
from socket import AF_INET, inet_ntop, inet_pton

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors import addresses
from connectors.addresses import (
    MAX_SHOWN,
    canonical_ip,
    canonical_text,
    not_an_ip,
    pack_ip,
    pack_ips,
    parse_ip,
    shown,
)
from connectors.errors import InputError

REFUSED = [
    ("", "is empty"),
    ("8.8.8", "is not an IP address"),
    ("8.8.8.8 ", "contains whitespace"),
    (" 8.8.8.8", "contains whitespace"),
    ("8.8.8.8\n", "contains whitespace"),
    ("::1\t", "contains whitespace"),
    ("8.8.8.8\u00a0", "contains whitespace"),
    ("08.8.8.8", "has a leading zero"),
    ("8.8.8.00", "has a leading zero"),
    ("::ffff:010.0.0.1", "has a leading zero"),
    ("0x08080808", "is not an IP address"),
    ("0x8.8.8.8", "has a leading zero"),
    ("134744072", "is not an IP address"),
    ("8.8.8.256", "is not an IP address"),
    ("8.8.8.8.", "is not an IP address"),
    ("-1.8.8.8", "is not an IP address"),
    ("1.1.1.1/32", "is a range or a URL"),
    ("::/0", "is a range or a URL"),
    ("https://8.8.8.8/", "is a range or a URL"),
    ("fe80::1%eth0", "has a zone id"),
    ("fe80::1%4", "has a zone id"),
    ("8.8.8.8:443", "has a port or brackets"),
    ("[::1]", "has a port or brackets"),
    ("[::1]:443", "has a port or brackets"),
    ("evil.example", "is not an IP address"),
    ("-", "is not an IP address"),
    ("\uff11.1.1.1", "has characters outside ASCII"),
    ("\u0661.1.1.1", "has characters outside ASCII"),
    ("\ud800", "has characters outside ASCII"),
    ("8.8.8.8\0", "is not an IP address"),
    (":::", "is not an IP address"),
    ("1::2::3", "is not an IP address"),
    ("1:2:3:4:5:6:7", "is not an IP address"),
    ("1:2:3:4:5:6:7:8:9", "is not an IP address"),
    ("1::2:3:4:5:6:7:8", "is not an IP address"),
    ("::00001", "is not an IP address"),
    ("::g", "is not an IP address"),
    ("::1.2.3", "is not an IP address"),
    ("1:2:3:4:5:6:7:1.2.3.4", "is not an IP address"),
    ("1" * 1_000_000, "is 1000000 characters long"),
    ("8.8.8.8" + " " * 100, "is 107 characters long"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED, ids=lambda value: ascii(value[:20]))
def test_what_is_not_an_address_is_refused_with_the_reason(text: str, problem: str) -> None:
    assert pack_ip(text) is None
    assert canonical_ip(text) is None
    with pytest.raises(InputError) as caught:
        parse_ip(text, field="dest_ip")
    error = caught.value
    assert error.field == "dest_ip"
    assert problem in error.problem
    assert error.remedy
    assert str(error).startswith("dest_ip: ")
    assert len(str(error)) < 220
    assert str(error).isascii()
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - read, not bound
        ("255.255.255.255", "255.255.255.255"),
        ("fe80:0:0:0:0:0:0:1", "fe80::1"),
        ("FE80::ABCD", "fe80::abcd"),
        ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::", "::"),
        ("::1", "::1"),
        ("::2", "::2"),
        ("::0.0.0.2", "::2"),
        ("::0.1.0.0", "::1:0"),
        ("::8.8.8.8", "::808:808"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("::FFFF:A00:1", "::ffff:10.0.0.1"),
        ("0:0:0:0:0:ffff:0:0", "::ffff:0.0.0.0"),
        ("::ffff:0:8.8.8.8", "::ffff:0:808:808"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    parsed = parse_ip(text)
    assert parsed.text == canonical == canonical_ip(text)
    assert parsed.version == (6 if ":" in text else 4)
    assert parsed.packed == ipaddress.ip_address(text).packed


def test_a_lenient_c_library_is_found_out_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert addresses._c_library_is_strict()

    def lenient(family: int, text: str) -> bytes:
        """Accept zone ids and leading zeros, as the C libraries of macOS and some BSDs do."""
        parts = text.partition("%")[0].split(".")
        return inet_pton(family, ".".join([*parts[:-3], *(part.lstrip("0") or "0" for part in parts[-3:])]))

    monkeypatch.setattr(addresses, "inet_pton", lenient)
    assert not addresses._c_library_is_strict()
    monkeypatch.setattr(addresses, "_C_LIBRARY_IS_STRICT", addresses._c_library_is_strict())
    assert canonical_ip("8.8.8.8") == "8.8.8.8"
    assert canonical_ip("::FFFF:8.8.8.8") == "::ffff:8.8.8.8"
    for text in ("8.8.8.08", "8.08.8.8", "fe80::1%4", "::ffff:8.8.8.08"):
        assert canonical_ip(text) is None, text


def test_a_c_library_that_writes_more_quads_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_quads(family: int, packed: bytes) -> str:
        """Write a quad for all of ::/96, as the C libraries of macOS and some BSDs do for ::2."""
        quad = inet_ntop(AF_INET, packed[-4:])
        return quad if family == AF_INET else f"::{quad}"

    monkeypatch.setattr(addresses, "inet_ntop", with_quads)
    for text in ("::2", "::1:0", "::808:808", "::ffff"):
        assert canonical_ip(text) == text


def test_canonical_text_of_a_wrong_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="invalid length"):
        canonical_text(b"12345")


def test_shown_escapes_and_shortens() -> None:
    assert shown("evil.example") == "'evil.example'"
    assert shown("a\x1b[31m\u202e") == r"'a\x1b[31m\u202e'"
    assert shown("x" * 64) == f"'{'x' * 64}'"
    assert shown("x" * 65) == f"'{'x' * 61}...'"
    assert len(shown("\U0001f600" * 1000)) == MAX_SHOWN + 2


def expected_text(text: str) -> str | None:
    """What the standard library makes of it; it alone knows zone ids."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if "%" in text else str(address)


@st.composite
def ipv6_spellings(draw: st.DrawFn) -> tuple[ipaddress.IPv6Address, str]:
    """Draw an IPv6 address, zero groups frequent, and any of its spellings."""
    groups = draw(st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0xAB, 0xA00]), min_size=8, max_size=8))
    words = [draw(st.sampled_from([f"{g:x}", f"{g:X}", f"{g:04x}", f"{g:04X}"])) for g in groups]
    if draw(st.booleans()):
        quad = ipaddress.IPv4Address(groups[6] << 16 | groups[7])
        words[6:] = [str(quad)]
        groups_left = 6
    else:
        groups_left = 8
    runs = [
        (start, stop)
        for start in range(groups_left)
        for stop in range(start + 1, groups_left + 1)
        if not any(groups[start:stop])
    ]
    compress = draw(st.booleans())
    if runs and compress:
        start, stop = draw(st.sampled_from(runs))
        spelled = f"{':'.join(words[:start])}::{':'.join(words[stop:])}"
    else:
        spelled = ":".join(words)
    value = sum(group << (112 - 16 * place) for place, group in enumerate(groups))
    return ipaddress.IPv6Address(value), spelled


@settings(max_examples=150)
@given(ipv6_spellings())
def test_every_spelling_of_an_ipv6_address_reads_the_same(
    spelling: tuple[ipaddress.IPv6Address, str],
) -> None:
    address, text = spelling
    assert parse_ip(text) == (6, address.packed, str(address))


@settings(max_examples=100)
@given(st.ip_addresses())
def test_canonical_text_is_that_of_the_standard_library_and_reads_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert canonical_text(address.packed) == str(address)
    assert parse_ip(str(address)) == (address.version, address.packed, str(address))


@settings(max_examples=150)
@given(st.text() | st.text(alphabet="0123456789abcdfF:.%/ x\n", max_size=50))
@example("1.2.3.4")
@example("::%")
@example("\ud800::")
def test_any_text_is_read_like_the_standard_library_or_refused_with_our_error(text: str) -> None:
    expected = expected_text(text)
    assert canonical_ip(text) == expected
    if expected is None:
        with pytest.raises(InputError):
            parse_ip(text)
    else:
        assert parse_ip(parse_ip(text).text).text == expected


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_an_error_repeats_little_of_the_text_and_nothing_raw(text: str) -> None:
    message = str(not_an_ip(text))
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 220


@given(
    st.lists(st.sampled_from(["8.8.8.8", "::1", "1.2.3.4", "x", "08.8.8.8", "8.8.8.8\n", "\x00", "\ud800"]))
)
def test_many_texts_are_packed_like_one_by_one(texts: list[str]) -> None:
    assert list(pack_ips(texts)) == [pack_ip(text) for text in texts]
