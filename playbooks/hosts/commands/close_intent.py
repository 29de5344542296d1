"""`close-intent`: what a person decides of an order whose outcome is not known, after one more look."""

from __future__ import annotations

import sys
from pathlib import Path

from actions.containment import ContainmentResult
from actions.settle_intent import settle
from connectors.errors import InputError
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import Intent, IntentKind, IntentState
from connectors.state.ledger import Ledger
from playbooks.hosts.commands.containment_told import result_line
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import (
    SCHEMA_VERSION,
    check_approver,
    given_why,
    ledger_here,
    opened,
    person,
    wanted_edr,
)
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.hosts.terminal_output import write_json
from playbooks.settings import load_settings

_ENDS = {"failed": IntentState.FAILED, "verified": IntentState.VERIFIED}

#: What the EDR may say of a host, by which an order to it has not failed, whatever a person says.
_STANDS_AGAINST = {
    IntentKind.ISOLATE: (IsolationState.ISOLATING, IsolationState.ISOLATED),
    IntentKind.RELEASE: (IsolationState.RELEASING, IsolationState.NOT_ISOLATED),
}


def run(intent_id: str, *, end: str, why: str, edr_name: str, config: Path | None, as_json: bool) -> None:
    """Read the host once more. What the EDR proves counts; only where it proves nothing a person's word does.

    Raises:
        InputError: there is no such order, its outcome is known, or this account may not decide.
        ConfigError: the settings, the EDR or its secret is missing or wrong.
        LedgerUnusable, Stale: nothing was changed here.
        SystemExit: 1 after all was printed, where the order did not end as was asked.
    """
    by, why = person(), given_why(why)
    wanted = _ENDS.get(end)
    if wanted is None:
        raise InputError("--as", f"{end!r} is not known", "Give failed or verified")
    settings = load_settings(config)
    ledger = ledger_here(settings)
    intent = _unknown(ledger, intent_id.strip())
    check_approver(by, settings, ledger, subject=intent.intent_id, wanted=f"close it as {end}")
    name = wanted_edr(edr_name, settings, of=intent.order.connector)
    with warnings_as_notes(), opened(name, settings, ledger) as tools:
        result = settle(intent, tools, policy=settings.isolation, wait=False)
    left = ledger.intent(intent.intent_id) or intent
    underway = result.status is not None and result.status.state in _STANDS_AGAINST[left.order.kind]
    decided = left.state is IntentState.UNKNOWN and wanted is IntentState.FAILED and not underway
    if decided:
        left = ledger.move(
            left, IntentState.FAILED, detail=f"closed by {by.name}: {by.reason(why)}", by=by.name
        )
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                "intent": left.model_dump(mode="json"),
                "by_person": decided,
                "read": result.model_dump(mode="json"),
            }
        )
    else:
        print_lines(_lines(left, result, by_person=decided))
    if left.state is not wanted:
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def _unknown(ledger: Ledger, intent_id: str) -> Intent:
    """The order, whose outcome is not known.

    Raises:
        InputError: there is none of this id, or its outcome is known.
    """
    intent = ledger.intent(intent_id)
    if intent is None:
        raise InputError("INTENT", f"there is no order {intent_id!r}", "`regsvcs-response status` lists them")
    if intent.state is not IntentState.UNKNOWN:
        raise InputError(
            "INTENT",
            f"{intent_id} is {intent.state.value}: a person decides only where the outcome is unknown",
            "`regsvcs-response reconcile` goes on with what is not finished" if intent.active else "",
        )
    return intent


def _lines(left: Intent, result: ContainmentResult, *, by_person: bool) -> list[str]:
    lines = [result_line(result)]
    if by_person:
        lines.append(
            f"{left.intent_id} is closed as failed, on your word: the EDR may still carry it out. Look at the"
            " host again; `regsvcs-response reconcile` finds an isolation that nobody answers for."
        )
    elif left.state is IntentState.UNKNOWN:
        lines.append(_stays_open(left, result))
    else:
        lines.append(f"{left.intent_id} has ended {left.state.value}, by what was read at the EDR.")
    return lines


def _stays_open(left: Intent, result: ContainmentResult) -> str:
    state = result.status.state if result.status is not None else None
    if state not in _STANDS_AGAINST[left.order.kind]:
        return f"{left.intent_id} stays open: what was read does not prove it."
    remedy = "" if left.order.kind is IntentKind.RELEASE else " Release the host instead."
    return f"{left.intent_id} stays open: the EDR says {state.value.replace('_', ' ')}.{remedy}"
