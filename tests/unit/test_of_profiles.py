"""Only notables of a detection profile are worked; the others are rejected and kept."""

from __future__ import annotations

import json

import pytest

from actions.profile import Profile
from actions.profile_catalog import shipped_profiles
from connectors.siem.notable import parse_notables
from playbooks.profiles import of_profiles

FIELDS = {"dest": "WS01", "process_name": "regsvcs.exe", "dest_ip": "149.154.167.220", "user": r"CORP\a"}


def text(**fields: object) -> str:
    return json.dumps({**FIELDS, **fields})


def test_a_program_of_no_profile_is_rejected_and_named() -> None:
    parsed = of_profiles(parse_notables(f"[{text()},{text(process_name='cmd.exe')}]"), shipped_profiles())
    assert [each.process_name for each in parsed.notables] == ["regsvcs.exe"]
    (rejected,) = parsed.rejected
    assert (rejected.error.field, rejected.error.problem) == (
        "process_name",
        "'cmd.exe' belongs to no detection profile",
    )
    assert "regasm.exe, regsvcs.exe" in rejected.error.remedy


@pytest.mark.parametrize(
    "name", ["REGSVCS.EXE", r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe", "c:/x/RegAsm.exe"]
)
def test_a_path_and_other_case_fit(name: str) -> None:
    parsed = of_profiles(parse_notables(text(process_name=name)), shipped_profiles())
    assert len(parsed.notables) == 1
    assert parsed.rejected == ()


def test_a_given_profile_counts_whatever_the_case_of_its_names() -> None:
    own = Profile(name="own", title="t", process_names=("RegSvr32.EXE",))
    parsed = of_profiles(parse_notables(text(process_name="regsvr32.exe")), (own,))
    assert len(parsed.notables) == 1
    assert len(of_profiles(parse_notables(text()), (own,)).rejected) == 1


def test_what_was_rejected_before_stays_and_each_is_kept_once_and_can_be_read_again() -> None:
    raw = text(
        process_name="explorer.exe",
        dest_ip=["9.9.9.9", "149.154.167.220"],
        event_id="x@@notable@@1",
        dest_port=["80", "443"],
        count="4",
        firstTime="2026-09-24T07:41:41",
        lastTime="2026-09-24T07:44:42",
        urgency="high",
        risk_score="80",
        direction="outbound",
        process_guid="{365ABB72-6759-5CD8-0000-0010E2D50F00}",
        src_ip="10.20.4.17",
    )
    before = parse_notables(f"[{text(dest_ip='10.0.0.300')},{raw}]")
    parsed = of_profiles(before, shipped_profiles())
    assert parsed.notables == ()
    broken, other = parsed.rejected
    assert broken == before.rejected[0]
    again = parse_notables(other.raw).notables
    without_notes = {"notes": (), "source": before.notables[0].source}
    assert [each.model_copy(update=without_notes) for each in again] == [
        each.model_copy(update=without_notes) for each in before.notables
    ]
