"""`get process lineage`: where the process of a notable came from, and what else was seen of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from soar_sdk.abstract import SOARClient

from playbooks.case_findings import CaseFindings
from playbooks.case_steps import destinations_of
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import lineage_line, listed, rejected_in_words
from playbooks.hosts.soar.answers.given import asked_for, gathered
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import pack
from playbooks.hosts.soar.outputs import LineageRow, LineageSummary
from playbooks.hosts.soar.params import LineageParams
from playbooks.hosts.soar.shapes import MAX_LOOKUPS
from playbooks.lineage_status import LineageStatus, status_of, status_words
from playbooks.report import wording
from playbooks.report.display import visible
from playbooks.report.story import host_of, process_of, subject_of, user_of
from playbooks.settings import Settings


def answer(params: LineageParams, soar: SOARClient[Any], asset: Asset) -> Answer[LineageRow, LineageSummary]:
    """Look up host, process, lineage and evidence for each case.

    Raises:
        InputError: the parameters or the logs cannot be used, or no source is configured.
        ConnectorError: the source answered for no case.
    """
    settings = settings_of(asset)
    parsed = asked_for(params, settings)
    cases = gathered(asset, soar, parsed, settings, params.vault_id)
    found = sum(status_of(each) is LineageStatus.FOUND for each in cases)
    return Answer(
        [_row(each, settings) for each in cases],
        LineageSummary(cases=len(cases), found=found),
        _message(cases, found) + rejected_in_words(len(parsed.rejected)),
    )


def _row(found: CaseFindings, settings: Settings) -> LineageRow:
    lineage, process = found.lineage, found.process
    target = lineage.target if lineage is not None else None
    row = LineageRow(
        case_id=found.case_id,
        host=host_of(found),
        user=user_of(found),
        process=process_of(found),
        status=status_of(found).value,
        process_guid=wording.name((process.guid if process else None) or "", unknown=""),
        command_line=visible((target.command_line if target else None) or ""),
        lineage=lineage_line(lineage),
        ancestor_count=len(lineage.ancestors) if lineage else 0,
        child_count=len(lineage.children) if lineage else 0,
        candidates=listed(wording.name(each) for each in found.host_candidates or found.process_candidates),
        peers=_peers(found, settings),
        unknowns=listed(wording.sentence(f"{each.what}: {each.why}") for each in found.problems),
        facts=pack(found),
    )
    if process is not None and process.pid is not None:
        row.pid = process.pid  # left out where it is not known: no number means that
    return row


def _peers(found: CaseFindings, settings: Settings) -> list[str]:
    """What a third party may be asked about; addresses alone, so that they can be handed on as they are."""
    external = (each.ip for each in destinations_of(found, settings) if each.check.external)
    return list(islice(external, MAX_LOOKUPS))


def _message(cases: Sequence[CaseFindings], found: int) -> str:
    if len(cases) > 1:
        return f"{found} of {len(cases)} cases have their process."
    (case,) = cases
    return f"{subject_of(case)}: {lineage_line(case.lineage) or status_words(case)}."
