"""What the search for a process came to, and in which words."""

from __future__ import annotations

import pytest

from connectors.facts.host import HostRef
from connectors.facts.process import ProcessRef
from playbooks.case_findings import CaseFindings
from playbooks.lineage_status import status_of, status_words
from tests.case_builders import REGSVCS, evidence, lineage, notable, process

HOST = HostRef(connector="c", host_id="1", hostname="ws01")
PROCESS = ProcessRef(host_id="1", pid=7, image=REGSVCS)
PLACED = {"host": HOST, "process": PROCESS}


def found(**fields: object) -> CaseFindings:
    base: dict[str, object] = {"case_id": "case-0000000000000000", "notables": (notable(),)}
    return CaseFindings.model_validate({**base, **fields})


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, "host_not_found", "no such host is known"),
        ({"host_candidates": ("a", "b")}, "host_ambiguous", "several hosts fit, and none is picked"),
        ({"host": HOST}, "process_not_found", "no process fits"),
        (
            {"host": HOST, "process_candidates": ("one", "two")},
            "process_ambiguous",
            "several processes fit, and none is picked",
        ),
        ({"failed": True}, "failed", "the source did not answer"),
        ({**PLACED, "failed": True}, "failed", "the source did not answer"),
        ({**PLACED, "lineage": lineage(process())}, "found", "process found"),
        ({**PLACED, "evidence": evidence()}, "found", "process found, its lineage not"),
        ({**PLACED, "evidence": evidence(), "failed": True}, "found", "process found, its lineage not"),
    ],
)
def test_each_outcome(fields: dict[str, object], status: str, words: str) -> None:
    assert status_of(found(**fields)).value == status
    assert status_words(found(**fields)) == words
