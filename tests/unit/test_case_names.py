"""What a case is called: its host, process and user, and the chain of its processes."""

from __future__ import annotations

import pytest

from actions.risk import CaseVerdict
from actions.severity import severity_of
from playbooks.hosts.soar.answers.case_rows import lineage_line
from playbooks.report.case_sections import sections_of
from playbooks.report.evidence_table import coverage_rows
from playbooks.report.story import chain, host_of, process_of, subject_of, user_of, user_words
from tests.case_builders import case, evidence, host, lineage, notable, process
from tests.report_cases import benign

OWN = lineage(process(r"C:\t\RegSvcs.exe", user="CORP\\ann"))


def test_telemetry_names_host_and_process_before_the_notable() -> None:
    facts = case(notables=(notable(),))
    assert (host_of(facts), process_of(facts)) == (facts.notables[0].dest, facts.notables[0].process_name)
    seen = host().model_copy(update={"hostname": "found.corp.example"})
    known = case(lineage=lineage(process(r"C:\t\Other.exe")), host=seen)
    assert subject_of(known) == "Other.exe on found.corp.example"


@pytest.mark.parametrize(
    ("said", "one", "words"),
    [
        ("", "CORP\\ann", "CORP\\ann"),
        ("ann", "ann", "ann"),
        ("CORP\\bob", "CORP\\ann", "CORP\\ann (the notable names CORP\\bob)"),
    ],
)
def test_the_user(said: str, one: str, words: str) -> None:
    facts = case(lineage=OWN, notables=(notable(user=said),))
    assert (user_of(facts), user_words(facts)) == (one, words)


def test_no_user() -> None:
    facts = case(notables=(notable(user=""),))
    assert (user_of(facts), user_words(facts)) == ("", "")


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "p0"),
        (2, "p2 p1 p0"),
        (7, "p7 p6 p5 p4 p3 p2 p1 p0"),
        (8, "p8 p7 1_more p5 p4 p3 p2 p1 p0"),
        (20, "p20 p19 13_more p5 p4 p3 p2 p1 p0"),
    ],
)
def test_the_chain_shows_the_first_ones_and_those_next_to_the_process(count: int, shown: str) -> None:
    target, *above = (process(f"C:\\t\\p{number}", pid=number + 1) for number in range(count + 1))
    names = [each.replace("_", " ") for each in shown.split()]
    assert list(chain(lineage(target, *above))) == names
    assert lineage_line(lineage(target, *above)) == " > ".join(names)


def test_without_a_lineage_there_is_no_chain() -> None:
    assert (chain(None), lineage_line(None)) == ((), "")


def test_a_look_up_that_was_cut_says_so() -> None:
    whole = evidence()
    cut = coverage_rows(whole.model_copy(update={"truncated": True}))
    assert cut[:-1] == coverage_rows(whole)
    assert (cut[-1].text, cut[-1].tone) == ("a cap of the look-up cut some of it off", "unknown")


def test_the_severity_of_a_verdict() -> None:
    assert {each.value: severity_of(each).value for each in CaseVerdict} == {
        "malicious": "high",
        "suspicious": "medium",
        "undetermined": "medium",
        "likely_benign": "low",
    }


def test_a_page_says_nothing_twice_at_a_glance() -> None:
    sections = sections_of(benign())
    labels = [row.label for row in sections.view.glance if row.label]
    on_the_page = [row.label for row in sections.glance if row.label]
    assert [each for each in labels if each not in on_the_page] == [
        "Verdict",
        "Isolation",
        "Do first",
        "Case",
    ]
    assert on_the_page[0] == "Host"
