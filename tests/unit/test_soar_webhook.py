"""The webhook: who may send, what is kept and how, and that nothing is answered before it is kept."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soar_sdk.app_client import AppClient
from soar_sdk.shims.phantom_common.app_interface.app_interface import SoarRestClient
from soar_sdk.webhooks.models import WebhookRequest

from connectors.errors import ConnectorError
from connectors.facts.notable import Notable
from connectors.siem.notable import parse_notables
from playbooks.hosts.soar.app import app
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.container_notables import container_notables
from playbooks.hosts.soar.notable_artifact import MAX_NAME
from playbooks.hosts.soar.webhook import _REASONS, MAX_BODY, MAX_OBJECTS, answer
from playbooks.settings import Settings
from tests.soar_app import ASSET_ID  # sets the folder the SDK keeps state in
from tests.soar_platform import Platform, soar_client

SECRET = "a-secret-of-this-test"
EVENT = "4E1B7C0A@@notable@@c4ca4238"
PEER = "149.154.167.220"


type Send = Callable[..., tuple[int, dict[str, Any]]]
type Client = AppClient[Any]


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform().running() as running:
        yield running


@pytest.fixture(scope="module")
def client() -> Client:
    with Platform().running():
        return soar_client()


@pytest.fixture
def send(platform: Platform, client: Client) -> Send:
    def _send(
        body: object, *, secret: str | None = SECRET, asset: dict[str, object] | None = None
    ) -> tuple[int, dict[str, Any]]:
        request = WebhookRequest[Asset](
            method="POST",
            headers={} if secret is None else {"X-Webhook-Secret": secret},
            path_parts=["notable"],
            query={},
            body=body if isinstance(body, str) or body is None else json.dumps(body),
            asset=Asset.model_validate({"webhook_secret": SECRET, **(asset or {})}),
            soar_base_url="https://localhost:9999",
            soar_auth_token="session",
            asset_id=int(ASSET_ID),
        )
        response = answer(request, client)
        assert SECRET not in response.content
        return response.status_code, json.loads(response.content)

    return _send


def es_notable(**fields: object) -> dict[str, object]:
    base: dict[str, object] = {
        "event_id": EVENT,
        "search_name": "ESCU - Detect Regsvcs with Network Connection - Rule",
        "dest": "WS01.corp.example",
        "user": r"CORP\user01",
        "process_name": "RegSvcs.exe",
        "src_ip": "10.20.4.17",
        "dest_ip": PEER,
        "firstTime": "2026-09-24T07:41:41",
        "lastTime": "2026-09-24T07:44:42",
        "urgency": "high",
        "risk_message": "An instance of RegSvcs.exe ...",
    }
    return {**base, **fields}


class TestWhoMaySend:
    @pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + " ", SECRET[:-1], "\udcff"])
    def test_a_wrong_or_missing_secret_reaches_nothing(
        self, send: Send, platform: Platform, secret: str | None
    ) -> None:
        assert send(es_notable(), secret=secret) == (
            401,
            {"error": "the header X-Webhook-Secret does not hold the secret of this asset"},
        )
        assert platform.requests == []

    @pytest.mark.parametrize("empty", [None, ""])
    def test_an_asset_without_secret_refuses_everything(
        self, send: Send, platform: Platform, empty: str | None
    ) -> None:
        assert send(es_notable(), secret="", asset={"webhook_secret": empty})[0] == 401
        assert send(es_notable(), secret=None, asset={"webhook_secret": empty})[0] == 401
        assert platform.requests == []

    def test_the_header_in_any_spelling_but_not_with_two_values(
        self, client: Client, platform: Platform
    ) -> None:
        def status(headers: dict[str, str]) -> int:
            request = WebhookRequest[Asset](
                method="POST",
                headers=headers,
                path_parts=["notable"],
                query={},
                body=json.dumps(es_notable()),
                asset=Asset.model_validate({"webhook_secret": SECRET}),
                soar_base_url="",
                soar_auth_token="",
                asset_id=7,
            )
            return answer(request, client).status_code

        assert status({"x-webhook-SECRET": SECRET}) == 201
        assert status({"x-webhook-secret": SECRET, "X-Webhook-Secret": "other"}) == 401


class TestKept:
    def test_a_notable_is_a_container_with_one_artifact(self, send: Send, platform: Platform) -> None:
        status, content = send(es_notable())
        assert (status, content) == (
            201,
            {
                "kept": [{"position": 1, "event_id": EVENT, "container_id": 1, "already_kept": False}],
                "rejected": [],
            },
        )
        (container,) = platform.containers.values()
        assert container["name"] == (
            "ESCU - Detect Regsvcs with Network Connection - Rule on WS01.corp.example"
        )
        assert container["label"] == "events"
        assert container["source_data_identifier"] == EVENT
        assert container["asset"] == int(ASSET_ID)
        assert container["run_automation"] is False
        (artifact,) = platform.artifacts.values()
        assert artifact["run_automation"] is True
        assert artifact["data"] == es_notable()
        assert artifact["start_time"] == "2026-09-24T07:41:41.000000Z"
        cef = artifact["cef"]
        given = {
            name: cef[name] for name in ("dest", "dest_ip", "src_ip", "user", "process_name", "event_id")
        }
        assert given == {name: es_notable()[name] for name in given}
        assert cef["destinationAddress"] == PEER
        assert cef["sourceAddress"] == "10.20.4.17"
        assert cef["deviceHostname"] == "WS01.corp.example"
        assert "destinationHostName" not in cef
        assert cef["risk_message"] == "An instance of RegSvcs.exe ..."
        assert artifact["cef_types"]["dest_ip"] == ["ip"]

    def test_label_of_the_asset(self, send: Send, platform: Platform) -> None:
        send(es_notable(), asset={"container_label": "regsvcs"})
        assert platform.containers[1]["label"] == "regsvcs"

    def test_a_second_delivery_adds_nothing(self, send: Send, platform: Platform) -> None:
        first, second = send(es_notable()), send(es_notable(status="2", owner="ann", urgency="low"))
        assert (first[0], second[0]) == (201, 200)
        assert second[1]["kept"] == [
            {"position": 1, "event_id": EVENT, "container_id": 1, "already_kept": True}
        ]
        assert (len(platform.containers), len(platform.artifacts)) == (1, 1)
        assert platform.requests.count("POST /rest/artifact") == 0

    def test_another_object_of_the_same_event_is_not_lost(self, send: Send, platform: Platform) -> None:
        status, content = send([es_notable(), es_notable(dest_ip="8.8.4.4"), es_notable()])
        assert status == 201
        assert [each["container_id"] for each in content["kept"]] == [1, 1, 1]
        assert [each["already_kept"] for each in content["kept"]] == [False, False, True]
        assert [each["cef"]["dest_ip"] for each in platform.artifacts.values()] == [PEER, "8.8.4.4"]

    @pytest.mark.parametrize("status", [200, 400])
    def test_a_container_of_a_delivery_at_the_same_time(
        self, send: Send, platform: Platform, status: int
    ) -> None:
        platform.duplicate_status = status
        hidden: list[httpx.Request] = []

        def not_seen_yet(request: httpx.Request) -> httpx.Response | None:
            if request.method == "GET" and request.url.path == "/rest/container" and not hidden:
                hidden.append(request)
                send(es_notable())
                return httpx.Response(200, json={"count": 0, "num_pages": 0, "data": []})
            return None

        platform.fails = not_seen_yet
        code, content = send(es_notable())
        assert code == 200
        assert content["kept"][0] == {
            "position": 1,
            "event_id": EVENT,
            "container_id": 1,
            "already_kept": True,
        }
        assert len(platform.artifacts) == 1

    def test_a_container_of_another_asset_is_not_ours(self, send: Send, platform: Platform) -> None:
        platform.add_container(source_data_identifier=EVENT, asset=99)
        assert send(es_notable())[1]["kept"][0]["container_id"] == 2

    def test_a_filter_that_the_platform_ignores_hides_no_notable(
        self, send: Send, platform: Platform
    ) -> None:
        platform.add_container(source_data_identifier="other")

        def unfiltered(request: httpx.Request) -> httpx.Response | None:
            if request.method == "GET":
                rows = list((platform.containers if "container" in request.url.path else {}).values())
                return httpx.Response(200, json={"count": len(rows), "num_pages": 1, "data": rows})
            return None

        platform.fails = unfiltered
        assert send(es_notable())[1]["kept"][0]["container_id"] == 2

    def test_a_container_whose_artifact_was_refused_is_not_called_kept(
        self, send: Send, platform: Platform
    ) -> None:
        platform.artifact_error = "no"

        def refuse_artifacts(request: httpx.Request) -> httpx.Response | None:
            if request.method == "POST" and request.url.path == "/rest/artifact":
                return httpx.Response(400, json={"failed": True, "message": "bad artifact"})
            return None

        platform.fails = refuse_artifacts
        status, content = send(es_notable())
        assert status == 503
        assert content["not_kept"][0]["reason"] == "the platform refused it"
        platform.fails = lambda _: None
        assert send(es_notable())[0] == 201  # the container was there, its artifact was not
        assert len(platform.containers) == len(platform.artifacts) == 1

    def test_its_artifact_in_another_container_does_not_count(self, send: Send, platform: Platform) -> None:
        send(es_notable())
        elsewhere = platform.add_container(asset=99)
        platform.artifacts[1]["container"] = elsewhere
        assert send(es_notable())[0] == 201
        assert [each["container"] for each in platform.artifacts.values()] == [elsewhere, 1]


class TestShapes:
    def test_splunks_webhook_body(self, send: Send, platform: Platform) -> None:
        body = {"sid": "1", "search_name": "Detect Regsvcs", "owner": "admin", "result": es_notable(owner="")}
        assert send(body)[0] == 201
        assert platform.artifacts[1]["cef"]["dest_ip"] == PEER
        assert platform.artifacts[1]["data"] == body
        assert "owner" not in platform.artifacts[1]["cef"]

    def test_the_text_of_a_notable_alone(self, send: Send, platform: Platform) -> None:
        fields = {
            "search_name": "Detect Regsvcs",
            "dest": "WS01",
            "process_name": "RegSvcs.exe",
            "dest_ip": PEER,
        }
        raw = "1790236200, " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
        assert send({"_raw": raw})[0] == 201
        cef = platform.artifacts[1]["cef"]
        assert (cef["dest"], cef["dest_ip"], cef["search_name"]) == ("WS01", PEER, "Detect Regsvcs")

    def test_no_event_id_gives_a_stable_one_that_is_not_taken_for_the_siems(
        self, send: Send, platform: Platform, client: Client
    ) -> None:
        without = es_notable()
        del without["event_id"]
        assert send(without)[0] == 201
        assert send(dict(reversed(without.items())))[0] == 200
        identifier = platform.containers[1]["source_data_identifier"]
        assert identifier.startswith("derived:")
        assert "event_id" not in platform.artifacts[1]["cef"]
        (read,) = container_notables(client, 1, Settings().notable).notables
        assert read.event_id == identifier
        assert "event_id" in [each.field for each in read.missing]

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"dest_ip": [PEER, "8.8.4.4"], "user": [r"CORP\a", r"CORP\b"]},
            {"dest_ip": "2001:DB8::1", "src_ip": "::ffff:10.0.0.1"},
            {"dest": ["WS01", "WS01.corp.example", "10.20.4.17"]},
            {"dest": "10.20.4.17"},
            {"direction": "inbound", "dest_port": "443", "dest_ports": ["443", "80"]},
            {"dest_ip": None, "src_ip": ""},
            {"process_name": None},
            {"event_id": 'x" or 1=1 \\ \u202e' + "y" * 300},
            {"event_id": "4688"},
            {"user": "a\x00b"},
        ],
        ids=str,
    )
    def test_what_is_kept_reads_as_what_was_sent(
        self, send: Send, platform: Platform, client: Client, fields: dict[str, object]
    ) -> None:
        body = json.dumps(es_notable(**fields))
        assert send(body)[0] == 201
        assert "\x00" not in json.dumps(platform.artifacts[1]).replace("\\u0000", "\x00")

        def told(notables: tuple[Notable, ...]) -> list[dict[str, object]]:
            left_out = {"source", "notes"}
            return [each.model_dump(exclude=left_out) for each in notables]

        sent = parse_notables(body.replace("\\u0000", "\ufffd")).notables
        read = container_notables(client, 1, Settings().notable).notables
        assert told(read) == told(sent)

    def test_a_container_of_another_soar(self, send: Send, platform: Platform) -> None:
        fields = es_notable()
        del fields["event_id"], fields["search_name"]
        artifact = {"cef": fields, "label": "event"}
        container = {"name": "Detect Regsvcs", "source_data_identifier": "G@@notable@@h"}
        assert send({"container": container, "artifacts": [artifact]})[1]["kept"][0]["event_id"] == (
            "G@@notable@@h"
        )
        cef = platform.artifacts[1]["cef"]
        assert (cef["event_id"], cef["search_name"]) == ("G@@notable@@h", "Detect Regsvcs")
        assert not any("[" in name for name in cef)

    def test_rows_of_a_search_that_was_not_done_are_unusable(self, send: Send, platform: Platform) -> None:
        status, content = send({"preview": True, "results": [es_notable()]})
        assert (status, content["rejected"][0]["field"]) == (400, "preview")

    @pytest.mark.parametrize("event_id", ['x" or ""="', "a b", "\u202e", "y" * 201, "ü"], ids=ascii)
    def test_an_id_that_is_no_plain_text_is_not_put_into_a_filter(
        self, send: Send, platform: Platform, event_id: str
    ) -> None:
        assert [send(es_notable(event_id=event_id))[0] for _ in range(2)] == [201, 200]
        assert platform.containers[1]["source_data_identifier"].startswith("sha256:")
        assert platform.artifacts[1]["cef"]["event_id"] == event_id

    def test_a_policys_timezone_is_used(self, send: Send, platform: Platform) -> None:
        send(es_notable(), asset={"policy": '[notable]\ntimezone = "Europe/Berlin"\n'})
        assert platform.artifacts[1]["start_time"] == "2026-09-24T05:41:41.000000Z"

    def test_a_broken_policy_costs_no_notable(self, send: Send, platform: Platform) -> None:
        status, content = send(es_notable(), asset={"policy": "timezone ="})
        assert status == 201
        assert content["warning"].startswith("The policy of the asset cannot be used, so the defaults hold: ")
        assert len(platform.containers) == 1


class TestUnusable:
    def test_of_a_list_the_usable_ones_are_kept_and_the_other_is_kept_as_text(
        self, send: Send, platform: Platform
    ) -> None:
        bad = {"event_id": "e2", "dest": "WS02", "process_name": "regsvcs.exe", "dest_ip": "10.0.0.300"}
        status, content = send([es_notable(), bad, 7])
        assert status == 201
        assert [each["position"] for each in content["kept"]] == [1]
        first, second = content["rejected"]
        assert (first["position"], first["field"], first["container_id"]) == (2, "dest_ip", 2)
        assert first["problem"].startswith("dest_ip: '10.0.0.300' is not an IP address")
        assert (second["position"], second["field"]) == (3, "input")
        assert platform.containers[2]["severity"] == "low"
        (artifact,) = platform.artifacts_of(2)
        assert artifact["run_automation"] is False
        assert json.loads(artifact["data"]["text"]) == bad
        assert artifact["label"] == "regsvcs_rejected"

    def test_alone_it_is_400_and_kept_once(self, send: Send, platform: Platform) -> None:
        for already in (False, True):
            status, content = send({"dest": "WS02", "process_name": "regsvcs.exe", "dest_ip": "10.0.0.300"})
            assert status == 400
            assert content["error"].startswith("dest_ip: ")
            assert content["rejected"][0]["already_kept"] is already
        assert len(platform.containers) == len(platform.artifacts) == 1

    @pytest.mark.parametrize(
        "body",
        [
            "{",
            '{"a": NaN}',
            '"text"',
            "[" * 100_000,
            '{"dest": "\\ud800"}',
            "\udcff\udcfe",
            "<xml/>",
            "\x00\x01",
            '{"other": 1}',
        ],
        ids=["broken", "nan", "text", "deep", "surrogate", "invalid utf-8", "xml", "nul", "no notable"],
    )
    def test_what_is_no_notable_at_all_is_kept_as_it_came(
        self, send: Send, platform: Platform, body: str
    ) -> None:
        status, content = send(body)
        assert status == 400
        assert content["error"].startswith("input: ")
        (artifact,) = platform.artifacts.values()
        clean = body.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        assert artifact["data"]["text"] == clean

    @pytest.mark.parametrize("body", [None, "", " \n", "[]", '{"results": []}'])
    def test_nothing_to_keep(self, send: Send, platform: Platform, body: str | None) -> None:
        status, content = send(body)
        assert (status, content["error"].partition(":")[0]) == (400, "input")
        assert platform.requests == []

    @pytest.mark.parametrize("depth", [31, 60, 300, 1000])
    def test_deep_json_inside_a_usable_notable_is_kept_whole(
        self, send: Send, platform: Platform, depth: int
    ) -> None:
        body = json.dumps(es_notable())[:-1] + ', "extra": ' + "[" * depth + "7" + "]" * depth + "}"
        assert send(body)[0] == 201
        (artifact,) = platform.artifacts.values()
        data = artifact["data"]
        text = json.dumps(data) if "text" not in data else data["text"]
        assert text.replace(" ", "").count("[" * depth + "7" + "]" * depth) == 1
        assert artifact["cef"]["dest"] == "WS01.corp.example"

    def test_a_deep_field_that_is_read_does_not_reach_the_cef(self, send: Send, platform: Platform) -> None:
        body = json.dumps(es_notable())[:-1] + ', "owner": ' + "[" * 900 + "]" * 900 + "}"
        assert send(body)[0] == 201
        assert "owner" not in platform.artifacts[1]["cef"]

    @pytest.mark.parametrize(
        "hostile",
        [
            "<script>alert(1)</script>",
            "\x1b[31m\r\n# heading",
            "\u202e gnp.exe",
            "[a](javascript:x)",
            "x" * 5000,
        ],
        ids=ascii,
    )
    def test_hostile_names(self, send: Send, platform: Platform, hostile: str) -> None:
        assert send(es_notable(search_name=hostile))[0] == 201
        name = platform.containers[1]["name"]
        assert len(name) <= MAX_NAME
        assert not set(name) & set("<>[]\x1b\r\n\u202e#")
        assert platform.artifacts[1]["data"]["search_name"] == hostile
        assert send({"dest": f"{hostile}<b>", "process_name": "regsvcs.exe"})[0] == 400
        assert not set(platform.containers[2]["name"]) & set("<>[]\x1b\r\n\u202e#")


class TestLimits:
    def test_a_body_over_the_limit(self, send: Send, platform: Platform) -> None:
        notable = json.dumps(es_notable())
        fits = notable[:-1] + ', "x": "' + "y" * (MAX_BODY - len(notable) - len(', "x": ""')) + '"}'
        assert len(fits) == MAX_BODY
        assert send(fits)[0] == 201
        asked = len(platform.requests)
        assert send(fits + " ")[0] == 413
        assert send("\u20ac" * (MAX_BODY // 3 + 1))[0] == 413
        assert len(platform.requests) == asked

    def test_too_many_objects(self, send: Send, platform: Platform) -> None:
        status, content = send([{"dest": "a"}] * (MAX_OBJECTS + 1))
        assert (status, content["error"]) == (413, "the body holds 101 objects, more than 100")
        assert platform.requests == []


class TestIds:
    def test_ids_that_begin_alike_share_no_container(self, send: Send, platform: Platform) -> None:
        ids: list[object] = ["a", "a\r\nX: 1", "a\r\nX: 2", "a\nX: 2", ["a", "b"], ["a", "c"]]
        for number, each in enumerate(ids, start=1):
            status, content = send(es_notable(event_id=each))
            assert (status, content["kept"][0]["container_id"]) == (201, number)
            assert send(es_notable(event_id=each))[0] == 200
        kept = [each["source_data_identifier"] for each in platform.containers.values()]
        assert kept[0] == "a"
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in kept[1:])

    def test_blanks_around_an_id_are_none_of_it(self, send: Send, platform: Platform) -> None:
        for each in ("a", " a\n", ["a"], ["a", "a"]):
            send(es_notable(event_id=each))
        assert [each["source_data_identifier"] for each in platform.containers.values()] == ["a"]


class TestPlatformDown:
    @pytest.mark.parametrize(
        "failure",
        [
            httpx.ConnectError("refused"),
            httpx.ReadTimeout("slow"),
            httpx.Response(500, text="<html>oops"),
            httpx.Response(401, json={"failed": True}),
            httpx.Response(429),
            httpx.Response(302, headers={"location": "/login"}),
            httpx.Response(200, text="<html>login"),
            httpx.Response(200, json=["no object"]),
            httpx.Response(200, json={"failed": True, "message": "no", "id": 9, "data": []}),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("at", ["GET", "POST"])
    def test_nothing_is_answered_as_kept(
        self, send: Send, platform: Platform, failure: httpx.Response | Exception, at: str
    ) -> None:
        platform.fails = lambda request: failure if request.method == at else None
        status, content = send(es_notable())
        assert status == 503
        assert content["kept"] == []
        assert content["not_kept"][0]["event_id"] == EVENT
        assert content["not_kept"][0]["reason"] in {words for _, words in _REASONS}
        assert "oops" not in json.dumps(content)
        platform.fails = lambda _: None
        assert send(es_notable())[0] == 201

    def test_an_unusable_one_that_cannot_be_kept_is_503_too(self, send: Send, platform: Platform) -> None:
        platform.fails = lambda _: httpx.ConnectError("refused")
        assert send("{")[0] == 503

    def test_after_it_broke_down_no_further_notable_waits_for_it(
        self, send: Send, platform: Platform
    ) -> None:
        kept: list[str] = []

        def later_down(request: httpx.Request) -> Exception | None:
            kept.append(request.method)
            return httpx.ReadTimeout("slow") if len(kept) > 2 else None

        platform.fails = later_down
        status, content = send([es_notable(event_id=f"e{number}") for number in range(5)])
        assert status == 503
        assert [each["event_id"] for each in content["kept"]] == ["e0"]
        assert [each["event_id"] for each in content["not_kept"]] == ["e1", "e2", "e3", "e4"]
        assert len(kept) == 3

    @pytest.mark.parametrize("status", [200, 400, 403, 500])
    def test_what_the_platform_says_is_not_handed_on(
        self, send: Send, platform: Platform, status: int
    ) -> None:
        text = f"TOKEN {SECRET} <script> " + "A" * 1000
        platform.fails = lambda _: httpx.Response(status, json={"failed": True, "message": text})
        code, content = send(es_notable())
        assert code == 503
        (reason,) = (each["reason"] for each in content["not_kept"])
        assert reason in {words for _, words in _REASONS}

    def test_every_error_of_a_connector_has_its_words(self) -> None:
        assert _REASONS[-1][0] is ConnectorError

    def test_an_id_of_5000_digits_is_no_id(self, send: Send, platform: Platform) -> None:
        platform.fails = lambda request: (
            httpx.Response(200, json={"success": True, "id": "9" * 5000})
            if request.method == "POST"
            else None
        )
        code, content = send(es_notable())
        assert code == 503
        assert content["not_kept"][0]["reason"] == "the platform's answer could not be understood"

    def test_one_that_the_platform_refuses_stops_no_other(self, send: Send, platform: Platform) -> None:
        def refuse(request: httpx.Request) -> httpx.Response | None:
            refused = request.method == "POST" and b"poison" in request.content
            return httpx.Response(400, json={"failed": True, "message": "label?"}) if refused else None

        platform.fails = refuse
        status, content = send([es_notable(event_id="poison"), es_notable(event_id="fine")])
        assert status == 503
        assert [each["event_id"] for each in content["kept"]] == ["fine"]
        assert content["not_kept"][0]["reason"] == "the platform refused it"

    def test_every_call_has_a_time_limit(self, send: Send, platform: Platform) -> None:
        limits: list[dict[str, float | None]] = []
        platform.fails = lambda request: limits.append(request.extensions["timeout"])
        send(es_notable())
        send(es_notable())
        assert len(limits) == 4
        assert all(value is not None for each in limits for value in each.values())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.text(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["dest", "process_name", "dest_ip", "result", "artifacts", "cef", "x"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    ).map(json.dumps)
)
def test_any_body_gets_a_status_and_loses_nothing(send: Send, platform: Platform, body: str) -> None:
    status, content = send(body)
    assert status in {200, 201, 400}
    if status != 400:
        assert content["kept"]
    assert all(each["container_id"] in platform.containers for each in content.get("rejected", []))
    assert "not_kept" not in content


class TestThroughTheApp:
    """As the platform calls it."""

    def call(self, body: str, *, method: str = "POST", secret: str = SECRET) -> dict[str, Any]:
        return app.handle_webhook(
            method,
            {"X-Webhook-Secret": secret},
            ["notable"],
            {},
            body,
            {"webhook_secret": SECRET},
            SoarRestClient(token="session", asset_id=int(ASSET_ID)),
        )

    def test_kept_and_kept_already(self, platform: Platform) -> None:
        first, second = self.call(json.dumps(es_notable())), self.call(json.dumps(es_notable()))
        assert (first["status_code"], second["status_code"]) == (201, 200)
        assert platform.containers[1]["asset"] == int(ASSET_ID)

    def test_refusals(self, platform: Platform) -> None:
        assert self.call(json.dumps(es_notable()), secret="no")["status_code"] == 401
        assert self.call(json.dumps(es_notable()), method="GET")["status_code"] == 405
        assert self.call("[" * 200_000)["status_code"] == 400

    def test_without_a_session_nothing_is_said_to_be_kept(self, platform: Platform) -> None:
        platform.fails = lambda _: httpx.Response(401, json={"failed": True, "message": "no session"})
        response = app.handle_webhook(
            "POST",
            {"X-Webhook-Secret": SECRET},
            ["notable"],
            {},
            json.dumps(es_notable()),
            {"webhook_secret": SECRET},
            SoarRestClient(token="", asset_id=int(ASSET_ID)),
        )
        assert response["status_code"] == 503
        assert response["headers"] == [("Content-Type", "application/json"), ("Retry-After", "60")]


def test_a_hundred_notables_take_well_under_a_second_of_our_own_time(send: Send, platform: Platform) -> None:
    started = time.process_time()
    status, content = send([es_notable(event_id=f"e{number}") for number in range(MAX_OBJECTS)])
    assert (status, len(content["kept"])) == (201, MAX_OBJECTS)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    "body",
    [
        '{"session\\u005fkey": "S3cretOfAnAlert", "result": {',
        '<alert><session_key a="b"><![CDATA[S3cretOfAnAlert]]></session_key>',
        [{"dest": "", "payload": '{"configuration": {"password": "S3cretOfAnAlert"}}'}],
        {"session_key": "S3cretOfAnAlert", "fields": [1], "rows": [[1]]},
    ],
)
def test_no_secret_of_a_payload_reaches_the_platform(send: Send, platform: Platform, body: object) -> None:
    status, _ = send(body)
    assert (status, len(platform.artifacts)) == (400, 1)
    assert "S3cretOfAnAlert" not in json.dumps([platform.artifacts, platform.containers])
