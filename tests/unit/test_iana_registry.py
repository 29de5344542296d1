"""The table against the published registries, and the categories given to its rows."""

from __future__ import annotations

import csv
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from actions.iana_registry import IPV4_ROWS, IPV6_ROWS, REGISTRY_DATE, Row
from actions.ip_facts import IpCategory

ALL_ROWS = (*IPV4_ROWS, *IPV6_ROWS)

Published = tuple[str, str, str, bool | None, str, str | None]


def published(path: Path) -> list[Published]:
    """Rows of a registry's CSV, footnote marks and section numbers dropped, one per prefix."""
    rows: list[Published] = []
    with path.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            reachable = {"True": True, "False": False, "N/A": None, "": None}[
                re.sub(r"\s*\[\d+\]", "", record["Globally Reachable"])
            ]
            ended = record["Termination Date"]
            rows.extend(
                (
                    re.sub(r"\[\d+\]", "", prefix).strip(),
                    record["Name"].replace('"', ""),
                    ", ".join(f"RFC {number}" for number in re.findall(r"\[RFC(\d+)\]", record["RFC"])),
                    reachable,
                    record["Allocation Date"],
                    None if ended == "N/A" else ended,
                )
                for prefix in record["Address Block"].split(",")
            )
    return rows


def written(rows: tuple[Row, ...]) -> list[Published]:
    return [(row.prefix, row.name, row.rfc, row.reachable, row.allocated, row.terminated) for row in rows]


@pytest.mark.parametrize(("version", "rows"), [(4, IPV4_ROWS), (6, IPV6_ROWS)])
def test_table_is_the_published_registry_row_by_row(
    shared_data: Path, version: int, rows: tuple[Row, ...]
) -> None:
    assert written(rows) == published(shared_data / "iana" / f"iana-ipv{version}-special-registry-1.csv")


def test_every_prefix_is_a_network_without_host_bits_and_stands_once() -> None:
    networks = [ip_network(row.prefix) for row in ALL_ROWS]
    assert len(set(networks)) == len(ALL_ROWS) == 51
    assert {network.version for network in networks[: len(IPV4_ROWS)]} == {4}
    assert {network.version for network in networks[len(IPV4_ROWS) :]} == {6}


def test_no_row_lies_in_multicast_so_its_rule_cannot_be_overruled() -> None:
    for row in ALL_ROWS:
        assert not ip_network(row.prefix).is_multicast, row.prefix


def test_only_nat64_is_reachable_outside_2000_3_and_it_is_judged_by_the_ipv4_inside() -> None:
    outside = [
        row.prefix
        for row in IPV6_ROWS
        if row.reachable and int(ip_network(row.prefix).network_address) >> 125 != 1
    ]
    assert outside == ["64:ff9b::/96"]


CATEGORY_BY_NAME = {
    "Private-Use": IpCategory.PRIVATE,
    "Shared Address Space": IpCategory.SHARED,
    "Loopback": IpCategory.LOOPBACK,
    "Loopback Address": IpCategory.LOOPBACK,
    "Link Local": IpCategory.LINK_LOCAL,
    "Link-Local Unicast": IpCategory.LINK_LOCAL,
    "Unique-Local": IpCategory.UNIQUE_LOCAL,
    "Benchmarking": IpCategory.BENCHMARKING,
    "This host on this network": IpCategory.UNSPECIFIED,
    "Unspecified Address": IpCategory.UNSPECIFIED,
    "Limited Broadcast": IpCategory.BROADCAST,
    "TEREDO": IpCategory.TRANSITION,
    "6to4": IpCategory.TRANSITION,
    "IPv4-mapped Address": IpCategory.TRANSITION,
    "Documentation": IpCategory.DOCUMENTATION,
    "Documentation (TEST-NET-1)": IpCategory.DOCUMENTATION,
    "Documentation (TEST-NET-2)": IpCategory.DOCUMENTATION,
    "Documentation (TEST-NET-3)": IpCategory.DOCUMENTATION,
}


@pytest.mark.parametrize("row", ALL_ROWS, ids=lambda row: row.prefix)
def test_category_of_each_row(row: Row) -> None:
    if row.prefix == "64:ff9b::/96":
        expected = IpCategory.TRANSITION
    elif row.reachable:
        expected = IpCategory.PUBLIC_SPECIAL
    else:
        expected = CATEGORY_BY_NAME.get(row.name, IpCategory.RESERVED)
    assert row.category is expected


def test_fact_of_a_row_carries_its_terms() -> None:
    row = next(row for row in IPV4_ROWS if row.prefix == "192.88.99.0/24")
    assert row.as_fact().model_dump() == {
        "prefix": "192.88.99.0/24",
        "name": "Deprecated (6to4 Relay Anycast)",
        "rfc": "RFC 7526",
        "globally_reachable": None,
        "registry_date": REGISTRY_DATE,
        "terminated": "2015-03",
    }
    assert REGISTRY_DATE == "2025-10-09"
