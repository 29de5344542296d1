"""`get process lineage`: where the process of a notable came from, and what else was seen of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from soar_sdk.abstract import SOARClient

from playbooks.case_steps import CaseFindings
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import lineage_line, listed, rejected_in_words, user_of
from playbooks.hosts.soar.answers.given import asked_for, gathered
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import pack
from playbooks.hosts.soar.outputs import LineageRow, LineageSummary
from playbooks.hosts.soar.params import LineageParams
from playbooks.report import wording
from playbooks.report.display import visible


class LineageStatus(StrEnum):
    """What the look-up came to."""

    FOUND = "found"
    PROCESS_NOT_FOUND = "process_not_found"
    PROCESS_AMBIGUOUS = "process_ambiguous"
    HOST_NOT_FOUND = "host_not_found"
    HOST_AMBIGUOUS = "host_ambiguous"
    FAILED = "failed"
    """The source did not answer for this case, but for others."""


_IN_WORDS = {
    LineageStatus.FOUND: "found",
    LineageStatus.PROCESS_NOT_FOUND: "no process fits",
    LineageStatus.PROCESS_AMBIGUOUS: "several processes fit, and none is picked",
    LineageStatus.HOST_NOT_FOUND: "no such host is known",
    LineageStatus.HOST_AMBIGUOUS: "several hosts fit, and none is picked",
    LineageStatus.FAILED: "the source did not answer",
}


def answer(params: LineageParams, soar: SOARClient[Any], asset: Asset) -> Answer[LineageRow, LineageSummary]:
    """Look up host, process, lineage and evidence for each case.

    Raises:
        InputError: the parameters or the logs cannot be used, or no source is configured.
        ConnectorError: the source answered for no case.
    """
    settings = settings_of(asset)
    parsed = asked_for(params, settings)
    rows = [_row(each) for each in gathered(asset, soar, parsed, settings, params.vault_id)]
    found = sum(row.status == LineageStatus.FOUND for row in rows)
    return Answer(
        rows,
        LineageSummary(cases=len(rows), found=found),
        _message(rows, found) + rejected_in_words(len(parsed.rejected)),
    )


def status_of(found: CaseFindings) -> LineageStatus:
    """What the look-up of one case came to."""
    if found.process is not None and (found.lineage is not None or found.evidence is not None):
        return LineageStatus.FOUND
    if found.failed:
        return LineageStatus.FAILED
    if found.host is not None:
        return (
            LineageStatus.PROCESS_AMBIGUOUS if found.process_candidates else LineageStatus.PROCESS_NOT_FOUND
        )
    return LineageStatus.HOST_AMBIGUOUS if found.host_candidates else LineageStatus.HOST_NOT_FOUND


def _row(found: CaseFindings) -> LineageRow:
    lineage, process, notable = found.lineage, found.process, found.notables[0]
    target = lineage.target if lineage is not None else None
    row = LineageRow(
        case_id=found.case_id,
        host=wording.name(found.host.hostname if found.host is not None else notable.dest),
        user=user_of(found.notables, lineage),
        process=wording.name((target.name if target else "") or notable.process_name),
        status=status_of(found).value,
        process_guid=wording.name((process.guid if process else None) or "", unknown=""),
        command_line=visible((target.command_line if target else None) or ""),
        lineage=lineage_line(lineage),
        ancestor_count=len(lineage.ancestors) if lineage else 0,
        child_count=len(lineage.children) if lineage else 0,
        candidates=listed(wording.name(each) for each in found.host_candidates or found.process_candidates),
        unknowns=listed(wording.sentence(f"{each.what}: {each.why}") for each in found.problems),
        facts=pack(found),
    )
    if process is not None and process.pid is not None:
        row.pid = process.pid  # left out where it is not known: no number means that
    return row


def _message(rows: list[LineageRow], found: int) -> str:
    if len(rows) > 1:
        return f"{found} of {len(rows)} cases have their process."
    (row,) = rows
    if row.status == LineageStatus.FOUND:
        return f"{row.process} on {row.host}: {row.lineage or 'found, its lineage is not recorded'}."
    return f"{row.process} on {row.host}: {_IN_WORDS[LineageStatus(row.status)]}."
