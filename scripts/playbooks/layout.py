"""Where the blocks stand on the canvas: top down, each below all that lead to it, side by side in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: From the left edge of one block to that of the next, and from one row to the next, in the editor's units.
#: Its blocks are some 250 wide and 100 high.
COLUMN = 340
ROW = 180


def positions(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """The place of each block, x and y.

    Args:
        names: the blocks, in the order in which they stand beside each other; `on_start` and `on_finish` too.
        links: source and target; no block may lead back to itself.
    """
    ranks = _ranks(names, links)
    # The end stands below everything, also below branches that are longer than the one drawn last.
    ranks["on_finish"] = max(ranks[name] for name in names if name != "on_finish") + 1
    aside = _early_ends(names, links, ranks)
    rows: dict[int, list[str | None]] = {}
    for name in names:
        if name in aside:
            continue
        # A line that passes a row has a place of its own there, so that it crosses no block.
        for rank in _passed(name, links, ranks, aside):
            rows.setdefault(rank, []).append(None)
        rows.setdefault(ranks[name], []).append(name)
    places = {}
    for rank, row in rows.items():
        for index, each in enumerate(row):
            if each is not None:
                places[each] = (round((index - (len(row) - 1) / 2) * COLUMN), rank * ROW)
    left = min(x for x, _ in places.values())
    for index, name in enumerate(reversed(aside), start=1):
        places[name] = (left - index * COLUMN, ranks[name] * ROW)
    if aside:
        # Below the first of them: a line across the last row would cross its blocks.
        places["on_finish"] = (places[aside[0]][0], places["on_finish"][1])
    return places


def _early_ends(
    names: Sequence[str], links: Sequence[tuple[str, str]], ranks: Mapping[str, int]
) -> list[str]:
    """Blocks that end the run above the last row, the highest first.

    Each has a column of its own at the left of everything, so that its line to the end crosses no block.
    """
    last = max(ranks[name] for name in names if name != "on_finish")
    going_on = {source for source, target in links if target != "on_finish"}
    ends = [name for name in names if name != "on_finish" and name not in going_on and ranks[name] < last]
    return sorted(ends, key=lambda name: ranks[name])


def _passed(
    target: str, links: Sequence[tuple[str, str]], ranks: Mapping[str, int], aside: Sequence[str]
) -> list[int]:
    """The rows between a block and those that lead to it, each once however many lines pass it."""
    sources = [source for source, each in links if each == target and source not in aside]
    highest = min((ranks[source] for source in sources), default=ranks[target])
    return [] if target == "on_finish" else list(range(highest + 1, ranks[target]))


def _ranks(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The longest way to each block, in steps."""
    ranks = dict.fromkeys(names, 0)
    for _ in names:
        for source, target in links:
            ranks[target] = max(ranks[target], ranks[source] + 1)
    return ranks
