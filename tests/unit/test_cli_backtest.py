"""`backtest` as a user meets it: over real logs, as text, JSON and page, with hostile and unusable input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from actions.isolation_guards import GUARDS
from connectors.facts.host import HostType
from playbooks.backtest_facts import Outcome, PolicyResult, Terms, differences
from playbooks.hosts.commands import backtest_inputs
from playbooks.report import backtest_page, backtest_terminal
from playbooks.report.backtest_words import NO_CASE, BacktestView, view_of
from tests import html_reading
from tests.cli_runs import Invoke, invoking
from tests.unit.test_backtest import ALL, auto, found, judge

SEEING = ("--assume", "workstation", "--assume", "priority")
HOSTILE = 'x"><script>alert(1)</script>\x1b[31m\u202e{{7*7}}'


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    monkeypatch.chdir(tmp_path)
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


def flat(text: str) -> str:
    """Text of a terminal, however it was wrapped."""
    return " ".join(text.split())


def policy_file(folder: Path, name: str = "policy.toml", mode: str = "shadow", *more: str) -> Path:
    path = folder / name
    caps = "caps = { per_run = 3, per_hour = 3, per_day = 10 }"
    path.write_text("\n".join(["[isolation]", f'mode = "{mode}"', caps, *more]) + "\n")
    return path


def hostile_view() -> BacktestView:
    case = found(1, minutes=1)
    assert case.host is not None
    named = case.model_copy(
        update={
            "host": case.host.model_copy(update={"hostname": HOSTILE, "host_id": HOSTILE}),
            "notables": tuple(
                each.model_copy(update={"dest": HOSTILE, "process_name": HOSTILE}) for each in case.notables
            ),
        }
    )
    results = [
        judge([named, found(2)], each).model_copy(update={"policy": HOSTILE})
        for each in (auto(), auto(min_score=100, kill_switch=True))
    ]
    return view_of(results, differences(*results), Terms(assume=ALL), [HOSTILE])


class TestOverLogs:
    def test_the_examples_are_named_with_their_guards(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        logs = sorted(examples.glob("*/sysmon.*"))
        result = invoke("backtest", *logs, "--policy", policy_file(tmp_path), *SEEING, "--json")
        assert (result.code, result.err) == (0, "")
        document = json.loads(result.out)
        (judged,) = document["policies"]
        assert (judged["mode"], judged["judged_as"]) == ("shadow", "approve")
        stops = {
            case["host"]: (
                case["outcome"],
                [each["id"] for each in case["guards"] if each["outcome"] != "pass"],
            )
            for case in judged["cases"]
        }
        assert stops == {
            "WS01.corp.example": ("ask", []),
            "WS02.corp.example": ("not", ["score", "strong_findings"]),
        }
        assert [each["id"] for each in judged["cases"][0]["guards"]] == [row.id for row in GUARDS]
        assert document["terms"]["reputation_asked"] is False

    def test_real_logs_are_named_with_their_guards(
        self, invoke: Invoke, shared_data: Path, tmp_path: Path
    ) -> None:
        logs = sorted((shared_data / "sysmon").glob("derived_regsvcs_*"))
        result = invoke("backtest", *logs, "--policy", policy_file(tmp_path), "--json")
        assert result.code == 0
        (judged,) = json.loads(result.out)["policies"]
        assert {case["host"] for case in judged["cases"]} == {"IEWIN7"}
        assert all(case["outcome"] == "not" for case in judged["cases"])
        assert {"host_type", "asset_priority"} <= {each["guard"] for each in judged["stopped"]}

    def test_notables_are_told_by_their_content_and_worked_over_the_log(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        folder, policy = examples / "stealer", policy_file(tmp_path)
        inputs = (folder / "notable.json", folder / "sysmon.xml")
        told = invoke("backtest", *inputs, "--policy", policy, *SEEING, "--json")
        named = invoke("backtest", inputs[1], "--notable", inputs[0], "--policy", policy, *SEEING, "--json")
        assert (told.code, named.code, told.out) == (0, 0, named.out)
        (case,) = json.loads(told.out)["policies"][0]["cases"]
        assert (case["host"], case["outcome"]) == ("WS01.corp.example", "ask")

    def test_notables_alone_isolate_nothing_and_say_why(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        result = invoke("backtest", examples / "stealer" / "notable.json", "--policy", policy_file(tmp_path))
        assert result.code == 0
        assert "notables alone name no machine" in flat(result.out)
        assert "one host" in flat(result.out)

    def test_no_case_is_a_sentence_and_exit_0(self, invoke: Invoke, examples: Path, tmp_path: Path) -> None:
        log, page = examples / "local-only" / "sysmon.ndjson", tmp_path / "page.html"
        result = invoke("backtest", log, "--policy", policy_file(tmp_path), "--out", page)
        assert result.code == 0
        assert NO_CASE in flat(result.out)
        assert NO_CASE in html_reading.read(page.read_text()).text

    def test_two_policies_differ_by_a_guard(self, invoke: Invoke, examples: Path, tmp_path: Path) -> None:
        strict = policy_file(tmp_path, "strict.toml", "auto", 'protected = { globs = ["ws01*"] }')
        loose, page = policy_file(tmp_path, "loose.toml", "auto"), tmp_path / "out" / "page.html"
        arguments = (examples / "stealer" / "sysmon.xml", "--policy", loose, "--against", strict, *SEEING)
        result = invoke("backtest", *arguments, "--out", page)
        assert result.code == 0
        assert "would isolate by loose.toml, would not by strict.toml" in flat(result.out)
        assert "because of not protected: pattern ws01*" in flat(result.out)
        text = html_reading.read(page.read_text()).text
        assert "strict.toml" in text
        assert "not protected: pattern ws01*" in text
        document = json.loads(invoke("backtest", *arguments, "--json").out)
        (only,) = document["differences"]
        assert (only["here"], only["there"], only["guards"]) == ("isolate", "not", ["not_protected"])

    def test_other_sections_of_the_second_policy_are_left_aside_and_told(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        other = policy_file(tmp_path, "other.toml", "auto", "[organisation]", 'ranges = ["149.154.0.0/16"]')
        arguments = (
            examples / "stealer" / "sysmon.xml",
            "--policy",
            policy_file(tmp_path),
            "--against",
            other,
        )
        result = invoke("backtest", *arguments, *SEEING, "--json")
        assert "Of other.toml, [organisation] is left aside" in json.loads(result.out)["notes"][0]

    def test_the_text_does_not_depend_on_where_the_files_lie(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        texts = set()
        for folder in (tmp_path / "a", tmp_path / ("long" * 30)):
            folder.mkdir()
            log = shutil.copy(examples / "stealer" / "sysmon.xml", folder)
            both = (policy_file(folder), policy_file(folder, "other.toml", "auto"))
            texts.add(invoke("backtest", log, "--policy", both[0], "--against", both[1], *SEEING).out)
        assert len(texts) == 1


class TestFolders:
    def test_a_folder_gives_what_its_files_give_one_by_one(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        policy = policy_file(tmp_path)
        whole = invoke("backtest", examples, "--policy", policy, "--json")
        files = sorted(examples.glob("*/*"))
        apart = invoke("backtest", *files, "--policy", policy, "--json")
        assert (whole.code, whole.err, apart.code) == (0, "", 0)
        documents = [json.loads(each.out) for each in (whole, apart)]
        assert documents[0]["policies"] == documents[1]["policies"]
        assert documents[0]["policies"][0]["counts"]["not"] == 3
        assert documents[0]["log"]["problem_count"] == 0
        assert any("3 files in the folders hold notables" in each for each in documents[0]["notes"])

    def test_a_folder_of_notables_alone_gives_their_cases(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "notables"
        folder.mkdir()
        shutil.copy(examples / "stealer" / "notable.json", folder)
        result = invoke("backtest", folder, "--policy", policy_file(tmp_path), "--json")
        document = json.loads(result.out)
        assert (result.code, result.err, document["log"]) == (0, "", None)
        assert [case["host"] for case in document["policies"][0]["cases"]] == ["WS01.corp.example"]

    def test_notables_in_a_folder_that_cannot_be_used_are_named_and_the_logs_judged(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        shutil.copy(examples / "stealer" / "sysmon.xml", folder)
        notable = json.loads((examples / "stealer" / "notable.json").read_text())
        (folder / "hostless.json").write_text(json.dumps([{**notable, "dest": "", "src_ip": ""}]))
        (folder / "other.json").write_text(json.dumps({**notable, "process_name": "excel.exe"}))
        result = invoke("backtest", "logs", "--policy", policy_file(tmp_path), "--json")
        document = json.loads(result.out)
        assert (result.code, len(document["policies"][0]["cases"])) == (2, 1)
        assert [
            (each["field"], "no notable that can be used" in each["problem"]) for each in document["rejected"]
        ] == [
            ("logs/hostless.json", True),
            ("logs/other.json", True),
        ]

    def test_what_is_too_large_to_look_into_is_named(
        self, invoke: Invoke, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backtest_inputs, "MAX_INPUT", 100)
        result = invoke("backtest", examples, "--policy", policy_file(tmp_path))
        assert result.code == 2
        assert result.err.count("too large to look for notables in") == 3  # not of the large logs

    def test_what_the_logs_raise_beside_the_notables_is_counted(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "logs"
        shutil.copytree(examples, folder)
        (folder / "installer" / "notable.json").unlink()
        (folder / "local-only" / "notable.json").unlink()
        result = invoke("backtest", folder, "--policy", policy_file(tmp_path), "--json")
        document = json.loads(result.out)
        assert [case["host"] for case in document["policies"][0]["cases"]] == ["WS01.corp.example"]
        assert any("1 detection of the logs beside the given notables" in each for each in document["notes"])

    def test_a_log_of_another_provider_is_no_file_of_notables(self, invoke: Invoke, tmp_path: Path) -> None:
        record = {
            "winlog": {"provider_name": "Microsoft-Windows-Security-Auditing", "event_id": 4624},
            "@timestamp": "2026-09-24T07:00:00Z",
            "event_id": 4624,
        }
        (tmp_path / "security.json").write_text(json.dumps(record) + "\n")
        result = invoke("backtest", "security.json", "--policy", policy_file(tmp_path), "--json")
        document = json.loads(result.out)
        assert (result.code, document["rejected"], document["log"]["other_records"]) == (2, [], 1)
        assert "no Sysmon event was read" in document["notes"][-1]


class TestNothingIsNoAnswer:
    def test_of_what_could_not_be_read(self, invoke: Invoke, tmp_path: Path) -> None:
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "inventory.json").write_text('{"assets": []}')
        arguments = ("backtest", "logs", "--policy", policy_file(tmp_path))
        result = invoke(*arguments, "--out", "page.html")
        assert result.code == 2
        for text in (flat(result.out), html_reading.read((tmp_path / "page.html").read_text()).text):
            assert NO_CASE not in text
            assert "would isolate 0" not in text
            assert "this does not say that nothing would have been isolated" in text
        assert any("does not say" in each for each in json.loads(invoke(*arguments, "--json").out)["notes"])

    def test_of_a_part_that_could_not_be_read(self, invoke: Invoke, examples: Path, tmp_path: Path) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        shutil.copy(examples / "local-only" / "sysmon.ndjson", folder)
        (folder / "broken.json").write_text('{"EventID": ')
        result = invoke("backtest", folder, "--policy", policy_file(tmp_path))
        assert NO_CASE not in flat(result.out)
        assert "not all that was given could be read" in flat(result.out)
        assert "1 problem in reading the logs" in flat(result.out)

    def test_of_notables_that_were_rejected(self, invoke: Invoke, tmp_path: Path) -> None:
        (tmp_path / "notables.json").write_text('{"dest": "WS01"}')
        result = invoke("backtest", "notables.json", "--policy", policy_file(tmp_path))
        assert result.code == 2
        assert "not all that was given could be read" in flat(result.out)


class TestHint:
    @pytest.mark.parametrize(
        ("assume", "told"),
        [
            ((), "1 case stopped only by what is not known (host type, asset priority): see past it"),
            ((), "see past it with --assume workstation --assume priority."),
            (SEEING[:2], "(asset priority): see past it with --assume priority."),
            (SEEING, ""),
        ],
    )
    def test_options_that_see_past_what_a_log_cannot_know_are_named(
        self, invoke: Invoke, examples: Path, tmp_path: Path, assume: tuple[str, ...], told: str
    ) -> None:
        logs, page = sorted(examples.glob("*/sysmon.*")), tmp_path / "page.html"
        result = invoke("backtest", *logs, "--policy", policy_file(tmp_path), *assume, "--out", page)
        for text in (flat(result.out), html_reading.read(page.read_text()).text):
            assert told in text
            assert ("see past it" in text) == bool(told)

    def test_none_for_what_is_known_and_in_the_way(self) -> None:
        known = judge([found(1, host_type=HostType.SERVER)], auto(), assume=frozenset())
        assert view_of([known], None, Terms()).policies[0].hint == ""
        unknown = judge([found(1, addresses=())], auto(), assume=frozenset())
        assert "--assume address" in view_of([unknown], None, Terms()).policies[0].hint


class TestUnusable:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ((), "nothing was given"),
            (("absent.evtx",), "absent.evtx"),
            (("{log}", "--assume", "luck"), "--assume"),
            (("{log}", "--delay", "-1"), "--delay"),
            (("{log}", "--delay", "nan"), "--delay"),
            (("{log}", "--against", "absent.toml"), "absent.toml"),
            (("{log}", "--semantics", "loose"), "--semantics"),
            (("{log}", "--out", "{folder}"), "--out"),
            (("--notable", "absent.json"), "absent.json"),
        ],
    )
    def test_it_is_a_sentence_and_exit_2(
        self, invoke: Invoke, examples: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
    ) -> None:
        policy_file(tmp_path)
        names: Mapping[str, object] = {"log": examples / "stealer" / "sysmon.xml", "folder": "."}
        given = [each.format(**names) for each in arguments]
        result = invoke("backtest", *given, "--policy", "policy.toml")
        assert result.code == 2
        assert told in result.err
        assert "Traceback" not in result.err

    def test_a_contradictory_policy_is_refused(self, invoke: Invoke, examples: Path, tmp_path: Path) -> None:
        (tmp_path / "policy.toml").write_text('[isolation]\nmode = "auto"\n')
        result = invoke("backtest", examples / "stealer" / "sysmon.xml", "--policy", "policy.toml")
        assert (result.code, result.out) == (2, "")
        assert "caps" in result.err

    def test_a_rejected_notable_ends_with_2_after_the_others_were_judged(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        good = json.loads((examples / "stealer" / "notable.json").read_text())
        bad = {name: value for name, value in good.items() if name not in {"dest", "src_ip"}}
        path = tmp_path / "notables.json"
        path.write_text(json.dumps([good, bad]))
        result = invoke("backtest", path, "--policy", policy_file(tmp_path), "--json")
        document = json.loads(result.out)
        assert (result.code, len(document["rejected"])) == (2, 1)
        assert len(document["policies"][0]["cases"]) == 1

    def test_a_log_that_cannot_be_read_is_2(self, invoke: Invoke, tmp_path: Path) -> None:
        path = tmp_path / "log.txt"
        path.write_text("no log\n")
        assert invoke("backtest", path, "--policy", policy_file(tmp_path)).code == 2


class TestHostileText:
    @pytest.mark.parametrize("unicode", [True, False])
    def test_nothing_of_it_reaches_the_terminal(self, *, unicode: bool) -> None:
        text = backtest_terminal.render(hostile_view(), width=100, color=False, unicode=unicode)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "<script>alert(1)</script>" in text

    def test_nothing_of_it_is_obeyed_by_the_page(self) -> None:
        page = html_reading.read(backtest_page.render(hostile_view()))
        assert page.of("script") == []
        assert "<script>alert(1)</script>" in page.text
        assert "{{7*7}}" in page.text
        assert not {"\x1b", "\u202e"} & set(page.text)


class TestPage:
    @pytest.fixture(scope="class")
    @staticmethod
    def rendered() -> str:
        return backtest_page.render(hostile_view())

    def test_no_script_and_nothing_from_outside(self, rendered: str) -> None:
        page = html_reading.read(rendered)
        tags = {each.tag for each in page.elements}
        assert not tags & {
            "script",
            "img",
            "link",
            "iframe",
            "object",
            "form",
            "image",
            "use",
            "foreignobject",
        }
        attributes: list[tuple[str, str]] = [
            pair for each in page.elements for pair in each.attributes.items()
        ]
        assert not [name for name, _ in attributes if name.startswith("on") or name in ("src", "style")]
        assert all(value.startswith("#") for name, value in attributes if name in ("href", "xlink:href"))
        (policy,) = (
            each.attributes["content"]
            for each in page.of("meta")
            if each.attributes.get("http-equiv") == "Content-Security-Policy"
        )
        assert "default-src 'none'" in policy

    def test_every_picture_is_told_in_words_or_hidden_beside_its_numbers(self, rendered: str) -> None:
        page = html_reading.read(rendered)
        named = {each.attributes["id"]: each.text for each in page.of("title") if "id" in each.attributes}
        drawn = page.of("svg")
        charts = [each for each in drawn if each.attributes.get("role") == "img"]
        assert len(charts) == 2
        for each in charts:
            told = named[each.attributes["aria-labelledby"]]
            assert all(word in told for word in ("would isolate", "would ask", "would not"))
        assert all(each.attributes.get("aria-hidden") == "true" for each in drawn if each not in charts)

    def test_ids_are_unique_and_links_lead_to_them(self, rendered: str) -> None:
        page = html_reading.read(rendered)
        ids = [each.attributes["id"] for each in page.elements if "id" in each.attributes]
        assert len(ids) == len(set(ids))
        assert {each.attributes["href"][1:] for each in page.of("a")} <= set(ids)

    def test_a_guard_that_rests_on_an_assumption_is_called_assumed(self, rendered: str) -> None:
        cells = [each.text for each in html_reading.read(rendered).of("span")]
        assert "assumed" in cells

    def test_the_strip_is_as_long_as_the_cases_are_many(self) -> None:
        view = view_of([judge([found(1), found(2), found(3, host=1)], auto())], None, Terms(assume=ALL))
        chart = backtest_page._chart(view, 0, 3)
        assert [each.number for each in chart.pieces] == [2, 0, 1]
        assert [each.width > 0 for each in chart.pieces] == [True, False, True]
        assert chart.pieces[-1].x + chart.pieces[-1].width == backtest_page.WIDTH


class TestDocument:
    def test_the_shape_is_stable(self, invoke: Invoke, examples: Path, tmp_path: Path) -> None:
        log = examples / "stealer" / "sysmon.xml"
        document: dict[str, Any] = json.loads(
            invoke("backtest", log, "--policy", policy_file(tmp_path), "--json").out
        )
        assert document["schema_version"] == "1.0"
        assert set(document) == {
            "schema_version", "terms", "assumptions", "policies", "differences", "log", "rejected", "notes",
        }  # fmt: skip
        (judged,) = document["policies"]
        assert set(judged) == {"policy", "mode", "judged_as", "counts", "stopped", "cases"}
        assert set(judged["counts"]) == {each.value for each in Outcome}
        assert set(judged["cases"][0]["guards"][0]) == {
            "id", "outcome", "value", "limit", "detail", "assumption",
        }  # fmt: skip
        assert document["differences"] is None
        assert PolicyResult.model_validate(
            {name: judged[name] for name in ("policy", "mode", "judged_as", "cases")}
        )
