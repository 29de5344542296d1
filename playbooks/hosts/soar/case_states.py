"""The states of cases between two looks: kept as artifacts of their containers, and matched with reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient

from playbooks.case import CaseReport
from playbooks.hosts.soar.notable_artifact import CASE_LABEL, CASE_STATE
from playbooks.hosts.soar.soar_rest import Row, get_rows
from playbooks.reenrich import CaseState

#: Most artifacts with a state that are read in one round, the newest first.
MAX_STATES = 5000

#: Longest text of a state that is read, characters.
MAX_TEXT = 1024 * 1024

#: How far ahead of this clock a look may lie: that of another host of the platform.
MAX_AHEAD = timedelta(minutes=10)

#: Unknowns of a case whose process was not found, or not looked for.
_NO_PROCESS = frozenset({"process lineage", "host and process", "lineage and evidence", "host", "process"})


class KnownCases(NamedTuple):
    """The newest state of each case.

    Attributes:
        of_container: container id to its states, in the order of their case ids.
        unreadable: artifacts that hold no state this app can have written, as text: id and container.
        truncated: True when there are more artifacts than were read.
    """

    of_container: Mapping[int, tuple[CaseState, ...]]
    unreadable: tuple[str, ...]
    truncated: bool


class Pair(NamedTuple):
    """A report and the state it is compared with; None at the first look."""

    report: CaseReport
    previous: CaseState | None


def known_cases(soar: SOARClient[Any], *, now: datetime, container_id: int | None = None) -> KnownCases:
    """The states kept in one container, or in all.

    Args:
        soar: the platform.
        now: the time of this round: a state of a later look is unusable.
        container_id: whose states; None = those of all containers.

    Raises:
        ConnectorError: the platform did not give them.
    """
    where = {} if container_id is None else {"_filter_container_id": container_id}
    found = get_rows(
        soar,
        "rest/artifact",
        cap=MAX_STATES,
        _filter_label=f'"{CASE_LABEL}"',
        sort="id",
        order="desc",
        **where,
    )
    newest: dict[int, dict[str, tuple[int, CaseState]]] = {}
    unreadable: list[str] = []
    for row in found.rows:
        if row.get("label") != CASE_LABEL:
            continue
        container, number, state = _number(row, "container"), _number(row, "id"), _state(row, now)
        if container is None or number is None or state is None:
            unreadable.append(f"{number or 'without id'} (container {container or 'unknown'})")
            continue
        cases = newest.setdefault(container, {})
        if state.case_id not in cases or number > cases[state.case_id][0]:
            cases[state.case_id] = (number, state)
    states = {
        container: tuple(cases[case_id][1] for case_id in sorted(cases))
        for container, cases in newest.items()
        if container_id in (None, container)
    }
    return KnownCases(states, tuple(unreadable), found.truncated)


def last_look(states: Sequence[CaseState]) -> datetime:
    """When the container of at least one state was last looked at."""
    return max(each.looked_at for each in states)


def matched(reports: Sequence[CaseReport], states: Sequence[CaseState]) -> tuple[Pair, ...]:
    """Each report with the state it continues.

    A case is named after its process, and after host and day while the process is not found. So a report
    without a state may be a known case whose process was found since, or cannot be found any more: then they
    share a destination. So may one of which only the host's full name is known since. A process found since
    keeps its new name; one that was lost keeps the known name.
    """
    own = {each.case_id: each for each in states}
    named = {each.case_id for each in reports}
    orphans = [each for each in states if each.case_id not in named]
    pairs: list[Pair] = []
    for report in reports:
        if report.case_id in own:
            pairs.append(Pair(report, own[report.case_id]))
            continue
        found = report.facts.lineage is not None
        akin = [each for each in orphans if _akin(each, report) and (not found or _lacks_process(each))]
        if not akin:
            pairs.append(Pair(report, None))
        elif found:
            last = max(akin, key=lambda each: each.looked_at)
            pairs.append(Pair(report, last.model_copy(update={"case_id": report.case_id})))
        else:
            pairs += [Pair(report.model_copy(update={"case_id": each.case_id}), each) for each in akin]
            orphans = [each for each in orphans if each not in akin]
    return tuple(pairs)


def _lacks_process(state: CaseState) -> bool:
    return not _NO_PROCESS.isdisjoint(state.unknowns)


def _akin(state: CaseState, report: CaseReport) -> bool:
    peers = {each.ip for each in report.facts.destinations}
    return not peers.isdisjoint(each.ip for each in state.destinations)


def _state(row: Row, now: datetime) -> CaseState | None:
    cef = row.get("cef")
    text = cef.get(CASE_STATE) if isinstance(cef, Mapping) else None
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        return None
    try:
        state = CaseState.model_validate(json.loads(text))
    except (ValueError, RecursionError):  # a ValidationError is a ValueError
        return None
    # A look in the future would be the last one for ever.
    return state if state.looked_at <= now + MAX_AHEAD else None


def _number(row: Row, name: str) -> int | None:
    value = row.get(name)
    return value if isinstance(value, int) and value > 0 else None
