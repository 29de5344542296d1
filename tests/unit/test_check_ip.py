"""The public check: a table of cases, the organisation's ranges, and properties.

test_check_ip_oracle.py compares it with a slow oracle.
"""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actions.check_ip import (
    NONE,
    EmbeddedIpv4,
    EmbeddedScheme,
    IpCategory,
    IpCheck,
    OrganisationRanges,
    check_ip,
    classify,
)
from connectors.errors import ConfigError, InputError

C = IpCategory


@pytest.mark.parametrize(
    ("text", "ip", "public", "category", "row"),
    [
        ("8.8.8.8", "8.8.8.8", True, C.PUBLIC, None),
        ("127.0.0.1", "127.0.0.1", False, C.LOOPBACK, "127.0.0.0/8"),
        ("100.64.0.1", "100.64.0.1", False, C.SHARED, "100.64.0.0/10"),
        ("224.0.0.1", "224.0.0.1", False, C.MULTICAST, None),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1", False, C.PRIVATE, "10.0.0.0/8"),
        ("64:ff9b::a00:1", "64:ff9b::a00:1", False, C.PRIVATE, "10.0.0.0/8"),
        ("2002:a00:1::1", "2002:a00:1::1", False, C.TRANSITION, "2002::/16"),
        ("192.31.196.1", "192.31.196.1", True, C.PUBLIC_SPECIAL, "192.31.196.0/24"),
        ("3fff::1", "3fff::1", False, C.DOCUMENTATION, "3fff::/20"),
        ("fe80:0:0:0:0:0:0:1", "fe80::1", False, C.LINK_LOCAL, "fe80::/10"),
        ("0.0.0.0", "0.0.0.0", False, C.UNSPECIFIED, "0.0.0.0/32"),  # noqa: S104 - judged, not bound
        ("0.0.0.1", "0.0.0.1", False, C.RESERVED, "0.0.0.0/8"),
        ("172.32.0.0", "172.32.0.0", True, C.PUBLIC, None),
        ("192.0.0.9", "192.0.0.9", True, C.PUBLIC_SPECIAL, "192.0.0.9/32"),
        ("192.0.0.11", "192.0.0.11", False, C.RESERVED, "192.0.0.0/24"),
        ("192.88.99.1", "192.88.99.1", False, C.RESERVED, "192.88.99.0/24"),
        ("192.88.99.2", "192.88.99.2", False, C.RESERVED, "192.88.99.2/32"),
        ("198.18.0.1", "198.18.0.1", False, C.BENCHMARKING, "198.18.0.0/15"),
        ("203.0.113.9", "203.0.113.9", False, C.DOCUMENTATION, "203.0.113.0/24"),
        ("255.255.255.255", "255.255.255.255", False, C.BROADCAST, "255.255.255.255/32"),
        ("239.255.255.255", "239.255.255.255", False, C.MULTICAST, None),
        ("240.0.0.0", "240.0.0.0", False, C.RESERVED, "240.0.0.0/4"),
        ("::", "::", False, C.UNSPECIFIED, "::/128"),
        ("::1", "::1", False, C.LOOPBACK, "::1/128"),
        ("::2", "::2", False, C.RESERVED, None),
        ("::8.8.8.8", "::808:808", False, C.RESERVED, None),
        ("200::1", "200::1", False, C.RESERVED, None),
        ("4000::1", "4000::1", False, C.RESERVED, None),
        ("fec0::1", "fec0::1", False, C.RESERVED, None),
        ("5f00::1", "5f00::1", False, C.RESERVED, "5f00::/16"),
        ("100::1", "100::1", False, C.RESERVED, "100::/64"),
        ("100:0:0:1::1", "100:0:0:1::1", False, C.RESERVED, "100:0:0:1::/64"),
        ("fd00::1", "fd00::1", False, C.UNIQUE_LOCAL, "fc00::/7"),
        ("ff02::1", "ff02::1", False, C.MULTICAST, None),
        ("ff0e::1", "ff0e::1", False, C.MULTICAST, None),
        ("2001:db8::1", "2001:db8::1", False, C.DOCUMENTATION, "2001:db8::/32"),
        ("2001:1::3", "2001:1::3", True, C.PUBLIC_SPECIAL, "2001:1::3/128"),
        ("2001:1::4", "2001:1::4", False, C.RESERVED, "2001::/23"),
        ("2001:10::1", "2001:10::1", False, C.RESERVED, "2001:10::/28"),
        ("2001:20::1", "2001:20::1", True, C.PUBLIC_SPECIAL, "2001:20::/28"),
        ("2001:4860:4860::8888", "2001:4860:4860::8888", True, C.PUBLIC, None),
        ("::ffff:8.8.8.8", "::ffff:8.8.8.8", True, C.PUBLIC, None),
        ("::ffff:100.64.0.1", "::ffff:100.64.0.1", False, C.SHARED, "100.64.0.0/10"),
        ("::ffff:224.0.0.1", "::ffff:224.0.0.1", False, C.MULTICAST, None),
        ("64:ff9b::8.8.8.8", "64:ff9b::808:808", True, C.PUBLIC, None),
        ("64:ff9b::192.31.196.1", "64:ff9b::c01f:c401", True, C.PUBLIC_SPECIAL, "192.31.196.0/24"),
        ("64:ff9b:1::808:808", "64:ff9b:1::808:808", False, C.RESERVED, "64:ff9b:1::/48"),
    ],
)
def test_cases(text: str, ip: str, public: bool, category: IpCategory, row: str | None) -> None:
    check = check_ip(text)
    prefix = check.registry_row.prefix if check.registry_row else None
    assert (check.ip, check.public, check.category, prefix) == (ip, public, category, row)
    assert check.external is public
    assert check.version == (6 if ":" in text else 4)


@pytest.mark.parametrize(
    ("text", "embedded"),
    [
        ("8.8.8.8", None),
        ("2001:4860:4860::8888", None),
        ("::8.8.8.8", None),
        ("64:ff9b:1::808:808", None),
        ("::ffff:8.8.8.8", ("ipv4_mapped", "8.8.8.8", True, C.PUBLIC, True)),
        ("64:ff9b::7f00:1", ("nat64", "127.0.0.1", False, C.LOOPBACK, True)),
        ("2002:808:808::1", ("6to4", "8.8.8.8", True, C.PUBLIC, False)),
        ("2002:a00:1::1", ("6to4", "10.0.0.1", False, C.PRIVATE, False)),
        # RFC 4380, section 4: the client's address is the last 32 bits, each bit inverted.
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", ("teredo", "8.8.8.8", True, C.PUBLIC, False)),
        ("2001:0:808:808:0:0:f5ff:fffe", ("teredo", "10.0.0.1", False, C.PRIVATE, False)),
    ],
)
def test_embedded_ipv4(text: str, embedded: tuple[str, str, bool, IpCategory, bool] | None) -> None:
    check = check_ip(text)
    if embedded is None:
        assert check.embedded is None
        assert not check.external_inside
        return
    scheme, ip, public, category, decides = embedded
    assert check.embedded == EmbeddedIpv4(
        scheme=EmbeddedScheme(scheme), ip=ip, public=public, category=category, decides=decides
    )
    assert check.public is (public and decides)
    assert check.external_inside is (public and not decides)
    assert ("may leave" in check.note) is check.external_inside


def test_azure_platform_address_is_public_with_a_note_its_neighbours_without() -> None:
    for text in ("168.63.129.16", "::ffff:168.63.129.16"):
        check = check_ip(text)
        assert (check.public, check.category, check.registry_row) == (True, C.PUBLIC, None)
        assert "Azure" in check.note
    for text in ("168.63.129.15", "168.63.129.17"):
        assert check_ip(text) == IpCheck(
            ip=text, version=4, public=True, category=C.PUBLIC, registry_row=None
        )


def test_notes_say_what_no_row_can() -> None:
    assert "2000::/3" in check_ip("4000::1").note
    assert "NAT64" in check_ip("64:ff9b:1::1").note
    assert check_ip("5f00::1").note == ""


def test_json_of_a_check() -> None:
    assert check_ip("64:ff9b::a00:1").model_dump(mode="json") == {
        "ip": "64:ff9b::a00:1",
        "version": 6,
        "public": False,
        "category": "private",
        "registry_row": {
            "prefix": "10.0.0.0/8",
            "name": "Private-Use",
            "rfc": "RFC 1918",
            "globally_reachable": False,
            "registry_date": "2025-10-09",
            "terminated": None,
        },
        "embedded": {
            "scheme": "nat64",
            "ip": "10.0.0.1",
            "public": False,
            "category": "private",
            "decides": True,
        },
        "organisation_owned": False,
        "organisation_range": None,
        "note": "",
        "confidential_ipv4": "",
    }


def test_a_check_is_a_validated_frozen_fact_and_a_classification_is_shared() -> None:
    check = check_ip("8.8.8.8")
    assert type(check) is IpCheck
    assert IpCheck.model_validate_json(check.model_dump_json()) == check
    with pytest.raises(ValidationError, match="frozen"):
        check.public = False  # type: ignore[misc]  # the refusal is what is tested
    assert classify("10.0.0.1") is classify("10.200.0.9") is classify("::ffff:10.1.1.1")
    assert classify("8.8.8.8") is classify("9.9.9.9") is classify("64:ff9b::808:808")


# --- the organisation's own ranges -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "held_by"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("198.51.100.129", "198.51.100.128/25"),
        ("198.51.101.1", None),
        ("::ffff:198.51.100.7", "198.51.100.0/24"),
        ("64:ff9b::c633:6407", "198.51.100.0/24"),
        ("2002:c633:6407::1", "198.51.100.0/24"),
        ("2002:808:808::1", None),
        ("2001:0:808:808::39cc:9bf8", "198.51.100.0/24"),
        ("2001:4860::1", "2001:4860::/32"),
        ("8.8.4.4", "8.8.4.4/32"),
        ("8.8.4.5", None),
    ],
)
def test_ranges_of_the_organisation(text: str, held_by: str | None) -> None:
    own = OrganisationRanges(["198.51.100.0/24", "198.51.100.128/25", "2001:4860:0::/32", "8.8.4.4"])
    check = check_ip(text, organisation=own)
    assert (check.organisation_owned, check.organisation_range) == (held_by is not None, held_by)
    assert check.external is (check.public and held_by is None)
    unaware = check_ip(text)
    assert check == unaware.model_copy(
        update={"organisation_owned": held_by is not None, "organisation_range": held_by}
    )


def test_traffic_to_an_own_address_inside_6to4_does_not_leave() -> None:
    own = OrganisationRanges(["8.8.8.0/24"])
    assert check_ip("2002:808:808::1").external_inside
    assert not check_ip("2002:808:808::1", organisation=own).external_inside
    assert not check_ip("8.8.8.8", organisation=own).external


def test_no_ranges_own_nothing() -> None:
    assert check_ip("8.8.8.8", organisation=NONE) == check_ip("8.8.8.8", organisation=OrganisationRanges())


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("0.0.0.0/0", "'0.0.0.0/0' covers every address"),
        ("::/0", "'::/0' covers every address"),
        ("::ffff:10.0.0.0/104", "'::ffff:10.0.0.0/104' is IPv4 written as IPv6"),
        ("64:ff9b::/96", "'64:ff9b::/96' is IPv4 written as IPv6"),
        ("10.0.0.1/8", "'10.0.0.1/8' has bits set past its prefix length"),
        ("corp.example", "'corp.example' is not an address range"),
    ],
)
def test_an_unusable_range_is_a_configuration_error_that_names_it(entry: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OrganisationRanges(["10.0.0.0/8", entry], field="own")
    assert (caught.value.field, caught.value.problem) == ("own", problem)


# --- properties ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8",
        "8.8.8.8 ",
        "8.8.8.8\n",
        "08.8.8.8",
        "fe80::1%eth0",
        "evil.example",
        "",
        "\uff11.1.1.1",
        "1.1.1.1/32",
        "0x08080808",
        "8" * 1_000_000,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_rubbish_is_an_input_error_naming_the_field(text: str) -> None:
    for judge in (check_ip, classify):
        with pytest.raises(InputError) as caught:
            judge(text, field="dest_ip")
        assert caught.value.field == "dest_ip"
        assert len(str(caught.value)) < 220


@settings(max_examples=75)
@given(st.ip_addresses(v=6))
def test_the_spelling_does_not_matter(address: IPv6Address) -> None:
    check = check_ip(str(address))
    assert check == check_ip(address.exploded) == check_ip(str(address).upper())
    assert check == check_ip(check.ip)


@settings(max_examples=75)
@given(st.text(alphabet="0123456789abcdf:.% x\n", max_size=50))
def test_any_text_is_judged_or_refused_with_our_error(text: str) -> None:
    try:
        check = check_ip(text)
    except InputError:
        with pytest.raises(InputError):
            classify(text)
    else:
        assert check.public is classify(text).public
