"""`reenrich case`: cases looked at again, and what changed since. Writes nothing itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soar_sdk.abstract import SOARClient

from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.outputs import ReenrichRow, ReenrichSummary
from playbooks.hosts.soar.params import ReenrichParams
from playbooks.report.wording import count


def answer(
    params: ReenrichParams, soar: SOARClient[Any], asset: Asset, state_folder: Path | None = None
) -> Answer[ReenrichRow, ReenrichSummary]:
    """Look at the cases again.

    Raises:
        ResponseError: as `reenrich_round`.
    """
    from playbooks.hosts.soar.reenrich_case import reenrich_round

    rows, notes = reenrich_round(params, soar, asset, state_folder)
    summary = ReenrichSummary(
        cases=len(rows),
        changed=sum(row.changed for row in rows),
        stopped=sum(bool(row.stop) for row in rows),
    )
    message = f"{count(len(rows), 'case')}: {summary.changed} changed, {summary.stopped} stopped."
    return Answer(rows, summary, " ".join((message, *notes)))
