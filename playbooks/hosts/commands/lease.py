"""`lease extend`: a later moment at which somebody has to look at an isolation again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from connectors.errors import InputError
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import SCHEMA_VERSION, clock, given_why, ledger_here, person
from playbooks.hosts.commands.ledger_hosts import known_hosts, named, one_known
from playbooks.hosts.terminal_output import write_json
from playbooks.report import wording
from playbooks.settings import load_settings


def extend(target: str, *, hours: int, why: str, config: Path | None, as_json: bool) -> None:
    """Set the review of one isolation to so many hours from this moment.

    Raises:
        InputError: no isolation of ours fits, or several, or its review is later already.
        LedgerUnusable: nothing was changed.
    """
    by, why = person(), given_why(why)
    ledger = ledger_here(load_settings(config))
    known = known_hosts(ledger, unfinished=False)
    found = one_known(known, target.strip())
    if found is None or found.lease is None:
        there = f"There are: {named(known)}" if known else "None stands"
        raise InputError("HOST", f"no isolation of ours stands for {target!r}", there)
    until = clock() + timedelta(hours=hours)
    if until <= found.lease.review_by:
        raise InputError(
            "--hours",
            f"its review is due at {wording.moment(found.lease.review_by)}, which is later",
            "Give more hours",
        )
    lease = ledger.extend_lease(found.lease, review_by=until, by=by.name, why=by.reason(why))
    if lease.ended_at is not None:
        raise InputError(
            "HOST", f"the isolation of {lease.hostname} has ended meanwhile, by {lease.ended_by}"
        )
    if as_json:
        write_json({"schema_version": SCHEMA_VERSION, "lease": lease.model_dump(mode="json")})
        return
    print_lines(
        [f"{lease.hostname} ({lease.host_id}): to be looked at again by {wording.moment(lease.review_by)}"]
    )
