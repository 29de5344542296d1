"""`on poll`: each notable of Splunk once, and the checkpoint only behind what was kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from soar_sdk.params import MAX_COUNT_VALUE
from soar_sdk.webhooks.models import WebhookRequest

from connectors.clock import utc_now
from connectors.facts.notable import Notable, NotableSource
from connectors.siem.notable import NotableSettings, notables_from_object
from connectors.siem.splunk.settings import NotablesFrom, SplunkSettings
from playbooks.hosts.soar import poll as poll_module
from playbooks.hosts.soar import webhook
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.container_notables import container_notables
from playbooks.hosts.soar.notable_artifact import notable_parcel
from playbooks.hosts.soar.poll import candidate_of
from playbooks.hosts.soar.poll_checkpoints import (
    MOST_OTHERS,
    STATE,
    begun_anew,
    keep_checkpoint,
    read_checkpoints,
)
from playbooks.kept_checkpoint import KeptCheckpoint
from tests.fakes.splunk_server import HEC_TOKEN, TOKEN, FakeSplunk
from tests.soar_app import ActionAnswer, app, run_action
from tests.soar_platform import BASE, Platform, soar_client
from tests.soar_splunk import notable_row, splunk_asset

SCHEDULED: dict[str, object] = {"container_count": MAX_COUNT_VALUE, "artifact_count": MAX_COUNT_VALUE}


@pytest.fixture
def splunk() -> Iterator[FakeSplunk]:
    with FakeSplunk([], utc_now) as fake:
        yield fake


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    # The SDK keeps the state of the asset in the process, and names another address.
    app.actions_manager.save_state({})
    with Platform().running() as running:
        yield running
    app.actions_manager.save_state({})


def polled(asset: dict[str, object], **parameters: object) -> ActionAnswer:
    (answer,) = run_action("on poll", [SCHEDULED | parameters], asset=asset, session="session")
    return answer


def event_ids(platform: Platform) -> list[str]:
    return [str(each["source_data_identifier"]) for each in platform.containers.values()]


def checkpoint() -> object:
    return app.asset.ingest_state.get(STATE)


def test_each_notable_is_kept_once_over_several_polls(splunk: FakeSplunk, platform: Platform) -> None:
    splunk.notables = [notable_row(n, seconds_ago=900 - n) for n in range(3)]
    asset = splunk_asset(splunk)
    first = polled(asset)
    assert first.status, first.message
    assert first.message == "3 new notables kept, 0 there already."
    splunk.notables.append(notable_row(3, seconds_ago=2))
    second = polled(asset)
    assert second.message == "1 new notable kept, 0 there already."
    assert event_ids(platform) == [str(each["event_id"]) for each in splunk.notables]
    assert len(platform.artifacts) == 4
    assert all(each["run_automation"] for each in platform.artifacts.values())


def test_what_is_kept_is_the_notable_that_splunk_has(splunk: FakeSplunk, platform: Platform) -> None:
    splunk.notables = [notable_row(1, dest_ip=["203.0.113.7", "203.0.113.9"])]
    polled(splunk_asset(splunk))
    with platform.running():
        read = container_notables(soar_client(), 1, NotableSettings())
    expected = notables_from_object([{k: v for k, v in splunk.notables[0].items() if k[0] != "_"}])
    here = {"source": NotableSource.SOAR_ARTIFACT, "notes": ()}
    plain = [each.model_copy(update=here) for each in expected.notables]
    assert [each.model_copy(update={"notes": ()}) for each in read.notables] == plain


def test_a_notable_that_came_by_webhook_is_there_already(splunk: FakeSplunk, platform: Platform) -> None:
    splunk.notables = [notable_row(1)]
    body = {k: v for k, v in splunk.notables[0].items() if k[0] != "_"}
    asset = Asset.model_validate({"webhook_secret": "s" * 16})
    request = WebhookRequest[Asset](
        method="POST",
        headers={"X-Webhook-Secret": "s" * 16},
        path_parts=["notable"],
        query={},
        body=json.dumps(body),
        asset=asset,
        soar_auth_token="t",
        soar_base_url=BASE,
        asset_id="7",
    )
    assert webhook.answer(request, soar_client()).status_code == 201
    answer = polled(splunk_asset(splunk))
    assert answer.message == "0 new notables kept, 1 there already."
    assert (len(platform.containers), len(platform.artifacts)) == (1, 1)


def test_a_row_that_makes_no_notable_is_kept_as_text_and_starts_nothing(
    splunk: FakeSplunk, platform: Platform
) -> None:
    splunk.notables = [notable_row(1, dest="", process_name="", user="", src_ip=""), notable_row(2)]
    answer = polled(splunk_asset(splunk))
    assert answer.message == "1 new notable kept, 0 there already, 1 row kept that makes no notable."
    (rejected,) = [each for each in platform.artifacts.values() if each["label"] == "regsvcs_rejected"]
    assert not rejected["run_automation"]
    assert splunk.notables[0]["event_id"] in rejected["data"]["text"]
    assert polled(splunk_asset(splunk)).message == "0 new notables kept, 0 there already."


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_when_the_platform_fails_nothing_moves_on_and_nothing_is_doubled(
    splunk: FakeSplunk, platform: Platform, broken: int
) -> None:
    splunk.notables = [notable_row(n, seconds_ago=900 - n) for n in range(3)]
    posts = iter(range(1, 10))

    def fails(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and next(posts) == broken:
            return httpx.Response(503, json={"failed": True, "message": "try later"})
        return None

    platform.fails = fails
    failed = polled(splunk_asset(splunk))
    assert not failed.status
    assert "The checkpoint stays, so the next poll gives the same notables again" in failed.message
    assert checkpoint() is None
    again = polled(splunk_asset(splunk))
    assert again.message == f"{4 - broken} new notables kept, {broken - 1} there already.".replace(
        "1 new notables", "1 new notable"
    )
    assert event_ids(platform) == [str(each["event_id"]) for each in splunk.notables]
    assert len(platform.artifacts) == 3


def refusing(*texts: str, status: int = 400) -> Callable[[httpx.Request], httpx.Response | None]:
    """A platform that refuses for good what holds one of the texts."""

    def fails(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and any(each.encode() in request.content for each in texts):
            return httpx.Response(status, json={"failed": True, "message": "invalid artifact"})
        return None

    return fails


def test_what_the_platform_refuses_is_kept_as_text_and_stepped_over(
    splunk: FakeSplunk, platform: Platform
) -> None:
    splunk.notables = [notable_row(n, seconds_ago=900 - n) for n in range(4)]
    refused = str(splunk.notables[1]["event_id"])
    platform.fails = lambda request: (
        httpx.Response(400, json={"failed": True, "message": "invalid artifact"})
        if request.method == "POST"
        and refused.encode() in request.content
        and b"regsvcs_rejected" not in request.content
        else None
    )
    answer = polled(splunk_asset(splunk))
    assert answer.status
    assert answer.message == (
        "3 new notables kept, 0 there already, 1 notable kept as text, since the platform refused it"
        " (the platform answered 400: 'invalid artifact')."
    )
    assert checkpoint()
    (text,) = [each for each in platform.artifacts.values() if each["label"] == "regsvcs_rejected"]
    assert refused in text["data"]["text"]
    assert "invalid artifact" in text["cef"]["regsvcsProblem"]
    assert not text["run_automation"]
    # A person can work it all the same: the text is read again.
    (read,) = container_notables(soar_client(), text["container"], NotableSettings()).notables
    assert read.event_id == refused
    # Begun anew, nothing is doubled, also where a person has taken it meanwhile.
    app.actions_manager.save_state({})
    splunk.notables[1]["owner"] = "kim"
    assert polled(splunk_asset(splunk)).message == "0 new notables kept, 4 there already."
    assert len(platform.containers) == 4


def test_where_its_text_is_refused_too_it_is_named_and_a_mark_stands_for_it(
    splunk: FakeSplunk, platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    splunk.notables = [notable_row(n, seconds_ago=900 - n) for n in range(9)]
    refused = [str(each["event_id"]) for each in splunk.notables[1:8]]
    platform.fails = refusing(*refused)
    answer = polled(splunk_asset(splunk))
    out, err = capfd.readouterr()
    assert answer.status
    assert answer.message.startswith(
        "2 new notables kept, 0 there already, 7 notables not kept, since the platform refused them and the"
        f" text as well; still in Splunk: {refused[0]} (the platform answered 400: 'invalid artifact'), "
    )
    assert answer.message.endswith(" and 2 more, which the app's log names.")
    assert all(each in out + err for each in refused)
    marks = [each for each in platform.artifacts.values() if each["label"] == "regsvcs_rejected"]
    assert len(marks) == 7
    assert not any(each["run_automation"] or each["data"]["text"] for each in marks)
    assert polled(splunk_asset(splunk)).message == "0 new notables kept, 0 there already."


def test_a_row_that_makes_no_notable_and_is_refused_stops_nothing(
    splunk: FakeSplunk, platform: Platform
) -> None:
    splunk.notables = [notable_row(1, dest="", process_name="", user="", src_ip=""), notable_row(2)]
    platform.fails = refusing(str(splunk.notables[0]["event_id"]))
    answer = polled(splunk_asset(splunk))
    assert answer.status
    assert "1 new notable kept" in answer.message
    assert checkpoint()


def test_a_platform_that_refuses_every_container_loses_none(splunk: FakeSplunk, platform: Platform) -> None:
    """Such as a label that it does not know: no notable is at fault."""
    splunk.notables = [notable_row(n, seconds_ago=900 - n) for n in range(3)]
    platform.fails = refusing("label")
    failed = polled(splunk_asset(splunk))
    assert not failed.status
    assert (
        "holds nothing of Splunk: check container_label on the asset. The checkpoint stays" in failed.message
    )
    assert checkpoint() is None
    platform.fails = lambda _: None
    assert polled(splunk_asset(splunk)).message == "3 new notables kept, 0 there already."


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_what_may_succeed_later_stops_the_poll_and_steps_over_nothing(
    splunk: FakeSplunk, platform: Platform, status: int
) -> None:
    splunk.notables = [notable_row(n, seconds_ago=900 - n) for n in range(3)]
    platform.fails = refusing(str(splunk.notables[1]["event_id"]), status=status)
    failed = polled(splunk_asset(splunk))
    assert not failed.status
    assert "The checkpoint stays, so the next poll gives the same notables again" in failed.message
    assert (checkpoint(), len(platform.containers)) == (None, 1)


def test_another_splunk_has_a_checkpoint_of_its_own_and_is_told(
    splunk: FakeSplunk, platform: Platform
) -> None:
    splunk.notables = [notable_row(1)]
    assert polled(splunk_asset(splunk)).message == "1 new notable kept, 0 there already."
    with FakeSplunk([], utc_now) as other:
        other.notables = [notable_row(n, seconds_ago=7200) for n in range(5, 10)]
        answer = polled(splunk_asset(other))
        assert answer.message.startswith(
            "5 new notables kept, 0 there already. The checkpoint is of another Splunk (notable_macro of"
            f" {splunk.url}, last moved 20"
        )
        assert "24 hours back; what is older is not fetched" in answer.message
        assert polled(splunk_asset(other)).message == "0 new notables kept, 0 there already."
    splunk.notables.append(notable_row(2, seconds_ago=2))
    back = polled(splunk_asset(splunk))
    assert back.message == "1 new notable kept, 0 there already.", "its own checkpoint was kept"


def test_when_splunk_fails_nothing_moves_on(splunk: FakeSplunk, platform: Platform) -> None:
    splunk.notables = [notable_row(1)]
    polled(splunk_asset(splunk))
    before = checkpoint()
    splunk.notables.append(notable_row(2, seconds_ago=2))
    splunk.failing = 1
    failed = polled(splunk_asset(splunk))
    assert not failed.status
    assert failed.message.startswith("Action failure in on poll: splunk: ")
    assert checkpoint() == before
    assert polled(splunk_asset(splunk)).message == "1 new notable kept, 0 there already."


def test_poll_now_keeps_so_many_new_ones_and_loses_none_for_the_schedule(
    splunk: FakeSplunk, platform: Platform
) -> None:
    splunk.notables = [notable_row(n, seconds_ago=900 - n) for n in range(5)]
    asset = splunk_asset(splunk)
    for there in (0, 2):
        answer = polled(asset, container_count=2)
        assert answer.message.startswith(f"2 new notables kept, {there} there already. There may be more")
        assert checkpoint() is None
    platform.containers.clear()  # a person deletes what the trial made
    platform.artifacts.clear()
    polled(asset)
    assert set(event_ids(platform)) == {str(each["event_id"]) for each in splunk.notables}
    assert checkpoint()


def test_a_long_queue_is_worked_in_several_polls(
    splunk: FakeSplunk, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll_module, "MOST_A_POLL", 2)
    splunk.notables = [notable_row(n, seconds_ago=900 - n) for n in range(5)]
    asset = splunk_asset(splunk)
    messages = [polled(asset).message for _ in range(3)]
    assert messages == [
        "2 new notables kept, 0 there already. There may be more: the next poll goes on.",
        "2 new notables kept, 0 there already. There may be more: the next poll goes on.",
        "1 new notable kept, 0 there already.",
    ]
    assert event_ids(platform) == [str(each["event_id"]) for each in splunk.notables]


def test_without_a_splunk_polling_fails_and_names_the_section(platform: Platform) -> None:
    failed = polled({"splunk_token": TOKEN})
    assert not failed.status
    assert failed.message == (
        "Action failure in on poll: policy: has no section [splunk]. Add it, with base_url"
    )


def test_missing_and_wrong_tokens_are_named_and_not_told(
    splunk: FakeSplunk, platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = "planted-wrong-token-0123456789"
    assert "splunk_token: is empty" in polled(splunk_asset(splunk, splunk_token="")).message
    hec = polled(splunk_asset(splunk, splunk=f'hec_url = "{splunk.url}"', splunk_hec_token=""))
    assert "splunk_hec_token: is empty" in hec.message
    refused = polled(splunk_asset(splunk, splunk_token=wrong))
    assert not refused.status
    forged = polled(splunk_asset(splunk, splunk_token="to\nken"))
    assert "splunk_token: has characters that no token has" in forged.message
    out, err = capfd.readouterr()
    assert wrong not in out + err + refused.message
    assert TOKEN not in out + err
    assert HEC_TOKEN not in out + err


def test_an_asset_for_containment_polls_nothing(platform: Platform) -> None:
    (answer,) = run_action("on poll", [SCHEDULED], asset={"purpose": "contain"}, session="session")
    assert "purpose: this asset is for 'contain'" in answer.message
    assert platform.requests == []


def test_a_checkpoint_that_cannot_be_read_says_how_to_begin_anew(
    splunk: FakeSplunk, platform: Platform
) -> None:
    splunk.notables = [notable_row(1)]
    polled(splunk_asset(splunk))
    (kept,) = app.asset.ingest_state[STATE]
    app.asset.ingest_state[STATE] = [{**kept, "token": "no token"}]
    failed = polled(splunk_asset(splunk))
    assert not failed.status
    assert "the checkpoint cannot be used: it is no JSON. To begin anew, delete" in failed.message
    assert checkpoint() == [{**kept, "token": "no token"}]
    app.asset.ingest_state[STATE] = damaged = {"token": "of another version"}
    failed = polled(splunk_asset(splunk))
    assert "the checkpoint cannot be used: it is damaged or of another version. To begin" in failed.message
    assert checkpoint() == damaged


@pytest.mark.parametrize("step", ["begin_transaction", "commit"])
def test_what_the_sdk_would_show_of_an_exception_is_one_sentence(
    splunk: FakeSplunk,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    step: str,
) -> None:
    splunk.notables = [notable_row(1)]

    def broken(*_: object) -> None:
        raise OSError(f"the disk is full, {TOKEN}")

    monkeypatch.setattr(f"soar_sdk.asset_state.AssetState.{step}", broken)
    failed = polled(splunk_asset(splunk))
    assert not failed.status
    assert failed.message == (
        "Action failure in on poll: unexpected OSError; where it came from is in the app's debug log"
    )
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    monkeypatch.undo()
    assert checkpoint() is None
    assert polled(splunk_asset(splunk)).status
    assert len(platform.artifacts) == 1


def test_a_fault_of_ours_is_one_sentence_too(
    splunk: FakeSplunk, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError(TOKEN)

    monkeypatch.setattr(poll_module, "keep_or_step_over", broken)
    splunk.notables = [notable_row(1)]
    failed = polled(splunk_asset(splunk))
    assert failed.message == (
        "Action failure in on poll: unexpected KeyError; where it came from is in the app's debug log"
    )
    assert checkpoint() is None


def test_the_analytic_itself_is_polled_without_enterprise_security(
    splunk: FakeSplunk, platform: Platform
) -> None:
    splunk.notables = [notable_row(1)]
    polled(splunk_asset(splunk))
    asset = splunk_asset(splunk, splunk='notables_from = "escu"')
    assert polled(asset).status, "the checkpoint of the other kind is not taken for its own"
    kept = app.asset.ingest_state[STATE]
    assert [each["notables_from"] for each in kept] == ["escu", "notable_macro"]


@given(
    places=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(NotablesFrom), st.integers(0, 10**6)), max_size=12
    )
)
def test_each_splunk_finds_its_own_checkpoint_again(places: list[tuple[int, NotablesFrom, int]]) -> None:
    state: dict[str, Any] = {}
    last: dict[tuple[int, NotablesFrom], str] = {}
    for minute, (host, source, token) in enumerate(places):
        splunk = SplunkSettings(base_url=f"https://splunk-{host}.corp.example:8089", notables_from=source)
        held = read_checkpoints(state, splunk)
        before = last.get((host, source))
        assert held.own is None or held.own.token == before
        assert (held.own is None) is ((host, source) not in list(last)[-(MOST_OTHERS + 1) :])
        assert bool(begun_anew(held)) is (held.own is None and bool(last))
        new = KeptCheckpoint(
            base_url=splunk.base_url,
            notables_from=source,
            kept_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute),
            token=str(token),
        )
        keep_checkpoint(state, new, held.others)
        state = json.loads(json.dumps(state))  # as the SDK keeps it
        last.pop((host, source), None)
        last[host, source] = str(token)


_TEXT = st.text(min_size=1, max_size=20)


@given(
    dest=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9.-]{0,20}\Z"),
    user=_TEXT,
    ports=st.lists(st.integers(1, 65535), max_size=3, unique=True),
    count=st.none() | st.integers(0, 10**6),
    event_id=st.from_regex(r"\A[A-Za-z0-9@:._-]{1,40}\Z"),
)
def test_a_notable_and_its_candidate_make_the_same_artifact(
    dest: str, user: str, ports: list[int], count: int | None, event_id: str
) -> None:
    row = {
        "event_id": event_id,
        "dest": dest,
        "user": user,
        "process_name": "regsvcs.exe",
        "dest_ip": "203.0.113.7",
        "dest_port": ports,
        "count": count,
    }
    for notable in notables_from_object([row]).notables:
        again = notables_from_object([dict(cast("Any", candidate_of([notable]).raw))]).notables
        assert [_identity(each) for each in again] == [_identity(notable)]
        parcel = notable_parcel(candidate_of([notable]), [notable], label="events")
        assert parcel == notable_parcel(candidate_of(again), again, label="events")


def _identity(notable: Notable) -> tuple[object, ...]:
    return (
        notable.event_id,
        notable.dest,
        notable.user,
        notable.process_name,
        notable.dest_ip,
        notable.dest_ports,
        notable.count,
    )


def test_without_enterprise_security_both_shipped_analytics_are_polled(platform: Platform) -> None:
    now = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
    when = now - timedelta(minutes=40)
    with FakeSplunk([], lambda: now) as plain:
        plain.connections = [
            {
                "_time": when.timestamp(),
                "_indextime": int(when.timestamp()) + 30,
                "dest": f"WS-{name}",
                "user": "sam",
                "process_name": name,
                "src_ip": "10.0.0.5",
                "dest_ip": "203.0.113.7",
            }
            for name in ("RegSvcs.exe", "RegAsm.exe")
        ]
        asset = splunk_asset(plain, splunk='notables_from = "escu"')
        assert polled(asset).message == "2 new notables kept, 0 there already."
        assert polled(asset).message == "0 new notables kept, 0 there already."
    assert len(event_ids(platform)) == 2
