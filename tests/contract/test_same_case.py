"""One attack seen by each EDR: what every one of them makes of it, beside what the Sysmon file makes of it.

The golden files hold the facts that a case rests on, for each EDR and example. They differ from the Sysmon
file's only where the EDR cannot know, and then its coverage says so.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from actions.detection import Semantics
from actions.organisation_ranges import NONE
from actions.profile_catalog import shipped_profiles
from connectors.facts.notable import Notable
from connectors.facts.process import CoverageState, EvidenceKind
from connectors.ports import EdrConnector
from playbooks.case import CaseReport
from playbooks.logs import read_logs
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.edr_backends import BACKENDS, Backend, running
from tests.estate import estate_of

FOLDER = Path(__file__).resolve().parent / "golden"
EXAMPLES = ("stealer/sysmon.xml", "installer/sysmon.ndjson")

#: Kinds of evidence that are known or known to be absent; of the others nothing can be concluded.
_KNOWN = frozenset({CoverageState.OBSERVED, CoverageState.NONE_OBSERVED})


def _case(edr: EdrConnector, notables: Sequence[Notable]) -> CaseReport:
    last = max(each.last_time for each in notables if each.last_time)
    (report,) = respond(
        InProcess(),
        notables,
        edr=edr,
        profiles=shipped_profiles(),
        settings=Settings(),
        clock=lambda: last + timedelta(minutes=5),
    )
    return report


def _facts(report: CaseReport) -> dict[str, Any]:
    """What a case rests on, without the vendor's own ids and spellings."""
    lineage, evidence = report.facts.lineage, report.facts.evidence
    assert lineage is not None
    assert evidence is not None
    return {
        "target": [lineage.target.name.lower(), lineage.target.command_line, lineage.target.user.lower()],
        "ancestors": [each.name.lower() for each in lineage.ancestors],
        "siblings": sorted(each.name.lower() for each in lineage.siblings),
        "children": sorted(each.name.lower() for each in lineage.children),
        "connections": sorted({(each.dest_ip, each.dest_port) for each in evidence.connections}),
        "names": sorted({each.name.lower() for each in evidence.dns}),
        "destinations": sorted(each.ip for each in report.facts.destinations),
        "coverage": {each.kind.value: each.state.value for each in evidence.coverage},
        "indicators": sorted(each.id for each in report.risk.indicators),
        "score": report.risk.score,
        "verdict": report.risk.case_verdict.value,
    }


def _of_both(backend: Backend, log: Path) -> tuple[CaseReport, CaseReport]:
    run = read_logs(
        [log], shipped_profiles(), semantics=Semantics.STRICT, organisation=NONE, watched=["regsvcs.exe"]
    )
    notables = [each.notable.model_copy(update={"process_guids": ()}) for each in run.detection.raised]
    last = max(each.last_time for each in notables if each.last_time)
    with running(backend, estate_of(log), at=last + timedelta(minutes=5)) as found:
        return _case(found.edr, notables), _case(run.edr, notables)


@pytest.mark.parametrize("log", EXAMPLES)
@pytest.mark.parametrize("backend", BACKENDS, ids=[each.name.value for each in BACKENDS])
def test_what_an_edr_lacks_of_the_files_case_is_what_it_cannot_know(
    backend: Backend, log: str, examples: Path
) -> None:
    told, wanted = (_facts(each) for each in _of_both(backend, examples / log))
    for same in ("target", "ancestors", "siblings", "children", "connections", "names", "destinations"):
        if same != "names" or told["coverage"]["dns"] in {state.value for state in _KNOWN}:
            assert told[same] == wanted[same], same
    assert told["verdict"] == wanted["verdict"]
    assert set(told["indicators"]) <= set(wanted["indicators"])
    unknown = {kind for kind in EvidenceKind if CoverageState(told["coverage"][kind.value]) not in _KNOWN}
    known = {kind for kind in EvidenceKind if CoverageState(wanted["coverage"][kind.value]) in _KNOWN}
    if told["indicators"] != wanted["indicators"]:
        assert unknown & known, "a finding is lost, and nothing says that it cannot be known"
    if not unknown & known:
        assert told["score"] == wanted["score"]


@pytest.mark.parametrize("log", EXAMPLES)
@pytest.mark.parametrize("backend", BACKENDS, ids=[each.name.value for each in BACKENDS])
def test_the_case_of_an_edr_is_the_golden_one(backend: Backend, log: str, examples: Path) -> None:
    path = FOLDER / f"{backend.name.value}-{Path(log).parent.name}.json"
    report, _ = _of_both(backend, examples / log)
    now = json.dumps(_facts(report), indent=2, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    golden = path.read_text(encoding="utf-8") if path.exists() else ""
    difference = difflib.unified_diff(
        golden.splitlines(), now.splitlines(), "golden", "now", lineterm="", n=1
    )
    assert now == golden, "\n".join(difference)
