"""MISP: attributes by organisation and direction; warninglists and decay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.errors import BadResponse
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceAnswer, SourceStatus
from connectors.reputation.misp import read_misp
from tests.fakes.reputation_servers import IP

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def attribute(
    org: object = "Example CERT", info: object = "campaign", **changes: object
) -> dict[str, object]:
    return {
        "type": "ip-dst",
        "to_ids": True,
        "timestamp": "1767225600",
        "Event": {"info": info, "Orgc": {"name": org}},
        **changes,
    }


def read(*attributes: object) -> tuple[SourceAnswer, ...]:
    return read_misp({"response": {"Attribute": list(attributes)}}, IP, NOW)


def test_organisations_and_directions_are_told_apart() -> None:
    answers = read(attribute(), attribute(type="ip-src"), attribute("Other"), attribute("Other"))
    assert [(each.lineage, each.direction) for each in answers] == [
        ("example cert", EvidenceDirection.INBOUND),
        ("example cert", EvidenceDirection.OUTBOUND),
        ("other", EvidenceDirection.OUTBOUND),
    ]
    assert answers[2].detail == "2 attributes, 2 meant for detection"
    assert answers[2].last_seen == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_republished_feed_keeps_its_author() -> None:
    answers = read(attribute("CIRCL", "URLhaus Malware URLs feed"), attribute("abuse.ch"))
    assert [each.lineage for each in answers] == ["abuse.ch"]


@pytest.mark.parametrize(
    ("changes", "leaning"),
    [
        ({}, Leaning.MALICIOUS),
        ({"to_ids": False}, Leaning.NONE),
        ({"warnings": [{"warninglist_name": "resolvers", "warninglist_category": "known"}]}, Leaning.NONE),
        ({"warnings": []}, Leaning.MALICIOUS),
        ({"decay_score": [{"score": 1.5, "decayed": True}]}, Leaning.SUSPICIOUS),
        ({"decay_score": [{"decayed": True}, {"decayed": False}]}, Leaning.MALICIOUS),
        ({"decay_score": []}, Leaning.MALICIOUS),
    ],
)
def test_leanings(changes: dict[str, object], leaning: Leaning) -> None:
    (answer,) = read(attribute(**changes))
    assert answer.leaning is leaning


def test_last_seen_counts_before_the_timestamp() -> None:
    (answer,) = read(attribute(last_seen="1764547200000000"))
    assert answer.last_seen == datetime(2025, 12, 1, tzinfo=UTC)
    (answer,) = read(attribute(last_seen="2025-12-02T00:00:00.000000+00:00"))
    assert answer.last_seen == datetime(2025, 12, 2, tzinfo=UTC)


def test_none_is_not_found_and_a_full_page_is_said() -> None:
    assert read()[0].status is SourceStatus.NOT_FOUND
    assert read_misp({"response": []}, IP, NOW)[0].status is SourceStatus.NOT_FOUND
    assert "only the first 200 were read" in read(*[attribute()] * 200)[0].detail


def test_a_hostile_attribute_does_not_silence_the_others() -> None:
    answers = read(attribute(), 5, attribute(to_ids="yes"), attribute(timestamp=-1))
    assert [each.detail for each in answers] == ["1 attribute, 1 meant for detection"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"response": [1]},
        {"response": {}},
        {"response": {"Attribute": {}}},
        {"response": {"Attribute": [{"to_ids": 1}]}},
        {"name": "Authentication failed", "message": "x", "url": "/"},
    ],
)
def test_bad_answers(body: object) -> None:
    with pytest.raises(BadResponse):
        read_misp(body, IP, NOW)
