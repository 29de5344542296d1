"""A case speaks of the telemetry that was asked: of Sysmon's events, or of the vendor's agent by its name."""

from __future__ import annotations

import pytest

from actions.case_unknowns import case_unknowns
from actions.guard_words import GUARD_WORDS, SHADOW, why_not
from actions.indicators.case_view import view_of
from actions.isolation_guards import GUARDS
from actions.risk import RiskPolicy
from actions.source_words import SYSMON_EVENT, SourceKind, source_words, words_for
from connectors.edr.catalogue import CATALOGUE, EdrName
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.facts.notable import Direction
from connectors.facts.process import CoverageState, EvidenceKind, Gap, GapKind
from tests.case_builders import case, destination, evidence, host, lineage, notable, process

VENDORS = [EdrName.CROWDSTRIKE, EdrName.DEFENDER, EdrName.ELASTIC]


@pytest.mark.parametrize("name", EdrName)
def test_each_connector_is_known_by_the_name_that_the_catalogue_gives(name: EdrName) -> None:
    words = words_for(name.value)
    assert words.title == CATALOGUE[name].title
    assert words.kind is (SourceKind.VENDOR if name in VENDORS else SourceKind.SYSMON)


def test_logs_are_sysmons_and_a_connector_to_come_is_a_vendors() -> None:
    assert words_for(SysmonFileEdr.name).kind is SourceKind.SYSMON
    assert words_for("sentinelone")[:2] == (SourceKind.VENDOR, "sentinelone")
    assert source_words(case()).kind is SourceKind.NONE


def test_each_kind_of_evidence_has_its_event() -> None:
    assert set(SYSMON_EVENT) == set(EvidenceKind)


def told_of(connector: str, coverage: CoverageState) -> list[tuple[str, str, str]]:
    gap = Gap(
        kind=GapKind.PARENT_NOT_RECORDED, at="explorer.exe (pid 10)", detail="its creation was not found"
    )
    facts = case(
        host=host(connector=connector),
        lineage=lineage(process(), gaps=(gap,)),
        evidence=evidence(coverage=coverage),
        notables=(notable(direction=Direction.UNKNOWN),),
        destinations=(destination(),),
    )
    return [(each.what, each.why, each.remedy) for each in case_unknowns(view_of(facts, RiskPolicy()))]


@pytest.mark.parametrize("connector", ["sysmon_file", "sysmon_splunk"])
def test_sysmons_case_names_the_event_to_collect(connector: str) -> None:
    told = told_of(connector, CoverageState.NOT_COLLECTED)
    assert (
        "remote threads in the process",
        "nothing of the kind was logged on this host (Sysmon event 8)",
        "Collect Sysmon event 8",
    ) in told


@pytest.mark.parametrize("name", VENDORS)
def test_a_vendors_case_never_says_what_sysmon_logged_or_that_its_events_are_to_be_collected(
    name: EdrName,
) -> None:
    short = words_for(name.value).short
    told = told_of(name.value, CoverageState.NOT_COLLECTED)
    assert (
        "remote threads in the process",
        f"{short} recorded none on this host in the time searched, which does not rule it out",
        "Ask another source: the memory of the process, or Sysmon event 8",
    ) in told
    assert [why for _, why, _ in told if "Sysmon event" in why] == []
    assert [remedy for _, _, remedy in told if remedy.startswith("Collect Sysmon")] == []
    never = told_of(name.value, CoverageState.NOT_SUPPORTED)
    assert f"{short} can never know it" in [why for _, why, _ in never]


def test_each_guard_has_words() -> None:
    assert set(GUARD_WORDS) == {row.id for row in GUARDS}


def test_the_passing_of_time_alone_changes_no_reason() -> None:
    """The comment on a notable is known again by its text."""
    before, after = ["mode", "breaker"], ["mode", "agent_seen", "connection_fresh", "breaker"]
    assert why_not(before) == why_not(after)
    assert why_not(["agent_seen", "score"]) == why_not(["score"]) == GUARD_WORDS["score"]
    assert why_not(["connection_fresh"]) == GUARD_WORDS["connection_fresh"]
    assert why_not([]) == SHADOW
