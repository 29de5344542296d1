"""Writing to a notable: by label, never over a person, and only what Splunk confirms counts as written."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import (
    BadResponse,
    InputError,
    NotFound,
    PermissionMissing,
    Rejected,
    TimedOut,
)
from connectors.ports import NotableUpdate
from connectors.siem.splunk.notable_update import Current, signs_of_a_person
from connectors.siem.splunk.notable_write import check_answer
from connectors.siem.splunk.review_statuses import ReviewStatus, StatusKind, chosen, read_statuses
from connectors.siem.splunk.settings import NotablesFrom
from tests.fakes.splunk_bench import bench
from tests.fakes.splunk_spl import Row
from tests.unit.test_splunk_notables import notable

FULL = NotableUpdate(
    "case 1: malicious", status="In Progress", urgency="critical", owner="soar", disposition="undetermined"
)


def row_id(row: Row) -> str:
    return str(row["event_id"])


def test_a_fresh_notable_is_written_whole_in_one_call() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600), notable(2, -600)]
        outcome = at.siem.update_notable(row_id(at.fake.notables[0]), FULL)
        assert at.fake.calls["update"] == 1
        (form,) = at.fake.updates
    assert outcome.written == ("comment", "status", "disposition", "urgency", "owner")
    assert outcome.left == ()
    form.pop("output_mode")
    assert form == {
        "ruleUIDs": row_id(at.fake.notables[0]),
        "comment": "case 1: malicious\nSet: status, disposition, urgency, owner.",
        "status": "2",
        "urgency": "critical",
        "newOwner": "soar",
        "disposition": "disposition:6",
    }


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({"owner": "kim"}, "owned by 'kim'"),
        ({"status": "5", "status_label": "Closed", "status_default": "false"}, "status is 'Closed'"),
        ({"owner": ""}, "cannot be read"),
        ({"status": ""}, "cannot be read"),
    ],
)
def test_what_a_person_has_set_is_left_and_the_comment_says_so(held: Row, why: str) -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600, **held)]
        outcome = at.siem.update_notable(row_id(at.fake.notables[0]), FULL)
        (form,) = at.fake.updates
    assert set(form) == {"ruleUIDs", "comment", "output_mode"}
    assert outcome.written == ("comment",)
    assert set(outcome.left) == {"status", "urgency", "owner", "disposition"}
    assert why in outcome.told
    assert form["comment"] == f"case 1: malicious\n{outcome.told}"
    assert {name: at.fake.notables[0][name] for name in held} == held


def test_what_the_notable_has_already_is_no_difference() -> None:
    held = {"status": "2", "status_label": "In Progress", "status_default": "false", "owner": "soar"}
    with bench() as at:
        at.fake.notables = [notable(1, -600, **held)]
        update = NotableUpdate("again", status="in progress", owner="soar")
        outcome = at.siem.update_notable(row_id(at.fake.notables[0]), update)
    assert (outcome.written, outcome.left) == (("comment",), ())


def test_from_the_index_alone_nothing_but_a_comment_is_written() -> None:
    with bench(notables_from=NotablesFrom.NOTABLE_INDEX) as at:
        at.fake.notables = [notable(1, -600)]  # the index still says "unassigned", whatever happened since
        assert at.siem.update_notable(row_id(at.fake.notables[0]), FULL).written == ("comment",)


def test_sid_and_rid_write_to_the_event_id() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600)]
        row = at.fake.notables[0]
        at.siem.update_notable(f"{row['orig_sid']}+{row['orig_rid']}", FULL)
        assert at.fake.updates[0]["ruleUIDs"] == row_id(row)


@pytest.mark.parametrize("label", ["Escalated", "2", "retired", "Undetermined", "New' OR", ""])
def test_an_unknown_status_names_the_known_ones_and_nothing_is_written(label: str) -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600)]
        with pytest.raises(InputError) as refused:
            at.siem.update_notable(row_id(at.fake.notables[0]), NotableUpdate("x", status=label))
    assert refused.value.remedy == "Known: 'New', 'In Progress', 'Resolved', 'Closed'"
    assert not at.fake.updates


def test_an_unknown_disposition_or_urgency_names_the_known_ones() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600)]
        with pytest.raises(InputError, match="'True Positive - Suspicious Activity', 'Undetermined'"):
            at.siem.update_notable(row_id(at.fake.notables[0]), NotableUpdate("x", disposition="evil"))
        with pytest.raises(InputError, match="informational, low, medium, high, critical"):
            at.siem.update_notable(row_id(at.fake.notables[0]), NotableUpdate("x", urgency="extreme"))
        with pytest.raises(InputError, match="comment"):
            at.siem.update_notable(row_id(at.fake.notables[0]), NotableUpdate(" "))
    assert not at.fake.updates


def test_a_label_that_stands_twice_is_not_guessed() -> None:
    twice = [ReviewStatus(each, StatusKind.STATUS, "Done", default=False) for each in ("7", "8")]
    with pytest.raises(InputError, match="several"):
        chosen(twice, StatusKind.STATUS, "done")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"success": False, "message": "No events were edited"}, "No events were edited"),
        ({"success": True, "failure_count": 1, "message": "1 failed"}, "1 failed"),
        ({"success": True, "success_count": 0}, "counts none"),
        ({"success": True, "details": {"ID": "not allowed to transition"}}, "not allowed to transition"),
    ],
)
def test_a_200_that_says_it_was_not_done_is_an_error(answer: Row, error: str) -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600, event_id="ID")]
        at.fake.update_answer = answer
        with pytest.raises(Rejected, match=error):
            at.siem.update_notable("ID", FULL)


@pytest.mark.parametrize("answer", [{}, {"success": "yes"}, {"message": "ok"}])
def test_an_answer_that_does_not_say_is_no_success(answer: Row) -> None:
    with pytest.raises(BadResponse, match="does not say"):
        check_answer(answer, "ID")


def test_details_of_other_notables_and_a_full_answer_are_fine() -> None:
    check_answer({"success": True, "success_count": 1, "failure_count": 0, "details": {"other": "x"}}, "ID")


def test_a_write_that_is_not_answered_is_unknown_and_sent_once() -> None:
    with bench(read_s=0.2) as at:
        at.fake.notables = [notable(1, -600)]
        at.fake.lose = {"update"}
        with pytest.raises(TimedOut):
            at.siem.update_notable(row_id(at.fake.notables[0]), FULL)
        assert at.fake.calls["update"] == 1


def test_a_missing_capability_is_named() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600)]
        at.fake.capabilities.remove("edit_notable_events")
        with pytest.raises(PermissionMissing) as refused:
            at.siem.update_notable(row_id(at.fake.notables[0]), FULL)
    assert refused.value.scope == "edit_notable_events"


def test_a_notable_that_is_not_there_is_not_written() -> None:
    with bench() as at:
        with pytest.raises(NotFound):
            at.siem.update_notable("nothing", FULL)
        assert not at.fake.updates


def test_hostile_text_is_sent_as_text() -> None:
    hostile = 'x&status=5&ruleUIDs=*"| delete %26'
    with bench() as at:
        at.fake.notables = [notable(1, -600)]
        at.siem.update_notable(row_id(at.fake.notables[0]), NotableUpdate(hostile, owner=hostile))
        (form,) = at.fake.updates
    assert (form["comment"], form["newOwner"], form["ruleUIDs"]) == (
        f"{hostile}\nSet: owner.",
        hostile,
        row_id(at.fake.notables[0]),
    )
    assert "status" not in form


@pytest.mark.parametrize(
    "update",
    [
        NotableUpdate("x", owner=""),
        NotableUpdate("x", owner=" "),
        NotableUpdate("x", owner="kim\nstatus=5"),
        NotableUpdate("x", owner="k" * 300),
        NotableUpdate("x", owner="\ud800"),
        NotableUpdate("\ud800"),
        NotableUpdate("a\0b"),
        NotableUpdate("x" * 20_001),
        NotableUpdate("x", status="\ud800"),
        NotableUpdate("x", urgency="\ud800" * 9999),
    ],
)
def test_what_no_form_should_hold_is_refused_by_name_before_anything_is_written(
    update: NotableUpdate,
) -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600)]
        with pytest.raises(InputError) as refused:
            at.siem.update_notable(row_id(at.fake.notables[0]), update)
        assert not at.fake.updates
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize("event_id", ["A,B", "A B", "A\nB", "x" * 2000])
def test_an_id_that_would_stand_for_several_notables_is_not_written_to(event_id: str) -> None:
    """ruleUIDs takes ids with commas between them; an event can bring an event_id of its own."""
    with bench() as at:
        at.fake.notables = [notable(1, -600, event_id=event_id), notable(2, -600, event_id="B")]
        with pytest.raises((BadResponse, InputError)):
            at.siem.update_notable(event_id, FULL)
    assert not at.fake.updates


def test_disabled_statuses_and_other_kinds_are_left_out() -> None:
    with bench() as at:
        read = read_statuses(at.rest, at.clock.deadline())
    assert "Retired" not in {each.label for each in read}
    assert [each.label for each in read if each.default] == ["New", "Undetermined"]


@pytest.mark.parametrize(
    ("changes", "person"),
    [
        ({}, False),
        ({"owner": "Unassigned"}, False),
        ({"owner": "kim"}, True),
        ({"status": "2"}, True),
        ({"status": "9", "status_default": "true"}, False),
    ],
)
def test_who_has_set_it(changes: dict[str, Any], person: bool) -> None:
    current = Current("1", "New", "", "high", "unassigned", "")._replace(**changes)
    new = [ReviewStatus("1", StatusKind.STATUS, "New", default=True)]
    assert bool(signs_of_a_person(current, new)) is person
