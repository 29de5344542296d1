"""Findings of ES 8 over the fake: what is written, what is left to a person, and nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import (
    AuthRejected,
    ConnectorError,
    InputError,
    NotFound,
    PermissionMissing,
    Rejected,
    ResponseError,
    TimedOut,
)
from connectors.ports import NotableUpdate, NotableWritten
from connectors.siem.splunk.finding_write import EARLIER_S, current_of_finding, with_notes
from connectors.siem.splunk.findings import MOST_NOTES, marked
from connectors.siem.splunk.notable_update import signs_of_a_person
from connectors.siem.splunk.reviews import History, Review
from connectors.siem.splunk.settings import NotablesFrom
from tests.fakes.splunk_answers import answer
from tests.fakes.splunk_bench import Bench, bench
from tests.fakes.splunk_server import HEC_TOKEN, TOKEN
from tests.http_clients import START
from tests.unit.test_splunk_notables import notable

EPOCH = int((START - timedelta(minutes=10)).timestamp())
ID = f"2008e99d-af14-4fec-89da-b9b17a81820a@@notable@@time{EPOCH}"
FULL = NotableUpdate(
    "case 1: malicious",
    status="In Progress",
    urgency="critical",
    owner="soc",
    disposition="True Positive - Suspicious Activity",
)
SENT = {"status": "2", "urgency": "critical", "owner": "soc", "disposition": "disposition:1"}
FIELDS = {"status", "urgency", "owner", "disposition"}


@contextmanager
def finding(held: dict[str, Any] | None = None, *, name: str = ID, **options: Any) -> Iterator[Bench]:
    """A Splunk with one finding, raised at the time that its id tells."""
    with bench(**options) as at:
        row = notable(1, -600, event_id=name, disposition="disposition:6", **held or {})
        at.fake.notables = [row | {"_time": int(name.rpartition("time")[2])}]
        yield at


def notes(at: Bench, name: str = ID) -> list[str]:
    """The notes, without their marks."""
    return [text.rpartition("\n[regsvcs-response ")[0] for text in at.fake.notes.get(name, [])]


def test_an_untouched_finding_gets_all_of_it_and_one_note() -> None:
    with finding() as at:
        written = at.siem.update_notable(ID, FULL)
        assert at.fake.changes == [(ID, str(EPOCH), SENT)]
        assert notes(at) == ["case 1: malicious\nSet: status, disposition, urgency, owner."]
        row = at.fake.notables[0]
        assert {field: row[field] for field in SENT} == SENT
        assert not at.fake.updates  # nothing by the way of ES 7
    assert written == NotableWritten(("comment", "status", "disposition", "urgency", "owner"))


def test_only_what_is_wanted_is_asked_for_and_a_comment_alone_asks_for_nothing() -> None:
    with finding() as at:
        at.siem.update_notable(ID, NotableUpdate("x", urgency="low"))
        assert [body for _, _, body in at.fake.changes] == [{"urgency": "low"}]
    with finding() as at:
        assert at.siem.update_notable(ID, NotableUpdate("x")) == NotableWritten(("comment",))
        assert at.fake.calls == {"read_notes": 1, "add_note": 1}


def test_a_disposition_is_named_by_its_label_or_its_id() -> None:
    for name in ("true positive - suspicious activity", "disposition:1"):
        with finding() as at:
            at.siem.update_notable(ID, NotableUpdate("x", disposition=name))
            assert at.fake.changes[0][2] == {"disposition": "disposition:1"}


def test_what_is_repeated_writes_nothing() -> None:
    with finding() as at:
        at.siem.update_notable(ID, FULL)
        calls = at.fake.calls.copy()
        assert at.again().update_notable(ID, FULL) == NotableWritten(())
        made = at.fake.calls - calls
        assert not made & {"change_finding": 9, "add_note": 9}.keys()
    assert len(at.fake.changes) == len(at.fake.notes[ID]) == 1


def test_a_further_comment_is_written_and_what_we_have_set_is_not_a_persons() -> None:
    with finding() as at:
        at.siem.update_notable(ID, FULL)
        at.clock.advance(3600)
        more = FULL._replace(comment="case 1: contained", urgency="medium", disposition="Undetermined")
        written = at.again().update_notable(ID, more)
        assert at.fake.changes[-1][2] == {"urgency": "medium", "disposition": "disposition:6"}
    assert written == NotableWritten(("comment", "disposition", "urgency"))


# --- what a person has set -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({"owner": "kim"}, "owned by 'kim'"),
        ({"status": "5", "status_label": "Closed", "status_default": "false"}, "status is 'Closed'"),
        ({"owner": ""}, "cannot be read"),
        ({"status": None}, "cannot be read"),
    ],
)
def test_where_owner_or_status_show_a_person_the_note_alone_is_written(
    held: dict[str, Any], why: str
) -> None:
    with finding(held) as at:
        written = at.siem.update_notable(ID, FULL)
        assert not at.fake.changes
        assert notes(at) == [f"case 1: malicious\n{written.told}"]
        assert at.again().update_notable(ID, FULL).written == ()
    assert (written.written, set(written.left)) == (("comment",), FIELDS)
    assert why in written.told


@pytest.mark.parametrize(
    "set_by_kim", [{"urgency": "low"}, {"disposition": "disposition:1"}, {"status": "2"}, {"owner": "kim"}]
)
def test_whatever_a_person_has_set_stays(set_by_kim: dict[str, str]) -> None:
    wish = FULL._replace(disposition="Undetermined", status="Resolved")
    with finding() as at:
        at.fake.review(ID, "kim", **set_by_kim)
        written = at.siem.update_notable(ID, wish)
        assert not at.fake.changes
        assert {name: at.fake.notables[0][name] for name in set_by_kim} == set_by_kim
    assert written.written == ("comment",)
    assert set(set_by_kim) <= set(written.left)


def test_a_note_of_somebody_else_shows_that_somebody_is_at_work() -> None:
    with finding() as at:
        at.fake.notes[ID] = ["called the user"]
        written = at.siem.update_notable(ID, FULL)
        assert not at.fake.changes
    assert (written.written, set(written.left)) == (("comment",), FIELDS)
    assert "an account that is not named" in written.told


def test_a_disposition_that_no_review_tells_of_is_left_and_the_rest_is_written() -> None:
    """As a triage agent or a search may give it."""
    wish = FULL._replace(disposition="Undetermined")
    with finding() as at:
        at.fake.notables[0]["disposition"] = "disposition:1"
        written = at.siem.update_notable(ID, wish)
        assert at.fake.changes[0][2].keys() == FIELDS - {"disposition"}
        assert at.fake.notables[0]["disposition"] == "disposition:1"
    assert written.left == ("disposition",)
    assert "True Positive" in written.told


def test_where_the_reviews_cannot_be_read_the_note_alone_is_written() -> None:
    with finding() as at:
        at.fake.reviews = None
        assert at.siem.update_notable(ID, FULL).written == ("comment",)
        assert not at.fake.changes


def test_labels_and_numbers_for_ids_are_the_same_status() -> None:
    for says in ({"status": "New"}, {"status": 1}, {"disposition": "Undetermined", "status": "new"}):
        with finding() as at:
            at.fake.notables[0] |= {"status_default": ""}
            at.fake.finding_says = says
            assert at.siem.update_notable(ID, FULL).left == ()


# --- a finding that is not found -------------------------------------------------------------


def test_a_finding_of_months_ago_is_looked_at_by_its_own_time() -> None:
    old = f"{ID.rpartition('time')[0]}time{EPOCH - 100 * 86_400}"
    with finding({"owner": "kim"}, name=old) as at:
        written = at.siem.update_notable(old, FULL)
        assert "owned by 'kim'" in written.told  # it was seen
    with finding(name=old) as at:
        assert at.siem.update_notable(old, FULL).left == ()
        assert at.fake.changes == [(old, str(EPOCH - 100 * 86_400), SENT)]
    assert EARLIER_S == 3600


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ({"findings_hidden": True}, "HTTP 404"),
        ({"forbids": {"read_finding"}}, "may not read findings"),
        ({"finding_says": {"finding_id": "another"}}, "not understood"),
        ({"finding_says": {"finding_id": [ID]}}, "not understood"),
        ({"finding_says": {"finding_id": "", "event_id": None}}, "not understood"),
    ],
)
def test_what_cannot_be_looked_at_gets_the_note_alone_and_says_so(trouble: dict[str, Any], why: str) -> None:
    with finding() as at:
        vars(at.fake).update(trouble)
        written = at.siem.update_notable(ID, FULL)
        assert not at.fake.changes
        assert notes(at) == [f"case 1: malicious\n{written.told}"]
        assert at.again().update_notable(ID, FULL).written == ()
    assert (written.written, set(written.left)) == (("comment",), FIELDS)
    assert "could not be looked at" in written.told
    assert why in written.told


def test_from_the_index_alone_nothing_but_the_note_is_written() -> None:
    with finding(notables_from=NotablesFrom.NOTABLE_INDEX) as at:
        written = at.siem.update_notable(ID, FULL)
        assert not at.fake.changes
        assert not at.fake.calls["read_finding"]
    assert (written.written, set(written.left)) == (("comment",), FIELDS)


@pytest.mark.parametrize("update", [FULL, NotableUpdate("x")])
def test_an_unknown_finding_is_not_found_and_nothing_is_written(update: NotableUpdate) -> None:
    with bench() as at:
        with pytest.raises(NotFound):
            at.siem.update_notable(ID, update)
        assert not at.fake.notes
        assert not at.fake.changes


def test_a_finding_unknown_with_its_time_is_asked_for_once_more_with_now() -> None:
    with finding() as at:
        at.fake.only_now = True
        written = at.siem.update_notable(ID, FULL)
        assert at.fake.changes == [(ID, str(EPOCH), SENT), (ID, "now", SENT)]
        assert len(at.fake.notes[ID]) == 1
    assert written.left == ()


def test_there_is_no_third_time() -> None:
    with finding() as at:
        times = []
        unknown = at.fake._unknown

        def noted(name: str, query: Mapping[str, str]) -> bool:
            if "limit" in query:
                return unknown(name, query)
            times.append(query["notable_time"])
            return True

        at.fake._unknown = noted  # type: ignore[method-assign]
        with pytest.raises(NotFound):
            at.siem.update_notable(ID, FULL)
    assert times == [str(EPOCH), "now"]


# --- MC_0206 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("only_now", [False, True])
def test_where_a_note_is_demanded_it_goes_with_the_change_and_is_no_second_one(*, only_now: bool) -> None:
    with finding() as at:
        at.fake.demands_note = True
        at.fake.only_now = only_now
        written = at.siem.update_notable(ID, FULL)
        assert notes(at) == ["case 1: malicious\nSet: status, disposition, urgency, owner."]
        assert at.fake.calls["add_note"] == 0
        assert at.fake.calls["change_finding"] == (3 if only_now else 2)
        assert at.again().update_notable(ID, FULL) == NotableWritten(())
        assert len(at.fake.notes[ID]) == 1
    assert written == NotableWritten(("comment", "status", "disposition", "urgency", "owner"))


def test_a_note_that_is_demanded_beside_the_comment_that_is_there_says_what_was_set_only() -> None:
    with finding() as at:
        at.siem.update_notable(ID, NotableUpdate("x"))
        at.fake.demands_note = True
        assert at.siem.update_notable(ID, NotableUpdate("x", status="In Progress")).written == ("status",)
        assert notes(at) == ["x", "Set: status."]


def test_a_tenant_that_takes_no_note_at_all_is_told_and_is_not_asked_a_third_time() -> None:
    refuses = answer({"messages": [{"type": "ERROR", "text": "MC_0206: A note is required"}]}, 400)
    with finding() as at:
        asked = []

        def change(names: Any, query: Any, form: Any, seen: Any) -> Any:
            asked.append(seen.body)
            return refuses

        at.fake._change_finding = change  # type: ignore[method-assign]
        with pytest.raises(Rejected, match="MC_0206"):
            at.siem.update_notable(ID, FULL)
        assert not at.fake.notes
    assert len(asked) == 2


# --- answers that are lost, and refusals -----------------------------------------------------


def test_a_change_without_an_answer_is_unknown_and_is_read_before_it_is_made_again() -> None:
    with finding(read_s=0.2) as at:
        at.fake.lose = {"change_finding"}
        with pytest.raises(TimedOut):
            at.siem.update_notable(ID, FULL)
        assert len(at.fake.changes) == 1
        at.fake.lose = set()
        at.clock.advance(61)  # as long as the claim on the comment
        assert at.again().update_notable(ID, FULL).written == ("comment",)
        assert len(at.fake.changes) == 1
        assert notes(at) == ["case 1: malicious"]


def test_a_demanded_note_whose_answer_is_lost_is_not_written_twice() -> None:
    with finding(read_s=0.2) as at:
        at.fake.demands_note = True
        taken = at.fake._change_finding

        def change(names: Any, query: Any, form: Any, seen: Any) -> Any:
            given = taken(names, query, form, seen)
            at.fake.lose = {"change_finding"} if given.status == 200 else set()
            return given

        at.fake._change_finding = change  # type: ignore[method-assign]
        with pytest.raises(TimedOut):
            at.siem.update_notable(ID, FULL)
        assert at.again().update_notable(ID, FULL) == NotableWritten(())
        assert len(at.fake.notes[ID]) == 1


def test_two_runs_at_once_write_one_note() -> None:
    with finding(read_s=0.2) as at:
        at.fake.holds = {"add_note"}
        with pytest.raises(TimedOut, match=r"owner set, but the comment: .*not known"):
            at.siem.update_notable(ID, FULL)
        with pytest.raises(TimedOut, match="another run"):
            at.siem.update_notable(ID, FULL)
        at.fake.holds = set()
        at.clock.advance(61)
        assert at.siem.update_notable(ID, FULL).written == ("comment",)
        assert len(at.fake.notes[ID]) == 1


def test_a_note_that_is_not_shown_yet_is_not_written_again() -> None:
    with finding() as at:
        at.fake._read_notes = lambda *_: answer({"items": []})  # type: ignore[method-assign]
        at.siem.update_notable(ID, FULL)
        assert at.siem.update_notable(ID, FULL) == NotableWritten(())
        assert len(at.fake.notes[ID]) == 1


def test_a_missing_right_is_named_and_what_was_set_before_is_said() -> None:
    with finding() as at:
        at.fake.forbids = {"change_finding"}
        with pytest.raises(PermissionMissing) as refused:
            at.siem.update_notable(ID, FULL)
        assert "findings" in refused.value.scope
        assert not at.fake.notes
        at.fake.forbids = {"add_note"}
        with pytest.raises(PermissionMissing, match="set, but the comment") as later:
            at.siem.update_notable(ID, FULL)
        assert "status" in later.value.message
        at.fake.forbids = set()  # the claim was given back
        assert at.siem.update_notable(ID, FULL).written == ("comment",)


def test_a_wrong_token_is_told_and_neither_token_ever_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with finding() as at:
        at.fake.token = "renewed"
        with pytest.raises(AuthRejected) as refused:
            at.siem.update_notable(ID, FULL)
        at.fake.token = TOKEN
        echo = answer({"messages": [{"type": "ERROR", "text": f"Bearer {TOKEN} {HEC_TOKEN}"}]}, 400)
        at.fake._change_finding = lambda *_: echo  # type: ignore[method-assign]
        with pytest.raises(ConnectorError) as echoed:
            at.again(hec=True).update_notable(ID, FULL)
        said = f"{caplog.text}{refused.value}{echoed.value}{vars(at.siem._control)}"
    assert TOKEN not in said
    assert HEC_TOKEN not in said


@pytest.mark.parametrize("success", [False, True])
def test_an_answer_that_says_it_was_not_done_is_an_error(*, success: bool) -> None:
    with finding() as at:
        at.fake._change_finding = lambda *_: answer({"success": success})  # type: ignore[method-assign]
        if success:
            assert at.siem.update_notable(ID, FULL).left == ()
            return
        with pytest.raises(Rejected, match="not updated"):
            at.siem.update_notable(ID, FULL)
        assert not at.fake.notes


@pytest.mark.parametrize("operation", ["read_notes", "read_finding", "change_finding", "add_note"])
def test_an_answer_of_any_shape_raises_nothing_but_our_errors(operation: str) -> None:
    shapes: tuple[Any, ...] = (
        *(None, True, 7, "x", [], {}, [[]], {"items": None}, {"items": {}}, {"items": [None, 1, [], {}]}),
        *({"items": [{"content": 5}]}, {"id": {}}, {"success": "no"}, {"finding_id": ID, "status": {}}),
        {"finding_id": ID, "event_id": ID, "status": 10**18, "owner": [], "disposition": 6, "urgency": None},
    )
    given = [answer(shape) for shape in shapes] + [answer(shapes[0], 400), answer(shapes[-1], 500)]
    with finding() as at:
        setattr(at.fake, f"_{operation}", lambda *_: given[0])
        while given:
            at.fake.notes.clear()
            with suppress(ResponseError):
                at.siem.update_notable(ID, FULL._replace(comment=f"{len(given)}"))
            assert len(at.fake.notes.get(ID, [])) < 2
            given.pop(0)


# --- what is asked for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("update", "field", "known"),
    [
        (NotableUpdate("x", status="Escalated"), "status", "'In Progress'"),
        (NotableUpdate("x", status="2"), "status", "'In Progress'"),
        (NotableUpdate("x", disposition="evil"), "disposition", "'Undetermined'"),
        (NotableUpdate("x", disposition="disposition:9"), "disposition", "'Undetermined'"),
        (NotableUpdate("x", urgency="extreme"), "urgency", "critical"),
        (NotableUpdate("x", owner="kim\nx"), "owner", ""),
        (NotableUpdate(" "), "comment", ""),
        (NotableUpdate("a\0b"), "comment text", ""),
        (NotableUpdate("x", owner="\ud800"), "owner", ""),
    ],
)
def test_what_cannot_be_written_is_refused_by_name_before_anything_is(
    update: NotableUpdate, field: str, known: str
) -> None:
    with finding() as at:
        with pytest.raises(InputError) as refused:
            at.siem.update_notable(ID, update)
        assert not at.fake.changes
        assert not at.fake.notes
    assert refused.value.field == field
    assert known in refused.value.remedy


def test_hostile_text_stays_text() -> None:
    hostile = '"},"status":"5"}\u2028</script>\'"&notable_time=1\r\nSet: status.\n\u202e\\'
    with finding() as at:
        at.siem.update_notable(ID, NotableUpdate(hostile, owner='k"im\\'))
        at.siem.update_notable(ID, NotableUpdate(hostile, owner='k"im\\'))
        (change,) = at.fake.changes
        (note,) = notes(at)
    assert change[2] == {"owner": 'k"im\\'}
    assert note == f"{hostile.replace('Set:', 'Set :')}\nSet: owner."


def test_more_notes_than_are_read_are_no_proof_that_nobody_was_there() -> None:
    ours = marked("x", "x")[0]
    few, many = History(), [ours] * MOST_NOTES
    assert with_notes(few, many[1:], "soar").whole
    assert not with_notes(few, many, "soar").whole


def test_our_notes_speak_for_our_reviews_alone() -> None:
    note = marked("x", "x", "Set: status.")[0]
    held = History((Review("SOAR", "2", "soc", ""), Review("kim", "2", "soc", "y")))
    assert with_notes(held, [note], "soar").reviews == (
        Review("SOAR", "2", "soc", "Set: status."),
        Review("kim", "2", "soc", "y"),
    )
    assert with_notes(History((Review("", "2", "", ""),)), [note], "").reviews[0].comment == ""
    assert with_notes(History(), ["Set: status."], "soar").others("soar")


@given(
    st.dictionaries(
        st.sampled_from(["status", "status_default", "owner", "disposition", "urgency", "finding_id"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3)),
    )
)
def test_a_finding_of_any_values_is_read_or_counts_as_set(row: dict[str, object]) -> None:
    current = current_of_finding(row, ())
    if not isinstance(row.get("owner"), str):
        assert signs_of_a_person(current, ())
