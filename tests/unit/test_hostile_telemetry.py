"""Logs and notables made to break something: impossible times, texts without end, endless lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from actions.bounded_process import CONNECTIONS_KEPT
from actions.get_process_lineage import LineageSettings, gather_process
from actions.host_addresses import ADDRESS_TOLERANCE
from actions.isolation import GuardOutcome
from actions.long_text import LONGEST_KEPT
from actions.profile_catalog import shipped_profiles
from actions.risk import CaseVerdict
from connectors.edr import sysmon_fields
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.evidence import KEPT_CHARACTERS_PER_KIND, KEPT_CONNECTIONS
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT, Instant
from connectors.facts.notable import Notable, NotableSource
from connectors.facts.process import ProcessRef
from connectors.siem.notable import parse_notables
from playbooks.case import CaseReport
from playbooks.case_findings import gather_cases
from playbooks.report.document import to_json
from playbooks.report.markdown import render
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.events import HOST, REGSVCS, bare, connected, created, event, guid

NOW = datetime(2026, 9, 24, 8, tzinfo=UTC)
PEER = "149.154.167.220"
LOADER = r"C:\Users\u\AppData\Local\Temp\l.exe"
OUTLOOK = r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE"
FAR_FUTURE = "9999-12-31 23:59:59.999"
FAR_PAST = "0001-01-01 00:00:00.000"
CASE = (
    created(2, None, LOADER),
    created(3, 2, REGSVCS, second=1, ParentImage=LOADER, CommandLine=f'"{REGSVCS}"'),
    event(25, second=2, ProcessGuid=guid(3), Image=REGSVCS, Type="Image is replaced"),
    connected(3, second=3),
    event(5, second=4, ProcessGuid=guid(2)),
)


def sysmon(events: Sequence[RawEvent]) -> SysmonFileEdr:
    store = SysmonStore(["regsvcs.exe"])
    for each in events:
        store.add(each)
    return SysmonFileEdr(store, ReadReport(), clock=lambda: NOW)


def notable(**fields: object) -> Notable:
    base: dict[str, object] = {
        "source": NotableSource.ES_NOTABLE,
        "event_id": "e1",
        "dest": HOST,
        "user": r"CORP\user01",
        "process_name": "RegSvcs.exe",
        "src_ip": "10.20.4.17",
        "dest_ip": PEER,
        "first_time": datetime(2026, 9, 24, 7, 0, 3, tzinfo=UTC),
        "last_time": datetime(2026, 9, 24, 7, 0, 3, tzinfo=UTC),
    }
    return Notable.model_validate({**base, **fields})


def work(events: Sequence[RawEvent], asked: Notable, *, now: datetime = NOW) -> CaseReport:
    (report,) = respond(
        InProcess(),
        [asked],
        edr=sysmon(events),
        profiles=shipped_profiles(),
        settings=Settings(),
        clock=lambda: now,
    )
    return report


# --- times ----------------------------------------------------------------------------------------

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
ACCEPTED = st.one_of(
    st.sampled_from(
        [
            EARLIEST_INSTANT,
            EARLIEST_INSTANT.astimezone(timezone(timedelta(hours=-14))),
            LATEST_INSTANT - timedelta(microseconds=1),
            (LATEST_INSTANT - timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=14))),
        ]
    ),
    st.datetimes(
        EARLIEST_INSTANT.replace(tzinfo=None), LATEST_INSTANT.replace(tzinfo=None), timezones=st.just(UTC)
    ).filter(lambda when: when < LATEST_INSTANT),
)
LOGGED = st.one_of(
    st.sampled_from(
        [
            "",
            "-",
            FAR_FUTURE,
            FAR_PAST,
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00+14:00",
            "9000-12-31 23:59:59.999",
            "9001-01-01 00:00:00.000",
            "1980-01-01 00:00:00.000",
            "x" * 32_767,
        ]
    ),
    st.datetimes().map(lambda when: when.isoformat(" ", "milliseconds")),
)


@pytest.mark.parametrize("year", [1, 1601, 9001, 9999])
def test_times_at_the_ends_of_the_calendar_are_refused(year: int) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(datetime(year, 6, 1, tzinfo=UTC))
    with pytest.raises(ValidationError):
        INSTANT.validate_json(f'"{year:04d}-06-01T00:00:00Z"')


@given(ACCEPTED)
def test_every_accepted_time_bears_a_tolerance_and_a_change_of_zone(when: datetime) -> None:
    assert INSTANT.validate_python(when) == when
    for zone in (timezone(timedelta(hours=14)), timezone(timedelta(hours=-14))):
        far = [(when + timedelta(days=400)).astimezone(zone), (when - timedelta(days=200)).astimezone(zone)]
        assert far[0] - far[1] == timedelta(days=600)


@pytest.mark.parametrize(
    "text", [FAR_FUTURE, FAR_PAST, "9001-01-01 00:00:00.000", "9999-12-31T23:59:59-14:00"]
)
def test_a_logged_time_outside_is_unknown(text: str) -> None:
    assert sysmon_fields.instant(text) is None
    assert sysmon_fields.utc_text(text) == ""
    assert sysmon_fields.instant("9000-12-31 23:59:59.999") is not None


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59", "0001-01-01T00:00:00", "253402300799", "-62135596800"]
)
def test_a_notables_time_outside_is_unknown_with_a_note(text: str) -> None:
    given_ = {
        "dest": HOST,
        "process_name": "RegSvcs.exe",
        "dest_ip": PEER,
        "firstTime": text,
        "lastTime": text,
    }
    (found,) = parse_notables(json.dumps(given_)).notables
    assert (found.first_time, found.last_time) == (None, None)
    assert any("firstTime" in note for note in found.notes)


@pytest.mark.parametrize("poison", [FAR_FUTURE, FAR_PAST, "", "zzz"])
def test_one_line_with_an_impossible_time_changes_nothing(poison: str) -> None:
    line = connected(9, "52.97.1.1", image=OUTLOOK)._replace(logged_at=poison)
    line = line._replace(data={**line.data, "UtcTime": poison})
    good, bad = work(CASE, notable()), work([*CASE, line], notable())
    assert bad.risk == good.risk
    assert bad.risk.case_verdict is CaseVerdict.MALICIOUS
    assert bad.facts.host == good.facts.host
    assert bad.decision == good.decision
    guard = next(each for each in bad.decision.guards if each.id == "address_belongs")
    assert guard.outcome is GuardOutcome.PASS
    line = connected(3, UtcTime=poison)._replace(logged_at=poison)
    again = work([line, *CASE], notable())
    (seen,) = again.facts.evidence.connections if again.facts.evidence else ()
    assert (seen.count, seen.time, seen.last_time) == (2, notable().first_time, notable().first_time)


def test_an_address_seen_at_the_end_of_time_is_judged() -> None:
    last = LATEST_INSTANT - timedelta(microseconds=1)
    line = connected(3)._replace(logged_at="9000-12-31T23:59:59.999Z")
    report = work([*CASE, line], notable(last_time=last))
    guard = next(each for each in report.decision.guards if each.id == "address_belongs")
    assert guard.outcome is GuardOutcome.PASS
    assert last + ADDRESS_TOLERANCE > LATEST_INSTANT


#: The case, and two more connections: a host then has an address from one time to another.
TIMED = (*CASE, connected(3, second=5), connected(9, "52.97.1.1", image=OUTLOOK, second=6))


@given(
    times=st.lists(LOGGED, min_size=len(TIMED), max_size=len(TIMED)),
    first=st.none() | ACCEPTED,
    last=st.none() | ACCEPTED,
    now=ACCEPTED,
    dest=st.sampled_from([HOST, "10.20.4.17"]),
)
@example(
    times=[*(["2026-09-24 07:00:03.000"] * (len(CASE) + 1)), FAR_FUTURE],
    first=NOW,
    last=NOW,
    now=NOW,
    dest=HOST,
)
@example(
    times=[*(["2026-09-24 07:00:03.000"] * len(CASE)), FAR_FUTURE, FAR_PAST],
    first=EARLIEST_INSTANT,
    last=LATEST_INSTANT - timedelta(seconds=1),
    now=EARLIEST_INSTANT,
    dest=HOST,
)
def test_any_times_give_a_report(
    times: list[str], first: datetime | None, last: datetime | None, now: datetime, dest: str
) -> None:
    events = [
        each._replace(logged_at=utc, data={**each.data, "UtcTime": utc})
        for each, utc in zip(TIMED, times, strict=True)
    ]
    report = work(events, notable(first_time=first, last_time=last, dest=dest), now=now)
    assert CaseReport.model_validate_json(to_json(report)) == report
    assert render(report)


# --- sizes ----------------------------------------------------------------------------------------


def test_long_command_lines_of_many_relatives_stay_handy() -> None:
    target_line = f'"{REGSVCS}" ' + "t" * 32_000
    children = [
        created(number, 3, CommandLine=f"cmd.exe /c {number} " + "a" * 32_700, ParentCommandLine=target_line)
        for number in range(10, 310)
    ]
    events = [
        created(2, None, LOADER),
        created(3, 2, REGSVCS, CommandLine=target_line),
        connected(3, second=3),
    ]
    (found,) = gather_cases(InProcess(), sysmon([*events, *children]), [notable()], Settings())
    assert len(found.model_dump_json()) < 4_000_000
    assert found.lineage is not None
    assert found.lineage.target.command_line == target_line
    (first, *_) = found.lineage.children
    assert first.command_line is not None
    assert first.command_line.startswith("cmd.exe /c 10 aaa")
    assert first.command_line.endswith("a [cut: 32,714 characters in the record]")
    (problem,) = found.problems
    count = len(found.lineage.children)
    assert problem.why == f"{count} of siblings and children are longer than 4,096 characters and were cut"


def test_a_long_path_keeps_its_name() -> None:
    image = "C:\\" + "d" * 30_000 + r"\powershell.exe"
    events = [created(3, None, REGSVCS), connected(3, second=3), created(4, 3, image, CommandLine="x")]
    (found,) = gather_cases(InProcess(), sysmon(events), [notable()], Settings())
    assert found.lineage is not None
    (child,) = found.lineage.children
    assert child.name.endswith("powershell.exe")
    assert child.ref.image.startswith("C:\\ddd")
    assert len(child.ref.image) < LONGEST_KEPT + 100
    assert found.problems == ()


def test_evidence_is_bounded_by_its_characters() -> None:
    names = [f"{number:04d}." + "n" * 30_000 for number in range(60)]
    events = [event(22, ProcessGuid=guid(3), Image=REGSVCS, QueryName=name) for name in names]
    found = gathered([created(3, None, REGSVCS), *events])
    assert 0 < sum(len(each.name) for each in found.dns) <= KEPT_CHARACTERS_PER_KIND
    assert found.dns[0].name == names[0]
    assert found.truncated


def test_many_connections_are_cut_and_the_notables_own_stays() -> None:
    decoys = [connected(3, f"1.{number // 250}.{number % 250}.1") for number in range(CONNECTIONS_KEPT + 200)]
    found = gathered([created(3, None, REGSVCS), *decoys, connected(3, second=3)])
    assert len(found.connections) == CONNECTIONS_KEPT
    assert found.connections[-1].dest_ip == PEER
    assert found.truncated
    few = gathered([created(3, None, REGSVCS), *decoys[:CONNECTIONS_KEPT]])
    assert (len(few.connections), few.truncated) == (CONNECTIONS_KEPT, False)


def test_connections_of_a_host_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.edr.sysmon_file.evidence.KEPT_CONNECTIONS", 5)
    found = gathered([created(3, None, REGSVCS), *(connected(3, f"1.1.1.{number}") for number in range(9))])
    assert [each.dest_ip for each in found.connections] == [f"1.1.1.{number}" for number in range(5)]
    assert found.truncated
    assert KEPT_CONNECTIONS >= 10 * CONNECTIONS_KEPT


def test_hashes_and_signers_without_end_are_cut() -> None:
    endless = ",".join(f"SHA{number}=" + "A" * 64 for number in range(300))
    assert len(sysmon_fields.hashes(endless)) == 8
    assert sysmon_fields.hashes("SHA256=" + "A" * 20_000) == ()
    signature = sysmon_fields.signature(
        {"Signed": "true", "SignatureStatus": "Valid", "Signature": "x" * 9000}
    )
    assert len(signature.signer) == 1024


def gathered(events: Sequence[RawEvent]):  # type: ignore[no-untyped-def]
    edr = sysmon(events)
    host = edr.resolve_host(hostname=HOST)
    process = ProcessRef(host_id=HOST, guid=bare(3))
    found = gather_process(edr, host, process, [notable()], LineageSettings())
    assert found.evidence is not None
    return found.evidence
