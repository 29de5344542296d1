"""`release --run`: all hosts that one run isolated, as fast as the vendor allows; can be taken up again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta

from actions.release_wave import WaveProgress, release_wave
from actions.wave_report import WaveOutcome, WaveReport, wave_report
from connectors.errors import InputError
from connectors.state.ledger import Ledger
from playbooks.hosts.commands.aligned import aligned
from playbooks.hosts.commands.isolation_tools import (
    SCHEMA_VERSION,
    Person,
    monotonic,
    opened,
    wanted_edr,
)
from playbooks.hosts.commands.warnings_told import warnings_as_notes
from playbooks.hosts.outcome import EXIT_FAILED, Interrupted
from playbooks.hosts.terminal_output import note, write, write_json
from playbooks.report.wording import count
from playbooks.settings import Settings

#: Between two lines of progress, unless the wave waits.
PROGRESS_EVERY = timedelta(seconds=2)

_WORDS = {
    WaveOutcome.RELEASED_NOW: "released",
    WaveOutcome.RELEASED_BEFORE: "released before",
    WaveOutcome.NOT_ISOLATED: "not isolated",
    WaveOutcome.FAILED: "not released",
    WaveOutcome.UNKNOWN: "not known",
    WaveOutcome.NOT_TRIED: "not tried",
}


def release_run(
    run_id: str, *, by: Person, why: str, edr_name: str, settings: Settings, ledger: Ledger, as_json: bool
) -> None:
    """Release what a run isolated, with progress on stderr, and report each of its hosts.

    Raises:
        InputError: the ledger knows no isolation of this run.
        ConfigError: the EDR or its secret is missing or wrong.
        LedgerUnusable: the ledger cannot be used; the same command goes on.
        Interrupted: it was interrupted; the same command goes on.
        SystemExit: 1 after all was printed, where a host is not proved to be released.
    """
    leases = ledger.leases(run_id=run_id)
    if not leases and not wave_report(ledger, run_id).hosts:
        raise InputError(
            "--run", f"the ledger knows no isolation of {run_id!r}", "`regsvcs-response status` lists runs"
        )
    name = wanted_edr(edr_name, settings, of=leases[0].connector) if leases else None
    if name is None:
        report = wave_report(ledger, run_id)
    else:
        with warnings_as_notes(), opened(name, settings, ledger) as tools:
            try:
                report = release_wave(
                    leases,
                    tools,
                    policy=settings.isolation,
                    by=by.name,
                    why=by.reason(why),
                    run_id=run_id,
                    progress=_Progress(tools.clock),
                    monotonic=monotonic,
                )
            except KeyboardInterrupt as stop:
                raise Interrupted(_broken_off(ledger, run_id)) from stop
    _print(report, as_json=as_json)
    if report.stopped or not report.complete:
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


class _Progress:
    """Tells on stderr how far a wave has come, not oftener than can be read."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._next = clock()

    def __call__(self, told: WaveProgress) -> None:
        """Tell it, where it is time, or all is done, or a longer pause begins."""
        now = self._clock()
        if now < self._next and told.done < told.total and not told.wait_s:
            return
        self._next = now + PROGRESS_EVERY
        line = f"{told.done:,} of {count(told.total, 'host')} done, {told.underway:,} under way"
        about = f"{told.hostname}: {told.sentence}" if told.hostname else told.sentence
        pause = f" ({told.wait_s:.0f} s)" if told.wait_s else ""
        note(f"{line}; {about}{pause}")


def _broken_off(ledger: Ledger, run_id: str) -> str:
    counts = wave_report(ledger, run_id).counts
    so_far = ", ".join(f"{number:,} {_WORDS[outcome]}" for outcome, number in counts.items() if number)
    return (
        f"interrupted: {so_far}. What was sent stays in the ledger; the same command goes on with the rest:"
        f" regsvcs-response release --run {run_id}"
    )


def _print(report: WaveReport, *, as_json: bool) -> None:
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                **report.model_dump(mode="json"),
                "counts": {outcome.value: number for outcome, number in report.counts.items()},
                "complete": report.complete,
            }
        )
        return
    rows = [(each.hostname, each.connector, each.host_id, _WORDS[each.outcome]) for each in report.hosts]
    below = ["" if each.outcome is WaveOutcome.RELEASED_NOW else each.sentence for each in report.hosts]
    write(aligned(("host", "EDR", "agent", "outcome"), rows, below=below))
    done = ", ".join(f"{number:,} {_WORDS[outcome]}" for outcome, number in report.counts.items() if number)
    write(f"{count(len(report.hosts), 'host')}: {done}")
    if report.stopped:
        note(f"{report.stopped} The same command goes on with the rest.")
