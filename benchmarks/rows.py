"""What a benchmark yields, and when it is good enough."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NotRequired, TypedDict, cast

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_MUST = re.compile(r"(>=|<=|>|<)\s*([0-9]+(?:\.[0-9]+)?)")


class Row(TypedDict):
    """One figure beside its baseline, both measured in the same run.

    Attributes:
        name: what is measured, the same at every size.
        size: how much of it: addresses, events, processes.
        ours_s: ours, in seconds; in MB where `unit` says so.
        baseline_s: the baseline, likewise; 0 = there is none.
        ratio: what `must` judges.
        must: such as ">= 10" or "<= 1.4"; "" = shown, not judged.
        unit: what the ratio is, such as "x as fast" or "x the time"; "MB" for a figure of memory.
        every_size: True when `must` holds at this size too; else only the largest size of a name is judged.
    """

    name: str
    size: int
    ours_s: float
    baseline_s: float
    ratio: float
    must: str
    unit: str
    every_size: NotRequired[bool]


def time_row(name: str, size: int, ours_s: float, baseline_s: float, must: str) -> Row:
    """A row of two times, of which the ratio ours to baseline is judged."""
    return {
        "name": name,
        "size": size,
        "ours_s": ours_s,
        "baseline_s": baseline_s,
        "ratio": ours_s / baseline_s,
        "must": must,
        "unit": "x the time",
    }


class Must(NamedTuple):
    """A bound on a ratio."""

    comparison: str
    limit: float

    def holds(self, ratio: float) -> bool:
        """True when the ratio keeps the bound. NaN keeps none."""
        return _COMPARE[self.comparison](ratio, self.limit)


class Judged(NamedTuple):
    """A row with its outcome; None = not judged."""

    row: Row
    ok: bool | None


def parse_must(text: str) -> Must | None:
    """Read a bound; None for "".

    Raises:
        ValueError: the text is neither empty nor a comparison with a number.
    """
    if not text:
        return None
    match = _MUST.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a bound such as '>= 10': {text!r}")
    return Must(match[1], float(match[2]))


def check_row(row: Mapping[str, object]) -> Row:
    """The row, if it has the keys and types of Row.

    Raises:
        ValueError: a key is missing or unknown, a value has the wrong type, or `must` cannot be read.
    """
    kinds: dict[str, tuple[type, ...]] = {
        "name": (str,),
        "size": (int,),
        "ours_s": (int, float),
        "baseline_s": (int, float),
        "ratio": (int, float),
        "must": (str,),
        "unit": (str,),
    }
    if missing := kinds.keys() - row.keys():
        raise ValueError(f"row without {', '.join(sorted(missing))}: {dict(row)}")
    if unknown := row.keys() - kinds.keys() - {"every_size"}:
        raise ValueError(f"row with unknown {', '.join(sorted(unknown))}: {dict(row)}")
    for key, kind in kinds.items():
        if not isinstance(row[key], kind):
            raise ValueError(  # noqa: TRY004  one error for everything wrong with a row
                f"row with {key} of type {type(row[key]).__name__}: {dict(row)}"
            )
    parse_must(str(row["must"]))
    return cast("Row", row)


def judge(rows: Sequence[Row], *, quick: bool = False) -> list[Judged]:
    """Each row with its outcome; rows of one name together, from small to large.

    Args:
        quick: True judges nothing: the bounds are meant for the full sizes.
    """
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row)
    judged: list[Judged] = []
    for group in by_name.values():
        group.sort(key=lambda row: row["size"])
        largest = group[-1]["size"]
        judged += [
            Judged(row, None if quick else _outcome(row, largest=row["size"] == largest)) for row in group
        ]
    return judged


def _outcome(row: Row, *, largest: bool) -> bool | None:
    must = parse_must(row["must"])
    if must is None or not (largest or row.get("every_size", False)):
        return None
    return must.holds(row["ratio"])
