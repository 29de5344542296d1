"""`get isolation status`: how hosts stand, by the ledger and by the EDR. Nothing is isolated or released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soar_sdk.abstract import SOARClient

from actions.containment import ContainmentOutcome, Tools
from actions.host_state import read_host
from connectors.facts.ledger import Intent
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.contained_case import answer_of, blank_row
from playbooks.hosts.soar.answers.ledger_hosts import Known, Wanted, known_hosts, wanted
from playbooks.hosts.soar.answers.standing_host import (
    row_of_ended,
    row_of_intent,
    row_of_lease,
    row_of_stranger,
)
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.containing import containing
from playbooks.hosts.soar.containment_outputs import ContainmentRow, ContainmentSummary
from playbooks.hosts.soar.deciding import run_id_of
from playbooks.hosts.soar.params import IsolationStatusParams
from playbooks.report import wording
from playbooks.settings import Settings

#: Hosts that one answer reads at the vendor; the others are counted.
MOST_HOSTS = 50


def answer(
    params: IsolationStatusParams, soar: SOARClient[Any], asset: Asset, state_folder: Path
) -> Answer[ContainmentRow, ContainmentSummary]:
    """How the hosts stand. An order whose run ended is brought to its end by what is read.

    Raises:
        InputError: there is no order of this id.
        ConfigError: the policy, its EDR or the secret is missing or wrong.
        LedgerUnusable: the ledger cannot be read or written.
    """
    settings = settings_of(asset)
    asked = wanted(params.host, params.case_id, params.intent_id)
    run_id = run_id_of(soar.get_executing_container_id())
    with containing(asset, settings, state_folder, run_id=run_id) as found:
        tools = found.tools
        known = known_hosts(tools.ledger, asked)
        rows = [_row(each, tools, settings) for each in known[:MOST_HOSTS]]
        if not rows:
            rows = _unknown_to_the_ledger(asked, tools, settings)
    told = answer_of(rows)
    if not rows:
        return told._replace(message="No isolation by this app stands, and no order is unfinished.")
    if len(known) > MOST_HOSTS:
        more = wording.count(len(known) - MOST_HOSTS, "host")
        return told._replace(message=f"{told.message} {more} more stand in the ledger: ask for them by name.")
    return told


def _row(known: Known, tools: Tools, settings: Settings) -> ContainmentRow:
    if known.intent is not None:
        return row_of_intent(known.intent, tools, settings, wait=False)
    if known.lease is not None:
        return row_of_lease(known.lease, tools)
    raise ValueError("neither an order nor an isolation")


def _unknown_to_the_ledger(asked: Wanted, tools: Tools, settings: Settings) -> list[ContainmentRow]:
    """An order that has ended, as the ledger has it, or the host that was asked for, as the EDR has it."""
    ended = _last_order(asked, tools)
    if ended is not None:
        return [row_of_ended(ended, tools)]
    if asked.host and asked.case_id:
        # The host may have been ordered for another case of it.
        others = known_hosts(tools.ledger, wanted(asked.host, "", ""))
        if others:
            return [_row(each, tools, settings) for each in others[:MOST_HOSTS]]
    if asked.host:
        reading = read_host(tools.edr, hostname=asked.host)
        if reading.agent is not None:
            return [row_of_stranger(reading.agent, tools)]
        told = f"{wording.name(asked.host)} stands for no one machine: {reading.problem}"
        return [blank_row(host=asked.host, outcome=ContainmentOutcome.UNKNOWN, sentence=told)]
    return []


def _last_order(asked: Wanted, tools: Tools) -> Intent | None:
    """The last order of an id or a case; None where neither was given, or there is none."""
    if asked.intent_id:
        return tools.ledger.intent(asked.intent_id)
    if not asked.case_id:
        return None
    return next((i for i in reversed(tools.ledger.intents()) if i.order.case_id == asked.case_id), None)
