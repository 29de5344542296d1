"""The bench runner: reading bounds, judging rows, the table, the exit code."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import benchmarks
from benchmarks import __main__ as runner
from benchmarks.rows import Must, Row, check_row, judge, parse_must


def row(name: str = "a", size: int = 10, ratio: float = 2.0, must: str = ">= 2") -> Row:
    return {
        "name": name,
        "size": size,
        "ours_s": 0.5,
        "baseline_s": 1.0,
        "ratio": ratio,
        "must": must,
        "unit": "x as fast",
    }


@pytest.mark.parametrize(
    ("text", "must"),
    [
        (">= 10", Must(">=", 10)),
        ("<= 1.4", Must("<=", 1.4)),
        ("<0.6", Must("<", 0.6)),
        (" > 0 ", Must(">", 0)),
        ("", None),
    ],
)
def test_bounds_are_read(text: str, must: Must | None) -> None:
    assert parse_must(text) == must


@pytest.mark.parametrize(
    "text", ["10", "= 10", "=> 10", ">= ten", ">= 1 2", "<= -1", ">= nan", "at least 10", " "]
)
def test_other_bounds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a bound"):
        parse_must(text)


@pytest.mark.parametrize(
    ("text", "below", "at", "above"),
    [
        (">= 2", False, True, True),
        ("<= 2", True, True, False),
        ("> 2", False, False, True),
        ("< 2", True, False, False),
    ],
)
def test_bounds_hold_as_written(text: str, *, below: bool, at: bool, above: bool) -> None:
    must = parse_must(text)
    assert must is not None
    assert [must.holds(ratio) for ratio in (1.9, 2.0, 2.1)] == [below, at, above]
    assert not must.holds(math.nan)


def test_the_largest_size_of_a_name_is_judged() -> None:
    rows = [row(size=100, ratio=2.5), row(size=10, ratio=0.1), row("b", size=10, ratio=0.1)]
    assert [(r["name"], r["size"], ok) for r, ok in judge(rows)] == [
        ("a", 10, None),
        ("a", 100, True),
        ("b", 10, False),
    ]


def test_a_row_may_ask_to_be_judged_at_its_size() -> None:
    small = row(size=10, ratio=0.1)
    small["every_size"] = True
    assert [ok for _, ok in judge([small, row(size=100)])] == [False, True]


def test_a_row_without_bound_is_shown_only() -> None:
    assert judge([row(must="")])[0].ok is None


@given(st.lists(st.builds(row, name=st.sampled_from("abc"), size=st.integers(1, 9)), max_size=12))
def test_judging_loses_no_row_and_judges_every_name(rows: list[Row]) -> None:
    judged = judge(rows)
    assert sorted(map(repr, rows)) == sorted(repr(r) for r, _ in judged)
    assert {r["name"] for r, ok in judged if ok is not None} == {r["name"] for r in rows}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratio": "2"}, "ratio of type str"),
        ({"must": "fast"}, "not a bound"),
        ({"speed": 1}, "unknown speed"),
    ],
)
def test_a_malformed_row_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_row({**row(), **change})


def test_a_row_with_a_missing_key_is_refused() -> None:
    with pytest.raises(ValueError, match="without ratio, unit"):
        check_row({key: value for key, value in row().items() if key not in {"ratio", "unit"}})


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (61.5, "x the time", "61.50 s"),
        (1.0, "", "1.00 s"),
        (0.5, "x as fast", "500.00 ms"),
        (0.00002, "x as fast", "20.00 µs"),
        (1234.56, "MB", "1,234.6 MB"),
    ],
)
def test_amounts(value: float, unit: str, text: str) -> None:
    assert runner.amount(value, unit) == text


def test_the_table_is_aligned() -> None:
    lines = runner.table(
        judge([row(size=1000), row("a longer name", ratio=1.0), row("none", must="")])
    ).splitlines()
    assert lines[0].split() == ["name", "size", "ours", "baseline", "ratio", "must"]
    assert lines[1].split() == [
        "a",
        "1,000",
        "500.00",
        "ms",
        "1.00",
        "s",
        "2.00",
        "x",
        "as",
        "fast",
        ">=",
        "2",
        "ok",
    ]
    assert lines[2].endswith("MISSED")
    assert lines[3].endswith("x as fast")
    assert len({line.index("x as fast") for line in lines[1:]}) == 1


MODULE = """
SIZES = (1, 2)

def run(sizes):
    return [
        dict(name="n", size=size, ours_s=1.0, baseline_s=2.0, ratio=2.0, must="{must}", unit="x as fast")
        for size in sizes
    ]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of benchmarks that `benchmarks` finds its modules in; nothing of it stays imported."""
    monkeypatch.setattr(benchmarks, "__path__", [str(tmp_path)])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("benchmarks.bench_"):
            del sys.modules[name]


def run(folder: Path, *arguments: str) -> int:
    return runner.main(["--json", str(folder / "out/b.json"), *arguments], folder=folder)


def test_a_run_that_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bench_good_one.py").write_text(MODULE.format(must=">= 2"))
    (folder / "not_a_benchmark.py").write_text("raise RuntimeError")
    assert run(folder) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(">= 2  ok")
    document = json.loads((folder / "out/b.json").read_text())
    assert [(item["size"], item["ok"]) for item in document["rows"]] == [(1, None), (2, True)]
    assert document["failures"] == {}
    assert document["machine"].keys() == {"cpu", "cores", "system", "machine", "python"}


def test_a_missed_bound_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bench_slow_one.py").write_text(MODULE.format(must=">= 3"))
    assert run(folder) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "missed: n"


def test_a_quick_run_judges_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bench_slow_two.py").write_text("QUICK_SIZES = (3,)\n" + MODULE.format(must=">= 3"))
    assert run(folder, "--quick") == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(">= 3")
    document = json.loads((folder / "out/b.json").read_text())
    assert [(item["size"], item["ok"]) for item in document["rows"]] == [(3, None)]


def test_a_broken_benchmark_fails_and_hides_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bench_broken_one.py").write_text("def run(sizes):\n    raise OSError('no such data')\n")
    (folder / "bench_good_two.py").write_text(MODULE.format(must=">= 2"))
    assert run(folder) == 1
    out = capsys.readouterr().out
    assert "broken_one FAILED: OSError: no such data" in out
    assert ">= 2  ok" in out


def test_only_runs_what_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bench_broken_two.py").write_text("raise RuntimeError")
    (folder / "bench_good_three.py").write_text(MODULE.format(must=">= 2"))
    assert run(folder, "--only", "good_three") == 0
    with pytest.raises(SystemExit) as stopped:
        run(folder, "--only", "absent")
    assert stopped.value.code == 2
    assert "choose from 'broken_two', 'good_three'" in capsys.readouterr().err
