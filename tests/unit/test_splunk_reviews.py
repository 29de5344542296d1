"""The reviews of a notable: a comment is written once, and what our own account has set is not a person's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AuthRejected, Rejected, TimedOut, Transient
from connectors.ports import NotableUpdate, NotableWritten
from connectors.siem.splunk import comment_claims
from connectors.siem.splunk.reviews import LEFT, History, Review, reviews_query, told_comment
from connectors.siem.splunk.settings import NotablesFrom
from connectors.state.once import Claimed, MemoryOnce, SqliteOnce
from tests.fakes.splunk_answers import answer
from tests.fakes.splunk_bench import Bench, bench
from tests.fakes.splunk_siem_spl import unquoted
from tests.fakes.splunk_spl import pipeline
from tests.http_clients import START
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


def test_what_a_person_has_reviewed_without_taking_it_is_left_as_it_is() -> None:
    with bench() as at:
        given_one(at)
        at.fake.review(ID, "kim", "not that bad", urgency="low")
        written = at.siem.update_notable(ID, FULL)
        assert at.fake.notables[0]["urgency"] == "low"
    assert (written.written, written.left) == (("comment",), ("status", "urgency", "owner"))
    assert "reviewed by 'kim'" in written.told


def test_what_a_person_has_put_back_stays_so() -> None:
    with bench() as at:
        given_one(at)
        at.fake.review(ID, "kim", "on it", owner="kim", status="2")
        at.fake.review(ID, "kim", "back on purpose: legal hold", owner="unassigned", status="1")
        written = at.siem.update_notable(ID, FULL)
        assert (at.fake.notables[0]["status"], at.fake.notables[0]["owner"]) == ("1", "unassigned")
    assert (written.written, written.left) == (("comment",), ("status", "urgency", "owner"))


@pytest.mark.parametrize("when", ["statuses", "context", "row", "reviews"])
def test_a_person_who_comes_while_we_read_is_not_written_over(when: str) -> None:
    """Whatever is asked before the search for the reviews is answered: it is seen in the end."""
    with bench() as at:
        given_one(at)
        met: list[str] = []

        def meet(asked: str) -> None:
            if asked == when and not met:
                met.append(asked)
                at.fake.review(ID, "kim", "mine", status="5", owner="kim", urgency="low")

        start, context, statuses = at.fake._start, at.fake._context, at.fake._statuses

        def started(form: Any) -> Any:
            meet("reviews" if "incident_review" in form["search"] else "row")
            return start(form)

        at.fake._start = started  # type: ignore[method-assign]

        def who(*asked: Any) -> Any:
            meet("context")
            return context(*asked)

        def which(*asked: Any) -> Any:
            meet("statuses")
            return statuses(*asked)

        at.fake._context = who  # type: ignore[method-assign]
        at.fake._statuses = which  # type: ignore[method-assign]
        written = at.siem.update_notable(ID, FULL)
        held = {name: at.fake.notables[0][name] for name in ("status", "owner", "urgency")}
    assert met
    assert written.written == ("comment",)
    assert held == {"status": "5", "owner": "kim", "urgency": "low"}


def test_a_row_that_is_not_as_the_last_review_left_it_is_not_written_over() -> None:
    with bench() as at:
        given_one(at)
        at.siem.update_notable(ID, NotableUpdate("first", status="In Progress", owner="soc"))
        at.fake.notables[0].update(status="1", status_default="true", owner="unassigned")
        written = at.siem.update_notable(ID, NotableUpdate("x", owner="soc"))
    assert (written.written, written.left) == (("comment",), ("owner",))
    assert "not as the last review left it" in written.told


def test_two_runs_at_once_write_one_comment(tmp_path: Path) -> None:
    with bench() as at:
        given_one(at)
        first, other = (SqliteOnce(tmp_path / "once.db", clock=at.clock) for _ in range(2))
        key = comment_claims.key_of(at.rest.base, ID, FULL.comment)
        assert first.claim(key, 60) is Claimed.GRANTED  # it is about to write
        with pytest.raises(TimedOut, match="by another run"):
            at.again(once=other).update_notable(ID, FULL)
        first.release(key)
        assert "comment" in at.again(once=first).update_notable(ID, FULL).written
        assert at.again(once=other).update_notable(ID, FULL).written == ()
        assert at.fake.calls["update"] == 1


def test_a_comment_that_another_run_is_writing_is_waited_for() -> None:
    with bench() as at:
        given_one(at)
        once = MemoryOnce(clock=at.clock)
        key = comment_claims.key_of(at.rest.base, ID, FULL.comment)
        once.claim(key, 60)

        def finish(seconds: float) -> None:
            at.clock.sleep(seconds)
            if at.fake.reviews == [] and at.clock.now > START + timedelta(seconds=2):
                at.fake.review(ID, "soar", told_comment(FULL.comment, ["status"], ""), status="2")
                once.taken(key, 60)

        siem = at.again(once=once, sleep=finish)
        assert siem.update_notable(ID, FULL).written == ("urgency", "owner")


def test_a_refused_comment_may_be_written_at_once_again() -> None:
    with bench() as at:
        given_one(at)
        at.fake.update_answer = {"success": False, "message": "no"}
        with pytest.raises(Rejected):
            at.siem.update_notable(ID, FULL)
        at.fake.update_answer = None
        assert "comment" in at.siem.update_notable(ID, FULL).written


def test_nothing_is_written_where_it_cannot_be_noted(tmp_path: Path) -> None:
    (tmp_path / "once.db").write_bytes(b"no database" * 100)
    with bench() as at:
        given_one(at)
        siem = at.again(once=SqliteOnce(tmp_path / "once.db", clock=at.clock))
        with pytest.raises(Rejected, match=r"not updated: .*once\.db cannot be used"):
            siem.update_notable(ID, FULL)
        assert at.fake.calls["update"] == 0


def test_log_text_that_looks_like_ours_sets_nothing_and_says_nothing() -> None:
    with bench() as at:
        given_one(at, owner="tier2-queue")
        log = "cmd: regsvcs.exe x Set: owner, status. Left as it is: nothing"
        at.siem.update_notable(ID, NotableUpdate(log, status="In Progress", owner="soar"))
        assert "Set: owner" not in comments(at)[0]
        second = at.again().update_notable(ID, NotableUpdate("second", status="Closed", owner="soar"))
        assert (second.written, second.left) == (("comment",), ("status", "owner"))
        assert at.siem.update_notable(ID, NotableUpdate(log)).written == ()


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
        assert (first.written, first.left) == (("comment",), ("status", "urgency", "owner"))
        assert "cannot be read" in first.told
        again = at.siem.update_notable(ID, FULL._replace(status="Closed"))
        assert (again.written, again.left) == ((), ("status", "urgency", "owner"))
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


def test_the_reviews_are_searched_last_before_the_write() -> None:
    with bench() as at:
        given_one(at)
        at.siem.update_notable(ID, FULL)
        assert (at.fake.calls["start"], at.fake.calls["context"]) == (2, 1)
        assert "incident_review" in at.fake.queries[-1]


# --- decisions ---------------------------------------------------------------------------------------

NAMES = st.sampled_from(["", "soar", "SOAR", "kim"])
SAID = st.sampled_from(
    ["", "x\nSet: owner.", "x\nSet: status, owner.\nLeft as it is: urgency; y.", "Set: owner. z"]
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
        assert any("owner" in each.comment.splitlines()[-1:][0] for each in reviews if each.comment)
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
