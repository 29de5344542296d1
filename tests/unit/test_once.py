"""What was sent is remembered by every process, and a claim ends by itself."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.state.once import Claimed, MemoryOnce, Once, OnceUnusable, SqliteOnce
from tests.http_clients import Clock

KINDS = pytest.mark.parametrize("kind", ["memory", "file"])


def made(kind: str, folder: Path, clock: Clock) -> Once:
    return MemoryOnce(clock=clock) if kind == "memory" else SqliteOnce(folder / "once.db", clock=clock)


@KINDS
def test_a_claim_is_granted_once_until_it_ends(kind: str, tmp_path: Path) -> None:
    clock = Clock()
    once = made(kind, tmp_path, clock)
    assert once.claim("a", 60) is Claimed.GRANTED
    clock.advance(59)
    assert once.claim("a", 60) is Claimed.HELD
    assert once.claim("b", 60) is Claimed.GRANTED
    clock.advance(1)
    assert once.claim("a", 60) is Claimed.GRANTED


@KINDS
@pytest.mark.parametrize(
    ("ended", "then"),
    [
        (lambda once: once.taken("a", 90), Claimed.TAKEN),
        (lambda once: once.unknown("a", 90), Claimed.HELD),
        (lambda once: once.release("a"), Claimed.GRANTED),
    ],
)
def test_what_became_of_it_is_remembered(
    kind: str, ended: Callable[[Once], None], then: Claimed, tmp_path: Path
) -> None:
    clock = Clock()
    once = made(kind, tmp_path, clock)
    once.claim("a", 60)
    ended(once)
    clock.advance(89)
    assert once.claim("a", 60) is then
    clock.advance(61)
    assert once.claim("a", 60) is Claimed.GRANTED


@KINDS
def test_a_clock_that_was_once_ahead_holds_no_claim_for_good(kind: str, tmp_path: Path) -> None:
    clock = Clock()
    once = made(kind, tmp_path, clock)
    clock.now += timedelta(days=400)
    once.claim("a", 60)
    clock.now -= timedelta(days=400)
    assert once.claim("a", 60) is Claimed.HELD
    clock.advance(60)
    assert once.claim("a", 60) is Claimed.GRANTED


def test_another_object_on_the_file_knows_it(tmp_path: Path) -> None:
    clock = Clock()
    SqliteOnce(tmp_path / "deep" / "once.db", clock=clock).claim("a", 60)
    assert SqliteOnce(tmp_path / "deep" / "once.db", clock=clock).claim("a", 60) is Claimed.HELD


def _claimed(path: Path) -> Claimed:
    return SqliteOnce(path).claim("a", 600)


def test_of_several_processes_one_is_granted_it(tmp_path: Path) -> None:
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawned) as pool:
        answers = list(pool.map(_claimed, [tmp_path / "once.db"] * 8))
    assert sorted(answers) == [Claimed.GRANTED, *[Claimed.HELD] * 7]


def test_a_file_that_cannot_be_used_is_refused_every_time(tmp_path: Path) -> None:
    broken, link = tmp_path / "broken.db", tmp_path / "link.db"
    broken.write_bytes(b"no database" * 100)
    link.symlink_to(tmp_path / "elsewhere.db")
    for path in (broken, link, tmp_path):
        once = SqliteOnce(path)
        with pytest.raises(OnceUnusable, match="cannot be used"):
            once.claim("a", 1)
        with pytest.raises(OnceUnusable, match="cannot be used"):
            once.taken("a", 1)
    assert not (tmp_path / "elsewhere.db").exists()
