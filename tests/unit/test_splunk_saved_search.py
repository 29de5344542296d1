"""The analytic as a saved search: the difference first, then that difference and no other, disabled."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadResponse, Conflict, InputError
from connectors.siem.splunk.escu import SHIPPED, shipped_spl
from connectors.siem.splunk.saved_search import Change, Detection, difference, shown, wanted_settings
from tests.fakes.splunk_bench import bench

NAME = "Detect Regsvcs with Network Connection / copy"
DETECTION = Detection(
    SHIPPED,
    description="regsvcs.exe and the network",
    message="An instance of $process_name$ ...",
    score=80,
    techniques=("T1218", "T1218.009"),
)
WANTED = wanted_settings(DETECTION)


def test_the_settings_are_those_of_the_analytic_and_disabled() -> None:
    assert WANTED["search"] == shipped_spl()
    assert (WANTED["cron_schedule"], WANTED["dispatch.earliest_time"], WANTED["dispatch.latest_time"]) == (
        "0 * * * *",
        "-70m@m",
        "-10m@m",
    )
    assert WANTED["disabled"] == "1"
    assert WANTED["schedule_window"] == "auto"
    assert WANTED["action.notable.param.nes_fields"] == "user,dest"
    assert '"risk_score":80' in WANTED["action.risk.param._risk"]
    plain = wanted_settings(DETECTION._replace(enterprise_security=False))
    assert not [name for name in plain if name.startswith("action.")]


def test_a_new_one_is_shown_then_written_disabled_and_then_nothing_differs() -> None:
    with bench() as at:
        saved = at.siem.saved_searches
        plan = saved.plan(NAME, WANTED, deadline=at.clock.deadline())
        assert (plan.exists, len(plan.changes)) == (False, len(WANTED))
        assert not at.fake.saved  # the difference alone writes nothing
        saved.apply(plan, WANTED, deadline=at.clock.deadline())
        assert at.fake.saved[NAME]["disabled"] is True
        assert at.fake.saved[NAME]["search"] == shipped_spl()
        again = saved.plan(NAME, WANTED, deadline=at.clock.deadline())
        assert again.changes == ()
        saved.apply(again, WANTED, deadline=at.clock.deadline())
        assert (at.fake.calls["create_saved"], at.fake.calls["update_saved"]) == (1, 0)


def test_only_what_differs_is_written_and_other_settings_stay() -> None:
    with bench() as at:
        saved = at.siem.saved_searches
        at.fake.saved[NAME] = {
            **WANTED,
            "disabled": False,
            "cron_schedule": "5 * * * *",
            "action.email.to": "soc",
        }
        plan = saved.plan(NAME, WANTED, deadline=at.clock.deadline())
        assert plan.changes == (Change("cron_schedule", "5 * * * *", "0 * * * *"),)
        assert plan.enabled
        assert "stays so" in shown(plan)
        saved.apply(plan, WANTED, deadline=at.clock.deadline())
        assert at.fake.saved[NAME]["action.email.to"] == "soc"
        assert at.fake.saved[NAME]["disabled"] is False, "whoever switched it on did so in Splunk"


def test_a_saved_search_that_changed_since_is_not_written() -> None:
    with bench() as at:
        saved = at.siem.saved_searches
        at.fake.saved[NAME] = {**WANTED, "cron_schedule": "5 * * * *"}
        plan = saved.plan(NAME, WANTED, deadline=at.clock.deadline())
        at.fake.saved[NAME]["search"] = "index=mine"
        with pytest.raises(Conflict, match="has changed"):
            saved.apply(plan, WANTED, deadline=at.clock.deadline())
        assert at.fake.saved[NAME]["search"] == "index=mine"
        assert at.fake.calls["update_saved"] == 0


def test_a_setting_that_splunk_does_not_take_is_told() -> None:
    with bench() as at:
        at.fake.keeps = {"schedule_window"}
        saved = at.siem.saved_searches
        plan = saved.plan(NAME, WANTED, deadline=at.clock.deadline())
        with pytest.raises(BadResponse, match="schedule_window"):
            saved.apply(plan, WANTED, deadline=at.clock.deadline())


@pytest.mark.parametrize(
    ("setting", "held"),
    [
        ("disabled", True),
        ("disabled", "true"),
        ("is_visible", False),
        ("alert_threshold", 0),
        ("actions", "risk, notable"),
        ("search", f"  {shipped_spl()}\r\n"),
        ("action.correlationsearch.annotations", '{ "mitre_attack": ["T1218", "T1218.009"] }'),
    ],
)
def test_the_same_in_another_spelling_is_no_difference(setting: str, held: Any) -> None:
    assert difference(NAME, {**WANTED, setting: held}, WANTED).changes == ()


@given(st.dictionaries(st.sampled_from(sorted(WANTED)), st.text(max_size=20), max_size=5))
def test_what_is_shown_is_one_line_a_change_and_applying_it_leaves_none(held: dict[str, str]) -> None:
    found = difference(NAME, {**WANTED, **held}, WANTED)
    text = shown(found)
    assert all(line.isascii() for line in text.splitlines())
    if found.changes:
        assert len(text.splitlines()) == 1 + found.enabled + 2 * len(found.changes)
    after = {**WANTED, **held, **{each.setting: each.after for each in found.changes}}
    assert difference(NAME, after, WANTED).changes == ()


def test_a_hostile_name_stays_one_segment_of_the_path() -> None:
    with bench() as at:
        name = "../../apps/local?x=1#é"
        saved = at.siem.saved_searches
        saved.apply(
            saved.plan(name, WANTED, deadline=at.clock.deadline()), WANTED, deadline=at.clock.deadline()
        )
        assert list(at.fake.saved) == [name]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("title", {"analytic": SHIPPED._replace(title="")}),
        ("title", {"analytic": SHIPPED._replace(title="\x1b]0;x\x07")}),
        ("title", {"analytic": SHIPPED._replace(title="x\n[evil]")}),
        ("process_name", {"analytic": SHIPPED._replace(process_name="NOT")}),
        ("process_name", {"analytic": SHIPPED._replace(process_name="or")}),
        ("cron", {"cron": "0 * * * *\nfoo=1"}),
        ("cron", {"cron": ""}),
        ("earliest", {"earliest": "rt"}),
        ("earliest", {"earliest": ""}),
        ("latest", {"latest": "rt-5m"}),
        ("message", {"message": "m" * 5_000}),
        ("techniques", {"techniques": ("T1\x1b[31m",)}),
    ],
)
def test_what_no_saved_search_should_hold_is_refused_by_the_name_of_its_field(
    field: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as refused:
        wanted_settings(DETECTION._replace(**changes))
    assert refused.value.field == field
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("text", ["now", "-70m@m", "@d", "-1d@d+2h", "1795507200", "-w@w1", "0"])
def test_relative_times_of_splunk_are_taken(text: str) -> None:
    assert wanted_settings(DETECTION._replace(latest=text))["dispatch.latest_time"] == text


@pytest.mark.parametrize("name", ["", " ", "\x1b[31m", "a" * 3000, "x "])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with bench() as at:
        with pytest.raises(InputError, match="name"):
            at.siem.saved_searches.plan(name, WANTED, deadline=at.clock.deadline())
        assert not at.fake.seen
