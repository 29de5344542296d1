"""The readers of an input against anything: bounds, bombs, cut files, and properties over rows and texts."""

from __future__ import annotations

import gzip
import json
import random
import time
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.errors import NotableError
from connectors.siem.input.candidate import MAX_INPUT, MAX_NOTABLES, Candidate
from connectors.siem.input.rows import MAX_BROKEN_ROWS, MAX_CELLS, MAX_COLUMNS, MAX_HEADER, fields_of
from connectors.siem.notable import ParsedInput, parse_notables
from connectors.siem.notable_input import open_candidates, read_objects
from connectors.siem.stash import is_stash, parse_stash, split_stash
from tests.notable_forms import FORMS, NOTABLE, columns, csv_of, dumped, stash_of, table, xml_of


def refusal(raw: bytes | str) -> str:
    with pytest.raises(NotableError) as caught:
        parse_notables(raw)
    assert caught.value.field in ("input", "fields")
    assert caught.value.remedy
    return str(caught.value)


def answered(raw: bytes | str) -> ParsedInput:
    """What is read of an input; nothing of one that is refused as a whole."""
    try:
        return parse_notables(raw)
    except NotableError:
        return ParsedInput((), ())


# --- compressed ----------------------------------------------------------------------------------


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    many = gzip.compress(bytes(MAX_INPUT // 2 + 1)) * 2
    for bomb in (gzip.compress(bytes(2 * MAX_INPUT), compresslevel=1), many):
        assert len(bomb) < MAX_INPUT
        assert "8 MiB unpacked" in refusal(bomb)
    bomb = gzip.compress(bytes(8 * MAX_INPUT), compresslevel=1)
    tracemalloc.start()
    try:
        assert "8 MiB unpacked" in refusal(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_INPUT
    finally:
        tracemalloc.stop()


def test_an_input_of_the_largest_size_is_read_compressed() -> None:
    text = json.dumps(NOTABLE | {"other": ""})
    full = text.replace('"other": ""', f'"other": "{"x" * (MAX_INPUT - len(text))}"')
    assert parse_notables(gzip.compress(full.encode())).notables == parse_notables(full).notables != ()


@pytest.mark.parametrize("cut", [3, 10, 40, -9, -1])
def test_a_cut_gzip_file_is_refused(cut: int) -> None:
    assert "cut or damaged" in refusal(gzip.compress(dumped(NOTABLE))[:cut])


def test_a_damaged_gzip_file_is_refused() -> None:
    raw = bytearray(gzip.compress(dumped(NOTABLE)))
    raw[-8] ^= 1  # the checksum
    assert "cut or damaged" in refusal(bytes(raw))
    raw = bytearray(gzip.compress(dumped(NOTABLE)))
    raw[2] = 7  # the method
    assert "cut or damaged" in refusal(bytes(raw))


def test_members_of_a_gzip_file_are_one_text() -> None:
    raw = gzip.compress(csv_of([NOTABLE]).encode()) + gzip.compress(
        csv_of([NOTABLE]).split("\n", 1)[1].encode()
    )
    assert len(parse_notables(raw).notables) == 2


def test_compressed_twice_is_told() -> None:
    assert "compressed twice" in refusal(gzip.compress(gzip.compress(dumped(NOTABLE))))


# --- size ----------------------------------------------------------------------------------------


def test_a_million_columns_are_refused() -> None:
    names = "0," * 1_000_000
    assert "more than 4,096 columns" in refusal(f"dest,{names}\nx\n")
    listed = names.replace("0", '"0"')
    for rest in ('"rows":[["x"]]', '"columns":[]'):
        (rejected,) = parse_notables(f'{{"fields":[{listed[:-1]}],{rest}}}').rejected
        assert "more than 4,096 columns" in rejected.error.problem


def test_names_too_long_or_too_long_for_so_many_rows_are_refused() -> None:
    assert "names of more than" in refusal(f"dest,{'x' * MAX_HEADER}\nA,b\n")
    wide = f"dest,{'x' * (MAX_HEADER - 4)}"
    assert "too long for so many rows" in refusal(f"{wide}\n{'A,b\n' * 2100}")
    assert len(parse_notables(f"{wide}\n{'A,b\n' * 20}").rejected) == 20
    names = ["dest", "x" * (MAX_HEADER - 4)]
    (rejected,) = parse_notables(dumped({"fields": names, "rows": [["A", "b"]] * 2100})).rejected
    assert "too long for so many rows" in rejected.error.problem


def test_a_table_of_the_most_columns_is_read() -> None:
    wide = NOTABLE | {f"c{n}": "" for n in range(MAX_COLUMNS - len(NOTABLE))}
    for raw in (csv_of([wide]).encode(), dumped(table([wide])), dumped(columns([wide]))):
        assert len(parse_notables(raw).notables) == 1
    assert "columns" in refusal(csv_of([wide | {"one more": ""}]))


def test_a_table_of_too_many_cells_is_refused_as_a_whole() -> None:
    rows = MAX_CELLS // MAX_COLUMNS + 1
    names = ["dest", *(f"c{n}" for n in range(MAX_COLUMNS - 1))]
    tables = (
        {"fields": names, "columns": [["x"] * 9_900, *([] for _ in names[1:])]},
        {"fields": names, "rows": [[]] * rows},
    )
    for each in tables:
        tracemalloc.start()
        try:
            (rejected,) = parse_notables(dumped(each)).rejected
            assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
        finally:
            tracemalloc.stop()
        assert f"{MAX_CELLS:,} cells" in rejected.error.problem
        assert json.loads(rejected.raw) == each
    assert f"{MAX_CELLS:,} cells" in refusal(",".join(names) + "\n" + "a\n" * rows)


def test_rows_of_short_columns_are_rejected_together() -> None:
    names = ["dest", *(f"c{n}" for n in range(MAX_COLUMNS - 1))]
    held = [["a"] + ["x"] * 400, *(["b"] for _ in names[1:])]
    tracemalloc.start()
    try:
        parsed = parse_notables(dumped({"fields": names, "columns": held}))
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
    *_, short = parsed.rejected
    assert "rows 2 to 401 have fewer values than the 4096 fields" in short.error.problem
    assert json.loads(short.raw)["columns"][:2] == [["x"] * 400, []]
    raw = dumped({"fields": ["dest", "user"], "columns": [["A", "B"], ["u"]]})
    candidate, short_row = open_candidates(read_objects(raw))
    assert candidate.fields == {"dest": "A", "user": "u"}
    assert "row 2 has 1 value for 2 fields" in str(short_row.problem)


@pytest.mark.parametrize("form", ["rows", "columns", "csv"])
def test_one_name_of_thousands_of_columns_is_compared_once_a_cell(form: str) -> None:
    cells = [str(n) for n in range(MAX_COLUMNS)]
    raw = {
        "rows": dumped({"fields": ["dest"] * MAX_COLUMNS, "rows": [cells] * 25}),
        "columns": dumped({"fields": ["dest"] * MAX_COLUMNS, "columns": [[each] * 25 for each in cells]}),
        "csv": ("dest" + ",dest" * (MAX_COLUMNS - 1) + f"\n{','.join(cells)}" * 25).encode(),
    }[form]
    begun = time.process_time()
    candidates = open_candidates(read_objects(raw))
    assert time.process_time() - begun < 2
    assert [each.fields for each in candidates] == [{"dest": cells}] * 25


def test_values_of_one_name_are_told_apart_whatever_they_are() -> None:
    values: list[object] = ["a", "a", None, 1, 1.0, ["x"], ["x"], {"k": ["x"]}, {"k": ["y"]}, "['x']", None]
    expected = ["a", None, 1, ["x"], {"k": ["x"]}, {"k": ["y"]}, "['x']"]
    assert fields_of(["n"] * len(values), values) == {"n": expected}
    assert fields_of(["n", "n", "m"], ["a", "a", "b"]) == {"n": "a", "m": "b"}


def test_names_are_counted_as_they_are_written() -> None:
    names = ["\x01" * 60] * 1024
    (rejected,) = parse_notables(dumped({"fields": names, "rows": [[1]] * 400})).rejected
    assert "too long for so many rows" in rejected.error.problem
    assert len(rejected.raw) < 2**20


@pytest.mark.parametrize("form", ["rows", "csv"])
def test_of_many_broken_rows_the_last_ones_are_kept_together(form: str) -> None:
    bad = MAX_BROKEN_ROWS + 5
    raw = {
        "rows": dumped({"fields": ["dest", "user"], "rows": [[f"r{n}"] for n in range(bad)]}),
        "csv": ("dest,user\n" + "\n".join(f"r{n}" for n in range(bad))).encode(),
    }[form]
    parsed = parse_notables(raw)
    assert len(parsed.rejected) == MAX_BROKEN_ROWS + 1
    last = parsed.rejected[-1]
    assert "has 5 more rows" in last.error.problem
    assert all(f"r{n}" in last.raw for n in range(MAX_BROKEN_ROWS, bad))
    assert len(parse_notables(last.raw).rejected) == 5


@pytest.mark.parametrize(
    "raw",
    [
        "dest,user\n" + "A,b\n" * (MAX_NOTABLES + 1),
        "dest,user\n" + "A\n" * (MAX_NOTABLES + 1),
        json.dumps({"fields": ["dest"], "rows": [["A"]] * (MAX_NOTABLES + 1)}),
        json.dumps({"fields": ["dest"], "columns": [["A"] * (MAX_NOTABLES + 1)]}),
        json.dumps({"data": [{}] * (MAX_NOTABLES + 1)}),
        "<results>" + "<result/>" * (MAX_NOTABLES + 1) + "</results>",
        "1, a=b\n" * (MAX_NOTABLES + 1),
    ],
)
def test_too_many_rows_are_refused(raw: str) -> None:
    assert "more than 10,000" in refusal(raw)


def test_envelopes_in_envelopes_are_refused() -> None:
    data: object = NOTABLE
    for _ in range(4):
        data = {"data": [data]}
    assert len(parse_notables(dumped(data)).notables) == 1
    (rejected,) = parse_notables(dumped({"data": [data]})).rejected
    assert "wrapped more than 4 times" in rejected.error.problem
    for _ in range(400):
        data = {"items": [data]}
    assert len(parse_notables(dumped(data)).rejected) == 1
    for name in ("_source", "Event", "result", "container", "consolidated_findings"):
        raw = f'{{"{name}":' * 1000 + "{}" + "}" * 1000
        assert answered(f"[{raw}]").notables == ()


# --- XML -----------------------------------------------------------------------------------------

ROW = "<result><field k='user'><value><text>&e;</text></value></field></result>"


@pytest.mark.parametrize(
    "raw",
    [
        f"<!DOCTYPE r [<!ENTITY e 'x'>]><results>{ROW}</results>",
        f"<?xml version='1.0'?><!DOCTYPE r SYSTEM 'file:///etc/hostname'><results>{ROW}</results>",
        f"<!-- a --><!DOCTYPE results [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><results>{ROW}</results>",
        f"<results/><!DOCTYPE r [<!ENTITY a 'x'><!ENTITY e '&a;&a;&a;'>]><results>{ROW}</results>",
        f"<results><!ENTITY e 'x'>{ROW}</results>",
    ],
)
def test_a_doctype_is_refused(raw: str) -> None:
    assert "DOCTYPE" in refusal(raw)


@pytest.mark.parametrize(
    "raw",
    [
        f"<results>{ROW}</results>",  # an entity that nothing defines
        "<results><result>",
        "<results></all><all></results>",
        "<results>\x00</results>",
        "<results>\x1b[2J</results>",
        "<results a='1' a='2'/>",
        "<",
        "<<<",
        "<!--",
        "<?xml version='1.0'?>",
        "<a" * 1000,
    ],
)
def test_what_is_no_xml_is_refused(raw: str) -> None:
    assert "\x1b" not in refusal(raw)


def test_elements_nested_deep_or_in_strange_places_do_no_harm() -> None:
    assert parse_notables("<results>" + "<a>" * 200_000 + "</a>" * 200_000 + "</results>") == ParsedInput(
        (), ()
    )
    value = "<value><text>A<result><text>B</text></result></text></value>"
    row = f"<result><field k='dest'>{value}</field></result>"
    strange = f"<results><value><text>x</text></value>{row}</results>"
    (candidate,) = open_candidates(read_objects(strange))
    assert set(candidate.fields) == {"dest"}
    (candidate,) = open_candidates(read_objects("<results><result><field/></result></results>"))
    assert candidate.fields == {"": []}


# --- anything ------------------------------------------------------------------------------------

#: A flaw in the word "preview" itself would make two notables of an export.
FORM_BYTES = sorted(raw for name, raw in FORMS.items() if "previews" not in name)


@given(st.sampled_from(FORM_BYTES), st.integers(0, 2**32), st.sampled_from(["cut", "flip", "drop"]))
@settings(max_examples=120)
def test_a_damaged_form_is_answered(raw: bytes, seed: int, harm: str) -> None:
    dice = random.Random(seed)  # noqa: S311  no secret
    at = dice.randrange(len(raw))
    damaged = {
        "cut": raw[:at],
        "flip": raw[:at] + bytes([raw[at] ^ (1 << dice.randrange(8))]) + raw[at + 1 :],
        "drop": raw[:at] + raw[at + 1 + dice.randrange(40) :],
    }[harm]
    parsed = answered(damaged)
    # What is damaged within a value is still this one notable, and never two.
    assert len(parsed.notables) <= 1


@given(st.text(st.sampled_from(list('",\r\n$;a=<>{}[]&1 \x00\ud800')), max_size=40))
@example('"')
@example("a,b")
@settings(max_examples=100)
def test_any_cells_below_a_header_are_answered(text: str) -> None:
    parsed = answered(f"dest,user,__mv_user\n{text}")
    assert all(each.raw for each in parsed.rejected)


CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\n\t"), max_size=8
)
TABLES = st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4)


@given(TABLES)
@settings(max_examples=75)
def test_what_is_written_in_any_form_is_read_back(rows: list[list[str]]) -> None:
    named = [dict(zip(("dest", "user", "text"), row, strict=True)) for row in rows]
    for raw in (
        dumped(table(named)),
        dumped(columns(named)),
        csv_of(named).encode(),
        csv_of(named, newline="\r\n", encoded=True).encode(),
        xml_of(named).encode(),
    ):
        read = [candidate.fields for candidate in open_candidates(read_objects(raw))]
        # An empty line of CSV is no row.
        assert [dict(each) for each in read if any(each.values())] == [r for r in named if any(r.values())]


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6), st.integers(1, 3))
@settings(max_examples=75)
def test_rows_are_taken_or_rejected_one_by_one(rows: list[list[int]], width: int) -> None:
    names = ["dest", "user", "src"][:width]
    raw = dumped({"fields": names, "rows": rows})
    candidates = open_candidates(read_objects(raw))
    assert [candidate.problem is None for candidate in candidates] == [len(row) == width for row in rows]
    assert all(isinstance(candidate, Candidate) for candidate in candidates)


@given(st.lists(st.text(st.sampled_from(list('1, ="\\ab\n')), max_size=16), min_size=1, max_size=4))
@settings(max_examples=75)
def test_notables_of_the_index_are_never_cut_within_a_value(values: list[str]) -> None:
    texts = [stash_of({"search_name": "x", "user": value}) for value in values]
    assert split_stash("\n".join(texts), MAX_NOTABLES) == texts
    assert [parse_stash(each)["user"] for each in texts] == values


@given(st.text(st.sampled_from(list('1, ="\\ab\n')), max_size=60), st.integers(1, 5))
@settings(max_examples=75)
def test_of_any_text_of_the_index_nothing_is_lost(text: str, most: int) -> None:
    if is_stash(text):
        parts = split_stash(text, most)
        assert len(parts) <= most
        assert "".join("".join(parts).split()) == "".join(text.split())
