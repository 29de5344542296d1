"""`isolate`: the host of a kept case, on a person's word."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from actions.isolation_by_hand import WAIVABLE
from connectors.errors import InputError
from connectors.facts.host import HostRef
from playbooks.case_steps import AssessedCase
from playbooks.hosts.commands.containment_told import PROVED
from playbooks.hosts.commands.isolation_output import outcome_of, print_case, well
from playbooks.hosts.commands.isolation_tools import (
    Person,
    containing_of,
    given_why,
    ledger_here,
    opened,
    person,
    told_when_interrupted,
    wanted_edr,
)
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.hosts.terminal_output import note
from playbooks.isolation import isolate_by_hand
from playbooks.kept_cases import KeptCases
from playbooks.report import wording
from playbooks.report.display import visible
from playbooks.settings import load_settings


def run(
    case_id: str,
    *,
    why: str,
    despite: Sequence[str],
    yes: bool,
    edr_name: str,
    config: Path | None,
    as_json: bool,
) -> None:
    """Isolate the host of a case, against the guards that are named.

    Raises:
        InputError: the case is not kept, a guard cannot be decided against, or nobody can be asked whether
            they are sure.
        ConfigError: the settings, the EDR or its secret is missing or wrong.
        LedgerUnusable: nothing was sent.
        SystemExit: 1 after all was printed, where the host is not proved to be isolated.
    """
    by, why = person(), given_why(why)
    against = _checked(despite)
    settings = load_settings(config)
    case = KeptCases(settings.ledger.place).get(case_id.strip())
    host = case.facts.host
    name = wanted_edr(edr_name, settings, of=host.connector if host is not None else "")
    with warnings_as_notes(), opened(name, settings, ledger_here(settings)) as tools:
        if not yes and not _sure(case, host, against, by):
            note("nothing was sent")
            sys.exit(EXIT_FAILED)
        with told_when_interrupted():
            report = isolate_by_hand(
                case.case_id,
                containing_of(tools, settings),
                despite=against,
                by=by.name,
                why=by.reason(why),
                settings=settings,
            )
    print_case(report, config, outcome=outcome_of(report), as_json=as_json)
    result = report.containment.result if report.containment is not None else None
    if not well(report) or result is None or result.outcome not in PROVED:
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def _checked(despite: Sequence[str]) -> tuple[str, ...]:
    """The guards that are decided against, each once.

    Raises:
        InputError: one cannot be.
    """
    given = tuple(dict.fromkeys(each.strip() for each in despite))
    for each in given:
        if each not in WAIVABLE:
            raise InputError(
                "--despite",
                f"{each!r} is no guard that a person can decide against",
                f"There are {', '.join(sorted(WAIVABLE))}",
            )
    return given


def _sure(case: AssessedCase, host: HostRef | None, against: Sequence[str], by: Person) -> bool:
    """Ask the person at the terminal.

    Raises:
        InputError: there is no terminal.
    """
    if not _at_a_terminal():
        raise InputError(
            "--yes", "is needed where nobody can be asked at a terminal", "Give it if you are sure"
        )
    machine = (
        f"{host.hostname} ({host.host_id})" if host is not None else case.facts.notables[0].machine_label
    )
    risk = f"verdict {wording.CASE_VERDICT[case.risk.case_verdict]}, score {case.risk.score:g}"
    said = f", despite {', '.join(against)}" if against else ""
    sys.stderr.write(visible(f"Isolate {machine} for {case.case_id} ({risk}){said}, as {by.name}? [y/N] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
