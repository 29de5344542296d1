"""`reenrich case`: cases looked at again, compared with what was known, and when to stop. Writes nothing.

A look that cannot see what an earlier one saw lowers nothing: its row says what was lost, and the state
stays. A container that cannot be looked at costs the others nothing: its cases have a row that says why, and
their state only moves on in time, so that the next round begins with others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient

from actions.isolation import IsolationMode
from actions.profile_catalog import shipped_profiles
from actions.reputation_facts import DestinationReputation
from actions.severity import severity_of
from connectors.clock import utc_now
from connectors.errors import InputError, NotFound, ResponseError
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector
from playbooks.asset_lists import AssetLists
from playbooks.case_findings import ungathered_cases
from playbooks.hosts.soar import sources
from playbooks.hosts.soar.answers.case_rows import decision_fields, note_title, question_title
from playbooks.hosts.soar.answers.contained_case import as_assessed
from playbooks.hosts.soar.answers.given import mode_of, usable
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.asset_lists import asset_lists_for
from playbooks.hosts.soar.case_states import KnownCases, known_cases, last_look, matched
from playbooks.hosts.soar.container_notables import container_notables
from playbooks.hosts.soar.deciding import DecideAnew, deciding_anew, run_id_of, with_decision
from playbooks.hosts.soar.outputs import ReenrichRow
from playbooks.hosts.soar.params import ReenrichParams, Scope
from playbooks.hosts.soar.soar_rest import get_row
from playbooks.hosts.soar.sources_of_reputation import reputation_for
from playbooks.reenrich import CaseState, Reenrichment, compare, known_before, state_text, stop_reason
from playbooks.report import wording
from playbooks.report.display import safe_error
from playbooks.reputation import Reputation
from playbooks.respond import look_up_peers, report_cases
from playbooks.settings import Settings
from playbooks.steps import Call, InProcess, StepFailed, pair

#: Containers looked at in one round; further ones have their turn in the next.
MAX_CONTAINERS = 50

#: Containers asked in one round whether they are still open; closed ones cost no look.
MAX_ASKED = 500

#: Artifacts with an unusable state that are named.
_UNREADABLE_NAMED = 5

#: Status of a container nobody works on any more, in lower case.
_CLOSED = frozenset({"closed", "resolved"})


class Round(NamedTuple):
    """One round of looks.

    Attributes:
        rows: one a case.
        notes: what else a person should know, one sentence each.
    """

    rows: list[ReenrichRow]
    notes: tuple[str, ...] = ()


class _Ready(NamedTuple):
    """A container whose notables were read."""

    container_id: int
    notables: tuple[Notable, ...]
    states: tuple[CaseState, ...]
    closed: bool
    left_out: str = ""


class _Telemetry(NamedTuple):
    """Where processes are looked up; None and the reason when nowhere."""

    edr: EdrConnector | None
    why_not: str = ""


class _Seen(NamedTuple):
    """What a round asks once for all of its containers.

    Attributes:
        known: what sources say of the peers that notables name, by canonical address.
        before: what they said at the last look.
    """

    telemetry: _Telemetry
    known: Mapping[str, DestinationReputation]
    before: Mapping[str, DestinationReputation]


def reenrich_round(
    params: ReenrichParams, soar: SOARClient[Any], asset: Asset, state_folder: Path | None = None
) -> Round:
    """Look at the cases of this container, or of all open ones, again.

    Args:
        params: scope, an attached log, and the highest isolation mode.
        soar: the platform; containers and artifacts are only read.
        asset: policy, logs and keys.
        state_folder: where the platform lets the app keep files; None = nowhere.

    Raises:
        InputError: scope or mode is none, policy, key or address is wrong, or this container has no notable.
        ConnectorError: the platform did not answer.
    """
    settings, mode = settings_of(asset), mode_of(params.caller_mode)
    if params.scope == Scope.THIS_CONTAINER:
        number = soar.get_executing_container_id()
        known = known_cases(soar, now=utc_now(), container_id=number)
        states = known.of_container.get(number, ())
        ready = [_ready(soar, number, states, settings, closed=_is_closed(soar, number))]
        rows: list[ReenrichRow] = []
        notes = _notes(known)
    elif params.scope == Scope.OPEN_CASES:
        rows, ready, notes = _open_containers(soar, settings)
    else:
        raise InputError("scope", "is no scope", f"Use one of {', '.join(Scope)}")
    asked = params.scope == Scope.THIS_CONTAINER
    notes += [f"Container {each.container_id}: {each.left_out}" for each in ready if each.left_out]
    with (
        reputation_for(asset, settings, state_folder=state_folder) as reputation,
        asset_lists_for(asset, settings) as lists,
        ExitStack() as until,
    ):
        gather = partial(_telemetry, asset, soar, ready, settings, params.vault_id, until)
        seen = _seen_of_all(ready, gather, reputation, settings) if ready else _Seen(_Telemetry(None), {}, {})
        decide = until.enter_context(deciding_anew(asset, settings, mode, state_folder))
        for each in ready:
            look = partial(_look, each, seen, reputation, lists, settings, mode, decide, asked=asked)
            if asked:
                rows += look()
                continue
            # What goes wrong with one container, a bug of ours included, must not end the round of others.
            (found,) = InProcess().parallel([Call("reenrich_case", look)])
            if isinstance(found, StepFailed):
                found = _not_looked(each.container_id, each.states, found.reason, settings)
            rows += found
    return Round(rows, tuple(notes))


def _open_containers(
    soar: SOARClient[Any], settings: Settings
) -> tuple[list[ReenrichRow], list[_Ready], list[str]]:
    """Rows of what is not looked at, the containers that are, and notes."""
    now = utc_now()
    known = known_cases(soar, now=now)
    going = {
        number: states
        for number, states in known.of_container.items()
        if not all(_has_stopped(each, settings, now) for each in states)
    }
    turn = sorted(going, key=lambda number: (last_look(going[number]), number))
    rows: list[ReenrichRow] = []
    ready: list[_Ready] = []
    asked = looks = 0
    for number in turn[:MAX_ASKED]:
        if looks == MAX_CONTAINERS:
            break
        asked += 1
        states = going[number]
        try:
            if _is_closed(soar, number):
                rows += [_row_without_look(number, each, stop="the case is closed") for each in states]
            else:
                ready.append(_ready(soar, number, states, settings, closed=False))
                looks += 1
        except NotFound:
            stop = "its container is gone"
            rows += [_row_without_look(number, each, stop=stop) for each in states]
        except ResponseError as error:
            looks += 1  # it may have cost a whole time-out
            rows += _not_looked(number, states, safe_error(error), settings)
    notes = _notes(known)
    if len(turn) > asked:
        waiting = wording.count(len(turn) - asked, "container")
        notes.append(f"{waiting} had no turn in this round and will be first in the next.")
    return rows, ready, notes


def _ready(
    soar: SOARClient[Any], number: int, states: tuple[CaseState, ...], settings: Settings, *, closed: bool
) -> _Ready:
    found = container_notables(soar, number, settings.notable)
    parsed = usable(found.parsed, profiles=shipped_profiles())
    return _Ready(number, parsed.notables, states, closed, found.left_out)


def _is_closed(soar: SOARClient[Any], number: int) -> bool:
    """Whether a person has closed the container.

    Raises:
        ConnectorError: the platform did not say; NotFound where there is no such container.
    """
    return str(get_row(soar, f"rest/container/{number}").get("status", "")).lower() in _CLOSED


def _telemetry(
    asset: Asset,
    soar: SOARClient[Any],
    ready: Sequence[_Ready],
    settings: Settings,
    vault_id: str | None,
    until: ExitStack,
) -> _Telemetry:
    """The EDR for all of them: logs are read once a round, connections closed with `until`."""
    notables = [notable for each in ready for notable in each.notables]
    try:
        return _Telemetry(sources.edr_for(asset, soar, notables, settings, until=until, vault_id=vault_id))
    except ResponseError as error:
        return _Telemetry(None, safe_error(error))


def _seen_of_all(
    ready: Sequence[_Ready], gather: Callable[[], _Telemetry], reputation: Reputation, settings: Settings
) -> _Seen:
    """Telemetry and reputation, side by side. A look-up that breaks costs its answers alone.

    Raises:
        ResponseError: a fault of ours while logs were read.
    """
    notables = [notable for each in ready for notable in each.notables]
    # Answers kept of earlier looks would tell what is known already.
    before = known_before(state for each in ready for state in each.states)
    peers = partial(look_up_peers, notables, settings, reputation, fresh=True, before=before)
    telemetry, known = pair(InProcess(), Call("read_telemetry", gather), Call("lookup_reputation", peers))
    if isinstance(telemetry, StepFailed):
        raise ResponseError(f"the logs could not be read: {telemetry.reason.partition(':')[0]}")
    return _Seen(telemetry, {} if isinstance(known, StepFailed) else known, before)


def _look(
    ready: _Ready,
    seen: _Seen,
    reputation: Reputation,
    lists: AssetLists,
    settings: Settings,
    mode: IsolationMode,
    decide: DecideAnew,
    *,
    asked: bool,
) -> list[ReenrichRow]:
    if seen.telemetry.edr is None:
        found = ungathered_cases(ready.notables, seen.telemetry.why_not)
    else:
        found = sources.gathered_from(seen.telemetry.edr, ready.notables, settings)
    now = utc_now()
    done = report_cases(
        InProcess(),
        found,
        profiles=shipped_profiles(),
        settings=settings,
        clock=lambda: now,
        caller_mode=mode,
        reputation=reputation,
        known=seen.known,
        fresh=True,
        before=seen.before,
        lists=lists,
    )
    lost = [fault for fault in done.faults if not fault.reported]
    if lost:
        raise ResponseError(f"{lost[0].case_id} could not be worked: {lost[0].reason}")
    run_id = run_id_of(ready.container_id)
    reports = tuple(with_decision(each, decide(as_assessed(each), run_id)) for each in done.reports)
    pairs = [
        pair
        for pair in matched(reports, ready.states)
        if asked or pair.previous is None or not _has_stopped(pair.previous, settings, now)
    ]
    return [
        _row(ready.container_id, compare(report, previous, settings.reenrich, closed=ready.closed))
        for report, previous in pairs
    ]


def _has_stopped(state: CaseState, settings: Settings, now: datetime) -> bool:
    """Whether the last look said that it was the last.

    A closed container is not written to, so that its states would stay as they are for ever: they are left
    out once they are as old as a case may grow.
    """
    said = stop_reason(state, settings.reenrich, state.looked_at, closed=False)
    return bool(said) or now - state.looked_at >= timedelta(days=settings.reenrich.max_days)


def _row(container_id: int, look: Reenrichment) -> ReenrichRow:
    changes = [wording.sentence(each) for each in look.changes]
    holds: dict[str, object] = {}
    if look.lost:
        lost = ", ".join(wording.name(each) for each in look.lost)
        changes = [f"not compared: known at the last look and not now: {lost}"]
        # What was known still holds: this look only saw less.
        holds = {
            "case_verdict": look.state.case_verdict.value,
            "score": look.state.score,
            "severity": severity_of(look.state.case_verdict, look.report.facts).value,
            "note_title": note_title(look.state),
            "question_title": question_title(look.state),
        }
    fields: dict[str, object] = {
        "container_id": container_id,
        "changed": look.first or bool(look.changes),
        "changes": changes,
        "stop": look.stop,
        "state": state_text(look.state),
    }
    return ReenrichRow.model_validate({**decision_fields(look.report), **holds, **fields})


def _not_looked(
    container_id: int, states: Sequence[CaseState], why: str, settings: Settings
) -> list[ReenrichRow]:
    """Rows of cases that could not be looked at this time. Only the time of the look moves on."""
    now = utc_now()
    rows = []
    for state in states:
        kept = state.model_copy(update={"looked_at": now})
        stop = stop_reason(kept, settings.reenrich, now, closed=False)
        row = _row_without_look(container_id, state, stop=stop)
        row.changes = [f"not looked at: {wording.sentence(why)}"]
        row.state = state_text(kept)
        rows.append(row)
    return rows


def _row_without_look(container_id: int, state: CaseState, *, stop: str) -> ReenrichRow:
    """What is remembered of a case, without a report: no facts, no note, nothing to ask or to keep."""
    return ReenrichRow.model_validate(
        {
            "case_id": state.case_id,
            "host": "",
            "user": "",
            "process": "",
            "case_verdict": state.case_verdict.value,
            "score": state.score,
            "severity": severity_of(state.case_verdict).value,
            "host_id": "",
            "decision": state.decision.value,
            "effective_mode": "",
            "decision_reason": "",
            "question": "none",
            "obstacles": [],
            "guards": [],
            "next_steps": [],
            "not_known": [],
            "prompt": "",
            "note_title": "",
            "question_title": "",
            "note": "",
            "facts": "",
            "container_id": container_id,
            "changed": False,
            "changes": [],
            "stop": stop,
            "state": "",
        }
    )


def _notes(known: KnownCases) -> list[str]:
    notes = []
    if known.unreadable:
        number = wording.count(len(known.unreadable), "artifact")
        named = ", ".join(known.unreadable[:_UNREADABLE_NAMED])
        more = len(known.unreadable) - _UNREADABLE_NAMED
        named += f" and {more} more" if more > 0 else ""
        notes.append(f"{number} with a case's state cannot be used: {named}.")
    if known.truncated:
        notes.append("There are more states than are read at once; the oldest were left out.")
    return notes
