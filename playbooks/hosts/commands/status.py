"""`status`: isolations that stand, orders that are not finished, and questions that are open."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actions.containment_words import state_words
from actions.isolation_status import IsolationRow, IsolationView, standings
from connectors.facts.ledger import Breaker, Intent, IntentState, KillSwitch
from playbooks.hosts.commands.aligned import aligned
from playbooks.hosts.commands.containment_told import unknown_lines
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import SCHEMA_VERSION, clock
from playbooks.hosts.commands.ledger_reading import LedgerToRead, ledger_to_read
from playbooks.hosts.commands.open_questions import meanwhile, question_lines
from playbooks.hosts.commands.status_reading import HostsRead, read_all
from playbooks.hosts.commands.stops import breaker_line, switch_lines
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.hosts.terminal_output import write, write_json
from playbooks.report import wording
from playbooks.settings import load_settings


def run(*, read: bool, edr_name: str, config: Path | None, as_json: bool) -> None:
    """Print how isolation stands. Nothing is isolated or released, and no ledger is made.

    Raises:
        ConfigError: the settings, or with `read` the EDR or its secret, are missing or wrong.
        LedgerUnusable: the ledger cannot be read.
        SystemExit: 1 after all was printed, where `read` found a host that is not proved to be isolated as
            the ledger has it, or an order is not finished or not known.
    """
    settings = load_settings(config)
    there = ledger_to_read(settings)
    ledger, readings = there.ledger, HostsRead({}, {})
    leases = ledger.leases()
    if read:
        readings = read_all(leases, ledger.intents(active=True), edr_name, settings, ledger)
    found = standings(
        ledger, now=clock(), readings=readings.leases, policy_stops=settings.isolation.kill_switch
    )
    overtaken = {each.approval_id: meanwhile(each, ledger) for each in found.open_questions}
    if as_json:
        write_json(_document(found, there, readings, overtaken))
    else:
        print_lines([there.line])
        _print(found, readings, overtaken, config)
    if read and (found.unfinished or not all(readings.proves(lease) for lease in leases)):
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def _document(
    found: IsolationView, there: LedgerToRead, readings: HostsRead, overtaken: Mapping[str, str]
) -> dict[str, Any]:
    document = {
        "schema_version": SCHEMA_VERSION,
        "ledger": {"file": str(there.file), "new": there.new},
        **found.model_dump(mode="json"),
        "unfinished_read": {
            intent_id: {
                "status": reading.status.model_dump(mode="json") if reading.status else None,
                "problem": reading.problem,
            }
            for intent_id, reading in readings.orders.items()
        },
    }
    for each in document["open_questions"]:
        each["meanwhile"] = overtaken[each["approval_id"]]
    return document


def _print(
    found: IsolationView, readings: HostsRead, overtaken: Mapping[str, str], config: Path | None
) -> None:
    switch, breaker = found.kill_switch, found.breaker
    in_ledger = KillSwitch(switch.on and not switch.in_policy, switch.by, switch.why, switch.at)
    print_lines(
        [
            *switch_lines(in_ledger, policy=switch.in_policy),
            breaker_line(Breaker(breaker.failures, breaker.most, breaker.open)),
        ]
    )
    if found.isolations:
        rows = [
            (each.hostname, each.connector, each.host_id, _state(each), each.owner, _review(each))
            for each in found.isolations
        ]
        heading = ("isolated host", "EDR", "agent", "state", "owner", "review by")
        write("\n" + aligned(heading, rows, below=[_below(each) for each in found.isolations]))
    if found.unfinished:
        orders = [
            (
                each.order.hostname,
                each.order.connector,
                each.order.host_id,
                each.order.kind.value,
                each.state.value,
            )
            for each in found.unfinished
        ]
        titles = ("not finished", "EDR", "agent", "order", "state")
        write(
            "\n" + aligned(titles, orders, below=[_unfinished(each, readings) for each in found.unfinished])
        )
        for each in found.unfinished:
            if each.state is IntentState.UNKNOWN:
                told = [f"{each.intent_id}, whose outcome is not known:"]
                print_lines([*told, *unknown_lines(each.intent_id, each.detail, config)])
    for question in found.open_questions:
        print_lines(["", *question_lines(question, config, overtaken=overtaken[question.approval_id])])
    if not (found.isolations or found.unfinished or found.open_questions):
        print_lines(["no isolation of ours stands, no order is unfinished, no question is open"])


def _state(row: IsolationRow) -> str:
    state = row.state.value.replace("_", " ")
    if row.how_known is not None:
        return f"{state} ({row.how_known.value.replace('_', ' ')})"
    return f"{state} (ledger)" if row.read_at is not None else f"{state} (not read)"


def _review(row: IsolationRow) -> str:
    return wording.moment(row.review_by) + (", overdue" if row.overdue else "")


def _below(row: IsolationRow) -> str:
    where = f"at {row.site}" if row.site else ""
    told = "; ".join(filter(None, (row.case_id, row.run_id, row.intent_id, where, f"why: {row.reason}")))
    return f"{told}. {row.told}".rstrip()


def _unfinished(intent: Intent, readings: HostsRead) -> str:
    order, reading = intent.order, readings.orders.get(intent.intent_id)
    ordered = f"{intent.intent_id}, by {order.by} at {wording.moment(intent.requested_at)}"
    sentences = [f"{ordered}: {intent.detail or order.reason}"]
    if reading is not None and reading.status is not None:
        sentences.append(f"The EDR says at this moment: {state_words(reading.status)}")
    elif reading is not None:
        sentences.append(f"The EDR was not read: {reading.problem}")
    if intent.state is not IntentState.UNKNOWN:
        sentences.append("regsvcs-response reconcile reads what became of it")
    return " ".join(f"{each.rstrip('.')}." for each in sentences)
