"""`feeds update` and `feeds list`, against a server on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.reputation.offline.feed_settings import BUILT_IN
from tests.cli_runs import Invoke, invoking, settings_file
from tests.fakes.http_server import Answer, FakeServer, Seen

PLAIN = b"8.8.8.8\n1.1.1.0/24\n"


class FeedServer(FakeServer):
    """Serves the Tor list, and whatever `ipsum` is to be."""

    def __init__(self) -> None:
        self.ipsum = Answer(404)
        self.tor = Answer(200, PLAIN, (("Content-Type", "text/plain"),))
        super().__init__(decide=self._decide_by_path)

    def _decide_by_path(self, seen: Seen) -> Answer:
        return self.tor if seen.path == "/tor_exits" else self.ipsum


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedServer]:
    with FeedServer() as found:
        for name in ("tor_exits", "ipsum"):
            feed = BUILT_IN[name].model_copy(update={"url": f"{found.url}/{name}"})
            monkeypatch.setitem(BUILT_IN, name, feed)
        yield found


def config_of(tmp_path: Path, *more: str) -> Path:
    return settings_file(tmp_path, {}, more=['[reputation.feeds]\nbuilt_in = ["ipsum", "tor_exits"]', *more])


def results(text: str) -> dict[str, str]:
    return {each["name"]: each["result"] for each in json.loads(text)["feeds"]}


class TestUpdate:
    def test_one_that_fails_leaves_the_other_alone(
        self, invoke: Invoke, tmp_path: Path, server: FeedServer
    ) -> None:
        config = config_of(tmp_path)
        result = invoke("feeds", "update", "--config", config)
        assert result.code == 1
        assert f"downloading ipsum from {server.url}/ipsum\n" in result.err
        assert "downloading Tor exit addresses" in result.err
        lines = result.out.splitlines()
        assert [line.split()[:2] for line in lines if not line.startswith(" ")] == [
            ["feed", "outcome"],
            ["ipsum", "failed"],
            ["tor_exits", "updated"],
        ]
        assert "2 entries, before 0." in result.out

    def test_what_is_not_due_is_not_asked_for_again(
        self, invoke: Invoke, tmp_path: Path, server: FeedServer
    ) -> None:
        server.ipsum = Answer(200, b"8.8.8.8\t9\n1.1.1.1\t8\n", (("Content-Type", "text/plain"),))
        config = config_of(tmp_path)
        invoke("feeds", "update", "--config", config)
        asked = len(server.seen)
        result = invoke("feeds", "update", "--config", config, "--json")
        assert (result.code, result.err) == (0, "")
        assert results(result.out) == {"ipsum": "too_soon", "tor_exits": "too_soon"}
        assert len(server.seen) == asked
        assert "not due" in invoke("feeds", "update", "--config", config).out

    def test_a_feed_without_a_copy_is_a_failure_until_it_has_one(
        self, invoke: Invoke, tmp_path: Path, server: FeedServer
    ) -> None:
        config = config_of(tmp_path)
        assert invoke("feeds", "update", "--config", config).code == 1
        again = invoke("feeds", "update", "--config", config)
        assert (again.code, again.err) == (1, "")
        flat = " ".join(again.out.split())
        assert "There is no copy that can be used: no copy on disk (last try: " in flat
        assert "404" in flat

    def test_a_feed_over_the_cap_of_a_request_but_not_of_feeds_is_taken(
        self, invoke: Invoke, tmp_path: Path, server: FeedServer
    ) -> None:
        server.tor = Answer(200, PLAIN * 200, (("Content-Type", "text/plain"),))
        server.ipsum = server.tor
        config = config_of(tmp_path, "[reputation.http]\nmax_body_bytes = 1024")
        text = config.read_text().replace('built_in = ["ipsum", "tor_exits"]', 'built_in = ["tor_exits"]')
        config.write_text(text)
        assert results(invoke("feeds", "update", "--config", config, "--json").out) == {
            "tor_exits": "updated"
        }

    def test_a_folder_that_cannot_be_written_is_a_failure(
        self, invoke: Invoke, tmp_path: Path, server: FeedServer
    ) -> None:
        (tmp_path / "state").write_text("a file where the folder should be")
        result = invoke("feeds", "update", "--config", config_of(tmp_path), "--json")
        assert result.code == 1
        assert set(results(result.out).values()) == {"failed"}
        assert server.seen == []
        assert "Traceback" not in result.err
        text = invoke("feeds", "update", "--config", config_of(tmp_path))
        assert (text.out + text.err).count("The folder of feeds cannot be used") == 1

    def test_hostile_entries_reach_no_terminal(
        self, invoke: Invoke, tmp_path: Path, server: FeedServer
    ) -> None:
        server.tor = Answer(200, b"\x1b[2J\x07 evil\n" * 5, (("Content-Type", "text/plain"),))
        result = invoke("feeds", "update", "--config", config_of(tmp_path))
        assert result.code == 1
        assert not set(result.out + result.err) & set("\x1b\x07")


class TestList:
    def test_a_broken_copy_is_a_failure(self, invoke: Invoke, tmp_path: Path, server: FeedServer) -> None:
        config = config_of(tmp_path)
        invoke("feeds", "update", "--config", config)
        assert invoke("feeds", "list", "--config", config).code == 0
        (copy,) = (tmp_path / "state" / "feeds").glob("tor_exits-*.feed")
        copy.write_bytes(b"1.1.1.1\n")
        result = invoke("feeds", "list", "--config", config)
        assert result.code == 1
        assert "broken" in result.out

    def test_nothing_yet(self, invoke: Invoke, tmp_path: Path) -> None:
        result = invoke("feeds", "list")
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith(f"Folder: {tmp_path / 'data' / 'regsvcs-response' / 'feeds'}\n")
        assert result.out.count("missing") == len(BUILT_IN)
        assert not (tmp_path / "data").exists()

    def test_age_size_count_and_licence(self, invoke: Invoke, tmp_path: Path, server: FeedServer) -> None:
        config = config_of(tmp_path)
        invoke("feeds", "update", "--config", config)
        found = {
            each["name"]: each
            for each in json.loads(invoke("feeds", "list", "--config", config, "--json").out)["feeds"]
        }
        tor = found["tor_exits"]
        assert (tor["state"], tor["count"], tor["size"]) == ("good", 2, len(PLAIN))
        assert 0 <= tor["age_s"] < 600
        assert found["ipsum"]["state"] == "missing"
        text = invoke("feeds", "list", "--config", config).out
        assert "0 hours" in text
        assert f"licence: {BUILT_IN['tor_exits'].licence}" in text

    def test_what_was_downloaded_answers_a_lookup(
        self, invoke: Invoke, tmp_path: Path, server: FeedServer
    ) -> None:
        config = config_of(tmp_path)
        invoke("feeds", "update", "--config", config)
        result = invoke("reputation", "8.8.8.8", "--config", config, "--json")
        (found,) = json.loads(result.out)["destinations"]
        assert {each["source"]: each["status"] for each in found["answers"]}["tor_exits"] == "ok"
        assert "Tor exit" in {role["label"] for role in found["roles"]}


def test_help_names_both(invoke: Invoke) -> None:
    result = invoke("feeds", "--help")
    assert result.code == 0
    assert {"update", "list"} <= set(result.out.split())
