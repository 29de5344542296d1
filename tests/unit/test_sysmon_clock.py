"""One clock for connections: the time they were logged, wherever a time of theirs is wanted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.detect import detect
from actions.detection import Semantics
from actions.get_process_lineage import LineageSettings, gather_process, locate_process
from actions.profile_catalog import shipped_profiles
from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.event_clock import DRIFT_TOLERANCE, drift_of, event_time, event_utc
from connectors.edr.sysmon_file.repeats import each_once
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.facts.notable import Notable, NotableSource
from playbooks.case import log_notes
from playbooks.report.timeline import timeline_of
from tests.events import HOST, REGSVCS, bare, connected, created, event, utc, with_data

LOGGED = datetime(2026, 9, 24, 7, 0, 10, tzinfo=UTC)
#: The trace session's clock has stood still for a night.
BEHIND = timedelta(hours=8, minutes=34)
DNS = {"QueryName": "api.telegram.org", "QueryStatus": "0", "QueryResults": "149.154.167.220;"}
CASE = (
    created(2, None, second=1),
    created(3, 2, REGSVCS, second=2),
    with_data(22, {"ProcessGuid": bare(3), "Image": REGSVCS, **DNS}, second=9),
    connected(3, second=10),
    connected(3, second=20, SourcePort=50001),
    event(5, second=21, ProcessGuid=bare(3), Image=REGSVCS),
)


def drifting(each: RawEvent, by: timedelta = BEHIND) -> RawEvent:
    """The event with a UtcTime of another clock, if Sysmon takes it out of a trace session."""
    if each.event_id not in (3, 22):
        return each
    when = fields.instant(each.data["UtcTime"])
    assert when is not None
    text = (when - by).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
    return each._replace(data={**each.data, "UtcTime": text})


def sysmon(events: tuple[RawEvent, ...]) -> SysmonFileEdr:
    store, report = SysmonStore(["regsvcs.exe"]), ReadReport()
    for each in each_once(events, report):
        store.add(each)
    return SysmonFileEdr(store, report)


@pytest.mark.parametrize(
    ("logged_at", "utc_time", "text"),
    [
        ("2026-09-24T07:00:10.1234567Z", "2026-09-23 22:26:10.123", "2026-09-24 07:00:10.1234567"),
        ("2026-09-24T09:00:10.123+02:00", "2026-09-24 07:00:09.123", "2026-09-24 07:00:10.123000"),
        ("", "2026-09-24 07:00:09.123", "2026-09-24 07:00:09.123"),
        ("9999-12-31T00:00:00Z", "2026-09-24 07:00:09.123", "2026-09-24 07:00:09.123"),
        ("", "soon", ""),
        ("", None, ""),
    ],
)
@pytest.mark.parametrize("number", [3, 22])
def test_a_connection_is_timed_by_its_logging(
    number: int, logged_at: str, utc_time: object, text: str
) -> None:
    logged = RawEvent(number, HOST, logged_at, {"UtcTime": utc_time}, "log", 1)
    assert event_utc(logged) == text
    assert event_time(logged) == fields.instant(text)


def test_a_process_starts_by_sysmons_own_clock() -> None:
    # Written six minutes late by a loaded machine; its ProcessGuid is of UtcTime.
    late = created(3, 2, second=0)._replace(logged_at="2026-09-24T07:05:46.948Z")
    assert event_utc(late) == utc(0)
    assert drift_of(late) is None


@given(off=st.timedeltas(timedelta(days=-3), timedelta(days=3)))
def test_what_is_further_off_than_the_tolerance_drifts_and_nothing_else(off: timedelta) -> None:
    off = timedelta(milliseconds=off // timedelta(milliseconds=1))
    found = drift_of(drifting(connected(3, second=10), off))
    assert found == (off if abs(off) > DRIFT_TOLERANCE else None)


@pytest.mark.parametrize("by", [timedelta(), BEHIND, -timedelta(seconds=58)])
def test_detection_finding_addresses_and_timeline_agree_whatever_the_drift(by: timedelta) -> None:
    events = tuple(drifting(each, by) for each in CASE)
    (alert,) = detect(events, shipped_profiles(), semantics=Semantics.STRICT).raised
    notable = alert.notable
    assert (notable.first_time, notable.last_time) == (LOGGED, LOGGED + timedelta(seconds=10))
    asked = Notable.model_validate(
        {**notable.model_dump(), "process_guids": (), "source": NotableSource.ES_NOTABLE}
    )
    edr = sysmon(events)
    located = locate_process(edr, asked, LineageSettings(skew_s=0))
    assert located.host is not None
    assert located.problems == ()
    assert [each.guid for each in located.processes] == [bare(3)]
    (address,) = located.host.addresses
    assert (address.first_seen, address.last_seen) == (notable.first_time, notable.last_time)
    assert (located.host.first_seen, located.host.last_seen) == (
        LOGGED - timedelta(seconds=9),
        LOGGED + timedelta(seconds=11),
    )
    found = gather_process(edr, located.host, located.processes[0], [asked], LineageSettings())
    shown = timeline_of(found.lineage, found.evidence)
    kinds = [each.kind for each in shown.entries]
    assert kinds == ["process started", "process started", "DNS look-up", "connection", "process ended"]


def test_a_drift_is_told_of_its_host_alone_with_the_amount() -> None:
    events = (*CASE, connected(3, second=10, host="WS02"))
    read = sysmon(tuple(drifting(each) if each.computer == HOST else each for each in events)).read
    (note,) = log_notes(read, HOST)
    assert (note.source, note.record) == (HOST, None)
    assert note.reason.startswith(
        "UtcTime of 3 connections and DNS look-ups is up to 9 h behind the time of logging"
    )
    assert log_notes(read, "WS02") == log_notes(read, "") == ()


def test_a_short_lived_process_without_a_guid_keeps_the_connection_logged_after_its_end() -> None:
    nothing = "{00000000-0000-0000-0000-000000000000}"
    events = (
        created(3, None, REGSVCS, second=0, pid=77),
        event(5, second=2, ProcessGuid=bare(3), Image=REGSVCS),
        connected(None, second=4, ProcessId=77, ProcessGuid=nothing),
    )
    asked = Notable(
        source=NotableSource.ES_NOTABLE,
        event_id="e",
        dest=HOST,
        process_name="regsvcs.exe",
        dest_ip="149.154.167.220",
        first_time=LOGGED,
        last_time=LOGGED,
    )
    located = locate_process(sysmon(events), asked, LineageSettings())
    assert [each.guid for each in located.processes] == [bare(3)]


def test_the_timeline_says_why_a_connection_stands_after_the_end_of_its_process() -> None:
    for end, said in ((19, True), (21, False), (5, False)):
        events = (*CASE[:-1], event(5, second=end, ProcessGuid=bare(3), Image=REGSVCS))
        edr = sysmon(events)
        host = edr.resolve_host(hostname=HOST)
        asked = Notable(
            source=NotableSource.DETECTION,
            event_id="e",
            dest=HOST,
            process_name="regsvcs.exe",
            process_guids=(bare(3),),
        )
        (process,) = locate_process(edr, asked, LineageSettings()).processes
        found = gather_process(edr, host, process, [asked], LineageSettings())
        notes = timeline_of(found.lineage, found.evidence).notes
        assert any("at which Sysmon logged it" in note for note in notes) is said
