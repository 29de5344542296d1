"""What a process did, from Elasticsearch over the fake, and what its absence means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.edr.elastic import records
from connectors.errors import ProcessNotFound
from connectors.facts.process import (
    CoverageState,
    DnsAnswer,
    EvidenceKind,
    FileWritten,
    ModuleLoad,
    ProcessRef,
    Signature,
    SignatureState,
)
from tests.estate import Estate
from tests.fakes.elastic_case import WINDOW, a_host, a_process, case, connected, happened, ref
from tests.http_clients import START

APP1 = a_host("APP1")
OWNER = a_process(
    APP1,
    "P1",
    "P0",
    image=r"C:\Temp\RegSvcs.exe",
    command_line=r'"C:\Temp\RegSvcs.exe" C:\Temp\evil.dll',
)
WHEN = START - timedelta(minutes=30)
EVENTS = (
    connected(APP1, "P1"),
    happened(APP1, "P1", DnsAnswer(time=WHEN, name="c2.example", addresses=("198.51.100.7",), status="0")),
    happened(
        APP1,
        "P1",
        ModuleLoad(
            time=WHEN,
            path=r"C:\Temp\evil.dll",
            signature=Signature(state=SignatureState.INVALID, signer="Someone"),
        ),
    ),
    happened(APP1, "P1", FileWritten(time=WHEN, path=r"C:\Temp\out.bin")),
    happened(APP1, "P9", FileWritten(time=WHEN, path=r"c:\temp\EVIL.dll"), image=r"C:\Temp\dropper.exe"),
    connected(APP1, "P9", "203.0.113.9"),
)


def test_everything_the_process_did_and_nothing_of_others() -> None:
    with case(Estate((APP1,), (OWNER,), EVENTS)) as it:
        found = it.edr.get_process_evidence(it.host(), ref(APP1, "P1"), window=WINDOW)
        assert [each.dest_ip for each in found.connections] == ["198.51.100.7"]
        assert [each.addresses for each in found.dns] == [("198.51.100.7",)]
        assert [each.signature.state for each in found.modules] == [SignatureState.INVALID]
        assert [each.path for each in found.files_written] == [r"C:\Temp\out.bin"]
        assert [each.writer_image for each in found.image_writers] == [r"C:\Temp\dropper.exe"]
        assert found.state_of(EvidenceKind.TERMINATION) is CoverageState.NOT_COLLECTED
        assert found.state_of(EvidenceKind.PROCESS_ACCESS) is CoverageState.NOT_SUPPORTED
        assert len(found.coverage) == len(EvidenceKind)
        assert it.fake.calls == {"search": 3}


def test_a_process_that_did_nothing_where_others_did_is_told_so() -> None:
    quiet = a_process(APP1, "quiet", "P0")
    with case(Estate((APP1,), (OWNER, quiet), EVENTS)) as it:
        found = it.edr.get_process_evidence(it.host(), ref(APP1, "quiet"), window=WINDOW)
        for kind in (EvidenceKind.CONNECTION, EvidenceKind.DNS, EvidenceKind.MODULE, EvidenceKind.FILE):
            assert found.state_of(kind) is CoverageState.NONE_OBSERVED


def test_what_the_host_never_reported_is_not_collected() -> None:
    with case(Estate((APP1,), (OWNER,))) as it:
        found = it.edr.get_process_evidence(it.host(), ref(APP1, "P1"), window=WINDOW)
        assert found.state_of(EvidenceKind.DNS) is CoverageState.NOT_COLLECTED


def test_a_part_of_the_answer_is_cut_and_the_rest_unknown() -> None:
    with case(Estate((APP1,), (OWNER,), EVENTS)) as it:
        host = it.host()
        it.fake.failed_shards = 1
        it.fake.hides = lambda document: "dns" in document
        found = it.edr.get_process_evidence(host, ref(APP1, "P1"), window=WINDOW)
        assert found.truncated
        assert found.connections
        assert found.state_of(EvidenceKind.DNS) is CoverageState.NOT_COLLECTED


def test_more_than_is_looked_through_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_ACTIVITY", 3)
    with case(Estate((APP1,), (OWNER,), EVENTS)) as it:
        found = it.edr.get_process_evidence(it.host(), ref(APP1, "P1"), window=WINDOW)
        assert found.truncated


def test_a_process_without_an_entity_id_is_not_asked_about() -> None:
    with case(Estate((APP1,), (OWNER,))) as it, pytest.raises(ProcessNotFound):
        it.edr.get_process_evidence(it.host(), ProcessRef(host_id="x", pid=4), window=WINDOW)
