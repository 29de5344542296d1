"""The chain of the audit shows each change, except those that only a head kept elsewhere can show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import InputError
from connectors.facts.ledger import AuditHead, AuditLine
from connectors.state import audit
from connectors.state.ledger import LedgerUnusable
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from tests.http_clients import Clock
from tests.ledger_builders import begun, isolated, order, tamper

START = datetime(2026, 11, 24, 9, 0, 0, 5, tzinfo=UTC)


def chain(length: int) -> list[AuditLine]:
    lines: list[AuditLine] = []
    head = audit.verify([]).head
    for number in range(1, length + 1):
        line = audit.next_line(
            head,
            at=START + timedelta(seconds=number),
            by="ann",
            event="noted",
            subject=f"host-{number}",
            data={"n": number},
        )
        lines.append(line)
        head = AuditHead(number=line.number, digest=line.digest)
    return lines


def head_of(lines: list[AuditLine]) -> AuditHead:
    return AuditHead(number=lines[-1].number, digest=lines[-1].digest)


def rechained(lines: list[AuditLine]) -> list[AuditLine]:
    """The lines with numbers and digests made anew, as a careful forger does it."""
    head = audit.verify([]).head
    forged = []
    for line in lines:
        moved = line.model_copy(update={"number": head.number + 1, "before": head.digest})
        forged.append(moved.model_copy(update={"digest": audit.digest_of(moved)}))
        head = head_of(forged)
    return forged


def test_a_whole_chain_is_in_order() -> None:
    lines = chain(5)
    assert audit.verify(lines) == (True, 5, "", head_of(lines))
    assert audit.verify(lines, head=head_of(lines[:3])).ok
    assert audit.verify([]) == (True, 0, "", AuditHead(number=0, digest="0" * 64))
    assert audit.verify(lines, head=audit.verify([]).head).ok


def test_the_digest_is_the_same_everywhere() -> None:
    """Others verify exports with their own programs: this must not change."""
    (line,) = chain(1)
    assert audit.export_line(line) == (
        '{"at":"2026-11-24T09:00:01.000005+00:00","before":"'
        + "0" * 64
        + '","by":"ann","data":"{\\"n\\":1}",'
        '"digest":"' + line.digest + '","event":"noted","number":1,"subject":"host-1"}'
    )
    assert line.digest == "5b31416d7c8dc493716476a0d25c2031858f41cc06531485da6f3e322a9ce043"
    elsewhere = line.model_copy(update={"at": line.at.astimezone(timezone(timedelta(hours=5)))})
    assert audit.export_line(elsewhere) == audit.export_line(line)


@given(data=st.data())
def test_a_changed_byte_of_an_export_is_found(data: st.DataObject) -> None:
    text = "".join(audit.export_line(line) + "\n" for line in chain(3)).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.integers(1, 127)) ^ text[at]
    changed = (text[:at] + bytes([other]) + text[at + 1 :]).decode(errors="replace")
    try:
        verdict = audit.verify(audit.read_export(changed.split("\n")[:-1]), head=head_of(chain(3)))
    except InputError:
        return
    assert not verdict.ok


@pytest.mark.parametrize("field", ["at", "by", "event", "subject", "data", "before", "digest", "number"])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_changed_field_is_found(field: str, number: int) -> None:
    lines = chain(5)
    old = getattr(lines[number - 1], field)
    new = old + timedelta(microseconds=1) if field == "at" else old + 1 if field == "number" else f"{old}x"
    lines[number - 1] = lines[number - 1].model_copy(update={field: new})
    verdict = audit.verify(lines)
    assert (verdict.ok, verdict.lines) == (False, number - 1)
    assert str(number) in verdict.problem
    assert verdict.head.number == number - 1


@pytest.mark.parametrize("cut", range(4))
def test_a_deleted_inner_line_is_found(cut: int) -> None:
    lines = chain(5)
    del lines[cut]
    assert audit.verify(lines).lines == cut
    assert f"line {cut + 1} should follow" in audit.verify(lines).problem


@pytest.mark.parametrize("at", range(4))
def test_swapped_and_repeated_lines_are_found(at: int) -> None:
    lines = chain(5)
    swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
    repeated = [*lines[: at + 1], *lines[at:]]
    assert not audit.verify(swapped).ok
    assert not audit.verify(repeated).ok


def test_renumbered_lines_are_found() -> None:
    lines = chain(4)
    renumbered = [lines[0], *(each.model_copy(update={"number": each.number - 1}) for each in lines[2:])]
    assert "was changed" in audit.verify(renumbered).problem


def test_lines_of_two_chains_do_not_make_one() -> None:
    ours = chain(5)
    others = rechained([ours[1], ours[0], *ours[2:]])
    spliced = [*ours[:3], *others[3:]]
    verdict = audit.verify(spliced)
    assert (verdict.ok, verdict.lines) == (False, 3)
    assert "line 4 does not follow the line before it" in verdict.problem


def test_only_a_head_shows_a_truncation() -> None:
    lines = chain(5)
    assert audit.verify(lines[:4]).ok
    verdict = audit.verify(lines[:4], head=head_of(lines))
    assert (verdict.ok, verdict.lines) == (False, 4)
    assert "ends at line 4, but the head was taken at line 5" in verdict.problem
    assert not audit.verify([], head=head_of(lines)).ok


def test_only_a_head_shows_a_chain_that_was_made_anew() -> None:
    lines = chain(5)
    forged = rechained([lines[0], *lines[2:]])
    assert audit.verify(forged).ok
    assert "written anew" in audit.verify(forged, head=head_of(lines[:3])).problem
    assert audit.verify(forged, head=head_of(lines[:1])).ok  # says nothing of what came after it


def test_an_export_is_read_back() -> None:
    lines = chain(3)
    exported = [audit.export_line(line) + "\r\n" for line in lines]
    assert list(audit.read_export(exported)) == lines


@pytest.mark.parametrize("bad", ["", "{}", "[]", "nonsense", '{"number":1}', "\x00", "null"])
def test_a_line_that_is_none_is_named(bad: str) -> None:
    reading = audit.read_export([audit.export_line(chain(1)[0]), bad])
    next(reading)
    with pytest.raises(InputError, match="line 2"):
        next(reading)


def test_a_line_spelt_otherwise_is_named() -> None:
    text = audit.export_line(chain(1)[0])
    for changed in (
        text.replace('"by":', '"by": '),
        text.replace("+00:00", "Z"),
        text.replace("ann", "\\u0061nn"),
    ):
        with pytest.raises(InputError, match="line 1"):
            list(audit.read_export([changed]))


@given(st.text(st.characters()))
def test_any_text_can_be_kept(text: str) -> None:
    line = audit.next_line(
        audit.verify([]).head, at=START, by=text, event=text, subject=text, data={"t": text}
    )
    assert line.by == text.encode("utf-8", "ignore").decode()
    assert audit.verify([line]).ok
    assert list(audit.read_export([audit.export_line(line)])) == [line]


def test_a_long_text_is_cut() -> None:
    assert audit.kept_text("x" * 4_000) == "x" * 4_000
    assert audit.kept_text("x" * 4_001) == "x" * 3_994 + " [cut]"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        audit.instant_text(datetime(2026, 1, 1))  # noqa: DTZ001


# --- in the file -----------------------------------------------------------------------------


def written(folder: Path) -> SqliteLedger:
    ledger = SqliteLedger(folder / FILE_NAME, clock=Clock())
    isolated(ledger)
    return ledger


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET by_whom = 'bob' WHERE number = 2",
        "UPDATE audit SET data = replace(data, 'playbook', 'plaubook') WHERE number = 3",
        "UPDATE audit SET at = '2020-01-01T00:00:00.000000+00:00' WHERE number = 2",
        "UPDATE audit SET digest = 'x' WHERE number = 4",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit WHERE number = 1",
        "UPDATE audit SET number = -number WHERE number = 3",
        "UPDATE audit SET number = 99 WHERE number = 2",
        "INSERT INTO audit SELECT 5, at, by_whom, event, subject, data, before, digest FROM audit LIMIT 1",
    ],
)
def test_a_change_of_the_file_is_found(change: str, tmp_path: Path) -> None:
    ledger = written(tmp_path)
    head = ledger.head()
    assert audit.verify(ledger.audit(), head=head).ok
    tamper(tmp_path / FILE_NAME, "DELETE FROM audit WHERE number > 4", change)
    if "number = -number" in change:  # no line at all: an audit begins at 1
        assert [line.number for line in ledger.audit()] == [1, 2, 4]
    assert not audit.verify(ledger.audit()).ok


def test_a_changed_byte_of_the_file_is_found(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    path = tmp_path / FILE_NAME
    raw = path.read_bytes()
    at = raw.index(b"intent_calling")
    path.write_bytes(raw[:at] + b"jntent_calling" + raw[at + 14 :])
    verdict = audit.verify(ledger.audit())
    assert (verdict.ok, verdict.lines) == (False, 1)


@pytest.mark.parametrize(
    "at", ["2026-07-01 12:00:00.000000+00:00", "yesterday", "2026-07-01T12:00:00.000000Z"]
)
def test_a_time_spelt_otherwise_is_found(at: str, tmp_path: Path) -> None:
    ledger = written(tmp_path)
    tamper(tmp_path / FILE_NAME, f"UPDATE audit SET at = '{at}' WHERE number = 2")  # noqa: S608
    with pytest.raises(LedgerUnusable):
        audit.verify(ledger.audit())


def test_a_truncated_file_is_found_by_a_head_alone(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    head = ledger.head()
    tamper(tmp_path / FILE_NAME, "DELETE FROM audit WHERE number = 4")
    assert head.number == 4
    assert audit.verify(ledger.audit()).ok
    assert not audit.verify(ledger.audit(), head=head).ok


def test_the_audit_goes_on_over_many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.state.sqlite_ledger._AUDIT_PAGE", 2)
    ledger = written(tmp_path)
    begun(ledger, order(host=order().host._replace(host_id="agent-2")))
    assert [line.number for line in ledger.audit()] == [1, 2, 3, 4, 5]
