"""Evidence belongs to the process of its ProcessGuid, named or not, in order of time however it is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.edr.sysmon_file import evidence as evidence_module
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.errors import ProcessNotFound
from connectors.facts.process import (
    Connection,
    CoverageState,
    EvidenceKind,
    KnownFrom,
    Lineage,
    ProcessEvidence,
    SignatureState,
)
from connectors.ports import Window
from tests.events import HOST, REGSVCS, bare, connected, created, event, guid, with_data

ALWAYS = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
LOADER = r"C:\Users\u\AppData\Local\Temp\l.exe"
UNNAMED = ("<unknown process>", "&lt;unknown process&gt;", "-", "", None)


def edr(events: Iterable[RawEvent], *, guids: Sequence[str] = ()) -> SysmonFileEdr:
    store = SysmonStore(["regsvcs.exe"], guids)
    for each in events:
        store.add(each)
    return SysmonFileEdr(store, ReadReport())


def of(sysmon: SysmonFileEdr, number: int) -> tuple[Lineage, ProcessEvidence]:
    host = sysmon.resolve_host(hostname=HOST)
    found = sysmon.find_process(host, guid=guid(number), window=ALWAYS)
    if not found:
        raise ProcessNotFound("test", "not found")
    (process,) = found
    lineage = sysmon.get_lineage(host, process, window=ALWAYS)
    return lineage, sysmon.get_process_evidence(host, process, window=ALWAYS)


def done_to(number: int, image: object, source: object = LOADER) -> list[RawEvent]:
    """One event of each kind about a process, `image` being what Sysmon calls it."""
    signed = {"Signed": "true", "SignatureStatus": "Valid", "Signature": "Microsoft Windows"}
    by = {"SourceProcessGuid": guid(2), "SourceImage": source}
    target = {"TargetProcessGuid": guid(number), "TargetImage": image}
    own = {"ProcessGuid": guid(number), "Image": image}
    return [
        with_data(7, {**own, "ImageLoaded": REGSVCS, **signed}, second=5),
        with_data(8, {**target, **by}, second=6),
        with_data(10, {**target, **by, "GrantedAccess": "0x1fffff"}, second=7),
        with_data(25, {**own, "Type": "Image is replaced"}, second=8),
        with_data(22, {**own, "QueryName": "api.telegram.org"}, second=9),
        with_data(11, {**own, "TargetFilename": r"C:\Users\u\a.docx"}, second=10),
    ]


@pytest.mark.parametrize("image", UNNAMED)
def test_what_is_done_to_a_process_that_sysmon_could_not_name_is_its_own(image: object) -> None:
    lineage, found = of(edr([created(2, None, LOADER), created(3, 2, REGSVCS), *done_to(3, image)]), 3)
    for kind in ("modules", "remote_threads", "accesses", "tampering", "dns", "files_written"):
        assert len(getattr(found, kind)) == 1, kind
    assert found.state_of(EvidenceKind.REMOTE_THREAD) is CoverageState.OBSERVED
    assert lineage.target.signature.state is SignatureState.VALID
    assert not found.truncated


@pytest.mark.parametrize("source", UNNAMED)
def test_who_did_it_is_named_by_its_guid(source: object) -> None:
    _, found = of(edr([*done_to(3, REGSVCS, source), created(2, None, LOADER), created(3, 2, REGSVCS)]), 3)
    assert [each.source_image for each in found.remote_threads] == [LOADER]
    assert [each.source_image for each in found.accesses] == [LOADER]
    _, found = of(edr([*done_to(3, REGSVCS, source), created(3, 2, REGSVCS)]), 3)
    assert found.remote_threads[0].source_image in ("", source)


def test_of_another_process_nothing_is_kept_and_what_is_named_stays_its_own() -> None:
    events = [created(3, None, REGSVCS), created(4, None), *done_to(4, r"C:\Windows\System32\cmd.exe")]
    _, found = of(edr([*events, *done_to(5, "<unknown process>")]), 3)
    assert (found.modules, found.remote_threads, found.accesses, found.tampering) == ((), (), (), ())
    _, other = of(edr(events), 4)
    assert (other.modules, other.remote_threads, other.accesses) == ((), (), ())


def test_evidence_without_a_name_is_bounded_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_module, "KEPT_UNNAMED", 3)
    flood = [event(25, ProcessGuid=guid(number), Image="", Type="x") for number in range(10, 20)]
    sysmon = edr([created(3, None, REGSVCS), *flood, *done_to(3, REGSVCS)])
    _, found = of(sysmon, 3)
    assert (len(found.remote_threads), found.truncated) == (1, True)
    _, kept = of(sysmon, 12)
    assert len(kept.tampering) == 1
    with pytest.raises(ProcessNotFound):
        of(sysmon, 13)


# --- by guid alone ----------------------------------------------------------------------------------

CMD = r"C:\Windows\System32\cmd.exe"


def test_a_guid_that_is_watched_keeps_all_evidence_whatever_the_name() -> None:
    events = [created(2, None, LOADER), created(4, 2, CMD), *done_to(4, CMD), connected(4, image=CMD)]
    _, found = of(edr(events, guids=[bare(4)]), 4)
    for kind in ("connections", "modules", "remote_threads", "accesses", "tampering", "dns", "files_written"):
        assert len(getattr(found, kind)) == 1, kind
    with pytest.raises(AssertionError):
        assert of(edr(events), 4)[1].connections


@pytest.mark.parametrize(
    ("events", "image", "pid"),
    [
        ([connected(4, image=CMD)], CMD, 1004),
        ([created(5, 4, ParentImage=CMD)], CMD, 1004),
        ([event(25, ProcessGuid=guid(4), Image=CMD, Type="x")], "", None),
    ],
)
def test_a_process_without_its_creation_is_found_by_what_it_did(
    events: list[RawEvent], image: str, pid: int | None
) -> None:
    lineage, _ = of(edr(events, guids=[bare(4)]), 4)
    target = lineage.target
    assert (target.known_from, target.ref.image, target.ref.pid) == (KnownFrom.ACTIVITY, image, pid)


# --- order --------------------------------------------------------------------------------------------

SCRAMBLED = [
    created(2, None, LOADER),
    created(3, 2, REGSVCS, second=1),
    connected(3, second=4, SourcePort=50004)._replace(record=4),
    connected(3, second=2, SourcePort=50002)._replace(record=2),
    connected(3, second=3, SourcePort=50003)._replace(record=3),
    connected(3, "52.97.1.1", second=1, SourcePort=50001),
    created(5, 3, second=6),
    created(6, 3, second=5),
    *(event(8, second=second, TargetProcessGuid=guid(3), TargetImage=REGSVCS) for second in (9, 8)),
    *(event(11, second=s, ProcessGuid=guid(2), Image=LOADER, TargetFilename=REGSVCS) for s in (0.5, 0.2)),
    *(event(5, second=second, ProcessGuid=guid(3)) for second in (30, 20)),
]


@given(st.permutations(SCRAMBLED))
@settings(max_examples=25)
def test_the_order_of_reading_changes_nothing(events: list[RawEvent]) -> None:
    lineage, found = of(edr(events), 3)
    expected_lineage, expected = of(edr(SCRAMBLED), 3)
    assert (lineage, found) == (expected_lineage, expected)
    assert [each.dest_ip for each in found.connections] == ["52.97.1.1", "149.154.167.220"]
    merged: Connection = found.connections[1]
    assert (merged.src_port, merged.count, merged.source and merged.source.record) == (50002, 3, 2)
    assert [each.ref.guid for each in lineage.children] == [bare(6), bare(5)]
    for times in (
        [each.time for each in found.remote_threads],
        [each.time for each in found.image_writers],
    ):
        assert len(times) == 2
        assert times == sorted(times, key=str)
    assert lineage.target.end_time == datetime(2026, 9, 24, 7, 0, 20, tzinfo=UTC)
