"""OTX: pulses by author, and why most of them prove nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import BadResponse
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceAnswer, SourceStatus
from connectors.reputation.otx import read_otx
from tests.fakes.reputation_servers import IP

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def pulse(author: str, name: object = "C2 servers", **changes: object) -> dict[str, object]:
    return {"author": {"username": author}, "name": name, "modified": "2026-01-01T00:00:00", **changes}


def read(*pulses: object, **changes: object) -> tuple[SourceAnswer, ...]:
    info = {"count": len(pulses), "pulses": list(pulses)}
    return read_otx({"pulse_info": info, "validation": [], **changes}, IP, NOW)


def test_authors_are_told_apart_and_strangers_share_one_answer() -> None:
    answers = read(pulse("AlienVault"), pulse("someone"), pulse("someone_else"), pulse("abuse_ch"))
    assert [(each.lineage, each.leaning) for each in answers] == [
        ("", Leaning.SUSPICIOUS),
        ("abuse.ch", Leaning.MALICIOUS),
        ("alienvault", Leaning.MALICIOUS),
    ]
    assert answers[0].detail == "2 pulses by other authors"


def test_a_title_makes_nobody_an_author() -> None:
    (answer,) = read(pulse("stranger", "ThreatFox export"))
    assert answer.lineage == ""


def test_one_direction_for_all_or_none() -> None:
    assert read(pulse("a"))[0].direction is EvidenceDirection.OUTBOUND
    assert read(pulse("a", "SSH honeypot"))[0].direction is EvidenceDirection.INBOUND
    assert read(pulse("a"), pulse("a", "SSH honeypot"))[0].direction is EvidenceDirection.CONTEXT


@pytest.mark.parametrize("source", ["whitelist", "false_positive"])
def test_validation_takes_the_pulses_their_weight(source: str) -> None:
    (answer,) = read(pulse("AlienVault"), validation=[{"source": source}])
    assert answer.leaning is Leaning.NONE
    assert "false alarm" in answer.detail
    (alone,) = read(validation=[{"source": source}])
    assert (alone.status, alone.leaning) == (SourceStatus.OK, Leaning.HARMLESS)


def test_a_hostile_pulse_does_not_silence_the_others() -> None:
    answers = read(
        "x", pulse("AlienVault"), pulse("x", modified="9999-01-01"), {"author": 5}, pulse("x", name=["x"])
    )
    assert [each.detail for each in answers] == ["1 pulse by alienvault; 1 of 5 were read"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"pulse_info": None},
        {"pulse_info": {"pulses": []}},
        {"pulse_info": {"count": 2, "pulses": ["x"]}},
        {"pulse_info": {"count": 10**30, "pulses": []}},
        {"pulse_info": {"count": 1, "pulses": {}}},
    ],
)
def test_bad_answers(body: object) -> None:
    with pytest.raises(BadResponse):
        read_otx(body, IP, NOW)


def test_a_recorded_answer(shared_data: Path) -> None:
    body = json.loads((shared_data / "vendor/otx/ipv4_general_no_pulse.json").read_bytes())
    (answer,) = read_otx(body, "8.8.88.8", NOW)
    assert answer.status is SourceStatus.NOT_FOUND
    assert answer.leaning is Leaning.NONE
