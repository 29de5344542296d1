"""The profiles that ship say exactly what ESCU says."""

from __future__ import annotations

import pytest

from actions.profile import Profile
from actions.profiles import regasm, regsvcs

PROFILES = (regsvcs.PROFILE, regasm.PROFILE)


def test_regsvcs() -> None:
    profile = regsvcs.PROFILE
    assert profile.name == "regsvcs"
    assert profile.title == "Detect Regsvcs with Network Connection"
    assert profile.detection_id == "e3e7a1c0-f2b9-445c-8493-f30a63522d1a"
    assert profile.process_names == ("regsvcs.exe",)
    assert profile.original_file_names == ("RegSvcs.exe",)


def test_regasm() -> None:
    profile = regasm.PROFILE
    assert profile.name == "regasm"
    assert profile.title == "Detect Regasm with Network Connection"
    assert profile.detection_id == "07921114-6db4-4e2e-ae58-3ea8a52ae93f"
    assert profile.process_names == ("regasm.exe",)
    assert profile.original_file_names == ("RegAsm.exe",)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_escu_values(profile: Profile) -> None:
    assert profile.message == (
        "An instance of $process_name$ contacting a remote destination was identified on endpoint $dest$ by"
        " user $user$. This behavior is not normal for $process_name$."
    )
    assert (profile.impact, profile.confidence) == (80, 100)
    assert profile.techniques == ("T1218", "T1218.009")
    assert profile.tactic == "Defense Evasion"
    assert profile.expects_arguments is True
    assert profile.benign_children == ("conhost.exe", "werfault.exe", "dw20.exe")
    assert (profile.schedule.cron, profile.schedule.earliest, profile.schedule.latest) == (
        "0 * * * *",
        "-70m@m",
        "-10m@m",
    )


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_directories_are_the_frameworks_and_comparable(profile: Profile) -> None:
    flavours = {d.split("\\")[1] for d in profile.expected_directories}
    assert flavours == {"framework", "framework64", "frameworkarm64"}
    old = [d for d in profile.expected_directories if d.split("\\")[2].startswith("v1.")]
    assert old == [r"microsoft.net\framework\v1.0.3705", r"microsoft.net\framework\v1.1.4322"]
    for directory in (*profile.expected_directories, *profile.unusual_directories):
        assert directory == directory.lower()
        assert not directory.startswith("\\")
        assert not directory.endswith("\\")
