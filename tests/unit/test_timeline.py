"""The timeline: in order, bounded, from every kind of evidence, and nothing dropped without a word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.facts.base import SourceRef
from connectors.facts.process import (
    Connection,
    DnsAnswer,
    FileWritten,
    ModuleLoad,
    ProcessEvidence,
    Signature,
    SignatureState,
    Tampering,
)
from playbooks.report.content import Tone
from playbooks.report.timeline import FIRST_SHOWN, LAST_SHOWN, timeline, timeline_of
from tests.report_cases import at, malicious, undetermined

moments = st.one_of(
    st.none(),
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  Hypothesis wants naive bounds
)


@given(
    st.builds(
        lambda connections, dns, tampering, files: ProcessEvidence(
            connections=tuple(Connection(time=each, dest_ip="198.51.100.1") for each in connections),
            dns=tuple(DnsAnswer(time=each, name="a.example") for each in dns),
            tampering=tuple(Tampering(time=each, type="t") for each in tampering),
            files_written=tuple(FileWritten(time=each, path="C:\\f") for each in files),
        ),
        st.lists(moments, max_size=60),
        st.lists(moments, max_size=30),
        st.lists(moments, max_size=5),
        st.lists(moments, max_size=30),
    )
)
@settings(max_examples=50)
def test_entries_are_in_order_bounded_and_what_is_missing_is_counted(evidence: ProcessEvidence) -> None:
    found = timeline_of(None, evidence)
    times = [each.when for each in found.entries]
    assert times == sorted(times)
    per_kind = FIRST_SHOWN + LAST_SHOWN
    for kind in {each.kind for each in found.entries}:
        assert sum(each.kind == kind for each in found.entries) <= per_kind
    total = sum(
        len(each) for each in (evidence.connections, evidence.dns, evidence.tampering, evidence.files_written)
    )
    told = sum(int(note.split()[0]) for note in found.notes)
    assert len(found.entries) + told == total


class TestStealer:
    def test_the_order_of_what_happened(self) -> None:
        found = timeline(malicious().facts)
        assert found.day == "2026-10-01 UTC"
        assert [(each.clock, each.kind) for each in found.entries][4:12] == [
            ("08:13:58", "process started"),
            ("08:13:58", "process started"),
            ("08:14:01", "process started"),
            ("08:14:01", "process opened"),
            ("08:14:02", "tampering"),
            ("08:14:02", "remote thread"),
            ("08:14:03", "module loaded"),
            ("08:14:04", "process ended"),
        ]

    def test_each_entry_says_where_it_stands(self) -> None:
        (tampering,) = (each for each in timeline(malicious().facts).entries if each.kind == "tampering")
        assert tampering.source == "stealer_chain.ndjson #87, event 25"
        assert tampering.text == "Image is replaced"
        assert tampering.iso == "2026-10-01T08:14:02Z"
        assert tampering.tone is Tone.BAD

    def test_the_start_of_the_process_is_marked(self) -> None:
        (target,) = (each for each in timeline(malicious().facts).entries if each.target)
        assert target.text == "RegSvcs.exe (pid 7188), which raised the notable"


def test_connections_are_joined_in_words() -> None:
    one = Connection(
        time=at("08:00:00"), last_time=at("08:30:00"), count=7, src_ip="10.0.0.1", src_port=50000,
        dest_ip="198.51.100.1", dest_port=443, protocol="tcp", initiated=True,
    )  # fmt: skip
    (entry,) = timeline_of(None, ProcessEvidence(connections=(one,))).entries
    assert entry.text == (
        "10.0.0.1:50000 to 198.51.100.1:443, tcp, outbound; 7 connections, the last at 08:30:00"
    )


def test_signed_modules_are_counted_and_the_others_shown() -> None:
    signed = Signature(state=SignatureState.VALID, signer="S")
    modules = (
        ModuleLoad(time=at("08:00:00"), path=r"C:\good.dll", signature=signed),
        ModuleLoad(
            time=at("08:00:01"), path=r"C:\bad.dll", signature=Signature(state=SignatureState.UNSIGNED)
        ),
        ModuleLoad(time=at("08:00:02"), path=r"C:\odd.dll"),
    )
    found = timeline_of(None, ProcessEvidence(modules=modules))
    assert [each.text for each in found.entries] == [
        r"C:\bad.dll, unsigned",
        r"C:\odd.dll, signature unknown",
    ]
    assert found.notes == ("1 signed module loaded, in the JSON report",)


def test_the_notable_stands_in_for_connections_nobody_saw() -> None:
    report = malicious()
    facts = report.facts.model_copy(update={"evidence": None, "lineage": None})
    assert [(each.clock, each.text) for each in timeline(facts).entries] == [
        ("08:14:22", "the first with 149.154.167.220, as the notable says"),
        ("08:31:07", "the last with 149.154.167.220, as the notable says"),
    ]


def test_five_thousand_connections_are_cut_at_both_ends() -> None:
    start = at("00:00:00")
    many = tuple(Connection(time=start + timedelta(seconds=n), dest_ip="198.51.100.1") for n in range(5000))
    found = timeline_of(None, ProcessEvidence(connections=many))
    assert len(found.entries) == FIRST_SHOWN + LAST_SHOWN
    assert found.entries[0].when == start
    assert found.entries[-1].when == start + timedelta(seconds=4999)
    assert found.notes == ("4975 more of the kind \u201cconnection\u201d between them, in the JSON report",)


def test_nothing_known_gives_nothing() -> None:
    found = timeline(undetermined().facts)
    assert (found.day, found.entries, found.notes) == ("", (), ())


def test_the_end_of_a_process_says_where_it_stands() -> None:
    lineage = malicious().facts.lineage
    assert lineage is not None
    source = SourceRef(source="log.ndjson", record=77, event_id="5")
    target = lineage.target.model_copy(update={"end_time": at("09:00:00"), "end_source": source})
    found = timeline_of(lineage.model_copy(update={"target": target}), None)
    assert [each.source for each in found.entries if each.kind == "process ended"][-1] == (
        "log.ndjson #77, event 5"
    )


def test_a_peer_that_only_the_notable_names_stands_beside_the_connections_seen() -> None:
    facts = malicious().facts
    elsewhere = facts.notables[0].model_copy(update={"dest_ip": "9.9.9.9"})
    found = timeline(facts.model_copy(update={"notables": (elsewhere,)}))
    assert [each.text for each in found.entries if each.kind == "notable"] == [
        f"the {which} with 9.9.9.9, as the notable says; not in the telemetry" for which in ("first", "last")
    ]
    assert "notable" not in [each.kind for each in timeline(facts).entries]
