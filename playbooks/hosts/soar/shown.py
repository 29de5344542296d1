"""From the rows a view is given to the facts its widget shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from actions.containment import ContainmentOutcome
from actions.risk import CaseVerdict
from connectors.errors import InputError
from connectors.facts.base import Fact
from playbooks.hosts.soar.containment_outputs import ContainmentRow
from playbooks.hosts.soar.facts_json import OtherVersion, unpack
from playbooks.hosts.soar.outputs import Outcome, ReenrichRow, WriteBackRow

#: Why a row without facts, or with facts of another shape, cannot be read.
_OTHER_VERSION = "another version of the app may have written them"


class _HasFacts(Protocol):
    facts: str


def shown[F: Fact](
    rows: Sequence[_HasFacts], model: type[F], widget: Callable[[Sequence[F]], dict[str, Any]]
) -> dict[str, Any]:
    """What the template of a widget is filled with.

    `unreadable` counts the rows without facts that this version can read: an old container keeps its results.
    `unreadable_why` says why that is so.
    """
    facts: list[F] = []
    reasons: list[str] = []
    for row in rows:
        found = _facts(row, model)
        if isinstance(found, str):
            reasons.append(found)
        else:
            facts += found
    return {**widget(facts), **_unreadable(reasons)}


def shown_changes(rows: Sequence[ReenrichRow]) -> dict[str, Any]:
    """The same for cases looked at again."""
    from playbooks.report.widgets import ChangedCase, changes_widget

    changed = [
        ChangedCase(
            case_id=row.case_id,
            container_id=row.container_id,
            process=row.process or "",
            host=row.host or "",
            verdict=CaseVerdict(row.case_verdict),
            score=row.score,
            changes=tuple(row.changes or ()),
            stop=row.stop or "",
            changed=bool(row.changed),
        )
        for row in rows
        if row.case_id and row.case_verdict in CaseVerdict and row.score is not None
    ]
    return {**changes_widget(changed), **_unreadable([_OTHER_VERSION] * (len(rows) - len(changed)))}


def shown_write_back(rows: Sequence[WriteBackRow]) -> dict[str, Any]:
    """The same for what was written to Splunk."""
    from playbooks.report.widgets import WrittenTarget, write_back_widget

    targets = [
        WrittenTarget(
            case_id=row.case_id or "",
            event_id=row.event_id or "",
            risk=row.target == "risk",
            outcome=row.outcome.replace("_", " "),
            failed=row.outcome == Outcome.FAILED,
            done=row.outcome in (Outcome.WRITTEN, Outcome.ALREADY_THERE),
            written=tuple(row.written or ()),
            left=tuple(row.left or ()),
            detail=row.detail or "",
        )
        for row in rows
        if row.outcome in Outcome and row.target in ("notable", "risk")
    ]
    return {**write_back_widget(targets), **_unreadable([_OTHER_VERSION] * (len(rows) - len(targets)))}


def shown_containment(rows: Sequence[ContainmentRow]) -> dict[str, Any]:
    """The same for hosts that were isolated or released, or were to be."""
    from playbooks.report.containment_widget import ContainedHost, containment_widget

    hosts = [
        ContainedHost(
            host=row.host or "",
            case_id=row.case_id or "",
            outcome=row.outcome,
            verified=bool(row.verified),
            ours=bool(row.ours),
            state=row.state or "",
            how_known=row.how_known or "",
            as_of=row.as_of or "",
            intent_id=row.intent_id or "",
            ordered_by=row.ordered_by or "",
            owner=row.owner or "",
            review_by=row.review_by or "",
            obstacles=tuple(row.obstacles or ()),
            sentence=row.sentence or "",
        )
        for row in rows
        if row.outcome in ContainmentOutcome
    ]
    return {**containment_widget(hosts), **_unreadable([_OTHER_VERSION] * (len(rows) - len(hosts)))}


def _unreadable(reasons: Sequence[str]) -> dict[str, Any]:
    return {"unreadable": len(reasons), "unreadable_why": "; ".join(dict.fromkeys(reasons))}


def _facts[F: Fact](row: _HasFacts, model: type[F]) -> list[F] | str:
    """The facts, or why there are none."""
    # A row of an older version may lack the field: then the SDK gives None.
    try:
        return unpack(row.facts or "", model, field="facts") or _OTHER_VERSION
    except OtherVersion:
        return _OTHER_VERSION
    except InputError as error:
        return f"the text of their facts {error.problem}"
