"""The intake of notables: whatever ends a run early, each notable is worked by a run that came to its end."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from actions.profile_catalog import shipped_profiles
from connectors.facts.health import Health
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import Checkpoint, NotableUpdate, NotableWritten, RiskWritten
from connectors.siem.splunk.settings import SplunkSettings
from playbooks.hosts.notable_journal import JOURNAL
from playbooks.hosts.output_folder import OutputFolder
from playbooks.hosts.splunk_intake import Unfinished, intake_of
from playbooks.hosts.unworked import identity_of
from tests.http_clients import START

SETTINGS = SplunkSettings(base_url="https://splunk.corp.example:8089")


class Siem:
    """Gives notables in order; its checkpoint is how many were given."""

    name = "siem"

    def __init__(self) -> None:
        self.notables: list[Notable] = []

    def fetch_notables(self, since: Checkpoint | None, *, limit: int) -> tuple[Sequence[Notable], Checkpoint]:
        start = int(since.token) if since else 0
        page = self.notables[start : start + limit]
        return page, Checkpoint(str(start + len(page)))

    def check(self) -> Health:
        raise AssertionError

    def notables_of(self, event_id: str) -> Sequence[Notable]:
        raise AssertionError(event_id)

    def update_notable(self, event_id: str, update: NotableUpdate) -> NotableWritten:
        raise AssertionError(event_id)

    def add_risk(
        self,
        notable: Notable,
        *,
        score: float,
        base_score: float,
        techniques: Sequence[str],
        message: str,
        case_id: str,
    ) -> RiskWritten:
        raise AssertionError(case_id)


def notable(number: int, host: int) -> Notable:
    return Notable(
        source=NotableSource.ES_NOTABLE,
        event_id=f"{number}",
        dest=f"WS{host}",
        process_name="regsvcs.exe",
        dest_ip="203.0.113.7",
    )


def run(folder: Path, siem: Siem, *, to_the_end: bool, looked_up: bool = True) -> list[Notable]:
    """One run: what it worked; nothing where the process of none could be looked up."""
    out = OutputFolder(folder)
    with intake_of(out, SETTINGS, clock=lambda: START, tell=lambda _: None) as intake:
        found = intake.take(siem, (), shipped_profiles(), limit=3, again=False)
        if to_the_end:
            failed = () if looked_up else tuple(identity_of(each) for each in found.notables)
            intake.done(Unfinished(not_looked_up=failed))
        return found.notables if looked_up else []


step = st.tuples(
    st.lists(st.integers(0, 2), max_size=4),  # notables that arrive, by host
    st.booleans(),  # whether the run comes to its end
    st.integers(0, 300),  # bytes that a crash takes off the journal
    st.booleans(),  # whether the EDR answers
)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(step, max_size=6))
def test_none_is_lost_and_each_is_kept_once(steps: list[tuple[list[int], bool, int, bool]]) -> None:
    siem, worked = Siem(), set[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for hosts, to_the_end, torn, looked_up in steps:
            siem.notables += [notable(len(siem.notables) + each, host) for each, host in enumerate(hosts)]
            before = (folder / JOURNAL).stat().st_size if (folder / JOURNAL).exists() else 0
            found = run(folder, siem, to_the_end=to_the_end, looked_up=looked_up)
            if to_the_end:
                worked |= {each.event_id for each in found}
            elif (folder / JOURNAL).exists():
                # What was on the disk before stays; what the run was writing may be cut anywhere.
                written = (folder / JOURNAL).read_bytes()
                (folder / JOURNAL).write_bytes(written[: max(before, len(written) - torn)])
        for _ in range(len(siem.notables) + 1):
            found = run(folder, siem, to_the_end=True)
            worked |= {each.event_id for each in found}
        assert worked == {each.event_id for each in siem.notables}
        kept = (folder / JOURNAL).read_bytes().splitlines() if siem.notables else []
        assert len(kept) == len(siem.notables)
        assert run(folder, siem, to_the_end=True) == []
        # A later one brings those of its host along.
        siem.notables.append(notable(len(siem.notables), 1))
        joined = run(folder, siem, to_the_end=True)
        assert {each.event_id for each in joined} == {
            each.event_id for each in siem.notables if each.dest == "WS1"
        }
