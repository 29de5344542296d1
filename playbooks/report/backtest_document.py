"""A backtest as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from connectors.edr.sysmon_file.event import ReadReport
from connectors.errors import NotableError
from playbooks.backtest_facts import Difference, Outcome, PolicyResult, Terms, assumptions_of
from playbooks.report.detection import log_document

#: Version of the JSON document; see playbooks/case.py.
SCHEMA_VERSION: Literal["1.0"] = "1.0"


def as_document(
    results: Sequence[PolicyResult],
    found: Sequence[Difference] | None,
    terms: Terms,
    *,
    read: ReadReport | None,
    rejected: Sequence[NotableError] = (),
    notes: Sequence[str] = (),
) -> dict[str, object]:
    """The document, fit for JSON.

    Args:
        results: of one policy, or of two that are compared.
        found: the differences; None, and null in the document, where nothing was compared.
        terms: what was assumed.
        read: of the logs; None where none was given.
        rejected: why notables, or whole inputs, could not be used.
        notes: what the reader should know of the input, one sentence each.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "terms": {
            "delay_s": terms.delay_s,
            "assume": sorted(terms.assume),
            "run_per_case": terms.run_per_case,
            "reputation_asked": False,
        },
        "assumptions": [
            {"id": each.id, "sentence": each.sentence, "guards": list(each.guards)}
            for each in assumptions_of(terms)
        ],
        "policies": [_policy(each) for each in results],
        "differences": None if found is None else [_difference(each) for each in found],
        "log": log_document(read) if read is not None else None,
        "rejected": [
            {"field": each.field, "problem": each.problem, "remedy": each.remedy} for each in rejected
        ],
        "notes": list(notes),
    }


def _policy(result: PolicyResult) -> dict[str, object]:
    return {
        "policy": result.policy,
        "mode": result.mode.value,
        "judged_as": result.judged_as.value,
        "counts": {each.value: result.count(each) for each in Outcome},
        "stopped": [each._asdict() for each in result.stopped],
        "cases": [case.model_dump(mode="json") for case in result.cases],
    }


def _difference(found: Difference) -> dict[str, object]:
    return {
        "case_id": found.case_id,
        "host": found.here.host,
        "here": found.here.outcome.value,
        "there": found.there.outcome.value,
        "mode_here": found.here.mode.value,
        "mode_there": found.there.mode.value,
        "guards": list(found.guards),
    }
