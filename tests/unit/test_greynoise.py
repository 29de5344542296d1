"""GreyNoise: scanners and services, community and paid."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import BadResponse
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceStatus
from connectors.reputation.greynoise import read_greynoise, read_greynoise_community
from tests.fakes.reputation_servers import COMMUNITY, GREYNOISE, IP

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "leaning"),
    [
        ("malicious", Leaning.MALICIOUS),
        ("suspicious", Leaning.SUSPICIOUS),
        ("benign", Leaning.HARMLESS),
        ("unknown", Leaning.NONE),
        ("<b>", Leaning.NONE),
        ("", Leaning.NONE),
    ],
)
def test_scanners_are_inbound_evidence(word: str, leaning: Leaning) -> None:
    (answer,) = read_greynoise_community({**COMMUNITY, "classification": word}, IP, NOW)
    assert answer.leaning is leaning
    assert answer.direction is EvidenceDirection.INBOUND
    assert answer.lineage == "greynoise"
    assert "<b>" not in answer.detail


def test_a_scanner_that_is_also_a_service_gives_two_answers() -> None:
    answers = read_greynoise_community({**COMMUNITY, "riot": True, "name": "Acme\u202e"}, IP, NOW)
    assert [answer.leaning for answer in answers] == [Leaning.MALICIOUS, Leaning.HARMLESS]
    assert answers[1].direction is EvidenceDirection.CONTEXT
    assert answers[1].detail == r"Known business service 'Acme\u202e'"


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("2020-01-01", datetime(2020, 1, 1, tzinfo=UTC)),
        (["2020-01-01", "2025-03-04", "2024-12-31"], datetime(2025, 3, 4, tzinfo=UTC)),
        (["2020-01-01", "some day", None, 7.5], datetime(2020, 1, 1, tzinfo=UTC)),
        (["2020-01-01", "2999-01-01"], datetime(2020, 1, 1, tzinfo=UTC)),
        (["2026-01-02T12:00:00Z"], NOW),  # a day of which only the beginning has passed
        ([], None),
        ([None, ""], None),
        (None, None),
    ],
)
def test_last_seen_is_a_day_or_a_list_of_days(told: object, wanted: datetime | None) -> None:
    (answer,) = read_greynoise_community({**COMMUNITY, "last_seen": told}, IP, NOW)
    assert answer.last_seen == wanted
    scanner = {"found": True, "classification": "malicious", "last_seen": told}
    (paid,) = read_greynoise({"internet_scanner_intelligence": scanner}, IP, NOW)
    assert paid.last_seen == wanted


@pytest.mark.parametrize("told", [["some day"], ["2999-01-01"], {"at": "2020-01-01"}, "some day", 7.5])
def test_a_last_seen_that_is_no_time_is_no_answer(told: object) -> None:
    with pytest.raises(BadResponse):
        read_greynoise_community({**COMMUNITY, "last_seen": told}, IP, NOW)


def test_neither_is_not_observed() -> None:
    (answer,) = read_greynoise_community({"noise": False, "riot": False}, IP, NOW)
    assert answer.status is SourceStatus.NOT_FOUND


@pytest.mark.parametrize("body", [{}, {"noise": True}, {"noise": 1, "riot": False}, [], "x"])
def test_bad_community_answers(body: object) -> None:
    with pytest.raises(BadResponse):
        read_greynoise_community(body, IP, NOW)


@pytest.mark.parametrize(
    ("level", "leaning"),
    [("1", Leaning.HARMLESS), ("2", Leaning.HARMLESS), ("3", Leaning.NONE), ("", Leaning.NONE)],
)
def test_only_trusted_services_are_harmless(level: str, leaning: Leaning) -> None:
    body = {"business_service_intelligence": {"found": True, "trust_level": level, "name": "Acme"}}
    (answer,) = read_greynoise(body, IP, NOW)
    assert answer.leaning is leaning
    assert answer.direction is EvidenceDirection.CONTEXT


def test_a_partial_answer_says_so() -> None:
    (answer,) = read_greynoise(GREYNOISE, IP, NOW, partial=True)
    assert answer.status is SourceStatus.OK
    assert answer.detail.endswith("the plan left parts out")
    assert answer.last_seen == datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("body", [{}, {"ip": IP}, {"internet_scanner_intelligence": []}])
def test_bad_paid_answers(body: object) -> None:
    with pytest.raises(BadResponse):
        read_greynoise(body, IP, NOW)


def test_a_recorded_community_answer(shared_data: Path) -> None:
    body = json.loads((shared_data / "vendor/greynoise/community_ip.json").read_bytes())
    (answer,) = read_greynoise_community(body, "1.2.3.4", NOW)
    assert answer.leaning is Leaning.HARMLESS
    assert answer.direction is EvidenceDirection.CONTEXT
    assert answer.last_seen == datetime(2020, 1, 1, tzinfo=UTC)
    assert answer.detail == "Known business service 'Acme, Inc'"


def test_an_answer_of_the_retired_riot_call_is_refused(shared_data: Path) -> None:
    body = json.loads((shared_data / "vendor/greynoise/riot_ip.json").read_bytes())
    for read in (read_greynoise, read_greynoise_community):
        with pytest.raises(BadResponse):
            read(body, "1.2.3.4", NOW)
