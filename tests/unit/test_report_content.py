"""What the report says of peers, score, unknowns and observables, before it is laid out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actions.case_facts import CaseFacts, Unknown
from actions.isolation import IsolationMode, IsolationVerdict
from actions.risk import Contribution
from connectors.facts.notable import Direction, MissingField
from connectors.facts.process import Signature, SignatureState
from playbooks.case import CaseReport
from playbooks.report import markdown, terminal, wording
from playbooks.report.case_sections import sections_of
from playbooks.report.content import Tone, View
from playbooks.report.iocs import IocKind, iocs
from playbooks.report.talk import talks
from playbooks.report.view import view_of
from tests.report_cases import TELEGRAM, at, benign, malicious, stealer_notable, telegram, undetermined


def with_facts(report: CaseReport, **changes: object) -> CaseReport:
    return report.model_copy(update={"facts": report.facts.model_copy(update=changes)})


def glance(view: View, label: str) -> list[str]:
    """The row of a label and those that continue it."""
    found: list[str] = []
    current = ""
    for row in view.glance:
        current = row.label or current
        if current == label:
            found.append(row.text)
    return found


# --- who talked to what ----------------------------------------------------------------------------


def test_notables_of_one_peer_are_added_up() -> None:
    first = stealer_notable()
    later = first.model_copy(update={"count": 4, "first_time": at("09:00:00"), "last_time": at("09:30:00")})
    (talk,) = talks(malicious().facts.model_copy(update={"notables": (first, later)}))
    assert talk.connections == 7
    assert (talk.first, talk.last) == (at("08:14:22"), at("09:30:00"))
    assert (talk.direction, talk.ports, talk.names) == (Direction.OUTBOUND, (443,), ("api.telegram.org",))


def test_without_counts_and_times_telemetry_speaks() -> None:
    bare = stealer_notable().model_copy(
        update={"count": None, "first_time": None, "last_time": None, "direction": Direction.UNKNOWN}
    )
    (talk,) = talks(malicious().facts.model_copy(update={"notables": (bare,)}))
    assert (talk.connections, talk.first, talk.last) == (3, at("08:14:22"), at("08:31:07"))
    assert talk.direction is Direction.OUTBOUND


def test_an_inbound_peer_is_the_source_and_its_port_is_not_ours() -> None:
    inbound = stealer_notable().model_copy(
        update={
            "direction": Direction.INBOUND,
            "src_ip": TELEGRAM,
            "dest_ip": "10.20.30.42",
            "dest_ports": (135,),
        }
    )
    facts = CaseFacts(profile=malicious().facts.profile, notables=(inbound,))
    (talk,) = talks(facts)
    assert (talk.ip, talk.ports, talk.direction) == (TELEGRAM, (), Direction.INBOUND)


def test_directions_that_contradict_are_unknown() -> None:
    outbound = stealer_notable()
    inbound = outbound.model_copy(
        update={"direction": Direction.INBOUND, "src_ip": TELEGRAM, "dest_ip": "10.20.30.42"}
    )
    (talk,) = talks(malicious().facts.model_copy(update={"notables": (outbound, inbound)}))
    assert talk.direction is Direction.UNKNOWN


def test_many_peers_are_counted_at_a_glance() -> None:
    peers = tuple(telegram().model_copy(update={"ip": f"203.0.113.{n}"}) for n in range(9))
    report = with_facts(malicious(), destinations=peers, evidence=None)
    rows = glance(view_of(report), "Talked to")
    assert rows[0].startswith(
        "203.0.113.0:443, api.telegram.org, direction unknown, count unknown; times unk"
    )
    assert rows[4:] == ["and 6 more addresses, under Destinations"]  # nine, and the notable's own


def test_unresolved_host_and_missing_peer_are_told_as_unknown() -> None:
    view = view_of(undetermined())
    rows = {row.label: row for row in view.glance}
    assert rows["Host"].text == "ws-310, as the notable names it; no source knows it"
    assert {rows[label].tone for label in ("Host", "User", "Process", "Talked to")} == {Tone.UNKNOWN}


def test_a_peer_that_only_the_notable_names_keeps_the_notables_count_and_says_so() -> None:
    elsewhere = stealer_notable().model_copy(update={"dest_ip": "9.9.9.9", "dest_ports": ()})
    report = with_facts(malicious(), notables=(elsewhere,))
    seen, said = talks(report.facts)
    assert (seen.ip, seen.connections, seen.only_said) == (TELEGRAM, 3, False)
    assert (said.ip, said.connections, said.only_said) == ("9.9.9.9", elsewhere.count, True)
    assert (said.first, said.last) == (elsewhere.first_time, elsewhere.last_time)
    rows = glance(view_of(report), "Talked to")
    assert rows[1].endswith("; as the notable says; not in the telemetry")
    assert "notable" not in rows[0]


def test_telemetry_that_was_cut_denies_nothing() -> None:
    report = malicious()
    assert report.facts.evidence is not None
    for evidence in (None, report.facts.evidence.model_copy(update={"connections": (), "truncated": True})):
        (talk,) = talks(report.facts.model_copy(update={"evidence": evidence}))
        assert not talk.only_said


def test_a_notable_of_two_addresses_is_one_notable() -> None:
    first = stealer_notable()
    second = first.model_copy(update={"dest_ip": "9.9.9.9"})
    other = first.model_copy(update={"event_id": "another"})
    (row,) = glance(view_of(with_facts(malicious(), notables=(first, second))), "Raised by")
    assert f", 1 notable: {first.event_id}" in row
    (row,) = glance(view_of(with_facts(malicious(), notables=(first, second, other))), "Raised by")
    assert f", 2 notables: {first.event_id}, another" in row


def test_two_users_are_both_at_a_glance() -> None:
    other = stealer_notable().model_copy(update={"user": r"CORP\other"})
    view = view_of(with_facts(malicious(), notables=(other,)))
    assert glance(view, "User") == [
        r"CORP\user01, as the process's own record says",
        r"the notable names CORP\other",
    ]


def test_what_was_not_looked_up_says_why() -> None:
    report = with_facts(undetermined(), not_looked_up="no EDR connector and no log was given")
    view = view_of(report)
    reason = "not looked up: no EDR connector and no log was given"
    assert glance(view, "Host") == [f"ws-310, as the notable names it; {reason}"]
    assert glance(view, "Process") == [f"regsvcs.exe, {reason}"]
    for text in (
        markdown.render(report),
        terminal.render(report, width=200, color=False, unicode=True),
        sections_of(report).no_tree,
    ):
        assert "not found" not in text
        assert "was not looked up: no EDR connector and no log was given; its lineage is unknown." in text


# --- score -----------------------------------------------------------------------------------------


def test_the_sum_says_where_a_cap_bit() -> None:
    report = malicious()
    without_limit = tuple(each for each in report.risk.contributions if each.name != "limit")
    risk = report.risk.model_copy(update={"contributions": without_limit})
    total = view_of(report.model_copy(update={"risk": risk})).score_total
    assert total == "impact 135, capped at 100, x confidence 100 / 100 = 100"
    assert view_of(report).score_total == "impact 100 x confidence 100 / 100 = 100"
    assert view_of(benign()).score_total == "impact 80 x confidence 40 / 100 = 32"


def test_a_base_without_confidence_takes_the_profiles() -> None:
    report = undetermined()
    base = Contribution(name="ESCU base", impact_points=80, reason="")
    risk = report.risk.model_copy(update={"contributions": (base,)})
    assert (
        view_of(report.model_copy(update={"risk": risk})).score_total
        == "impact 80 x confidence 100 / 100 = 80"
    )


def test_each_contribution_shows_its_finding_and_where_it_was_seen() -> None:
    rows = view_of(malicious()).score_rows
    assert [(row.name, row.impact, row.confidence) for row in rows] == [
        ("ESCU base", "80", "100"),
        ("tampering", "+20", ""),
        ("document_or_script_ancestor", "+15", ""),
        ("parent_in_writable_place", "+10", ""),
        ("no_arguments", "+10", ""),
        ("limit", "-35", ""),
    ]
    assert rows[1].evidence == ("Image is replaced  [stealer_chain.ndjson #87, event 25, 08:14:02 UTC]",)


def test_findings_without_points_are_listed_too() -> None:
    (item,) = view_of(malicious()).unweighted
    assert item.text.startswith("shell_ancestor (context only): powershell.exe is among the ancestors")


# --- unknown ---------------------------------------------------------------------------------------


def test_unknowns_are_listed_once_and_none_is_dropped() -> None:
    rows = [(each.what, each.why) for each in view_of(undetermined()).unknowns]
    assert rows == [
        ("process lineage", "no process telemetry was given"),
        ("destination", "the notable has no dest_ip"),
        ("notable field dest_ip", "there is no address to check"),
        ("notable field user", "the risk message names no user"),
    ]


def test_a_missing_field_that_the_assessment_told_is_not_told_twice() -> None:
    report = undetermined()
    told = tuple(
        Unknown(what=f"notable field {each.field}", why=each.effect)
        for each in report.facts.notables[0].missing
    )
    risk = report.risk.model_copy(update={"unknowns": told})
    rows = [each.what for each in view_of(report.model_copy(update={"risk": risk})).unknowns]
    assert rows == ["notable field dest_ip", "notable field user", "process lineage"]


def test_unknowns_of_one_reason_share_a_row_and_keep_their_numbers() -> None:
    unknowns = (
        Unknown(what="tampering", why="not logged (event 25)", remedy="Collect event 25"),
        Unknown(what="the host", why="not resolved"),
        Unknown(what="look-ups", why="not logged (event 22)", remedy="Collect event 22"),
        Unknown(what="connections", why="not logged (event 3)", remedy="Collect event 3"),
        Unknown(what="other", why="not logged (event #)", remedy="Collect event 3"),
    )
    risk = undetermined().risk.model_copy(update={"unknowns": unknowns})
    notable = undetermined().facts.notables[0].model_copy(update={"missing": ()})
    report = with_facts(undetermined().model_copy(update={"risk": risk}), problems=(), notables=(notable,))
    assert [(each.what, each.why, each.remedy) for each in view_of(report).unknowns] == [
        ("tampering, look-ups, connections", "not logged (event 3, 22, 25)", "Collect event 3, 22, 25"),
        ("the host", "not resolved", ""),
        ("other", "not logged (event #)", "Collect event 3"),
    ]


def test_more_unknowns_than_fit_are_counted() -> None:
    missing = tuple(MissingField(field="f", effect="e" * n) for n in range(1, 51))
    notable = undetermined().facts.notables[0].model_copy(update={"missing": missing})
    view = view_of(with_facts(undetermined(), notables=(notable,)))
    assert (len(view.unknowns), view.unknowns_left_out) == (30, 22)


def test_problems_count_what_is_not_listed() -> None:
    texts = [
        item.text for item in view_of(malicious().model_copy(update={"log_problem_count": 412})).problems
    ]
    assert texts == [
        "no result from lookup_reputation: 1 of 2 sources answered",
        "stealer_chain.ndjson #61: the line ends inside a JSON string",
        "archive.zip!part2.evtx: 2 of 14 chunks are missing",
        "and 410 more in the JSON report",
    ]


# --- decision --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (IsolationVerdict.REFUSE, "would not isolate"),
        (IsolationVerdict.SHADOW, "would isolate; shadow mode only records it"),
        (IsolationVerdict.ASK, "would ask a person to approve isolation"),
        (IsolationVerdict.ISOLATE, "would isolate"),
    ],
)
def test_a_decision_is_told_in_the_conditional(verdict: IsolationVerdict, words: str) -> None:
    report = malicious()
    decision = report.decision.model_copy(update={"verdict": verdict, "effective_mode": IsolationMode.AUTO})
    view = view_of(report.model_copy(update={"decision": decision}))
    assert view.would == words
    assert glance(view, "Isolation") == [f"{words} (mode auto)"]


def test_obstacles_are_apart_from_what_passes() -> None:
    view = view_of(malicious())
    assert [(each.outcome, each.name) for each in view.obstacles] == [
        ("refuse", "mode"),
        ("unknown", "host_type"),
        ("refuse", "connector"),
    ]
    assert {each.outcome for each in view.passed} == {"pass"}
    assert len(view.obstacles) + len(view.passed) == len(malicious().decision.guards)


# --- observables -----------------------------------------------------------------------------------


def test_observables_of_the_stealer_chain() -> None:
    found = iocs(malicious().facts)
    assert [
        (each.kind, each.defanged, each.note) for each in found if each.kind in (IocKind.IP, IocKind.DOMAIN)
    ] == [
        (IocKind.IP, "149.154.167[.]220", "shared service: search, do not block"),
        (IocKind.DOMAIN, "api.telegram[.]org", "shared service: search, do not block"),
        (IocKind.DOMAIN, "api.ipify[.]org", "looked up, no connection seen"),
    ]
    assert [each.note for each in found if each.kind is IocKind.SHA256] == ["loader.exe", "inject.dll"]
    assert [each.raw for each in found if each.kind is IocKind.PATH] == [
        r"C:\Users\user01\AppData\Local\Temp\loader.exe",
        r"C:\Users\user01\AppData\Local\Temp\inject.dll",
    ]


def test_programs_of_windows_are_no_observables_unless_their_signature_fails() -> None:
    report = malicious()
    assert not any("RegSvcs" in each.raw + each.note for each in iocs(report.facts))
    lineage = report.facts.lineage
    assert lineage is not None
    unsigned = lineage.target.model_copy(update={"signature": Signature(state=SignatureState.UNSIGNED)})
    facts = report.facts.model_copy(update={"lineage": lineage.model_copy(update={"target": unsigned})})
    assert "RegSvcs.exe" in [each.note for each in iocs(facts)]


@pytest.mark.parametrize(
    ("image", "listed"),
    [
        (r"C:\Windows\System32\cmd.exe", False),
        (r"D:\Program Files (x86)\Vendor\tool.exe", False),
        (r"C:\Windows\Temp\a.exe", True),
        (r"C:\Windows\..\Users\user01\a.exe", True),
        (r"C:\ProgramData\a.exe", True),
        ("", False),
    ],
)
def test_where_a_program_lies_decides_whether_it_is_an_observable(image: str, listed: bool) -> None:
    lineage = malicious().facts.lineage
    assert lineage is not None
    ref = lineage.target.ref.model_copy(update={"image": image})
    alone = lineage.model_copy(
        update={
            "target": lineage.target.model_copy(update={"ref": ref}),
            "ancestors": (),
            "children": (),
            "siblings": (),
        }
    )
    facts = malicious().facts.model_copy(update={"lineage": alone, "evidence": None})
    assert (IocKind.SHA256 in {each.kind for each in iocs(facts)}) is listed


def test_own_and_private_addresses_are_no_observables() -> None:
    destination = telegram()
    owned = destination.model_copy(
        update={"check": destination.check.model_copy(update={"organisation_owned": True}), "dns_names": ()}
    )
    facts = malicious().facts.model_copy(update={"destinations": (owned,), "evidence": None})
    assert [each for each in iocs(facts) if each.kind is IocKind.IP] == []


def test_an_observable_that_cannot_be_copied_exactly_says_so() -> None:
    destination = telegram().model_copy(update={"dns_names": ("evil\u202e.example",)})
    facts = malicious().facts.model_copy(update={"destinations": (destination,), "evidence": None})
    (name,) = [each for each in iocs(facts) if each.kind is IocKind.DOMAIN]
    assert name.raw == "evil\\u202e.example"
    assert name.note == "shared service: search, do not block, not exact: see the JSON report"


# --- wording ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ip", "ports", "words"),
    [
        ("8.8.8.8", (53,), "8.8.8.8:53"),
        ("2001:db8::1", (443,), "[2001:db8::1]:443"),
        ("8.8.8.8", (), "8.8.8.8, port unknown"),
        ("8.8.8.8", (53, 443), "8.8.8.8 ports 53, 443"),
        ("8.8.8.8", tuple(range(1, 11)), "8.8.8.8 ports 1, 2, 3, 4, 5, 6, 7, 8 and 2 more"),
    ],
)
def test_endpoint(ip: str, ports: tuple[int, ...], words: str) -> None:
    assert wording.endpoint(ip, ports) == words


def test_spans() -> None:
    assert wording.span(at("08:00:00"), at("09:00:00")) == "2026-10-01 08:00:00 to 09:00:00 UTC"
    assert (
        wording.span(at("08:00:00"), at("09:00:00", day=2))
        == "2026-10-01 08:00:00 to 2026-10-02 09:00:00 UTC"
    )
    assert wording.span(None, at("09:00:00")) == "2026-10-01 09:00:00 UTC"
    assert wording.span(None, None) == "times unknown"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0.4 s"), (42, "42 s"), (119, "119 s"), (600, "10 min"), (7200, "2 h"), (260_000, "3 d")],
)
def test_durations(seconds: float, words: str) -> None:
    assert wording.duration(timedelta(seconds=seconds)) == words


def test_every_enum_value_has_a_word() -> None:
    for table in (
        wording.CASE_VERDICT,
        wording.DESTINATION_VERDICT,
        wording.WOULD,
        wording.WOULD_SHORT,
        wording.SOURCE_STATUS,
        wording.STRENGTH,
        wording.CATEGORY,
    ):
        kind = type(next(iter(table)))
        assert set(table) == set(kind)
