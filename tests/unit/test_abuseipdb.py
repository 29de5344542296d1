"""AbuseIPDB: inbound reports, whitelist, usage."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import BadResponse
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceAnswer, SourceStatus
from connectors.reputation.abuseipdb import read_abuseipdb
from tests.fakes.reputation_servers import IP

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def read(**data: object) -> SourceAnswer:
    (answer,) = read_abuseipdb({"data": {"abuseConfidenceScore": 0, **data}}, IP, NOW)
    return answer


def test_no_report_is_not_found() -> None:
    answer = read(totalReports=0, usageType="Content Delivery Network")
    assert answer.status is SourceStatus.NOT_FOUND
    assert answer.detail == "No report in 90 days; used as: content delivery network"


@pytest.mark.parametrize(
    ("score", "leaning"),
    [(0, Leaning.NONE), (24, Leaning.NONE), (25, Leaning.SUSPICIOUS), (75, Leaning.MALICIOUS)],
)
def test_reports_are_inbound_evidence(score: int, leaning: Leaning) -> None:
    answer = read(abuseConfidenceScore=score, totalReports=1, numDistinctUsers=1)
    assert answer.status is SourceStatus.OK
    assert answer.leaning is leaning
    assert answer.direction is EvidenceDirection.INBOUND
    assert answer.lineage == "abuseipdb"


def test_the_whitelist_is_context_and_does_not_hide_reports() -> None:
    harmless = read(isWhitelisted=True)
    assert (harmless.status, harmless.leaning) == (SourceStatus.OK, Leaning.HARMLESS)
    assert harmless.direction is EvidenceDirection.CONTEXT
    reported = read(isWhitelisted=True, abuseConfidenceScore=80, totalReports=9)
    assert reported.leaning is Leaning.MALICIOUS
    assert "whitelist" in reported.detail


def test_a_tor_node_is_said() -> None:
    assert "a Tor node" in read(isTor=True).detail


def test_foreign_text_is_not_shown() -> None:
    assert "<script>" not in read(usageType="<script>", domain="<script>", isp="<script>").detail


@pytest.mark.parametrize(
    "data",
    [
        {"abuseConfidenceScore": 101},
        {"abuseConfidenceScore": None},
        {"totalReports": -1},
        {"isWhitelisted": "no"},
        {"lastReportedAt": "2090-01-01T00:00:00+00:00"},
    ],
)
def test_bad_fields(data: dict[str, object]) -> None:
    with pytest.raises(BadResponse):
        read(**data)


def test_a_recorded_answer(shared_data: Path) -> None:
    body = json.loads((shared_data / "vendor/abuseipdb/check_ip.json").read_bytes())
    (answer,) = read_abuseipdb(body, "198.51.100.100", NOW)
    assert answer.leaning is Leaning.MALICIOUS
    assert answer.last_seen == datetime(2018, 12, 20, 20, 55, 14, tzinfo=UTC)
    assert answer.detail == (
        "1 report by 1 user in 90 days, confidence 100 %; used as: data centre, hosting or transit"
    )


def test_a_block_list_is_not_an_answer(shared_data: Path) -> None:
    with pytest.raises(BadResponse, match="data is not an object"):
        read_abuseipdb(json.loads((shared_data / "vendor/abuseipdb/blacklist.json").read_bytes()), IP, NOW)
