"""The hunting queries and filters of the Defender connector: no text changes what they ask."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.edr.defender import filters, queries
from connectors.edr.defender.keys import ProcessKey
from connectors.errors import InputError
from connectors.ports import Window
from tests.fakes.defender_kusto import NotKusto, run, tokens_of, unquoted
from tests.fakes.defender_odata import matches
from tests.fakes.defender_tables import COLUMNS

KEY = ProcessKey(4, "2026-01-01T00:00:00.0000001Z")
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40
) | st.sampled_from(
    ['"', "\\", '\\"', '" or 1 == 1 //', "'; drop", "\n| take 1", "a\r\nb", "\u2028", "ends in \\", '@"x"']
)


def texts_of(query: str) -> list[str]:
    return [unquoted(text) for kind, text in tokens_of(query) if kind == "text"]


def shape_of(query: str) -> list[str]:
    return ["text" if kind == "text" else text for kind, text in tokens_of(query)]


@given(TEXTS, TEXTS)
def test_texts_go_in_as_they_are_and_change_nothing_else(device: str, other: str) -> None:
    made = {
        queries.lineage: (
            queries.lineage(device, [KEY], relatives=3),
            queries.lineage("d", [KEY], relatives=3),
        ),
        queries.evidence: (queries.evidence(device, KEY, other), queries.evidence("d", KEY, "i")),
        queries.known: (queries.known(device, KEY), queries.known("d", KEY)),
        queries.children: (queries.children(device, [KEY], limit=3), queries.children("d", [KEY], limit=3)),
        queries.named: (
            queries.named(device, name=other, pid=1, window=WINDOW),
            queries.named("d", name="n", pid=1, window=WINDOW),
        ),
        queries.connected: (
            queries.connected(device, addresses=[other], port=1, name=other, pid=1, window=WINDOW),
            queries.connected("d", addresses=["a"], port=1, name="n", pid=1, window=WINDOW),
        ),
    }
    for hostile, plain in made.values():
        assert shape_of(hostile) == shape_of(plain)
        assert device in texts_of(hostile)
    assert other in texts_of(made[queries.evidence][0])
    assert texts_of(made[queries.named][0]).count(other) >= 2


@given(TEXTS, TEXTS)
def test_a_name_finds_only_the_processes_of_that_name(name: str, another: str) -> None:
    def row(file_name: str) -> dict[str, object]:
        return {
            **dict.fromkeys(COLUMNS),
            "DeviceId": "d",
            "ActionType": "ProcessCreated",
            "FileName": file_name,
            "ProcessId": 7,
            "ProcessCreationTime": "2026-01-01T00:00:00.0000000Z",
        }

    names = ("DeviceProcessEvents", "DeviceNetworkEvents", "DeviceFileEvents", "DeviceImageLoadEvents")
    tables: dict[str, list[dict[str, object]]] = {each: [] for each in (*names, "DeviceEvents")} | {
        "DeviceProcessEvents": [row(another)]
    }
    found = run(queries.named("d", name=name, pid=None, window=WINDOW), tables, COLUMNS)
    assert bool(found) == (name.lower() == another.lower())


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_no_query_can_hold_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        queries.named("d", name=text, pid=None, window=WINDOW)
    with pytest.raises(InputError):
        filters.machines_named(text)


@given(TEXTS, TEXTS)
def test_a_filter_matches_the_machine_of_the_name_alone(name: str, another: str) -> None:
    wanted = name.strip().rstrip(".").lower()
    asked = filters.machines_named(name)
    assert matches(asked, {"computerDnsName": wanted})
    expected = (
        another in {wanted, wanted.partition(".")[0]}
        if "." in wanted
        else another == wanted or another.startswith(f"{wanted}.")
    )
    assert matches(asked, {"computerDnsName": another}) == expected
    action = filters.actions_of(name)
    assert matches(action, {"machineId": name, "type": "Isolate"})
    assert not matches(action, {"machineId": name, "type": "Offboard"})
    assert matches(action, {"machineId": another, "type": "Unisolate"}) == (another == name)


@pytest.mark.parametrize(
    ("asked", "fits", "not_these"),
    [
        ("APP1", ["app1", "app1.corp.example"], ["app10", "app10.corp.example", "xapp1"]),
        (
            "app1.corp.example.",
            ["app1.corp.example", "app1"],
            ["app1.other.example", "app1.corp.example.net"],
        ),
    ],
)
def test_a_filter_never_asks_for_a_part_of_a_name(asked: str, fits: list[str], not_these: list[str]) -> None:
    filter_ = filters.machines_named(asked)
    assert all(matches(filter_, {"computerDnsName": name}) for name in fits)
    assert not any(matches(filter_, {"computerDnsName": name}) for name in not_these)


def test_the_fake_refuses_what_it_does_not_know() -> None:
    for query in (
        "Nothing | take 1",
        'T | where Nonsense == "a"',
        'T | where FileName == "a',
        "T | render x",
        "T |",
    ):
        with pytest.raises(NotKusto):
            run(query, {"T": [{"FileName": "a"}]}, COLUMNS)
