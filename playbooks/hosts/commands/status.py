"""`status`: isolations that stand, orders that are not finished, and questions that are open."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from actions.isolation_status import NO_READINGS, IsolationRow, IsolationView, read_hosts, standings
from actions.lease_reading import LeaseReading
from connectors.edr.catalogue import EdrName
from connectors.errors import ConfigError
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import Breaker, HostKey, Intent, IntentState, KillSwitch, Lease
from connectors.state.ledger import Ledger
from playbooks.hosts.commands.aligned import aligned
from playbooks.hosts.commands.containment_told import question_lines
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import (
    SCHEMA_VERSION,
    clock,
    ledger_here,
    monotonic,
    opened,
    wanted_edr,
)
from playbooks.hosts.commands.stops import breaker_line, switch_lines
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.hosts.terminal_output import write, write_json
from playbooks.report import wording
from playbooks.settings import Settings, load_settings


def run(*, read: bool, edr_name: str, config: Path | None, as_json: bool) -> None:
    """Print how isolation stands. Nothing is isolated or released.

    Raises:
        ConfigError: the settings, or with `read` the EDR or its secret, are missing or wrong.
        LedgerUnusable: the ledger cannot be read.
        SystemExit: 1 after all was printed, where `read` found a host that is not isolated as the ledger has
            it, or could not read one.
    """
    settings = load_settings(config)
    ledger = ledger_here(settings)
    readings: Mapping[HostKey, LeaseReading] = NO_READINGS
    leases = ledger.leases()
    if read and leases:
        readings = _read(leases, edr_name, settings, ledger)
    found = standings(ledger, now=clock(), readings=readings, policy_stops=settings.isolation.kill_switch)
    if as_json:
        write_json({"schema_version": SCHEMA_VERSION, **found.model_dump(mode="json")})
    else:
        _print(found, config)
    if any(not _as_it_should_be(readings.get(lease.host)) for lease in leases if read):
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def _read(
    leases: Sequence[Lease], edr_name: str, settings: Settings, ledger: Ledger
) -> dict[HostKey, LeaseReading]:
    """What each EDR says of its hosts; the one of the option alone where one is given."""
    if edr_name:
        return _read_by(wanted_edr(edr_name, settings), leases, settings, ledger)
    found: dict[HostKey, LeaseReading] = {}
    for connector in dict.fromkeys(lease.connector for lease in leases):
        of_it = [lease for lease in leases if lease.connector == connector]
        try:
            found |= _read_by(wanted_edr("", settings, of=connector), of_it, settings, ledger)
        except ConfigError as error:
            found |= {lease.host: LeaseReading(None, f"{str(error).rstrip('.')}.") for lease in of_it}
    return found


def _read_by(
    name: EdrName, leases: Sequence[Lease], settings: Settings, ledger: Ledger
) -> dict[HostKey, LeaseReading]:
    with warnings_as_notes(), opened(name, settings, ledger) as tools:
        return read_hosts(leases, tools, monotonic=monotonic)


def _as_it_should_be(reading: LeaseReading | None) -> bool:
    status = reading.status if reading is not None else None
    return status is not None and status.state is IsolationState.ISOLATED and status.proved


def _print(found: IsolationView, config: Path | None) -> None:
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
        write("\n" + aligned(titles, orders, below=[_unfinished(each) for each in found.unfinished]))
    for question in found.open_questions:
        print_lines(["", *question_lines(question, config)])
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


def _unfinished(intent: Intent) -> str:
    order = intent.order
    ordered = f"{intent.intent_id}, by {order.by} at {wording.moment(intent.requested_at)}"
    told = f"{ordered}: {intent.detail or order.reason}"
    after = (
        "reconcile reads it again; close-intent is for a person who knows"
        if intent.state is IntentState.UNKNOWN
        else "reconcile reads what became of it"
    )
    return f"{told.rstrip('.')}. regsvcs-response {after}."
