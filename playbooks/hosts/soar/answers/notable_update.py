"""`update notable`: what a case writes back to Splunk, or a comment that a person gives. Closes nothing.

A case is written only where the asset says so (write_to_splunk): the token alone, which polling needs too,
allows no playbook to write. What a person writes by hand is that person's will.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from actions.assess_risk import assess_risk
from actions.next_steps import next_steps
from actions.risk import CaseVerdict
from connectors.clock import utc_now
from connectors.errors import InputError, NotSupported, ResponseError
from connectors.ports import NotableUpdate, NotableWritten, RiskWritten, SiemConnector
from playbooks.case import CaseReport
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.recorded_siem import Kept, RecordedSiem
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.outputs import Outcome, WriteBackRow, WriteBackSummary
from playbooks.hosts.soar.params import UpdateNotableParams
from playbooks.hosts.soar.splunk import NOT_CONFIGURED, NOT_SWITCHED_ON, splunk_for
from playbooks.report.display import safe_error, visible
from playbooks.report.wording import count, sentence
from playbooks.settings import Settings
from playbooks.write_back import write_back
from playbooks.write_back_settings import WriteBackSettings

#: Failures that the error of an action names.
_NAMED = 3

#: Characters of an event_id in a row; longer ones are refused where notables are read.
_ID_LIMIT = 1024

_BY_HAND = ("event_id", "comment")


class WriteBackFailed(ResponseError):
    """Nothing of what was to be written was; the text names why."""


_RISK = {
    RiskWritten.NOTHING_TO_ADD: (Outcome.NOTHING_TO_ADD, "the score adds nothing to the one that is there"),
    RiskWritten.ALREADY_THERE: (Outcome.ALREADY_THERE, "was added before"),
    RiskWritten.INDEXED: (Outcome.WRITTEN, "added, and proven to be indexed"),
    RiskWritten.ACCEPTED: (Outcome.WRITTEN, "taken by Splunk; not proven to be indexed"),
}


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
            recorded = RecordedSiem(siem, disposition=params.disposition)
            rows = list(chain.from_iterable(_of_case(recorded, each, params, settings) for each in reports))
        else:
            rows = [_by_hand(siem, params)]
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
    recorded: RecordedSiem, report: CaseReport, params: UpdateNotableParams, settings: Settings
) -> list[WriteBackRow]:
    before = len(recorded.kept)
    done = write_back(recorded, report, _given(settings.write_back, params))
    kept = recorded.kept[before:]
    rows = [_row(report.case_id, each) for each in kept]
    # Notables that were not written to at all are told behind those that were.
    told = [each.detail for each in done.steps[len(report.steps) :] if each.step == "update_notable"]
    tried = sum(each.event_id is not None for each in kept)
    rows += [_plain(report.case_id, Outcome.LEFT_OUT, detail=each) for each in told[tried:]]
    return rows


def _given(settings: WriteBackSettings, params: UpdateNotableParams) -> WriteBackSettings:
    """The policy, with what was given by hand in its place."""
    given: dict[str, object] = {}
    if params.status:
        given["status"] = params.status
    if params.owner:
        given["owner"] = params.owner
    if params.urgency:
        # Splunk's connector refuses one that is none, and names those there are.
        given["urgency"] = dict.fromkeys(CaseVerdict, params.urgency)
    return settings.model_copy(update=given)


def _by_hand(siem: SiemConnector, params: UpdateNotableParams) -> WriteBackRow:
    recorded = RecordedSiem(siem)
    update = NotableUpdate(
        comment=params.comment or "",
        status=params.status,
        urgency=params.urgency,
        owner=params.owner,
        disposition=params.disposition,
    )
    with suppress(NotSupported):  # the record says it
        recorded.update_notable((params.event_id or "").strip(), update)
    return _row("", recorded.kept[0])


def _row(case_id: str, kept: Kept) -> WriteBackRow:
    target = "risk" if kept.event_id is None else "notable"
    row = WriteBackRow(
        case_id=case_id,
        target=target,
        event_id=visible(kept.event_id or "", limit=_ID_LIMIT),
        outcome=Outcome.FAILED.value,
        written=[],
        left=[],
        detail="",
    )
    match kept.result:
        case NotableWritten(written, left, told):
            row.outcome = (Outcome.WRITTEN if written else Outcome.ALREADY_THERE).value
            row.written, row.left = list(written), list(left)
            row.detail = sentence(told) if told else "" if written else "was written before"
        case RiskWritten():
            outcome, row.detail = _RISK[kept.result]
            row.outcome = outcome.value
        case NotSupported():
            row.outcome, row.detail = Outcome.NOT_SUPPORTED.value, sentence(kept.result.message)
        case _:
            row.detail = sentence(safe_error(kept.result))
    return row


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
        detail=sentence(detail),
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
