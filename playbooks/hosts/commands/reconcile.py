"""`reconcile`: the ledger against the EDR; what was begun is settled by reading, the rest is for a person."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from actions.reconcile import reconcile
from actions.reconciliation import Reconciliation, Stray
from connectors.facts.ledger import IntentState
from playbooks.hosts.commands.containment_told import OUTCOME_WORDS, unknown_lines
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import (
    SCHEMA_VERSION,
    ledger_here,
    monotonic,
    opened,
    person,
    wanted_edr,
)
from playbooks.hosts.commands.open_questions import meanwhile, question_lines, with_config
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
        overtaken = {each.approval_id: meanwhile(each, ledger) for each in found.open_questions}
        print_lines(_lines(found, config, overtaken))
    if found.needs_a_person:
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def _lines(found: Reconciliation, config: Path | None, overtaken: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for each in found.settled:
        lines.append(f"unfinished order: {_where(each)}: {OUTCOME_WORDS[each.outcome]}. {each.sentence}")
        if each.after is IntentState.UNKNOWN:
            lines += unknown_lines(each.intent_id, each.sentence, config)
    lines += [
        f"released by somebody else: {_where(each)}; the isolation that {each.owner} answered for has ended"
        for each in found.ended
    ]
    for stray in found.strays:
        state = stray.state.value.replace("_", " ")
        whose = "perhaps ours" if stray.intent_id else "not ours"
        lines.append(f"{state} and {whose}: {_where(stray)}. {stray.sentence}")
        lines += _release_of(stray, config)
    lines += [f"not certain: {_where(each)}. {each.sentence}" for each in found.unread]
    for lease, overdue in ((each.lease, each.overdue) for each in found.reviews):
        due = f"{wording.moment(lease.review_by)}, owner {lease.owner}"
        lines.append(f"review {'overdue' if overdue else 'due soon'}: {_where(lease)}, by {due}")
    for question in found.open_questions:
        lines += question_lines(question, config, overtaken=overtaken[question.approval_id])
    lines += [
        f"expired question: {_where(each)} for {each.case_id}, at {wording.moment(each.expires_at)}"
        for each in found.expired_questions
    ]
    lines += [found.listed] if found.listed else []
    return lines or [f"the ledger and {found.connector} agree"]


def _release_of(stray: Stray, config: Path | None) -> list[str]:
    """How a person releases a host that is not ours; by its name, which has to be exact."""
    if not stray.hostname:
        return []
    asked = f"{shlex.quote(stray.hostname)} --not-ours --edr {shlex.quote(stray.connector)}"
    return [f"  regsvcs-response release {asked} --why TEXT{with_config(config)}"]


class _OfAHost(Protocol):
    @property
    def connector(self) -> str: ...

    @property
    def host_id(self) -> str: ...

    @property
    def hostname(self) -> str: ...


def _where(host: _OfAHost) -> str:
    return f"{host.hostname} ({host.connector} {host.host_id})"
