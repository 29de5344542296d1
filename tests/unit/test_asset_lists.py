"""What lists say of machines and accounts: notables, CSV files, and which of their rows are meant."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import InputError
from connectors.facts.account import same_account
from connectors.facts.asset import AssetFacts, IdentityFacts
from connectors.facts.health import HealthState
from connectors.facts.host import same_host_name
from connectors.siem.assets import csv_lists
from connectors.siem.assets.csv_lists import CsvList, ListKind, read_assets, read_identities
from connectors.siem.assets.notable_enrichment import asset_of, identity_of

#: As the add-on that Splunk supports has it: dest is the peer, dvc the machine.
ENRICHED = {
    "dest": "c2.example",
    "dest_priority": "critical",
    "dest_category": ["domain_controller"],
    "dest_owner": "the attacker",
    "dvc": "WS01",
    "dvc_priority": "low",
    "dvc_category": '["workstation", "pci"]',
    "dvc_bunit": "finance\nemea",
    "dvc_is_expected": "true",
    "user": "ann",
    "user_priority": "high",
    "user_category": "privileged",
    "user_watchlist": "true",
    "user_managedBy": "bob",
    "user_bunit": "-",
}

ASSETS = """\
ip,mac,nt_host,dns,owner,priority,category,bunit
,,WS01,ws01.corp.example,Ann Lee,low,workstation|pci,finance
10.1.0.0/16|10.2.0.5,,,,,medium,,
10.1.2.0/24,,,,net,high,,
10.1.2.3,,SRV9,,,critical,server,
192.0.2.9-192.0.2.12,,,,,informational,,
,00-11-22-33-44-55,,,,high,,
"""

IDENTITIES = """\
identity,prefix,first,last,email,priority,category,watchlist,bunit,managedBy
ann|CORP\\ann,,Ann,Lee,ann.lee@corp.example,critical,domain_admin,true,it,bob
OTHER\\ann,,,,,low,,false,,
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def assets(folder: Path, text: str | bytes = ASSETS) -> CsvList:
    return CsvList(written(folder, text), ListKind.ASSETS)


def priorities(found: CsvList, host: str) -> set[str]:
    return {row.facts.priority for row in found.facts_of([host], []).assets.get(host, ())}


class TestNotable:
    def test_only_the_machines_prefix_is_read(self) -> None:
        assert asset_of(ENRICHED, ("dvc",)) == AssetFacts(
            priority="low",
            categories=("workstation", "pci"),
            business_unit="finance, emea",
            source="dvc_priority and dvc_category and dvc_bunit of the notable",
        )

    def test_without_a_prefix_or_a_field_nothing_is_known(self) -> None:
        assert asset_of(ENRICHED, ()) is None
        assert asset_of({"dest_priority": "critical"}, ("dvc", "src")) is None
        assert asset_of({"dvc_priority": "unknown", "dvc_owner": ""}, ("dvc",)) is None

    def test_two_prefixes_of_the_machine_that_disagree_are_both_named(self) -> None:
        found = asset_of({**ENRICHED, "src_priority": "Critical", "src_owner": "Ann"}, ("dvc", "src"))
        assert found is not None
        assert (found.priority, found.owner) == ("critical", "Ann")
        assert "low by dvc_priority" in found.notes[0]
        assert "critical by src_priority" in found.notes[0]

    @pytest.mark.parametrize("value", ["P1", ["low", "urgent"], {"a": 1}, "x" * 40_000])
    def test_what_is_no_priority_is_unknown_and_noted(self, value: object) -> None:
        found = asset_of({"dvc_priority": value}, ("dvc",))
        assert found is not None
        assert found.priority == ""
        assert "dvc_priority" in found.notes[0]

    def test_of_several_priorities_the_highest(self) -> None:
        found = asset_of({"dvc_priority": "low\nHigh"}, ("dvc",))
        assert found is not None
        assert found.priority == "high"

    def test_the_user(self) -> None:
        assert identity_of(ENRICHED, "ann") == IdentityFacts(
            account="ann",
            priority="high",
            categories=("privileged",),
            watched=True,
            manager="bob",
            source="user_priority and user_category and user_watchlist and user_managedBy of the notable",
        )
        assert identity_of(ENRICHED, "") is None
        assert identity_of({"user": "ann"}, "ann") is None

    @settings(max_examples=30)
    @given(
        st.dictionaries(
            st.sampled_from(["dest_priority", "dest_category", "dest_owner", "src_priority", "priority"]),
            st.one_of(st.text(max_size=20), st.lists(st.sampled_from(["critical", "server"]), max_size=3)),
        )
    )
    def test_no_other_field_changes_what_is_said_of_the_machine(self, others: dict[str, object]) -> None:
        assert asset_of({**ENRICHED, **others}, ("dvc",)) == asset_of(ENRICHED, ("dvc",))


class TestAssets:
    def test_a_name_is_matched_whole(self, tmp_path: Path) -> None:
        found = assets(tmp_path)
        for name in ("WS01", "ws01.corp.example", "WS01.CORP.EXAMPLE."):
            assert priorities(found, name) == {"low"}
        for name in ("WS0", "WS011", "ws01.other.example.", "WS*", "corp.example", ""):
            assert priorities(found, name) == ({"low"} if name == "ws01.other.example." else set())

    def test_a_row_holds_what_its_columns_say(self, tmp_path: Path) -> None:
        (row,) = assets(tmp_path).facts_of(["WS01"], []).assets["WS01"]
        assert row.names == ("WS01", "ws01.corp.example")
        assert row.facts == AssetFacts(
            priority="low",
            categories=("workstation", "pci"),
            owner="Ann Lee",
            business_unit="finance",
            source="list.csv, line 2",
        )

    @pytest.mark.parametrize(
        ("ip", "priority"),
        [
            ("10.1.2.3", "critical"),  # exactly, before any range
            ("10.1.2.4", "high"),  # the smallest range
            ("10.1.3.4", "medium"),
            ("10.2.0.5", "medium"),
            ("192.0.2.11", "informational"),
            ("192.0.2.13", ""),
            ("10.20.2.3", ""),
        ],
    )
    def test_an_address_is_matched_exactly_and_then_by_its_smallest_range(
        self, tmp_path: Path, ip: str, priority: str
    ) -> None:
        assert priorities(assets(tmp_path), ip) == ({priority} if priority else set())

    def test_a_bad_line_is_named_and_costs_no_other(self, tmp_path: Path) -> None:
        text = (
            "asset,priority,owner\nws01,low,a\nws02,urgent,b\nws03,high\n,critical,c\n10.0.0.1/8,low,d\n\n"
            'ws04,"critical",e\nws05,lo"w,f\n"ws06,low,g\nws07,high,h\n'
        )
        found = read_assets(written(tmp_path, text))
        assert [row.names for row in found.rows] == [("ws01",), ("ws04",)]
        assert [line for line, _ in found.bad] == ["3", "4", "5", "6", "9", "10-11"]
        listed = assets(tmp_path, text).facts_of(["ws02"], [])
        assert listed.assets == {}
        assert listed.not_read[0].what == "list.csv, line 3, 4, 5, 6, 9 and 1 more"
        assert "'urgent'" in listed.not_read[0].why

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "none of the columns"),
            ("asset;priority\nws01;low\n", "none of the columns"),
            ("dns,dns,priority\n", "twice"),
            (b"dns,priority\nws\xff,low\n", "UTF-8"),
        ],
    )
    def test_a_file_that_is_no_list_is_not_read_and_said_so(
        self, tmp_path: Path, text: str | bytes, problem: str
    ) -> None:
        with pytest.raises(InputError, match=problem):
            read_assets(written(tmp_path, text))
        listed = assets(tmp_path, text).facts_of(["ws01"], [])
        assert listed.assets == {}
        assert problem in listed.not_read[0].why

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        found = CsvList(tmp_path / "none.csv", ListKind.ASSETS)
        assert found.facts_of(["ws01"], []).not_read[0].what == "none.csv"
        assert found.check().state is HealthState.FAILED

    def test_sizes_are_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_lists, "MAX_ROWS", 2)
        with pytest.raises(InputError, match="more than 2 rows"):
            read_assets(written(tmp_path, "dns\na\nb\nc\n"))
        monkeypatch.setattr(csv_lists, "MAX_BYTES", 5)
        with pytest.raises(InputError, match="larger than 5 bytes"):
            read_assets(written(tmp_path, "dns\na\n"))

    def test_its_health_tells_rows_age_and_what_was_left_out(self, tmp_path: Path) -> None:
        path = written(tmp_path, "\ufeffDNS,Priority\nws01,low\n")
        written_at = datetime(2026, 11, 1, tzinfo=UTC)
        os.utime(path, (written_at.timestamp(),) * 2)
        found = CsvList(path, ListKind.ASSETS, clock=lambda: written_at + timedelta(days=3)).check()
        assert (found.state, found.detail) == (HealthState.OK, f"{path}: 1 rows, last written 3 days ago")
        found = assets(tmp_path, "dns,priority\nws01,hi\n").check()
        assert found.state is HealthState.FAILED
        assert "line 2" in found.detail

    @settings(max_examples=60)
    @given(st.lists(st.lists(st.text('ab,"|\n\r/.1=-\0\u202e', max_size=6), max_size=4), max_size=5))
    def test_every_line_is_used_or_named(
        self, tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]
    ) -> None:
        lines = "\n".join(",".join(row) for row in cells)
        path = tmp_path_factory.getbasetemp() / "hostile.csv"
        path.write_bytes(b"asset,owner\n" + lines.encode())
        found = read_assets(path)
        named = [each.partition("-") for each, _ in found.bad]
        named += [row.facts.source.removeprefix("hostile.csv, line ").partition("-") for row in found.rows]
        covered = {at for first, _, last in named for at in range(int(first), int(last or first) + 1)}
        physical = lines.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for number, line in enumerate(physical, start=2):
            if line.strip(', \x0b"\u202e\0\n') and line.replace(",", "").strip():
                assert number in covered


class TestIdentities:
    def test_an_account_is_matched_with_its_domain_where_both_have_one(self, tmp_path: Path) -> None:
        found = CsvList(written(tmp_path, IDENTITIES), ListKind.IDENTITIES)
        told = found.facts_of([], ["ann", r"CORP\ann", r"THIRD\ann", "ann.lee@corp.example", "an", "ann.lee"])
        assert {user: [each.priority for each in facts] for user, facts in told.identities.items()} == {
            "ann": ["critical", "low"],
            r"CORP\ann": ["critical"],
            r"THIRD\ann": ["critical"],  # by the row's "ann", which names no domain
            "ann.lee@corp.example": ["critical"],
        }
        assert told.identities["ann"][0] == IdentityFacts(
            account="ann",
            priority="critical",
            categories=("domain_admin",),
            watched=True,
            manager="bob",
            business_unit="it",
            source="list.csv, line 2",
        )

    def test_a_watch_list_that_is_neither_yes_nor_no_is_a_bad_line(self, tmp_path: Path) -> None:
        found = read_identities(written(tmp_path, "identity,watchlist\nann,maybe\nbob,\n"))
        assert [line for line, _ in found.bad] == ["2"]
        assert found.rows[0].facts.watched is None


names = st.from_regex(r"[wW][sS]0?1{1,2}(\.(corp|x)\.example)?", fullmatch=True)


@settings(max_examples=40)
@given(names, names)
def test_hosts_are_matched_by_the_rule_of_all_host_names(
    tmp_path_factory: pytest.TempPathFactory, listed: str, asked: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "names.csv"
    path.write_text(f"dns\n{listed}\n", encoding="utf-8")
    found = CsvList(path, ListKind.ASSETS).facts_of([asked], [])
    assert bool(found.assets) is same_host_name(listed, asked)


accounts = st.from_regex(r"((CORP|X)\\)?[aA]nn?(@corp\.example)?", fullmatch=True)


@settings(max_examples=40)
@given(accounts, accounts)
def test_accounts_are_matched_by_the_rule_of_all_accounts(
    tmp_path_factory: pytest.TempPathFactory, listed: str, asked: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "accounts.csv"
    path.write_text(f"identity\n{listed}\n", encoding="utf-8")
    found = CsvList(path, ListKind.IDENTITIES).facts_of([], [asked])
    assert bool(found.identities) is same_account(listed, asked)


def test_many_columns_are_refused_and_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "assets.csv"
    file.write_text("dns," + ",".join(f"c{n}" for n in range(csv_lists.MAX_COLUMNS - 1)) + "\n")
    assert read_assets(file).rows == ()
    file.write_text("dns," + ",".join(f"c{n}" for n in range(csv_lists.MAX_COLUMNS)) + "\n")
    with pytest.raises(InputError, match="more than 1,024 columns"):
        read_assets(file)
    monkeypatch.setattr(csv_lists, "MAX_COLUMNS", 100_000)
    file.write_text("dns," + ",".join(f"c{n}" for n in range(50_000)) + "\n")
    begun = time.process_time()
    assert read_assets(file).rows == ()
    assert time.process_time() - begun < 2
