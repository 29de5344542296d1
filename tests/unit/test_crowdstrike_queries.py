"""What is sent to Falcon: nothing that is put in can change what is asked."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.edr.crowdstrike import queries
from connectors.edr.crowdstrike.reading_proof import doubt, same_search, stages
from connectors.errors import InputError
from tests.fakes.crowdstrike_cql import NotCql, pattern, run
from tests.fakes.crowdstrike_fql import matches

AID = "0123456789abcdef0123456789abcdef"

HOSTILE = st.text(
    alphabet=st.one_of(st.sampled_from("\"'\\/*|()[]{}=,. \n\t$^aA1"), st.characters()), max_size=30
)


def is_holdable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


@settings(max_examples=1000)
@given(HOSTILE.filter(is_holdable))
@example('x"/i | tail(1) | select([aid])')
@example("a/ or aid=/.*/")
@example("regsvcs.exe*")
def test_an_image_name_finds_itself_and_nothing_else(name: str) -> None:
    search = queries.processes_named(AID, name, rows=10)
    assert len(stages(search)) == 4
    event = {"#event_simpleName": "ProcessRollup2", "aid": AID, "@timestamp": 1}
    path = f"\\Device\\HarddiskVolume3\\Temp\\{name}"
    assert len(run(search, [event | {"ImageFileName": path}])) == 1
    assert (
        run(search, [event | {"ImageFileName": f"{path}x"}, event | {"ImageFileName": f"C:\\-{name}"}]) == []
    )


@settings(max_examples=500)
@given(HOSTILE.filter(is_holdable).filter(lambda text: text != ""))
def test_a_path_finds_itself(path: str) -> None:
    search = queries.activity_of(AID, "17", [path], rows=10)
    assert len(stages(search)) == 4
    event = {"#event_simpleName": "PeFileWritten", "aid": AID, "@timestamp": 1, "TargetFileName": path}
    assert len(run(search, [event, event | {"TargetFileName": f"{path}x"}])) == 1


@given(HOSTILE)
def test_no_id_is_sent_that_is_none(text: str) -> None:
    if re.fullmatch(r"[0-9A-Za-z.:_-]{1,100}", text):
        return
    with pytest.raises(InputError):
        queries.processes_by_id(text, ["1"])


def test_a_nul_is_refused() -> None:
    with pytest.raises(InputError):
        queries.processes_named(AID, "a\0.exe", rows=10)


@settings(max_examples=500)
@given(HOSTILE.filter(is_holdable).filter(lambda text: "*" not in text))
@example("APP1',hostname:'APP10")
@example("APP1\\")
def test_a_host_name_matches_itself(name: str) -> None:
    try:
        wanted = queries.hosts_named(name)
    except InputError:
        return
    whole = name.strip().rstrip(".")
    assert matches(wanted, {"hostname": whole})
    assert not matches(wanted, {"hostname": f"{whole}0"})


def test_a_host_name_with_a_wildcard_is_refused() -> None:
    with pytest.raises(InputError):
        queries.hosts_named("APP*")


@pytest.mark.parametrize("name", ["", " ", "."])
def test_an_empty_host_name_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        queries.hosts_named(name)


def test_app1_is_not_app10() -> None:
    wanted = queries.hosts_named("app1")
    assert matches(wanted, {"hostname": "APP1"})
    assert not matches(wanted, {"hostname": "APP10"})


def test_an_fqdn_asks_for_the_first_label_too() -> None:
    assert matches(queries.hosts_named("ws1.corp.example"), {"hostname": "WS1"})


@pytest.mark.parametrize("ip", ["", "1.2.3", "10.0.0.5'"])
def test_only_addresses_are_asked_for(ip: str) -> None:
    with pytest.raises(InputError):
        queries.hosts_with_address(ip)
    with pytest.raises(InputError):
        queries.connections_with(AID, ip, rows=10)


@pytest.mark.parametrize(
    "spelled", ["2001:db8::7", "2001:db8:0:0:0:0:0:7", "2001:0db8:0000:0000:0000:0000:0000:0007"]
)
def test_an_ipv6_address_is_found_in_any_usual_spelling(spelled: str) -> None:
    event = {
        "#event_simpleName": "NetworkConnectIP6",
        "aid": AID,
        "@timestamp": 1,
        "RemoteAddressIP6": spelled,
    }
    assert len(run(queries.connections_with(AID, "2001:DB8::7", rows=10), [event])) == 1


def test_the_own_address_is_looked_for_in_inbound_connections_alone() -> None:
    outbound = {
        "#event_simpleName": "NetworkConnectIP4",
        "aid": AID,
        "@timestamp": 1,
        "LocalAddressIP4": "10.0.0.5",
    }
    inbound = outbound | {"#event_simpleName": "NetworkReceiveAcceptIP4"}
    found = run(queries.connections_with(AID, "10.0.0.5", rows=10), [outbound, inbound])
    assert [each["#event_simpleName"] for each in found] == ["NetworkReceiveAcceptIP4"]


def test_a_search_of_one_agent_is_of_one_agent() -> None:
    event = {"#event_simpleName": "ProcessRollup2", "aid": "f" * 32, "TargetProcessId": "1", "@timestamp": 1}
    assert run(queries.processes_by_id(AID, ["1"]), [event]) == []
    assert len(run(queries.processes_by_id(AID, ["1"]), [event | {"aid": AID}])) == 1


# --- whether a search was read as written ----------------------------------------------------------


EVERY_SEARCH = [
    queries.processes_by_id(AID, ["1", "2"]),
    queries.children_of(AID, ["1", "2"], rows=5),
    queries.processes_named(AID, "regsvcs.exe", rows=5),
    queries.connections_with(AID, "203.0.113.9", rows=5),
    queries.connections_with(AID, "2001:db8::7", rows=5),
    queries.activity_of(AID, "1", ["C:\\a|b.exe"], rows=5),
    queries.recorded_kinds(AID),
    queries.version_infos(AID, ["AB" * 32]),
    queries.probe(),
]


@pytest.mark.parametrize("search", EVERY_SEARCH)
def test_a_search_is_the_same_however_it_is_spaced(search: str) -> None:
    assert same_search(search, search)
    assert same_search(search, search.replace(", ", ",").replace(" | ", "\n| "))
    assert same_search(search, search.rpartition(" | ")[0])  # without the last stages
    run(search, [])


@pytest.mark.parametrize("search", EVERY_SEARCH)
def test_a_search_that_was_read_as_free_text_is_another(search: str) -> None:
    assert not same_search(search, " | ".join(search.split()))
    assert not same_search(search, search.replace("aid", "").replace(AID, ""))
    assert not same_search(search, f"{search} | aid")
    assert not same_search(search, "")


def test_quotes_may_be_normalised() -> None:
    assert same_search(
        '#event_simpleName="A" aid="b" | tail(1)', "#event_simpleName=A AND aid=b|tail(limit=1)"
    )
    assert not same_search("a | limit 5", "a | limit | 5")


SEARCH = queries.processes_by_id(AID, ["1"])


@pytest.mark.parametrize(
    ("answer", "rows", "doubted"),
    [
        ({"metaData": {"filterQuery": {"queryString": SEARCH}, "processedEvents": 0}}, 0, False),
        ({"metaData": {"processedEvents": 12}}, 0, False),
        ({"metaData": {"processedEvents": 0}}, 0, True),
        ({}, 0, True),
        ({}, 3, False),
        ({"metaData": {"filterQuery": {"queryString": "a | b"}, "processedEvents": 12}}, 3, True),
        ({"metaData": "none", "filterQuery": []}, 0, True),
    ],
)
def test_no_rows_are_none_only_where_it_is_shown(answer: dict[str, object], rows: int, doubted: bool) -> None:
    assert bool(doubt(SEARCH, answer, rows=rows)) is doubted


@given(st.text(max_size=200))
def test_reading_back_never_raises(text: str) -> None:
    stages(text)
    same_search(SEARCH, text)


def test_the_fake_takes_nothing_else_for_cql() -> None:
    for search in ("SELECT * FROM x", "a | limit 5", 'a="x" |', "tail()", 'a="x'):
        with pytest.raises(NotCql):
            run(search, [])
    assert pattern("/^a\\x{2e}b$/i").fullmatch("A.b")
