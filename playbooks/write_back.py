"""What a case writes back to the SIEM: a comment on each of its notables, and its risk once.

Nothing is closed, and what a person has set is left as it is (the connector sees to that). A SIEM that does
not answer, or refuses the account, is not asked again and again: each try may take a minute, and a person
waits behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from connectors.errors import InputError, ResponseError
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import NotableUpdate, RiskWritten, SiemConnector
from connectors.siem.notable import DERIVED
from playbooks.case import CaseReport
from playbooks.report.containment import standing_words
from playbooks.report.notable_comment import comment
from playbooks.report.wording import count
from playbooks.write_back_patience import Patience
from playbooks.write_back_rows import COMMENT, RISK, Became, Row, outcome_of, reason_of, row_of_update
from playbooks.write_back_settings import WriteBackSettings

#: Notables of one case that are commented at most, the oldest of them; a beacon raises one every hour.
MOST_NOTABLES = 50

#: Why a case is left alone whose EDR failed.
NOT_LOOKED_UP = "nothing was written: the process could not be looked up"


class Written(Protocol):
    """What earlier runs wrote, by notable and findings."""

    def holds(self, step: str, event_id: str, findings: str) -> bool:
        """Whether the step was done for the notable with these findings, the last time it was."""

    def add(self, step: str, event_id: str, findings: str, *, ok: bool) -> None:
        """Keep how a step went."""


def update_of(report: CaseReport, settings: WriteBackSettings) -> NotableUpdate:
    """What each notable of the case gets."""
    return NotableUpdate(
        comment=comment(report),
        status=settings.status,
        urgency=settings.urgency.get(report.risk.case_verdict),
        owner=settings.owner,
        disposition=settings.disposition,
    )


def findings_of(report: CaseReport) -> str:
    """What a further comment would be worth: a digest that counts and times of connections do not change."""
    risk = report.risk
    parts = [
        report.case_id,
        risk.case_verdict.value,
        risk.score,
        sorted(each.id for each in risk.indicators),
        sorted({each.what for each in risk.unknowns}),
    ]
    parts += [stands] if (stands := standing_words(report.containment)) else []
    return hashlib.sha256(ascii(parts).encode()).hexdigest()[:32]


def write_back(
    siem: SiemConnector,
    report: CaseReport,
    settings: WriteBackSettings,
    *,
    patience: Patience | None = None,
    written: Written | None = None,
) -> CaseReport:
    """The report with what became of writing it back; see rows_of."""
    rows = rows_of(siem, report, settings, patience=patience, written=written)
    return report.model_copy(update={"steps": (*report.steps, *(outcome_of(each) for each in rows))})


def rows_of(
    siem: SiemConnector,
    report: CaseReport,
    settings: WriteBackSettings,
    *,
    patience: Patience | None = None,
    written: Written | None = None,
) -> tuple[Row, ...]:
    """Write to the case's notables and add its risk.

    One that fails costs the others nothing.

    Args:
        siem: where the notables came from.
        report: of the case.
        settings: what is written beside the comment.
        patience: of the run, for all its cases; None where this case is the run.
        written: what earlier runs wrote. A notable is commented again only where the findings have changed;
            None leaves that to the connector.
    """
    patience = patience or Patience()
    own = [each for each in report.facts.notables if is_of_siem(each)]
    ids = list(dict.fromkeys(each.event_id for each in own))
    update = update_of(report, settings)
    rows = _comments(siem, report, update, ids, patience=patience, written=written)
    if settings.risk and (own or raised_here(report.facts.notables)):
        rows.append(_risked(siem, own or report.facts.notables, report, patience, written))
    return tuple(rows)


def is_of_siem(notable: Notable) -> bool:
    """Whether the SIEM knows the notable: it came with an id, and no log or search of ours raised it."""
    return not notable.event_id.startswith(DERIVED) and notable.source is not NotableSource.DETECTION


def raised_here(notables: Sequence[Notable]) -> bool:
    """Whether the analytic was run over the SIEM's events, where there are no notables to comment on."""
    return any(
        each.source is NotableSource.DETECTION and each.event_id.startswith("escu:") for each in notables
    )


def _comments(
    siem: SiemConnector,
    report: CaseReport,
    update: NotableUpdate,
    ids: Sequence[str],
    *,
    patience: Patience,
    written: Written | None,
) -> list[Row]:
    if not ids:
        if raised_here(report.facts.notables):
            told = "the analytic itself raised the case, so there is no notable to comment on"
            return [Row(COMMENT, "", Became.LEFT_OUT, told)]
        told = "no notable of the case has an id of the SIEM, so none was written to"
        return [Row(COMMENT, "", Became.NO_NOTABLE, told)]
    findings = findings_of(report)
    due = [each for each in ids if written is None or not written.holds(COMMENT, each, findings)]
    rows = []
    if len(due) < len(ids):
        same = f"{count(len(ids) - len(due), 'notable')} of the case left: commented on these findings before"
        rows.append(Row(COMMENT, "", Became.LEFT_OUT, same))
    tried = due[:MOST_NOTABLES]
    for number, each in enumerate(tried):
        if why := patience.over(COMMENT):
            left = (
                f"{count(len(tried) - number, 'further notable' if number else 'notable')} not tried: {why}"
            )
            rows.append(Row(COMMENT, "", Became.NOT_TRIED, left))
            for later in tried[number:]:
                _keep(written, COMMENT, later, findings, ok=False)
            break
        row = _commented(siem, each, update, patience)
        rows.append(row)
        _keep(written, COMMENT, each, findings, ok=row.ok)
    if len(due) > MOST_NOTABLES:
        left = f"{count(len(due) - MOST_NOTABLES, 'further notable')} of the case left without a comment"
        rows.append(Row(COMMENT, "", Became.LEFT_OUT, left))
    return rows


def _keep(written: Written | None, step: str, event_id: str, findings: str, *, ok: bool) -> None:
    if written is not None:
        written.add(step, event_id, findings, ok=ok)


def _commented(siem: SiemConnector, event_id: str, update: NotableUpdate, patience: Patience) -> Row:
    refused: list[str] = []
    while True:
        try:
            done = siem.update_notable(event_id, update)
        except ResponseError as error:
            without = _without_refused(update, error)
            if without is not None:
                # A label of the settings that the SIEM does not know must not cost the comment.
                refused.append(f"Not written: {reason_of(error).rstrip('.')}. See the section [write_back]")
                update = without
                continue
            patience.went(COMMENT, error)
            row = row_of_update(event_id, error)
        else:
            patience.went(COMMENT, None)
            row = row_of_update(event_id, done)
        return row._replace(refused=". ".join(refused))


def _without_refused(update: NotableUpdate, error: ResponseError) -> NotableUpdate | None:
    """The update without the field that cannot be written; None where that is none of the settings'."""
    if not isinstance(error, InputError):
        return None
    match error.field:
        case "status" if update.status is not None:
            return update._replace(status=None)
        case "urgency" if update.urgency is not None:
            return update._replace(urgency=None)
        case "owner" if update.owner is not None:
            return update._replace(owner=None)
        case "disposition" if update.disposition is not None:
            return update._replace(disposition=None)
        case _:
            return None


#: What became of a risk event, and its words.
_RISKS = {
    RiskWritten.NOTHING_TO_ADD: (
        Became.NOTHING_TO_ADD,
        "the score adds nothing to the one that is there",
    ),
    RiskWritten.ALREADY_THERE: (Became.ALREADY_THERE, "was added before"),
    RiskWritten.INDEXED: (Became.WRITTEN, "added, and proven to be indexed"),
    RiskWritten.ACCEPTED: (Became.WRITTEN, "taken by the SIEM; not proven to be indexed"),
}


def _risked(
    siem: SiemConnector,
    notables: Sequence[Notable],
    report: CaseReport,
    patience: Patience,
    written: Written | None,
) -> Row:
    first, risk, host = notables[0], report.risk, report.facts.host
    if not first.dest and host is not None:
        first = first.model_copy(update={"dest": host.hostname})
    if not first.dest:
        # ESCU's own risk may stand on the peer; ours goes to the machine or nowhere.
        row = Row(RISK, "", Became.NO_MACHINE, "none added: which machine it was is not known")
    elif why := patience.over(RISK):
        row = Row(RISK, "", Became.NOT_TRIED, f"not tried: {why}")
    else:
        try:
            sent = siem.add_risk(
                first,
                score=risk.score,
                base_score=report.risk.base_score,
                techniques=report.facts.profile.techniques,
                message=risk.message,
                case_id=report.case_id,
            )
        except ResponseError as error:
            patience.went(RISK, error)
            row = Row(RISK, "", Became.FAILED, reason_of(error))
        else:
            patience.went(RISK, None)
            row = Row(RISK, "", *_RISKS[sent])
    _keep(written, RISK, first.event_id, report.case_id, ok=row.ok)
    return row
