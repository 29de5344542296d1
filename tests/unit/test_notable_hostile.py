"""The parser against anything: limits, and properties over any JSON value."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import NotableError
from connectors.facts.host import same_host_name
from connectors.facts.notable import Notable
from connectors.siem.notable import ParsedInput, notables_from_object, parse_notables
from connectors.siem.notable_fields import CANDIDATES, KNOWN_NAMES, MAX_TEXT, MAX_VALUES
from connectors.siem.notable_input import MAX_INPUT, MAX_NOTABLES

USABLE: dict[str, object] = {
    "dest": "WS01",
    "user": "CORP\\amira",
    "process_name": "regsvcs.exe",
    "src_ip": "10.1.2.3",
    "dest_ip": "149.154.167.220",
    "firstTime": "2026-03-02T10:00:00",
    "lastTime": "2026-03-02T10:30:00",
    "search_name": "Detect Regsvcs with Network Connection",
    "risk_score": "80",
}


# --- limits ----------------------------------------------------------------------------------


def test_an_input_over_the_limit_is_refused() -> None:
    for raw in ("x" * (MAX_INPUT + 1), b"x" * (MAX_INPUT + 1), "é" * (MAX_INPUT // 2 + 1)):
        with pytest.raises(NotableError, match="larger than 8 MiB"):
            parse_notables(raw)


@pytest.mark.parametrize("raw", ["[" + "{}," * MAX_NOTABLES + "{}]", '{"dest":1}\n' * (MAX_NOTABLES + 1)])
def test_too_many_objects_are_refused(raw: str) -> None:
    with pytest.raises(NotableError, match="more than 10,000"):
        parse_notables(raw)


def test_addresses_do_not_go_round_the_limit() -> None:
    many = USABLE | {"dest_ip": [f"8.8.{high}.{low}" for high in range(4) for low in range(250)]}
    parsed = notables_from_object([many] * 11)
    assert len(parsed.notables) == MAX_NOTABLES
    assert [(each.position, each.error.field) for each in parsed.rejected] == [(11, "dest_ip")]


@pytest.mark.parametrize("name", ["dest", "user", "search_name", "dest_ip", "risk_object", "status"])
def test_a_field_over_the_limit_is_refused_by_name(name: str) -> None:
    too_long, too_many = "x" * (MAX_TEXT + 1), ["x"] * (MAX_VALUES + 1)
    for value in (too_long, [too_long], too_many, json.dumps(too_many)):
        (rejected,) = notables_from_object(USABLE | {name: value}).rejected
        assert rejected.error.field == name


def test_a_thousand_mistakes_do_not_fill_the_report() -> None:
    (notable,) = notables_from_object(
        USABLE | {"dest_port": [f"p{number}" for number in range(1000)]}
    ).notables
    assert len(notable.notes) == 32
    assert notable.notes[-1] == "969 further notes were left out."


def test_an_event_id_over_the_limit_is_refused() -> None:
    (rejected,) = notables_from_object(USABLE | {"event_id": "x" * 1025}).rejected
    assert rejected.error.field == "event_id"


@pytest.mark.parametrize("name", ["_raw", "drilldown_searches", "description", "orig_raw"])
def test_fields_that_are_not_read_may_be_long(name: str) -> None:
    plain, long = notables_from_object(USABLE), notables_from_object(USABLE | {name: "x" * 100_000})
    assert plain == long


def test_nesting_is_refused_or_left_out() -> None:
    with pytest.raises(NotableError, match="is no JSON"):
        parse_notables("[" * 100_000)
    deep: object = "WS02"
    for _ in range(500):
        deep = [deep]
    (notable,) = notables_from_object(USABLE | {"user": deep, "other": deep}).notables
    assert notable.user == ""
    assert "lists nested more than 4 deep" in notable.notes[0]
    raw = orjson.dumps(USABLE)[:-1] + b',"dest":' + b"[" * 600 + b"1" + b"]" * 600 + b"}"
    (notable,) = parse_notables(raw).notables
    assert notable.dest == ""
    assert "lists nested more than 4 deep" in notable.notes[0]


def test_objects_that_are_no_json_do_no_harm() -> None:
    circle: list[object] = []
    circle.append(circle)
    strange = {"dest": circle, 1: {2}, "user": object(), "count": 10**5000, "user_id": "\ud800"}
    (rejected,) = notables_from_object([strange]).rejected
    assert rejected.error.field == "dest"
    assert "cannot be written as JSON" in rejected.raw
    (notable,) = notables_from_object(USABLE | {"user": "a\ud800"}).notables
    assert notable.user == ""


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    raw = orjson.dumps(USABLE)[:-1] + b',"dest":"WS09"}'
    assert parse_notables(raw).notables[0].dest == "WS09"


# --- properties ------------------------------------------------------------------------------

NAMES = sorted(
    KNOWN_NAMES | {"_raw", "artifacts", "container", "cef", "result", "results", "preview", "sid", "name"}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(
        [
            "WS01",
            "ws01.corp.example",
            "regsvcs.exe",
            "8.8.8.8",
            "::1",
            "system",
            "user",
            '["a", "b"]',
            "[",
            "-",
        ]
    ),
    st.sampled_from(["2026-03-02T10:00:00", "1772445600", "9223372036854775808", "+Infinity", '1, a="b"']),
)
KEYS = st.one_of(st.sampled_from(NAMES), st.text(max_size=3))
#: What a caller may hand over although JSON text cannot say it.
NO_JSON = st.one_of(st.integers(), st.sampled_from([float("nan"), float("inf"), 2**63, 2**64, -(2**70)]))


def trees(leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Any value made of these leaves, with keys that are often names of fields."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=8)),
        max_leaves=25,
    )


WEIRD_FIELDS = st.dictionaries(st.sampled_from(NAMES), trees(SCALARS), max_size=5)


def answer(data: object) -> object:
    """What the parser says, in a form that can be compared."""
    try:
        parsed = notables_from_object(data)
    except NotableError as error:
        return (error.field, error.problem)
    return (parsed.notables, [(each.raw, each.error.field, each.error.problem) for each in parsed.rejected])


@given(trees(st.one_of(SCALARS, NO_JSON)))
@settings(max_examples=125)
def test_any_json_is_answered_and_always_alike(data: object) -> None:
    assert answer(data) == answer(data)


@given(WEIRD_FIELDS)
@settings(max_examples=125)
def test_any_fields_beside_usable_ones_are_answered(fields: dict[str, object]) -> None:
    data = [USABLE | fields]
    parsed = notables_from_object(data)
    if not {"artifacts", "cef", "result", "results", "preview"} & fields.keys():
        assert parsed.notables or parsed.rejected
        for rejected in parsed.rejected:
            assert orjson.loads(rejected.raw) == data[0]
    for notable in parsed.notables:
        assert Notable.model_validate(notable.model_dump()) == notable
        assert notable.event_id


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60)))
@settings(max_examples=100)
def test_any_bytes_are_answered(raw: bytes | str) -> None:
    try:
        parsed = parse_notables(raw)
    except NotableError as error:
        field = error.field
    else:
        field = "input" if parsed == ParsedInput((), ()) else "not empty"
    # Nothing this short is a notable: it is refused as a whole, or an empty list.
    assert field == "input"


@given(st.permutations(list(USABLE)), st.sets(st.sampled_from(list(USABLE))), st.booleans())
@settings(max_examples=60)
def test_neither_order_nor_a_list_of_one_changes_anything(
    order: list[str], listed: set[str], text: bool
) -> None:
    def shaped(name: str) -> object:
        value = USABLE[name]
        if name not in listed:
            return value
        return json.dumps([value]) if text else [value]

    assert notables_from_object({name: shaped(name) for name in order}) == notables_from_object(USABLE)


@given(
    st.lists(
        st.sampled_from(["ws1", "WS1", "ws1.a.example", "ws1.b.example", "ws10", "Ws10.a.example."]),
        min_size=1,
    )
)
def test_the_hosts_are_those_that_no_other_name_covers(names: list[str]) -> None:
    (notable,) = notables_from_object(USABLE | {"dest": names}).notables
    hosts = (notable.dest, *notable.other_dests)
    assert set(hosts) <= set(names)
    assert all(any(same_host_name(name, host) for host in hosts) for name in names)
    for host in hosts:
        assert not any(same_host_name(host, other) for other in hosts if other is not host)


def test_every_name_is_read_for_one_field_only() -> None:
    names = [name for tiers in CANDIDATES.values() for tier in tiers for name in tier]
    # What the SIEM's own risk stands on is read for that, and as what `dest` was.
    twice = {"entity[system]", "risk_object[system]"}
    assert {name for name in names if names.count(name) > 1} == twice
    machine = {name for tier in (*CANDIDATES["machine"], *CANDIDATES["dest"]) for name in tier}
    assert not {"dest_host", "DestinationHostname"} & machine
