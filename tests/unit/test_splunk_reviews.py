"""The reviews of a notable: a comment is written once, and what our own account has set is not a person's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AuthRejected, TimedOut, Transient
from connectors.ports import NotableUpdate, NotableWritten
from connectors.siem.splunk.reviews import LEFT, History, Review, reviews_query, told_comment
from connectors.siem.splunk.settings import NotablesFrom
from tests.fakes.splunk_answers import answer
from tests.fakes.splunk_bench import Bench, bench
from tests.fakes.splunk_siem_spl import unquoted
from tests.fakes.splunk_spl import pipeline
from tests.unit.test_splunk_notables import notable

ID = "5E6DE97D@@notable@@e4f0"
FULL = NotableUpdate("case 1: malicious\nand so on", status="In Progress", urgency="critical", owner="soc")


def given_one(at: Bench, **changes: str) -> None:
    at.fake.notables = [notable(1, -600, event_id=ID, **changes)]


def comments(at: Bench) -> list[str]:
    return [form["comment"] for form in at.fake.updates]


def test_the_same_update_twice_is_written_once() -> None:
    with bench() as at:
        given_one(at)
        first = at.siem.update_notable(ID, FULL)
        again = at.again().update_notable(ID, FULL)
        assert at.fake.calls["update"] == 1
    assert first.written == ("comment", "status", "urgency", "owner")
    assert again == NotableWritten(())


def test_a_write_that_was_not_answered_is_found_when_it_is_asked_for_again() -> None:
    with bench(read_s=0.2) as at:
        given_one(at)
        at.fake.lose = {"update"}
        with pytest.raises(TimedOut):
            at.siem.update_notable(ID, FULL)
        at.fake.lose = set()
        assert at.siem.update_notable(ID, FULL) == NotableWritten(())
        assert at.fake.calls["update"] == 1


def test_the_same_comment_beside_what_a_person_has_set_is_written_once() -> None:
    with bench() as at:
        given_one(at, owner="kim")
        first = at.siem.update_notable(ID, FULL)
        again = at.siem.update_notable(ID, FULL)
        assert (first.written, again.written) == (("comment",), ())
        assert again.left == first.left == ("status", "urgency", "owner")
        # Another owner makes another sentence of what was left: it is the same comment all the same.
        at.fake.review(ID, "kim", owner="lee")
        assert at.siem.update_notable(ID, FULL).written == ()
    assert len(comments(at)) == 1


def test_another_comment_is_written() -> None:
    with bench() as at:
        given_one(at)
        at.siem.update_notable(ID, FULL)
        assert at.siem.update_notable(ID, FULL._replace(comment="case 1: worse")).written == ("comment",)
        assert at.siem.update_notable(ID, FULL._replace(comment="case 1: mal")).written == ("comment",)
    assert len(comments(at)) == 3


def test_what_our_own_account_has_set_may_be_set_again() -> None:
    with bench() as at:
        given_one(at)
        at.siem.update_notable(ID, NotableUpdate("first", status="In Progress", owner="soc"))
        second = at.siem.update_notable(ID, NotableUpdate("second", status="Resolved", urgency="low"))
        assert second == NotableWritten(("comment", "status", "urgency"))
        assert (at.fake.notables[0]["status"], at.fake.notables[0]["owner"]) == ("4", "soc")


@pytest.mark.parametrize("reviewer", ["kim", "SOAR2", ""])
def test_a_person_after_us_is_never_written_over(reviewer: str) -> None:
    with bench() as at:
        given_one(at)
        at.siem.update_notable(ID, NotableUpdate("first", status="In Progress", owner="soc"))
        at.fake.review(ID, reviewer, "mine", status="5", owner="kim")
        second = at.siem.update_notable(ID, NotableUpdate("second", status="Resolved", owner="soc"))
        assert (second.written, second.left) == (("comment",), ("status", "owner"))
        assert (at.fake.notables[0]["status"], at.fake.notables[0]["owner"]) == ("5", "kim")


def test_an_urgency_that_a_person_has_set_without_taking_the_notable_is_left() -> None:
    with bench() as at:
        given_one(at)
        at.fake.review(ID, "kim", "not that bad", urgency="low")
        written = at.siem.update_notable(ID, FULL)
        assert (written.left, at.fake.notables[0]["urgency"]) == (("urgency",), "low")
    assert "reviewed by 'kim'" in written.told
    assert written.written == ("comment", "status", "owner")


def test_a_person_who_gives_the_notable_back_lets_the_rest_be_set_without_the_comment() -> None:
    with bench() as at:
        given_one(at)
        at.fake.review(ID, "kim", owner="kim")
        assert at.siem.update_notable(ID, FULL).written == ("comment",)
        at.fake.review(ID, "kim", owner="unassigned")
        later = at.siem.update_notable(ID, FULL)
        assert (later.written, later.left) == (("status", "owner"), ("urgency",))
        assert at.siem.update_notable(ID, FULL).written == ()
    assert [each.partition("\n")[0] for each in comments(at)] == [
        "case 1: malicious",
        "Set: status, owner.",
    ]


def test_a_review_that_is_missing_from_the_history_is_not_taken_for_ours() -> None:
    with bench() as at:
        given_one(at)
        at.siem.update_notable(ID, NotableUpdate("first", status="In Progress", owner="soc"))
        at.fake.notables[0]["owner"] = "kim"  # the review of it was purged
        assert at.siem.update_notable(ID, NotableUpdate("x", owner="soc")).left == ("owner",)


def test_without_the_macro_a_person_is_still_safe_and_the_last_comment_is_known() -> None:
    with bench() as at:
        given_one(at)
        at.fake.reviews = None
        first = at.siem.update_notable(ID, FULL)
        assert (first.written, first.left) == (("comment", "status", "owner"), ("urgency",))
        assert "cannot be read" in first.told
        again = at.siem.update_notable(ID, FULL._replace(status="Closed"))
        # It was us, and that cannot be known.
        assert (again.written, again.left) == ((), ("status", "urgency"))
    assert len(comments(at)) == 1


def test_who_we_are_is_not_known_is_nobodys_status() -> None:
    with bench() as at:
        given_one(at)
        at.siem.update_notable(ID, NotableUpdate("first", status="In Progress"))
        at.fake._context = lambda *_: answer({"entry": []})  # type: ignore[method-assign]
        assert at.siem.update_notable(ID, NotableUpdate("second", status="Closed")).left == ("status",)


def test_a_failure_that_may_pass_writes_nothing() -> None:
    with bench(read_s=0.2) as at:
        given_one(at)
        at.siem.update_notable(ID, FULL)
        starts = at.fake.calls["start"]
        at.fake._results = lambda *_: answer({}, 503)  # type: ignore[method-assign]
        with pytest.raises(Transient):
            at.siem.update_notable(ID, FULL)
        assert at.fake.calls["start"] == starts + 1
        at.fake.token = "another"
        with pytest.raises(AuthRejected):
            at.siem.update_notable(ID, FULL)
    assert len(comments(at)) == 1


def test_comments_from_the_index_alone_are_written_once_too() -> None:
    with bench(notables_from=NotablesFrom.NOTABLE_INDEX) as at:
        given_one(at)
        assert at.siem.update_notable(ID, FULL).written == ("comment",)
        assert at.siem.update_notable(ID, FULL).written == ()


def test_reviews_of_other_notables_say_nothing() -> None:
    with bench() as at:
        given_one(at)
        at.fake.notables.append(notable(2, -600, event_id="other"))
        at.fake.review("other", "kim", FULL.comment, owner="kim")
        assert at.siem.update_notable(ID, FULL).written == ("comment", "status", "urgency", "owner")


def test_one_more_search_and_no_question_of_who_we_are_where_nothing_was_reviewed() -> None:
    with bench() as at:
        given_one(at)
        at.siem.update_notable(ID, FULL)
        assert (at.fake.calls["start"], at.fake.calls["context"]) == (2, 0)


# --- decisions ---------------------------------------------------------------------------------------

NAMES = st.sampled_from(["", "soar", "SOAR", "kim"])
SAID = st.sampled_from(
    ["", "x\nSet: owner.", "x Set: status, owner. Left as it is: urgency; y.", "Set: owner. z"]
)
REVIEWS = st.builds(Review, NAMES, st.sampled_from(["", "1", "2"]), NAMES, SAID)


@given(st.lists(REVIEWS, max_size=4).map(tuple), st.booleans(), NAMES, NAMES)
def test_own_means_that_every_review_is_ours_one_says_so_and_none_is_missing(
    reviews: tuple[Review, ...], whole: bool, user: str, owner: str
) -> None:
    if History(reviews, whole).was_set_by(user, "owner", owner):
        assert whole
        assert user
        assert all(each.reviewer.casefold() == user.casefold() for each in reviews)
        assert any("owner" in each.comment and not each.comment.endswith("z") for each in reviews)
        assert next(each.owner for each in reviews if each.owner) == owner


def test_a_state_that_was_there_before_our_comment_is_not_ours() -> None:
    """A correlation search can give every notable an owner: no review tells of it."""
    with bench() as at:
        given_one(at, owner="tier1", status="2", status_default="false")
        at.siem.update_notable(ID, NotableUpdate("only a comment"))
        assert at.fake.reviews is not None
        assert (at.fake.reviews[0]["reviewer"], at.fake.reviews[0]["owner"]) == ("soar", "tier1")
        assert at.siem.update_notable(ID, NotableUpdate("more", owner="soc")).left == ("owner",)


def test_a_comment_that_ends_as_if_it_had_set_something_did_not() -> None:
    with bench() as at:
        given_one(at, owner="tier1")
        at.siem.update_notable(ID, NotableUpdate("host X\nSet: owner."))
        assert at.siem.update_notable(ID, NotableUpdate("more", owner="soc")).left == ("owner",)
        assert at.siem.update_notable(ID, NotableUpdate("host X\nSet: owner.")).written == ()


@given(st.text(min_size=1), st.text(), st.sets(st.sampled_from(["owner", "status"])), st.booleans())
def test_a_comment_is_known_by_its_words(comment: str, other: str, done: set[str], flat: bool) -> None:
    told = told_comment(comment, sorted(done), f"{LEFT} urgency; x.")
    history = History((Review("soar", "", "", " ".join(told.split()) if flat else f" {told}\r\n"),))
    assert history.has_comment(comment)
    longer = History((Review("soar", "", "", f"{comment} {other}x"),))
    assert not longer.has_comment(comment) or f"{other}x".split()[:1] in (["Left"], ["Set:"])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
def test_no_id_changes_the_query(text: str) -> None:
    commands = pipeline(reviews_query(text), macros=True)
    assert len(commands) == 5
    assert unquoted(commands[2].removeprefix("where rule_id=")) == text
