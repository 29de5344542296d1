"""What a case writes back to the SIEM: a comment on each of its notables, and its risk once.

Nothing is closed, and what a person has set is left as it is (the connector sees to that).
"""

from __future__ import annotations

from connectors.errors import InputError, ResponseError
from connectors.facts.notable import Notable
from connectors.ports import NotableUpdate, NotableWritten, RiskWritten, SiemConnector
from connectors.siem.notable import DERIVED
from playbooks.case import CaseReport, StepOutcome
from playbooks.report.notable_comment import comment
from playbooks.write_back_settings import WriteBackSettings

#: Notables of one case that are commented at most, the oldest of them; a beacon raises one every hour.
MOST_NOTABLES = 50


def update_of(report: CaseReport, settings: WriteBackSettings) -> NotableUpdate:
    """What each notable of the case gets."""
    return NotableUpdate(
        comment=comment(report),
        status=settings.status,
        urgency=settings.urgency.get(report.risk.case_verdict),
        owner=settings.owner,
    )


def write_back(siem: SiemConnector, report: CaseReport, settings: WriteBackSettings) -> CaseReport:
    """Write to the case's notables and add its risk; the report tells what became of each.

    One that fails costs the others nothing.
    """
    update = update_of(report, settings)
    named = list(dict.fromkeys(each.event_id for each in report.facts.notables))
    own = [each for each in named if not each.startswith(DERIVED)]
    outcomes = [_commented(siem, each, update) for each in own[:MOST_NOTABLES]]
    if len(own) > MOST_NOTABLES:
        left = f"{len(own) - MOST_NOTABLES} further notables of the case were left without a comment"
        outcomes.append(StepOutcome(step="update_notable", ok=True, detail=left))
    if not own:
        detail = "no notable of the case has an id of the SIEM, so none was written to"
        outcomes.append(StepOutcome(step="update_notable", ok=False, detail=detail))
    if settings.risk:
        outcomes.append(_risked(siem, report.facts.notables[0], report))
    return report.model_copy(update={"steps": (*report.steps, *outcomes)})


def _commented(siem: SiemConnector, event_id: str, update: NotableUpdate) -> StepOutcome:
    try:
        written = siem.update_notable(event_id, update)
    except (InputError, ResponseError) as error:
        return StepOutcome(step="update_notable", ok=False, detail=f"{event_id}: {error}")
    return StepOutcome(step="update_notable", ok=True, detail=f"{event_id}: {_words(written)}")


def _words(written: NotableWritten) -> str:
    done = f"written: {', '.join(written.written)}" if written.written else "was written before"
    return f"{done}. {written.told}" if written.told else done


_RISK_WORDS = {
    RiskWritten.NOTHING_TO_ADD: "the score adds nothing to the one that is there",
    RiskWritten.ALREADY_THERE: "was added before",
    RiskWritten.INDEXED: "added, and proven to be indexed",
    RiskWritten.ACCEPTED: "taken by the SIEM; not proven to be indexed",
}


def _risked(siem: SiemConnector, notable: Notable, report: CaseReport) -> StepOutcome:
    risk = report.risk
    try:
        sent = siem.add_risk(notable, score=risk.score, message=risk.message, case_id=report.case_id)
    except (InputError, ResponseError) as error:
        return StepOutcome(step="add_risk", ok=False, detail=str(error))
    return StepOutcome(step="add_risk", ok=True, detail=_RISK_WORDS[sent])
