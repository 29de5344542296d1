"""`run --new`: a notable that could not be worked, or was not written back, is taken again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connectors.clock import utc_now
from connectors.edr.catalogue import EdrName
from playbooks.hosts.unworked import RECORD
from tests.cli_runs import Invoke, Result, invoking
from tests.edr_backends import BACKENDS, environ_of
from tests.estate import estate_of
from tests.fakes.splunk_server import TOKEN, FakeSplunk
from tests.unit.test_cli_edr import config_of
from tests.unit.test_cli_splunk import STEALER_ID, cases, clean, notable, of_stealer

(DEFENDER,) = (each for each in BACKENDS if each.name is EdrName.DEFENDER)
((SECRET, _),) = environ_of(DEFENDER).items()


class Place(NamedTuple):
    """A command over a Splunk and a Defender, and its folder."""

    invoke: Invoke
    splunk: FakeSplunk
    config: Path
    out: Path
    patch: pytest.MonkeyPatch

    def run(self, *more: str) -> Result:
        """Take the new notables, with JSON."""
        run = ("run", "--new", "--out", self.out, "--config", self.config, "--no-lookup", "--json")
        return clean(self.invoke(*run, *more))

    def break_edr(self) -> None:
        self.patch.setenv(SECRET, "planted-wrong-0123456789")

    def mend_edr(self) -> None:
        self.patch.setenv(SECRET, environ_of(DEFENDER)[SECRET])


@pytest.fixture
def place(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
    examples: Path,
) -> Iterator[Place]:
    invoke = invoking(monkeypatch, capfdbinary, data=tmp_path / "data")
    monkeypatch.setenv("REGSVCS_RESPONSE_SPLUNK_TOKEN", TOKEN)
    with (
        DEFENDER.fake(estate_of(examples / "stealer/sysmon.xml"), utc_now) as defender,
        FakeSplunk((), utc_now) as splunk,
    ):
        config = config_of(tmp_path, DEFENDER.settings(defender))
        with config.open("a") as file:
            file.write(f'\n[splunk]\nbase_url = "{splunk.url}"\n[write_back]\nstatus = "In Progress"\n')
            file.write("[splunk.http]\nretries = 0\n[edr.http]\nretries = 0\n")
        splunk.notables = [of_stealer(examples)]
        found = Place(invoke, splunk, config, tmp_path / "out", monkeypatch)
        found.mend_edr()
        yield found


def ids(result: Result) -> list[str]:
    return [each["event_id"] for case in cases(result) for each in case["facts"]["notables"]]


def record(out: Path) -> list[Any]:
    return [json.loads(line) for line in (out / RECORD).read_text().splitlines()]


@pytest.mark.parametrize("user", [None, "unknown", ""])
def test_a_notable_without_a_user_has_its_case(user: str | None, place: Place) -> None:
    if user is None:
        place.splunk.notables[0].pop("user")
    else:
        place.splunk.notables[0]["user"] = user
    first = place.run("--write-back")
    assert (first.code, ids(first)) == (0, [STEALER_ID]), first.err
    assert cases(first)[0]["facts"]["notables"][0]["user"], "that of the process"
    assert len(place.splunk.updates) == 1
    assert not (place.out / RECORD).exists()
    second = place.run("--write-back")
    assert (second.code, cases(second)) == (0, [])


def test_a_notable_in_no_report_is_named_exit_1_and_worked_again(place: Place) -> None:
    with place.patch.context() as patched:
        patched.setattr("playbooks.hosts.commands.run.respond", lambda *_, **__: ())
        for _ in range(2):
            lost = place.run()
            assert (lost.code, cases(lost)) == (1, [])
            assert f"{STEALER_ID} (RegSvcs.exe on " in lost.err
            assert "fault of this program" in lost.err
    again = place.run()
    assert (again.code, ids(again)) == (0, [STEALER_ID]), again.err
    assert cases(place.run()) == []
    assert [each["why"] for each in record(place.out)] == ["no_report", "no_report", None]


def test_a_failed_edr_is_told_and_its_notables_are_worked_again(place: Place) -> None:
    place.break_edr()
    failed = place.run("--write-back")
    assert failed.code == 1
    assert "not looked up: case-" in failed.err
    assert SECRET in failed.err
    assert "The next run works the notables again." in failed.err
    assert "planted-wrong" not in failed.err + failed.out
    assert cases(failed)[0]["risk"]["case_verdict"] == "undetermined"
    # Nobody has looked at it: it stays as new as it was, and says nothing that the next run contradicts.
    assert (place.splunk.updates, place.splunk.risk) == ([], [])
    assert place.splunk.notables[0]["status_label"] == "New"
    later = place.run("--write-back")
    assert (later.code, len(cases(later))) == (1, 1), "it still fails"
    place.mend_edr()
    good = place.run("--write-back")
    assert (good.code, ids(good)) == (0, [STEALER_ID]), good.err
    (case,) = cases(good)
    assert case["risk"]["case_verdict"] == "malicious"
    (update,) = place.splunk.updates
    assert case["case_id"] in update["comment"]
    assert place.splunk.notables[0]["status_label"] == "In Progress"
    assert cases(place.run("--write-back")) == []


def test_a_host_that_the_edr_does_not_know_is_an_answer(place: Place) -> None:
    place.splunk.notables = [notable(1, dest="NOWHERE-9")]
    result = place.run("--write-back")
    assert (result.code, len(cases(result))) == (0, 1), result.err
    assert "not looked up" not in result.err
    assert len(place.splunk.updates) == 1


def test_a_named_notable_with_a_failed_edr_is_told_and_ends_with_0(place: Place) -> None:
    place.break_edr()
    run = ("run", "--event-id", STEALER_ID, "--config", place.config, "--no-lookup", "--json")
    told = clean(place.invoke(*run))
    assert (told.code, len(cases(told))) == (0, 1)
    assert "not looked up: case-" in told.err
    assert "next run" not in told.err.lower()
    back = clean(place.invoke(*run, "--write-back"))
    assert (back.code, "nothing was written" in back.err) == (1, True)
    assert place.splunk.updates == []


def test_one_that_no_run_could_work_is_given_up_and_told(place: Place) -> None:
    place.break_edr()
    assert place.run().code == 1
    journal = place.out / "notables.ndjson"
    line = json.loads(journal.read_text())
    line["kept_at"] = "2026-01-01T00:00:00Z"
    journal.write_text(json.dumps(line) + "\n")
    given_up = place.run()
    assert (given_up.code, cases(given_up)) == (1, [])
    assert f"{STEALER_ID} (" in given_up.err
    assert "given up" in given_up.err
    last = place.run()
    assert (last.code, "given up" in last.err) == (0, False)


def test_so_many_at_once_and_the_others_next_time(place: Place) -> None:
    place.splunk.notables = [notable(each, ago_s=90 - each, dest=f"NOWHERE-{each}") for each in range(1, 5)]
    place.break_edr()
    assert len(cases(place.run())) == 4
    place.mend_edr()
    place.splunk.notables = []
    seen = []
    for waiting in (True, False):
        result = place.run("--limit", "2")
        assert ("2 earlier notables that could not be worked before wait" in result.err) is waiting
        seen += ids(result)
    assert (len(seen), len(set(seen))) == (4, 4)
    assert cases(place.run("--limit", "2")) == []


class TestLookFirstThenWrite:
    def test_the_second_run_writes_what_the_first_showed(self, place: Place) -> None:
        place.splunk.notables.append(notable(2, ago_s=50, dest="NOWHERE-9"))
        looked = place.run()
        assert (looked.code, len(cases(looked)), place.splunk.updates) == (0, 2, [])
        written = place.run("--write-back")
        assert (written.code, len(cases(written))) == (0, 2), written.err
        assert len(place.splunk.updates) == 2
        assert cases(place.run("--write-back")) == []
        assert len(place.splunk.updates) == 2

    def test_those_beyond_the_number_of_one_case_are_not_taken_a_third_time(self, place: Place) -> None:
        place.splunk.notables = [notable(each, dest="NOWHERE-9") for each in range(1, 4)]
        with place.patch.context() as patched:
            patched.setattr("playbooks.write_back.MOST_NOTABLES", 1)
            assert place.run().code == 0
            assert len(cases(place.run("--write-back"))) == 1
            assert cases(place.run("--write-back")) == []
        assert len(place.splunk.updates) == 1

    def test_a_week_back_and_no_further(self, place: Place) -> None:
        assert place.run().code == 0
        journal = place.out / "notables.ndjson"
        line = json.loads(journal.read_text())
        line["kept_at"] = "2026-01-01T00:00:00Z"
        journal.write_text(json.dumps(line) + "\n")
        assert cases(place.run("--write-back")) == []


def test_a_status_that_splunk_does_not_know_costs_the_status_alone(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("In Progress", "Being Looked At"))
    for _ in range(2):
        result = place.run("--write-back")
        assert result.code == 1
        assert "written: comment. Not written: status: 'Being Looked At' is not known" in result.err.replace(
            "was written before", "written: comment"
        )
        assert "[write_back]" in result.err
    (update,) = place.splunk.updates
    assert "status" not in update
    place.config.write_text(place.config.read_text().replace("Being Looked At", "In Progress"))
    assert place.run("--write-back").code == 0
    assert place.splunk.notables[0]["status_label"] == "In Progress"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("", "under the names in splunk.search_names ('ESCU - Detect Regsvcs"),
        ("search_names = []", "no new notable is in Splunk's index notable"),
        ('notables_from = "escu"', "the analytic ran over Splunk's Sysmon events and found nothing new"),
    ],
)
def test_nothing_new_names_what_was_asked(more: str, named: str, place: Place) -> None:
    place.splunk.notables = [notable(1, search_name="a clone")] if not more else []
    place.config.write_text(place.config.read_text().replace("[splunk]\n", f"[splunk]\n{more}\n"))
    result = place.run()
    assert (result.code, cases(result)) == (0, [])
    assert named in result.err


@pytest.mark.parametrize("new", [True, False])
def test_an_interrupt_is_one_line_that_says_what_becomes_of_the_notables(new: bool, place: Place) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    place.patch.setattr("playbooks.hosts.commands.run.respond", stop)
    options = ("--new", "--out", place.out) if new else ("--event-id", STEALER_ID)
    result = clean(place.invoke("run", *options, "--config", place.config, "--no-lookup"))
    said = "the next run takes these notables again" if new else "nothing further was done"
    assert (result.code, result.out, result.err.strip()) == (130, "", f"interrupted; {said}")
    assert not (place.out / "checkpoint.json").exists()
