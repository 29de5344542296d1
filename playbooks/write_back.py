"""What a case writes back to the SIEM: a comment on each of its notables, and its risk once.

Nothing is closed, and what a person has set is left as it is (the connector sees to that).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from connectors.errors import ConnectorError, InputError, NotSupported, ResponseError, Transient
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import NotableUpdate, NotableWritten, RiskWritten, SiemConnector
from connectors.siem.notable import DERIVED
from playbooks.case import CaseReport, StepOutcome
from playbooks.report.notable_comment import comment
from playbooks.report.wording import count
from playbooks.write_back_settings import WriteBackSettings

#: Notables of one case that are commented at most, the oldest of them; a beacon raises one every hour.
MOST_NOTABLES = 50

#: After so many in a row that were not answered the case's others are not tried: each may take a minute.
MOST_UNANSWERED = 2

#: The steps, as the report names them.
COMMENT = "update_notable"
RISK = "add_risk"
STEPS = frozenset({COMMENT, RISK})


class Written(Protocol):
    """What earlier runs wrote, by notable and findings."""

    def holds(self, step: str, event_id: str, findings: str) -> bool:
        """Whether the step was done for the notable with these findings, the last time it was."""

    def add(self, step: str, event_id: str, findings: str, *, ok: bool) -> None:
        """Keep how a step went."""


class _OfThisCase:
    """Remembers the case at hand alone: what was written before, the connector tells."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str], str] = {}

    def holds(self, step: str, event_id: str, findings: str) -> bool:
        return self._done.get((step, event_id)) == findings

    def add(self, step: str, event_id: str, findings: str, *, ok: bool) -> None:
        if ok:
            self._done[step, event_id] = findings


def update_of(report: CaseReport, settings: WriteBackSettings) -> NotableUpdate:
    """What each notable of the case gets."""
    return NotableUpdate(
        comment=comment(report),
        status=settings.status,
        urgency=settings.urgency.get(report.risk.case_verdict),
        owner=settings.owner,
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
    return hashlib.sha256(ascii(parts).encode()).hexdigest()[:32]


def write_back(
    siem: SiemConnector, report: CaseReport, settings: WriteBackSettings, *, written: Written | None = None
) -> CaseReport:
    """Write to the case's notables and add its risk; the report tells what became of each.

    One that fails costs the others nothing.

    Args:
        siem: where the notables came from.
        report: of the case.
        settings: what is written beside the comment.
        written: what earlier runs wrote. A notable is commented again only where the findings have changed;
            None leaves that to the connector.
    """
    written = written or _OfThisCase()
    own = [each for each in report.facts.notables if is_of_siem(each)]
    ids = list(dict.fromkeys(each.event_id for each in own))
    outcomes = _comments(siem, report, settings, ids, written)
    if settings.risk and (own or raised_here(report.facts.notables)):
        outcomes.append(_risked(siem, (own or report.facts.notables)[0], report, written))
    return report.model_copy(update={"steps": (*report.steps, *outcomes)})


def left_alone(report: CaseReport, why: str) -> CaseReport:
    """The report where nothing is written back although it was asked for; that counts as a failure.

    Args:
        report: of the case.
        why: one sentence.
    """
    return report.model_copy(
        update={"steps": (*report.steps, StepOutcome(step=COMMENT, ok=False, detail=why))}
    )


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
    settings: WriteBackSettings,
    ids: Sequence[str],
    written: Written,
) -> list[StepOutcome]:
    if not ids:
        by_search = raised_here(report.facts.notables)
        detail = (
            "the analytic itself raised the case, so there is no notable to comment on"
            if by_search
            else "no notable of the case has an id of the SIEM, so none was written to"
        )
        return [StepOutcome(step=COMMENT, ok=by_search, detail=detail)]
    update, findings = update_of(report, settings), findings_of(report)
    due = [each for each in ids if not written.holds(COMMENT, each, findings)]
    outcomes = []
    if len(due) < len(ids):
        same = f"{count(len(ids) - len(due), 'notable')} of the case left: commented on these findings before"
        outcomes.append(StepOutcome(step=COMMENT, ok=True, detail=same))
    unanswered = 0
    tried = due[:MOST_NOTABLES]
    for number, each in enumerate(tried):
        if unanswered >= MOST_UNANSWERED:
            left = (
                f"{count(len(tried) - number, 'further notable')} not tried, since the SIEM does not answer"
            )
            outcomes.append(StepOutcome(step=COMMENT, ok=False, detail=left))
            for later in tried[number:]:
                written.add(COMMENT, later, findings, ok=False)
            break
        outcome, answered = _commented(siem, each, update)
        unanswered = 0 if answered else unanswered + 1
        outcomes.append(outcome)
        written.add(COMMENT, each, findings, ok=outcome.ok)
    if len(due) > MOST_NOTABLES:
        left = f"{count(len(due) - MOST_NOTABLES, 'further notable')} of the case left without a comment"
        outcomes.append(StepOutcome(step=COMMENT, ok=True, detail=left))
    return outcomes


def _commented(siem: SiemConnector, event_id: str, update: NotableUpdate) -> tuple[StepOutcome, bool]:
    """How it went, and whether the SIEM answered at all."""
    refused = ""
    while True:
        try:
            done = siem.update_notable(event_id, update)
        except ResponseError as error:
            without = _without_refused(update, error)
            if without is not None:
                # A label of the settings that the SIEM does not know must not cost the comment.
                refused += f". Not written: {_reason(error)}. See the section [write_back]"
                update = without
                continue
            told = StepOutcome(step=COMMENT, ok=False, detail=f"{event_id}: {_reason(error)}{refused}")
            return told, not isinstance(error, Transient)
        detail = (
            f"{event_id}: {_words(done).rstrip('.')}{refused}" if refused else f"{event_id}: {_words(done)}"
        )
        return StepOutcome(step=COMMENT, ok=not refused, detail=detail), True


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


def _words(written: NotableWritten) -> str:
    done = f"written: {', '.join(written.written)}" if written.written else "was written before"
    return f"{done}. {written.told}" if written.told else done


_RISK_WORDS = {
    RiskWritten.NOTHING_TO_ADD: "the score adds nothing to the one that is there",
    RiskWritten.ALREADY_THERE: "was added before",
    RiskWritten.INDEXED: "added, and proven to be indexed",
    RiskWritten.ACCEPTED: "taken by the SIEM; not proven to be indexed",
}


def _risked(siem: SiemConnector, notable: Notable, report: CaseReport, written: Written) -> StepOutcome:
    risk = report.risk
    try:
        sent = siem.add_risk(notable, score=risk.score, message=risk.message, case_id=report.case_id)
    except ResponseError as error:
        outcome = StepOutcome(step=RISK, ok=False, detail=_reason(error))
    else:
        outcome = StepOutcome(step=RISK, ok=True, detail=_RISK_WORDS[sent])
    written.add(RISK, notable.event_id, report.case_id, ok=outcome.ok)
    return outcome


def _reason(error: ResponseError) -> str:
    """Why it failed, with what to do where that is known."""
    if isinstance(error, InputError | NotSupported) or not isinstance(error, ConnectorError):
        return str(error)
    return error.message
