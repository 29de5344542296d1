"""The steps of a case handed on as text come to what `respond` comes to in one process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.check_ip import check_ip
from actions.detection import Semantics
from actions.isolation import IsolationMode
from actions.isolation_policy import IsolationPolicy
from actions.organisation_ranges import NONE
from actions.profile_catalog import shipped_profiles
from actions.risk import CaseVerdict
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.errors import HostNotFound, NotSupported, TimedOut
from connectors.facts.base import Fact
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import EdrConnector
from connectors.siem.notable import parse_notables
from playbooks.case import CaseReport
from playbooks.case_findings import CaseFindings, gather_cases, ungathered_cases
from playbooks.case_steps import AssessedCase, assess_case, decide_case, destinations_of, profile_of
from playbooks.logs import read_logs
from playbooks.respond import respond
from playbooks.settings import OrganisationSettings, Settings
from playbooks.steps import InProcess
from tests.events import HOST, REGSVCS, bare, connected, created, event, guid

NOW = datetime(2026, 9, 24, 8, tzinfo=UTC)
PEER = "149.154.167.220"
OFFICE = r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE"
PROFILES = shipped_profiles()
MALICIOUS = (
    created(1, None, OFFICE),
    created(3, 1, REGSVCS, second=1, CommandLine=f'"{REGSVCS}"', ParentImage=OFFICE),
    event(25, second=2, ProcessGuid=guid(3), Image=REGSVCS, Type="Image is replaced"),
    connected(3, second=3),
)


def sysmon[E: SysmonFileEdr](events: Sequence[RawEvent], kind: type[E]) -> E:
    store = SysmonStore(["regsvcs.exe", "regasm.exe"])
    for each in events:
        store.add(each)
    return kind(store, ReadReport(), clock=lambda: NOW)


def notable(**fields: object) -> Notable:
    base: dict[str, object] = {
        "source": NotableSource.ES_NOTABLE,
        "event_id": "e1",
        "dest": HOST,
        "user": r"CORP\user01",
        "process_name": "RegSvcs.exe",
        "src_ip": "10.20.4.17",
        "dest_ip": PEER,
        "first_time": datetime(2026, 9, 24, 7, tzinfo=UTC),
        "last_time": datetime(2026, 9, 24, 7, tzinfo=UTC),
    }
    return Notable.model_validate({**base, **fields})


def handed_on[F: Fact](fact: F) -> F:
    """As one action hands it to the next."""
    return type(fact).model_validate(json.loads(json.dumps(fact.model_dump(mode="json"))))


def chain(
    notables: Sequence[Notable],
    edr: EdrConnector | None,
    *,
    settings: Settings,
    mode: IsolationMode = IsolationMode.APPROVE,
    checked: bool = False,
) -> tuple[CaseReport, ...]:
    """Each step on its own, its result as JSON text in between."""
    reports = []
    for found in gather_cases(InProcess(), edr, notables, settings):
        found_again = handed_on(found)
        peers = {ip for each in notables for ip in (each.dest_ip, each.src_ip) if ip is not None}
        organisation = settings.organisation_ranges
        checks = {ip: handed_on(check_ip(ip, organisation=organisation)) for ip in peers} if checked else {}
        destinations = destinations_of(found_again, settings, checks=checks)
        case = handed_on(
            assess_case(found_again, profiles=PROFILES, settings=settings, now=NOW, destinations=destinations)
        )
        reports.append(handed_on(decide_case(case, settings=settings, caller_mode=mode, now=NOW)))
    return tuple(reports)


def at_once(
    notables: Sequence[Notable],
    edr: EdrConnector | None,
    *,
    settings: Settings,
    mode: IsolationMode = IsolationMode.APPROVE,
) -> tuple[CaseReport, ...]:
    return respond(
        InProcess(),
        notables,
        edr=edr,
        profiles=PROFILES,
        settings=settings,
        clock=lambda: NOW,
        caller_mode=mode,
    )


DEFAULT = Settings()
POLICIES = {
    "defaults": DEFAULT,
    "own ranges": Settings(organisation=OrganisationSettings(ranges=("149.154.160.0/20",))),
    "shadow": Settings(isolation=IsolationPolicy.model_validate({"mode": "shadow"})),
}


class TestSameReports:
    @pytest.mark.parametrize("checked", [False, True], ids=["checks made here", "checks handed on"])
    @pytest.mark.parametrize("example", ["stealer", "installer", "local-only"])
    def test_of_the_examples(self, examples: Path, example: str, *, checked: bool) -> None:
        folder = examples / example
        (log,) = folder.glob("sysmon.*")
        edr = read_logs([log], PROFILES, semantics=Semantics.ESCU, organisation=NONE).edr
        notables = parse_notables((folder / "notable.json").read_bytes()).notables
        reports = at_once(notables, edr, settings=DEFAULT)
        assert reports
        assert chain(notables, edr, settings=DEFAULT, checked=checked) == reports

    @pytest.mark.parametrize("settings", POLICIES.values(), ids=POLICIES.keys())
    @pytest.mark.parametrize("mode", IsolationMode)
    def test_in_every_mode(self, settings: Settings, mode: IsolationMode) -> None:
        edr = sysmon(MALICIOUS, SysmonFileEdr)
        reports = at_once([notable()], edr, settings=settings, mode=mode)
        assert chain([notable()], edr, settings=settings, mode=mode) == reports

    @pytest.mark.parametrize(
        "events",
        [
            (),
            MALICIOUS[:1],
            MALICIOUS[:2],
            (created(1, None, host="WS01.a.example"), created(2, None, host="WS01.b.example")),
            (created(3, None, REGSVCS), created(4, None, REGSVCS)),
            (created(3, None, REGSVCS), connected(3, "10.20.4.17", initiated=False, SourceIp="8.8.8.8")),
        ],
        ids=["empty", "no process", "no peer", "two hosts", "two processes", "inbound"],
    )
    def test_of_whatever_the_log_holds(self, events: tuple[RawEvent, ...]) -> None:
        edr = sysmon(events, SysmonFileEdr)
        for dest in (HOST, "WS01"):
            given_notables = [notable(dest=dest)]
            reports = at_once(given_notables, edr, settings=DEFAULT)
            assert chain(given_notables, edr, settings=DEFAULT) == reports

    def test_without_an_edr(self) -> None:
        reports = at_once([notable()], None, settings=DEFAULT)
        assert chain([notable()], None, settings=DEFAULT) == reports
        assert reports[0].risk.case_verdict is CaseVerdict.UNDETERMINED

    def test_capabilities_are_handed_on_in_one_order(self) -> None:
        (found,) = gather_cases(InProcess(), sysmon(MALICIOUS, SysmonFileEdr), [notable()], DEFAULT)
        assert found.connector == "sysmon_file"
        assert list(found.capabilities) == sorted(found.capabilities)
        assert found.model_dump_json() == handed_on(found).model_dump_json()


_NOTABLES = st.lists(
    st.builds(
        notable,
        event_id=st.sampled_from(["e1", "e2"]),
        dest=st.sampled_from([HOST, "WS01", "other", "10.20.4.17"]),
        dest_ip=st.sampled_from([PEER, "8.8.8.8", "10.0.0.1", "2001:db8::1", None]),
        src_ip=st.sampled_from(["10.20.4.17", "8.8.4.4", None]),
        direction=st.sampled_from(["outbound", "inbound", "unknown"]),
        process_name=st.sampled_from(["RegSvcs.exe", "regasm.exe", "other.exe"]),
        user=st.sampled_from(["", r"CORP\user01", "\x1b]0;x\x07\u202e<b>"]),
        process_guids=st.sampled_from([(), (bare(3),), (bare(3), bare(9))]),
        first_time=st.sampled_from([None, NOW - timedelta(hours=1)]),
    ),
    min_size=1,
    max_size=4,
)


@given(_NOTABLES, st.sampled_from(list(POLICIES)), st.sampled_from(IsolationMode))
def test_any_notables_come_to_the_same_reports(
    notables: list[Notable], policy: str, mode: IsolationMode
) -> None:
    edr = sysmon(MALICIOUS, SysmonFileEdr)
    settings = POLICIES[policy]
    assert chain(notables, edr, settings=settings, mode=mode) == at_once(
        notables, edr, settings=settings, mode=mode
    )


def _key(each: Notable) -> tuple[str | None, ...]:
    """By this the same notable delivered twice is known."""
    return (each.event_id, each.dest, each.user, each.process_name, each.src_ip, each.dest_ip)


@given(_NOTABLES)
def test_every_notable_is_in_a_case_and_no_case_is_named_twice(notables: list[Notable]) -> None:
    edr = sysmon(MALICIOUS, SysmonFileEdr)
    for cases in (
        gather_cases(InProcess(), edr, notables, DEFAULT),
        ungathered_cases(notables, "nobody was asked"),
    ):
        held = {_key(each) for case in cases for each in case.notables}
        assert held == {_key(each) for each in notables}
        assert len({case.case_id for case in cases}) == len(cases)


class TestNobodyAsked:
    def test_the_reason_is_an_unknown(self) -> None:
        (found,) = ungathered_cases([notable()], "the EDR refused the credential")
        assert (found.host, found.process, found.lineage, found.evidence) == (None, None, None, None)
        assert (found.connector, found.capabilities, found.failed) == ("", (), False)
        assert [(each.what, each.why) for each in found.problems] == [
            ("host and process", "the EDR refused the credential")
        ]
        case = assess_case(found, profiles=PROFILES, settings=DEFAULT, now=NOW)
        assert case.risk.case_verdict is CaseVerdict.UNDETERMINED
        assert case.risk.score == 80
        assert "the EDR refused the credential" in [each.why for each in case.risk.unknowns]

    def test_the_same_cases_as_without_an_edr(self) -> None:
        notables = [notable(), notable(event_id="e2", dest_ip="8.8.8.8"), notable(dest="other")]
        names = [case.case_id for case in ungathered_cases(notables, "why")]
        assert names == [each.case_id for each in gather_cases(InProcess(), None, notables, DEFAULT)]
        assert len(names) == 2

    def test_none_gives_none(self) -> None:
        assert ungathered_cases([], "why") == ()
        assert gather_cases(InProcess(), None, [], DEFAULT) == ()


class _NoHost(SysmonFileEdr):
    def resolve_host(self, **_: object):  # type: ignore[no-untyped-def]  # only raises
        raise TimedOut("sysmon_file", "no answer in 20 seconds")


class _BrokenHost(SysmonFileEdr):
    def resolve_host(self, **_: object):  # type: ignore[no-untyped-def]  # only raises
        raise ZeroDivisionError("a bug in a vendor's library")


class _HostUnknown(SysmonFileEdr):
    def resolve_host(self, **_: object):  # type: ignore[no-untyped-def]  # only raises
        raise HostNotFound("sysmon_file", "no host of this name")

    def find_machines(self, *_: object, **__: object):  # type: ignore[no-untyped-def]  # knows none
        return ()


class _NoProcess(SysmonFileEdr):
    def find_process(self, *_: object, **__: object):  # type: ignore[no-untyped-def]  # only raises
        raise TimedOut("sysmon_file", "no answer in 20 seconds")


class _NoLineage(SysmonFileEdr):
    def get_lineage(self, *_: object, **__: object):  # type: ignore[no-untyped-def]  # only raises
        raise NotSupported("sysmon_file", "keeps no lineage")


class _Nothing(_NoLineage):
    def get_process_evidence(self, *_: object, **__: object):  # type: ignore[no-untyped-def]  # only raises
        raise TimedOut("sysmon_file", "no answer in 20 seconds")


class _BrokenEvidence(SysmonFileEdr):
    def get_process_evidence(self, *_: object, **__: object):  # type: ignore[no-untyped-def]  # only raises
        raise ZeroDivisionError("a bug in a vendor's library")


class TestFailingEdr:
    @pytest.mark.parametrize(
        ("kind", "failed", "why"),
        [
            (SysmonFileEdr, False, ""),
            (_HostUnknown, False, "no host of this name"),
            (_NoLineage, False, "sysmon_file: keeps no lineage"),
            (_NoHost, True, "sysmon_file: no answer in 20 seconds"),
            (_NoProcess, True, "sysmon_file: no answer in 20 seconds"),
            (_Nothing, True, "sysmon_file: no answer in 20 seconds"),
            (_BrokenHost, True, "ZeroDivisionError: a bug in a vendor's library"),
            (_BrokenEvidence, True, "ZeroDivisionError: a bug in a vendor's library"),
        ],
    )
    def test_failed_says_that_it_did_not_answer(
        self, kind: type[SysmonFileEdr], why: str, *, failed: bool
    ) -> None:
        (found,) = gather_cases(InProcess(), sysmon(MALICIOUS, kind), [notable()], DEFAULT)
        assert found.failed is failed
        assert why in "; ".join(each.why for each in found.problems)
        assert handed_on(found) == found
        case = assess_case(found, profiles=PROFILES, settings=DEFAULT, now=NOW)
        assert case.risk.case_verdict is not CaseVerdict.LIKELY_BENIGN
        assert case.risk.score >= 80

    def test_one_case_fails_alone(self) -> None:
        class Picky(SysmonFileEdr):
            def resolve_host(  # type: ignore[no-untyped-def]  # passes on
                self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
            ):
                if hostname == "BAD":
                    raise TimedOut("sysmon_file", "no answer in 20 seconds")
                return super().resolve_host(hostname=hostname, ip=ip, at=at)

        notables = [notable(dest="BAD", event_id="e2"), notable()]
        found = gather_cases(InProcess(), sysmon(MALICIOUS, Picky), notables, DEFAULT)
        assert [each.failed for each in found] == [True, False]


class TestChecksHandedOn:
    def test_a_check_of_a_peer_is_used_and_the_others_are_made(self) -> None:
        (found,) = gather_cases(InProcess(), sysmon(MALICIOUS, SysmonFileEdr), [notable()], DEFAULT)
        marked = check_ip(PEER).model_copy(update={"note": "as handed on"})
        elsewhere = check_ip("8.8.8.8")

        given = destinations_of(found, DEFAULT, checks={PEER: marked})
        assert [each.check.note for each in given] == ["as handed on"]
        assert destinations_of(found, DEFAULT, checks={"8.8.8.8": elsewhere}) == destinations_of(
            found, DEFAULT
        )


class TestProfile:
    @pytest.mark.parametrize(
        ("process_name", "expected"),
        [("RegSvcs.exe", 0), ("REGSVCS.EXE", 0), ("regasm.exe", 1), ("other.exe", 0), ("", 0)],
    )
    def test_by_the_process_name(self, process_name: str, expected: int) -> None:
        by_name = sorted(PROFILES, key=lambda each: "regsvcs.exe" not in each.process_names)
        assert profile_of(notable(process_name=process_name), by_name) is by_name[expected]


@pytest.mark.parametrize("make", [CaseFindings, AssessedCase])
def test_unknown_fields_are_refused(make: Callable[..., Fact]) -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        make(surprise=1)
