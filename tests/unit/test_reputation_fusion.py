"""The verdict on an address: real-life mixes as a table, and the properties that no mix may break."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.case_facts import DestinationVerdict
from actions.reputation_facts import VoteWeight
from actions.reputation_policy import Override, OverrideDecision, ReputationPolicy
from actions.reputation_votes import can_report, can_report_destination
from actions.reputation_wording import ASKED_TITLES, FEED_TITLES, PACKAGE_TITLES, VERDICT_WORDS
from actions.verdict_table import DESTINATION_RANK
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceStatus,
)
from connectors.reputation.catalogue import CATALOGUE, describe
from connectors.reputation.offline.catalogue import offline_sources
from connectors.reputation.offline.feed_settings import FeedSettings
from connectors.reputation.virustotal import INFO as VIRUSTOTAL
from connectors.reputation.virustotal import read_virustotal
from tests.reputation_builders import (
    CLOUD,
    CONTEXT,
    INBOUND,
    IP,
    NOW,
    PLATFORM,
    RESOLVER,
    SINKHOLE,
    TELEGRAM,
    answer,
    days_ago,
    failed,
    fused,
    info,
    not_found,
    override,
    role,
)

V = DestinationVerdict
A, C, D, F = Reliability.A, Reliability.C, Reliability.D, Reliability.F

THREATFOX_A = answer("threatfox", reliability=A, lineage="abuse.ch")
THREATFOX_B = answer("threatfox", lineage="abuse.ch")
URLHAUS = answer("urlhaus", lineage="abuse.ch")
DROP = answer("spamhaus_drop_v4", lineage="spamhaus")
MALTRAIL = answer("maltrail", reliability=C, lineage="maltrail")
VIRUSTOTAL_12 = answer("virustotal", direction=CONTEXT, reliability=C)
VIRUSTOTAL_0 = answer("virustotal", direction=CONTEXT, reliability=C, leaning=Leaning.NONE)
GREYNOISE = answer("greynoise", direction=INBOUND, lineage="greynoise")
ABUSEIPDB = answer("abuseipdb", direction=INBOUND, reliability=C, lineage="abuseipdb")
RIOT = answer("greynoise", direction=CONTEXT, lineage="greynoise", leaning=Leaning.HARMLESS)
IPORIGIN = answer("iporigin", direction=CONTEXT, lineage="iporigin", leaning=Leaning.NONE)
IPORIGIN_INFO = info("iporigin", online=False, direction=CONTEXT)


def at(given: SourceAnswer, days: float | None) -> SourceAnswer:
    return given.model_copy(update={"last_seen": None if days is None else days_ago(days)})


@pytest.mark.parametrize(
    ("answers", "roles", "verdict", "says"),
    [
        pytest.param((MALTRAIL,), (TELEGRAM,), V.SUSPICIOUS_SHARED, "Telegram", id="telegram as remcos"),
        pytest.param((THREATFOX_A, DROP), (TELEGRAM,), V.SUSPICIOUS_SHARED, "many share", id="telegram, all"),
        pytest.param((MALTRAIL,), (RESOLVER,), V.SUSPICIOUS_SHARED, "resolver", id="quad9 as malware"),
        pytest.param((not_found("otx"),), (RESOLVER,), V.NO_FINDING, "many share", id="resolver, no report"),
        pytest.param((DROP,), (), V.SUSPICIOUS, "second author", id="DROP alone"),
        pytest.param((DROP, THREATFOX_B), (), V.MALICIOUS, "2 independent authors", id="DROP and threatfox"),
        pytest.param((DROP, at(THREATFOX_B, 31)), (), V.SUSPICIOUS, "second author", id="one of two too old"),
        pytest.param((THREATFOX_A,), (), V.MALICIOUS, "2026-11-23", id="threatfox fresh, grade A"),
        pytest.param((at(THREATFOX_A, 30),), (), V.MALICIOUS, "grade-A", id="threatfox of day 30"),
        pytest.param((at(THREATFOX_A, 30.1),), (), V.SUSPICIOUS, "too old", id="threatfox too old"),
        pytest.param((at(THREATFOX_A, None),), (), V.SUSPICIOUS, "not known how old", id="of unknown age"),
        pytest.param((at(THREATFOX_A, -3),), (), V.SUSPICIOUS, "not known how old", id="of the future"),
        pytest.param((THREATFOX_B, URLHAUS), (), V.SUSPICIOUS, "second author", id="abuse.ch twice"),
        pytest.param((THREATFOX_A,), (CLOUD,), V.MALICIOUS, "grade-A", id="cloud machine"),
        pytest.param((VIRUSTOTAL_0,), (), V.NO_FINDING, "does not clear", id="virustotal 60/34/0"),
        pytest.param((VIRUSTOTAL_12,), (), V.SUSPICIOUS, "does not say whether", id="virustotal 12"),
        pytest.param((VIRUSTOTAL_12, DROP), (), V.SUSPICIOUS, "second author", id="virustotal repeats"),
        pytest.param((GREYNOISE,), (), V.SUSPICIOUS, "who calls in", id="only inbound"),
        pytest.param((GREYNOISE, ABUSEIPDB), (), V.SUSPICIOUS, "who calls in", id="inbound twice"),
        pytest.param((at(GREYNOISE, 60),), (), V.NO_FINDING, "outdated", id="inbound, old"),
        pytest.param((not_found("otx"),), (SINKHOLE,), V.SUSPICIOUS, "probably infected", id="sinkhole"),
        pytest.param((), (SINKHOLE,), V.SUSPICIOUS, "probably infected", id="sinkhole, nobody asked"),
        pytest.param((THREATFOX_A,), (SINKHOLE,), V.MALICIOUS, "grade-A", id="sinkhole, convicted"),
        pytest.param((), (SINKHOLE, TELEGRAM), V.SUSPICIOUS_SHARED, "sinkholes", id="sinkhole, shared"),
        pytest.param((RIOT,), (), V.NO_FINDING, "does not clear", id="a common service by name only"),
        pytest.param((VIRUSTOTAL_0,), (PLATFORM,), V.KNOWN_GOOD_SERVICE, "certificate", id="platform"),
        pytest.param((), (PLATFORM,), V.UNDETERMINED, "No reputation source", id="platform, nobody asked"),
        pytest.param(
            (failed("otx"),), (PLATFORM,), V.UNDETERMINED, "no answer in time", id="platform, all failed"
        ),
        pytest.param((VIRUSTOTAL_0,), (PLATFORM, TELEGRAM), V.NO_FINDING, "share", id="platform, shared"),
        pytest.param((at(GREYNOISE, 60),), (PLATFORM,), V.NO_FINDING, "outdated", id="platform, old report"),
        pytest.param((VIRUSTOTAL_12,), (PLATFORM,), V.SUSPICIOUS, "reported by", id="platform, reported"),
        pytest.param(
            (failed("a", SourceStatus.AUTH), failed("b", SourceStatus.RATE_LIMITED)),
            (),
            V.UNDETERMINED,
            "A (credential rejected), B (quota used up)",
            id="all failed",
        ),
        pytest.param((), (), V.UNDETERMINED, "No reputation source is configured", id="nothing configured"),
        pytest.param(
            (failed("a", SourceStatus.NOT_CONFIGURED),),
            (),
            V.UNDETERMINED,
            "No reputation source is configured",
            id="no keys",
        ),
        pytest.param((not_found("a"), not_found("b")), (), V.NO_FINDING, "of the 2 sources", id="not found"),
        pytest.param((not_found("a"), failed("b")), (), V.NO_FINDING, "does not clear", id="one failed"),
        pytest.param((IPORIGIN,), (CLOUD,), V.UNDETERMINED, "describe", id="offline context only"),
        pytest.param(
            (MALTRAIL, DROP.model_copy(update={"reliability": D})), (), V.SUSPICIOUS, "second author", id="D"
        ),
        pytest.param(
            (DROP.model_copy(update={"lineage": ""}), MALTRAIL), (), V.SUSPICIOUS, "Maltrail", id="no author"
        ),
        pytest.param(
            (THREATFOX_A.model_copy(update={"status": SourceStatus.STALE}),),
            (),
            V.MALICIOUS,
            "grade-A",
            id="expired answer, fresh evidence",
        ),
        pytest.param(
            (VIRUSTOTAL_0.model_copy(update={"status": SourceStatus.STALE}),),
            (),
            V.UNDETERMINED,
            "its last answer has expired",
            id="expired answer without evidence",
        ),
        pytest.param(
            (THREATFOX_A.model_copy(update={"status": SourceStatus.ERROR}),),
            (),
            V.UNDETERMINED,
            "error",
            id="a failure has no say",
        ),
    ],
)
def test_table(
    answers: tuple[SourceAnswer, ...], roles: tuple[DestinationRole, ...], verdict: V, says: str
) -> None:
    found = fused(*answers, roles=roles, infos=[IPORIGIN_INFO])
    assert found.verdict is verdict, found.reason
    assert says in found.reason
    assert found.would_change


def test_a_real_answer_of_virustotal_convicts_nobody(shared_data: Path) -> None:
    """Five of 87 engines: whose lists they repeat is not told."""
    body = json.loads((shared_data / "vendor/virustotal/v3_ip_emerald_demisto.json").read_text())
    (given,) = read_virustotal(body, body["data"]["id"], NOW)
    found = fused(given, infos=[VIRUSTOTAL])
    assert given.leaning is Leaning.MALICIOUS
    assert (found.verdict, found.coverage.judging) == (V.SUSPICIOUS, ("virustotal",))


def test_94_engines_without_a_bad_word_clear_nobody() -> None:
    stats = {"harmless": 60, "undetected": 34, "malicious": 0, "suspicious": 0, "timeout": 0}
    body = {"data": {"attributes": {"last_analysis_stats": stats, "last_analysis_date": 1_763_942_400}}}
    found = fused(*read_virustotal(body, IP, NOW), infos=[VIRUSTOTAL])
    assert (found.verdict, found.votes) == (V.NO_FINDING, ())
    assert "which does not clear it" in found.reason


def test_one_vote_for_an_author_with_all_who_repeat_it() -> None:
    (vote,) = fused(URLHAUS, THREATFOX_A, answer("misp", lineage=" ABUSE.CH "), THREATFOX_B).votes
    assert (vote.lineage, vote.source, vote.also) == ("abuse.ch", "threatfox", ("misp", "urlhaus"))
    assert vote.weight is VoteWeight.CONVICTS


def test_coverage_names_everybody() -> None:
    coverage = fused(
        THREATFOX_B,
        failed("otx", SourceStatus.RATE_LIMITED),
        failed("misp", SourceStatus.NOT_CONFIGURED),
        answer("lists:one", direction=CONTEXT, leaning=Leaning.NONE),
        answer("lists:two", direction=CONTEXT, leaning=Leaning.NONE),
        infos=[info("lists", online=False, direction=CONTEXT), info("abuseipdb")],
    ).coverage
    assert coverage.asked == ("lists", "otx", "threatfox")
    assert coverage.answered == ("lists", "threatfox")
    assert [(f.source, f.status) for f in coverage.failed] == [("otx", SourceStatus.RATE_LIMITED)]
    assert coverage.not_configured == ("misp",)
    assert coverage.not_asked == ("abuseipdb",)
    assert coverage.judging == ("threatfox",)


def test_what_would_change_it() -> None:
    def says(*answers: SourceAnswer) -> str:
        return " ".join(fused(*answers).would_change)

    assert "after 2026-12-23" in says(THREATFOX_A)
    assert "after 2026-12-14" in says(DROP, at(THREATFOX_B, 10))
    assert "author other than spamhaus" in says(DROP)
    assert "An answer of Otx, which failed now (no answer in time)." in says(DROP, failed("otx"))
    assert "Misp" not in says(failed("misp", SourceStatus.NOT_CONFIGURED))


# --- overrides -------------------------------------------------------------------------------


def overridden(*overrides: Override) -> ReputationPolicy:
    return ReputationPolicy(overrides=overrides)


DENY, ALLOW = OverrideDecision.DENY, OverrideDecision.ALLOW


@pytest.mark.parametrize(
    ("decision", "answers", "roles", "verdict", "would_be"),
    [
        (ALLOW, (THREATFOX_A,), (), V.KNOWN_GOOD_SERVICE, V.MALICIOUS),
        (ALLOW, (MALTRAIL,), (TELEGRAM,), V.KNOWN_GOOD_SERVICE, V.SUSPICIOUS_SHARED),
        (ALLOW, (), (), V.KNOWN_GOOD_SERVICE, V.UNDETERMINED),
        (DENY, (), (), V.SUSPICIOUS, V.UNDETERMINED),
        (DENY, (VIRUSTOTAL_0,), (PLATFORM,), V.SUSPICIOUS, V.KNOWN_GOOD_SERVICE),
        (DENY, (MALTRAIL,), (TELEGRAM,), V.SUSPICIOUS, V.SUSPICIOUS_SHARED),
        (DENY, (THREATFOX_A,), (), V.MALICIOUS, V.MALICIOUS),
    ],
)
def test_an_override_decides_and_shows_itself(
    decision: OverrideDecision,
    answers: tuple[SourceAnswer, ...],
    roles: tuple[DestinationRole, ...],
    verdict: V,
    would_be: V,
) -> None:
    found = fused(*answers, roles=roles, policy=overridden(override("198.51.100.0/24", decision)))
    assert (found.verdict, found.would_be) == (verdict, would_be)
    for part in (decision, "198.51.100.0/24", "SOC lead", "our update mirror", "2026-12-24"):
        assert part in found.override
        assert part in found.reason
    assert f"by the sources it is {VERDICT_WORDS[would_be]}" in found.reason
    assert (
        f"SOC lead (our update mirror); by the sources: {VERDICT_WORDS[would_be]}" in found.override_headline
    )
    ends = f"When the override ends or is taken back, it is {VERDICT_WORDS[would_be]}."
    if decision is ALLOW:
        assert found.would_change == (ends,)
    else:
        assert (ends in found.would_change) is (verdict is not would_be)
        assert not any("A single bad report" in each for each in found.would_change)


# --- who can speak of a destination --------------------------------------------------------------


def test_who_judges_is_who_can_report_a_bad_address() -> None:
    listed = (*map(describe, CATALOGUE), *(each.info for each in offline_sources(FeedSettings())))
    assert {each.name: each.title for each in listed} == {**ASKED_TITLES, **PACKAGE_TITLES, **FEED_TITLES}
    describing = {each.name for each in listed if not can_report(each)}
    lists = {name for name in FEED_TITLES if name.startswith("misp_")}
    assert describing == {*PACKAGE_TITLES, "tor_exits", *lists}
    about_callers = {each.name for each in listed if can_report(each) and not can_report_destination(each)}
    assert about_callers == {"abuseipdb", "greynoise", "ipsum"}


def test_a_collection_that_does_not_list_it_is_a_finding_of_nothing() -> None:
    assert fused(not_found("taxii"), infos=[describe("taxii")]).verdict is V.NO_FINDING


def test_that_who_calls_in_is_not_listed_says_nothing_of_a_destination() -> None:
    inbound = info("abuseipdb", direction=INBOUND)
    failing = [failed(each, SourceStatus.RATE_LIMITED) for each in ("otx", "misp", "threatfox", "urlhaus")]
    found = fused(not_found("abuseipdb"), *failing, infos=[inbound])
    assert found.verdict is V.UNDETERMINED
    assert "4 of 5 asked did not answer: Misp (quota used up)" in found.reason
    heard = fused(not_found("abuseipdb"), *failing[1:], not_found("otx"), infos=[inbound])
    assert heard.verdict is V.NO_FINDING
    assert "3 of 5 asked did not answer" in heard.reason


def test_sources_folded_into_a_vote_are_named_with_their_own_dates() -> None:
    online = answer("urlhaus", lineage="abuse.ch", last_seen=NOW).model_copy(update={"retrieved_at": NOW})
    old = answer("threatfox", lineage="abuse.ch", last_seen=days_ago(300), reliability=Reliability.A)
    found = fused(online, old, infos=[info("urlhaus"), info("threatfox")])
    assert found.reason.startswith(
        "It is reported by Urlhaus (online now), Threatfox (2026-01-28, too old), which does not convict"
    )


def test_an_expired_override_is_told_and_not_applied() -> None:
    found = fused(THREATFOX_A, policy=overridden(override(expires=NOW)))
    assert (found.verdict, found.override, found.would_be) == (V.MALICIOUS, "", None)
    (told,) = found.overrides_not_applied
    assert "expired" in told
    assert "SOC lead" in told


@pytest.mark.parametrize(
    ("overrides", "decision"),
    [
        ((override("198.51.100.0/24", DENY), override(IP, ALLOW)), ALLOW),
        ((override("198.51.100.0/24", ALLOW), override(IP, DENY)), DENY),
        ((override(IP, ALLOW), override(IP, DENY)), DENY),
        ((override(IP, ALLOW), override("198.51.100.0/25", DENY, expires=NOW)), ALLOW),
    ],
)
def test_of_several_the_smallest_range_counts_and_the_others_are_told(
    overrides: tuple[Override, Override], decision: OverrideDecision
) -> None:
    for order in (overrides, overrides[::-1]):
        found = fused(policy=overridden(*order))
        assert found.override.startswith(decision)
        assert len(found.overrides_not_applied) == 1


def test_an_override_of_another_address_says_nothing() -> None:
    policy = overridden(override("203.0.113.0/24"), override("2001:db8::/32"))
    found = fused(policy=policy)
    assert (found.override, found.overrides_not_applied) == ("", ())
    assert fused(policy=policy, ip="2001:db8::7").verdict is V.KNOWN_GOOD_SERVICE


@pytest.mark.parametrize(
    "target",
    ["0.0.0.0/0", "::/0", "example.org", "", "198.51.100.7/24", "::ffff:198.51.100.7", "10.0.0.0/33"],
)
def test_an_override_needs_one_place(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        override(target)


@pytest.mark.parametrize("part", ["reason", "owner"])
@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "\x1b[31m", "x" * 201])
def test_an_override_needs_a_reason_and_an_owner(part: str, text: str) -> None:
    with pytest.raises(ValueError, match=part):
        Override.model_validate(
            {"target": IP, "decision": "deny", "reason": "r", "owner": "o", "expires": NOW, part: text}
        )


def test_an_override_needs_an_end_with_an_offset() -> None:
    given = {"target": IP, "decision": "deny", "reason": "r", "owner": "o"}
    with pytest.raises(ValueError, match="expires"):
        Override.model_validate(given)
    with pytest.raises(ValueError, match="expires"):
        Override.model_validate(given | {"expires": "2026-12-24T00:00:00"})


# --- properties ------------------------------------------------------------------------------

FAILURES = tuple(SourceStatus(s) for s in SourceStatus if s not in {SourceStatus.OK, SourceStatus.NOT_FOUND})
NAMES = ("threatfox", "urlhaus", "otx", "misp", "own_list", "greynoise")
LINEAGES = ("", "abuse.ch", "spamhaus", "greynoise", "Spamhaus")

ages = st.none() | st.floats(-5, 90).map(days_ago)
answers_st = st.builds(
    answer,
    st.sampled_from(NAMES),
    status=st.sampled_from(SourceStatus),
    leaning=st.sampled_from(Leaning),
    direction=st.sampled_from(EvidenceDirection),
    reliability=st.sampled_from(Reliability),
    lineage=st.sampled_from(LINEAGES),
    last_seen=ages,
    detail=st.sampled_from(("", "x")),
)
roles_st = st.lists(
    st.sampled_from((TELEGRAM, RESOLVER, SINKHOLE, CLOUD, PLATFORM, role(RoleKind.TOR_EXIT))), max_size=3
)
mixes = st.lists(answers_st, max_size=6)


def rank(*answers: SourceAnswer, roles: list[DestinationRole]) -> int:
    return DESTINATION_RANK[fused(*answers, roles=roles).verdict]


@given(mixes, roles_st, st.data())
def test_order_does_not_matter(
    answers: list[SourceAnswer], roles: list[DestinationRole], data: st.DataObject
) -> None:
    shuffled, other_roles = data.draw(st.permutations(answers)), data.draw(st.permutations(roles))
    assert fused(*answers, roles=roles) == fused(*shuffled, roles=other_roles)


@given(mixes, roles_st, st.sampled_from(FAILURES), st.sampled_from((*NAMES, "another")))
def test_a_failure_never_lowers(
    answers: list[SourceAnswer], roles: list[DestinationRole], status: SourceStatus, name: str
) -> None:
    assert rank(*answers, failed(name, status), roles=roles) >= rank(*answers, roles=roles)


@given(mixes, roles_st)
def test_an_answer_that_expires_with_its_evidence_never_lowers(
    answers: list[SourceAnswer], roles: list[DestinationRole]
) -> None:
    expired = [
        a.model_copy(update={"status": SourceStatus.STALE}) if a.status is SourceStatus.OK else a
        for a in answers
    ]
    assert rank(*expired, roles=roles) >= rank(*answers, roles=roles)


@given(mixes, roles_st, answers_st)
def test_a_further_independent_bad_vote_never_lowers(
    answers: list[SourceAnswer], roles: list[DestinationRole], further: SourceAnswer
) -> None:
    bad = further.model_copy(
        update={
            "source": "further",
            "lineage": "further",
            "leaning": Leaning.MALICIOUS,
            "status": SourceStatus.OK,
        }
    )
    # With nobody else answering, even a report too old to count makes no_finding of undetermined.
    answered = [*answers, not_found("otx")]
    assert rank(*answered, bad, roles=roles) >= rank(*answered, roles=roles)


@given(mixes, roles_st, answers_st, st.sampled_from(("misp", "taxii", "own_list")))
def test_two_votes_of_one_author_are_one(
    answers: list[SourceAnswer], roles: list[DestinationRole], given_: SourceAnswer, repeater: str
) -> None:
    first = given_.model_copy(update={"lineage": "author", "status": SourceStatus.OK})
    again = first.model_copy(update={"source": repeater})
    answered = [*answers, not_found(repeater), first]
    once, twice = fused(*answered, roles=roles), fused(*answered, again, roles=roles)
    assert once.verdict is twice.verdict
    assert len(once.votes) == len(twice.votes)


@given(mixes, roles_st)
def test_inbound_alone_never_convicts(answers: list[SourceAnswer], roles: list[DestinationRole]) -> None:
    inbound = [a.model_copy(update={"direction": INBOUND}) for a in answers]
    assert rank(*inbound, roles=roles) <= DESTINATION_RANK[V.SUSPICIOUS]


@given(mixes, roles_st)
def test_unknown_authors_convict_only_at_grade_a(
    answers: list[SourceAnswer], roles: list[DestinationRole]
) -> None:
    unknown = [
        a.model_copy(update={"lineage": "", "reliability": Reliability.B})
        if a.reliability is Reliability.A
        else a.model_copy(update={"lineage": ""})
        for a in answers
    ]
    assert rank(*unknown, roles=roles) <= DESTINATION_RANK[V.SUSPICIOUS]


@given(mixes, roles_st)
def test_what_many_share_is_neither_good_nor_worse_than_suspicious_shared(
    answers: list[SourceAnswer], roles: list[DestinationRole]
) -> None:
    found = fused(*answers, roles=[*roles, TELEGRAM])
    assert found.verdict in {V.SUSPICIOUS_SHARED, V.NO_FINDING, V.UNDETERMINED}


@given(mixes, roles_st)
def test_good_needs_a_role_an_answer_and_not_one_report(
    answers: list[SourceAnswer], roles: list[DestinationRole]
) -> None:
    found = fused(*answers, roles=roles)
    if found.verdict is V.KNOWN_GOOD_SERVICE:
        assert PLATFORM in roles
        assert found.coverage.judging
        assert all(vote.leaning is Leaning.HARMLESS for vote in found.votes)
        assert all(r.effect is RoleEffect.NONE for r in roles)


@given(mixes, roles_st, st.integers(0, 120))
def test_time_alone_never_convicts(
    answers: list[SourceAnswer], roles: list[DestinationRole], later: int
) -> None:
    # Sightings of the future are left out: they become believable with time.
    past = [a for a in answers if a.last_seen is None or a.last_seen <= NOW]
    aged = [
        a.model_copy(update={"last_seen": a.last_seen and a.last_seen - timedelta(days=later)}) for a in past
    ]
    assert rank(*aged, roles=roles) <= rank(*past, roles=roles)
