"""A question about a host: whether it still makes sense, and how a person reads and answers it."""

from __future__ import annotations

import shlex
from pathlib import Path

from actions.reconciliation import WaitingQuestion
from connectors.facts.ledger import HostKey
from connectors.state.ledger import Ledger
from playbooks.report import wording


def meanwhile(asked: WaitingQuestion, ledger: Ledger) -> str:
    """What the ledger has of the host that leaves nothing to approve, a clause; "" for nothing."""
    standing = ledger.standing(HostKey(asked.connector, asked.host_id))
    if (lease := standing.lease) is not None:
        return f"its host is isolated already, which {lease.owner} answers for ({lease.intent_id})"
    released = standing.last_release_at
    if released is not None and released >= asked.asked_at:
        by = f" by {standing.last_release_by}" if standing.last_release_by else ""
        return f"its host was released{by} at {wording.moment(released)}, after this was asked"
    return ""


def question_lines(asked: WaitingQuestion, config: Path | None, *, overtaken: str = "") -> list[str]:
    """A question that is open, how its evidence is read, and how it is answered.

    Args:
        asked: the question.
        config: the settings file, for the commands.
        overtaken: see `meanwhile`; then no approval is offered.
    """
    host = f"{asked.hostname} ({asked.connector} {asked.host_id})"
    until = wording.moment(asked.expires_at)
    case, more = shlex.quote(asked.case_id), with_config(config)
    lines = [
        f"open question: isolate {host} for {asked.case_id}? No answer is taken after {until}.",
        f"  regsvcs-response question {case}{more}  # its evidence",
    ]
    if overtaken:
        lines.append(f"  nothing is left to approve: {overtaken}")
    else:
        lines.append(f"  regsvcs-response approve {case} --why TEXT{more}")
    return [*lines, f"  regsvcs-response decline {case} --why TEXT{more}"]


def with_config(config: Path | None) -> str:
    """The option that names the settings file again; "" where none was named."""
    return f" --config {shlex.quote(str(config))}" if config is not None else ""
