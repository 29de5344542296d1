"""What the lists say together, and what it changes: guards, severity, head, steps; unknown: nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts
from actions.decide_isolation import decide_isolation
from actions.isolation import GuardOutcome, IsolationMode
from actions.listed_facts import (
    NOTHING_LISTED,
    host_type_of,
    merged_asset,
    merged_identity,
    own_addresses,
    people,
    standing_of,
    with_listed,
)
from actions.next_steps import next_steps
from actions.profile_catalog import shipped_profiles
from actions.risk import CaseVerdict, RiskPolicy
from actions.severity import severity_of
from connectors.errors import TimedOut
from connectors.facts.asset import PRIORITIES, AssetFacts, IdentityFacts
from connectors.facts.health import Health
from connectors.facts.host import HostType
from connectors.facts.notable import Direction, Notable
from connectors.ports import Listed, ListedAsset, NotRead
from connectors.siem.assets.notable_enrichment import asset_of, identity_of
from playbooks.asset_lists import NO_LISTS, AssetLists, look_up_notables
from playbooks.asset_sources import asset_lists_of
from playbooks.case import CaseReport
from playbooks.case_steps import AssessedCase, decide_case, request_of
from playbooks.report import case_page, markdown, terminal
from playbooks.respond import respond
from playbooks.settings import Settings, settings_from_text
from playbooks.steps import InProcess
from tests.case_builders import (
    HOST,
    OWN_IP,
    PEER_IP,
    after,
    case,
    host,
    installer_case,
    live_policy,
    notable,
    plain_case,
    stealer_case,
)

NOW = after(120)
#: As the add-on that Splunk supports has it: dest is the peer.
FIELDS: dict[str, object] = {"dest": "c2.example", "dest_priority": "critical", "dvc": HOST}
CRITICAL = AssetFacts(priority="critical", owner="Ann Lee", business_unit="finance", source="a list")
ADMIN = IdentityFacts(account=r"CORP\ann", categories=("Domain_Admin",), watched=True, source="a list")


def row(name: str = "", **facts: object) -> ListedAsset:
    return ListedAsset(AssetFacts.model_validate({"source": "a list", **facts}), (name,) if name else ())


def machine(notables: Sequence[Notable], assets: Mapping[str, tuple[ListedAsset, ...]]) -> AssetFacts | None:
    facts = case(notables=tuple(notables), host=host())
    return with_listed(facts, Listed(assets, {})).asset


def known(facts: CaseFacts, asset: AssetFacts | None = None, *identities: IdentityFacts) -> CaseFacts:
    return facts.model_copy(update={"asset": asset, "identities": identities})


def assessed(facts: CaseFacts) -> AssessedCase:
    risk = assess_risk(facts, RiskPolicy(), NOW)
    return AssessedCase(case_id="case-0123456789abcdef", facts=facts, risk=risk)


def guard(facts: CaseFacts, name: str) -> tuple[GuardOutcome, str]:
    """One guard of a case as the playbook asks it: nothing but its facts speaks."""
    decision = decide_isolation(request_of(assessed(facts), IsolationMode.AUTO), live_policy(), NOW)
    (found,) = [each for each in decision.guards if each.id == name]
    return found.outcome, found.value


def steps_of(facts: CaseFacts) -> str:
    made = assessed(facts)
    decision = decide_isolation(request_of(made, IsolationMode.AUTO), live_policy(), NOW)
    return "\n".join(next_steps(facts, RiskPolicy(), made.risk, decision))


class TestPriority:
    """dest_priority = critical of the peer never reaches the guard; dvc_priority or the asset table does."""

    def of(self, fields: dict[str, object], assets: Mapping[str, tuple[ListedAsset, ...]]) -> CaseFacts:
        own = notable().model_copy(update={"asset": asset_of(fields, ("dvc",))})
        return with_listed(case(notables=(own,), host=host()), Listed(assets, {}))

    def test_the_peers_is_unknown_to_the_guard(self) -> None:
        peer = {"c2.example": (row("c2.example", priority="critical"),), PEER_IP: (row(priority="critical"),)}
        facts = self.of({**FIELDS}, peer)
        assert facts.asset is None
        assert guard(facts, "asset_priority") == (GuardOutcome.UNKNOWN, "unknown")

    def test_the_machines_own_refuses(self) -> None:
        facts = self.of({**FIELDS, "dvc_priority": "critical"}, {})
        assert guard(facts, "asset_priority") == (GuardOutcome.REFUSE, "critical")
        facts = self.of({**FIELDS, "dvc_priority": "low"}, {})
        assert guard(facts, "asset_priority") == (GuardOutcome.PASS, "low")

    def test_so_does_the_asset_table_and_the_higher_one_counts(self) -> None:
        table = {HOST: (row(HOST, priority="critical"),)}
        assert guard(self.of({**FIELDS}, table), "asset_priority") == (GuardOutcome.REFUSE, "critical")
        both = self.of({**FIELDS, "dvc_priority": "low"}, table)
        assert guard(both, "asset_priority") == (GuardOutcome.REFUSE, "critical")
        assert both.asset is not None
        assert both.asset.notes == (
            "The priority is low by dvc_priority of the notable, critical by a list; the highest counts.",
        )


class TestMachine:
    def test_an_inbound_peer_is_not_asked_for_as_the_machine(self) -> None:
        peers = {PEER_IP: (row(priority="critical"),), OWN_IP: (row(priority="low"),)}
        for direction in (Direction.OUTBOUND, Direction.INBOUND):
            found = machine([notable(direction=direction)], peers)
            assert found is not None
            assert found.priority == "low"

    def test_an_address_whose_end_nobody_knows_is_not_the_machines(self) -> None:
        untold = notable(direction=Direction.UNKNOWN)
        assert own_addresses([untold], None) == ()
        assert own_addresses([untold], host()) == (OWN_IP,)  # the agent had it then
        assert own_addresses([notable()], None) == (OWN_IP,)

    def test_an_address_that_was_another_machines_then_is_not_used(self) -> None:
        foreign = notable().model_copy(update={"src_ip": "10.9.9.9"})
        assert own_addresses([foreign], host()) == ()

    def test_a_row_of_the_address_that_names_another_machine_is_not_this_one(self) -> None:
        assert machine([notable()], {OWN_IP: (row("SRV9", priority="critical"),)}) is None
        found = machine([notable()], {OWN_IP: (row(HOST, priority="high"),)})
        assert found is not None
        assert found.priority == "high"

    def test_a_range_counts_where_nothing_else_is_known(self) -> None:
        wide = row(priority="critical")._replace(by_network=True)
        named = row(HOST, priority="low")
        assert machine([notable()], {OWN_IP: (wide,)}) == wide.facts
        assert machine([notable()], {OWN_IP: (wide,), HOST: (named,)}) == named.facts

    @settings(max_examples=60)
    @given(st.lists(st.builds(AssetFacts, priority=st.sampled_from(["", "P1", *PRIORITIES, "Critical"]))))
    def test_more_sources_never_lower_a_priority(self, found: list[AssetFacts]) -> None:
        ranks = [
            PRIORITIES.index(each.priority.lower()) for each in found if each.priority.lower() in PRIORITIES
        ]
        merged = merged_asset(found)
        assert (merged is None) is (not found)
        if merged is not None and len(set(found)) > 1:
            highest = PRIORITIES[max(ranks, default=0)]
            assert merged.priority == ("" if highest == "unknown" else highest)

    def test_what_one_lacks_another_gives(self) -> None:
        found = merged_asset([AssetFacts(priority="low", source="x"), AssetFacts(owner="Ann", source="y")])
        assert found == AssetFacts(priority="low", owner="Ann", source="x; y")


class TestType:
    @pytest.mark.parametrize(
        ("told", "categories", "kind"),
        [
            (HostType.UNKNOWN, (), HostType.UNKNOWN),
            (HostType.UNKNOWN, ("Workstation",), HostType.WORKSTATION),
            (HostType.UNKNOWN, ("workstations", "laptop", "workstation-emea"), HostType.UNKNOWN),
            (HostType.UNKNOWN, ("workstation", "server"), HostType.SERVER),
            (HostType.UNKNOWN, ("domain controller",), HostType.DOMAIN_CONTROLLER),
            (HostType.SERVER, ("workstation",), HostType.SERVER),
            (HostType.DOMAIN_CONTROLLER, ("server",), HostType.DOMAIN_CONTROLLER),
            (HostType.WORKSTATION, ("server",), HostType.SERVER),
        ],
    )
    def test_a_list_never_makes_it_laxer(
        self, told: HostType, categories: tuple[str, ...], kind: HostType
    ) -> None:
        asset = AssetFacts(categories=categories)
        assert host_type_of(host(host_type=told), asset) is kind
        facts = known(case(host=host(host_type=told)), asset)
        outcome, _ = guard(facts, "host_type")
        assert (outcome is GuardOutcome.PASS) is (kind is HostType.WORKSTATION)
        assert (outcome is GuardOutcome.UNKNOWN) is (kind is HostType.UNKNOWN)

    def test_an_unresolved_host_is_unknown_whatever_a_list_says(self) -> None:
        assert (
            guard(known(case(), AssetFacts(categories=("workstation",))), "host_type")[0]
            is GuardOutcome.UNKNOWN
        )


class TestUsers:
    def test_accounts_of_the_system_are_looked_up_nowhere(self) -> None:
        given_users = [r"NT AUTHORITY\SYSTEM", "SYSTEM", "WS01$", r"CORP\ann", "ann"]
        assert people(given_users) == (r"CORP\ann", "ann")

    def test_the_notables_word_is_of_its_own_user_alone(self) -> None:
        fields = {"user": r"CORP\ann", "user_watchlist": "true"}
        own = notable(user=r"CORP\ann").model_copy(update={"identity": identity_of(fields, r"CORP\ann")})
        other = notable(user=r"CORP\bob", seconds=90)
        facts = with_listed(
            case(notables=(own, other)),
            Listed({}, {r"CORP\bob": (IdentityFacts(account="bob", priority="low", source="y"),)}),
        )
        assert [(each.account, each.watched, each.priority) for each in facts.identities] == [
            (r"CORP\ann", True, ""),
            (r"CORP\bob", None, "low"),
        ]

    def test_accounts_of_two_domains_that_may_be_meant_are_both_named(self) -> None:
        rows = [
            IdentityFacts(account=r"A\ann", priority="low"),
            IdentityFacts(account=r"B\ann", watched=True),
        ]
        found = merged_identity("ann", rows)
        assert found is not None
        assert found.watched is True
        assert r"a\ann, b\ann" in found.notes[0]

    def test_what_sets_an_account_apart(self) -> None:
        assert standing_of(ADMIN) == ("a domain administrator", "on a watch list")
        assert standing_of(IdentityFacts(account="a", priority="Critical")) == ("ranked critical",)
        assert standing_of(IdentityFacts(account="a", priority="high", categories=("admins-of-x",))) == ()


class TestEffects:
    @pytest.mark.parametrize("asset", [None, AssetFacts(priority="high"), AssetFacts(priority="unknown")])
    def test_what_is_not_known_changes_nothing(self, asset: AssetFacts | None) -> None:
        facts = plain_case()
        told = known(facts, asset, IdentityFacts(account=r"CORP\ann", watched=None))
        for verdict in CaseVerdict:
            assert severity_of(verdict, told) is severity_of(verdict)
        assert steps_of(told) == steps_of(facts)
        assert assess_risk(told, RiskPolicy(), NOW) == assess_risk(facts, RiskPolicy(), NOW)

    @pytest.mark.parametrize("told", [(CRITICAL,), (None, ADMIN)])
    def test_a_case_that_matters_is_one_step_more_severe(self, told: tuple[AssetFacts, ...]) -> None:
        facts = known(plain_case(), *told)  # type: ignore[arg-type]
        raised = {each: severity_of(each, facts).value for each in CaseVerdict}
        assert raised == {
            CaseVerdict.MALICIOUS: "high",
            CaseVerdict.SUSPICIOUS: "high",
            CaseVerdict.UNDETERMINED: "high",
            CaseVerdict.LIKELY_BENIGN: "medium",
        }

    def test_steps_name_owner_and_user_and_leave_a_benign_case_alone(self) -> None:
        bad = steps_of(known(stealer_case(), CRITICAL, ADMIN))
        assert f"Tell Ann Lee, who answers for {HOST}, which is ranked critical" in bad
        assert r"Reset CORP\ann first" in bad
        assert "a domain administrator and on a watch list" in bad
        assert r"Work this case before others: CORP\ann" in steps_of(known(case(), None, ADMIN))
        benign = installer_case()
        assert steps_of(known(benign, CRITICAL, ADMIN)) == steps_of(benign)

    def test_the_head_says_it_in_every_form_and_nothing_of_it_is_markup(self) -> None:
        evil = "<b>x</b>\x1b[31m|\u202e"
        asset = AssetFacts(priority="critical", owner=evil, categories=("server",), source="list.csv, line 2")
        facts = known(stealer_case(), asset, ADMIN)
        report = respond_with(facts)
        text = terminal.render(report, width=120, color=False, unicode=True)
        assert (
            "Asset      critical, owner <b>x</b>\\x1b[31m|\\u202e, category server (list.csv, line 2)" in text
        )
        assert "type server, as the asset list says" in text
        assert (
            r"Identity   CORP\ann: priority unknown, on a watch list, category Domain_Admin (a list)" in text
        )
        assert "| Asset | critical, owner &lt;b&gt;x" in markdown.render(report)
        page = case_page.render(report)
        assert "&lt;b&gt;x" in page
        assert "<b>x</b>" not in page + markdown.render(report)


def respond_with(facts: CaseFacts) -> CaseReport:
    return decide_case(assessed(facts), settings=Settings(), caller_mode=IsolationMode.OFF, now=NOW)


class Lists:
    """A list that remembers what it was asked."""

    name = "the list"

    def __init__(self, listed: Listed | Exception = NOTHING_LISTED) -> None:
        self.listed = listed
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def check(self) -> Health:
        raise NotImplementedError

    def facts_of(self, hosts: Sequence[str], users: Sequence[str]) -> Listed:
        self.asked.append((tuple(hosts), tuple(users)))
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed


def worked(lists: AssetLists, notables: Sequence[Notable]) -> tuple[CaseReport, ...]:
    return respond(
        InProcess(),
        notables,
        edr=None,
        profiles=shipped_profiles(),
        settings=Settings(),
        clock=lambda: NOW,
        lists=lists,
    )


class TestRun:
    def test_a_thousand_notables_of_a_run_are_one_question(self) -> None:
        source = Lists(Listed({HOST: (row(HOST, priority="critical"),)}, {}))
        many = [notable(seconds=number) for number in range(1000)]
        (report,) = worked(AssetLists((source,)), many)
        assert source.asked == [((HOST, OWN_IP), (notable().user,))]
        assert report.facts.asset is not None
        assert report.facts.asset.priority == "critical"

    @pytest.mark.parametrize("broken", [TimedOut("splunk", "no answer"), ZeroDivisionError("secret")])
    def test_what_could_not_be_looked_at_is_unknown_and_not_low(self, broken: Exception) -> None:
        (report,) = worked(AssetLists((Lists(broken),)), [notable()])
        (told,) = [each for each in report.risk.unknowns if each.what == "what stands in the list"]
        assert "secret" not in told.why
        (found,) = [each for each in report.decision.guards if each.id == "asset_priority"]
        assert found.outcome is GuardOutcome.UNKNOWN
        assert "the list" in markdown.render(report)
        assert report.risk.score == worked(NO_LISTS, [notable()])[0].risk.score

    def test_a_list_that_could_not_be_opened_is_named_beside_one_that_answers(self) -> None:
        source = Lists(Listed({HOST: (row(HOST, priority="low"),)}, {}))
        (report,) = worked(AssetLists((source,), (NotRead("the tables", "no token"),)), [notable()])
        assert report.facts.asset is not None
        assert [each.what for each in report.facts.lists_not_read] == ["what stands in the tables"]

    def test_lists_are_asked_while_telemetry_is_gathered(self) -> None:
        both = threading.Barrier(2, timeout=10)

        class Waiting(Lists):
            def facts_of(self, hosts: Sequence[str], users: Sequence[str]) -> Listed:
                both.wait()
                return NOTHING_LISTED

        sources = (Waiting(), Waiting())
        asked = look_up_notables(InProcess(), AssetLists(sources), [notable()])
        assert asked.listed.not_read == ()


def test_a_csv_of_the_settings_reaches_the_guard(tmp_path: Path) -> None:
    path = tmp_path / "assets.csv"
    path.write_text(f"nt_host,priority,category\n{HOST},critical,server\n", encoding="utf-8")
    made = settings_from_text(
        f"[assets]\nfile = '{path}'\n[splunk]\nbase_url = 'https://s.example:8089'", source="x"
    )
    with asset_lists_of(made, {}) as lists:
        (report,) = worked(lists, [notable()])
    found = {each.id: each for each in report.decision.guards}
    assert (found["asset_priority"].outcome, found["asset_priority"].value) == (
        GuardOutcome.REFUSE,
        "critical",
    )
    assert [each.why for each in report.facts.lists_not_read] == ["REGSVCS_RESPONSE_SPLUNK_TOKEN is not set"]
