"""What became of writing a case back: a row for each notable and one for its risk."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from connectors.errors import ConnectorError, InputError, NotSupported, ResponseError
from connectors.ports import NotableWritten
from playbooks.case import CaseReport, StepOutcome

#: The steps, as the report names them.
COMMENT = "update_notable"
RISK = "add_risk"
STEPS = frozenset({COMMENT, RISK})


class Became(StrEnum):
    """What became of a write. Only WRITTEN claims that something was written now."""

    WRITTEN = "written"
    ALREADY_THERE = "already_there"
    NOTHING_TO_ADD = "nothing_to_add"
    LEFT_OUT = "left_out"
    """Nothing was to be written: too many notables, or these findings were written before."""
    NO_NOTABLE = "no_notable"
    """No notable of the case has an id of the SIEM."""
    NOT_SUPPORTED = "not_supported"
    NO_MACHINE = "no_machine"
    """It is not known which machine the case is about; nothing could be put on it."""
    NOT_TRIED = "not_tried"
    """The SIEM had not answered before, or refused the account."""
    FAILED = "failed"


class Row(NamedTuple):
    """What became of one notable, of several that were not written to, or of the case's risk.

    Attributes:
        step: COMMENT or RISK.
        event_id: the notable; "" for the risk, and for several.
        became: see Became.
        written, left: see NotableWritten.
        told: one sentence, without the id; "" where what was written says it all.
        refused: what the SIEM does not know and was therefore not written, "" for none: a failure although
            the rest was written.
    """

    step: str
    event_id: str
    became: Became
    told: str
    written: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    refused: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        failed = (Became.FAILED, Became.NOT_TRIED, Became.NO_NOTABLE, Became.NOT_SUPPORTED)
        return self.became not in failed and not self.refused


def outcome_of(row: Row) -> StepOutcome:
    """A row as the report has it."""
    detail = row.told
    if row.written:
        done = f"written: {', '.join(row.written)}"
        detail = f"{done}. {row.told}" if row.told else done
    if row.refused:
        detail = f"{detail.rstrip('.')}. {row.refused}"
    return StepOutcome(
        step=row.step, ok=row.ok, detail=f"{row.event_id}: {detail}" if row.event_id else detail
    )


def left_alone(report: CaseReport, why: str) -> CaseReport:
    """The report where nothing is written back although it was asked for; that counts as a failure.

    Args:
        report: of the case.
        why: one sentence.
    """
    return report.model_copy(update={"steps": (*report.steps, outcome_of(row_left_alone(why)))})


def row_left_alone(why: str) -> Row:
    """The one row of a case that is not written back although it was asked for."""
    return Row(COMMENT, "", Became.FAILED, why)


def row_of_update(event_id: str, result: NotableWritten | ResponseError) -> Row:
    """What became of one notable."""
    if isinstance(result, NotableWritten):
        if result.written:
            return Row(COMMENT, event_id, Became.WRITTEN, result.told, result.written, result.left)
        told = f"was written before. {result.told}" if result.told else "was written before"
        return Row(COMMENT, event_id, Became.ALREADY_THERE, told, (), result.left)
    became = Became.NOT_SUPPORTED if isinstance(result, NotSupported) else Became.FAILED
    return Row(COMMENT, event_id, became, reason_of(result))


def reason_of(error: ResponseError) -> str:
    """Why it failed, with what to do where that is known."""
    if isinstance(error, InputError | NotSupported) or not isinstance(error, ConnectorError):
        return str(error)
    return error.message
