"""The JSON document: exact, stable, printable, and free of terminal libraries."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from actions.isolation import IsolationMode, IsolationVerdict
from actions.risk import CaseVerdict
from connectors.facts.process import ProcessAccess
from playbooks.case import CaseReport
from playbooks.report.document import SummaryRow, printable_json, summary_row, to_json
from tests.report_cases import HOSTILE, benign, every_text, hostile, malicious, telegram, undetermined


@pytest.mark.parametrize("case", ["malicious", "benign", "undetermined", "hostile"])
@pytest.mark.parametrize("indent", [True, False])
def test_it_reads_back_as_the_same_report(case: str, indent: bool) -> None:
    report = {"malicious": malicious, "benign": benign, "undetermined": undetermined, "hostile": hostile}[
        case
    ]()
    assert CaseReport.model_validate_json(to_json(report, indent=indent)) == report


@given(st.one_of(st.text(max_size=60), st.just(HOSTILE)))
@hypothesis_settings(max_examples=60)
def test_any_text_reads_back_and_prints_harmlessly(text: str) -> None:
    report = every_text(malicious(), lambda old: text + old)
    document = to_json(report)
    assert CaseReport.model_validate_json(document) == report
    kinds = {unicodedata.category(char) for char in document.decode() if char != "\n"}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_the_version_is_first_and_the_other_keys_are_sorted() -> None:
    keys = list(json.loads(to_json(malicious())))
    assert keys[0] == "schema_version"
    assert keys[1:] == sorted(keys[1:])
    assert list(json.loads(to_json(malicious()))["facts"]) == sorted(
        json.loads(to_json(malicious()))["facts"]
    )


def test_one_line_where_it_is_asked_for() -> None:
    document = to_json(malicious(), indent=False)
    assert document.count(b"\n") == 1
    assert document.endswith(b"}\n")
    assert json.loads(document) == json.loads(to_json(malicious()))


def test_a_number_beyond_64_bits_is_kept() -> None:
    report = malicious()
    evidence = report.facts.evidence
    assert evidence is not None
    huge = evidence.model_copy(update={"accesses": (ProcessAccess(granted_access=2**80),)})
    report = report.model_copy(update={"facts": report.facts.model_copy(update={"evidence": huge})})
    for indent in (True, False):
        assert CaseReport.model_validate_json(to_json(report, indent=indent)) == report


def test_printable_json_keeps_what_needs_no_escape() -> None:
    plain = b'{"a":"b"}\n'
    assert printable_json(plain) is plain
    assert printable_json('{"a":"é\u9ad8"}'.encode()) == '{"a":"é\u9ad8"}'.encode()
    raw = '{"a":"\x7f\x9b\u202e\U000e0041"}'
    assert printable_json(raw.encode()) == b'{"a":"\\u007f\\u009b\\u202e\\udb40\\udc41"}'
    assert json.loads(printable_json(raw.encode())) == json.loads(raw)


def test_summary_rows() -> None:
    assert summary_row(malicious()) == SummaryRow(
        host="WS-042.corp.example",
        process="RegSvcs.exe",
        peer="149.154.167.220:443",
        verdict=CaseVerdict.MALICIOUS,
        score=100.0,
        decision=IsolationVerdict.REFUSE,
        mode=IsolationMode.OFF,
        done="",
        case_id="case-5f2a9c41d07be318",
    )
    assert summary_row(undetermined()).peer == "unknown peer"


def test_further_peers_are_counted() -> None:
    report = malicious()
    other = telegram().model_copy(update={"ip": "203.0.113.9", "ports": (80,)})
    facts = report.facts.model_copy(update={"destinations": (telegram(), other)})
    assert summary_row(report.model_copy(update={"facts": facts})).peer == "149.154.167.220:443 and 1 more"


def test_it_loads_no_terminal_library() -> None:
    program = (
        "import sys, playbooks.report.document; "
        "print(sorted({'rich', 'markdown_it', 'pygments'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
