"""Quota and breaker: the rules, and the table over threads, processes and damaged files."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.call import Limits
from connectors.state.quota import (
    FILE_NAME,
    LONGEST_WAIT_S,
    Breaker,
    QuotaStore,
    RefusedBy,
    Usage,
    _usage_of,
    admit,
    after_answer,
    after_failure,
    after_limit,
)
from tests.conftest import ROOT

NOW = datetime(2026, 11, 24, 23, 59, 30, tzinfo=UTC).timestamp()
BREAKER = Breaker(failures=3, open_s=60)
FREE = Limits()


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Ticking:
    def __init__(self) -> None:
        self.now = moment(NOW)

    def __call__(self) -> datetime:
        return self.now


def test_a_minute_is_any_sixty_seconds() -> None:
    limits = Limits(per_minute=2)
    usage, refusal = admit(Usage(), limits, BREAKER, NOW)
    assert refusal is None
    usage, refusal = admit(usage, limits, BREAKER, NOW + 50)
    assert refusal is None
    usage, refusal = admit(usage, limits, BREAKER, NOW + 59)
    assert refusal == (RefusedBy.MINUTE, moment(NOW + 60))
    usage, refusal = admit(usage, limits, BREAKER, NOW + 60)
    assert refusal is None
    assert admit(usage, limits, BREAKER, NOW + 61)[1] == (RefusedBy.MINUTE, moment(NOW + 110))


def test_a_day_ends_at_midnight_utc() -> None:
    limits = Limits(per_day=1)
    usage, refusal = admit(Usage(), limits, BREAKER, NOW)
    assert refusal is None
    midnight = NOW + 30
    assert admit(usage, limits, BREAKER, NOW + 1)[1] == (RefusedBy.DAY, moment(midnight))
    usage, refusal = admit(usage, limits, BREAKER, midnight)
    assert refusal is None
    assert usage.day_used == 1


@pytest.mark.parametrize("limits", [Limits(per_minute=0), Limits(per_day=0)])
def test_a_limit_of_nothing_grants_nothing(limits: Limits) -> None:
    assert admit(Usage(), limits, BREAKER, NOW)[1] is not None


def test_a_refusal_costs_nothing() -> None:
    limits = Limits(per_minute=1, per_day=10)
    usage, _ = admit(Usage(), limits, BREAKER, NOW)
    after, refusal = admit(usage, limits, BREAKER, NOW + 1)
    assert refusal is not None
    assert after == usage


def test_the_breaker_opens_and_lets_one_probe_through() -> None:
    usage = Usage()
    for _ in range(2):
        usage = after_failure(usage, BREAKER, NOW)
        assert admit(usage, FREE, BREAKER, NOW)[1] is None
    usage = after_failure(usage, BREAKER, NOW)
    assert admit(usage, FREE, BREAKER, NOW + 59)[1] == (RefusedBy.BREAKER, moment(NOW + 60))

    usage, refusal = admit(usage, FREE, BREAKER, NOW + 60)
    assert refusal is None
    assert admit(usage, FREE, BREAKER, NOW + 61)[1] == (RefusedBy.BREAKER, moment(NOW + 120))
    assert admit(usage, FREE, BREAKER, NOW + 120)[1] is None, "a probe that died is followed by another"

    failed = after_failure(usage, BREAKER, NOW + 65)
    assert admit(failed, FREE, BREAKER, NOW + 124)[1] == (RefusedBy.BREAKER, moment(NOW + 125))
    assert admit(after_answer(usage), FREE, BREAKER, NOW + 65)[1] is None


def test_failures_must_be_in_a_row() -> None:
    usage = Usage()
    for _ in range(5):
        usage = after_failure(after_failure(usage, BREAKER, NOW), BREAKER, NOW)
        usage = after_answer(usage)
    assert admit(usage, FREE, BREAKER, NOW)[1] is None


def test_a_source_is_left_alone_for_as_long_as_it_asks_but_a_day_at_most() -> None:
    usage = after_limit(Usage(), NOW + 30, NOW)
    assert admit(usage, FREE, BREAKER, NOW + 29)[1] == (RefusedBy.SOURCE, moment(NOW + 30))
    assert admit(usage, FREE, BREAKER, NOW + 30)[1] is None
    assert admit(after_limit(Usage(), None, NOW), FREE, BREAKER, NOW + 59)[1] is not None
    assert after_limit(Usage(), NOW + 1e9, NOW).blocked_until == NOW + LONGEST_WAIT_S


def test_times_of_a_clock_that_was_wrong_count_for_nothing() -> None:
    far = NOW + 10 * LONGEST_WAIT_S
    usage = Usage(
        recent=(far, far), day=int(far // 86_400), day_used=9, blocked_until=far, failures=9, open_until=far
    )
    assert admit(usage, Limits(per_minute=1, per_day=1), BREAKER, NOW)[1] is None


@given(
    st.lists(st.floats(min_value=0, max_value=30), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=5),
)
def test_no_minute_ever_holds_more_than_its_limit(steps: list[float], limit: int) -> None:
    usage, now, granted = Usage(), NOW, list[float]()
    for step in steps:
        now += step
        usage, refusal = admit(usage, Limits(per_minute=limit), BREAKER, now)
        if refusal is None:
            granted.append(now)
        else:
            assert refusal.until.timestamp() > now
    assert all(sum(at - 60 < other <= at for other in granted) <= limit for at in granted)


def test_the_table_is_exact_over_threads(tmp_path: Path) -> None:
    store = QuotaStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        refusals = list(pool.map(lambda _: store.admit("a", Limits(per_day=25), wait_s=30), range(80)))
    assert refusals.count(None) == 25
    assert store.usage("a").day_used == 25
    assert store.usage("b") == Usage()
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_table_is_exact_over_forked_and_new_processes(tmp_path: Path) -> None:
    limit, attempts = 60, 20
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.quota_grants", str(tmp_path), str(limit), str(attempts), how],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for how in ("fork", "once", "once", "once", "once")
    ]
    granted = [int(process.communicate(timeout=120)[0]) for process in running]
    assert [process.returncode for process in running] == [0] * 5
    assert sum(granted) == limit
    store = QuotaStore(tmp_path)
    assert store.usage("someone").day_used == limit
    store.close()


def test_what_is_remembered_outlives_the_process(tmp_path: Path) -> None:
    clock = Ticking()
    store = QuotaStore(tmp_path, clock=clock)
    store.limited("a", clock.now + timedelta(hours=1), wait_s=1)
    store.close()
    again = QuotaStore(tmp_path, clock=clock)
    assert again.admit("a", FREE, wait_s=1) == (RefusedBy.SOURCE, clock.now + timedelta(hours=1))
    again.close()


def test_the_file_is_private_and_has_a_rollback_journal(tmp_path: Path) -> None:
    store = QuotaStore(tmp_path / "new" / "folder")
    store.admit("a", FREE, wait_s=1)
    path = tmp_path / "new" / "folder" / FILE_NAME
    store.close()
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


@pytest.mark.parametrize(
    "row",
    [
        ("garbage", "x", "y", "z", "w", "v"),
        ('{"a": 1}', -1, -5, -1.0, -9, -1.0),
        ('[null, "a", -1, NaN, 1e999, true, []]', 1e300, 1.5, 1e300, b"\x00", b"\xff"),
        ("[" * 100_000, 0, 0, 0, 0, 0),
        (b"\xff", 0, 0, 0, 0, 0),
    ],
)
def test_a_row_of_garbage_stops_what_has_limits(
    row: tuple[object, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = QuotaStore(tmp_path)
    store.admit("a", FREE, wait_s=1)
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("INSERT OR REPLACE INTO source_use_1 VALUES ('a', ?, ?, ?, ?, ?, ?)", row)
    other.commit()
    other.close()
    limits = Limits(per_minute=9, per_day=9)
    for _ in range(2):
        refusal = store.admit("a", limits, wait_s=1)
        assert refusal is not None
        assert refusal.by is RefusedBy.FILE
    assert store.admit("a", FREE, wait_s=1) is None
    assert store.usage("a").day_used > 0, "it goes on in memory"
    assert FILE_NAME in caplog.text
    assert "delete it" in caplog.text
    store.close()


def test_a_refusal_outlives_a_row_of_garbage_no_longer_than_the_file(tmp_path: Path) -> None:
    store = QuotaStore(tmp_path)
    store.admit("a", FREE, wait_s=1)
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("UPDATE source_use_1 SET day_used = -5")
    other.close()
    assert store.admit("a", Limits(per_day=1), wait_s=1) is not None
    store.close()
    (tmp_path / FILE_NAME).unlink()
    again = QuotaStore(tmp_path)
    assert again.admit("a", Limits(per_day=1), wait_s=1) is None
    again.close()


@given(
    st.lists(st.sampled_from(["ask", "fail", "answer", "limit"]), max_size=12),
    st.one_of(st.none(), st.floats(min_value=-1e12, max_value=1e12)),
)
def test_what_the_rules_write_can_be_read_again(happened: list[str], retry_at: float | None) -> None:
    usage = Usage()
    for step, what in enumerate(happened):
        now = NOW + step
        if what == "ask":
            usage, _ = admit(usage, Limits(per_minute=3), BREAKER, now)
        elif what == "fail":
            usage = after_failure(usage, BREAKER, now)
        else:
            usage = after_answer(usage) if what == "answer" else after_limit(usage, retry_at, now)
    assert _usage_of((json.dumps(usage.recent), *usage[1:])) == usage


def test_a_closed_table_is_not_opened_again_and_nobody_is_warned_of_late_threads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = QuotaStore(tmp_path)
    store.admit("a", FREE, wait_s=1)
    store.close()
    (tmp_path / FILE_NAME).unlink()
    refusal = store.admit("a", Limits(per_day=9), wait_s=1)
    assert refusal is not None
    assert refusal.by is RefusedBy.TABLE
    store.answered("a", wait_s=1)
    store.failed("a", wait_s=1)
    assert not any(
        "remembered" in each.getMessage() for each in caplog.records if each.levelno > logging.INFO
    )
    assert store.usage("a") == Usage()
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.skipif(os.name != "posix", reason="links and modes of POSIX")
@pytest.mark.parametrize("there", [False, True])
def test_a_link_in_place_of_the_file_is_refused(
    there: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "elsewhere"
    if there:
        elsewhere.write_bytes(b"")
    (tmp_path / FILE_NAME).symlink_to(elsewhere)
    store = QuotaStore(tmp_path)
    assert store.admit("a", FREE, wait_s=1) is None
    refusal = store.admit("a", Limits(per_day=9), wait_s=1)
    assert refusal is not None
    assert refusal.by is RefusedBy.FILE
    assert "going on in memory" in caplog.text
    assert elsewhere.exists() == there
    assert not there or elsewhere.read_bytes() == b""
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="links and modes of POSIX")
def test_each_folder_that_is_made_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = QuotaStore(tmp_path / "a" / "b")
        store.admit("a", FREE, wait_s=1)
        store.close()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"a": 0o700, "b": 0o700, FILE_NAME: 0o600}


def test_a_damaged_file_is_left_alone_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"not a database" * 100)
    store = QuotaStore(tmp_path)
    assert store.admit("a", FREE, wait_s=1) is None
    assert store.admit("a", Limits(per_day=9), wait_s=1) is not None, "a limit cannot be kept in memory"
    assert store.usage("a").day_used == 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text
    assert path.read_bytes() == b"not a database" * 100
    store.close()


def test_a_folder_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = QuotaStore(tmp_path / "file" / "folder")
    assert store.admit("a", FREE, wait_s=1) is None
    store.close()


def test_a_locked_file_stops_a_source_with_limits_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = QuotaStore(tmp_path)
    limits = Limits(per_day=1)
    assert store.admit("a", limits, wait_s=1) is None
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refusal = store.admit("a", limits, wait_s=0.01)
    assert refusal is not None
    assert refusal.by is RefusedBy.TABLE
    assert store.admit("a", Limits(per_minute=1), wait_s=0.01) is not None
    assert store.admit("a", FREE, wait_s=0.01) is None
    store.answered("a", wait_s=0.01)
    assert store.usage("a", wait_s=0.01) == Usage()
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    other.execute("ROLLBACK")
    other.close()
    assert store.admit("a", limits, wait_s=1) is not None, "the file is used again"
    store.close()
