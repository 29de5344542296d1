"""`release`: the end of the isolation of one host, or of all hosts that one run isolated."""

from __future__ import annotations

import sys
from pathlib import Path

from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.host_state import read_host
from actions.release_host import release_host
from actions.settle_intent import settle
from connectors.errors import AmbiguousHost, HostNotFound, InputError
from connectors.facts.ledger import HostKey, IntentKind, Order
from connectors.state.ledger import Ledger
from playbooks.containment_reasons import comment_of
from playbooks.hosts.commands.containment_told import result_line
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import (
    SCHEMA_VERSION,
    Person,
    given_why,
    ledger_here,
    new_run_id,
    opened,
    person,
    told_when_interrupted,
    wanted_edr,
)
from playbooks.hosts.commands.ledger_hosts import Known, known_hosts, named, one_known
from playbooks.hosts.commands.release_run import release_run
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.hosts.terminal_output import note, write_json
from playbooks.settings import Settings, load_settings


def run(
    target: str,
    *,
    run_id: str,
    not_ours: bool,
    why: str,
    edr_name: str,
    config: Path | None,
    as_json: bool,
) -> None:
    """Release what is named, and read at the EDR whether it is released.

    Raises:
        InputError: nothing or two things are named, or no one host fits.
        ConfigError: the settings, the EDR or its secret is missing or wrong.
        LedgerUnusable: nothing was sent.
        SystemExit: 1 after all was printed, where a host is not proved to be released.
    """
    target, run_id, why = target.strip(), run_id.strip(), given_why(why)
    if bool(target) == bool(run_id):
        given = "both HOST and --run were given" if target else "neither HOST nor --run was given"
        raise InputError("release", given, "Name a host, a case or an isolation, or a run")
    if run_id and not_ours:
        raise InputError("--not-ours", "is of one host alone", "A run isolated only what is ours")
    by, settings = person(), load_settings(config)
    ledger = ledger_here(settings)
    if run_id:
        release_run(
            run_id, by=by, why=why, edr_name=edr_name, settings=settings, ledger=ledger, as_json=as_json
        )
        return
    known = one_known(known_hosts(ledger), target)
    if known is None and not not_ours:
        raise _nothing_stands(target, ledger)
    name = wanted_edr(edr_name, settings, of=known.host.connector if known is not None else "")
    with warnings_as_notes(), opened(name, settings, ledger) as tools, told_when_interrupted():
        if known is None:
            result = _released(_stranger(tools, target), tools, settings, by=by, why=why, foreign=True)
        else:
            result = _released_known(known, tools, settings, by=by, why=why, not_ours=not_ours)
    if as_json:
        write_json({"schema_version": SCHEMA_VERSION, "result": result.model_dump(mode="json")})
    else:
        print_lines([result_line(result)])
    if not not_ours and _is_not_ours(result, ledger):
        note("what somebody else isolated is released with --not-ours")
    if result.outcome not in (ContainmentOutcome.RELEASED, ContainmentOutcome.NOT_ISOLATED):
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def _is_not_ours(result: ContainmentResult, ledger: Ledger) -> bool:
    """Whether a release was refused because no order of ours is left that the isolation may come from."""
    if result.outcome is not ContainmentOutcome.REFUSED:
        return False
    standing = ledger.standing(HostKey(result.connector, result.host_id))
    return standing.lease is None and standing.intent is None


def _nothing_stands(target: str, ledger: Ledger) -> InputError:
    known = known_hosts(ledger)
    ended = ledger.intent(target)
    if ended is not None:
        problem = f"{target} has ended {ended.state.value}, and no isolation of ours stands for it"
    else:
        problem = f"no isolation of ours stands for {target!r}"
    there = f"There are: {named(known)}" if known else "None stands"
    return InputError("HOST", problem, f"{there}. What somebody else isolated is released with --not-ours")


def _stranger(tools: Tools, name: str) -> Known:
    """A host that the ledger has nothing of, by its exact name at the EDR.

    Raises:
        AmbiguousHost: several fit; they are named.
        HostNotFound: none does, or it could not be read.
    """
    reading = read_host(tools.edr, hostname=name)
    if reading.agent is None:
        problem = reading.problem.removeprefix(f"{tools.edr.name}: ").rstrip(".") or "no one machine fits"
        if reading.candidates:
            raise AmbiguousHost(tools.edr.name, problem, candidates=reading.candidates)
        raise HostNotFound(tools.edr.name, problem)
    return Known(HostKey(reading.agent.connector, reading.agent.host_id), reading.agent.hostname)


def _released_known(
    known: Known, tools: Tools, settings: Settings, *, by: Person, why: str, not_ours: bool
) -> ContainmentResult:
    """Release a host of the ledger. What is unfinished about it is read first."""
    unfinished = known.intent
    if unfinished is not None:
        releasing = unfinished.order.kind is IntentKind.RELEASE
        settled = settle(unfinished, tools, policy=settings.isolation, wait=releasing)
        if releasing:
            return settled
    return _released(known, tools, settings, by=by, why=why, foreign=not_ours)


def _released(
    known: Known, tools: Tools, settings: Settings, *, by: Person, why: str, foreign: bool
) -> ContainmentResult:
    order = Order(
        kind=IntentKind.RELEASE,
        connector=known.host.connector,
        host_id=known.host.host_id,
        hostname=known.hostname,
        site=known.site,
        case_id=known.case_id,
        run_id=new_run_id(tools.clock()),
        by=by.name,
        by_person=True,
        reason=by.reason(why),
        deadline_s=settings.isolation.deadline_s,
        foreign=foreign,
    )
    return release_host(order, tools, policy=settings.isolation, comment=comment_of(order))
