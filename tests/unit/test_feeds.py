"""Feeds as reputation sources: each covering entry counts; an old or broken copy is never taken as fresh."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.facts.destination_role import RoleEffect, RoleKind
from connectors.facts.health import HealthState
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceStatus,
)
from connectors.http.call import Call, Reply
from connectors.http.deadline import Deadline
from connectors.ports import ReputationSource
from connectors.reputation.offline.catalogue import offline_sources, roles_by_range
from connectors.reputation.offline.feed_listing import FeedState, list_feeds
from connectors.reputation.offline.feed_settings import FeedSettings, OwnList
from connectors.reputation.offline.feed_update import update_feeds
from connectors.reputation.offline.feeds import FeedSource, feed_sources

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Server:
    """Gives one body to whoever asks."""

    def __init__(self, body: str) -> None:
        self.body = body

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        return Reply(200, {}, self.body.encode(), NOW, from_cache=False, stale=False)


def source_with(folder: Path, name: str, body: str, *, now: datetime = NOW) -> FeedSource:
    settings = FeedSettings(folder=folder, built_in=(name,))
    update_feeds(settings, Server(body), NOW)
    (source,) = feed_sources(settings, clock=lambda: now)
    port: ReputationSource = source
    assert port.info.name == name
    assert not port.info.online
    return source


def look_up(source: FeedSource, ip: str) -> tuple[SourceAnswer, ...]:
    return source.lookup(ip, deadline_s=1)


DROP = """\
{"cidr":"192.0.2.0/24","sblid":"SBL1"}
{"cidr":"192.0.2.64/26","sblid":"SBL2"}
{"cidr":"2001:db8::/32","sblid":"SBL3"}
{"type":"metadata","timestamp":1772359200,"copyright":"(c) The Spamhaus Project"}
"""


def test_every_covering_entry_is_an_answer_the_smallest_range_first(tmp_path: Path) -> None:
    source = source_with(tmp_path, "spamhaus_drop_v4", DROP)
    answers = look_up(source, "192.0.2.65")
    assert [answer.evidence_url.rpartition("/")[2] for answer in answers] == ["SBL2", "SBL1"]
    for answer in answers:
        assert (answer.status, answer.leaning) == (SourceStatus.OK, Leaning.MALICIOUS)
        assert (answer.direction, answer.lineage) == (EvidenceDirection.OUTBOUND, "spamhaus")
        assert answer.reliability is Reliability.B
        assert answer.last_seen == datetime.fromtimestamp(1772359200, UTC)
        assert answer.retrieved_at == NOW
        assert answer.detail.endswith("(c) The Spamhaus Project.")
    assert answers[0].detail.startswith("Listed as 192.0.2.64/26: SBL2")
    assert len(look_up(source, "2001:db8::1")) == 1


def test_a_good_feed_without_the_address_has_not_found_it(tmp_path: Path) -> None:
    (answer,) = look_up(source_with(tmp_path, "spamhaus_drop_v4", DROP), "198.51.100.1")
    assert (answer.status, answer.leaning, answer.detail) == (
        SourceStatus.NOT_FOUND,
        Leaning.NONE,
        "Not listed.",
    )


def test_an_old_copy_is_stale_and_says_what_it_holds(tmp_path: Path) -> None:
    source = source_with(tmp_path, "spamhaus_drop_v4", DROP, now=NOW + timedelta(days=4))
    listed = look_up(source, "192.0.2.1")[0]
    assert (listed.status, listed.leaning) == (SourceStatus.STALE, Leaning.MALICIOUS)
    assert "4 days old" in listed.detail
    (unlisted,) = look_up(source, "198.51.100.1")
    assert (unlisted.status, unlisted.leaning) == (SourceStatus.STALE, Leaning.NONE)
    assert source.check().state is HealthState.FAILED


def test_without_a_copy_it_is_not_configured(tmp_path: Path) -> None:
    for settings in (FeedSettings(), FeedSettings(folder=tmp_path / "none")):
        for source in feed_sources(settings, clock=lambda: NOW):
            (answer,) = look_up(source, "192.0.2.1")
            assert answer.status is SourceStatus.NOT_CONFIGURED
            assert source.check().state is HealthState.NOT_CONFIGURED
            assert source.roles("192.0.2.1") == ()


def test_a_damaged_copy_is_an_error_whatever_it_says(tmp_path: Path) -> None:
    source = source_with(tmp_path, "spamhaus_drop_v4", DROP)
    (copy,) = tmp_path.glob("*.feed")
    copy.write_text(DROP.replace("192.0.2.0/24", "198.51.100.0/24"), encoding="utf-8")
    (answer,) = look_up(source, "198.51.100.1")
    assert (answer.status, answer.leaning) == (SourceStatus.ERROR, Leaning.NONE)
    copy.unlink()
    assert look_up(source, "192.0.2.1")[0].status is SourceStatus.ERROR


def test_a_running_process_sees_an_update(tmp_path: Path) -> None:
    first = json.dumps([{"ip_address": "192.0.2.1"}])
    source = source_with(tmp_path, "feodo", first, now=NOW + timedelta(hours=3))
    assert look_up(source, "192.0.2.2")[0].status is SourceStatus.NOT_FOUND
    settings = FeedSettings(folder=tmp_path, built_in=("feodo",))
    update_feeds(settings, Server(json.dumps([{"ip_address": "192.0.2.2"}])), NOW + timedelta(hours=2))
    assert look_up(source, "192.0.2.2")[0].status is SourceStatus.OK
    assert look_up(source, "192.0.2.1")[0].status is SourceStatus.NOT_FOUND


def test_an_entry_says_more_than_its_feed(tmp_path: Path) -> None:
    document = {
        "17": [
            {"ioc_value": "192.0.2.1:80", "confidence_level": 100, "first_seen_utc": "2026-02-01 00:00:00"}
        ],
        "18": [{"ioc_value": "192.0.2.1:81", "confidence_level": 49}],
    }
    first, second = look_up(source_with(tmp_path, "threatfox_export", json.dumps(document)), "192.0.2.1")
    assert (first.leaning, second.leaning) == (Leaning.MALICIOUS, Leaning.SUSPICIOUS)
    assert first.last_seen == datetime(2026, 2, 1, tzinfo=UTC)
    assert first.evidence_url == "https://threatfox.abuse.ch/ioc/17/"
    assert {first.lineage, second.lineage} == {"abuse.ch"}


def test_ipsum_is_about_who_calls_in_and_of_unknown_lineage(tmp_path: Path) -> None:
    (answer,) = look_up(source_with(tmp_path, "ipsum", "192.0.2.1\t8\n"), "192.0.2.1")
    assert (answer.direction, answer.lineage) == (EvidenceDirection.INBOUND, "")
    assert answer.leaning is Leaning.SUSPICIOUS


def test_tor_exits_and_warninglists_give_roles(tmp_path: Path) -> None:
    tor = source_with(tmp_path / "tor", "tor_exits", "192.0.2.1\n")
    (role,) = tor.roles("192.0.2.1")
    assert (role.kind, role.effect) == (RoleKind.TOR_EXIT, RoleEffect.NONE)
    assert tor.roles("192.0.2.2") == ()
    document = {"name": "Zscaler", "type": "cidr", "list": ["192.0.2.0/24"]}
    zscaler = source_with(tmp_path / "z", "misp_zscaler", json.dumps(document))
    assert zscaler.roles("192.0.2.1")[0].kind is RoleKind.SECURITY_EDGE
    assert look_up(zscaler, "192.0.2.1")[0].leaning is Leaning.NONE
    old = source_with(tmp_path / "old", "tor_exits", "192.0.2.1\n", now=NOW + timedelta(days=9))
    assert old.roles("192.0.2.1") == ()


def local_list(path: Path) -> FeedSettings:
    own = OwnList(
        name="local",
        path=path,
        direction=EvidenceDirection.OUTBOUND,
        reliability=Reliability.A,
        leaning=Leaning.MALICIOUS,
        lineage="cert.example",
        max_age_h=24,
    )
    return FeedSettings(built_in=(), own=(own,))


def test_a_list_on_disk_is_as_old_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    settings = local_list(path)
    (source,) = feed_sources(settings, clock=lambda: NOW)
    assert look_up(source, "192.0.2.1")[0].status is SourceStatus.ERROR
    path.write_text("192.0.2.1\n", encoding="utf-8")
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    assert look_up(source, "192.0.2.1")[0].status is SourceStatus.OK
    path.write_text("192.0.2.2\n", encoding="utf-8")
    yesterday = (NOW - timedelta(hours=25)).timestamp()
    os.utime(path, (yesterday, yesterday))
    (answer,) = look_up(source, "192.0.2.2")
    assert (answer.status, answer.leaning) == (SourceStatus.STALE, Leaning.MALICIOUS)
    (status,) = list_feeds(settings, NOW)
    assert (status.state, status.count, status.origin) == (FeedState.STALE, 1, str(path))
    path.write_text("<html>", encoding="utf-8")
    assert list_feeds(settings, NOW)[0].state is FeedState.BROKEN


@pytest.mark.parametrize(("year", "words"), [(31_000, "no date"), (9_500, "the year 9500")])
def test_a_list_on_disk_with_a_time_past_the_calendar_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int, words: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_text("192.0.2.1\n", encoding="utf-8")
    real = Path.stat

    def stat(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        # Not every file system can keep such a time.
        found = real(self, follow_symlinks=follow_symlinks)
        changed = round((year - 1969.5) * 365.2425 * 86_400)
        return os.stat_result((*found[:8], changed, found[9])) if self == path else found

    monkeypatch.setattr(Path, "stat", stat)
    settings = local_list(path)
    (source,) = feed_sources(settings, clock=lambda: NOW)
    (answer,) = look_up(source, "192.0.2.1")
    (status,) = list_feeds(settings, NOW)
    assert (answer.status, status.state) == (SourceStatus.ERROR, FeedState.BROKEN)
    assert str(path) in status.problem
    assert words in status.problem


def test_a_pipe_in_place_of_a_list_on_disk_is_told_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    os.mkfifo(path)
    settings = local_list(path)
    assert list_feeds(settings, NOW)[0].problem == f"{path} is no regular file"
    (source,) = feed_sources(settings, clock=lambda: NOW)
    assert look_up(source, "192.0.2.1")[0].status is SourceStatus.ERROR


def test_an_entry_last_seen_past_all_years_still_answers(tmp_path: Path) -> None:
    body = json.dumps([{"ip_address": "192.0.2.1", "last_online": "9999-12-31"}])
    (answer,) = look_up(source_with(tmp_path, "feodo", body), "192.0.2.1")
    assert (answer.status, answer.last_seen) == (SourceStatus.OK, NOW)


def test_a_text_that_is_no_address_is_an_error(tmp_path: Path) -> None:
    source = source_with(tmp_path, "feodo", "[]")
    assert look_up(source, "nonsense")[0].status is SourceStatus.ERROR


def test_all_offline_sources_answer_with_nothing_downloaded() -> None:
    """And nothing is sent for a look-up: sockets are blocked in these tests, and no source is online."""
    sources = offline_sources(FeedSettings(), clock=lambda: NOW)
    names = [source.info.name for source in sources]
    assert len(set(names)) == len(names) > 5
    for source in sources:
        assert not source.info.online
        assert source.lookup("104.16.0.1", deadline_s=1, fresh=True)
        assert source.check().connector == source.info.name
    assert {role.kind for role in roles_by_range("104.16.0.1", sources)} == {RoleKind.CDN}
