"""`update notable`: what a case writes back to Splunk, or a comment that a person gives. Closes nothing.

A case is written only where the asset says so (write_to_splunk): the token alone, which polling needs too,
allows no playbook to write. What a person writes by hand is that person's will.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from actions.assess_risk import assess_risk
from actions.next_steps import next_steps
from actions.risk import CaseVerdict
from connectors.clock import utc_now
from connectors.errors import InputError, NotSupported, ResponseError
from connectors.ports import NotableUpdate, NotableWritten, SiemConnector
from playbooks.case import CaseReport
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.outputs import Outcome, WriteBackRow, WriteBackSummary
from playbooks.hosts.soar.params import UpdateNotableParams
from playbooks.hosts.soar.splunk import NOT_CONFIGURED, NOT_SWITCHED_ON, splunk_for
from playbooks.report.display import visible
from playbooks.report.wording import count, sentence
from playbooks.settings import Settings
from playbooks.write_back import NOT_LOOKED_UP, rows_of
from playbooks.write_back_patience import Patience
from playbooks.write_back_rows import RISK, Became, Row, row_left_alone, row_of_update
from playbooks.write_back_settings import WriteBackSettings

#: Failures that the error of an action names.
_NAMED = 3

#: Characters of an event_id in a row; longer ones are refused where notables are read.
_ID_LIMIT = 1024

_BY_HAND = ("event_id", "comment")


class WriteBackFailed(ResponseError):
    """Nothing of what was to be written was; the text names why."""


def answer(
    params: UpdateNotableParams, asset: Asset, state_folder: Path | None = None
) -> Answer[WriteBackRow, WriteBackSummary]:
    """Write to the notables of each case and add its risk, or write a comment to one notable.

    One that fails costs the others nothing. Where the policy names no Splunk, or the asset does
    not let a case be written, the rows say so.

    Raises:
        InputError: the facts or what was given by hand cannot be used.
        ConfigError: the policy is wrong, or a token is missing.
        WriteBackFailed: nothing was written, and at least one failed.
    """
    settings = settings_of(asset)
    reports = _reports(params, settings)
    if settings.splunk is None:
        rows = _unwritten(params, reports, Outcome.NOT_CONFIGURED, NOT_CONFIGURED)
        return Answer(rows, _summary(rows, configured=False), f"{NOT_CONFIGURED}. Nothing was written.")
    if reports and not asset.write_to_splunk:
        rows = _unwritten(params, reports, Outcome.NOT_SWITCHED_ON, NOT_SWITCHED_ON)
        return Answer(rows, _summary(rows, configured=True), f"{NOT_SWITCHED_ON}. Nothing was written.")
    with splunk_for(asset, settings, state_folder) as siem:
        if reports:
            patience = Patience()
            asked = bool(asset.sysmon_path) or settings.edr.connector is not None
            rows = [
                row
                for each in reports
                for row in _of_case(siem, each, params, settings, patience, asked=asked)
            ]
        else:
            rows = _by_hand(siem, params)
    failed = [each for each in rows if each.outcome == Outcome.FAILED]
    if failed and not any(each.outcome in (Outcome.WRITTEN, Outcome.ALREADY_THERE) for each in rows):
        raise WriteBackFailed(f"nothing was written to Splunk: {_named(failed)}")
    summary = _summary(rows, configured=True)
    return Answer(rows, summary, _message(summary, failed))


def _reports(params: UpdateNotableParams, settings: Settings) -> list[CaseReport]:
    """The cases to write back; none where a notable is given by hand.

    Raises:
        InputError: both or neither are given, or what is given cannot be used.
    """
    by_hand = [name for name in _BY_HAND if (getattr(params, name) or "").strip()]
    if (params.case_facts or "").strip():
        if by_hand:
            raise InputError(
                by_hand[0], "is given beside case_facts, which say it themselves", "Give one or the other"
            )
        found = unpack(params.case_facts or "", CaseReport, field="case_facts")
        if found:
            return [_assessed_anew(each, settings) for each in found]
    if len(by_hand) != len(_BY_HAND):
        missing = next(name for name in _BY_HAND if name not in by_hand)
        raise InputError(
            missing,
            "is empty, and there are no case_facts",
            "Give the facts output of decide isolation, or event_id and comment",
        )
    return []


def _assessed_anew(report: CaseReport, settings: Settings) -> CaseReport:
    """The report with risk and next steps made of its facts; those that a caller hands over count nothing."""
    risk = assess_risk(report.facts, settings.risk, utc_now())
    steps = next_steps(report.facts, settings.risk, risk, report.decision)
    return report.model_copy(update={"risk": risk, "next_steps": steps})


def _of_case(
    siem: SiemConnector,
    report: CaseReport,
    params: UpdateNotableParams,
    settings: Settings,
    patience: Patience,
    *,
    asked: bool,
) -> list[WriteBackRow]:
    if asked and report.facts.not_looked_up:
        # As the command has it: the next look-up would contradict what this one wrote.
        return _shown(report.case_id, row_left_alone(NOT_LOOKED_UP))
    rows = rows_of(siem, report, _given(settings.write_back, params), patience=patience)
    return list(chain.from_iterable(_shown(report.case_id, each) for each in rows))


def _given(settings: WriteBackSettings, params: UpdateNotableParams) -> WriteBackSettings:
    """The policy, with what was given by hand in its place."""
    given: dict[str, object] = {}
    if params.status:
        given["status"] = params.status
    if params.owner:
        given["owner"] = params.owner
    if params.disposition:
        given["disposition"] = params.disposition
    if params.urgency:
        # Splunk's connector refuses one that is none, and names those there are.
        given["urgency"] = dict.fromkeys(CaseVerdict, params.urgency)
    return settings.model_copy(update=given)


def _by_hand(siem: SiemConnector, params: UpdateNotableParams) -> list[WriteBackRow]:
    update = NotableUpdate(
        comment=params.comment or "",
        status=params.status,
        urgency=params.urgency,
        owner=params.owner,
        disposition=params.disposition,
    )
    event_id = (params.event_id or "").strip()
    try:
        result: NotableWritten | NotSupported = siem.update_notable(event_id, update)
    except NotSupported as error:
        result = error
    return _shown("", row_of_update(event_id, result))


#: A row's outcome; Outcome has the same words otherwise.
_OUTCOME = {Became.NO_NOTABLE: Outcome.LEFT_OUT, Became.NOT_TRIED: Outcome.FAILED}


def _shown(case_id: str, row: Row) -> list[WriteBackRow]:
    """The row as the action gives it, and one more for what the SIEM does not know."""
    target = "risk" if row.step == RISK else "notable"
    outcome = _OUTCOME.get(row.became) or Outcome(row.became.value)
    rows = [_plain(case_id, outcome, target=target, event_id=row.event_id, detail=row.told)]
    rows[0].written, rows[0].left = list(row.written), list(row.left)
    if row.refused:
        rows.append(_plain(case_id, Outcome.FAILED, target=target, event_id=row.event_id, detail=row.refused))
    return rows


def _plain(
    case_id: str, outcome: Outcome, *, target: str = "notable", event_id: str = "", detail: str
) -> WriteBackRow:
    return WriteBackRow(
        case_id=case_id,
        target=target,
        event_id=visible(event_id, limit=_ID_LIMIT),
        outcome=outcome.value,
        written=[],
        left=[],
        detail=sentence(visible(detail)) if detail else "",
    )


def _unwritten(
    params: UpdateNotableParams, reports: Sequence[CaseReport], outcome: Outcome, told: str
) -> list[WriteBackRow]:
    """Rows of what is not even tried."""
    if not reports:
        return [_plain("", outcome, event_id=(params.event_id or "").strip(), detail=told)]
    rows = []
    for report in reports:
        named = dict.fromkeys(each.event_id for each in report.facts.notables)
        rows += [_plain(report.case_id, outcome, event_id=each, detail=told) for each in named]
        rows.append(_plain(report.case_id, outcome, target="risk", detail=told))
    return rows


def _summary(rows: Sequence[WriteBackRow], *, configured: bool) -> WriteBackSummary:
    notables = [Outcome(each.outcome) for each in rows if each.target == "notable"]
    risks = [Outcome(each.outcome) for each in rows if each.target == "risk"]
    return WriteBackSummary(
        notables=sum(each is not Outcome.LEFT_OUT for each in notables),
        written=notables.count(Outcome.WRITTEN),
        already_there=notables.count(Outcome.ALREADY_THERE),
        failed=[*notables, *risks].count(Outcome.FAILED),
        risks_added=risks.count(Outcome.WRITTEN),
        configured=configured,
    )


def _message(summary: WriteBackSummary, failed: Sequence[WriteBackRow]) -> str:
    said = f"{summary.written} of {count(summary.notables, 'notable')} written to"
    if summary.already_there:
        said += f", {summary.already_there} had it before"
    said += f"; risk added for {count(summary.risks_added, 'case')}."
    return f"{said} {summary.failed} failed: {_named(failed)}." if failed else said


def _named(rows: Iterable[WriteBackRow]) -> str:
    every = [f"{each.event_id or each.target}: {each.detail.rstrip('.')}" for each in rows]
    more = f"; and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return "; ".join(every[:_NAMED]) + more
