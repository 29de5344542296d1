"""VirusTotal: what its counts mean, and what they do not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import BadResponse
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceAnswer, SourceStatus
from connectors.reputation.virustotal import read_virustotal
from tests.fakes.reputation_servers import IP

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def read(stats: object, **attributes: object) -> SourceAnswer:
    body = {"data": {"attributes": {"last_analysis_stats": stats, **attributes}}}
    (answer,) = read_virustotal(body, IP, NOW)
    return answer


def test_silence_is_not_clean() -> None:
    answer = read({"harmless": 60, "undetected": 34, "malicious": 0, "suspicious": 0, "timeout": 0})
    assert answer.leaning is Leaning.NONE
    assert answer.detail == (
        "0 of 94 engines call it malicious, 0 suspicious; 60 list nothing against it, 34 have no opinion"
    )


@pytest.mark.parametrize("stats", [{}, {"harmless": 0, "malicious": 0, "undetected": 0}])
def test_no_engine_at_all(stats: object) -> None:
    answer = read(stats)
    assert answer.leaning is Leaning.NONE
    assert answer.detail == "No engine has looked at the address"


@pytest.mark.parametrize(
    ("malicious", "suspicious", "leaning"),
    [
        (0, 1, Leaning.SUSPICIOUS),
        (1, 0, Leaning.SUSPICIOUS),
        (4, 9, Leaning.SUSPICIOUS),
        (5, 0, Leaning.MALICIOUS),
    ],
)
def test_leanings(malicious: int, suspicious: int, leaning: Leaning) -> None:
    answer = read({"malicious": malicious, "suspicious": suspicious, "harmless": 60})
    assert answer.leaning is leaning
    assert answer.lineage == ""
    assert answer.direction is EvidenceDirection.CONTEXT


def test_the_analysis_counts_before_the_modification() -> None:
    assert read({}, last_modification_date=1_767_225_600).last_seen == datetime(2026, 1, 1, tzinfo=UTC)
    answer = read({}, last_analysis_date=1_767_139_200, last_modification_date=1_767_225_600)
    assert answer.last_seen == datetime(2025, 12, 31, tzinfo=UTC)


@pytest.mark.parametrize("body", [{"response_code": 1, "positives": 3, "total": 60}, {"response_code": 0}])
def test_api_v2_is_refused_by_name(body: object) -> None:
    with pytest.raises(BadResponse, match="retired API v2"):
        read_virustotal(body, IP, NOW)


@pytest.mark.parametrize(
    "stats", [None, [], "x", {"malicious": 10**6}, {"malicious": -1}, {"malicious": 0.5}]
)
def test_bad_counts(stats: object) -> None:
    with pytest.raises(BadResponse):
        read(stats)


def test_a_recorded_answer(shared_data: Path) -> None:
    body = json.loads((shared_data / "vendor/virustotal/v3_ip_emerald_demisto.json").read_bytes())
    (answer,) = read_virustotal(body, "23.129.64.215", NOW)
    assert answer.status is SourceStatus.OK
    assert answer.leaning is Leaning.MALICIOUS
    assert answer.last_seen == datetime.fromtimestamp(1_613_300_914, UTC)
    assert answer.detail.startswith("5 of 87 engines call it malicious, 2 suspicious")
