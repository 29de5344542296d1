"""What is known of a case before its assessment stands in the case that is handed on to the decision."""

from __future__ import annotations

from datetime import UTC, datetime

from actions.profile_catalog import shipped_profiles
from connectors.ports import Capability
from playbooks.case import LogNote
from playbooks.case_findings import CaseFindings
from playbooks.case_steps import assess_case
from playbooks.settings import Settings
from tests.case_builders import notable

FOUND = CaseFindings(
    case_id="case-0000000000000001",
    notables=(notable(),),
    host_candidates=("ws1.a.example", "ws1.b.example"),
    connector="an-edr",
    capabilities=(Capability.ISOLATE, Capability.LINEAGE),
    log_notes=(LogNote(source="log.ndjson", record=7, reason="is no event"),),
    log_problem_count=3,
)


def test_all_that_the_decision_needs_is_handed_on() -> None:
    case = assess_case(
        FOUND, profiles=shipped_profiles(), settings=Settings(), now=datetime(2026, 3, 4, tzinfo=UTC)
    )
    kept = set(type(case).model_fields) - {"facts", "risk"}
    assert kept == {
        "case_id", "earlier_ids", "host_candidates", "connector", "capabilities", "log_notes",
        "log_problem_count",
    }  # fmt: skip
    assert all(getattr(case, name) == getattr(FOUND, name) for name in kept)
