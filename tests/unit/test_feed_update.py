"""Downloading feeds: what replaces a copy, what does not, and what a fault leaves behind."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import BadResponse, ConnectorError, Transient
from connectors.facts.reputation import EvidenceDirection, Reliability
from connectors.http.call import Call, Reply
from connectors.http.deadline import Deadline
from connectors.reputation.offline import feed_formats, feed_store
from connectors.reputation.offline.feed_listing import FeedState, list_feeds
from connectors.reputation.offline.feed_settings import FeedSettings, OwnList
from connectors.reputation.offline.feed_store import MANIFEST, read_manifest, update_lock
from connectors.reputation.offline.feed_update import FeedOutcome, UpdateResult, update_feeds
from connectors.reputation.offline.feeds import FeedSource
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.http_clients import Clock, client

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)
HUNDRED = "".join(f"192.0.2.{n}\n" for n in range(100))


def own(name: str = "ours", **more: Any) -> OwnList:
    return OwnList(
        name=name,
        url=f"https://lists.example/{name}",
        direction=EvidenceDirection.OUTBOUND,
        reliability=Reliability.B,
        min_interval_h=1,
        **more,
    )


def settings_for(folder: Path, *lists: OwnList, built_in: tuple[str, ...] = (), **more: Any) -> FeedSettings:
    return FeedSettings(folder=folder, built_in=built_in, own=lists or (own(),), **more)


class Server:
    """Answers calls in the order given and keeps what it was asked."""

    def __init__(self, *answers: str | bytes | Reply | ConnectorError | Callable[[], str]) -> None:
        self.answers = list(answers)
        self.asked: list[Call] = []

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        assert not deadline.passed
        self.asked.append(call)
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer()
        if isinstance(answer, ConnectorError):
            raise answer
        return answer if isinstance(answer, Reply) else reply(answer)


def reply(body: str | bytes = b"", status: int = 200, **headers: str) -> Reply:
    content = body.encode() if isinstance(body, str) else body
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, names, content, NOW, from_cache=False, stale=False)


def update(settings: FeedSettings, *answers: Any, now: datetime = NOW) -> tuple[Server, FeedOutcome]:
    server = Server(*answers)
    outcomes = update_feeds(settings, server, now)
    return server, outcomes[0]


def state(settings: FeedSettings, now: datetime = NOW) -> FeedState:
    return list_feeds(settings, now)[0].state


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in {MANIFEST, feed_store.LOCK})


def test_a_first_download(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "feeds")
    assert state(settings) is FeedState.MISSING
    server, outcome = update(settings, HUNDRED)
    assert (outcome.result, outcome.count, outcome.size) == (UpdateResult.UPDATED, 100, len(HUNDRED))
    assert server.asked == [Call(source="ours", url="https://lists.example/ours", headers={})]
    (status,) = list_feeds(settings, LATER)
    assert (status.state, status.count, status.age_s) == (FeedState.GOOD, 100, 7200)
    assert len(files(tmp_path / "feeds")) == 1


def test_a_second_download_replaces_the_first(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    update(settings, HUNDRED)
    _, outcome = update(settings, HUNDRED + "198.51.100.1\n", now=LATER)
    assert outcome.detail == "101 entries, before 100."
    assert len(files(tmp_path)) == 1


def test_not_modified_confirms_the_copy(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    update(settings, reply(HUNDRED, etag='"v1"', last_modified="Sun, 01 Mar 2026 11:00:00 GMT"))
    server, outcome = update(settings, reply(status=304), now=LATER)
    assert server.asked[0].headers == {
        "If-None-Match": '"v1"',
        "If-Modified-Since": "Sun, 01 Mar 2026 11:00:00 GMT",
    }
    assert (outcome.result, outcome.fetched_at, outcome.count) == (UpdateResult.UNCHANGED, LATER, 100)
    assert state(settings, LATER) is FeedState.GOOD


def test_not_modified_without_a_copy_is_a_failure(tmp_path: Path) -> None:
    _, outcome = update(settings_for(tmp_path), reply(status=304))
    assert outcome.result is UpdateResult.FAILED


def test_a_header_that_could_break_a_request_is_not_sent_back(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    update(settings, reply(HUNDRED, etag='"a"\r\nX-Evil: 1', last_modified="x" * 300))
    server, _ = update(settings, HUNDRED, now=LATER)
    assert server.asked[0].headers == {}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("<!DOCTYPE html><html>please log in</html>", "web page"),
        ("", "empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("192.0.2.1\n192.0.2.2\n", "has 2 entries, the copy on disk 100"),
        ("# all gone\n", "holds no address"),
        ("bad\n" * 5 + "192.0.2.1\n", "cannot be read"),
        (Transient("ours", "no connection"), "no connection"),
        (BadResponse("ours", "the body is larger than allowed"), "larger than allowed"),
        (reply(HUNDRED)._replace(stale=True, failure="it is down"), "it is down"),
    ],
)
def test_what_is_no_good_list_leaves_the_last_good_copy(tmp_path: Path, answer: Any, words: str) -> None:
    settings = settings_for(tmp_path)
    update(settings, HUNDRED)
    _, outcome = update(settings, answer, now=LATER)
    assert outcome.result is UpdateResult.KEPT
    assert words in outcome.detail
    assert "last good copy stays" in outcome.detail
    (status,) = list_feeds(settings, LATER)
    assert (status.state, status.count, status.fetched_at) == (FeedState.GOOD, 100, NOW)
    assert words in status.problem


def test_without_a_copy_a_bad_download_is_a_failure(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    _, outcome = update(settings, "<html>")
    assert outcome.result is UpdateResult.FAILED
    (status,) = list_feeds(settings, NOW)
    assert status.state is FeedState.MISSING
    assert "web page" in status.problem


def test_a_list_that_has_truly_shrunk_is_taken_once_its_copy_is_deleted(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    update(settings, HUNDRED)
    (copy,) = files(tmp_path)
    _, outcome = update(settings, "192.0.2.1\n", now=LATER)
    assert outcome.result is UpdateResult.KEPT
    assert f"if the list has truly shrunk, delete {copy} in the folder of feeds" in outcome.detail
    (tmp_path / copy).unlink()
    _, outcome = update(settings, "192.0.2.1\n", now=LATER + timedelta(hours=2))
    assert (outcome.result, outcome.count) == (UpdateResult.UPDATED, 1)


def test_a_feed_of_command_servers_that_empties_keeps_its_copy(tmp_path: Path) -> None:
    settings = FeedSettings(folder=tmp_path, built_in=("feodo",))
    update(settings, json.dumps([{"ip_address": "192.0.2.1"}]))
    _, outcome = update(settings, "[]", now=LATER)
    assert outcome.result is UpdateResult.KEPT
    assert "has 0 entries" in outcome.detail


def test_a_download_over_the_cap_is_refused(tmp_path: Path) -> None:
    _, outcome = update(settings_for(tmp_path, max_bytes=1024), HUNDRED)
    assert "larger than 1,024 bytes" in outcome.detail
    assert files(tmp_path) == []


def test_a_range_as_wide_as_the_internet_is_refused_and_told(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    update(settings, HUNDRED + "0.0.0.0/0\n")
    (status,) = list_feeds(settings, NOW)
    assert status.count == 100
    assert "0.0.0.0/0 is wider than /8" in status.problem


def test_nobody_is_asked_before_the_interval_is_over(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    update(settings, HUNDRED)
    server, outcome = update(settings, now=NOW + timedelta(minutes=59))
    assert (server.asked, outcome.result) == ([], UpdateResult.TOO_SOON)
    assert "in 1 minutes" in outcome.detail
    assert outcome.count == 100


def test_after_a_failure_it_may_be_asked_sooner_but_not_spamhaus(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, built_in=("spamhaus_drop_v4",))
    down = [Transient("x", "down"), Transient("x", "down")]
    update_feeds(settings, Server(*down), NOW)
    server = Server(HUNDRED)
    spamhaus, ours = update_feeds(settings, server, NOW + timedelta(minutes=6))
    assert (spamhaus.result, ours.result) == (UpdateResult.TOO_SOON, UpdateResult.UPDATED)
    assert [call.source for call in server.asked] == ["ours"]


def test_a_clock_set_back_does_not_block(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    update(settings, HUNDRED, now=NOW + timedelta(days=400))
    assert state(settings) is FeedState.STALE
    _, outcome = update(settings, HUNDRED)
    assert outcome.result is UpdateResult.UNCHANGED
    assert state(settings) is FeedState.GOOD


def test_one_feed_fails_and_the_others_are_updated(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, own("one"), own("two"), own("three"))
    server = Server(HUNDRED, Transient("two", "down"), HUNDRED)
    results = [outcome.result for outcome in update_feeds(settings, server, NOW)]
    assert results == [UpdateResult.UPDATED, UpdateResult.FAILED, UpdateResult.UPDATED]


def test_the_copyright_line_is_kept(tmp_path: Path) -> None:
    settings = FeedSettings(folder=tmp_path, built_in=("spamhaus_drop_v4",))
    lines = [
        '{"cidr":"192.0.2.0/24","sblid":"SBL1"}',
        '{"type":"metadata","copyright":"(c) The Spamhaus Project"}',
    ]
    update(settings, "\n".join(lines))
    (status,) = list_feeds(settings, NOW)
    assert status.credit == "(c) The Spamhaus Project"
    assert (
        "(c) The Spamhaus Project"
        in FeedSource(settings, settings.feeds[0], clock=lambda: NOW).check().detail
    )


def test_a_changed_address_counts_as_another_feed(tmp_path: Path) -> None:
    update(settings_for(tmp_path), HUNDRED)
    moved = settings_for(tmp_path, own().model_copy(update={"url": "https://elsewhere.example/ours"}))
    assert state(moved) is FeedState.MISSING
    server, outcome = update(moved, "192.0.2.1\n")
    assert (server.asked[0].headers, outcome.result) == ({}, UpdateResult.UPDATED)


def test_a_damaged_copy_is_told_and_fetched_anew_without_conditions(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    update(settings, reply(HUNDRED, etag='"v1"'))
    (copy,) = files(tmp_path)
    (tmp_path / copy).write_text("198.51.100.1\n")
    (status,) = list_feeds(settings, NOW)
    assert status.state is FeedState.BROKEN
    assert "checksum" in status.problem
    server, outcome = update(settings, HUNDRED, now=LATER)
    assert server.asked[0].headers == {}
    assert outcome.result is UpdateResult.UPDATED
    assert state(settings, LATER) is FeedState.GOOD


@pytest.mark.parametrize("content", ["", "{", "[]", '{"feeds": {"ours": 1}}', "\x00"])
def test_a_damaged_manifest_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    settings = settings_for(tmp_path)
    (status,) = list_feeds(settings, NOW)
    assert status.state is FeedState.BROKEN
    server, outcome = update(settings, HUNDRED)
    assert (server.asked, outcome.result) == ([], UpdateResult.FAILED)


def test_a_manifest_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "feeds")
    update(settings, HUNDRED)
    (tmp_path / "secret.feed").write_text(HUNDRED)  # with the checksum that the manifest has
    manifest = read_manifest(tmp_path / "feeds")
    moved = manifest.feeds["ours"].model_copy(update={"file": "../secret.feed"})
    feed_store.write_manifest(tmp_path / "feeds", manifest.model_copy(update={"feeds": {"ours": moved}}))
    (status,) = list_feeds(settings, NOW)
    assert (status.state, status.problem) == (
        FeedState.BROKEN,
        f"{MANIFEST} names a file that is no copy of ours",
    )


@pytest.mark.parametrize("which", ["manifest", "copy"])
def test_a_pipe_in_place_of_a_file_is_told_and_not_waited_for(tmp_path: Path, which: str) -> None:
    settings = settings_for(tmp_path)
    update(settings, HUNDRED)
    name = MANIFEST if which == "manifest" else files(tmp_path)[0]
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    (status,) = list_feeds(settings, NOW)
    assert (status.state, status.problem) == (FeedState.BROKEN, f"{name} is no regular file")
    _, outcome = update(settings, HUNDRED, now=LATER)
    assert outcome.result is (UpdateResult.FAILED if which == "manifest" else UpdateResult.UPDATED)


def test_a_pipe_in_place_of_the_lock_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / feed_store.LOCK)
    server, outcome = update(settings_for(tmp_path), HUNDRED)
    assert (server.asked, outcome.result) == ([], UpdateResult.FAILED)
    assert "the lock update.lock is no regular file" in outcome.detail


def test_folders_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        update(settings_for(tmp_path / "data" / "feeds"), HUNDRED)
    finally:
        os.umask(before)
    made = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
    modes = {path.name.partition("-")[0]: path.stat().st_mode & 0o777 for path in made}
    assert modes == {"data": 0o700, "feeds": 0o700, MANIFEST: 0o600, feed_store.LOCK: 0o600, "ours": 0o600}


def test_a_copy_that_is_no_longer_taken_is_not_confirmed_by_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path)
    update(settings, reply(HUNDRED, etag='"v1"'))
    monkeypatch.setattr(feed_formats, "MAX_ENTRIES", 3)
    server, outcome = update(settings, "192.0.2.1\n", now=LATER)
    assert (server.asked[0].headers, outcome.result) == ({}, UpdateResult.UPDATED)


class Killed(BaseException):
    """The process dies."""


@pytest.mark.parametrize("step", ["download", "copy", "manifest"])
def test_dying_anywhere_leaves_the_old_copy_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    settings = settings_for(tmp_path)
    update(settings, HUNDRED)
    real = Path.replace

    def die() -> str:
        raise Killed

    def die_at(self: Path, target: Path) -> Path:
        of_copy = target.name.endswith(".feed")
        of_new_manifest = not of_copy and b'"count": 101' in self.read_bytes()
        if of_copy if step == "copy" else of_new_manifest:
            raise Killed
        return real(self, target)

    if step != "download":
        monkeypatch.setattr(Path, "replace", die_at)
    with pytest.raises(Killed):
        update(settings, die if step == "download" else HUNDRED + "198.51.100.1\n", now=LATER)
    monkeypatch.setattr(Path, "replace", real)
    (status,) = list_feeds(settings, LATER)
    assert (status.state, status.count) == (FeedState.GOOD, 100)

    _, outcome = update(settings, HUNDRED + "198.51.100.1\n", now=LATER + timedelta(hours=2))
    assert (outcome.result, outcome.count) == (UpdateResult.UPDATED, 101)
    assert len(files(tmp_path)) == 1


def test_what_a_dead_writer_left_is_deleted(tmp_path: Path) -> None:
    (tmp_path / ".part-abc").write_text("half a list")
    update(settings_for(tmp_path), HUNDRED)
    assert [name for name in files(tmp_path) if name.startswith(".part")] == []


def test_two_updates_at_once_do_not_collide(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    seen: list[UpdateResult] = []

    def second() -> None:
        seen.append(update(settings, HUNDRED)[1].result)

    def first() -> str:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        return HUNDRED

    _, outcome = update(settings, first)
    assert (seen, outcome.result) == ([UpdateResult.BUSY], UpdateResult.UPDATED)


def test_a_dead_process_holds_no_lock(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        with update_lock(tmp_path):
            os._exit(0)
    os.waitpid(pid, 0)
    _, outcome = update(settings_for(tmp_path), HUNDRED)
    assert outcome.result is UpdateResult.UPDATED


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _, outcome = update(settings_for(tmp_path / "file"), HUNDRED)
    assert outcome.result is UpdateResult.FAILED


def test_lists_on_disk_are_not_downloaded(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("192.0.2.1\n")
    local = OwnList(
        name="local",
        path=tmp_path / "list.txt",
        direction=EvidenceDirection.OUTBOUND,
        reliability=Reliability.A,
    )
    for folder in (None, tmp_path / "feeds"):
        server, outcome = update(FeedSettings(folder=folder, built_in=(), own=(local,)))
        assert (server.asked, outcome.result) == ([], UpdateResult.ON_DISK)


def test_without_a_folder_nothing_is_asked() -> None:
    server, outcome = update(FeedSettings())
    assert (server.asked, outcome.result) == ([], UpdateResult.FAILED)


def test_over_the_wire_an_unchanged_list_renews_the_copy_it_confirms(
    tmp_path: Path,
) -> None:
    """The real client and a server on this machine; only the rule that a list is https:// is set aside."""
    tag, body = '"v1"', HUNDRED.encode()
    headers = (("ETag", tag), ("Content-Type", "text/plain"))

    def decide(seen: Seen) -> Answer:
        if seen.headers.get("if-none-match") == tag:
            return Answer(304, b"", headers=(*headers, ("Content-Length", str(len(body)))))
        return Answer(200, body, headers=headers)

    clock = Clock()
    clock.now = NOW
    with FakeServer(decide=decide) as server, client(clock, folder=tmp_path / "state") as http:
        ours = own().model_copy(update={"url": f"{server.url}/list.txt"})
        settings = settings_for(tmp_path / "feeds").model_copy(update={"own": (ours,)})
        results = []
        for when in (NOW, LATER):
            clock.now = when
            (outcome,) = update_feeds(settings, http, when)
            results.append((outcome.result, outcome.count, outcome.fetched_at))
        assert results == [(UpdateResult.UPDATED, 100, NOW), (UpdateResult.UNCHANGED, 100, LATER)]
        assert [seen.headers.get("if-none-match") for seen in server.seen] == [None, tag]
    (status,) = list_feeds(settings, LATER)
    assert (status.state, status.count, status.age_s) == (FeedState.GOOD, 100, 0)
    assert [(tmp_path / "feeds" / name).read_bytes() for name in files(tmp_path / "feeds")] == [body]
