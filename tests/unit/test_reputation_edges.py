"""Single rules of votes, coverage and roles that the mixes of other tests leave open: one at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actions.case_facts import Destination, DestinationVerdict
from actions.check_ip import check_ip
from actions.destination_roles import roles_of
from actions.reputation_facts import VoteWeight
from actions.reputation_fusion import fuse
from actions.reputation_policy import ReputationPolicy
from actions.reputation_votes import CLOCK_SKEW, Age, age_of, votes_of
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.reputation import Leaning, Reliability, SourceAnswer, SourceStatus
from tests.reputation_builders import (
    CLOUD,
    CONTEXT,
    INBOUND,
    IP,
    NOW,
    SINKHOLE,
    TELEGRAM,
    answer,
    failed,
    fused,
    info,
    not_found,
    role,
)

# --- votes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "age"),
    [
        (timedelta(days=1), Age.FRESH),
        (timedelta(days=1, seconds=1), Age.UNKNOWN),
        (-timedelta(days=30), Age.FRESH),
        (-timedelta(days=30, seconds=1), Age.OLD),
    ],
)
def test_ages_at_their_ends(ahead: timedelta, age: Age) -> None:
    assert timedelta(days=1) == CLOCK_SKEW  # a day given without a time zone may be tomorrow's
    assert age_of(NOW + ahead, decay_days=30, now=NOW) is age


@pytest.mark.parametrize(
    "given",
    [
        answer(last_seen=None, leaning=Leaning.SUSPICIOUS),
        answer(last_seen=None, direction=INBOUND),
    ],
    ids=["suspicion", "inbound"],
)
def test_of_unknown_age_it_is_a_suspicion_still_and_not_fresh(given: SourceAnswer) -> None:
    (vote,) = votes_of([given], decay_days=30, now=NOW)
    assert (vote.weight, vote.fresh) == (VoteWeight.SUSPICION, False)


def speaks(*answers: SourceAnswer) -> str:
    """The source that speaks for an author."""
    (vote,) = votes_of(answers, decay_days=30, now=NOW)
    return vote.source


def of_author(source: str, **more: object) -> SourceAnswer:
    return answer(source, lineage="author", direction=CONTEXT).model_copy(update=more)


def test_of_equal_weight_the_worse_word_speaks_then_the_better_grade_then_the_latest() -> None:
    # "a" would speak by its name in each.
    assert speaks(of_author("a", leaning=Leaning.SUSPICIOUS), of_author("b")) == "b"
    old = {"last_seen": NOW - timedelta(days=90), "leaning": Leaning.SUSPICIOUS}
    assert speaks(of_author("a", leaning=Leaning.HARMLESS), of_author("b", **old)) == "b"
    assert speaks(of_author("a"), of_author("b", reliability=Reliability.A)) == "b"
    assert speaks(of_author("a"), of_author("b", last_seen=NOW)) == "b"
    assert speaks(of_author("b"), of_author("a")) == "a"


# --- coverage --------------------------------------------------------------------------------

DESCRIBES = info("describes", online=False, direction=CONTEXT)


def described(**more: object) -> SourceAnswer:
    return answer("describes", direction=CONTEXT, leaning=Leaning.NONE).model_copy(update=more)


def test_a_source_that_describes_judges_once_it_reports() -> None:
    assert fused(described(), infos=[DESCRIBES]).coverage.judging == ()
    assert fused(described(leaning=Leaning.MALICIOUS), infos=[DESCRIBES]).coverage.judging == ("describes",)


def test_a_report_that_came_with_a_failure_makes_no_judge() -> None:
    broken = described(leaning=Leaning.MALICIOUS, status=SourceStatus.ERROR)
    assert fused(described(), broken, infos=[DESCRIBES]).coverage.judging == ()


def test_a_source_that_failed_is_named_by_its_failure_of_now() -> None:
    expired = answer("otx", status=SourceStatus.STALE)
    for status in (SourceStatus.RATE_LIMITED, SourceStatus.TIMEOUT):  # one before STALE by name, one after
        (failure,) = fused(expired, failed("otx", status)).coverage.failed
        assert failure.status is status


def test_what_was_withheld_is_the_reason_even_where_others_failed() -> None:
    why = "It is the organisation's own address: no third party was asked."
    found = fuse(
        [failed("feed")], {"feed": info("feed")}, (), ip=IP, policy=ReputationPolicy(), now=NOW, withheld=why
    )
    assert (found.verdict, found.reason) == (DestinationVerdict.UNDETERMINED, why)


def test_a_source_that_answers_now_has_not_failed() -> None:
    assert fused(not_found("otx"), failed("otx")).coverage.failed == ()


# --- roles -----------------------------------------------------------------------------------


def roles(*by_range: DestinationRole, ip: str = "198.51.100.1") -> tuple[DestinationRole, ...]:
    return roles_of(Destination(ip=ip, check=check_ip(ip)), by_range)


def test_the_weightiest_role_stands_first() -> None:
    assert roles(CLOUD, SINKHOLE) == (SINKHOLE, CLOUD)
    assert roles(CLOUD, TELEGRAM) == (TELEGRAM, CLOUD)
    assert [each.effect for each in roles(SINKHOLE, ip="149.154.167.220")] == [
        RoleEffect.PROBABLE_INFECTION,
        RoleEffect.CAPS_AT_SHARED,
    ]
    # A port of mail beside a sinkhole of a list: the own table does not come before it.
    mail = Destination(ip="198.51.100.1", check=check_ip("198.51.100.1"), ports=(25,))
    assert [each.kind for each in roles_of(mail, [SINKHOLE])] == [RoleKind.SINKHOLE, RoleKind.MAIL]


def test_a_list_that_says_a_thing_twice_is_named_once() -> None:
    (only,) = roles(CLOUD, CLOUD)
    assert only.source == CLOUD.source


def test_one_kind_with_two_effects_is_two_roles() -> None:
    shared = role(RoleKind.CLOUD, RoleEffect.CAPS_AT_SHARED)
    assert [each.effect for each in roles(CLOUD, shared)] == [RoleEffect.CAPS_AT_SHARED, RoleEffect.NONE]


def test_the_own_table_speaks_before_lists() -> None:
    listed = role(RoleKind.BOT_API, RoleEffect.CAPS_AT_SHARED, "messenger")
    (only,) = roles(listed, ip="149.154.167.220")
    assert (only.label, only.source) == ("Telegram", f"range 149.154.160.0/20; {listed.source}")
