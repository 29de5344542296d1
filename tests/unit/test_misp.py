"""MISP: attributes by organisation and direction; warninglists and decay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_directions_are_told_apart_and_organisations_are_not() -> None:
    answers = read(attribute(), attribute(type="ip-src"), attribute("Other"))
    assert [(each.lineage, each.direction) for each in answers] == [
        ("misp", EvidenceDirection.INBOUND),
        ("misp", EvidenceDirection.OUTBOUND),
    ]
    assert answers[1].detail == "2 attributes, 2 meant for detection"
    assert answers[1].last_seen == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_republished_feed_keeps_its_author() -> None:
    answers = read(attribute("CIRCL", "URLhaus Malware URLs feed"), attribute("abuse.ch"))
    assert [each.lineage for each in answers] == ["abuse.ch"]


def test_a_named_author_beside_the_servers_own_word_is_no_second_author() -> None:
    answers = read(attribute(), attribute(info="URLhaus feed"))
    assert [each.lineage for each in answers] == ["", "misp"]
    silent = attribute(to_ids=False)
    assert {each.lineage for each in read(silent, attribute(info="URLhaus feed"))} == {"", "abuse.ch"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Example CERT", "Other", "abuse.ch", "GreyNoise", "AlienVault", ""]),
            st.sampled_from(["campaign", "URLhaus feed", "AbuseIPDB of today"]),
            st.sampled_from(["ip-dst", "ip-src", "domain|ip"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_one_server_is_one_author_at_most(made: list[tuple[str, str, str, bool]]) -> None:
    answers = read(*(attribute(org, info, type=kind, to_ids=ids) for org, info, kind, ids in made))
    assert len({each.lineage for each in answers} - {""}) == 1


@pytest.mark.parametrize(
    "value",
    [IP, f"{IP}|443", f"c2.example|{IP}", "198.51.100.0/24", "198.51.100.7/24", "198.0.0.0/8", f"{IP}/32"],
)
def test_values_that_hold_the_address(value: str) -> None:
    assert read(attribute(value=value))[0].status is SourceStatus.OK


@pytest.mark.parametrize(
    "value", ["203.0.113.9", "203.0.113.0/24", "c2.example|203.0.113.9", "0.0.0.0/0", "2001:db8::/32", 5]
)
def test_attributes_of_other_addresses_do_not_count(value: object) -> None:
    (answer,) = read(attribute(), attribute("Other", value=value))
    assert answer.detail == "1 attribute, 1 meant for detection"
    with pytest.raises(BadResponse, match="about other addresses"):
        read(attribute(value=value))


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
