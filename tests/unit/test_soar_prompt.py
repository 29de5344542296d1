"""The question to an analyst: what it says, how long it gets, and that nothing in it steers or links."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from markdown_it import MarkdownIt

from actions.case_facts import Unknown
from actions.containment_question import ContainmentQuestion
from actions.isolation import Guard, GuardOutcome, IsolationVerdict
from actions.isolation_guards import GUARDS
from actions.next_steps import next_steps
from actions.risk import RiskPolicy
from connectors.facts.process import Lineage
from playbooks.case import CaseReport
from playbooks.report.prompt import LEDGER_GUARDS, PROMPT_LIMIT, not_known, prompt
from tests.report_cases import benign, every_text, hostile, malicious, undetermined, with_ancestors

BY_HAND = ContainmentQuestion.BY_HAND
ISOLATE = ContainmentQuestion.ISOLATE


def lines_of(report: CaseReport, question: ContainmentQuestion = BY_HAND) -> list[str]:
    return prompt(report, question).splitlines()


def with_guards(report: CaseReport, outcome: GuardOutcome, number: int) -> CaseReport:
    guards = tuple(
        Guard(id=f"guard_{n}", outcome=outcome, value="v", limit="l", detail="Why not.")
        for n in range(number)
    )
    return report.model_copy(update={"decision": report.decision.model_copy(update={"guards": guards})})


def test_where_nothing_is_asked_there_is_no_text() -> None:
    assert prompt(malicious(), ContainmentQuestion.NONE) == ""


def test_it_asks_first_and_says_that_nothing_was_done() -> None:
    report = malicious()
    host = report.facts.host
    assert host is not None
    by_hand, isolate = lines_of(report, BY_HAND), lines_of(report, ISOLATE)
    assert by_hand[0] == f"Contain {host.hostname} by hand?"
    assert isolate[0] == f"Isolate {host.hostname}?"
    assert "Nothing has been isolated" in by_hand[1]
    assert "Nothing has been isolated" in isolate[1]
    until_steps = by_hand.index("Do first:")
    assert by_hand[2:until_steps] == isolate[2:until_steps]


def test_it_holds_who_what_and_where() -> None:
    report = malicious()
    assert report.facts.lineage is not None
    target = report.facts.lineage.target
    text = prompt(report, BY_HAND)
    assert f"Verdict: malicious, score {report.risk.score:g} of 100. " in text
    assert f"User: {report.facts.notables[0].user}" in text
    assert f"Process: {target.name} (pid {target.ref.pid}), {target.ref.image}" in text
    assert f"Started by: {report.facts.lineage.ancestors[0].name} < " in text
    assert report.case_id in text
    for indicator in report.risk.indicators:
        assert (f"- {indicator.sentence}" in text) == (indicator.strength == "strong")
    assert "Do first:\n- " in text


def test_each_obstacle_says_whether_it_refuses_or_is_not_known() -> None:
    refused = with_guards(malicious(), GuardOutcome.REFUSE, 2)
    assert "- guard_0, refuses: Why not." in lines_of(refused)
    unknown = with_guards(malicious(), GuardOutcome.UNKNOWN, 9)
    lines = lines_of(unknown)
    assert "- guard_2, not known: Why not." in lines
    assert "- guard_3, not known: Why not." not in lines
    assert "- and 6 more, in the note" in lines
    passed = with_guards(malicious(), GuardOutcome.PASS, 3)
    assert f"Guards: all 3 pass (mode {passed.decision.effective_mode.value})" in lines_of(passed)


def test_guards_about_host_and_case_come_before_the_ledgers_and_refusals_first() -> None:
    ids = ("kill_switch", "breaker", "host_type", "agent_seen", "cap_per_run")
    outcomes = {"kill_switch": GuardOutcome.REFUSE, "agent_seen": GuardOutcome.REFUSE}
    guards = tuple(
        Guard(id=each, outcome=outcomes.get(each, GuardOutcome.UNKNOWN), value="v", limit="l", detail="Why.")
        for each in ids
    )
    decision = malicious().decision.model_copy(update={"guards": guards})
    lines = lines_of(malicious().model_copy(update={"decision": decision}))
    head = next(number for number, each in enumerate(lines) if each.startswith("In the way "))
    assert lines[head + 1 : head + 5] == [
        "- agent_seen, refuses: Why.",
        "- host_type, not known: Why.",
        "- kill_switch, refuses: Why.",
        "- and 2 more, in the note",
    ]


def test_every_guard_of_the_ledger_is_a_guard() -> None:
    assert {row.id for row in GUARDS} >= LEDGER_GUARDS


@pytest.mark.parametrize(
    ("question", "verdict"), [(BY_HAND, IsolationVerdict.REFUSE), (ISOLATE, IsolationVerdict.ASK)]
)
def test_the_question_itself_is_no_step(question: ContainmentQuestion, verdict: IsolationVerdict) -> None:
    made = malicious()
    decision = made.decision.model_copy(update={"verdict": verdict})
    steps = next_steps(made.facts, RiskPolicy(), made.risk, decision)
    asked = [each for each in steps if each.startswith(("Contain ", "Approve or decline the isolation of "))]
    assert len(asked) == 1
    report = made.model_copy(update={"decision": decision, "next_steps": (asked[0], "Look.")})
    lines = lines_of(report, question)
    assert lines[lines.index("Do first:") + 1] == "- Look."
    assert asked[0][:-1] not in "\n".join(lines)


class TestNotKnown:
    def of(self, *whats: str) -> CaseReport:
        report = malicious()
        unknowns = tuple(Unknown(what=each, why="no event says") for each in whats)
        return report.model_copy(update={"risk": report.risk.model_copy(update={"unknowns": unknowns})})

    def test_the_most_important_one_of_each_topic(self) -> None:
        report = self.of(
            "port at 9.9.9.9",
            "the parent process",
            "reputation of 9.9.9.9",
            "what else the process did",
            "process lineage",
            "reputation of 8.8.8.8",
            "user",
        )
        told = (
            "user: no event says",
            "process lineage: no event says",
            "reputation of 9.9.9.9: no event says",
        )
        assert not_known(report) == told
        lines = lines_of(report)
        head = lines.index("Not known:")
        assert lines[head + 1 : head + 5] == [*(f"- {each}" for each in told), "- and 4 more, in the note"]

    def test_a_gap_far_up_the_lineage_is_not_the_lack_of_a_lineage(self) -> None:
        report = self.of("lineage at userinit.exe (pid 4)", "tampering with the process image", "lineage")
        assert [each.partition(":")[0] for each in not_known(report)] == [
            "lineage",
            "tampering with the process image",
            "lineage at userinit.exe (pid 4)",
        ]

    def test_what_is_of_no_topic_keeps_its_order(self) -> None:
        assert not_known(self.of("b", "a")) == ("b: no event says", "a: no event says")

    def test_nothing(self) -> None:
        assert not_known(self.of()) == ()
        assert "Not known: nothing of what was looked for" in lines_of(self.of())

    def test_addresses_are_defanged(self) -> None:
        report = malicious()
        (address, *_) = (each.ip for each in report.facts.destinations if each.check.external)
        (told,) = not_known(self.of(f"reputation of {address}"))
        assert address not in told
        assert "[.]" in told


MARKUP = (
    "<img src=//evil.example/a> <b>bold</b> [Isolated already, see](//evil.example/p) ![i](//evil.example/b)"
    " <https://evil.example/c> `code` [x][y] [y]: //evil.example/d www.evil.example a@evil.example"
    " &lt;img src=x&gt; <!-- --> <?php ?> \\<i> \\[z](//evil.example)"
)
#: Names that are defanged in such a way that their last part could be a link or define one.
AT_THE_EDGE = ("evil.example.", "a@", ".", "://", "::1", "www.")


class TestRendered:
    """A platform that renders the text as Markdown, HTML included, shows text and nothing else."""

    @staticmethod
    def steering(text: str) -> set[str]:
        parser = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
        tokens = parser.parse(text)
        every = [*tokens, *(child for token in tokens for child in token.children or ())]
        bad = {"link_open", "image", "html_inline", "html_block", "code_inline", "fence", "table_open"}
        return bad & {each.type for each in every}

    def test_the_reading_sees_what_it_should(self) -> None:
        assert self.steering(MARKUP) == {"link_open", "image", "html_inline", "code_inline"}

    @pytest.mark.parametrize("make", [malicious, benign, undetermined, hostile])
    @pytest.mark.parametrize("question", [BY_HAND, ISOLATE])
    @pytest.mark.parametrize("text", [MARKUP, f"]({MARKUP}", f"[.]: {MARKUP}", f"    {MARKUP}"])
    def test_hostile_text_everywhere(
        self, make: Callable[[], CaseReport], question: ContainmentQuestion, text: str
    ) -> None:
        report = every_text(make(), lambda was: text + was)
        shown = prompt(report, question)
        assert self.steering(shown) == set()
        assert "<" not in shown.replace(" < ", "")
        assert "`" not in shown

    @pytest.mark.parametrize("edge", AT_THE_EDGE)
    @pytest.mark.parametrize("after", ["(//evil.example/p)", ": //evil.example/p", "[x]"])
    def test_no_defanged_name_becomes_a_link(self, edge: str, after: str) -> None:
        report = malicious()
        destination = report.facts.destinations[0].model_copy(update={"dns_names": (edge,)})
        facts = report.facts.model_copy(update={"destinations": (destination,)})
        indicators = tuple(
            each.model_copy(update={"sentence": f"{edge}{after} {edge}{after} [.] [:] [@]"})
            for each in report.risk.indicators
        )
        risk = report.risk.model_copy(update={"indicators": indicators})
        text = prompt(report.model_copy(update={"facts": facts, "risk": risk}), BY_HAND)
        assert self.steering(text) == set()

    def test_it_stays_readable(self) -> None:
        report = malicious()
        lineage = report.facts.lineage
        assert lineage is not None
        target = lineage.target.model_copy(update={"command_line": 'regsvcs.exe <a> [b] "C:\\x y.dll" `c`'})
        facts = report.facts.model_copy(update={"lineage": lineage.model_copy(update={"target": target})})
        told = lines_of(report.model_copy(update={"facts": facts}))
        assert "Command line: regsvcs.exe \u2039a\u203a (b) \"C:\\x y.dll\" 'c'" in told


def test_addresses_and_names_are_defanged_wherever_they_stand() -> None:
    report = malicious()
    addresses = [each.ip for each in report.facts.destinations if each.check.external]
    names = [name for each in report.facts.destinations for name in each.dns_names]
    assert addresses
    assert names
    assert report.facts.lineage is not None
    target = report.facts.lineage.target.model_copy(
        update={"command_line": f"regsvcs.exe https://{names[0]}/x HTTP://{addresses[0]}/y"}
    )
    lineage = report.facts.lineage.model_copy(update={"target": target})
    facts = report.facts.model_copy(update={"lineage": lineage})
    text = prompt(report.model_copy(update={"facts": facts}), BY_HAND)
    for each in (*addresses, *names, "https://", "HTTP://", "http://"):
        assert each not in text, each
    assert "hxxps[:]//" in text


def test_what_is_not_known_is_said() -> None:
    text = prompt(undetermined(), BY_HAND)
    assert ", not found in telemetry" in text
    empty = undetermined()
    notable = empty.facts.notables[0].model_copy(update={"dest_ip": None, "src_ip": None, "user": ""})
    facts = empty.facts.model_copy(
        update={"notables": (notable,), "destinations": (), "lineage": None, "evidence": None}
    )
    text = prompt(empty.model_copy(update={"facts": facts, "next_steps": ()}), BY_HAND)
    assert "User: unknown" in text
    assert "Talked to: unknown" in text
    assert "Strong findings: none" in text
    assert "Do first: no step is proposed" in text


def test_a_command_line_that_was_not_recorded_is_not_shown_as_empty() -> None:
    report = malicious()
    lineage = report.facts.lineage
    assert isinstance(lineage, Lineage)
    target = lineage.target.model_copy(update={"command_line": None})
    facts = report.facts.model_copy(update={"lineage": lineage.model_copy(update={"target": target})})
    assert "Command line: not recorded" in lines_of(report.model_copy(update={"facts": facts}))


@pytest.mark.parametrize("make", [malicious, benign, undetermined, hostile])
def test_every_line_is_printable_and_the_whole_is_short(make: Callable[[], CaseReport]) -> None:
    for question in (BY_HAND, ISOLATE):
        text = prompt(make(), question)
        assert len(text) <= PROMPT_LIMIT
        assert all(line.isprintable() for line in text.split("\n"))


def test_the_longest_texts_do_not_make_it_long() -> None:
    report = every_text(malicious(), lambda text: text + "\n\u202e" + "a" * 3000)
    text = prompt(report, BY_HAND)
    assert len(text) <= PROMPT_LIMIT
    assert all(line.isprintable() for line in text.split("\n"))
    assert "in the note" in text


def test_a_long_ancestry_is_cut() -> None:
    (line,) = [each for each in lines_of(with_ancestors(40)) if each.startswith("Started by: ")]
    shown = line.removeprefix("Started by: ").split(" < ")
    assert len(shown) == 8
    assert shown[5] == "33 more"
