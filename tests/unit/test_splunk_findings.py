"""Findings of ES 8: ids, and notes that are added once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import InputError, TimedOut
from connectors.siem.splunk.findings import (
    MAX_NOTE,
    FindingId,
    finding_id,
    marked,
    notes_place,
    unmarked,
)
from tests.fakes.splunk_bench import bench
from tests.unit.test_splunk_notables import notable

UUID = "2008e99d-af14-4fec-89da-b9b17a81820a"
FINDING = f"{UUID}@@notable@@time1768225865"


def test_the_parts_of_a_finding_id() -> None:
    assert finding_id(FINDING) == FindingId(FINDING, UUID, 1768225865)
    for other in (
        "",
        UUID,
        f"{UUID}@@notable@@e4f07602f507975e9f7ba47c4ae0c417",
        f"{FINDING}x",
        f"x{FINDING}",
    ):
        assert finding_id(other) is None


def test_the_place_of_notes() -> None:
    base = "/servicesNS/nobody/missioncontrol/public/v2/investigations"
    encoded = f"{UUID}%40%40notable%40%40time1768225865"
    assert notes_place(FINDING) == f"{base}/{encoded}/notes"
    assert notes_place(UUID) == f"{base}/{UUID}/notes"


@given(st.text(max_size=60))
def test_no_other_text_becomes_a_path(text: str) -> None:
    with pytest.raises(InputError):
        notes_place(f"{text}/../{text}")


@pytest.mark.parametrize("target", [FINDING, UUID])
def test_a_note_is_added_once_a_key(target: str) -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600, event_id=FINDING)]
        assert at.siem._notes.add(target, "malicious", key="case-1 v1", deadline=at.clock.deadline())
        assert not at.siem._notes.add(target, "malicious", key="case-1 v1", deadline=at.clock.deadline())
        assert at.siem._notes.add(target, "worse", key="case-1 v2", deadline=at.clock.deadline())
    assert [text.partition("\n")[0] for text in at.fake.notes[target]] == ["malicious", "worse"]


def test_a_note_that_is_not_answered_is_read_back_before_anything_is_said() -> None:
    with bench(read_s=0.2) as at:
        at.fake.notables = [notable(1, -600, event_id=FINDING)]
        at.fake.lose = {"add_note"}
        assert at.siem._notes.add(FINDING, "malicious", key="k", deadline=at.clock.deadline())
        at.fake.holds = {"add_note"}
        with pytest.raises(TimedOut, match="not known"):
            at.siem._notes.add(FINDING, "worse", key="k2", deadline=at.clock.deadline())
    assert len(at.fake.notes[FINDING]) == 1


def test_an_empty_note_is_refused_and_a_long_one_is_cut_before_its_mark() -> None:
    with bench() as at, pytest.raises(InputError, match="note"):
        at.siem._notes.add(FINDING, " ", key="k", deadline=at.clock.deadline())
    text, mark = marked("x" * 20_000, "k")
    assert len(text) == MAX_NOTE
    assert text.endswith(mark)


def test_what_was_set_and_left_is_never_cut_from_a_long_note() -> None:
    text, mark = marked("x" * 20_000, "k", "Set: status.")
    assert len(text) == MAX_NOTE
    assert text.endswith(f"x\nSet: status.\n{mark}")


@given(st.text(max_size=40), st.sampled_from(["", "Set: status.", "Left as it is: owner; why."]))
def test_a_note_of_ours_is_known_and_read_back(content: str, ending: str) -> None:
    text, _ = marked(content, content, ending)
    read = unmarked(text)
    assert read is not None
    assert read.endswith(ending)
    assert unmarked(content) is None
    assert unmarked(f"{text} and more") is None
