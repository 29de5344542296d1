"""`reconcile`: the ledger against the EDR; what was begun is settled by reading, the rest is for a person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from actions.reconcile import reconcile
from actions.reconciliation import Reconciliation
from connectors.facts.ledger import IntentState
from playbooks.hosts.commands.containment_told import OUTCOME_WORDS, question_lines
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import (
    SCHEMA_VERSION,
    ledger_here,
    monotonic,
    opened,
    person,
    wanted_edr,
)
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED, Interrupted
from playbooks.hosts.terminal_output import write_json
from playbooks.report import wording
from playbooks.settings import load_settings


def run(*, edr_name: str, config: Path | None, as_json: bool) -> None:
    """Compare, and print what differs. Nothing is isolated or released.

    Raises:
        ConfigError: the settings, the EDR or its secret are missing or wrong.
        LedgerUnusable: the ledger cannot be used.
        SystemExit: 1 after all was printed, where something is left for a person.
    """
    by, settings = person(), load_settings(config)
    ledger, name = ledger_here(settings), wanted_edr(edr_name, settings)
    with warnings_as_notes(), opened(name, settings, ledger) as tools:
        try:
            found = reconcile(tools, policy=settings.isolation, by=by.name, monotonic=monotonic)
        except KeyboardInterrupt as stop:
            raise Interrupted("interrupted; nothing was sent, and reconcile can be run again") from stop
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                **found.model_dump(mode="json"),
                "needs_a_person": found.needs_a_person,
            }
        )
    else:
        print_lines(_lines(found, config))
    if found.needs_a_person:
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def _lines(found: Reconciliation, config: Path | None) -> list[str]:
    lines: list[str] = []
    for each in found.settled:
        lines.append(f"unfinished order: {_where(each)}: {OUTCOME_WORDS[each.outcome]}. {each.sentence}")
        if each.after is IntentState.UNKNOWN:
            lines.append(
                f"  a person who knows: regsvcs-response close-intent {each.intent_id} --as failed --why TEXT"
            )
    lines += [
        f"released by somebody else: {_where(each)}; the isolation that {each.owner} answered for has ended"
        for each in found.ended
    ]
    lines += [f"isolated and not ours: {_where(each)}. {each.sentence}" for each in found.strays]
    lines += [f"not certain: {_where(each)}. {each.sentence}" for each in found.unread]
    for lease, overdue in ((each.lease, each.overdue) for each in found.reviews):
        due = f"{wording.moment(lease.review_by)}, owner {lease.owner}"
        lines.append(f"review {'overdue' if overdue else 'due soon'}: {_where(lease)}, by {due}")
    for question in found.open_questions:
        lines += question_lines(question, config)
    lines += [
        f"expired question: {_where(each)} for {each.case_id}, at {wording.moment(each.expires_at)}"
        for each in found.expired_questions
    ]
    lines += [found.listed] if found.listed else []
    return lines or [f"the ledger and {found.connector} agree"]


class _OfAHost(Protocol):
    @property
    def connector(self) -> str: ...

    @property
    def host_id(self) -> str: ...

    @property
    def hostname(self) -> str: ...


def _where(host: _OfAHost) -> str:
    return f"{host.hostname} ({host.connector} {host.host_id})"
