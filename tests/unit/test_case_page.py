"""The case page: safe, complete, well-formed, readable in both themes, and of bounded size."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from connectors.facts.process import Connection, ModuleLoad, ProcessAccess, ProcessEvidence
from playbooks.case import CaseReport
from playbooks.hosts.commands.run import run
from playbooks.hosts.output_folder import OutputFolder
from playbooks.report import case_page, html
from playbooks.report.display import is_hidden
from playbooks.report.iocs import iocs
from playbooks.report.reputation_words import KNOWN_PAGES
from tests import html_reading, report_cases
from tests.report_cases import at, benign, hostile, malicious, reputed, undetermined, with_ancestors

CASES: dict[str, Callable[[], CaseReport]] = {
    "malicious": malicious,
    "benign": benign,
    "undetermined": undetermined,
    "hostile": hostile,
    "reputed": reputed,
    "deep": lambda: with_ancestors(40),
}
#: What a command line may hold to break out of text, of an attribute, of a style, or of a template.
BREAKERS = (
    "<script>alert(1)</script>",
    "{{7*7}} {% raw %} {# x #}",
    "</style><script>alert(2)</script>",
    "</title><img src=x onerror=alert(3)>",
    '"onload="alert(4)',
    "'onload='alert(5)",
    "</text></svg><script>alert(6)</script>",
    "]]><!--",
    "&lt;b&gt; &amp; &#60;i&#62;",
)


@pytest.fixture(scope="module", params=CASES)
def rendered(request: pytest.FixtureRequest) -> str:
    return case_page.render(CASES[request.param]())


def with_queries(report: CaseReport, *queries: str) -> CaseReport:
    lineage = report.facts.lineage
    assert lineage is not None
    lineage = lineage.model_copy(update={"source_queries": queries})
    return report.model_copy(update={"facts": report.facts.model_copy(update={"lineage": lineage})})


def with_command(report: CaseReport, command: str) -> CaseReport:
    lineage = report.facts.lineage
    assert lineage is not None
    target = lineage.target.model_copy(update={"command_line": command})
    lineage = lineage.model_copy(update={"target": target})
    return report.model_copy(update={"facts": report.facts.model_copy(update={"lineage": lineage})})


def with_evidence(report: CaseReport, evidence: ProcessEvidence) -> CaseReport:
    return report.model_copy(update={"facts": report.facts.model_copy(update={"evidence": evidence})})


class TestSafety:
    def test_the_policy_allows_one_style_by_its_hash_and_nothing_else(self, rendered: str) -> None:
        page = html_reading.read(rendered)
        (policy,) = (
            each.attributes["content"]
            for each in page.of("meta")
            if each.attributes.get("http-equiv") == "Content-Security-Policy"
        )
        (style,) = page.of("style")
        digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
        assert policy == (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'none'; script-src 'none'; "
            "base-uri 'none'; form-action 'none'"
        )

    def test_the_policy_comes_before_anything_it_governs(self, rendered: str) -> None:
        tags = [each.tag for each in html_reading.read(rendered).elements]
        assert tags[:4] == ["html", "head", "meta", "meta"]

    def test_it_runs_and_loads_nothing(self, rendered: str) -> None:
        page = html_reading.read(rendered)
        tags = {each.tag for each in page.elements}
        assert not tags & {
            "script", "img", "link", "iframe", "object", "embed", "form", "input", "base", "image", "use",
            "foreignobject", "animate", "set", "audio", "video",
        }  # fmt: skip
        for element in page.elements:
            for name, value in element.attributes.items():
                assert not name.startswith("on")
                assert name not in ("style", "src", "srcset", "action", "formaction", "xlink:href")
                if name == "href" and not value.startswith("#"):
                    assert element.attributes["rel"] == "noopener noreferrer nofollow"
                    assert value.startswith("https://")
                    assert value.split("/")[2] in KNOWN_PAGES
        assert "url(" not in page.of("style")[0].text
        assert "@import" not in page.of("style")[0].text
        assert page.comments == []

    @pytest.mark.parametrize("breaker", BREAKERS)
    def test_a_command_line_shows_as_text(self, breaker: str) -> None:
        command = f"regsvcs.exe {breaker} end"
        page = html_reading.read(case_page.render(with_command(malicious(), command)))
        assert any(each.text == command for each in page.of("dd"))
        assert {each.tag for each in page.elements} == {
            each.tag for each in html_reading.read(case_page.render(malicious())).elements
        }

    def test_every_text_of_an_attacker_adds_no_element(self) -> None:
        def wrapped(old: str) -> str:
            return f"{' '.join(BREAKERS)} {old}"

        report = with_queries(malicious(), "let P = 1;\nP | take 1")
        clean = html_reading.read(case_page.render(report))
        page = html_reading.read(case_page.render(report_cases.every_text(report, wrapped)))
        assert {each.tag for each in page.elements} <= {each.tag for each in clean.elements}
        assert {name for each in page.elements for name in each.attributes} <= {
            name for each in clean.elements for name in each.attributes
        }
        assert len(page.of("style")) == 1

    def test_no_hidden_character_reaches_the_page(self, rendered: str) -> None:
        page = html_reading.read(rendered)
        shown = [page.text, *(value for each in page.elements for value in each.attributes.values())]
        assert {char for text in shown for char in text if char != "\n" and is_hidden(char)} == set()

    def test_a_reversed_file_name_is_told_and_not_obeyed(self) -> None:
        page = html_reading.read(case_page.render(with_command(malicious(), "a\u202egnp.exe\x1b[2J")))
        assert "a\\u202egnp.exe\\x1b[2J" in page.text


class TestQueries:
    def test_a_query_of_many_lines_is_there_whole_and_line_by_line(self) -> None:
        lines = ["let P = materialize(DeviceProcessEvents", *(f"| where A{n} != '<{n}>'" for n in range(99))]
        page = html_reading.read(
            case_page.render(with_queries(malicious(), "\n".join(lines), "Sysmon event 1"))
        )
        (whole,) = page.of("pre")
        assert whole.text == "\n".join(lines)
        assert "let P = materialize(DeviceProcessEvents (100 lines, " in page.text
        assert "\\n" not in page.text

    def test_one_that_is_too_long_says_how_much_is_left_out(self) -> None:
        text = case_page.render(with_queries(malicious(), "\n".join(["x" * 99] * 500)))
        assert "[... 420 more lines, in the JSON report ...]" in text


class TestTemplates:
    def test_every_template_ends_in_html_since_only_those_are_escaped_by_the_sdk(self) -> None:
        files = [path for path in html.TEMPLATES.rglob("*") if path.is_file()]
        assert len(files) > 15
        assert [path.name for path in files if not path.name.endswith(".html")] == []

    def test_no_template_switches_escaping_off(self) -> None:
        for path in html.TEMPLATES.rglob("*.html"):
            text = path.read_text(encoding="utf-8")
            assert "|safe" not in text.replace(" ", ""), path
            assert "autoescape" not in text, path

    def test_no_template_hides_one_of_the_sdk(self) -> None:
        assert not {path.name for path in html.TEMPLATES.iterdir()} & {"base", "widgets", "components"}


class TestContent:
    def test_what_an_analyst_reads_first_stands_first(self) -> None:
        page = html_reading.read(case_page.render(malicious()))
        text = page.text
        parts = (
            "Malicious",
            "RegSvcs.exe on WS-042.corp.example\n",
            "100 of 100ESCU alone 80",
            "connected to 149.154.167.220:443 (api.telegram.org); 3 connections",
            "four strong indicators",
            "Ask the owner of WS-042.corp.example to take it off the network",
            "explorer.exe (pid 3120)",
            "document or script ancestor",
            "process started",
            "Stands in the way",
        )
        head = text.index("Malicious\n")
        places = [text.index(part, head) for part in parts]
        assert places == sorted(places)

    def test_headings_go_down_one_level_at_a_time_and_sections_are_named(self, rendered: str) -> None:
        page = html_reading.read(rendered)
        levels = [int(each.tag[1]) for each in page.elements if re.fullmatch("h[1-6]", each.tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        ids = {each.attributes["id"] for each in page.elements if "id" in each.attributes}
        for section in page.of("section"):
            assert section.attributes["aria-labelledby"] in ids
        assert {"header", "main", "nav", "footer"} <= {each.tag for each in page.elements}
        assert page.of("html")[0].attributes["lang"] == "en"
        assert page.of("title")[0].text.strip()

    def test_ids_are_unique_and_every_link_has_its_place(self, rendered: str) -> None:
        page = html_reading.read(rendered)
        ids = [each.attributes["id"] for each in page.elements if "id" in each.attributes]
        assert len(ids) == len(set(ids))
        inside = {each.attributes["href"] for each in page.of("a") if "rel" not in each.attributes}
        assert {each.removeprefix("#") for each in inside} <= set(ids)

    def test_pages_of_known_services_are_links_and_no_others(self) -> None:
        page = html_reading.read(case_page.render(reputed()))
        assert [each.attributes["href"] for each in page.of("a") if "rel" in each.attributes] == [
            "https://threatfox.abuse.ch/browse.php?search=ioc%3A203.0.113.77",
            "https://urlhaus.abuse.ch/host/203.0.113.77/",
            "https://www.virustotal.com/gui/ip-address/203.0.113.77",
        ]
        assert "hxxps://www.virustotal.com[@]evil[.]example/x" in page.text

    def test_every_kind_of_content_is_there(self) -> None:
        report = malicious()
        text = html_reading.read(case_page.render(report)).text
        for guard in report.decision.guards:
            assert guard.detail in text
        for step in report.next_steps:
            assert step in text
        for found in report.risk.indicators:
            assert found.sentence in text
        for observable in iocs(report.facts):
            assert observable.raw in text
            assert observable.defanged in text
        for note in report.log_notes:
            assert note.reason in text
        for unknown in report.risk.unknowns:
            assert unknown.why in text
        assert "stealer_chain.ndjson #87, event 25, 08:14:02 UTC" in text
        assert "not recorded on this host: unknown, not absent" in text

    def test_obstacles_stand_before_what_passes(self) -> None:
        page = html_reading.read(case_page.render(malicious()))
        spans = [each.text for each in page.of("span")]
        outcomes = [each for each in spans if each in ("refuse", "unknown", "pass")]
        assert sorted(set(outcomes)) == ["pass", "refuse", "unknown"]
        assert "refuse" not in outcomes[outcomes.index("pass") :]
        assert len(outcomes) >= len(malicious().decision.guards)

    def test_without_lineage_it_says_so_and_draws_nothing(self) -> None:
        page = html_reading.read(case_page.render(undetermined()))
        assert "The process was not found in any telemetry; its lineage is unknown." in page.text
        assert "with which address is unknown" in page.text
        assert "not obtained: nothing can be ruled out" in page.text
        assert [each for each in page.of("svg") if each.attributes.get("role") == "img"] == []

    def test_pictures_have_a_text_beside_them(self) -> None:
        page = html_reading.read(case_page.render(malicious()))
        drawn = [each for each in page.of("svg") if "rr-tree" in each.attributes["class"]]
        assert len(drawn) == 3
        for each in page.of("svg"):
            named = each.attributes.get("aria-labelledby") or each.attributes.get("aria-hidden") == "true"
            assert named
        listed = [each.text for each in page.of("span") if each.attributes.get("class") == "rr-name"]
        for name in (
            "explorer.exe",
            "WINWORD.EXE",
            "loader.exe",
            "conhost.exe",
            "RegSvcs.exe",
            "schtasks.exe",
        ):
            assert name in listed


class TestBounds:
    def test_the_stealer_example_is_small(self, examples: Path, tmp_path: Path) -> None:
        run(
            logs=[examples / "stealer/sysmon.xml"], notables=[], config=None, profiles=[], semantics="strict",
            out=tmp_path, as_json=True, lookup=False, fresh=False, edr_name="",
        )  # fmt: skip
        (page,) = tmp_path.glob("case-*.html")
        assert page.stat().st_size < 150_000
        assert "remit_viewer.exe" in html_reading.read(page.read_text(encoding="utf-8")).text

    def test_the_largest_case_stays_readable(self) -> None:
        report = with_ancestors(64)
        lineage = report.facts.lineage
        assert lineage is not None
        line = f'"{"A" * 30_000}"'
        many = tuple(each.model_copy(update={"command_line": line}) for each in lineage.ancestors)
        lineage = lineage.model_copy(update={"ancestors": many, "siblings": many * 20, "children": many * 20})
        start = at("08:00:00")
        evidence = ProcessEvidence(
            connections=tuple(
                Connection(time=start + timedelta(seconds=n), dest_ip=f"198.51.{n // 250}.{n % 250}")
                for n in range(5000)
            ),
            modules=tuple(ModuleLoad(time=start, path=rf"C:\m{n}.dll") for n in range(5000)),
            accesses=tuple(ProcessAccess(source_image=line) for _ in range(5000)),
        )
        report = report.model_copy(
            update={"facts": report.facts.model_copy(update={"lineage": lineage, "evidence": evidence})}
        )
        page = case_page.render(report)
        assert len(page.encode()) < 1_000_000
        text = html_reading.read(page).text
        assert "44 more ancestors in the JSON report" in text
        assert "1260 more children in the JSON report" in text
        assert "4975 more of the kind \u201cconnection\u201d" in text
        assert "characters left out" in text

    def test_five_megabytes_of_command_line_are_cut(self) -> None:
        assert len(case_page.render(hostile())) < 400_000


class TestStyle:
    def test_text_has_contrast_in_both_themes(self) -> None:
        for name in ("light", "dark"):
            colours = theme(name)
            for ink in ("ink", "soft", "link", "bad", "warn", "good", "unk"):
                for ground in ("ground", "paper", "faint"):
                    assert contrast(colours[ink], colours[ground]) >= 4.5, (name, ink, ground)

    def test_bars_stand_out_from_their_ground(self) -> None:
        for name in ("light", "dark"):
            colours = theme(name)
            for bar in ("up", "base", "down"):
                assert contrast(colours[bar], colours["ground"]) >= 3, (name, bar)

    def test_both_themes_set_every_colour_that_is_used(self) -> None:
        text = html.environment().get_template("parts/page_style.html").render()
        used = set(re.findall(r"var\(--([a-z-]+)\)", text))
        assert used <= set(theme("light"))
        assert theme("light").keys() == theme("dark").keys()

    def test_focus_print_and_both_themes_are_cared_for(self) -> None:
        text = html.environment().get_template("parts/page_style.html").render()
        for part in (":focus-visible", "@media print", "prefers-color-scheme:dark", "forced-colors"):
            assert part in text
        assert text.count("{") == text.count("}")


def theme(name: str) -> dict[str, str]:
    sheet = html.environment().get_template("parts/style.html").module
    return dict(re.findall(r"--([a-z]+):(#[0-9a-f]{6})", str(getattr(sheet, name)())))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(colour[start : start + 2]) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestIndex:
    def test_cases_by_score_each_with_its_page(self) -> None:
        reports = [benign(), undetermined(), malicious()]
        page = html_reading.read(case_page.render_index(reports))
        assert [each.attributes["href"] for each in page.of("a")] == [
            f"./{each.case_id}.html" for each in (malicious(), undetermined(), benign())
        ]
        assert page.of("title")[0].text == "Regsvcs response: 3 cases"

    def test_an_id_of_an_attacker_is_no_other_address(self) -> None:
        report = malicious().model_copy(update={"case_id": 'javascript:alert(1)//"><script>'})
        (link,) = html_reading.read(case_page.render_index([report])).of("a")
        assert link.attributes["href"] == "./javascriptalert1script.html"

    def test_a_run_without_cases_says_so(self) -> None:
        assert "This run had no case." in html_reading.read(case_page.render_index([])).text

    def test_a_long_list_is_cut_and_counted(self) -> None:
        page = html_reading.read(case_page.render_index([undetermined()] * (case_page.CASES_LISTED + 7)))
        assert len(page.of("a")) == case_page.CASES_LISTED
        assert "7 more cases are in the folder." in page.text

    def test_the_folder_holds_the_pages_that_the_list_names(self, tmp_path: Path) -> None:
        OutputFolder(tmp_path).write([malicious(), undetermined()])
        links = html_reading.read((tmp_path / "index.html").read_text(encoding="utf-8")).of("a")
        assert len(links) == 2
        for link in links:
            assert (tmp_path / link.attributes["href"]).is_file()


class TestLoading:
    @pytest.mark.parametrize(
        "arguments",
        [
            "sys.argv = ['x', 'run', '--help']",
            "sys.argv = ['x', 'run', '--json', '--sysmon', 'examples/local-only/sysmon.ndjson']",
        ],
    )
    def test_no_template_engine_unless_a_page_is_written(self, arguments: str, examples: Path) -> None:
        loaded = loaded_by(f"{arguments}; from playbooks.hosts.cli import main; main()", examples.parent)
        assert "playbooks.hosts.cli" in loaded
        assert "jinja2" not in loaded

    def test_the_page_loads_no_terminal_library(self, examples: Path) -> None:
        loaded = loaded_by("import playbooks.report.case_page, playbooks.report.widgets", examples.parent)
        assert "jinja2" in loaded
        assert "rich" not in loaded

    def test_the_widgets_load_no_template_engine(self, examples: Path) -> None:
        loaded = loaded_by("import playbooks.report.widgets", examples.parent)
        assert "playbooks.report.widgets" in loaded
        assert not loaded & {"jinja2", "rich"}


def loaded_by(code: str, root: Path) -> set[str]:
    """Modules loaded after running the code in a new process."""
    tail = "finally:\n sys.stderr.write('\\nLOADED ' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\ntry:\n {code}\nexcept SystemExit: pass\n{tail}"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stderr.rpartition("LOADED ")[2].split())
