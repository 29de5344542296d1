"""The analytic as a saved search: the difference first, then that difference and no other, disabled."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadResponse, Conflict, InputError
from connectors.siem.generations import GENERATIONS, VERSION_2, VERSION_7, VERSION_15, Generation
from connectors.siem.splunk.escu import SHIPPED, EscuAnalytic, shipped_spl
from connectors.siem.splunk.saved_search import (
    MAX_SEARCH,
    Change,
    Detection,
    checked_name,
    difference,
    escu_name,
    installed_search,
    installed_text,
    own_name,
    planned_difference,
    recognised,
    shown,
    wanted_settings,
)
from tests.fakes.splunk_bench import bench

NAME = "Detect Regsvcs with Network Connection / copy"
DETECTION = Detection(
    SHIPPED,
    description="regsvcs.exe and the network",
    message="An instance of $process_name$ ...",
    score=80,
    techniques=("T1218", "T1218.009"),
    generation=VERSION_7,
)
WANTED = wanted_settings(DETECTION, NAME)
NEWER = DETECTION._replace(generation=VERSION_15, message="on $dest$ by $user$")
REGASM = EscuAnalytic("Detect Regasm with Network Connection", "regasm.exe", filter_macro="f")


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
        plan = saved.plan(NAME, DETECTION, deadline=at.clock.deadline())
        assert (plan.exists, len(plan.changes)) == (False, len(WANTED))
        assert not at.fake.saved  # the difference alone writes nothing
        saved.apply(plan, DETECTION, deadline=at.clock.deadline())
        assert at.fake.saved[NAME]["disabled"] is True
        assert at.fake.saved[NAME]["search"] == shipped_spl()
        again = saved.plan(NAME, DETECTION, deadline=at.clock.deadline())
        assert again.changes == ()
        saved.apply(again, DETECTION, deadline=at.clock.deadline())
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
        plan = saved.plan(NAME, DETECTION, deadline=at.clock.deadline())
        assert plan.changes == (Change("cron_schedule", "5 * * * *", "0 * * * *"),)
        assert plan.enabled
        assert "stays so" in shown(plan)
        saved.apply(plan, DETECTION, deadline=at.clock.deadline())
        assert at.fake.saved[NAME]["action.email.to"] == "soc"
        assert at.fake.saved[NAME]["disabled"] is False, "whoever switched it on did so in Splunk"


def test_a_saved_search_that_changed_since_is_not_written() -> None:
    with bench() as at:
        saved = at.siem.saved_searches
        at.fake.saved[NAME] = {**WANTED, "cron_schedule": "5 * * * *"}
        plan = saved.plan(NAME, DETECTION, deadline=at.clock.deadline())
        at.fake.saved[NAME]["search"] = "index=mine"
        with pytest.raises(Conflict, match="has changed"):
            saved.apply(plan, DETECTION, deadline=at.clock.deadline())
        assert at.fake.saved[NAME]["search"] == "index=mine"
        assert at.fake.calls["update_saved"] == 0


def test_a_setting_that_splunk_does_not_take_is_told() -> None:
    with bench() as at:
        at.fake.keeps = {"schedule_window"}
        saved = at.siem.saved_searches
        plan = saved.plan(NAME, DETECTION, deadline=at.clock.deadline())
        with pytest.raises(BadResponse, match="schedule_window"):
            saved.apply(plan, DETECTION, deadline=at.clock.deadline())


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
            saved.plan(name, DETECTION, deadline=at.clock.deadline()), DETECTION, deadline=at.clock.deadline()
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
            at.siem.saved_searches.plan(name, DETECTION, deadline=at.clock.deadline())
        assert not at.fake.seen


# --- generations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("analytic", [SHIPPED, REGASM], ids=["regsvcs", "regasm"])
@pytest.mark.parametrize("generation", GENERATIONS, ids=lambda each: str(each.number))
def test_the_shipped_text_of_a_generation_is_recognised_however_it_is_laid_out(
    analytic: EscuAnalytic, generation: Generation
) -> None:
    text = shipped_spl(analytic, generation)
    assert recognised(text, analytic).generation == generation.number
    laid_out = text.replace(" | ", "\n|   ").replace("(", "(\n  ").replace(", ", ",\n    ")
    assert recognised(f"search {laid_out}\r\n", analytic).generation == generation.number
    other = REGASM if analytic is SHIPPED else SHIPPED
    assert recognised(text, other).generation is None


def test_terms_ranges_and_by_fields_are_the_same_in_another_order() -> None:
    """As the sibling's own text has its program before the ranges."""
    listed = ", ".join(f'"{each}"' for each in reversed(VERSION_15.excluded))
    by = " ".join(reversed(VERSION_15.by))
    text = (
        f"`sysmon` EventID=3 process_name=REGSVCS.EXE NOT dest_ip IN ({listed})"
        f" | stats count min(_time) as firstTime max(_time) as lastTime BY {by}"
        " | `security_content_ctime(firstTime)` | `security_content_ctime(lastTime)`"
        " | `detect_regsvcs_with_network_connection_filter`"
    )
    assert recognised(text, SHIPPED).generation == 15


def test_version_2_without_the_peers_name_is_version_2() -> None:
    text = shipped_spl(SHIPPED, VERSION_2).replace("dest_host, ", "")
    assert recognised(text, SHIPPED).generation == 2


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('"240.0.0.0/4"', '"240.0.0.0/5"', (None, 15)),
        (', "240.0.0.0/4"', "", (None, 15)),
        ("process_guid process_id", "process_guid", (15, None)),
        ("process_id |", "process_id host |", (15, None)),
        ("EventID=3", "EventID=3 NOT user=svc", (15, 15)),
        ("NOT dest_ip", "dest_ip", (None, 15)),
        ("count min", "count dc(dest_ip) as n min", (15, 15)),
        (" | `detect", " | where count>3 | `detect", (15, 15)),
        ("`sysmon`", "`sysmon` search", (15, 15)),
        ("`sysmon`", "index=x", (15, 15)),
    ],
)
def test_any_other_difference_makes_it_of_none(
    old: str, new: str, parts: tuple[int | None, int | None]
) -> None:
    text = shipped_spl(SHIPPED, VERSION_15)
    assert old in text
    assert recognised(text.replace(old, new, 1), SHIPPED) == (None, *parts)


def test_version_8s_groups_over_version_7s_ranges_are_of_none_and_say_so() -> None:
    text = shipped_spl(SHIPPED, VERSION_7).replace(", ".join(VERSION_7.by), " ".join(VERSION_15.by))
    assert recognised(text, SHIPPED) == (None, 7, 15)
    told = installed_text(installed_search(escu_name("x"), {"search": text}, NEWER))
    assert "unknown generation (excluded ranges of 7, by-fields of 15)" in told


_SPL_MARKS = st.text(alphabet='`|\\"()=!, dest_ipNOTIN/0.', max_size=60)


@given(_SPL_MARKS | st.text(max_size=40))
def test_a_search_of_any_text_is_of_no_generation_and_no_error(text: str) -> None:
    assert recognised(text, SHIPPED).generation is None


def test_the_clone_of_version_15_puts_its_risk_on_the_machine_and_not_on_the_peer() -> None:
    wanted = wanted_settings(NEWER)
    assert wanted["search"] == shipped_spl(SHIPPED, VERSION_15)
    assert '"risk_object_field":"dvc","risk_object_type":"system"' in wanted["action.risk.param._risk"]
    assert '"risk_object_field":"dest"' not in wanted["action.risk.param._risk"]
    assert wanted["action.risk.param._risk_message"] == "on $dvc$ by $user$"
    assert wanted["action.notable.param.nes_fields"] == "user,dvc"
    assert wanted["action.correlationsearch.label"] == own_name(SHIPPED.title)
    assert '"risk_object_field":"dest"' in WANTED["action.risk.param._risk"]
    assert WANTED["action.correlationsearch.label"] == NAME


@pytest.mark.parametrize(
    ("search", "generation", "refused"),
    [
        (shipped_spl(SHIPPED, VERSION_2), 2, ""),
        (shipped_spl(SHIPPED, VERSION_7), 7, ""),
        (shipped_spl(SHIPPED, VERSION_15), 15, "newer than 7"),
        ("index=mine | delete", None, "no generation"),
        (None, None, "no generation"),
    ],
)
def test_what_is_newer_or_unknown_is_not_replaced(
    search: str | None, generation: int | None, refused: str
) -> None:
    current = {**WANTED, "cron_schedule": "5 * * * *", "search": search}
    planned = planned_difference(NAME, current, DETECTION)
    assert planned.generation == generation
    assert (refused in planned.refused) is True
    assert bool(planned.refused) is bool(refused)
    with bench() as at:
        at.fake.saved[NAME] = {key: each for key, each in current.items() if each is not None}
        saved = at.siem.saved_searches
        planned = saved.plan(NAME, DETECTION, deadline=at.clock.deadline())
        if refused:
            with pytest.raises(Conflict, match=refused):
                saved.apply(planned, DETECTION, deadline=at.clock.deadline())
        else:
            saved.apply(planned, DETECTION, deadline=at.clock.deadline())
        assert at.fake.calls["update_saved"] == (0 if refused else 1)


@pytest.mark.parametrize(
    "name", [escu_name("Anything"), "escu - x - rule", "ESCU -  - Rule", "ESCU-x-Rule", escu_name("a\u00e9")]
)
def test_a_name_of_escus_own_is_never_written(name: str) -> None:
    with bench() as at:
        with pytest.raises(InputError, match="ESCU"):
            at.siem.saved_searches.plan(name, DETECTION, deadline=at.clock.deadline())
        assert not at.fake.seen
    assert checked_name(own_name("Anything")) == "regsvcs-response - Anything - Rule"


def test_escus_own_is_compared_and_left() -> None:
    with bench() as at:
        saved = at.siem.saved_searches
        name = escu_name(SHIPPED.title)
        absent = saved.installed(NEWER, deadline=at.clock.deadline())
        assert (absent.name, absent.exists, absent.recognised.generation) == (name, False, None)
        at.fake.saved[name] = {
            **wanted_settings(DETECTION, name),
            "disabled": False,
            "action.correlationsearch.metadata": '{"detection_version": "9"}',
        }
        found = saved.installed(NEWER, deadline=at.clock.deadline())
        assert (found.recognised.generation, found.version, found.enabled) == (7, 9, True)
        changed = {each.setting for each in found.changes}
        assert {"search", "action.risk.param._risk"} <= changed
        assert not changed & {"disabled", "action.correlationsearch.label"}
        assert "generation 7, version 9 by its metadata; it is switched on" in installed_text(found)
        assert (at.fake.calls["create_saved"], at.fake.calls["update_saved"]) == (0, 0)


@pytest.mark.parametrize(
    "metadata", ["", "{", "[]", "7", '{"detection_version": "\u0663"}', '{"detection_version": {}}']
)
def test_metadata_that_say_no_version_are_none(metadata: str) -> None:
    current = {"search": "x", "action.correlationsearch.metadata": metadata}
    assert installed_search("n", current, DETECTION).version is None


@pytest.mark.parametrize(
    "text", ['search "' + '\\"' * (MAX_SEARCH // 2 - 8), '"' * MAX_SEARCH, "\\" * MAX_SEARCH]
)
def test_quotes_that_are_never_closed_are_read_once(text: str) -> None:
    begun = time.process_time()
    assert recognised(text, SHIPPED).generation is None
    assert time.process_time() - begun < 2


def test_a_search_over_the_limit_is_of_no_generation_and_printed_cut() -> None:
    padded = shipped_spl() + " x" * MAX_SEARCH
    assert recognised(padded, SHIPPED) == (None, None, None)
    found = planned_difference(NAME, WANTED | {"search": padded}, DETECTION)
    assert found.refused
    assert found.changes[0].before == padded
    assert f"cut: {len(padded):,} characters" in shown(found)
    assert len(shown(found)) < MAX_SEARCH + 10_000
    assert recognised(shipped_spl().ljust(MAX_SEARCH), SHIPPED).generation == 7
