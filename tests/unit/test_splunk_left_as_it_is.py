"""What is never written over: each field, for each sign of a person, and whose reviews count as our own."""

from __future__ import annotations

from typing import cast

import pytest

from connectors.ports import NotableUpdate
from connectors.siem.splunk import reviews
from connectors.siem.splunk.jobs import Rows, SearchJobs
from connectors.siem.splunk.notable_update import Current, decide, form_of, signs_of_a_person
from connectors.siem.splunk.review_statuses import ReviewStatus, StatusKind, chosen
from connectors.siem.splunk.reviews import History, Review
from tests.fakes.splunk_bench import bench
from tests.fakes.splunk_spl import Row
from tests.http_clients import START, Clock
from tests.unit.test_splunk_notables import notable

ID = "5E6DE97D@@notable@@e4f0"
NEW = Current("1", "New", "true", "high", "unassigned", "disposition:6")
STATUSES = (
    ReviewStatus("1", StatusKind.STATUS, "New", default=True),
    ReviewStatus("2", StatusKind.STATUS, "In Progress", default=False),
    ReviewStatus("disposition:1", StatusKind.DISPOSITION, "True Positive", default=False),
    ReviewStatus("disposition:6", StatusKind.DISPOSITION, "Undetermined", default=True),
)
#: Each field that can be asked for, alone.
WISHES = {
    "status": NotableUpdate("x", status="In Progress"),
    "urgency": NotableUpdate("x", urgency="critical"),
    "owner": NotableUpdate("x", owner="soc"),
    "disposition": NotableUpdate("x", disposition="True Positive"),
}
each_field = pytest.mark.parametrize("field", WISHES)


def decided(
    update: NotableUpdate, current: Current = NEW, history: History | None = None
) -> tuple[set[str], tuple[str, ...]]:
    """Names of what is sent, and of what is left."""
    made = decide(update, current, STATUSES, history or History(), user="soar", told=False)
    return set(form_of(made, ID) or {}) - {"ruleUIDs", "comment"}, made.outcome.left


@each_field
def test_of_an_untouched_notable_each_is_written(field: str) -> None:
    assert decided(WISHES[field]) == ({"newOwner" if field == "owner" else field}, ())


@each_field
@pytest.mark.parametrize(
    ("current", "history"),
    [
        (NEW._replace(owner="kim"), History()),
        (NEW._replace(status="4", status_default="false"), History()),
        (NEW._replace(owner=""), History()),
        (NEW._replace(status=""), History()),
        (NEW, History((Review("kim", "1", "unassigned", ""),))),
        (NEW, History((Review("", "1", "unassigned", ""),))),
        (NEW, History((Review("soar", "1", "unassigned", ""), Review("kim", "1", "unassigned", "")))),
        (NEW, History(whole=False)),
        (NEW, History((Review("soar", "2", "unassigned", "x\nSet: status."),))),
        (NEW, History((Review("soar", "1", "soc", "x\nSet: owner."),))),
    ],
    ids=[
        *("owned", "status", "owner-unknown", "status-unknown", "reviewed", "reviewed-by-nobody"),
        *("reviewed-before-us", "reviews-unread", "status-changed-since", "owner-changed-since"),
    ],
)
def test_whatever_shows_a_person_no_field_is_written(field: str, current: Current, history: History) -> None:
    assert decided(WISHES[field], current, history) == (set(), (field,))


@pytest.mark.parametrize("name", ["urgency", "disposition"])
def test_what_a_person_has_set_without_a_word_is_left(name: str) -> None:
    """Neither status nor owner nor a comment tells of it: the review alone."""
    value = {"urgency": "low", "disposition": "disposition:1"}[name]
    with bench() as at:
        at.fake.notables = [notable(1, -600, event_id=ID, disposition="disposition:6")]
        at.fake.review(ID, "kim", **{name: value})
        update = NotableUpdate("x", status="In Progress", urgency="critical", disposition="Undetermined")
        written = at.siem.update_notable(ID, update)
        (form,) = at.fake.updates
        assert at.fake.notables[0][name] == value
    assert (written.written, name in written.left) == (("comment",), True)
    assert set(form) == {"ruleUIDs", "comment", "output_mode"}


def test_the_default_of_a_disposition_is_none_of_a_status() -> None:
    odd = (STATUSES[0], ReviewStatus("7", StatusKind.DISPOSITION, "Undetermined", default=True))
    assert signs_of_a_person(NEW._replace(status="7", status_label="Odd", status_default=""), odd)
    assert not signs_of_a_person(NEW._replace(status_default=""), odd)


def test_a_label_of_a_status_and_of_a_disposition_are_told_apart() -> None:
    both = (
        ReviewStatus("4", StatusKind.STATUS, "Benign", default=False),
        ReviewStatus("disposition:3", StatusKind.DISPOSITION, "Benign", default=False),
    )
    assert chosen(both, StatusKind.STATUS, "benign").id == "4"
    assert chosen(both, StatusKind.DISPOSITION, "benign").id == "disposition:3"


@pytest.mark.parametrize(
    ("held", "left"),
    [
        ("disposition:6", False),
        ("disposition:0", False),
        ("", False),
        ("disposition:1", True),
        ("disposition:77", True),
    ],
)
def test_a_disposition_is_left_whoever_gave_it(held: str, left: bool) -> None:
    wish = NotableUpdate("x", disposition="disposition:1" if held != "disposition:1" else "Undetermined")
    now = NEW._replace(disposition=held)
    assert decided(wish, now) == ((set(), ("disposition",)) if left else ({"disposition"}, ()))
    ours = Review("soar", "1", "unassigned", "x\nSet: disposition.")
    assert decided(wish, now, History((ours,))) == ({"disposition"}, ())


# --- whose reviews ---------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["owner", "status"])
def test_what_we_had_set_and_set_otherwise_since_is_not_what_it_is_now(field: str) -> None:
    """The newest review decides; an older one of ours that says so does not."""
    told = f"x\nSet: {field}."
    newest, oldest = Review("soar", "2", "b", told), Review("soar", "1", "a", told)
    was, now = ("1", "2") if field == "status" else ("a", "b")
    assert History((newest, oldest)).was_set_by("soar", field, now)
    assert not History((newest, oldest)).was_set_by("soar", field, was)


class Answering:
    """Gives rows to whatever is searched."""

    def __init__(self, *rows: Row) -> None:
        self._rows = rows

    def rows(self, query: str, **_: object) -> Rows:
        return Rows(tuple(self._rows), truncated=False, partial=False, sid="1", query=query, messages=())


def read(*rows: Row) -> History:
    """The history that these rows make."""
    searches = cast("SearchJobs", Answering(*rows))
    return reviews.read(searches, ID, {}, now=START, deadline=Clock().deadline())


def review(reviewer: object = "soar", **more: object) -> Row:
    return {"rule_id": ID, "reviewer": reviewer, "status": "2", "owner": "soc", "comment": "", **more}


def test_a_review_is_that_of_the_account_it_names() -> None:
    assert read(review()).others("soar") == ""
    assert read(review(user="soar")).others("soar") == ""
    assert read(review("", user="soar")).others("SOAR") == ""
    assert read(review("kim")).others("soar") == "kim"


@pytest.mark.parametrize(
    "row",
    [
        review("soar", user="kim"),
        review("kim", user="soar"),
        review(["soar", "kim"]),
        review(["soar", "kim"], user="soar"),
        review("soar", user=["soar", "kim"]),
        review(None),
    ],
)
def test_a_review_with_two_names_or_none_is_not_ours(row: Row) -> None:
    assert read(row).others("soar") == "an account that is not named"


def test_a_review_of_another_notable_is_not_taken_whatever_splunk_gives() -> None:
    ours, other = review(comment="x\nSet: owner."), review("kim", rule_id="other", owner="kim", comment="y")
    found = read(other, ours, {**other, "rule_id": None}, {**other, "rule_id": [ID, "other"]})
    assert found.reviews == (Review("soar", "2", "soc", "x\nSet: owner."),)
    assert not found.has_comment("y")
    assert found.was_set_by("soar", "owner", "soc")
