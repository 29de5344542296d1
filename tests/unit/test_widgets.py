"""The SOAR widgets, rendered by the SDK's own renderer: full, empty and hostile data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from jinja2 import StrictUndefined, TemplateNotFound
from soar_sdk.views.template_renderer import JinjaTemplateRenderer, get_template_renderer

from actions.check_ip import OrganisationRanges, check_ip
from actions.containment_question import CASE_GUARDS
from actions.isolation import GuardOutcome, IsolationMode, IsolationVerdict
from actions.lookup_reputation import reputation_of
from actions.reputation_facts import DestinationReputation
from connectors.facts.host import HostRef
from playbooks.case import CaseReport
from playbooks.case_findings import CaseFindings
from playbooks.case_steps import AssessedCase
from playbooks.report import html, widgets
from playbooks.report.containment_widget import ContainedHost, containment_widget
from playbooks.report.display import is_hidden
from tests import html_reading
from tests.html_reading import Page
from tests.report_cases import benign, hostile, malicious, reputed, undetermined, with_ancestors

Context = dict[str, object]

#: What the platform hands every view.
PLATFORM: Context = {"QS": {}, "container": 1, "app": 1, "no_connection": False, "google_maps_key": False}
#: A range of the organisation's own, and a host.
RANGE = "149.154.160.0/20"
WS = HostRef(connector="c", host_id="1", hostname="ws-310")
ADDRESSES = ("149.154.167.220", "10.0.0.1", "2002:808:808::1", "::ffff:10.0.0.1", "fe80::1")


def found(report: CaseReport) -> CaseFindings:
    lineage = report.facts.lineage
    return CaseFindings(
        case_id=report.case_id,
        notables=report.facts.notables,
        host=report.facts.host,
        process=lineage.target.ref if lineage else None,
        lineage=lineage,
        evidence=report.facts.evidence,
        problems=report.facts.problems,
    )


def assessed(report: CaseReport) -> AssessedCase:
    return AssessedCase(case_id=report.case_id, facts=report.facts, risk=report.risk)


def changed(report: CaseReport) -> widgets.ChangedCase:
    changes = ("verdict: undetermined before, malicious now", *(each.what for each in report.risk.unknowns))
    return looked_at(report, container_id=17, changes=changes, stop="14 days are over", changed=True)


def tried(report: CaseReport) -> widgets.WrittenTarget:
    return widgets.WrittenTarget(
        case_id=report.case_id,
        event_id=report.facts.notables[0].dest,
        risk=False,
        outcome="written",
        failed=False,
        done=True,
        written=("comment",),
        left=("status",),
        detail=report.risk.message,
    )


def looked_at(
    report: CaseReport,
    *,
    container_id: int | None,
    changes: tuple[str, ...] = (),
    stop: str = "",
    changed: bool = False,
) -> widgets.ChangedCase:
    return widgets.ChangedCase(
        case_id=report.case_id,
        container_id=container_id,
        process=report.facts.notables[0].process_name,
        host=report.facts.notables[0].dest,
        verdict=report.risk.case_verdict,
        score=report.risk.score,
        changes=changes,
        stop=stop,
        changed=changed,
    )


def contained(report: CaseReport) -> ContainedHost:
    dest, said = report.facts.notables[0].dest, report.risk.message
    return ContainedHost(
        host=dest,
        case_id=report.case_id,
        outcome="unknown",
        verified=False,
        ours=True,
        state="isolating",
        how_known="reported",
        as_of="2026-05-01T12:00:00Z",
        intent_id="iso-1",
        ordered_by=dest,
        owner=dest,
        review_by="2026-05-02T12:00:00Z",
        obstacles=("agent_seen",),
        sentence=said,
    )


def reputations(reports: list[CaseReport]) -> list[DestinationReputation]:
    peers = [each for report in reports for each in report.facts.destinations]
    return [found for each in peers if (found := reputation_of(each)) is not None]


#: Each widget's template with its context for any number of cases.
WIDGETS: dict[str, Callable[[list[CaseReport]], Context]] = {
    "widget_process_lineage.html": lambda reports: widgets.lineage_widget([found(each) for each in reports]),
    "widget_lookup_ip.html": lambda reports: widgets.lookup_widget(reputations(reports)),
    "widget_risk.html": lambda reports: widgets.risk_widget([assessed(each) for each in reports]),
    "widget_decision.html": widgets.decision_widget,
    "widget_case.html": widgets.case_widget,
    "widget_changes.html": lambda reports: widgets.changes_widget([changed(each) for each in reports]),
    "widget_write_back.html": lambda reports: widgets.write_back_widget([tried(each) for each in reports]),
    "widget_containment.html": lambda reports: containment_widget([contained(each) for each in reports]),
}
#: Those with one row a case, of which many are shown.
LONG = {
    "widget_changes.html": "cases",
    "widget_write_back.html": "rows",
    "widget_containment.html": "hosts",
}
EMPTY = {
    "widget_check_ip.html": "No address was checked: see the action's message.",
    "widget_lookup_ip.html": "No address was looked up: see the action's message.",
    "widget_process_lineage.html": "No process was looked up: see the action's message.",
    "widget_risk.html": "No case was assessed: see the action's message.",
    "widget_decision.html": "Nothing was decided: see the action's message.",
    "widget_case.html": "There was no case: see the action's message.",
    "widget_changes.html": "No case was looked at again: see the action's message.",
    "widget_write_back.html": "Nothing was to be written: see the action's message.",
    "widget_containment.html": "No host to tell of: see the action's message.",
}


def render(template: str, context: Mapping[str, object]) -> str:
    """As the platform would, except that a name that is not given is an error."""
    renderer = get_template_renderer("jinja", str(html.TEMPLATES))
    assert isinstance(renderer, JinjaTemplateRenderer)
    renderer.env.undefined = StrictUndefined
    shell = {"title_logo": "", "dark_title_logo": "", "dark_title_logo_name": "", "title_logo_name": ""}
    shell |= {"is_widget_disabled": "", "disable_jsonview": "", "dateRangeTestId": "", "date_range": ""}
    return renderer.render_template(template, {**shell, **PLATFORM, **context})


def ours(page: str) -> Page:
    """What stands inside the platform's shell."""
    inside = re.sub(r"(\s*</div>){4}\s*$", "", page[page.index("<style>") :])
    return html_reading.read(inside)


class TestRendering:
    @pytest.mark.parametrize("template", WIDGETS)
    @pytest.mark.parametrize("case", [malicious, benign, undetermined, hostile, reputed])
    def test_any_case_gives_a_well_formed_harmless_fragment(
        self, template: str, case: Callable[[], CaseReport]
    ) -> None:
        page = ours(render(template, WIDGETS[template]([case(), case()])))
        assert {each.tag for each in page.elements}.isdisjoint(
            {"script", "img", "a", "iframe", "link", "form", "input", "object", "foreignobject"}
        )
        for element in page.elements:
            for name in element.attributes:
                assert not name.startswith("on")
                assert name not in ("style", "src", "href", "xlink:href")
        assert {char for char in page.text if char != "\n" and is_hidden(char)} == set()
        ids = [each.attributes["id"] for each in page.elements if "id" in each.attributes]
        assert len(ids) == len(set(ids))

    @pytest.mark.parametrize("template", [*WIDGETS, "widget_check_ip.html"])
    def test_nothing_to_show_is_a_sentence(self, template: str) -> None:
        context = WIDGETS[template]([]) if template in WIDGETS else widgets.check_ip_widget([])
        page = ours(render(template, context))
        shown = [each.text.strip() for each in page.of("p")]
        assert shown == [EMPTY[template]]

    @pytest.mark.parametrize("template", [*WIDGETS, "widget_check_ip.html"])
    def test_rows_that_could_not_be_read_are_counted_and_not_taken_for_none(self, template: str) -> None:
        context = WIDGETS[template]([]) if template in WIDGETS else widgets.check_ip_widget([])
        page = ours(render(template, {**context, "unreadable": 2, "unreadable_why": "they <are> old"}))
        assert [each.text for each in page.of("p")] == ["2 of the rows could not be read: they <are> old."]

    def test_two_widgets_of_one_case_share_no_id(self) -> None:
        both = [ours(render("widget_case.html", widgets.case_widget([malicious()]))) for _ in range(2)]
        one, other = ({each.attributes.get("id") for each in page.elements} - {None} for page in both)
        assert len(one) == 3
        assert one.isdisjoint(other)

    def test_every_widget_has_a_test(self) -> None:
        files = {path.name for path in html.TEMPLATES.glob("widget_*.html")}
        assert files == {*WIDGETS, "widget_check_ip.html"} == set(EMPTY)

    def test_a_template_of_the_page_needs_no_sdk(self) -> None:
        html.environment().get_template("case_page.html")
        with pytest.raises(TemplateNotFound):
            html.environment().get_template("widget_case.html").render()

    @pytest.mark.parametrize("template", sorted(WIDGETS.keys() - {"widget_lookup_ip.html"}))
    def test_many_cases_are_cut_and_counted(self, template: str) -> None:
        most = widgets.ADDRESSES_SHOWN if template in LONG else widgets.CASES_SHOWN
        page = ours(render(template, WIDGETS[template]([undetermined()] * (most + 3))))
        what = LONG.get(template, "cases")
        assert f"3 more {what} are in the action's data." in page.text
        assert page.text.count("regsvcs.exe on ws-310\n") <= 2 * most

    def test_many_addresses_are_cut_and_counted(self) -> None:
        found = reputations([malicious()]) * (widgets.ADDRESSES_SHOWN + 3)
        page = ours(render("widget_lookup_ip.html", widgets.lookup_widget(found)))
        assert "3 more addresses are in the action's data." in page.text
        assert [each.text for each in page.of("h4")] == ["149.154.167.220"] * widgets.ADDRESSES_SHOWN

    def test_a_deep_case_stays_small(self) -> None:
        assert len(render("widget_case.html", widgets.case_widget([with_ancestors(60)]))) < 200_000


class TestStyle:
    def test_every_rule_stays_inside_the_widget(self) -> None:
        (style,) = ours(render("widget_risk.html", widgets.risk_widget([]))).of("style")
        text = re.sub(r"@(container|media)[^{]*\{", "", style.text)
        selectors = [part.strip() for part in re.findall(r"([^{}]+)\{", text)]
        assert len(selectors) > 60
        for selector in ",".join(selectors).split(","):
            assert (
                selector.startswith((".rr ", ".rr{", ".rr.rr-widget", ".dark-theme .rr")) or selector == ".rr"
            )

    def test_dark_follows_the_platform_and_not_the_system(self) -> None:
        text = render("widget_risk.html", widgets.risk_widget([]))
        assert ".dark-theme .rr{" in text
        assert "prefers-color-scheme" not in text
        assert "url(" not in text


class TestContent:
    def test_check_ip(self) -> None:
        context = widgets.check_ip_widget([check_ip(each) for each in ADDRESSES])
        page = ours(render("widget_check_ip.html", context))
        assert [each.text for each in page.of("code")] == [
            "149.154.167.220", "10.0.0.1", "2002:808:808::1", "::ffff:10.0.0.1", "fe80::1",
        ]  # fmt: skip
        for part in (
            "public, outside the organisation",
            "not public: private",
            "10.0.0.0/8 Private-Use (RFC 1918), not globally reachable",
            "its traffic may leave the organisation all the same",
            "10.0.0.1 (ipv4_mapped), private, which decides",
        ):
            assert part in page.text

    def test_check_ip_names_the_organisations_own_range(self) -> None:
        ranges = OrganisationRanges([RANGE])
        context = widgets.check_ip_widget([check_ip("149.154.167.220", organisation=ranges)])
        page = ours(render("widget_check_ip.html", context))
        assert "public, the organisation's own" in page.text
        labels = [each.text for each in page.of("dt")]
        assert RANGE in page.of("dd")[labels.index("Organisation")].text

    def test_lookup(self) -> None:
        page = ours(render("widget_lookup_ip.html", widgets.lookup_widget(reputations([reputed()]))))
        for part in (
            "malicious: Fresh grade-A evidence about outbound traffic by abuse.ch ThreatFox",
            "; by the sources: no finding",
            # Stands for a public address in the case; by itself it is one for documentation.
            "No reputation source is configured.",
            "not public: private",
            "2 sources without key or address (see `doctor`)",
            "hxxps://threatfox.abuse[.]ch/browse.php?search=ioc%3A203.0.113.77",
            "the same vote as abuse.ch ThreatFox's, counted once",
        ):
            assert part in page.text

    @pytest.mark.parametrize("template", ["widget_risk.html", "widget_decision.html", "widget_case.html"])
    def test_reputation_stands_wherever_a_case_does(self, template: str) -> None:
        page = ours(render(template, WIDGETS[template]([reputed()])))
        assert "malicious: Fresh grade-A evidence" in page.text
        assert "AbuseIPDB (quota used up), MISP (credential rejected)" in page.text

    def test_lineage(self) -> None:
        page = ours(render("widget_process_lineage.html", widgets.lineage_widget([found(malicious())])))
        for part in (
            "Process found",
            "WINWORD.EXE",
            "-EncodedCommand",
            "tampering",
            "not recorded on this host",
        ):
            assert part in page.text
        assert "lists nothing as unknown" not in page.text
        assert len([each for each in page.of("svg") if each.attributes.get("role") == "img"]) == 3

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({}, "No such host is known"),
            ({"failed": True}, "The source did not answer"),
            (
                {"host_candidates": ("ws1.a.example", "ws1.b.example")},
                "Several hosts fit, and none is picked",
            ),
            ({"host": WS}, "No process fits"),
            (
                {"host": WS, "process_candidates": ("pid 1", "pid 2")},
                "Several processes fit, and none is picked",
            ),
        ],
    )
    def test_lineage_that_was_not_found(self, changes: dict[str, object], words: str) -> None:
        case = found(undetermined()).model_copy(update=changes)
        page = ours(render("widget_process_lineage.html", widgets.lineage_widget([case])))
        assert page.of("p")[0].text.strip() == words
        assert "its lineage is unknown" in page.text
        assert "no process telemetry was given" in page.text

    @pytest.mark.parametrize(
        ("field", "heading"),
        [("host_candidates", "Hosts that fit"), ("process_candidates", "Processes that fit")],
    )
    def test_what_fits_stands_under_its_own_heading(self, field: str, heading: str) -> None:
        case = found(undetermined()).model_copy(update={"host": WS, field: ("the first", "the other")})
        page = ours(render("widget_process_lineage.html", widgets.lineage_widget([case])))
        assert [each.text for each in page.of("h4") if each.text.endswith("that fit")] == [heading]
        assert page.text.index(heading) < page.text.index("the first") < page.text.index("the other")

    def test_evidence_without_a_lineage_is_a_process_that_was_found(self) -> None:
        case = found(malicious()).model_copy(update={"lineage": None})
        page = ours(render("widget_process_lineage.html", widgets.lineage_widget([case])))
        first = page.of("p")[0]
        assert (first.text, first.attributes["class"]) == ("Process found, its lineage not", "rr-plain")

    def test_risk(self) -> None:
        page = ours(render("widget_risk.html", widgets.risk_widget([assessed(malicious())])))
        for part in (
            "Malicious", "tampering", "ESCU alone 80", "-35", "stealer_chain.ndjson #87, event 25",
            "connected to",
        ):  # fmt: skip
            assert part in page.text

    @pytest.mark.parametrize(
        ("verdict", "words"),
        [
            (IsolationVerdict.REFUSE, "A person is asked to contain the host by hand"),
            (IsolationVerdict.ASK, "A person is asked to approve that the playbook isolates the host."),
        ],
    )
    def test_decision_says_what_is_asked(self, verdict: IsolationVerdict, words: str) -> None:
        report = malicious()
        guards = tuple(
            each.model_copy(update={"outcome": GuardOutcome.PASS}) if each.id in CASE_GUARDS else each
            for each in report.decision.guards
        )
        decision = report.decision.model_copy(
            update={"verdict": verdict, "effective_mode": IsolationMode.APPROVE, "guards": guards}
        )
        report = report.model_copy(update={"decision": decision})
        page = ours(render("widget_decision.html", widgets.decision_widget([report])))
        assert words in page.text
        assert "A log file can neither isolate a host nor verify it." in page.text

    def test_nobody_is_asked_when_isolation_is_off(self) -> None:
        page = ours(render("widget_decision.html", widgets.decision_widget([malicious()])))
        assert "Nobody is asked to contain the host." in page.text

    def test_case_has_every_block(self) -> None:
        page = ours(render("widget_case.html", widgets.case_widget([malicious()])))
        headings = [each.text for each in page.of("h4")]
        assert [each for each in headings if "149." not in each and "Stands" not in each] == [
            "What to do next",
            "Process tree, 2026-10-01 UTC",
            "Why the score",
            "Destinations",
            "Not known",
            "Isolation",
            "What could not be read or done",
        ]

    def test_changes(self) -> None:
        cases = [
            changed(malicious()),
            looked_at(benign(), container_id=18),
            looked_at(undetermined(), container_id=None, changed=True),
            looked_at(malicious(), container_id=19, stop="the case is closed")._replace(host="", process=""),
        ]
        page = ours(render("widget_changes.html", widgets.changes_widget(cases)))
        for part in (
            "container 17",
            "container unknown",
            "undetermined before, malicious now",
            "Not looked at again: 14 days are over",
        ):
            assert part in page.text
        spans = [each.text for each in page.of("span")]
        assert [each for each in spans if each in ("changed", "unchanged", "first look")] == [
            "changed",
            "unchanged",
            "first look",
        ]
