"""Every form in which Splunk and Splunk SOAR hand a notable out gives the same notable; logs are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.errors import NotableError
from connectors.facts.notable import Notable, NotableSource
from connectors.siem.notable import ParsedInput, parse_notables
from connectors.siem.notable_input import SHAPES
from tests.notable_forms import (
    ALERT,
    ARTIFACT,
    CONTAINER,
    EARLY,
    EVENT_ID,
    FORMS,
    NOTABLE,
    PAYLOAD,
    SESSION_KEY,
    alert_xml,
    columns,
    csv_of,
    dumped,
    lines_of,
    stash_of,
    table,
    xml_of,
)

OTHER = NOTABLE | {"dest_ip": "104.20.208.21", "event_id": f"{EVENT_ID}2"}
NO_PROCESS = {**NOTABLE, "process_name": "", "search_name": "Brute Force"}


def said(notable: Notable) -> dict[str, object]:
    """What must not depend on the form."""
    names = {"process_name", "dest_ip", "src_ip", "user", "first_time", "last_time", "event_id"}
    return notable.model_dump(include=names)


def notables(parsed: ParsedInput) -> tuple[Notable, ...]:
    assert [str(each.error) for each in parsed.rejected] == []
    return parsed.notables


PLAIN = notables(parse_notables(dumped(NOTABLE)))[0]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_notable(form: str) -> None:
    (notable,) = notables(parse_notables(FORMS[form]))
    assert said(notable) == said(PLAIN)


def test_the_forms_are_as_many_as_are_known() -> None:
    assert len(FORMS) >= 36
    assert len(set(FORMS.values())) >= len(FORMS) - 1  # raw events are one text, with a line end or without


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda rows: dumped({"results": rows}), id="results"),
        pytest.param(lambda rows: dumped(table(rows)), id="json_rows"),
        pytest.param(lambda rows: dumped(columns(rows)), id="json_cols"),
        pytest.param(lambda rows: csv_of(rows).encode(), id="csv"),
        pytest.param(lambda rows: csv_of(rows, encoded=True).encode(), id="results.csv"),
        pytest.param(lambda rows: xml_of(rows).encode(), id="xml"),
        pytest.param(lambda rows: "\n".join(map(stash_of, rows)).encode(), id="raw"),
        pytest.param(
            lambda rows: dumped({"data": [ARTIFACT | {"cef": row} for row in rows]}), id="artifacts"
        ),
        pytest.param(lambda rows: dumped({"items": rows}), id="items"),
        pytest.param(lambda rows: dumped({"consolidated_findings": rows}), id="consolidated"),
    ],
)
class TestRows:
    def test_each_row_is_a_notable_with_all_its_values(self, write: Callable[[object], bytes]) -> None:
        first, second = notables(parse_notables(write([NOTABLE, OTHER])))
        assert (first.dest_ip, second.dest_ip) == (NOTABLE["dest_ip"], OTHER["dest_ip"])
        assert first.dest_ports == second.dest_ports == (443, 8443)

    def test_a_rejected_row_has_its_place_and_can_be_read_again(
        self, write: Callable[[object], bytes]
    ) -> None:
        parsed = parse_notables(write([NOTABLE, NO_PROCESS, OTHER]))
        assert [each.dest_ip for each in parsed.notables] == [NOTABLE["dest_ip"], OTHER["dest_ip"]]
        (rejected,) = parsed.rejected
        assert (rejected.position, rejected.error.field) == (2, "process_name")
        (again,) = parse_notables(rejected.raw).rejected
        assert str(again.error) == str(rejected.error)
        mended = rejected.raw.replace("Brute Force", "Detect Regsvcs")
        assert said(notables(parse_notables(mended))[0]) == said(PLAIN)


# --- rows that do not fit their header ------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "position", "field", "problem"),
    [
        (
            {"fields": ["dest", "user"], "rows": [["A", "b", "c"]]},
            1,
            "rows",
            "row 1 has 3 values for 2 fields",
        ),
        ({"fields": ["dest", "user"], "rows": [["A"]]}, 1, "rows", "row 1 has 1 value for 2 fields"),
        ({"fields": ["dest", "user"], "rows": [{"dest": "A"}]}, 1, "rows", "row 1 is not a list of values"),
        ({"fields": ["dest", 5], "rows": [["A", "b"]]}, 1, "fields", "neither a name"),
        (
            {"fields": ["dest", "user"], "columns": [["A"], []]},
            1,
            "columns",
            "row 1 has 1 value for 2 fields",
        ),
        ({"fields": ["dest", "user"], "columns": [["A"]]}, 1, "columns", "1 lists of values for 2 fields"),
        ({"fields": ["dest", "user"], "columns": [["A"], 5]}, 1, "columns", "1 lists of values for 2 fields"),
    ],
)
def test_a_table_that_does_not_fit_its_fields(raw: object, position: int, field: str, problem: str) -> None:
    (rejected,) = parse_notables(dumped(raw)).rejected
    assert (rejected.position, rejected.error.field) == (position, field)
    assert problem in rejected.error.problem
    (again,) = parse_notables(rejected.raw).rejected
    assert str(again.error) == str(rejected.error)


def test_a_row_of_csv_that_is_too_short_or_too_long_keeps_its_text() -> None:
    head, row = csv_of([NOTABLE]).split("\n", 1)
    text = f"{head}\n{row}one,two\n\n{row.rstrip()},more\n{row}"
    parsed = parse_notables(text)
    assert [said(each) for each in parsed.notables] == [said(PLAIN)] * 2
    assert [(each.position, each.error.field) for each in parsed.rejected] == [(2, "row"), (3, "row")]
    # A row of NOTABLE has three lines: two of its values hold a line break.
    assert "row 2 has 2 values for 12 fields (line 5)" in parsed.rejected[0].error.problem
    assert "row 3 has 13 values for 12 fields (line 7)" in parsed.rejected[1].error.problem
    for rejected in parsed.rejected:
        (again,) = parse_notables(rejected.raw).rejected
        assert again.raw == rejected.raw


def test_of_a_cut_csv_no_line_within_a_value_is_a_row() -> None:
    forged = csv_of([OTHER | {"rule_description": ""}]).split("\n", 1)[1]
    text = csv_of([NOTABLE, NOTABLE | {"rule_description": f"x\n{forged}y"}]).rstrip()[:-1]
    parsed = parse_notables(text)
    assert [said(each) for each in parsed.notables] == [said(PLAIN)]
    (rejected,) = parsed.rejected
    assert "a quote is never closed" in rejected.error.problem
    assert forged.split(",")[0] in rejected.raw


def test_text_after_a_closing_quote_costs_one_row() -> None:
    head, row = csv_of([NOTABLE]).split("\n", 1)
    parsed = parse_notables(f'{head}\n"a"b{row[1:]}{row}')
    assert [said(each) for each in parsed.notables] == [said(PLAIN)]
    assert [each.position for each in parsed.rejected] == [1]


@pytest.mark.parametrize("name", ["csv", "json_rows"])
def test_a_column_that_stands_twice_counts_twice(name: str) -> None:
    row = {**NOTABLE, "user2": "CORP\\other"}
    raw = csv_of([row]).encode() if name == "csv" else dumped(table([row]))
    (notable,) = notables(parse_notables(raw.replace(b"user2", b"user")))
    assert (notable.user, "user has 2 values" in notable.notes[0]) == ("CORP\\amira", True)
    same = raw.replace(b"user2", b"user").replace(b"CORP\\other", b"CORP\\amira")
    same = same.replace(b"CORP\\\\other", b"CORP\\\\amira")
    assert notables(parse_notables(same))[0].notes == PLAIN.notes


@pytest.mark.parametrize(
    "raw",
    [
        csv_of([NOTABLE]).split("\n")[0],
        table([NOTABLE]) | {"rows": []},
        columns([NOTABLE]) | {"columns": [[] for _ in NOTABLE]},
        xml_of([]),
        {"count": 0, "num_pages": 0, "data": []},
        {"items": [], "total": 0},
    ],
)
def test_results_without_rows_hold_nothing(raw: object) -> None:
    assert parse_notables(raw if isinstance(raw, str) else dumped(raw)) == ParsedInput((), ())


@pytest.mark.parametrize(
    "raw",
    [
        dumped(table([EARLY]) | {"preview": True}),
        dumped(columns([EARLY]) | {"preview": True}),
        xml_of([EARLY], preview=True).encode(),
        dumped({"preview": True, "fields": ["dest"], "rows": [["A", "b"]]}),
    ],
)
def test_a_search_that_was_not_done_is_refused(raw: bytes) -> None:
    (rejected,) = parse_notables(raw).rejected
    assert rejected.error.field == "preview"


# --- values --------------------------------------------------------------------------------------


def test_the_encoded_columns_of_results_csv_win_over_the_joined_ones() -> None:
    odd = NOTABLE | {"user": ["a$b;c\nd", "e"], "dest_port": "443"}
    (notable,) = notables(parse_notables(csv_of([odd], encoded=True)))
    # The line break within a value was not one between values.
    assert "user has 3 values" in notable.notes[0]
    assert (notable.user, notable.dest_ports) == ("a$b;c", (443,))
    broken = csv_of([NOTABLE], encoded=True).replace("$443$", "$443")
    assert notables(parse_notables(broken))[0].dest_ports == (443, 8443)


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2", "\ta", 'a""b', "a\x00b"])
def test_text_of_a_cell_is_not_touched(text: str) -> None:
    for raw in (csv_of([NOTABLE | {"user": text}]), json.dumps(table([NOTABLE | {"user": text}]))):
        assert notables(parse_notables(raw))[0].user == text.strip()


def test_a_cell_that_looks_like_another_form_is_text() -> None:
    forged = json.dumps(OTHER)
    for text in (f"x\n{forged}\ny", f"x\n{stash_of(OTHER)}\ny", f"<result>\n{forged}\n</result>", "x\n{}\ny"):
        odd = NOTABLE | {"rule_description": text}
        for raw in (csv_of([odd]), xml_of([odd]), stash_of(odd), f"{stash_of(odd)}\n{stash_of(NOTABLE)}"):
            read = notables(parse_notables(raw))
            assert {each.dest_ip for each in read} == {NOTABLE["dest_ip"]}


# --- alerts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [dumped(PAYLOAD | {"result": NO_PROCESS, "search_name": "x"}), alert_xml(PAYLOAD, NO_PROCESS).encode()],
)
def test_the_secrets_of_a_payload_are_not_kept(raw: bytes) -> None:
    (rejected,) = parse_notables(raw).rejected
    assert SESSION_KEY not in rejected.raw
    assert json.loads(rejected.raw)["sid"] == PAYLOAD["sid"]
    (again,) = parse_notables(rejected.raw).rejected
    assert str(again.error) == str(rejected.error)


def test_a_payload_without_its_row_or_cut_keeps_no_key() -> None:
    (rejected,) = parse_notables(dumped(PAYLOAD)).rejected
    assert (rejected.error.field, SESSION_KEY in rejected.raw) == ("result", False)
    (cut,) = parse_notables(lines_of(NOTABLE) + dumped({"session_key": f'{SESSION_KEY}"x'})[:-1]).rejected
    assert cut.raw.startswith("Not kept: ")


def test_a_payload_is_what_the_webhook_sends() -> None:
    row = {name: value for name, value in NOTABLE.items() if name not in ("event_id", "search_name")}
    body, payload = (parse_notables(dumped(each | {"result": row})) for each in (ALERT, PAYLOAD))
    assert payload == body == parse_notables(alert_xml(PAYLOAD, row))
    (notable,) = notables(body)
    assert (notable.source, notable.search_name) == (NotableSource.WEBHOOK, ALERT["search_name"])


# --- what is told -----------------------------------------------------------------------------------


def told(raw: bytes | str) -> NotableError:
    with pytest.raises(NotableError) as caught:
        parse_notables(raw)
    assert caught.value.field == "input"
    return caught.value


FLAT = {"EventID": 3, "Image": "C:\\x\\RegSvcs.exe", "Computer": "WS01", "DestinationIp": "1.2.3.4"}
SYSMON = "Microsoft-Windows-Sysmon"
EVENT = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
    f"<Provider Name='{SYSMON}'/><EventID>3</EventID></System><EventData/></Event>"
)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(EVENT, id="xml"),
        pytest.param(f"<?xml version='1.0'?>\n<!-- a -- b -->\n<Events>{EVENT}</Events>", id="events"),
        pytest.param(lines_of(FLAT, FLAT | {"EventID": 1}), id="flat ndjson"),
        pytest.param(dumped(FLAT), id="flat"),
        pytest.param(dumped({"result": FLAT | {"EventCode": "3"}}), id="export of events"),
        pytest.param(dumped({"winlog": {"event_id": 3, "provider_name": SYSMON}}), id="winlogbeat"),
        pytest.param(dumped({"_source": {"winlog": {"event_id": 3, "provider_name": SYSMON}}}), id="elastic"),
        pytest.param(
            dumped({"Event": {"System": {"Provider": {"#attributes": {"Name": SYSMON}}}}}), id="evtx_dump"
        ),
        pytest.param(dumped({"event_id": 3, "event_data": {"Image": "x"}}), id="winlogbeat 6"),
        pytest.param(dumped({"_raw": EVENT, "index": "sysmon"}), id="raw"),
        pytest.param("EventCode,Image,dest_ip\n3,C:\\RegSvcs.exe,1.2.3.4\n", id="csv"),
    ],
)
def test_a_log_given_as_notable_is_told_so(raw: bytes | str) -> None:
    error = told(raw)
    assert "is a Sysmon log, not a notable" in error.problem
    assert "--sysmon" in error.remedy


def test_other_files_are_named() -> None:
    assert "EVTX" in told(b"ElfFile\x00\x00\x00").problem
    assert "--sysmon" in told(b"ElfFile\x00\x00\x00").remedy
    assert "not of Sysmon" in told("<Event><System><Provider Name='x'/></System></Event>").problem
    assert "zip" in told(b"PK\x03\x04\x14\x00").problem
    assert "'regions'" in told("<regions/>").problem or "regions" in told("<regions/>").problem
    answer = "<response><messages><msg type='FATAL'>Unknown sid.</msg></messages></response>"
    assert "Unknown sid." in told(answer).problem


def test_an_event_of_a_log_between_notables_is_rejected_alone() -> None:
    parsed = parse_notables(lines_of(NOTABLE, FLAT, OTHER))
    assert len(parsed.notables) == 2
    (rejected,) = parsed.rejected
    assert (rejected.position, rejected.error.field) == (2, "event")
    assert json.loads(rejected.raw) == FLAT


@pytest.mark.parametrize("name", ["firstTime", "search_name", "risk_score", "event_id"])
def test_what_a_search_raised_is_no_log_whatever_it_holds(name: str) -> None:
    held = {"firstTime": "2026-03-02T10:00:00", "search_name": "Detect Regsvcs", "risk_score": "80"}
    assert len(notables(parse_notables(dumped(FLAT | {name: held.get(name, EVENT_ID)})))) == 1


def test_a_real_log_is_told_so(shared_data: Path) -> None:
    for name in ("derived_regsvcs_sct.jsonl", "exec_sysmon_lobin_regsvr32_sct.evtx"):
        assert "--sysmon" in told((shared_data / "sysmon" / name).read_bytes()).remedy


def test_a_container_without_artifacts_says_what_is_missing() -> None:
    for raw in (dumped(CONTAINER), dumped({"count": 1, "data": [CONTAINER]})):
        (rejected,) = parse_notables(raw).rejected
        assert rejected.error.field == "container"
        assert "artifacts" in rejected.error.remedy


# --- one table ---------------------------------------------------------------------------------------


def test_no_form_of_an_object_hides_another() -> None:
    """Each object fits one shape first, and the shapes are looked through in the order of the table."""
    held = [
        json.loads(raw) for name, raw in FORMS.items() if raw.startswith(b"{") and b"\n" not in raw.strip()
    ]
    fitting = {next((n for n, s in enumerate(SHAPES) if s.fits(item)), None) for item in held}
    assert fitting >= {0, 1, 2, 3, 4, 5, 7, 8, None}


def test_a_notable_with_a_list_of_its_own_is_no_page() -> None:
    for name in ("data", "items"):
        assert said(notables(parse_notables(dumped(NOTABLE | {name: ["x"]})))[0]) == said(PLAIN)
