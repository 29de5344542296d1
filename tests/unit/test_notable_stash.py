"""The text ES keeps of a notable, as the only thing there is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import NotableError
from connectors.facts.notable import NotableSource
from connectors.siem.notable import notables_from_object
from connectors.siem.stash import is_stash, parse_stash

TEXT = (
    '1772445600, search_name="Detect Regsvcs with Network Connection", entity="WS01", entity_type="system", '
    'user="CORP\\\\amira", process_name="regsvcs.exe", src_ip="10.1.2.3", dest_ip="149.154.167.220", '
    'dest_ip="208.95.112.1", orig_tag::action="x", rule_title="say \\"regsvcs\\"", version=2.1'
)


def test_pairs_are_read() -> None:
    fields = parse_stash(TEXT)
    assert fields["user"] == "CORP\\amira"
    assert fields["dest_ip"] == ["149.154.167.220", "208.95.112.1"]
    assert fields["rule_title"] == 'say "regsvcs"'
    assert fields["orig_tag::action"] == "x"
    assert fields["version"] == "2.1"


def test_a_value_cannot_pose_as_a_key() -> None:
    fields = parse_stash('1, a="x\\", dest=\\"EVIL\\", b=\\"", dest="WS01"')
    assert fields == {"a": 'x", dest="EVIL", b="', "dest": "WS01"}


def test_a_finding_that_is_only_text_is_read() -> None:
    text = f'{TEXT}, owner="unassigned", status_label="New"'
    parsed = notables_from_object(
        {"_raw": text, "owner": "", "_time": "1772445600", "status_label": "Pending"}
    )
    assert parsed.rejected == ()
    assert [notable.dest_ip for notable in parsed.notables] == ["149.154.167.220", "208.95.112.1"]
    first = parsed.notables[0]
    assert (first.dest, first.user, first.process_name) == ("WS01", "CORP\\amira", "regsvcs.exe")
    assert (first.source, first.status) == (NotableSource.ES_FINDING, "Pending")
    assert first.owner == "unassigned"
    assert "The fields were read from the text in _raw." in first.notes


def test_the_text_is_left_alone_where_there_are_fields() -> None:
    fields = {"dest": "WS02", "process_name": "regsvcs.exe", "_raw": TEXT}
    (notable,) = notables_from_object(fields).notables
    assert (notable.dest_given, notable.dest_ip, notable.user) == ("WS02", None, "")


@pytest.mark.parametrize("raw", ["<Event><System/></Event>", "", "hello", '1, a="b', "1", TEXT[:-50]])
def test_a_text_that_is_no_notable_is_refused(raw: str) -> None:
    parsed = notables_from_object({"_raw": raw})
    (rejected,) = parsed.rejected
    assert rejected.error.field == "_raw"


def test_a_foreign_text_beside_fields_is_not_what_is_wrong() -> None:
    (rejected,) = notables_from_object({"_raw": "<Event/>", "search_name": "x"}).rejected
    assert rejected.error.field == "dest"


@given(
    st.dictionaries(
        st.text("abcdef_:.", min_size=1, max_size=8),
        st.text(st.sampled_from(list('ab",= \\\n{}')), max_size=12),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=75)
def test_what_is_written_is_read_back(fields: dict[str, str]) -> None:
    pairs = (f'{key}="{value.replace("\\", "\\\\").replace('"', '\\"')}"' for key, value in fields.items())
    assert parse_stash("1772445600, " + ", ".join(pairs)) == fields


@given(st.text(st.sampled_from(list('1, ="\\ab\n')), max_size=40))
@settings(max_examples=75)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        readable = bool(parse_stash(text))
    except NotableError as error:
        readable = error.field != "_raw"
    assert not readable or is_stash(text)
