"""`audit`, and what people set in the ledger: kill switch, breaker, a lease's review, and who they are."""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import InputError
from connectors.facts.ledger import HostKey, IntentState
from connectors.state.audit import NO_DIGEST
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from playbooks.hosts.commands import isolation_tools
from playbooks.hosts.commands.isolation_tools import Person
from tests.cli_isolation_bench import ANALYST
from tests.cli_runs import Invoke, Result, invoking
from tests.http_clients import Clock
from tests.ledger_builders import HOST, LEASE_S, ended, isolated, order, tamper

OTHER = HostKey("defender", "agent-2")


class Place:
    """The command line over a ledger in a folder, at a time that stands still."""

    def __init__(self, invoke: Invoke, folder: Path, clock: Clock) -> None:
        self._invoke = invoke
        self.folder = folder
        self.clock = clock
        self.file = folder / "ledger" / FILE_NAME
        self.ledger = SqliteLedger(self.file, clock=clock)
        self.config = folder / "policy.toml"
        self.policy()

    def policy(self, isolation: str = "") -> None:
        where = json.dumps(str(self.file.parent))
        self.config.write_text(f"[ledger]\nfolder = {where}\n[isolation]\n{isolation}\n")

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Result:
        return self._invoke(*arguments, "--config", self.config, stdin=stdin)

    def json(self, *arguments: object, code: int = 0) -> Any:
        result = self(*arguments, "--json")
        assert result.code == code, result.err
        return json.loads(result.out)

    def last(self) -> tuple[str, str, str]:
        """Event, person and data of the last line of the audit."""
        *_, line = self.ledger.audit()
        return line.event, line.by, line.data


@pytest.fixture
def place(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Place:
    clock = Clock()
    invoke = invoking(monkeypatch, capfdbinary, data=tmp_path / "data")
    monkeypatch.setattr(isolation_tools, "utc_now", clock)
    monkeypatch.setattr(isolation_tools, "_account", lambda: ANALYST)
    return Place(invoke, tmp_path, clock)


class TestAudit:
    def test_an_intact_audit_is_told_with_its_head(self, place: Place) -> None:
        isolated(place.ledger)
        head = place.ledger.head()
        result = place("audit", "verify")
        assert (result.code, result.out) == (
            0,
            f"intact: {head.number} lines, head {head.number}:{head.digest}\n",
        )
        assert "--head" in result.err
        assert place("audit", "head").out == f"{head.number}:{head.digest}\n"
        assert place.json("audit", "head") == {"schema_version": "1.0", **head.model_dump()}

    def test_an_export_is_verified_by_itself(self, place: Place) -> None:
        isolated(place.ledger)
        export = place.folder / "audit.jsonl"
        written = place("audit", "export", export)
        assert (written.code, written.out) == (0, "")
        assert stat.S_IMODE(export.stat().st_mode) == 0o600
        lines = export.read_bytes().splitlines(keepends=True)
        assert len(lines) == place.ledger.head().number
        found = place.json("audit", "verify", export)
        assert (found["ok"], found["lines"], found["head_given"]) == (True, len(lines), False)
        out = place("audit", "export")
        assert out.out.encode() == export.read_bytes()
        assert place("audit", "export", "-").out == out.out

    def test_an_export_is_never_written_over(self, place: Place) -> None:
        export = place.folder / "audit.jsonl"
        export.write_text("an earlier one\n")
        result = place("audit", "export", export)
        assert (result.code, "is there already" in result.err) == (2, True)
        assert export.read_text() == "an earlier one\n"

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            pytest.param(
                lambda at: [*at[:1], at[1].replace(b"agent-1", b"agent-2"), *at[2:]],
                "line 2 was changed",
                id="byte",
            ),
            pytest.param(lambda at: [at[0], *at[2:]], "line 2 should follow line 1", id="deleted"),
            pytest.param(
                lambda at: [at[0], at[2], at[1], *at[3:]], "line 2 should follow line 1", id="swapped"
            ),
            pytest.param(lambda at: [*at[:2], b"\xff\xfe{}\n", *at[2:]], "line 3 is not a line", id="junk"),
        ],
    )
    def test_a_changed_export_names_the_line(
        self, place: Place, change: Callable[[list[bytes]], list[bytes]], words: str
    ) -> None:
        isolated(place.ledger)
        export = place.folder / "audit.jsonl"
        place("audit", "export", export)
        lines = export.read_bytes().splitlines(keepends=True)
        assert b"agent-1" in lines[1]
        export.write_bytes(b"".join(change(lines)))
        result = place("audit", "verify", export)
        assert result.code == 1
        assert result.out.startswith(f"broken: {words}"), result.out
        assert "intact up to here: " in result.out

    def test_a_changed_ledger_names_the_line(self, place: Place) -> None:
        isolated(place.ledger)
        tamper(place.file, "UPDATE audit SET by_whom = 'nobody' WHERE number = 2")
        result = place("audit", "verify")
        assert (result.code, "line 2 was changed" in result.out) == (1, True)
        assert place.json("audit", "verify", code=1)["lines"] == 1

    def test_lines_cut_off_the_end_show_against_a_kept_head(self, place: Place) -> None:
        isolated(place.ledger)
        for name, text in (
            ("head.txt", place("audit", "head").out),
            ("head.json", place("audit", "head", "--json").out),
        ):
            (place.folder / name).write_text(text)
        export = place.folder / "audit.jsonl"
        place("audit", "export", export)
        lines = export.read_bytes().splitlines(keepends=True)
        export.write_bytes(b"".join(lines[:-1]))
        assert place("audit", "verify", export).code == 0
        heads = (place("audit", "head").out.strip(), place.folder / "head.txt", place.folder / "head.json")
        for head in heads:
            cut = place("audit", "verify", export, "--head", head)
            assert (cut.code, "cut off" in cut.out) == (1, True)
            whole = place("audit", "verify", "--head", head)
            assert (whole.code, whole.err) == (0, "")

    def test_a_wrong_head_and_a_missing_file_are_bad_input(self, place: Place) -> None:
        (place.folder / "odd").write_text('{"number": "\x1b[31m"}')
        for wrong in ("12", "12:abc", place.folder / "none", place.folder / "odd", place.folder):
            result = place("audit", "verify", "--head", wrong)
            assert (result.code, result.out) == (2, "")
            assert "--head" in result.err
            assert "\x1b" not in result.err
        assert place("audit", "verify", place.folder / "none.jsonl").code == 2

    def test_what_only_reads_makes_no_ledger_and_says_that_there_is_none(self, place: Place) -> None:
        for command in (
            ("audit", "verify"),
            ("audit", "head"),
            ("audit", "export", "-"),
            ("kill-switch", "show"),
            ("breaker", "show"),
        ):
            result = place(*command)
            assert result.code == 0
            assert f"ledger: {place.file}, new and empty" in result.err
            assert not place.file.parent.exists()
        assert place("audit", "head").out == f"0:{NO_DIGEST}\n"
        assert place.json("breaker", "show") == {**place.ledger.breaker()._asdict(), "schema_version": "1.0"}
        assert place("audit", "head").err == ""

    def test_a_ledger_that_is_none_is_told(self, place: Place) -> None:
        place.file.parent.mkdir()
        place.file.write_text("this is no database")
        for command in (("audit", "verify"), ("audit", "head"), ("kill-switch", "show"), ("breaker", "show")):
            result = place(*command)
            assert (result.code, result.out) == (1, "")
            assert str(place.file) in result.err
            assert "Traceback" not in result.err


class TestKillSwitch:
    def test_on_and_off_are_kept_with_who_and_why(self, place: Place) -> None:
        assert place("kill-switch", "show").out == "kill switch: off\n"
        on = place("kill-switch", "on", "--why", "an outage \x1b[31m")
        assert (on.code, "on, nothing is isolated; set by ana.lyst" in on.out) == (0, True)
        assert "\x1b" not in on.out
        assert place.ledger.kill_switch().on
        off = place.json("kill-switch", "off", "--why", "over")
        assert (off["on"], off["ledger"]["by"], off["ledger"]["why"]) == (False, ANALYST, "over")
        assert not place.ledger.kill_switch().on

    def test_a_policy_that_stops_all_is_told_as_well(self, place: Place) -> None:
        place.policy("kill_switch = true")
        shown = place("kill-switch", "show").out
        assert "kill switch: off" in shown
        assert "isolation.kill_switch is true" in shown
        assert place.json("kill-switch", "show")["on"] is True

    def test_anybody_sets_it_and_an_approver_takes_it_back(self, place: Place) -> None:
        place.policy('approvers = ["someone.else"]')
        assert place("kill-switch", "on", "--why", "an outage").code == 0
        refused = place("kill-switch", "off", "--why", "over")
        assert (refused.code, "isolation.approvers" in refused.err) == (2, True)
        assert place.ledger.kill_switch().on
        assert place.last()[:2] == ("person_refused", ANALYST)

    @pytest.mark.parametrize("wrong", [("on",), ("off", "--why", " "), ("stop", "--why", "x")])
    def test_no_reason_and_no_such_action_change_nothing(self, place: Place, wrong: tuple[str, ...]) -> None:
        result = place("kill-switch", *wrong)
        assert (result.code, result.out) == (2, "")
        assert place.ledger.head().number == 0


class TestBreaker:
    def test_it_is_closed_by_a_person_with_a_reason(self, place: Place) -> None:
        for number in range(3):
            ended(place.ledger, IntentState.EXPIRED, order(host=HostKey("defender", f"agent-{number}")))
        shown = place("breaker", "show")
        assert "breaker: open" in shown.out
        assert "3 of 3" in shown.out
        assert place("breaker", "close").code == 2
        assert place.json("breaker", "show")["open"] is True
        closed = place.json("breaker", "close", "--why", "the EDR answers again")
        assert (closed["open"], closed["failures"]) == (False, 0)
        event, by, data = place.last()
        assert (event, by, "answers again" in data) == ("breaker_closed", ANALYST, True)

    def test_only_an_approver_closes_it(self, place: Place) -> None:
        place.policy('approvers = ["someone.else"]')
        assert place("breaker", "close", "--why", "x").code == 2


class TestLease:
    def test_a_review_is_set_later(self, place: Place) -> None:
        isolated(place.ledger)
        found = place.json("lease", "extend", "ws-1", "--hours", "48", "--why", "reinstalled tomorrow")
        assert found["lease"]["host_id"] == HOST.host_id
        (lease,) = place.ledger.leases()
        assert lease.review_by == place.clock() + timedelta(hours=48)
        assert place("lease", "extend", "case-1", "--hours", "49", "--why", "again").code == 0

    def test_an_earlier_one_is_refused(self, place: Place) -> None:
        isolated(place.ledger)
        before = place.ledger.leases()
        for hours in ("1", str(int(LEASE_S // 3600)), "0", "721"):
            assert place("lease", "extend", "WS-1", "--hours", hours, "--why", "x").code == 2
        assert place.ledger.leases() == before

    def test_an_ambiguous_name_names_the_candidates_and_an_agent_decides(self, place: Place) -> None:
        isolated(place.ledger)
        isolated(place.ledger, order(host=OTHER, hostname="WS-1.lab.example"))
        result = place("lease", "extend", "WS-1", "--hours", "48", "--why", "x")
        assert (result.code, "fits 2 hosts" in result.err) == (2, True)
        assert "agent-1" in result.err
        assert "agent-2" in result.err
        assert place("lease", "extend", "agent-2", "--hours", "48", "--why", "x").code == 0
        first, second = place.ledger.leases()
        assert first.review_by < second.review_by

    def test_a_host_without_one_is_told_with_those_that_have_one(self, place: Place) -> None:
        isolated(place.ledger)
        result = place("lease", "extend", "WS-2", "--hours", "48", "--why", "x")
        assert (result.code, "WS-1.corp.example" in result.err) == (2, True)


class TestPerson:
    def test_it_is_the_account_of_the_system_and_no_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("USER", "LOGNAME", "LNAME", "USERNAME", "SUDO_USER"):
            monkeypatch.setenv(name, "an.approver")
        monkeypatch.setattr(os, "getuid", lambda: 1234)
        monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd(("ana", "x", uid, 1, "", "/", "")))
        assert isolation_tools.person() == Person("ana")
        assert Person("ana").reason("seen") == "seen"

    def test_behind_sudo_it_is_root_and_the_reason_tells_who_sudo_says(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "getuid", lambda: 0)
        monkeypatch.setenv("SUDO_USER", "ana")
        found = isolation_tools.person()
        assert (found.name, found.reason("seen")) == ("root", "seen (sudo says by ana)")
        monkeypatch.setenv("SUDO_USER", "ana\n) x")
        assert isolation_tools.person().reason("seen") == "seen"

    def test_an_account_without_a_name_is_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "getuid", lambda: 54_321_987)
        with pytest.raises(InputError):
            isolation_tools.person()
