"""The JSON document of `run`: all cases, the detection they came from, and what was rejected or not read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from actions.detection import Detection
from connectors.edr.sysmon_file.event import ReadReport
from connectors.errors import NotableError
from playbooks.case import CaseReport
from playbooks.report.detection import as_document

#: Version of this document; the cases carry their own.
SCHEMA_VERSION: Literal["1.0"] = "1.0"


def run_document(
    reports: Sequence[CaseReport],
    detection: Detection | None,
    read: ReadReport | None,
    rejected: Sequence[NotableError],
    notes: Sequence[str] = (),
) -> dict[str, object]:
    """The document, fit for JSON. `detection` is null when no log was read.

    Args:
        reports: the cases.
        detection, read: of the logs.
        rejected: why notables, or whole inputs, could not be used.
        notes: what the reader should know of the run, one sentence each.
    """
    detected = as_document(detection, read) if detection is not None and read is not None else None
    return {
        "schema_version": SCHEMA_VERSION,
        "cases": [report.model_dump(mode="json") for report in reports],
        "detection": detected,
        "rejected": [
            {"field": each.field, "problem": each.problem, "remedy": each.remedy} for each in rejected
        ],
        "notes": list(notes),
    }
