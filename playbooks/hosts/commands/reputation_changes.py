"""What `reputation --fresh` found otherwise than the answers that were kept of before."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from actions.reputation_change import explain
from actions.reputation_facts import DestinationReputation
from connectors.facts.reputation import SourceAnswer, SourceInfo, SourceStatus
from playbooks.report.display import visible

_ANSWERS = frozenset({SourceStatus.OK, SourceStatus.NOT_FOUND, SourceStatus.STALE})


class Changes(NamedTuple):
    """What differs from before.

    Attributes:
        compared: online sources of which an earlier answer is kept, sorted.
        no_earlier: those that were asked now and of which none is, sorted.
        said: what has changed, one sentence each.
    """

    compared: tuple[str, ...]
    no_earlier: tuple[str, ...]
    said: tuple[str, ...]


def changes_of(
    before: DestinationReputation, after: DestinationReputation, infos: Mapping[str, SourceInfo]
) -> Changes:
    """Compare what online sources said, each of them only where its earlier answer is kept.

    Where that of one that was asked is not, the earlier verdict is not known, and nothing is said of it.

    Args:
        before: from the cache alone; a source without a kept answer has failed in it.
        after: from now.
        infos: sources by name.
    """
    online = {name for name, info in infos.items() if info.online}
    kept = {_base(each) for each in before.answers if each.status in _ANSWERS} & online
    asked = {_base(each) for each in after.answers if each.status is not SourceStatus.NOT_CONFIGURED} & online
    missing = asked - kept
    if missing:
        before = _only_of(before, missing).model_copy(update={"verdict": after.verdict})
        after = _only_of(after, missing)
    said = explain(before, after) if kept else ()
    return Changes(tuple(sorted(kept)), tuple(sorted(missing)), said)


def as_lines(changes: Mapping[str, Changes], infos: Mapping[str, SourceInfo], *, width: int) -> str:
    """The changes as text for people."""
    lines: list[str] = []
    for ip, each in changes.items():
        lines += ["", f"{visible(ip)}  compared with the answers kept of before"]
        for sentence in _sentences(each, infos):
            lines += textwrap.wrap(
                visible(sentence),
                width,
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def _sentences(changes: Changes, infos: Mapping[str, SourceInfo]) -> Iterator[str]:
    if not changes.compared:
        yield "No earlier answer is kept: the earlier verdict is not known."
        return
    yield from changes.said or ("Nothing of weight has changed.",)
    if changes.no_earlier:
        names = ", ".join(infos[name].title for name in changes.no_earlier)
        yield f"Of {names} no earlier answer is kept: the earlier verdict is not known."


def _only_of(reputation: DestinationReputation, without: set[str]) -> DestinationReputation:
    """The votes and coverage without some sources'."""
    coverage = reputation.coverage
    return reputation.model_copy(
        update={
            "votes": tuple(each for each in reputation.votes if each.source.partition(":")[0] not in without),
            "coverage": coverage.model_copy(
                update={
                    "answered": tuple(each for each in coverage.answered if each not in without),
                    "failed": tuple(each for each in coverage.failed if each.source not in without),
                }
            ),
        }
    )


def _base(answer: SourceAnswer) -> str:
    """The source's name: a collection's answers are named after it, such as "taxii:name"."""
    return answer.source.partition(":")[0]
