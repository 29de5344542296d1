"""The report on a terminal: nothing of a log is obeyed, nothing is too wide, unknown is never green."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rich.cells import cell_len

from actions.risk import CaseVerdict
from connectors.facts.process import CoverageState
from playbooks.case import CaseReport
from playbooks.report import terminal
from playbooks.report.document import summary_row
from tests.report_cases import HOSTILE, benign, every_text, hostile, malicious, undetermined

#: A colour or style; rich writes nothing else on its own.
SGR = re.compile(r"\x1b\[([0-9;]*)m")
CASES = {"malicious": malicious, "benign": benign, "undetermined": undetermined, "hostile": hostile}

ANYTHING = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from([HOSTILE, "\n\nOBSERVABLES\n", "\x1b[31m", "界" * 70, "a" * 500, " " * 300]),
    ),
    max_size=3,
).map("".join)


def plain(report: CaseReport, *, width: int = 80, unicode: bool = True) -> str:
    return terminal.render(report, width=width, color=False, unicode=unicode)


def controls(text: str) -> set[str]:
    """Characters that could steer a terminal or hide, found without the code under test."""
    return {
        char
        for char in text
        if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    }


def flush_left(text: str) -> list[str]:
    """Lines that begin at the edge, where only headings and labels of ours stand."""
    return [line[:11].rstrip() for line in text.splitlines() if line[:1] not in ("", " ")]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [80, 120])
def test_plain_text_has_no_control_and_fits(case: str, width: int, unicode: bool) -> None:
    text = plain(CASES[case](), width=width, unicode=unicode)
    assert controls(text) == set()
    assert unicode or text.isascii()
    body = text.partition("\nOBSERVABLES")[0]
    assert max(cell_len(line) for line in body.splitlines()) <= width
    assert not any(line.endswith(" ") for line in text.splitlines())


@given(ANYTHING, st.booleans(), st.booleans(), st.sampled_from([60, 80, 140]))
@hypothesis_settings(max_examples=30)
def test_no_text_of_a_log_is_obeyed(text: str, keep: bool, unicode: bool, width: int) -> None:
    report = every_text(malicious(), lambda old: text + old if keep else text)
    shown = plain(report, width=width, unicode=unicode)
    assert controls(shown) == set()
    assert unicode or shown.isascii()
    body = shown.partition("\nOBSERVABLES")[0]
    assert max(cell_len(line) for line in body.splitlines()) <= width
    assert set(flush_left(body)) <= set(flush_left(plain(malicious())))


@given(ANYTHING)
@hypothesis_settings(max_examples=15)
def test_with_colour_only_our_own_styles_are_added(text: str) -> None:
    report = every_text(malicious(), lambda old: text + old)
    colored = terminal.render(report, width=100, color=True, unicode=True)
    assert controls(SGR.sub("", colored)) == set()
    assert SGR.sub("", colored).split() == plain(report, width=100).split()


def test_rich_markup_and_emoji_codes_are_printed_as_they_are() -> None:
    words = "[red]x[/red] :smile: [link=https://a.example]y[/link] $dest$"
    report = every_text(undetermined(), lambda _: words)
    for color in (True, False):
        text = terminal.render(report, width=140, color=color, unicode=True)
        assert words in SGR.sub("", text)
        assert "\x1b]8" not in text


@pytest.mark.parametrize("case", ["malicious", "benign", "undetermined"])
def test_unknown_is_never_green(case: str) -> None:
    text = terminal.render(CASES[case](), width=140, color=True, unicode=True)
    for style, words in re.findall(r"\x1b\[([0-9;]*)m([^\x1b]*)", text):
        if {"32", "92"} & set(style.split(";")):
            assert not re.search("unknown|undetermined|no finding|not known|no look-up|none asked", words), (
                words
            )


def test_colour_is_used_where_it_is_asked_for() -> None:
    assert "\x1b[" in terminal.render(malicious(), width=80, color=True, unicode=True)
    assert "\x1b" not in terminal.render(malicious(), width=80, color=False, unicode=True)


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [terminal.render(malicious(), width=100, color=color, unicode=True) for color in (True, False)]
    for name, value in (("NO_COLOR", "1"), ("COLUMNS", "40"), ("TERM", "dumb"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    after = [terminal.render(malicious(), width=100, color=color, unicode=True) for color in (True, False)]
    assert after == before


def test_the_verdict_and_the_score_come_first() -> None:
    assert plain(malicious()).splitlines()[0] == " MALICIOUS  score 100 of 100 (ESCU alone: 80)"
    assert plain(undetermined()).splitlines()[0] == " UNDETERMINED  score 80 of 100 (ESCU alone: 80)"


def test_nothing_is_said_to_have_been_done() -> None:
    for case in (malicious, benign, undetermined):
        assert "isolated" not in plain(case())
        assert "would not isolate" in plain(case())


def test_a_path_is_copied_whole_from_the_observables() -> None:
    long_path = "C:\\Users\\user01\\AppData\\Local\\Temp\\" + "a" * 200 + ".exe"
    report = every_text(malicious(), lambda old: long_path if old.endswith("loader.exe") else old)
    assert f"path    {long_path}" in plain(report).splitlines()[-2].strip()


def test_five_megabytes_are_told_by_their_count() -> None:
    text = plain(hostile())
    assert re.search(r"[45]\d{6}\s+characters\s+left\s+out", re.sub(r"[│\s]+", " ", text))
    assert len(text) < 100_000


@pytest.mark.parametrize("case", ["malicious", "benign", "undetermined"])
def test_rendering_takes_under_50_milliseconds(case: str) -> None:
    report = CASES[case]()
    spent = []
    for _ in range(5):
        start = time.process_time()
        plain(report)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.050


# --- lineage ---------------------------------------------------------------------------------------


def test_lineage_shows_tree_and_evidence() -> None:
    facts = malicious().facts
    assert facts.lineage is not None
    text = terminal.render_lineage(facts.lineage, facts.evidence, width=140, color=False, unicode=True)
    assert text.startswith("PROCESS TREE  2026-10-01 UTC\n")
    for words in (
        "connected  10.20.30.42:50112 -> 149.154.167.220:443 tcp, outbound  [stealer_chain.ndjson #92, ",
        "looked up  api.ipify.org: no address in the answer  [",
        "tampering  Image is replaced  [",
        r"opened by  C:\Users\user01\AppData\Local\Temp\loader.exe, its creator, rights 0x1fffff  [",
        r"module     C:\Users\user01\AppData\Local\Temp\inject.dll, unsigned  [",
        "termination: unknown, not recorded on this host",
    ):
        assert words in text


def test_lineage_without_evidence_rules_nothing_out() -> None:
    lineage = malicious().facts.lineage
    assert lineage is not None
    text = terminal.render_lineage(lineage, None, width=80, color=False, unicode=True)
    assert "evidence   not obtained: nothing can be ruled out" in text


@given(ANYTHING)
@hypothesis_settings(max_examples=15)
def test_lineage_of_a_hostile_log_is_harmless(words: str) -> None:
    facts = every_text(malicious(), lambda old: words + old).facts
    assert facts.lineage is not None
    text = terminal.render_lineage(facts.lineage, facts.evidence, width=80, color=False, unicode=False)
    assert text.isascii()
    assert controls(text) == set()


def test_a_kind_of_evidence_that_is_not_collected_is_unknown() -> None:
    facts = malicious().facts
    assert facts.lineage is not None
    assert facts.evidence is not None
    bare = facts.evidence.model_copy(update={"dns": (), "coverage": ()})
    assert bare.state_of(bare_kind := facts.evidence.coverage[1].kind) is CoverageState.NOT_COLLECTED
    text = terminal.render_lineage(facts.lineage, bare, width=80, color=False, unicode=True)
    assert f"{bare_kind.value}: unknown, not recorded on this host" in text


# --- many cases ------------------------------------------------------------------------------------


def test_table_with_one_line_a_case_where_it_fits() -> None:
    rows = [summary_row(case()) for case in (malicious, benign, undetermined)]
    lines = terminal.render_table(rows, width=140, color=False, unicode=True).splitlines()
    assert [re.split(r"\s{2,}", line) for line in lines] == [
        ["Verdict", "Score", "Isolate?", "Case", "Host", "Process", "Peer"],
        [
            *("malicious", "100", "would not (off)", "case-5f2a9c41d07be318"),
            *("WS-042.corp.example", "RegSvcs.exe", "149.154.167.220:443"),
        ],
        [
            *("likely benign", "32", "would not (shadow)", "case-77b01e03c2fa9946"),
            *("APP-007", "RegSvcs.exe", "2620:4f:8000::6 ports 80, 443"),
        ],
        [
            *("undetermined", "80", "would not (off)", "case-0d44e2aa81b6530f"),
            *("ws-310", "regsvcs.exe", "unknown peer"),
        ],
    ]


def test_table_with_two_lines_a_case_on_a_narrow_screen() -> None:
    text = terminal.render_table([summary_row(malicious())], width=80, color=False, unicode=True)
    assert text.splitlines()[1:] == [
        "malicious    100  would not (off)  case-5f2a9c41d07be318",
        "           RegSvcs.exe on WS-042.corp.example with 149.154.167.220:443",
    ]


def test_table_of_hostile_names_is_harmless() -> None:
    row = summary_row(hostile())
    assert row.verdict is CaseVerdict.MALICIOUS
    text = terminal.render_table([row], width=80, color=True, unicode=False)
    assert controls(SGR.sub("", text)) == set()
    assert text.isascii()


def test_an_empty_table_is_its_heading() -> None:
    assert terminal.render_table([], width=80, color=False, unicode=True).split() == [
        *("Verdict", "Score", "Isolate?", "Case", "Host", "Process", "Peer")
    ]
