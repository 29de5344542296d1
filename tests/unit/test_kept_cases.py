"""Cases kept for an answer: whole or not at all, for their owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from actions.assess_risk import assess_risk
from actions.risk import RiskPolicy
from connectors.errors import InputError
from playbooks.case_steps import AssessedCase
from playbooks.kept_cases import KeptCases
from playbooks.ledger_settings import LedgerSettings, ledger_of
from playbooks.settings import Settings, settings_from_text
from tests.case_builders import after, stealer_case

CASE_ID = "case-0123456789abcdef"


def a_case(case_id: str = CASE_ID) -> AssessedCase:
    facts = stealer_case()
    return AssessedCase(
        case_id=case_id, facts=facts, risk=assess_risk(facts, RiskPolicy(), after(120)), connector="defender"
    )


def test_a_case_comes_back_as_it_was(tmp_path: Path) -> None:
    cases = KeptCases(tmp_path / "ledger")
    cases.keep(a_case())
    assert cases.get(CASE_ID) == a_case()
    later = a_case().model_copy(update={"connector": "elastic"})
    cases.keep(later)
    assert cases.get(CASE_ID) == later
    (file,) = (tmp_path / "ledger" / "cases").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "wrong", ["../case-0123456789abcdef", "case-1", "", f"{CASE_ID}\n", f"{CASE_ID}.json"]
)
def test_an_id_that_is_none_reaches_no_file(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InputError, match="is no id of a case"):
        KeptCases(tmp_path).get(wrong)


def test_absent_and_damaged_cases_are_told_apart(tmp_path: Path) -> None:
    cases = KeptCases(tmp_path)
    with pytest.raises(InputError, match="is not kept"):
        cases.get(CASE_ID)
    cases.keep(a_case())
    path = cases.folder / f"{CASE_ID}.json"
    whole = path.read_bytes()
    for data in (
        whole[: len(whole) // 2],
        b"",
        b"{}",
        b"\xff",
        whole.replace(b"0123456789abcdef", b"1" * 16),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match="damaged"):
            cases.get(CASE_ID)


def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = KeptCases(tmp_path)
    cases.keep(a_case())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        cases.keep(a_case().model_copy(update={"connector": "elastic"}))
    assert cases.get(CASE_ID) == a_case()
    assert len(list(cases.folder.iterdir())) == 1


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be kept"):
        KeptCases(tmp_path / "taken").keep(a_case())


def test_the_place_of_the_ledger(tmp_path: Path) -> None:
    assert LedgerSettings().place.name == "ledger"
    settings = settings_from_text(f'[ledger]\nfolder = "{tmp_path.as_posix()}/here"', source="policy")
    assert settings.ledger.place == tmp_path / "here"
    ledger_of(settings)
    ledger_of(Settings(), folder=tmp_path / "other")
    assert list(tmp_path.iterdir()) == []  # nothing is made before it is used
    ledger_of(settings).set_kill_switch(on=True, by="ann", why="test")
    assert ledger_of(Settings(), folder=tmp_path / "here").kill_switch().on
