"""Checkpoints: what was given is remembered, within bounds, and a token is read back or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import InputError
from connectors.siem.splunk import checkpoint
from connectors.siem.splunk.checkpoint import Kind, Progress, advanced, digest, progress_of, token_of

T = 1_760_000_000
TIMES = st.integers(T, T + 5000)
PROGRESS = st.builds(
    Progress,
    kind=st.sampled_from(Kind),
    indexed=TIMES,
    since=TIMES,
    seen=st.dictionaries(st.text(max_size=60).map(digest), TIMES, max_size=20),
    ran=st.just(0) | TIMES,
)


@given(PROGRESS)
def test_a_token_reads_back_to_the_same_progress(progress: Progress) -> None:
    assert progress_of(token_of(progress), progress.kind) == progress


@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
        max_leaves=8,
    ).map(json.dumps)
)
def test_what_is_no_token_of_ours_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match="checkpoint"):
        progress_of(text, Kind.NOTABLES)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"v": 2}, "another version"),
        ({"kind": "escu"}, "not of a poll of notables"),
        ({"indexed": "soon"}, "a field"),
        ({"since": True}, "a field"),
        ({"since": 10**18}, "a field"),
        ({"seen": [[T, [1]]]}, "a field"),
        ({"seen": [["x", []]]}, "a field"),
        ({"seen": {}}, "a field"),
    ],
)
def test_a_token_that_was_changed_is_refused(change: dict[str, object], why: str) -> None:
    good = json.loads(token_of(Progress(Kind.NOTABLES, T, T, {})))
    with pytest.raises(InputError, match=why):
        progress_of(json.dumps(good | change), Kind.NOTABLES)


def test_ids_are_forgotten_once_the_overlap_has_passed_them() -> None:
    first = advanced(None, kind=Kind.NOTABLES, given=[("a", T), ("b", T + 90)], indexed=T + 100, overlap_s=60)
    assert set(first.seen) == {digest("b")}
    later = advanced(first, kind=Kind.NOTABLES, given=[], indexed=T + 300, overlap_s=60)
    assert (later.seen, later.since, later.indexed) == ({}, T + 240, T + 300)


def test_progress_never_goes_back() -> None:
    first = advanced(None, kind=Kind.NOTABLES, given=[], indexed=T + 100, overlap_s=60)
    second = advanced(first, kind=Kind.NOTABLES, given=[], indexed=T, overlap_s=600)
    assert (second.indexed, second.since) == (T + 100, T + 40)


def test_what_is_remembered_is_bounded_by_cutting_the_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_SEEN", 5)
    given_now = [(f"id{number}", T + number) for number in range(20)]
    after = advanced(None, kind=Kind.NOTABLES, given=given_now, indexed=T + 20, overlap_s=600)
    assert sorted(after.seen.values()) == [T + number for number in range(15, 20)]
    assert after.since == T + 15  # what is no longer remembered is no longer looked at either


def test_one_full_second_is_remembered_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_SEEN", 5)
    given_now = [(f"id{number}", T) for number in range(20)]
    after = advanced(None, kind=Kind.NOTABLES, given=given_now, indexed=T, overlap_s=600)
    assert len(after.seen) == 20
    assert after.since == T
