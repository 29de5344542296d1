"""Quota and breaker: the rules, and the table over threads, processes and damaged files."""

from __future__ import annotations

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


def test_a_damaged_file_is_left_alone_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"not a database" * 100)
    store = QuotaStore(tmp_path)
    assert store.admit("a", Limits(per_day=1), wait_s=1) is None
    assert store.admit("a", Limits(per_day=1), wait_s=1) is not None, "it goes on in memory"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text
    assert path.read_bytes() == b"not a database" * 100
    store.close()


def test_a_folder_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = QuotaStore(tmp_path / "file" / "folder")
    assert store.admit("a", FREE, wait_s=1) is None
    store.close()


def test_a_locked_file_lets_the_source_be_asked_uncounted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = QuotaStore(tmp_path)
    limits = Limits(per_day=1)
    assert store.admit("a", limits, wait_s=1) is None
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert store.admit("a", limits, wait_s=0.01) is None
    assert store.usage("a", wait_s=0.01) == Usage()
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    other.execute("ROLLBACK")
    other.close()
    assert store.admit("a", limits, wait_s=1) is not None, "the file is used again"
    store.close()
