"""What was asked, as a person sees it: named in a line, whole beside it, and nothing of it obeyed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from playbooks.report.display import is_hidden
from playbooks.report.source_queries import NAMED_LIMIT, QUERIES_SHOWN, WHOLE_LIMIT, queries, query
from tests.report_cases import stealer_lineage

KUSTO = "let P = DeviceProcessEvents\n| where DeviceId == 'x'\n| take 5"


def test_a_short_reading_is_its_own_name() -> None:
    assert (query("Sysmon events 1, 3").named, query("Sysmon events 1, 3").whole) == (
        "Sysmon events 1, 3",
        "",
    )


def test_a_query_of_lines_is_named_by_its_first_and_whole_with_its_line_breaks() -> None:
    told = query(KUSTO)
    assert told.named == f"let P = DeviceProcessEvents (3 lines, {len(KUSTO)} characters)"
    assert told.whole == KUSTO
    assert query(KUSTO.replace("\n", "\r\n")).whole == KUSTO


def test_a_long_line_is_whole_as_well() -> None:
    search = "search " + "index=main " * 300
    told = query(search)
    assert told.whole == search
    assert len(told.named) < NAMED_LIMIT + 40


def test_the_first_ones_are_shown() -> None:
    many = stealer_lineage().model_copy(update={"source_queries": tuple(f"q{n}" for n in range(30))})
    assert [each.named for each in queries(many)] == [f"q{n}" for n in range(QUERIES_SHOWN)]
    assert queries(None) == ()


@given(st.text(max_size=300) | st.integers(1, 400).map(lambda n: "line\x1b[2J\n" * n * 20))
def test_whatever_was_asked_is_bounded_and_nothing_in_it_is_obeyed(text: str) -> None:
    told = query(text)
    assert len(told.whole) <= WHOLE_LIMIT + 80
    assert [char for char in told.named if is_hidden(char)] == []
    assert [char for char in told.whole if char != "\n" and is_hidden(char)] == []
