"""The notables of a container, read over REST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from soar_sdk.app_client import AppClient

from connectors.errors import AuthRejected, BadResponse, NotableError, NotFound, TimedOut, Transient
from connectors.siem.notable import NotableSettings, parse_notables
from connectors.siem.notable_input import open_candidates
from playbooks.hosts.soar import container_notables as module
from playbooks.hosts.soar.container_notables import container_notables
from playbooks.hosts.soar.notable_artifact import notable_parcel
from playbooks.hosts.soar.soar_rest import get_row, get_rows, post_row, whole_number
from tests.soar_platform import Platform, soar_client

SETTINGS = NotableSettings()
PEER = "149.154.167.220"
CIM = {"dest": "WS01.corp.example", "process_name": "RegSvcs.exe", "dest_ip": PEER, "user": r"CORP\user01"}
CEF = {
    "destinationAddress": PEER,
    "deviceHostname": "WS01.corp.example",
    "destinationProcessName": "RegSvcs.exe",
    "sourceAddress": "10.20.4.17",
}


def _without(row: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in row.items() if key != name}


type Client = AppClient[Any]


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform().running() as running:
        yield running


@pytest.fixture(scope="module")
def client() -> Client:
    with Platform().running():
        return soar_client()


class TestReading:
    @pytest.mark.parametrize("cef", [CIM, CEF, json.dumps(CIM)], ids=["cim", "cef", "cef as text"])
    def test_names_of_either_kind(self, client: Client, platform: Platform, cef: object) -> None:
        number = platform.add_container(name="Detect Regsvcs", source_data_identifier="G@@notable@@h")
        platform.add_artifact(number, cef)
        parsed = container_notables(client, number, SETTINGS)
        (notable,) = parsed.notables
        assert (notable.dest, notable.process_name, notable.dest_ip) == (
            "WS01.corp.example",
            "RegSvcs.exe",
            PEER,
        )
        assert notable.event_id == "G@@notable@@h"
        assert notable.search_name == "Detect Regsvcs"
        assert notable.source == "soar_artifact"
        assert parsed.rejected == ()

    def test_a_host_name_in_destination_address(self, client: Client, platform: Platform) -> None:
        number = platform.add_container()
        cef = {"destinationAddress": "WS01", "dest_ip": PEER, "destinationProcessName": "RegSvcs.exe"}
        platform.add_artifact(number, cef)
        (notable,) = container_notables(client, number, SETTINGS).notables
        assert (notable.dest_given, notable.dest_ip) == ("WS01", PEER)

    def test_the_oldest_first_and_only_of_this_container(self, client: Client, platform: Platform) -> None:
        one, other = platform.add_container(), platform.add_container()
        for ip in ("1.1.1.1", "8.8.8.8"):
            platform.add_artifact(one, {**CIM, "dest_ip": ip})
        platform.add_artifact(other, CIM)
        assert [each.dest_ip for each in container_notables(client, one, SETTINGS).notables] == [
            "1.1.1.1",
            "8.8.8.8",
        ]

    def test_more_than_one_page(self, client: Client, platform: Platform) -> None:
        number = platform.add_container()
        for last in range(250):
            platform.add_artifact(number, {**CIM, "dest_ip": f"8.8.8.{last}"})
        found = container_notables(client, number, SETTINGS).notables
        assert [each.dest_ip for each in found] == [f"8.8.8.{last}" for last in range(250)]
        assert platform.requests.count("GET /rest/artifact") == 3

    def test_more_artifacts_than_are_read_is_said(
        self, client: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_ARTIFACTS", 2)
        number = platform.add_container()
        for _ in range(3):
            platform.add_artifact(number, CIM)
        found = container_notables(client, number, SETTINGS)
        assert (len(found.notables), found.rejected) == (2, ())
        assert found.left_out == "1 artifact of the container was not read."
        for _ in range(2000):
            platform.artifacts[len(platform.artifacts) + 1] = {
                **platform.artifacts[1],
                "id": len(platform.artifacts) + 1,
            }
        found = container_notables(client, number, SETTINGS)
        assert found.left_out == "2,001 artifacts of the container were not read."

    def test_the_true_notable_behind_many_others_is_read(self, client: Client, platform: Platform) -> None:
        number = platform.add_container()
        for _ in range(1500):
            platform.add_artifact(number, {"fileName": "x"})
        platform.add_artifact(number, CIM)
        found = container_notables(client, number, SETTINGS)
        assert (len(found.notables), len(found.rejected), found.left_out) == (1, 1500, "")

    def test_a_platform_that_does_not_count_is_said_too(
        self, client: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_ARTIFACTS", 1)
        number = platform.add_container()
        answer = {"num_pages": 9, "data": [{"id": 1, "container": number, "cef": CIM}]}
        platform.fails = lambda request: (
            httpx.Response(200, json=answer) if request.url.path == "/rest/artifact" else None
        )
        found = container_notables(client, number, SETTINGS)
        assert found.left_out == "The container has more than 1 artifacts; the others were not read."

    def test_the_name_of_our_own_container_is_no_search(self, client: Client, platform: Platform) -> None:
        fields = {name: value for name, value in CIM.items() if name != "search_name"}
        (candidate,) = open_candidates([fields])
        notables = parse_notables(json.dumps(fields)).notables
        parcel = notable_parcel(candidate, notables, label="events")
        number = platform.add_container(**parcel.container)
        platform.add_artifact(number, parcel.artifact["cef"], **_without(parcel.artifact, "cef"))
        (notable,) = container_notables(client, number, SETTINGS).notables
        assert parcel.container["name"] == "RegSvcs.exe on WS01.corp.example"
        assert notable.search_name == ""
        assert notable == notables[0].model_copy(update={"source": notable.source, "notes": notable.notes})

    def test_states_of_cases_are_no_notables(self, client: Client, platform: Platform) -> None:
        number = platform.add_container()
        platform.add_artifact(number, {"regsvcsState": "{}"}, label="regsvcs_case")
        with pytest.raises(NotableError, match=r"container 1 has no artifact with a notable\. Give"):
            container_notables(client, number, SETTINGS)
        platform.add_artifact(number, CIM)
        parsed = container_notables(client, number, SETTINGS)
        assert (len(parsed.notables), parsed.rejected) == (1, ())

    @pytest.mark.parametrize("cef", [None, {}, [], "x", {"fileName": "a.exe"}, 7])
    def test_an_unusable_artifact_hides_no_other(
        self, client: Client, platform: Platform, cef: object
    ) -> None:
        number = platform.add_container()
        platform.add_artifact(number, cef)
        platform.add_artifact(number, CIM)
        parsed = container_notables(client, number, SETTINGS)
        assert len(parsed.notables) == 1
        assert [each.position for each in parsed.rejected] == [1]

    def test_a_text_kept_as_unusable_is_read_again(self, client: Client, platform: Platform) -> None:
        number = platform.add_container()
        for text in (json.dumps(CIM), "{"):
            platform.add_artifact(number, {}, label="regsvcs_rejected", data={"text": text})
        parsed = container_notables(client, number, SETTINGS)
        assert [each.dest for each in parsed.notables] == ["WS01.corp.example"]
        assert parsed.rejected[0].error.problem.startswith("is no JSON")

    def test_the_policys_timezone(self, client: Client, platform: Platform) -> None:
        number = platform.add_container()
        platform.add_artifact(number, {**CIM, "firstTime": "2026-09-24T07:41:41"})
        (notable,) = container_notables(client, number, NotableSettings(timezone="Europe/Berlin")).notables
        assert notable.first_time is not None
        assert notable.first_time.utctimetuple().tm_hour == 5


class TestErrors:
    def test_no_such_container(self, client: Client, platform: Platform) -> None:
        with pytest.raises(NotableError, match="container: there is no container 99"):
            container_notables(client, 99, SETTINGS)

    @pytest.mark.parametrize(
        ("failure", "error", "says"),
        [
            (httpx.ConnectError("[Errno 111] secret detail"), Transient, "cannot be reached (ConnectError)"),
            (httpx.ReadTimeout("x"), TimedOut, "did not answer in time"),
            (httpx.Response(500, text="<html>"), Transient, "answered 500"),
            (httpx.Response(401), AuthRejected, "answered 401"),
            (httpx.Response(200, text="<html>login</html>"), BadResponse, "no JSON object"),
            (httpx.Response(200, json={"count": 1}), BadResponse, "gave no list"),
        ],
        ids=str,
    )
    def test_a_platform_that_does_not_answer(
        self,
        client: Client,
        platform: Platform,
        failure: httpx.Response | Exception,
        error: type[Exception],
        says: str,
    ) -> None:
        number = platform.add_container()
        platform.add_artifact(number, CIM)
        platform.fails = lambda request: failure if request.url.path == "/rest/artifact" else None
        with pytest.raises(error) as caught:
            container_notables(client, number, SETTINGS)
        assert says in str(caught.value)
        assert str(caught.value).startswith("soar: ")
        assert "secret" not in str(caught.value)


class TestRest:
    def test_a_list_that_never_ends_is_cut(self, client: Client, platform: Platform) -> None:
        row = {"id": 1}
        platform.fails = lambda _: httpx.Response(200, json={"num_pages": 10**9, "data": [row] * 100})
        found = get_rows(client, "rest/artifact", cap=250)
        assert (len(found.rows), found.truncated) == (250, True)
        assert len(platform.requests) == 3

    def test_an_empty_page_ends_a_list_that_promises_more(self, client: Client, platform: Platform) -> None:
        platform.fails = lambda _: httpx.Response(200, json={"num_pages": 7, "data": []})
        assert get_rows(client, "rest/artifact", cap=250) == ((), False, 0)
        assert len(platform.requests) == 1

    @pytest.mark.parametrize("count", [1, 10**9])
    def test_short_pages_of_a_list_that_promises_more_end(
        self, client: Client, platform: Platform, count: int
    ) -> None:
        answer = {"count": count, "num_pages": 10**9, "data": [{"id": 1}]}
        platform.fails = lambda _: httpx.Response(200, json=answer)
        found = get_rows(client, "rest/artifact", cap=250)
        assert (len(found.rows), found.truncated) == (3, True)
        assert found.left_out == (count - 3 if count > 3 else None)
        assert len(platform.requests) == 3

    def test_rows_that_are_no_objects_are_no_list(self, client: Client, platform: Platform) -> None:
        answer = {"data": [1], "num_pages": 10**9}
        platform.fails = lambda _: httpx.Response(200, json=answer)
        with pytest.raises(BadResponse, match="gave a list with something that is no object"):
            get_rows(client, "rest/artifact", cap=250)
        assert len(platform.requests) == 1

    def test_exactly_the_cap_is_not_cut(self, client: Client, platform: Platform) -> None:
        number = platform.add_container()
        for _ in range(3):
            platform.add_artifact(number, {})
        assert get_rows(client, "rest/artifact", cap=3).truncated is False
        assert get_rows(client, "rest/artifact", cap=2).truncated is True

    def test_a_page_larger_than_asked_for(self, client: Client, platform: Platform) -> None:
        platform.fails = lambda _: httpx.Response(200, json={"num_pages": 1, "data": [{}, {}, {}]})
        assert get_rows(client, "rest/artifact", cap=2) == (({}, {}), True, None)

    def test_what_the_platform_says_is_shown_escaped(self, client: Client, platform: Platform) -> None:
        platform.fails = lambda _: httpx.Response(404, json={"message": "no \x1b[31m" + "x" * 500})
        with pytest.raises(NotFound) as caught:
            get_row(client, "rest/container/1")
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 200

    def test_a_post_is_not_redirected(self, client: Client, platform: Platform) -> None:
        platform.fails = lambda _: httpx.Response(302, headers={"location": "https://other.example/"})
        with pytest.raises(Exception, match="answered 302"):
            post_row(client, "rest/container", {})
        assert len(platform.requests) == 1

    @pytest.mark.parametrize("value", [None, 0, -1, True, "x", "1.5", 1.5, "", "²", "9" * 5000, 10**30])
    def test_no_number(self, value: object) -> None:
        with pytest.raises(BadResponse, match="no usable id"):
            whole_number({"id": value}, "id")

    @pytest.mark.parametrize("value", [7, "7"])
    def test_a_number(self, value: object) -> None:
        assert whole_number({"id": value}, "id") == 7
