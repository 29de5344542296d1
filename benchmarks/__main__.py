"""`python -m benchmarks`: runs benchmarks/bench_*.py and prints each figure beside its baseline.

A benchmark is one module, bench_NAME.py, with `run(sizes: Sequence[int]) -> list[Row]`, and `SIZES` and
`QUICK_SIZES` where the default sizes do not suit it. Ratios are compared, never seconds of another day.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.rows import Judged, Row, check_row, judge

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "bench_"

#: Three sizes each, so that growth shows.
SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (500, 2_000, 8_000)

#: Version of the JSON document.
SCHEMA_VERSION = "1.0"

#: Heading and alignment of each column of the table.
COLUMNS = (
    ("name", "<"),
    ("size", ">"),
    ("ours", ">"),
    ("baseline", ">"),
    ("ratio", ">"),
    ("", "<"),
    ("must", "<"),
    ("", "<"),
)


def benchmark_names(folder: Path) -> list[str]:
    """Names of the benchmarks in `folder`, sorted; none is imported."""
    modules = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return sorted(name.removeprefix(PREFIX) for name in modules if name.startswith(PREFIX))


def run_benchmark(name: str, *, quick: bool) -> list[Row]:
    """Import and run one benchmark.

    Raises:
        ValueError: it yields something that is not a Row.
        Exception: whatever the benchmark raises.
    """
    module = importlib.import_module(f"benchmarks.{PREFIX}{name}")
    sizes = getattr(module, "QUICK_SIZES", QUICK_SIZES) if quick else getattr(module, "SIZES", SIZES)
    return [check_row(row) for row in module.run(sizes)]


def amount(value: float, unit: str) -> str:
    """A measured value for the table: MB where the row's unit says so, else seconds."""
    if unit == "MB":
        return f"{value:,.1f} MB"
    if value >= 1:
        return f"{value:,.2f} s"
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.2f} µs"


def table(judged: Sequence[Judged]) -> str:
    """All rows, aligned."""
    outcomes = {True: "ok", False: "MISSED", None: ""}
    lines = [tuple(heading for heading, _ in COLUMNS)] + [
        (
            row["name"],
            f"{row['size']:,}",
            amount(row["ours_s"], row["unit"]),
            amount(row["baseline_s"], row["unit"]) if row["baseline_s"] else "-",
            f"{row['ratio']:.2f}",
            row["unit"],
            row["must"],
            outcomes[ok],
        )
        for row, ok in judged
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:{side}{width}}" for cell, width, (_, side) in zip(line, widths, COLUMNS, strict=True)
        ).rstrip()
        for line in lines
    )


def machine_facts() -> dict[str, str | int | None]:
    """What the figures were measured on. No host name and no user."""
    return {
        "cpu": _cpu_model(),
        "cores": os.process_cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or "unknown"
    models = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(models, "unknown")


def document(judged: Sequence[Judged], failures: Mapping[str, str], *, quick: bool) -> dict[str, object]:
    """The JSON document of a run."""
    return {
        "schema_version": SCHEMA_VERSION,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine_facts(),
        "rows": [{**row, "ok": ok} for row, ok in judged],
        "failures": dict(failures),
    }


def main(argv: Sequence[str] | None = None, *, folder: Path = ROOT / "benchmarks") -> int:
    """Run the benchmarks; 1 if a bound is missed or a benchmark fails, 2 for a wrong argument."""
    names = benchmark_names(folder)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: a look; no bound is judged")
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=names, help=f"one of: {', '.join(names)}"
    )
    parser.add_argument(
        "--json", metavar="FILE", type=Path, default=ROOT / "out/bench.json", help="where the JSON goes"
    )
    options = parser.parse_args(argv)

    rows: list[Row] = []
    failures: dict[str, str] = {}
    for name in options.only or names:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        try:
            rows += run_benchmark(name, quick=options.quick)
        except Exception as exc:  # noqa: BLE001  the edge of the runner: one broken benchmark hides no other
            traceback.print_exc()
            failures[name] = f"{type(exc).__name__}: {exc}"
    judged = judge(rows, quick=options.quick)
    print(table(judged))
    for name, reason in failures.items():
        print(f"{name} FAILED: {reason}")

    options.json.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document(judged, failures, quick=options.quick), indent=2, ensure_ascii=False)
    options.json.write_text(text + "\n", encoding="utf-8")
    missed = [row["name"] for row, ok in judged if ok is False]
    if missed:
        print(f"missed: {', '.join(dict.fromkeys(missed))}")
    return 1 if missed or failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
