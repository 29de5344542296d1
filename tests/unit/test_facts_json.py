"""Facts between actions: one string out, the same facts in, and a sentence for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.check_ip import check_ip
from actions.ip_facts import IpCheck
from actions.isolation import IsolationMode
from actions.profile_catalog import shipped_profiles
from connectors.errors import InputError
from connectors.facts.base import Fact
from playbooks.case import CaseReport
from playbooks.case_findings import CaseFindings, ungathered_cases
from playbooks.case_steps import AssessedCase, assess_case, decide_case
from playbooks.hosts.soar import facts_json
from playbooks.hosts.soar.facts_json import Kind, pack, unpack
from playbooks.settings import Settings
from tests.case_builders import notable
from tests.report_cases import benign, every_text, hostile, malicious, undetermined
from tests.reputation_builders import fused

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
REPORTS: tuple[Callable[[], CaseReport], ...] = (malicious, benign, undetermined, hostile)


def findings() -> CaseFindings:
    (found,) = ungathered_cases([notable()], "nobody could be asked")
    return found


def assessed() -> AssessedCase:
    return assess_case(findings(), profiles=shipped_profiles(), settings=Settings(), now=NOW)


def decided() -> CaseReport:
    return decide_case(assessed(), settings=Settings(), caller_mode=IsolationMode.APPROVE, now=NOW)


def of_report(report: CaseReport) -> tuple[CaseFindings, AssessedCase]:
    """The facts of the earlier steps that lie inside a report."""
    facts = report.facts
    return (
        CaseFindings(
            case_id=report.case_id,
            notables=facts.notables,
            host=facts.host,
            lineage=facts.lineage,
            evidence=facts.evidence,
            problems=facts.problems,
        ),
        AssessedCase(case_id=report.case_id, facts=facts, risk=report.risk),
    )


def refused[F: Fact](text: str, model: type[F]) -> str:
    with pytest.raises(InputError) as caught:
        unpack(text, model, field="case_facts")
    assert caught.value.field == "case_facts"
    assert str(caught.value).startswith("case_facts: ")
    return str(caught.value)


class TestRoundTrip:
    @pytest.mark.parametrize("make", REPORTS, ids=lambda make: make.__name__)
    def test_reports_and_what_lies_inside_them(self, make: Callable[[], CaseReport]) -> None:
        report = make()
        assert unpack(pack(report), CaseReport, field="x") == [report]
        found, case = of_report(report)
        assert unpack(pack(found), CaseFindings, field="x") == [found]
        assert unpack(pack(case), AssessedCase, field="x") == [case]

    @pytest.mark.parametrize(
        "ip", ["8.8.8.8", "10.0.0.1", "::ffff:10.0.0.1", "2002:808:808::1", "64:ff9b::1"]
    )
    def test_ip_checks(self, ip: str) -> None:
        check = check_ip(ip)
        assert unpack(pack(check), IpCheck, field="x") == [check]

    def test_what_a_step_makes(self) -> None:
        assert unpack(pack(findings()), CaseFindings, field="x") == [findings()]
        assert unpack(pack(assessed()), AssessedCase, field="x") == [assessed()]
        assert unpack(pack(decided()), CaseReport, field="x") == [decided()]

    def test_one_line_of_ascii_whatever_stands_in_it(self) -> None:
        text = pack(every_text(malicious(), lambda old: f"\x1b[2J\u202e\r\n</script>\u2028{old}"))
        assert text.isascii()
        assert text.isprintable()

    def test_a_lone_surrogate_of_a_log(self) -> None:
        report = every_text(malicious(), lambda old: f"{old}\ud800")
        assert unpack(pack(report), CaseReport, field="x") == [report]

    def test_the_envelope(self) -> None:
        document = json.loads(pack(check_ip("8.8.8.8")))
        assert (document["kind"], document["version"]) == ("ip_check", "1.0")
        assert sorted(document) == ["facts", "kind", "version"]

    def test_every_kind_has_a_type_and_no_other_type_is_packed(self) -> None:
        facts: list[Fact] = [check_ip("8.8.8.8"), fused(), findings(), assessed(), decided()]
        assert {json.loads(pack(each))["kind"] for each in facts} == set(Kind)
        with pytest.raises(KeyError):
            pack(notable())


class TestLists:
    """A playbook collects strings, and hands on one of them or a JSON list of them."""

    def test_strings_objects_and_gaps_in_one_list(self) -> None:
        one, two = check_ip("8.8.8.8"), check_ip("1.1.1.1")
        text = json.dumps([pack(one), None, json.loads(pack(two)), "", pack(one)])
        assert unpack(text, IpCheck, field="x") == [one, two, one]

    def test_a_string_inside_a_json_string(self) -> None:
        one = check_ip("8.8.8.8")
        assert unpack(json.dumps(pack(one)), IpCheck, field="x") == [one]

    @pytest.mark.parametrize("text", ["", "  \n", "[]", "[null]", '[""]', "null", '""'])
    def test_nothing_gives_nothing(self, text: str) -> None:
        assert unpack(text, IpCheck, field="x") == []

    def test_one_bad_entry_refuses_the_list(self) -> None:
        message = refused(json.dumps([pack(check_ip("8.8.8.8")), "{"]), IpCheck)
        assert "is not JSON" in message

    def test_too_many(self) -> None:
        one = pack(check_ip("8.8.8.8"))
        assert len(unpack(json.dumps([one] * 5000), IpCheck, field="x")) == 5000
        assert "holds 5001 facts, more than 5000" in refused(json.dumps([one] * 5001), IpCheck)


class TestRefused:
    @pytest.mark.parametrize("made", [assessed, findings, decided])
    def test_facts_of_another_action(self, made: Callable[[], Fact]) -> None:
        kind = json.loads(pack(made()))["kind"]
        assert refused(pack(made()), IpCheck) == (
            f"case_facts: holds facts of the kind {kind}. Give facts of the kind ip_check"
        )

    @pytest.mark.parametrize("version", ["2.0", "", None, [], "0.9", "1" * 500, "\x1b[2J"])
    def test_another_version(self, version: object) -> None:
        document = {**json.loads(pack(findings())), "version": version}
        message = refused(json.dumps(document), CaseFindings)
        assert "was written in version" in message
        assert message.endswith("This app reads 1.0")
        assert message.isprintable()
        assert len(message) < 120

    def test_a_later_minor_version_is_read(self) -> None:
        document = {**json.loads(pack(findings())), "version": "1.9"}
        assert unpack(json.dumps(document), CaseFindings, field="x") == [findings()]

    @pytest.mark.parametrize(
        "text",
        ["{", "x", "{'a': 1}", "\x00", "[" * 200_000, "1" * 5000, '{"a": "\ud800', '["{"]'],
        ids=["cut", "word", "python", "nul", "deep", "long number", "surrogate", "cut inside"],
    )
    def test_no_json(self, text: str) -> None:
        assert refused(text, CaseReport) == (
            "case_facts: is not JSON. Give the facts output of the action before, unchanged"
        )

    @pytest.mark.parametrize(
        "document",
        [7, True, {}, [[]], {"kind": None}, {"kind": []}, {"kind": {}}, {"kind": "report"}, {"facts": {}}],
        ids=str,
    )
    def test_no_facts_of_this_app(self, document: object) -> None:
        assert "holds no facts of this app" in refused(json.dumps(document), CaseReport)

    def test_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = pack(findings())
        monkeypatch.setattr(facts_json, "MAX_FACTS", len(text))
        assert unpack(text, CaseFindings, field="x") == [findings()]
        assert f"is longer than {len(text)} characters" in refused(text + " ", CaseFindings)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda facts: facts.pop("case_id"), "case_id: Field required"),
            (lambda facts: facts.update(extra=1), "extra: Extra inputs are not permitted"),
            (lambda facts: facts.update(notables=[]), "notables: Tuple should have at least 1 item"),
            (lambda facts: facts["notables"][0].update(direction="up"), "notables.0.direction: Input"),
            (
                lambda facts: facts["notables"][0].update(first_time="2026-03-04T10:00:00"),
                "first_time: Input",
            ),
            (lambda facts: facts["notables"][0].update(risk_score=float("inf")), "risk_score: Input"),
        ],
    )
    def test_a_field_that_is_wrong_is_named(
        self, change: Callable[[dict[str, Any]], object], says: str
    ) -> None:
        document = json.loads(pack(findings()))
        change(document["facts"])
        message = refused(json.dumps(document), CaseFindings)
        assert says in message
        assert message.endswith("Give the facts output unchanged")

    def test_what_stands_in_a_wrong_field_is_not_repeated(self) -> None:
        document = json.loads(pack(findings()))
        document["facts"]["notables"][0]["count"] = "hunter2"
        assert "hunter2" not in refused(json.dumps(document), CaseFindings)

    @pytest.mark.parametrize("facts", [None, [], "x", 7, [[[[]]]]])
    def test_facts_that_are_no_object(self, facts: object) -> None:
        text = json.dumps({"kind": "case_findings", "version": "1.0", "facts": facts})
        assert "facts: Input should be a valid dictionary" in refused(text, CaseFindings)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=6) | st.sampled_from([*Kind, "1.0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "version", "facts", "case_id", "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(_JSON)
def test_any_json_is_facts_or_a_sentence(document: object) -> None:
    found: list[IpCheck] = []
    with suppress(InputError):
        found = unpack(json.dumps(document), IpCheck, field="ip_facts")
    assert found == []
