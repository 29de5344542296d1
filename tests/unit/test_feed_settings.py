"""Settings of feeds: what is refused, and what the built-in ones promise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from connectors.facts.reputation import EvidenceDirection, Leaning
from connectors.reputation.offline.feed_settings import BUILT_IN, FeedSettings, OwnList, age_words

OWN = {"name": "ours", "url": "https://lists.example/a.txt", "direction": "outbound", "reliability": "B"}


def test_an_own_list_becomes_a_feed() -> None:
    settings = FeedSettings.model_validate(
        {"built_in": ["feodo"], "own": [{**OWN, "lineage": "cert.example"}]}
    )
    feodo, own = settings.feeds
    assert feodo is BUILT_IN["feodo"]
    assert (own.name, own.lineage, own.leaning) == ("ours", "cert.example", Leaning.SUSPICIOUS)
    assert (own.min_interval_s, own.max_age_s) == (24 * 3600, 7 * 24 * 3600)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../etc"}, "lower-case letter"),
        ({"name": "a" * 41}, "40 at most"),
        ({"url": "http://lists.example/a.txt"}, "must begin with https://"),
        ({"url": "http://127.0.0.1/a.txt"}, "must begin with https://"),
        ({"url": "file:///etc/passwd"}, "is not a URL"),
        ({"url": "https://"}, "is not a URL"),
        ({"url": "https://lists.example:99999/"}, "is not a URL"),
        ({"url": "https://me:secret@lists.example/"}, "secrets have no place"),
        ({"url": "https://lists.example/?key=secret"}, "secrets have no place"),
        ({"url": ""}, "either url or path"),
        ({"path": "list.txt"}, "either url or path"),
        ({"leaning": "harmless"}, "cannot say harmless"),
        ({"direction": "sideways"}, "direction"),
        ({"min_interval_h": 0}, "min_interval_h"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_a_wrong_own_list_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        OwnList.model_validate({**OWN, **change})


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"own": [{**OWN, "url": "http://lists.example/"}]}, ("own", 0, "url")),
        ({"own": [{**OWN, "name": "A"}]}, ("own", 0, "name")),
        ({"own": [{**OWN, "leaning": "harmless"}]}, ("own", 0, "leaning")),
        ({"own": [{**OWN, "reliability": "Z"}]}, ("own", 0, "reliability")),
        ({"own": [OWN, OWN]}, ("own",)),
        ({"own": [{**OWN, "name": "ipsum"}]}, ("own",)),
        ({"built_in": ["feodos"]}, ("built_in",)),
        ({"max_bytes": 1}, ("max_bytes",)),
        ({"timeout_s": 0}, ("timeout_s",)),
    ],
)
def test_an_error_names_the_field(value: dict[str, object], field: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        FeedSettings.model_validate(value)
    assert [error["loc"] for error in caught.value.errors()] == [field]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"built_in": ["feodos"]}, "no built-in feed is called 'feodos'"),
        ({"own": [OWN, OWN]}, "two feeds are called ours"),
        ({"own": [{**OWN, "name": "ipsum"}]}, "two feeds are called ipsum"),
        ({"own": [{**OWN, "name": "ipsum"}], "built_in": []}, "two feeds are called ipsum"),
    ],
)
def test_names_are_known_and_differ(value: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FeedSettings.model_validate(value)


def test_built_in_feeds_can_be_switched_off() -> None:
    assert FeedSettings(built_in=()).feeds == ()
    assert FeedSettings().feeds == tuple(BUILT_IN.values())


def test_what_the_built_in_feeds_promise() -> None:
    for feed in BUILT_IN.values():
        assert feed.url.startswith("https://")
        assert feed.min_interval_s >= 3600
        assert feed.max_age_s > feed.min_interval_s
        if feed.direction is EvidenceDirection.CONTEXT:
            assert feed.leaning is Leaning.NONE
    for version in (4, 6):
        spamhaus = BUILT_IN[f"spamhaus_drop_v{version}"]
        assert spamhaus.retry_s >= 3600
        assert spamhaus.lineage == "spamhaus"
    assert {BUILT_IN[name].lineage for name in ("feodo", "threatfox_export")} == {"abuse.ch"}
    assert (BUILT_IN["ipsum"].direction, BUILT_IN["ipsum"].lineage) == (EvidenceDirection.INBOUND, "")


def test_ages_are_told_in_hours_or_days() -> None:
    assert [age_words(timedelta(hours=hours)) for hours in (1, 47, 48, 80)] == [
        "1 hours",
        "47 hours",
        "2 days",
        "3 days",
    ]
