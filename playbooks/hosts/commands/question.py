"""`question`: what a person is asked about a host, with the evidence that was kept with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actions.reconciliation import WaitingQuestion
from connectors.errors import InputError
from connectors.facts.ledger import Approval, ApprovalState, HostKey
from connectors.state.ledger import Ledger
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import SCHEMA_VERSION
from playbooks.hosts.commands.ledger_reading import ledger_to_read
from playbooks.hosts.commands.open_questions import meanwhile, question_lines
from playbooks.hosts.terminal_output import write_json
from playbooks.kept_cases import KeptCases
from playbooks.report import wording
from playbooks.settings import Settings, load_settings


def run(wanted: str, *, config: Path | None, as_json: bool) -> None:
    """Print a question, its evidence, and how it is or was answered. No EDR is asked.

    Raises:
        InputError: there is no such question.
        LedgerUnusable: the ledger cannot be read.
    """
    settings = load_settings(config)
    there = ledger_to_read(settings)
    there.tell_new()
    found = _found(wanted.strip(), there.ledger, settings)
    still_open = found.state is ApprovalState.ASKED
    overtaken = meanwhile(WaitingQuestion.of(found), there.ledger) if still_open else ""
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                "approval": found.model_dump(mode="json"),
                "meanwhile": overtaken,
            }
        )
    else:
        print_lines(_lines(found, config, overtaken))


def _found(wanted: str, ledger: Ledger, settings: Settings) -> Approval:
    """The question of an id, or about the host of a case: the open one, else the last.

    Raises:
        InputError: there is none.
    """
    every = ledger.approvals()
    fitting = [each for each in every if wanted in (each.approval_id, each.question.case_id)]
    if not any(each.state is ApprovalState.ASKED for each in fitting):
        fitting += _about_its_host(wanted, every, settings)
    still_open = [each for each in fitting if each.state is ApprovalState.ASKED]
    if not fitting:
        raise InputError(
            "CASE|APPROVAL",
            f"{wanted!r} is no question and no case with one",
            "`regsvcs-response status` lists those that are open",
        )
    return (still_open or fitting)[-1]


def _about_its_host(wanted: str, every: Sequence[Approval], settings: Settings) -> list[Approval]:
    """The open question about the host of a kept case: one question a host, maybe asked for another case."""
    if not wanted.startswith("case-"):
        return []
    try:
        host = KeptCases(settings.ledger.place).get(wanted).facts.host
    except InputError:
        return []
    if host is None:
        return []
    key = HostKey(host.connector, host.host_id)
    return [each for each in every if each.state is ApprovalState.ASKED and each.question.host == key]


def _lines(found: Approval, config: Path | None, overtaken: str) -> list[str]:
    asked = found.question
    if found.state is ApprovalState.ASKED:
        lines = question_lines(WaitingQuestion.of(found), config, overtaken=overtaken)
    else:
        host = f"{asked.hostname} ({asked.connector} {asked.host_id})"
        lines = [f"question: isolate {host} for {asked.case_id}?", f"  {_answer(found)}"]
    about = f"{found.approval_id}, asked by {asked.run_id} at {wording.moment(found.asked_at)}"
    return [*lines, "", f"evidence of {about}:", *asked.evidence.splitlines()]


def _answer(found: Approval) -> str:
    if found.state is ApprovalState.EXPIRED or found.answered_at is None:
        return f"nobody answered until {wording.moment(found.expires_at)}"
    used = f"; used by {found.used_by}" if found.used_by else ""
    answer = f"{found.state.value} by {found.answered_by} at {wording.moment(found.answered_at)}"
    return f"{answer}: {found.why}{used}"
