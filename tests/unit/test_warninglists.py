"""MISP warninglists: the real lists of the installed package, and lists that are broken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from connectors.facts.destination_role import RoleEffect, RoleKind
from connectors.facts.health import HealthState
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceStatus
from connectors.reputation.offline.warninglist_roles import LIST_ROLES, role_of_list
from connectors.reputation.offline.warninglists import INSTALLED, WarningLists, load_lists


def write_list(folder: Path, slug: str, **document: object) -> None:
    (folder / slug).mkdir()
    (folder / slug / "list.json").write_text(json.dumps(document), encoding="utf-8")


def test_the_installed_lists_are_read_without_importing_their_package() -> None:
    code = (
        "import sys\n"
        "from connectors.reputation.offline.warninglists import INSTALLED\n"
        "print(INSTALLED.check().detail)\n"
        "print('pymispwarninglists' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    detail, imported = ran.stdout.splitlines()
    assert "lists with" in detail
    assert imported == "False"


def test_every_installed_list_of_ranges_is_whole() -> None:
    loaded = INSTALLED.loaded()
    assert loaded is not None
    assert loaded.problems == ()
    assert len(loaded.lists) > 50
    assert len(loaded.ranges) > 100_000


def test_lists_with_a_role_are_among_the_installed_ones() -> None:
    """A role for a list that does not exist would be a slip of the pen."""
    loaded = INSTALLED.loaded()
    assert loaded is not None
    assert LIST_ROLES.keys() <= {each.slug for each in loaded.lists}


def test_ranges_hold_their_addresses() -> None:
    """Which the package's own search, of the exact text, misses."""
    counts = Counter(
        answer.source
        for ip in ("104.16.0.1", "101.2.192.9", "52.95.110.1", "8.8.8.8", "2606:4700::1", "fe80::1")
        for answer in INSTALLED.lookup(ip, deadline_s=1)
    )
    assert counts["misp_warninglists:cloudflare"] == 2
    assert counts["misp_warninglists:zscaler"] == 1
    assert counts["misp_warninglists:amazon-aws"] == 1
    assert counts["misp_warninglists:public-dns-v4"] == 1
    assert counts["misp_warninglists:ipv6-linklocal"] == 1


@pytest.mark.parametrize("ip", ["104.16.0.1", "8.8.8.8", "104.155.11.149", "2606:4700::1"])
def test_a_list_is_context_and_never_a_verdict(ip: str) -> None:
    for answer in INSTALLED.lookup(ip, deadline_s=1):
        assert answer.status is SourceStatus.OK
        assert answer.leaning is Leaning.NONE
        assert answer.direction is EvidenceDirection.CONTEXT
        assert answer.lineage.startswith("misp-warninglists/")


def test_each_list_that_holds_an_address_is_a_source_of_its_own() -> None:
    answers = INSTALLED.lookup("104.155.11.149", deadline_s=1)
    assert len({answer.source for answer in answers}) == len(answers) > 1
    assert len({answer.lineage for answer in answers}) == len(answers)


def test_an_address_on_no_list_is_not_found() -> None:
    (answer,) = INSTALLED.lookup("149.154.167.220", deadline_s=1)
    assert answer.status is SourceStatus.NOT_FOUND
    assert (answer.leaning, answer.direction, answer.reliability) == (
        Leaning.NONE,
        INSTALLED.info.direction,
        INSTALLED.info.reliability,
    )
    assert INSTALLED.roles("149.154.167.220") == ()


@pytest.mark.parametrize(
    ("ip", "kind", "effect"),
    [
        ("104.16.0.1", RoleKind.CDN, RoleEffect.CAPS_AT_SHARED),
        ("101.2.192.9", RoleKind.SECURITY_EDGE, RoleEffect.CAPS_AT_SHARED),
        ("52.95.110.1", RoleKind.CLOUD, RoleEffect.NONE),
        ("8.8.8.8", RoleKind.RESOLVER, RoleEffect.NONE),
        ("104.155.11.149", RoleKind.SINKHOLE, RoleEffect.PROBABLE_INFECTION),
    ],
)
def test_what_a_list_means(ip: str, kind: RoleKind, effect: RoleEffect) -> None:
    assert (kind, effect) in {(role.kind, role.effect) for role in INSTALLED.roles(ip)}


@pytest.mark.parametrize("slug", ["shodan-nt-scanning", "censys-scanning", "newcomer-nt-scanning"])
def test_scanners_lists_are_known_by_their_names(slug: str) -> None:
    role = role_of_list(slug)
    assert role is not None
    assert (role.kind, role.effect) == (RoleKind.SCANNER, RoleEffect.NONE)


def test_lists_anyone_can_get_on_do_not_cap() -> None:
    assert role_of_list("github") is None
    assert role_of_list("apple") is None
    for slug in ("public-dns-v4", "vpn-ipv4", "smtp-sending-ips", "amazon-aws", "microsoft-azure"):
        role = role_of_list(slug)
        assert role is not None
        assert role.effect is RoleEffect.NONE, slug


def test_broken_lists_are_named_and_the_others_read(tmp_path: Path) -> None:
    write_list(tmp_path, "good", list=["198.51.100.0/24", 7, "nonsense"], name="Good", type="cidr", version=1)
    write_list(tmp_path, "nameless", list=[], type="cidr")
    write_list(tmp_path, "listless", list=None, name="x", type="cidr")
    write_list(tmp_path, "hostnames", list=["a.example"], name="x", type="hostname")
    write_list(tmp_path, "typeless", list=["198.51.100.1"], name="x")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "list.json").write_text('{"list": ["1.1', encoding="utf-8")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "list.json").write_text('{"list": ["1.1 "type": "cidr"', encoding="utf-8")
    loaded = load_lists(tmp_path)
    assert [each.slug for each in loaded.lists] == ["good"]
    assert len(loaded.ranges) == 1
    assert [problem.split()[1].rstrip(":") for problem in loaded.problems] == [
        "good",
        "listless",
        "nameless",
        "torn",
    ]
    assert "2 entries are no ranges" in loaded.problems[0]


def test_a_type_that_stands_first_is_found_in_a_long_file(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    entries = ",".join(f'"198.51.100.{n}"' for n in range(250))
    (tmp_path / "first" / "list.json").write_text(
        f'{{"type": "cidr", "name": "First", "version": 20251223, "list": [{entries}]}}', encoding="utf-8"
    )
    source = WarningLists(tmp_path)
    (answer,) = source.lookup("198.51.100.9", deadline_s=1)
    assert answer.last_seen is not None
    assert answer.last_seen.isoformat() == "2025-12-23T00:00:00+00:00"


def test_a_folder_without_lists_is_an_error_and_no_clean_bill(tmp_path: Path) -> None:
    source = WarningLists(tmp_path)
    assert source.check().state is HealthState.FAILED
    (answer,) = source.lookup("198.51.100.9", deadline_s=1)
    assert answer.status is SourceStatus.ERROR


def test_a_text_that_is_no_address_is_an_error() -> None:
    (answer,) = INSTALLED.lookup("not an address", deadline_s=1)
    assert answer.status is SourceStatus.ERROR
