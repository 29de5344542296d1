"""ThreatFox: only entries about the very address count; grades and dates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.errors import AuthRejected, BadResponse
from connectors.facts.reputation import EvidenceDirection, Leaning, Reliability, SourceAnswer, SourceStatus
from connectors.reputation.threatfox import read_threatfox
from tests.fakes.reputation_servers import IP, IP6

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def entry(ioc: str = f"{IP}:443", **changes: object) -> dict[str, object]:
    return {
        "ioc": ioc,
        "ioc_type": "ip:port",
        "threat_type": "botnet_cc",
        "malware_printable": "Remcos",
        "confidence_level": 100,
        "first_seen": "2025-12-01 00:00:00 UTC",
        "last_seen": None,
        **changes,
    }


def read(*entries: object, ip: str = IP) -> SourceAnswer:
    (answer,) = read_threatfox({"query_status": "ok", "data": list(entries)}, ip, NOW)
    return answer


def test_a_control_server() -> None:
    answer = read(entry(), entry(last_seen="2026-01-01 00:00:00 UTC", confidence_level=50))
    assert answer.leaning is Leaning.MALICIOUS
    assert answer.direction is EvidenceDirection.OUTBOUND
    assert (answer.reliability, answer.lineage) == (Reliability.A, "abuse.ch")
    assert answer.last_seen == datetime(2026, 1, 1, tzinfo=UTC)
    assert answer.detail == "2 entries, confidence up to 100 %; control server; malware 'Remcos'"


def test_first_seen_stands_in_for_an_unknown_last_seen() -> None:
    assert read(entry()).last_seen == datetime(2025, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("confidence", "threat", "leaning", "grade"),
    [
        (74, "botnet_cc", Leaning.MALICIOUS, Reliability.B),
        (75, "botnet_cc", Leaning.MALICIOUS, Reliability.A),
        (100, "payload_delivery", Leaning.MALICIOUS, Reliability.B),
        (49, "botnet_cc", Leaning.SUSPICIOUS, Reliability.B),
    ],
)
def test_confidence(confidence: int, threat: str, leaning: Leaning, grade: Reliability) -> None:
    answer = read(entry(confidence_level=confidence, threat_type=threat))
    assert (answer.leaning, answer.reliability) == (leaning, grade)


@pytest.mark.parametrize(
    ("ioc", "kind"),
    [
        (f"1{IP}:443", "ip:port"),
        (f"{IP}0:443", "ip:port"),
        (f"http://{IP}.attacker.example/", "url"),
        ("http://[::1", "url"),
        (IP, "domain"),
        ("", "ip:port"),
    ],
)
def test_other_addresses_do_not_count(ioc: str, kind: str) -> None:
    assert read(entry(ioc, ioc_type=kind)).status is SourceStatus.NOT_FOUND


def test_a_url_on_the_address_counts() -> None:
    answer = read(entry(f"http://{IP}:8080/x.exe", ioc_type="url", threat_type="payload_delivery"))
    assert answer.detail.startswith("1 entry, confidence up to 100 %; payload delivery")


def test_ipv6_with_brackets_and_without() -> None:
    assert read(entry(f"[{IP6}]:443"), entry(f"{IP6}:443"), ip=IP6).detail.startswith("2 entries")


def test_names_are_escaped_and_few() -> None:
    names = ["a\x1b[31m", "<b>", "c", "d", "e" * 500]
    answer = read(*[entry(malware_printable=name) for name in names])
    assert "\x1b" not in answer.detail
    assert answer.detail.endswith("and more")
    assert len(answer.detail) <= 300


def test_a_hostile_entry_does_not_silence_the_others() -> None:
    assert read(entry(confidence_level=10**9), 5, entry()).detail.startswith("1 entry")


def test_only_unreadable_entries_are_an_error() -> None:
    with pytest.raises(BadResponse, match="none of 1 entry can be read"):
        read(entry(confidence_level="high"))


def test_outcomes() -> None:
    (missing,) = read_threatfox({"query_status": "no_result", "data": "none"}, IP, NOW)
    assert missing.status is SourceStatus.NOT_FOUND
    with pytest.raises(AuthRejected):
        read_threatfox({"query_status": "unknown_auth_key"}, IP, NOW)
    for body in ({}, {"query_status": "illegal_search_term"}, {"query_status": "ok", "data": "x"}):
        with pytest.raises(BadResponse):
            read_threatfox(body, IP, NOW)
