"""Risk: ESCU's arithmetic, the message word for word, and the properties a score must have."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import chain, combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.assess_risk import assess_risk, escu_message
from actions.case_facts import CaseFacts, Destination, DestinationVerdict, Unknown
from actions.decide_isolation import decide_isolation
from actions.next_steps import next_steps
from actions.profiles.regsvcs import PROFILE
from actions.risk import CaseVerdict, IndicatorGroup, RiskAssessment, RiskPolicy, Strength
from actions.risk_weights import WEIGHTS
from actions.verdict_table import (
    DESTINATION_RANK,
    VERDICT_RANK,
    VERDICTS,
    Tally,
    case_verdict,
    worst_destination,
)
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.notable import Direction, MissingField
from connectors.facts.process import (
    CoverageState,
    Gap,
    GapKind,
    Process,
    ProcessEvidence,
)
from connectors.facts.reputation import SourceAnswer, SourceStatus
from tests.case_builders import (
    CMD,
    CRL_IP,
    EXPLORER,
    INSTALLED_DLL,
    LOADER,
    MSIEXEC,
    PEER_IP,
    REGSVCS,
    SCHTASKS,
    SERVICES,
    SIGNED,
    TELEGRAM_IP,
    UNSIGNED,
    WINWORD,
    access_from,
    after,
    case,
    connection,
    destination,
    evidence,
    installer_case,
    lineage,
    live_policy,
    notable,
    plain_case,
    process,
    ready_request,
    stealer_case,
    tampered,
    thread_from,
)

POLICY = RiskPolicy()
NOW = after(120)
BASE = (
    r"An instance of RegSvcs.exe contacting a remote destination was identified on endpoint WS01.corp.example"
    r" by user CORP\ann. This behavior is not normal for RegSvcs.exe."
)


def assess(facts: CaseFacts) -> RiskAssessment:
    return assess_risk(facts, POLICY, NOW)


# --- cases ----------------------------------------------------------------------------------------


def test_all_unknown_is_the_base_and_undetermined() -> None:
    risk = assess(case())
    assert (risk.base_score, risk.score, risk.impact, risk.confidence) == (80.0, 80.0, 80, 100)
    assert risk.message == BASE
    assert [(c.name, c.impact_points, c.confidence_points) for c in risk.contributions] == [
        ("ESCU base", 80, 100)
    ]
    assert risk.case_verdict is CaseVerdict.UNDETERMINED
    assert risk.verdict_reason == "Nothing is known of the process itself: unresolved, which is not benign."
    assert risk.destination_verdict is DestinationVerdict.UNDETERMINED
    assert risk.indicators == ()


def test_stealer() -> None:
    risk = assess(stealer_case())
    assert (risk.score, risk.impact, risk.confidence) == (100.0, 100, 100)
    assert risk.case_verdict is CaseVerdict.MALICIOUS
    assert [c.name for c in risk.contributions] == [
        "ESCU base",
        "tampering",
        "document_or_script_ancestor",
        "parent_in_writable_place",
        "parent_not_signed",
        "no_arguments",
        "parent_exited",
        "limit",
    ]
    assert [i.strength for i in risk.indicators] == [Strength.STRONG] * 5 + [
        Strength.MEDIUM,
        Strength.CONTEXT,
    ]
    assert risk.message.startswith(
        BASE + " Sysmon reported tampering with the process (Image is replaced). It "
    )
    strong = [i.sentence for i in risk.indicators if i.strength is Strength.STRONG]
    assert risk.message == " ".join([BASE, *strong])


def test_installer() -> None:
    risk = assess(installer_case())
    assert (risk.score, risk.impact, risk.confidence) == (40.0, 80, 50)
    assert risk.case_verdict is CaseVerdict.LIKELY_BENIGN
    assert risk.message == BASE
    assert [(c.name, c.confidence_points) for c in risk.contributions[1:]] == [
        ("signed_installer_chain", -20),
        ("program_files_dll", -15),
        ("plain_destination", -15),
    ]


def test_ordinary_registration() -> None:
    risk = assess(plain_case())
    assert (risk.score, risk.case_verdict) == (80.0, CaseVerdict.UNDETERMINED)
    assert len(risk.contributions) == 1  # context is worth nothing


@pytest.mark.parametrize(
    "change",
    [
        {"destinations": (destination(CRL_IP, ports=(80,)),)},
        {"destinations": (), "evidence": None},
        {"lineage": lineage(process(command_line=f'"{REGSVCS}" "{INSTALLED_DLL}"'))},
    ],
)
def test_two_mitigating_findings_of_three_lower_nothing(change: dict[str, object]) -> None:
    risk = assess(installer_case().model_copy(update=change))
    assert (risk.score, risk.confidence) == (80.0, 100)
    assert risk.case_verdict is CaseVerdict.UNDETERMINED
    assert any(i.strength is Strength.MITIGATING for i in risk.indicators)


@pytest.mark.parametrize(
    ("bad", "verdict", "score"),
    [
        (tampered(), CaseVerdict.SUSPICIOUS, 100.0),
        (thread_from(LOADER), CaseVerdict.SUSPICIOUS, 95.0),
        (access_from(LOADER), CaseVerdict.UNDETERMINED, 85.0),
    ],
)
def test_one_strong_or_medium_finding_undoes_the_mitigation(
    bad: object, verdict: CaseVerdict, score: float
) -> None:
    kind = {"Tampering": "tampering", "RemoteThread": "remote_threads", "ProcessAccess": "accesses"}
    facts = installer_case()
    assert facts.evidence is not None
    seen = facts.evidence.model_copy(update={kind[type(bad).__name__]: (bad,)})
    risk = assess(facts.model_copy(update={"evidence": seen}))
    assert (risk.score, risk.case_verdict) == (score, verdict)


def test_score_follows_the_profile() -> None:
    profile = PROFILE.model_copy(update={"impact": 70, "confidence": 70})
    facts = stealer_case().model_copy(update={"profile": profile})
    assert assess(facts).base_score == 49.0
    assert assess(facts).score == 70.0  # impact 100, confidence 70
    benign = installer_case().model_copy(update={"profile": profile.model_copy(update={"confidence": 30})})
    assert (assess(benign).confidence, assess(benign).score) == (0, 0.0)


# --- message --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("", "by user unknown."),
        ("$dest$", "by user $dest$."),
        ("$user$ $process_name$", "by user $user$ $process_name$."),
        ("\\1 \\g<0>", "by user \\1 \\g<0>."),
        ("a\x1b[31m<b>", "by user a\x1b[31m<b>."),
    ],
)
def test_message_is_filled_in_one_pass(user: str, wanted: str) -> None:
    message = escu_message(PROFILE, notable(user=user))
    assert wanted in message
    assert message.startswith(BASE.partition(" by user ")[0])


def test_message_comes_from_the_earliest_notable() -> None:
    first, second = notable(user="early"), notable(user="late").model_copy(update={"first_time": after(30)})
    for notables in ((first, second), (second, first)):
        assert "by user early." in assess(case(notables=notables)).message


def test_a_time_in_the_future_is_listed() -> None:
    facts = case(notables=(notable(seconds=600),))
    assert "when it happened" in {u.what for u in assess(facts).unknowns}
    assert "when it happened" not in {u.what for u in assess(case()).unknowns}


# --- verdict table --------------------------------------------------------------------------------

GROUPS = list(IndicatorGroup)
TALLIES = [
    Tally(frozenset(groups), medium, bad, mitigated, known)
    for groups in chain.from_iterable(combinations(GROUPS, n) for n in range(len(GROUPS) + 1))
    for medium, bad, mitigated, known in product(range(4), (True, False), (True, False), (True, False))
]


def rank(tally: Tally) -> int:
    return VERDICT_RANK[case_verdict(tally).verdict]


def test_verdict_table_is_monotone_over_everything_it_can_see() -> None:
    for tally in TALLIES:
        for group in set(GROUPS) - tally.strong_groups:
            assert rank(tally._replace(strong_groups=tally.strong_groups | {group})) >= rank(tally)
        assert rank(tally._replace(medium=tally.medium + 1)) >= rank(tally)
        assert rank(tally._replace(bad_destination=True)) >= rank(tally)
        assert rank(tally._replace(mitigated=False)) >= rank(tally)


@pytest.mark.parametrize(
    ("tally", "verdict"),
    [
        (
            Tally(frozenset({IndicatorGroup.LINEAGE, IndicatorGroup.IMAGE}), 0, False, False, True),
            "malicious",
        ),
        (
            Tally(frozenset({IndicatorGroup.DESTINATION, IndicatorGroup.IMAGE}), 0, True, False, True),
            "malicious",
        ),
        (Tally(frozenset({IndicatorGroup.LINEAGE}), 3, False, False, True), "suspicious"),
        (Tally(frozenset({IndicatorGroup.DESTINATION}), 0, True, False, False), "suspicious"),
        (Tally(frozenset(), 2, False, False, True), "suspicious"),
        (Tally(frozenset(), 1, True, False, True), "suspicious"),
        (Tally(frozenset(), 1, False, False, True), "undetermined"),
        (Tally(frozenset(), 0, False, True, True), "likely_benign"),
        (Tally(frozenset(), 0, False, False, True), "undetermined"),
        (Tally(frozenset(), 0, False, False, False), "undetermined"),
    ],
)
def test_verdict_table(tally: Tally, verdict: str) -> None:
    assert case_verdict(tally).verdict.value == verdict


def test_every_row_of_the_verdict_table_can_decide() -> None:
    deciding = {case_verdict(tally) for tally in TALLIES}
    assert deciding == set(VERDICTS)


def test_worst_destination() -> None:
    assert worst_destination([]) is DestinationVerdict.UNDETERMINED
    assert set(DESTINATION_RANK) == set(DestinationVerdict)
    pair = [DestinationVerdict.NO_FINDING, DestinationVerdict.UNDETERMINED]
    assert worst_destination(pair) is DestinationVerdict.UNDETERMINED
    everything = list(DestinationVerdict)
    assert worst_destination(everything) is DestinationVerdict.MALICIOUS


# --- properties -----------------------------------------------------------------------------------

type Change = Callable[[CaseFacts], CaseFacts]


def change_lineage(**fields: object) -> Change:
    def apply(facts: CaseFacts) -> CaseFacts:
        if facts.lineage is None:
            return facts
        old = facts.lineage
        new = {k: (*getattr(old, k), v) if isinstance(v, Process | Gap) else v for k, v in fields.items()}
        return facts.model_copy(update={"lineage": old.model_copy(update=new)})

    return apply


def change_target(**fields: object) -> Change:
    def apply(facts: CaseFacts) -> CaseFacts:
        if facts.lineage is None:
            return facts
        target = facts.lineage.target.model_copy(update=fields)
        return facts.model_copy(update={"lineage": facts.lineage.model_copy(update={"target": target})})

    return apply


def change_parent(**fields: object) -> Change:
    def apply(facts: CaseFacts) -> CaseFacts:
        if facts.lineage is None or not facts.lineage.ancestors:
            return facts
        parent, *rest = facts.lineage.ancestors
        ancestors = (parent.model_copy(update=fields), *rest)
        return facts.model_copy(update={"lineage": facts.lineage.model_copy(update={"ancestors": ancestors})})

    return apply


def add_argument(argument: str) -> Change:
    def apply(facts: CaseFacts) -> CaseFacts:
        line = facts.lineage.target.command_line if facts.lineage else None
        if not line or line == f'"{REGSVCS}"':  # an argument would take "no arguments" away
            return facts
        return change_target(command_line=f"{line} {argument}")(facts)

    return apply


def add_evidence(**fields: object) -> Change:
    def apply(facts: CaseFacts) -> CaseFacts:
        old = facts.evidence or ProcessEvidence()
        new = {kind: (*getattr(old, kind), item) for kind, item in fields.items()}
        return facts.model_copy(update={"evidence": old.model_copy(update=new)})

    return apply


def add_destination(new: Destination, direction: Direction = Direction.OUTBOUND) -> Change:
    def apply(facts: CaseFacts) -> CaseFacts:
        if new.ip in {d.ip for d in facts.destinations}:
            return facts
        return facts.model_copy(
            update={
                "destinations": (*facts.destinations, new),
                "notables": (*facts.notables, notable(new.ip, direction=direction, seconds=90)),
            }
        )

    return apply


def change_destinations(change: Callable[[Destination], dict[str, object]]) -> Change:
    def apply(facts: CaseFacts) -> CaseFacts:
        changed = tuple(d.model_copy(update=change(d)) for d in facts.destinations)
        return facts.model_copy(update={"destinations": changed})

    return apply


def not_better(verdict: DestinationVerdict) -> Callable[[Destination], dict[str, object]]:
    return lambda d: {"verdict": worst_destination([d.verdict, verdict])}


SINKHOLE = DestinationRole(
    kind=RoleKind.SINKHOLE,
    effect=RoleEffect.PROBABLE_INFECTION,
    label="sinkhole",
    reason="What calls it is probably infected.",
    source="misp-warninglists: sinkholes",
)

BAD: dict[str, Change] = {
    "child": change_lineage(children=process(CMD, pid=70)),
    "child in Temp": change_lineage(children=process(LOADER, pid=71)),
    "task by the process": change_lineage(
        children=process(SCHTASKS, pid=72, command_line="schtasks /create")
    ),
    "task beside it": change_lineage(siblings=process(SCHTASKS, pid=73, command_line="schtasks /create")),
    "Office": change_lineage(ancestors=process(WINWORD, pid=8)),
    "script": change_lineage(ancestors=process(r"C:\Windows\System32\wscript.exe", pid=7)),
    "shell": change_lineage(ancestors=process(CMD, pid=6)),
    "unsigned": change_target(signature=UNSIGNED),
    "other name": change_target(original_file_name="x.exe"),
    "suspended": change_target(created_suspended=True),
    "parent unsigned": change_parent(signature=UNSIGNED),
    "parent gone": change_parent(end_time=after(2)),
    "argument in Temp": add_argument(r"C:\Temp\x.dll"),
    "text as assembly": add_argument("x.txt"),
    "tampering": add_evidence(tampering=tampered()),
    "thread": add_evidence(remote_threads=thread_from(LOADER)),
    "access": add_evidence(accesses=access_from(LOADER)),
    "connection elsewhere": add_evidence(connections=connection("203.0.113.5", seconds=40)),
    "further destination": add_destination(destination("1.1.1.1")),
    "malicious destination": add_destination(destination("9.9.9.9", verdict=DestinationVerdict.MALICIOUS)),
    "suspicious destination": add_destination(destination("4.4.4.4", verdict=DestinationVerdict.SUSPICIOUS)),
    "sinkhole": add_destination(destination("6.6.6.6").model_copy(update={"roles": (SINKHOLE,)})),
    "worse: sinkhole": change_destinations(lambda d: {"roles": (*d.roles, SINKHOLE)}),
    "malicious caller": add_destination(
        destination("5.5.5.5", verdict=DestinationVerdict.MALICIOUS), Direction.INBOUND
    ),
    "worse: suspicious": change_destinations(not_better(DestinationVerdict.SUSPICIOUS)),
    "worse: shared": change_destinations(not_better(DestinationVerdict.SUSPICIOUS_SHARED)),
    "worse: malicious": change_destinations(not_better(DestinationVerdict.MALICIOUS)),
    "further name": change_destinations(lambda d: {"dns_names": (*d.dns_names, "c2.attacker.example")}),
    "mail port": change_destinations(lambda d: {"ports": tuple(sorted({*d.ports, 587}))}),
}

#: Things not known, or no longer known. Where the score rests on what is taken away, they are not here.
UNKNOWN: dict[str, Change] = {
    "problem": lambda f: f.model_copy(update={"problems": (*f.problems, Unknown(what="x", why="y"))}),
    "gap": change_lineage(gaps=Gap(kind=GapKind.CYCLE, at="x (pid 1)", detail="z")),
    "truncated": change_lineage(truncated=True),
    "child of unknown image": change_lineage(children=process("<unknown process>", pid=80)),
    "sibling without command line": change_lineage(siblings=process(SCHTASKS, pid=81)),
    "thread by nobody": add_evidence(remote_threads=thread_from("")),
    "access without mask": add_evidence(accesses=access_from(LOADER, granted=None)),
    "access by nobody": add_evidence(accesses=access_from("?", pid=None, creator=None)),
    "nothing collected": lambda f: (
        f.model_copy(
            update={
                "evidence": f.evidence.model_copy(
                    update={
                        "coverage": tuple(
                            c.model_copy(update={"state": CoverageState.NOT_COLLECTED})
                            for c in f.evidence.coverage
                        )
                    }
                )
            }
        )
        if f.evidence
        else f
    ),
    "no host": lambda f: f.model_copy(update={"host": None}),
    "source failed": change_destinations(
        lambda d: {
            "answers": (*d.answers, SourceAnswer(source="one", ip=d.ip, status=SourceStatus.TIMEOUT)),
        }
    ),
    "notable lacks a field": lambda f: f.model_copy(
        update={
            "notables": tuple(
                n.model_copy(update={"missing": (MissingField(field="user", effect="named unknown"),)})
                for n in f.notables
            )
        }
    ),
}

TARGETS = st.builds(
    lambda line, signature, original, integrity, image: process(
        image,
        command_line=line,
        signature=signature,
        original_file_name=original,
        integrity=integrity,
    ),
    st.sampled_from(
        [None, "", f'"{REGSVCS}"', f'"{REGSVCS}" "{INSTALLED_DLL}"', f'"{REGSVCS}" x.dll', "/u x.dll"]
    ),
    st.sampled_from([None, SIGNED]),
    st.sampled_from(["", "RegSvcs.exe"]),
    st.sampled_from(["", "System", "Medium"]),
    st.sampled_from([REGSVCS, REGSVCS, "", r"C:\Windows\WinSxS\x\RegSvcs.exe", r"C:\Users\ann\RegSvcs.exe"]),
)
ANCESTORS = st.sampled_from(
    [
        (),
        (process(EXPLORER, pid=10),),
        (process(CMD, pid=20), process(EXPLORER, pid=10)),
        (process(r"C:\Tools\start.exe", pid=20),),
        (process(LOADER, pid=30), process(EXPLORER, pid=10)),
        (process(MSIEXEC, pid=20, signature=SIGNED), process(SERVICES, pid=10, signature=SIGNED)),
    ]
)
DESTINATIONS = st.sampled_from(
    [
        (),
        (destination(),),
        (destination(TELEGRAM_IP), destination()),
        (destination(CRL_IP, dns_names=("crl3.digicert.com",), ports=(80,)),),
    ]
)
EVIDENCE = st.sampled_from(
    [
        None,
        evidence(),
        evidence(coverage=CoverageState.NOT_COLLECTED),
        evidence(connections=(connection(CRL_IP, port=80),)),
    ]
)


@st.composite
def cases(draw: st.DrawFn) -> CaseFacts:
    destinations = draw(DESTINATIONS)
    chosen = draw(st.one_of(st.none(), st.tuples(TARGETS, ANCESTORS)))
    direction = draw(st.sampled_from(list(Direction)))
    peers = [d.ip for d in destinations] or [PEER_IP]
    built = case(
        lineage=None if chosen is None else lineage(chosen[0], *chosen[1]),
        evidence=draw(EVIDENCE),
        destinations=destinations,
        notables=tuple(notable(ip, direction=direction) for ip in peers),
    )
    return draw(st.sampled_from([built, built, installer_case()]))


@given(cases(), st.lists(st.sampled_from(sorted(BAD)), min_size=1, max_size=8))
@settings(max_examples=125)
def test_a_further_bad_fact_never_lowers_score_or_verdict(facts: CaseFacts, names: list[str]) -> None:
    before = assess(facts)
    for name in names:
        facts = BAD[name](facts)
        now = assess(facts)
        assert now.score >= before.score, name
        assert VERDICT_RANK[now.case_verdict] >= VERDICT_RANK[before.case_verdict], name
        before = now


@pytest.mark.parametrize(
    "facts", [installer_case(), plain_case(), case()], ids=["installer", "plain", "bare"]
)
def test_no_pair_of_bad_facts_lowers_score_or_verdict(facts: CaseFacts) -> None:
    alone = {name: assess(change(facts)) for name, change in BAD.items()}
    for first, then in product(BAD, BAD):
        before, now = alone[first], assess(BAD[then](BAD[first](facts)))
        assert now.score >= before.score, (first, then)
        assert VERDICT_RANK[now.case_verdict] >= VERDICT_RANK[before.case_verdict], (first, then)


@given(cases(), st.lists(st.sampled_from(sorted(BAD)), max_size=3), st.sampled_from(sorted(UNKNOWN)))
@settings(max_examples=125)
def test_an_unknown_never_changes_score_or_verdict(facts: CaseFacts, names: list[str], unknown: str) -> None:
    for name in names:
        facts = BAD[name](facts)
    before, after_it = assess(facts), assess(UNKNOWN[unknown](facts))
    assert after_it.score == before.score
    assert after_it.case_verdict is before.case_verdict
    assert after_it.contributions == before.contributions
    assert len(after_it.unknowns) >= len(before.unknowns)


@pytest.mark.parametrize("name", sorted(BAD))
def test_every_bad_fact_of_the_property_undoes_the_benign_verdict_or_is_context(name: str) -> None:
    """So that the property cannot pass because a change does nothing."""
    risk, changed = assess(installer_case()), assess(BAD[name](installer_case()))
    if name in ("shell", "task beside it"):  # context; and under Windows Installer no finding
        assert changed.score == risk.score
    else:
        assert changed.score > risk.score
        assert changed.case_verdict is not CaseVerdict.LIKELY_BENIGN


def test_the_bad_facts_reach_every_weighty_indicator_that_is_no_property_of_the_image() -> None:
    reached = {i.id for change in BAD.values() for i in assess(change(plain_case())).indicators}
    reached |= {i.id for i in assess(BAD["task beside it"](stealer_case())).indicators}
    weighty = {row.id for row in WEIGHTS if row.strength in (Strength.STRONG, Strength.MEDIUM)}
    assert weighty - reached == {"image_path_unexpected", "image_in_unusual_place"}
    assert "scheduled_task_beside" in reached


def test_forgetting_what_was_good_never_makes_benign() -> None:
    """The mitigation rests on known facts: take any away and the base is back."""
    changes: list[Change] = [
        change_target(signature=process().signature),
        change_target(command_line=None),
        change_target(integrity="", user=""),
        change_parent(signature=process().signature),
        lambda f: f.model_copy(update={"lineage": None}),
        change_destinations(lambda _: {"dns_names": ()}),
        change_destinations(lambda _: {"ports": ()}),
    ]
    for change in changes:
        risk = assess(change(installer_case()))
        assert (risk.score, risk.case_verdict) == (80.0, CaseVerdict.UNDETERMINED)


@given(cases(), st.lists(st.sampled_from(sorted(BAD)), max_size=6))
@settings(max_examples=50)
def test_items_add_up(facts: CaseFacts, names: list[str]) -> None:
    for name in names:
        facts = BAD[name](facts)
    risk = assess(facts)
    assert risk.contributions[0].name == "ESCU base"
    assert risk.impact == sum(c.impact_points for c in risk.contributions)
    assert risk.confidence == sum(c.confidence_points for c in risk.contributions)
    assert 0 <= risk.impact <= 100
    assert 0 <= risk.confidence <= 100
    assert risk.score == risk.impact * risk.confidence / 100
    order = [row.id for row in WEIGHTS]
    places = [order.index(c.name) for c in risk.contributions if c.name in order]
    assert places == sorted(places)


@given(
    cases(),
    st.lists(st.sampled_from(sorted({**BAD, **UNKNOWN})), max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=75)
def test_order_does_not_matter(facts: CaseFacts, names: list[str], chance: random.Random) -> None:
    for name in names:
        facts = {**BAD, **UNKNOWN}[name](facts)
    other = shuffled(facts, chance)
    one, two = assess(facts), assess(other)
    assert one == two
    policy = live_policy()
    decisions = [decide_isolation(ready_request(f, r), policy, NOW) for f, r in ((facts, one), (other, two))]
    assert decisions[0] == decisions[1]
    assert next_steps(facts, POLICY, one, decisions[0]) == next_steps(other, POLICY, two, decisions[1])


def shuffled(facts: CaseFacts, chance: random.Random) -> CaseFacts:
    """The same facts with every tuple in another order, except ancestors (nearest first is a fact)."""

    def mixed[T](items: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(chance.sample(items, len(items)))

    chain_ = facts.lineage
    if chain_ is not None:
        chain_ = chain_.model_copy(
            update={k: mixed(getattr(chain_, k)) for k in ("siblings", "children", "gaps")}
        )
    seen = facts.evidence
    if seen is not None:
        kinds = ("connections", "dns", "tampering", "remote_threads", "accesses", "modules", "coverage")
        seen = seen.model_copy(update={k: mixed(getattr(seen, k)) for k in kinds})
    return facts.model_copy(
        update={
            "lineage": chain_,
            "evidence": seen,
            "notables": mixed(facts.notables),
            "problems": mixed(facts.problems),
            "destinations": mixed(
                tuple(
                    d.model_copy(update={k: mixed(getattr(d, k)) for k in ("dns_names", "ports", "answers")})
                    for d in facts.destinations
                )
            ),
        }
    )


def users_case(said: str, own: str) -> CaseFacts:
    return case(lineage=lineage(process(user=own)), notables=(notable(user=said),))


@pytest.mark.parametrize(
    ("said", "own"),
    [(r"CORP\other", r"CORP\ann"), (r"OTHER\ann", r"CORP\ann"), ("bob@corp.example", r"CORP\ann")],
)
def test_a_user_that_contradicts_the_process_is_unknown(said: str, own: str) -> None:
    risk = assess(users_case(said, own))
    wanted = Unknown(what="user", why=f"the notable names {said}, the process's own record {own}")
    assert wanted in risk.unknowns
    assert f"by user {said}." in risk.message


@pytest.mark.parametrize(
    ("said", "own"),
    [
        (r"CORP\ann", r"corp\ANN"),
        ("ann", r"CORP\ann"),
        ("ann@corp.example", r"CORP\ann"),
        (r"CORP\ann", ""),
        (r"CORP\ann", "-"),
        ("", r"CORP\ann"),
    ],
)
def test_one_account_spelled_in_two_ways_is_no_contradiction(said: str, own: str) -> None:
    assert "user" not in [each.what for each in assess(users_case(said, own)).unknowns]


def test_what_was_not_looked_up_is_not_called_not_found() -> None:
    nobody = Unknown(what="host and process", why="no log was given")
    risk = assess(case(problems=(nobody,)).model_copy(update={"not_looked_up": "no log was given"}))
    reasons = {each.what: each.why for each in risk.unknowns}
    assert reasons["host and process"] == "no log was given"
    assert not reasons.keys() & {"the host", "process lineage"}
    assert not any("not found" in text for text in (risk.verdict_reason, *reasons.values()))
