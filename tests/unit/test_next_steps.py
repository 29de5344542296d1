"""Next steps: the right ones, in order of urgency, and nothing that the case does not say."""

from __future__ import annotations

import pytest

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts, Destination, DestinationVerdict
from actions.containment import ContainmentOutcome, ContainmentResult
from actions.decide_isolation import decide_isolation
from actions.isolation import IsolationMode, IsolationRequest
from actions.isolation_policy import IsolationPolicy
from actions.next_steps import next_steps
from actions.organisation_ranges import OrganisationRanges
from actions.risk import RiskPolicy
from actions.steps.case import LONGEST_NAME, Contained
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.ledger import ApprovalState, Lease
from connectors.facts.notable import Direction, Notable
from connectors.facts.process import CoverageState, EvidenceKind, Gap, GapKind
from tests.case_builders import (
    CRL_IP,
    EXPLORER,
    HOST,
    LOADER,
    OWN_IP,
    PEER_IP,
    REGSVCS,
    SCHTASKS,
    TELEGRAM_IP,
    UNSIGNED,
    after,
    case,
    destination,
    evidence,
    host,
    installer_case,
    lineage,
    live_policy,
    notable,
    plain_case,
    process,
    ready_request,
    stealer_case,
    tampered,
)

NOW = after(120)


def steps_of(facts: CaseFacts, mode: IsolationMode | None = None) -> tuple[str, ...]:
    """Steps under the default policy, or under a live one in this mode."""
    risk = assess_risk(facts, RiskPolicy(), NOW)
    if mode is None:
        request = IsolationRequest(facts=facts, risk=risk, caller_mode=IsolationMode.OFF)
        return next_steps(facts, RiskPolicy(), risk, decide_isolation(request, IsolationPolicy(), NOW))
    return next_steps(
        facts, RiskPolicy(), risk, decide_isolation(ready_request(facts, risk), live_policy(mode), NOW)
    )


def to(*destinations: Destination, notables: tuple[Notable, ...] | None = None) -> CaseFacts:
    return plain_case().model_copy(
        update={
            "destinations": destinations,
            "notables": notables or tuple(notable(d.ip) for d in destinations),
        }
    )


def test_stealer() -> None:
    assert steps_of(stealer_case()) == (
        (
            f"Get the memory of RegSvcs.exe (pid 4711) on {HOST} before isolating or restarting: the code"
            " that connected may be nowhere on disk."
        ),
        (
            f"Contain {HOST} by hand; the playbook will not: isolation is switched off, and other guards"
            " stand in the way too."
        ),
        f"Secure {LOADER} on {HOST} even though it has ended, and look for its hash on other hosts.",
        (
            f"Treat the passwords and sessions of CORP\\ann on {HOST} as stolen until shown otherwise:"
            " stealers commonly hide in this process."
        ),
        "Do not close on the address alone: api.telegram.org (Telegram) is a shared service.",
    )


def test_installer() -> None:
    assert steps_of(installer_case()) == (
        f"Confirm the installation on {HOST} with whoever made it before closing; nothing closes by itself.",
    )


def test_nothing_known() -> None:
    assert steps_of(case()) == (
        f"Find out which machine {HOST} is; it was not resolved to exactly one.",
        (
            f"Find RegSvcs.exe on {HOST} between 2026-03-04T10:00:00Z and 2026-03-04T10:01:00Z in the EDR:"
            " without it nothing is proved."
        ),
        f"Look {PEER_IP} up by hand: no reputation source has answered.",
    )


@pytest.mark.parametrize(
    ("mode", "second"),
    [
        (
            IsolationMode.APPROVE,
            f"Approve or decline the isolation of {HOST}; an expired request does nothing.",
        ),
        (
            IsolationMode.AUTO,
            f"Check that {HOST} is verified as isolated; an accepted request is not an isolation.",
        ),
        (
            IsolationMode.SHADOW,
            f"Contain {HOST} by hand; the playbook will not: mode shadow only records it.",
        ),
    ],
)
def test_isolation_comes_after_the_memory(mode: IsolationMode, second: str) -> None:
    steps = steps_of(stealer_case(), mode)
    assert steps[0].startswith("Get the memory of RegSvcs.exe (pid 4711)")
    assert steps[1] == second


def test_no_memory_of_a_process_that_has_ended() -> None:
    facts = stealer_case()
    assert facts.lineage is not None
    ended = facts.lineage.target.model_copy(update={"end_time": after(60)})
    gone = facts.model_copy(update={"lineage": facts.lineage.model_copy(update={"target": ended})})
    assert not any("memory" in step for step in steps_of(gone))


def test_several_names_in_one_notable() -> None:
    facts = plain_case().model_copy(update={"notables": (notable(other_dests=("WS02", "WS03")),)})
    assert f"Find out which host it was: the notable names {HOST}, WS02, WS03." in steps_of(facts)


def test_missing_events_are_named_together() -> None:
    facts = plain_case().model_copy(update={"evidence": evidence(coverage=CoverageState.NOT_COLLECTED)})
    by_sysmon = facts.model_copy(update={"host": host(connector="sysmon_file")})
    assert f"Collect EID 25/8/10 on {HOST}: not logged there, so injection stays open." in steps_of(by_sysmon)
    assert (
        "Look for tampering with the image, remote threads and write access to the process in another source"
        f" than Defender, which recorded none on {HOST}: injection stays open." in steps_of(facts)
    )
    assert not any("injection" in step for step in steps_of(plain_case()))


def test_a_vendors_case_is_not_told_to_collect_sysmons_events() -> None:
    facts = to(destination(), notables=(notable(direction=Direction.UNKNOWN),))
    facts = facts.model_copy(update={"evidence": evidence(coverage=CoverageState.NOT_COLLECTED)})
    for connector in ("crowdstrike", "defender", "elastic"):
        told = " ".join(steps_of(facts.model_copy(update={"host": host(connector=connector)})))
        assert "EID" not in told
        assert "Sysmon" not in told


def test_a_notable_that_may_be_of_another_machine_comes_first() -> None:
    facts = stealer_case()
    strange = facts.notables[0].model_copy(update={"src_ip": "10.99.0.5"})
    steps = steps_of(facts.model_copy(update={"notables": (strange,)}))
    assert steps[0] == (
        f"Find out which machine had 10.99.0.5 at the time of the notable, before {HOST} is touched: {HOST}"
        f" is known by {OWN_IP}."
    )
    clear = "once it is clear that the notable is about it"
    assert steps[1].startswith(f"Get the memory of RegSvcs.exe (pid 4711) on {HOST}, {clear}, before")
    assert steps[2].startswith(f"Contain {HOST} by hand {clear}; the playbook will not: ")
    assert not any(clear in step for step in steps_of(facts))


def test_shared_service_by_name_and_by_verdict() -> None:
    steps = steps_of(to(destination(dns_names=("api.ipify.org",))))
    assert "Do not close on the address alone: api.ipify.org (IP-check service) is a shared service." in steps
    shared = steps_of(to(destination(verdict=DestinationVerdict.SUSPICIOUS_SHARED)))
    assert f"Do not close on the address alone: {PEER_IP} is a shared service." in shared
    fake = steps_of(to(destination(dns_names=("api.telegram.org.attacker.example",))))
    assert not any("shared service" in step for step in fake)


def test_channels_and_callers() -> None:
    mail = destination(ports=(587,))
    wanted = f"Read in the firewall's or the relay's log what {HOST} sent to {PEER_IP} (mail submission)."
    assert wanted in steps_of(to(mail))
    inbound = steps_of(to(mail, notables=(notable(direction=Direction.INBOUND),)))
    assert wanted not in inbound
    assert (
        f"Find out why RegSvcs.exe (pid 4711) on {HOST} accepts connections: {PEER_IP} connected to it, not"
        " the other way round." in inbound
    )


@pytest.mark.parametrize(
    ("ip", "wanted"),
    [
        (
            "169.254.1.1",
            (
                "Tune the analytic: its search lets 169.254.1.1 (link local) through; exclude 169.254.0.0/16"
                " in the macro detect_regsvcs_with_network_connection_filter."
            ),
        ),
        (
            "127.0.0.1",
            (
                "Tune the analytic: its search lets 127.0.0.1 (loopback) through; exclude 127.0.0.0/8 in the"
                " macro detect_regsvcs_with_network_connection_filter."
            ),
        ),
        ("10.0.0.5", "Check the analytic's version: the current search leaves 10.0.0.5 (RFC 1918) out."),
    ],
)
def test_tuning(ip: str, wanted: str) -> None:
    assert wanted in steps_of(to(destination(ip)))
    assert not any("analytic" in step for step in steps_of(to(destination())))


def test_an_own_address_may_be_a_proxy() -> None:
    own = destination(organisation=OrganisationRanges(("8.8.4.0/24",)))
    assert (
        f"If {PEER_IP} is your proxy, read its log for {HOST}: the real destination is there. If not, exclude"
        " 8.8.4.0/24 in the macro detect_regsvcs_with_network_connection_filter." in steps_of(to(own))
    )


def test_direction_unknown() -> None:
    silent = (notable(direction=Direction.UNKNOWN),)
    facts = to(destination(), notables=silent).model_copy(update={"host": host(connector="sysmon_splunk")})
    assert f"Find out who opened the connection (Initiated in Sysmon event 3 on {HOST})." in steps_of(facts)
    assert not any("who opened" in step for step in steps_of(to(destination())))


def test_command_line_and_parent_unknown() -> None:
    gap = Gap(kind=GapKind.PARENT_NOT_RECORDED, at="start.exe (pid 30)", detail="x")
    loose = lineage(process(), process(r"C:\Tools\start.exe", pid=30), gaps=(gap,))
    steps = steps_of(case(lineage=loose, host=host()))
    assert (
        f"Look further back for what started start.exe (pid 30) on {HOST}: the telemetry ends there." in steps
    )
    assert (
        f"Get the command line of RegSvcs.exe (pid 4711) on {HOST}: whether it had arguments decides much."
        in steps
    )
    rooted = lineage(process(), process(EXPLORER, pid=10), gaps=(gap,))
    assert not any("Look further back" in step for step in steps_of(case(lineage=rooted, host=host())))


def test_signatures_unknown() -> None:
    assert any(
        step.startswith(f"Check the signature of {REGSVCS}, C:\\Windows\\System32\\cmd.exe on {HOST}")
        for step in steps_of(plain_case())
    )


def test_files_and_tasks_are_secured() -> None:
    task = process(SCHTASKS, pid=50, command_line="schtasks /Create")
    odd = process(r"C:\Users\ann\RegSvcs.exe")
    start = process(r"C:\Tools\start.exe", pid=30, signature=UNSIGNED)
    steps = steps_of(case(lineage=lineage(odd, start, siblings=(task,)), host=host()))
    assert f"Secure C:\\Tools\\start.exe on {HOST}, and look for its hash on other hosts." in steps
    assert (
        f"Secure C:\\Users\\ann\\RegSvcs.exe on {HOST} and look its hash up: it may be a masquerade." in steps
    )
    assert (
        f"Read the scheduled task that was created beside RegSvcs.exe (pid 4711) on {HOST}, and remove it."
        in steps
    )


def test_other_hosts_are_searched_for_addresses_that_say_something() -> None:
    bad = stealer_case().model_copy(
        update={
            "destinations": (destination(), destination(TELEGRAM_IP), destination(CRL_IP)),
            "notables": (notable(), notable(TELEGRAM_IP), notable(CRL_IP, direction=Direction.INBOUND)),
        }
    )
    assert f"Look for other hosts that called {PEER_IP}." in steps_of(bad)
    assert not any("other hosts that called" in step for step in steps_of(plain_case()))


def test_no_credentials_without_a_user_and_below_malicious() -> None:
    nobody = stealer_case().model_copy(update={"notables": (notable(TELEGRAM_IP, user=""),)})
    assert not any("passwords" in step for step in steps_of(nobody))
    merely_suspicious = plain_case().model_copy(update={"evidence": evidence(tampering=(tampered(),))})
    steps = steps_of(merely_suspicious)
    assert not any("passwords" in step or step.startswith("Contain") for step in steps)
    assert steps[0].startswith("Get the memory of")


def test_long_texts_are_cut_and_steps_are_distinct() -> None:
    long_name = "a" * 500 + ".example"
    steps = steps_of(to(destination(dns_names=(long_name,))))
    assert not any(long_name in step for step in steps)
    assert any("a" * (LONGEST_NAME - 3) + "..." in step for step in steps)
    twice = steps_of(
        to(destination(TELEGRAM_IP), notables=(notable(TELEGRAM_IP), notable(TELEGRAM_IP, seconds=9)))
    )
    assert len(twice) == len(set(twice))


@pytest.mark.parametrize(
    "reason", ["no EDR connector and no log was given", "sysmon_file: no answer in time"]
)
def test_where_nothing_was_looked_up_the_look_up_comes_first(reason: str) -> None:
    steps = steps_of(case().model_copy(update={"not_looked_up": reason}))
    assert steps == (
        (f"Give the Sysmon log of {HOST} or repeat the look-up: RegSvcs.exe was not looked up ({reason})."),
        f"Look {PEER_IP} up by hand: no reputation source has answered.",
    )


def test_a_benign_case_is_confirmed_before_anything_is_collected() -> None:
    facts = installer_case()
    assert facts.evidence is not None
    coverage = tuple(
        each.model_copy(update={"state": CoverageState.NOT_COLLECTED})
        if each.kind is EvidenceKind.REMOTE_THREAD
        else each
        for each in facts.evidence.coverage
    )
    steps = steps_of(
        facts.model_copy(update={"evidence": facts.evidence.model_copy(update={"coverage": coverage})})
    )
    assert steps[0].startswith(f"Confirm the installation on {HOST}")
    assert any(step.startswith("Look for remote threads in another source") for step in steps[1:])


@pytest.mark.parametrize(
    ("ip", "wanted"),
    [
        (
            "100.64.12.8",
            (
                "Ask the owner of 100.64.12.8 (not public: Shared Address Space) what RegSvcs.exe (pid 4711)"
                f" on {HOST} wants there."
            ),
        ),
        ("127.0.0.1", f"Find out which program of {HOST} RegSvcs.exe (pid 4711) talks to at 127.0.0.1."),
    ],
)
def test_the_owner_of_an_internal_address_is_asked_before_anything_is_collected(ip: str, wanted: str) -> None:
    facts = to(destination(ip)).model_copy(
        update={"evidence": evidence(coverage=CoverageState.NOT_COLLECTED)}
    )
    steps = steps_of(facts)
    assert steps[0] == wanted
    assert any("injection stays open" in step for step in steps[1:])
    for other in (destination("224.0.0.251"), destination()):
        assert not any("owner" in step or "which program" in step for step in steps_of(to(other)))


def test_the_passwords_of_both_users_are_named_where_notable_and_process_differ() -> None:
    facts = stealer_case()
    assert facts.lineage is not None
    target = facts.lineage.target.model_copy(update={"user": r"CORP\bob"})
    facts = facts.model_copy(update={"lineage": facts.lineage.model_copy(update={"target": target})})
    assert any(r"sessions of CORP\ann, CORP\bob on" in step for step in steps_of(facts))


def served_as(kind: RoleKind, effect: RoleEffect, label: str) -> tuple[str, ...]:
    role = DestinationRole(kind=kind, effect=effect, label=label, reason="Known.", source="a list")
    peer = destination("9.9.9.9").model_copy(update={"roles": (role,)})
    return steps_of(case(destinations=(peer,), notables=(notable("9.9.9.9"),)))


LOOK_UP = "Look 9.9.9.9 up by hand: no reputation source has answered."


def test_a_role_from_a_list_of_ranges_makes_an_address_shared() -> None:
    steps = served_as(RoleKind.CDN, RoleEffect.CAPS_AT_SHARED, "Cloudflare CDN")
    assert "Do not close on the address alone: 9.9.9.9 (Cloudflare CDN) is a shared service." in steps
    assert LOOK_UP not in steps


def test_a_rented_machine_is_looked_up_all_the_same() -> None:
    steps = served_as(RoleKind.CLOUD, RoleEffect.NONE, "Amazon AWS")
    assert LOOK_UP in steps
    assert not any("shared service" in step for step in steps)


def test_behind_a_sinkhole_the_name_is_asked_for() -> None:
    steps = served_as(RoleKind.SINKHOLE, RoleEffect.PROBABLE_INFECTION, "sinkhole")
    (step,) = (each for each in steps if "sinkhole" in each)
    assert step == (
        f"Find out which name RegSvcs.exe on {HOST} looked up for 9.9.9.9, a sinkhole: the name tells which"
        " malware it was."
    )


def contained(outcome: ContainmentOutcome, lease: Lease | None = None) -> Contained:
    done = ContainmentResult(
        outcome=outcome,
        hostname=HOST,
        host_id="agent-01",
        connector="defender",
        sentence="said",
        lease=lease,
        told_at=NOW,
    )
    return Contained(done)


def after_order(done: Contained) -> str:
    """The steps of a malicious case, in one text, after something was done about its host."""
    facts = stealer_case()
    risk = assess_risk(facts, RiskPolicy(), NOW)
    decision = decide_isolation(ready_request(facts, risk), live_policy(IsolationMode.APPROVE), NOW)
    return "\n".join(next_steps(facts, RiskPolicy(), risk, decision, contained=done))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (ContainmentOutcome.ISOLATED, f"Look at {HOST}, which is isolated, and release it once it is clean."),
        (ContainmentOutcome.OURS_STANDS, "which is isolated"),
        (ContainmentOutcome.ALREADY_ISOLATED, "Ask who has isolated"),
        (ContainmentOutcome.UNKNOWN, "Look in the EDR's console"),
        (ContainmentOutcome.PENDING, "which another run is at"),
        (
            ContainmentOutcome.FAILED,
            f"Contain {HOST} by hand, if it is still to be: no isolation of ours has taken effect.",
        ),
        (ContainmentOutcome.EXPIRED, "by hand"),
        (ContainmentOutcome.REFUSED, "by hand"),
        (ContainmentOutcome.NOT_SENT, "by hand"),
    ],
)
def test_what_an_order_leaves_to_a_person(outcome: ContainmentOutcome, words: str) -> None:
    text = after_order(contained(outcome))
    assert words in text
    assert "Approve or decline" not in text


@pytest.mark.parametrize("outcome", [ContainmentOutcome.RELEASED, ContainmentOutcome.NOT_ISOLATED])
def test_a_released_host_is_not_to_be_contained(outcome: ContainmentOutcome) -> None:
    text = after_order(contained(outcome))
    assert "by hand" not in text
    assert "is isolated" not in text


def test_a_declined_question_is_not_asked_again() -> None:
    assert "Approve or decline" in after_order(Contained(answer=ApprovalState.ASKED))
    assert "Approve or decline" not in after_order(Contained(answer=ApprovalState.DECLINED))
