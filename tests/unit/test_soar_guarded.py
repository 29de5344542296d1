"""What an action of the SOAR app may never do: stay silent, carry over, show a traceback or a secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import quote

import httpx
import pytest
import soar_sdk.app
from soar_sdk.abstract import SOARClientAuth
from soar_sdk.app_client import AppClient
from soar_sdk.shims.phantom_common.app_interface.app_interface import SoarRestClient
from soar_sdk.webhooks.models import WebhookResponse

from actions.check_ip import check_ip
from connectors.errors import BadResponse
from connectors.ports import Capability, EdrConnector
from playbooks.hosts.soar import sources
from playbooks.hosts.soar import webhook as webhook_module
from playbooks.hosts.soar.answers import check_ip as check_ip_answer
from playbooks.hosts.soar.answers import risk
from playbooks.hosts.soar.asset import PURPOSES_OF, Purpose
from playbooks.hosts.soar.guarded import GuardedActions
from playbooks.hosts.soar.later_client import LaterClient
from playbooks.hosts.soar.redaction import without_secrets
from tests.soar_app import ASSET_ID, STATE_FOLDER, app, run_action

SECRET = 'planted "\\ secret ü'
NOTABLE = json.dumps(
    {"dest": "WS01", "process_name": "regsvcs.exe", "dest_ip": "149.154.167.220", "event_id": "e1"}
)
ASSET: dict[str, object] = {"webhook_secret": SECRET}


class BrokenEdr:
    """Fails at everything with one error."""

    name = "broken"
    capabilities = frozenset({Capability.RESOLVE})

    def __init__(self, error: Exception) -> None:
        self.error = error

    def resolve_host(self, **_: object) -> NoReturn:
        raise self.error


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def given(edr: object) -> Callable[..., EdrConnector]:
    return lambda *_, **__: cast("EdrConnector", edr)


def leaks(secret: str, text: str) -> bool:
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return any(form in text for form in forms)


# --- failing sources


@pytest.mark.parametrize(
    "error", [BadResponse("broken", f"an HTML page with {SECRET}"), RuntimeError(f"token={SECRET}")]
)
@pytest.mark.parametrize("place", ["source", "connector"])
def test_a_failing_source_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: Exception, place: str
) -> None:
    broken = raising(error) if place == "source" else given(BrokenEdr(error))
    monkeypatch.setattr(sources, "edr_for", broken)
    (lineage,) = run_action("get process lineage", [{"notable": NOTABLE}], asset=ASSET)
    assert not lineage.status
    assert lineage.message.startswith("Action failure in get process lineage: ")
    assert "Traceback" not in lineage.message
    assert "\n" not in lineage.message
    if place == "connector":
        assert lineage.message.startswith("Action failure in get process lineage: broken: ")
    if isinstance(error, BadResponse) or place == "connector":
        (whole,) = run_action("respond to notable", [{"notable": NOTABLE}], asset=ASSET)
        assert whole.status
        assert whole.data[0]["case_verdict"] == "undetermined"
        assert not leaks(SECRET, json.dumps(whole.data) + whole.message)
    out, err = capfd.readouterr()
    assert not leaks(SECRET, lineage.message + out + err)


def test_an_unforeseen_exception_is_named_and_its_place_logged(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_ip_answer, "check_ip", raising(RuntimeError("not for anyone")))
    (answer,) = run_action("check ip", [{"ip": "8.8.8.8"}])
    assert answer.message == (
        "Action failure in check ip: unexpected RuntimeError; where it came from is in the app's debug log"
    )
    assert answer.param == {"ip": "8.8.8.8"}
    out, err = capfd.readouterr()
    assert "RuntimeError at " in out + err
    assert "check_ip.py:" in out + err
    assert "not for anyone" not in out + err


def test_what_follows_a_failed_set_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    real = check_ip

    def once(text: str, **options: Any) -> object:
        if text == "8.8.8.8":
            raise RuntimeError
        return real(text, **options)

    monkeypatch.setattr(check_ip_answer, "check_ip", once)
    failed, fine = run_action("check ip", [{"ip": "8.8.8.8"}, {"ip": "9.9.9.9"}])
    assert (failed.status, fine.status) == (False, True)
    assert (failed.data, failed.summary) == ([], {})


# --- secrets


def test_a_planted_secret_shows_nowhere(examples: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stealer = (examples / "stealer" / "notable.json").read_text(encoding="utf-8")
    asset = {**ASSET, "sysmon_path": str(examples / "stealer" / "sysmon.xml")}
    seen: list[object] = []
    sets: dict[str, list[dict[str, object]]] = {
        "check ip": [{"ip": "8.8.8.8"}, {"ip": "x"}, {}],
        "get process lineage": [{"notable": stealer}, {"notable": "{"}, {}],
        "assess risk": [{"notable": stealer}, {"process_facts": "{"}, {}],
        "decide isolation": [{"case_facts": "{"}, {}],
        "respond to notable": [{"notable": stealer}, {"notable": "x"}],
        "reenrich case": [{"scope": "x"}],
        "test connectivity": [{}],
    }
    for action, parameters in sets.items():
        answers = run_action(action, parameters, asset=asset)
        assert len(answers) == len(parameters), action
        seen += answers
    out, err = capfd.readouterr()
    assert not leaks(SECRET, f"{json.dumps(seen)}{out}{err}")
    for file in Path(STATE_FOLDER).rglob("*"):
        assert not file.is_file() or not leaks(SECRET, file.read_text(encoding="utf-8", errors="replace"))


def test_a_secret_in_rows_summary_and_message_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk, "_NOT_LOOKED_UP", f"the server said {SECRET}")
    (answer,) = run_action("assess risk", [{"notable": NOTABLE}], asset=ASSET)
    assert answer.status
    assert not leaks(SECRET, json.dumps(answer.data))
    assert "the server said [secret]" in str(answer.data[0]["facts"])


def test_a_secret_that_is_the_name_of_a_field_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risk, "_NOT_LOOKED_UP", "the server said case_verdict")
    for key in ("case_verdict", "analyst:case_verdict"):
        (answer,) = run_action("assess risk", [{"notable": NOTABLE}], asset={"taxii_key": key})
        assert answer.status, answer.message
        assert answer.data[0]["case_verdict"] == "undetermined"
        assert "the server said [secret]" in str(answer.data[0]["facts"])


@pytest.mark.parametrize("form", [*"wbpc"])
def test_no_form_of_an_account_leaves_an_action(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    password = "planted+word-0123456789"
    account = f"analyst:{password}"
    told = {
        "w": password,
        "b": base64.b64encode(account.encode()).decode(),
        "p": quote(password),
        "c": f"{password[:14]}...",
    }[form]
    monkeypatch.setattr(risk, "_NOT_LOOKED_UP", f"the server said {told}")
    (answer,) = run_action("assess risk", [{"notable": NOTABLE}], asset={"taxii_key": account})
    assert answer.status, answer.message
    assert told.rstrip(".") not in json.dumps(answer._asdict())
    assert "the server said [secret]" in str(answer.data[0]["facts"])


def test_short_secrets_are_no_words_to_look_for() -> None:
    assert without_secrets("abc abcdef", ["abc"]) == "abc abcdef"
    assert without_secrets("abc abcdef", ["abcdef", "abcdefg"]) == "abc [secret]"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("purpose", "hunter2", "must be investigate or contain"),
        ("policy", ["hunter2"], "Input should be a valid string"),
        ("container_label", {"hunter2": 1}, "Input should be a valid string"),
    ],
)
def test_a_wrong_asset_value_is_named_and_not_shown(field: str, value: object, said: str) -> None:
    first, second = run_action("check ip", [{"ip": "8.8.8.8"}, {"ip": "9.9.9.9"}], asset={field: value})
    assert first.message == second.message == f"Asset misconfiguration in check ip: {field}: {said}"
    assert second.param == {"ip": "9.9.9.9"}


NOT_ENCRYPTED: list[tuple[object, str]] = [
    ("planted-secret-not-encrypted", "Error"),
    (12345678901234567890, "TypeError"),
    (["planted-secret-in-a-list"], "AttributeError"),
    ({"planted-secret-in-a-dict": 1}, "AttributeError"),
]


@pytest.mark.parametrize(("value", "kind"), NOT_ENCRYPTED, ids=lambda each: type(each).__name__)
def test_a_secret_that_cannot_be_decrypted_fails_each_set_in_a_sentence(
    value: object, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    request = {
        "asset_id": ASSET_ID,
        "identifier": "check_ip",
        "action": "check ip",
        "container_id": 1,
        "config": {
            "app_version": "0",
            "directory": "d",
            "main_module": "src.app:app",
            "webhook_secret": value,
        },
        "parameters": [{"ip": "8.8.8.8"}, {"ip": "9.9.9.9"}],
        "user_session_token": "",
    }
    app.actions_manager.get_action_results().clear()
    app.handle(json.dumps(request))
    results = app.actions_manager.get_action_results()
    assert [each.get_status() for each in results] == [False, False]
    assert [each.get_param() for each in results] == [{"ip": "8.8.8.8"}, {"ip": "9.9.9.9"}]
    for each in results:
        assert each.get_message() == (
            f"Asset misconfiguration in check ip: a field of the asset cannot be read ({kind}). Enter its"
            " secrets again, look at its other fields, and save it"
        )
    out, err = capfd.readouterr()
    assert "planted-secret" not in out + err
    assert run_action("check ip", [{"ip": "8.8.8.8"}])[0].status


def test_an_unknown_action_is_still_an_error() -> None:
    with pytest.raises(RuntimeError, match="not recognized"):
        run_action("no such action", [{}])


@pytest.mark.parametrize("parameters", [{"ip": SECRET}, {"ip": [], "note": SECRET}])
def test_a_secret_typed_as_a_parameter_is_not_kept(parameters: dict[str, object]) -> None:
    (answer,) = run_action("check ip", [parameters], asset=ASSET)
    assert not answer.status
    assert "[secret]" in answer.param.values()
    assert not leaks(SECRET, json.dumps(answer.param) + answer.message)


def test_the_asset_is_read_anew_at_every_call() -> None:
    assert not run_action("check ip", [{"ip": "8.8.8.8"}], asset={"purpose": "contain"})[0].status
    assert run_action("check ip", [{"ip": "8.8.8.8"}])[0].status


def test_parameters_that_are_none_are_refused() -> None:
    manager = app.actions_manager
    assert isinstance(manager, GuardedActions)
    (answer,) = run_action("check ip", [{"ip": ["8.8.8.8"]}])
    assert answer.message == "Action failure in check ip: ip: Input should be a valid string"


# --- the webhook


def webhook(
    asset: dict[str, object],
    *,
    path: str = "notable",
    method: str = "POST",
    headers: object = None,
    body: object = NOTABLE,
) -> dict[str, Any]:
    client = SoarRestClient(token="", asset_id=7)
    answer: dict[str, Any] = app.handle_webhook(method, headers or {}, [path], {}, body, asset, client)
    return answer


@pytest.mark.parametrize(
    ("headers", "body", "status", "said"),
    [
        ({"X-Webhook-Secret": None}, NOTABLE, 401, "the header X-Webhook-Secret does not hold the secret"),
        ({"X-Webhook-Secret": [SECRET, SECRET]}, NOTABLE, 401, "the header X-Webhook-Secret does not hold"),
        ({"X-Webhook-Secret": [SECRET, 7]}, NOTABLE, 400, "the headers of the request are no texts"),
        ({"X-Webhook-Secret": SECRET, "Other": 7}, NOTABLE, 400, "the headers of the request are no texts"),
        ({7: "x"}, NOTABLE, 400, "the headers of the request are no texts"),
        (["x"], NOTABLE, 400, "the headers of the request are no texts"),
        ({"X-Webhook-Secret": SECRET}, b"\x1f\x8b\xff", 400, "the body is no UTF-8 text. Send JSON"),
        ({"X-Webhook-Secret": SECRET}, {"dest": "x"}, 400, "the request cannot be read: body: Input should"),
    ],
)
def test_a_request_of_wrong_types_is_refused_in_our_words(
    headers: object, body: object, status: int, said: str
) -> None:
    answer = webhook({"webhook_secret": SECRET}, headers=headers, body=body)
    assert answer["status_code"] == status
    assert json.loads(answer["content"])["error"].startswith(said)
    assert not leaks(SECRET, answer["content"])


@pytest.mark.parametrize("body", [NOTABLE, NOTABLE.encode()], ids=["text", "bytes"])
def test_one_header_in_a_list_and_a_body_of_bytes_are_taken(
    monkeypatch: pytest.MonkeyPatch, body: object
) -> None:
    taken: list[object] = []

    def answer(request: Any, _: object) -> WebhookResponse:
        taken.append((request.headers, request.body))
        return WebhookResponse.json_response({}, 201)

    monkeypatch.setattr(webhook_module, "answer", answer)
    headers = {"X-Webhook-Secret": [SECRET], "Absent": None}
    assert webhook({"webhook_secret": SECRET}, headers=headers, body=body)["status_code"] == 201
    assert taken == [({"X-Webhook-Secret": SECRET}, NOTABLE)]


def test_the_webhook_answers_for_a_wrong_asset() -> None:
    answer = webhook({"purpose": "not-a-purpose", "webhook_secret": SECRET})
    assert answer["status_code"] == 500
    assert json.loads(answer["content"]) == {
        "error": "Asset misconfiguration: purpose: must be investigate or contain"
    }


def test_the_webhook_of_a_containment_asset_takes_nothing() -> None:
    assert webhook({"purpose": "contain"})["status_code"] == 403


def test_the_webhook_asks_as_the_actions_do_what_the_asset_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {**PURPOSES_OF, "webhook_secret": frozenset({Purpose.CONTAIN})}
    monkeypatch.setattr("playbooks.hosts.soar.asset.PURPOSES_OF", rows)
    answer = webhook({"webhook_secret": SECRET})
    assert answer["status_code"] == 403
    assert json.loads(answer["content"]) == {"error": "this asset takes no notables"}


def test_the_webhook_without_a_secret_refuses() -> None:
    assert webhook({})["status_code"] == 401


def test_an_exception_in_the_webhook_is_a_503_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_module, "answer", raising(RuntimeError(SECRET)))
    answer = webhook({"webhook_secret": SECRET})
    assert answer["status_code"] == 503
    assert json.loads(answer["content"]) == {
        "error": "unexpected RuntimeError; where it came from is in the app's debug log"
    }


def test_other_paths_and_methods_are_refused() -> None:
    assert webhook({}, path="other")["status_code"] == 404
    assert webhook({}, method="GET")["status_code"] == 405


# --- the client of the platform


def test_the_platform_is_called_only_when_something_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = AppClient._create_client

    def make(url: str) -> httpx.Client:
        made.append(url)
        return real(url)

    monkeypatch.setattr(AppClient, "_create_client", staticmethod(make))
    client = LaterClient()
    client.update_client(SOARClientAuth(base_url="https://localhost:9999"), "7", 1)
    assert made == []
    assert client.client.base_url.host == "localhost"
    assert client.client is client.client
    assert made == ["https://localhost:9999"]


def test_a_failed_login_does_not_go_on_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    logins: list[str] = []

    def refuse(self: object, auth: SOARClientAuth) -> NoReturn:
        del self
        logins.append(auth.user_session_token)
        raise ConnectionError

    monkeypatch.setattr(AppClient, "authenticate_soar_client", refuse)
    client = LaterClient()
    client.update_client(SOARClientAuth(base_url="https://localhost:9999", user_session_token="t"), "7", 1)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            client.get("rest/container")
    assert logins == ["t", "t"]


def test_the_app_has_such_a_client_and_the_sdk_is_as_before() -> None:
    assert isinstance(app.soar_client, LaterClient)
    assert vars(soar_sdk.app)["AppClient"] is AppClient
