"""`backtest`: what a policy would have isolated, and what stopped the rest."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from actions.profile import Profile
from connectors.errors import ConfigError, InputError, NotableError
from playbooks.backtest import backtest
from playbooks.backtest_facts import Assume, Difference, PolicyResult, Terms, differences
from playbooks.case_findings import CaseFindings, gather_cases, notables_left
from playbooks.hosts.commands.backtest_inputs import SortedInputs, forget, sort_inputs, too_large
from playbooks.hosts.given_notables import GivenNotables, read_notables
from playbooks.hosts.outcome import EXIT_BAD_INPUT, complain
from playbooks.hosts.terminal_output import (
    chosen_profiles,
    chosen_semantics,
    note,
    progress,
    screen,
    tell_problems,
    write,
    write_json,
)
from playbooks.logs import LogRun, check_something_was_read, read_logs
from playbooks.report import backtest_terminal
from playbooks.report.backtest_document import as_document
from playbooks.report.backtest_words import no_case, view_of
from playbooks.report.wording import count
from playbooks.settings import Settings, load_settings
from playbooks.steps import InProcess

#: Sections of the second policy that count; the logs are read, and cases made of them, by the first.
_COMPARED = frozenset({"isolation", "risk"})

#: Sections that make other cases of the same logs.
_READING = ("organisation", "notable", "lineage")

#: A delay may be so long, minutes.
MAX_DELAY = 1440


class Given(NamedTuple):
    """What the inputs held.

    Attributes:
        cases: with what telemetry gave.
        log_run: None where no log was given.
        rejected: why notables, or whole inputs, could not be used.
        notes: what the reader should know, one sentence each.
    """

    cases: Sequence[CaseFindings]
    log_run: LogRun | None
    rejected: Sequence[NotableError]
    notes: tuple[str, ...]


def run(
    *,
    paths: Sequence[Path],
    notables: Sequence[str],
    policy: Path,
    against: Path | None,
    assume: Sequence[str],
    delay: float,
    run_per_case: bool,
    profiles: Sequence[str],
    semantics: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print what the policy would have done with the cases of the input, and write it as a page.

    Args:
        paths: Sysmon logs, files or folders, and files of notables; which it is, their content tells.
        notables: further files of notables, "-" for standard input.
        policy: the settings file that is judged.
        against: another one, compared with it.
        assume: what is assumed beyond what always is; values of Assume.
        delay: minutes between the last connection of a case and its decision.
        run_per_case: whether each case counts as a run of its own.
        profiles: names or files.
        semantics: the reading of the analytic.
        out: the page to write.
        as_json: print JSON.

    Raises:
        InputError: nothing was given, or a path, profile, option or setting is wrong.
        SystemExit: 2, after all else was done, when a notable was rejected.
    """
    if not paths and not notables:
        raise InputError(
            "backtest", "nothing was given", "Give Sysmon logs, or notables; see backtest --help"
        )
    if not 0 <= delay <= MAX_DELAY:
        raise InputError("--delay", f"is not between 0 and {MAX_DELAY} minutes")
    terms = Terms(delay_s=delay * 60, assume=_assumed(assume), run_per_case=run_per_case)
    settings = load_settings(policy)
    other = load_settings(against) if against is not None else None
    chosen = chosen_profiles(profiles)
    given = _given(paths, notables, settings, chosen, semantics)
    notes = (*given.notes, *(_not_compared(settings, other, against) if other and against else ()))
    results, found = _judged(given, settings, other, chosen, terms, _names(policy, against))
    read = given.log_run.report if given.log_run else None
    none = "" if results[0].cases else no_case(read, rejected=len(given.rejected))
    if as_json:
        write_json(
            as_document(
                _with_paths(results, policy, against),
                found,
                terms,
                read=read,
                rejected=given.rejected,
                notes=(*notes, *([none] if none else ())),
            )
        )
    view = view_of(results, found, terms, notes, no_case=none)
    if not as_json:
        how = screen()
        write(backtest_terminal.render(view, width=how.width, color=how.color, unicode=how.unicode))
    if out is not None:
        from playbooks.report import backtest_page  # jinja2 is loaded only where pages are written

        _write_page(out, backtest_page.render(view))
        note(f"page written to {out}")
    for error in given.rejected:
        complain(error)
    if read is not None:
        check_something_was_read(read)
    sys.stdout.flush()
    if given.rejected:
        sys.exit(EXIT_BAD_INPUT)


def _assumed(names: Sequence[str]) -> frozenset[Assume]:
    known = {each.value for each in Assume}
    for name in names:
        if name not in known:
            raise ConfigError("--assume", f"knows no {name!r}", f"Use {', '.join(sorted(known))}")
    return frozenset(Assume(name) for name in names)


def _given(
    paths: Sequence[Path],
    names: Sequence[str],
    settings: Settings,
    profiles: Sequence[Profile],
    semantics: str,
) -> Given:
    inputs = sort_inputs(paths, profiles=profiles, settings=settings)
    named = [*names, *(str(path) for path in inputs.notables)]
    given = read_notables(named, settings, profiles) if named else None
    log_run = _read(inputs, given, settings, profiles, semantics) if inputs.logs else None
    raised = [alert.notable for alert in log_run.detection.raised] if log_run else []
    large = too_large(log_run.report, inputs.large) if log_run else ()
    rejected = [*(given.errors if given else ()), *inputs.rejected, *large]
    notes = []
    if log_run and log_run.report.problem_count:
        notes.append(
            f"{count(log_run.report.problem_count, 'problem')} in reading the logs:"
            " what could not be read was not judged."
        )
    edr = log_run.edr if log_run else None
    cases = gather_cases(InProcess(), edr, given.notables if given else raised, settings)
    if given is None:
        return Given(cases, log_run, rejected, tuple(notes))
    notes.extend(given.notes)
    if found := len(set(inputs.in_folders) & set(inputs.notables)):
        holds = "holds" if found == 1 else "hold"
        notes.append(f"{count(found, 'file')} in the folders {holds} notables: cases are made of those.")
    if log_run is None and given.notables:
        notes.append(
            "No log was given: notables alone name no machine and no process, so that none isolates."
        )
    worked = {each.case_id for each in cases}
    left = notables_left(InProcess(), edr, raised, settings, worked=worked) if edr is not None else ()
    if left:
        notes.append(
            f"{count(len(left), 'detection')} of the logs beside the given notables not judged:"
            " give the logs without notables to judge all that they raise."
        )
    return Given(cases, log_run, rejected, tuple(notes))


def _read(
    inputs: SortedInputs,
    given: GivenNotables | None,
    settings: Settings,
    profiles: Sequence[Profile],
    semantics: str,
) -> LogRun:
    with progress(inputs.logs) as advance:
        log_run = read_logs(
            inputs.logs,
            profiles,
            semantics=chosen_semantics(semantics),
            organisation=settings.organisation_ranges,
            watched=sorted({notable.process_name for notable in given.notables} if given else ()),
            guids={guid for notable in given.notables for guid in notable.process_guids} if given else (),
            progress=advance,
        )
    forget(log_run.report, inputs.in_folders)
    tell_problems(log_run.report)
    return log_run


def _judged(
    given: Given,
    settings: Settings,
    other: Settings | None,
    profiles: Sequence[Profile],
    terms: Terms,
    names: Sequence[str],
) -> tuple[list[PolicyResult], tuple[Difference, ...] | None]:
    judged = [settings]
    if other is not None:
        judged.append(settings.model_copy(update={name: getattr(other, name) for name in _COMPARED}))
    results = [
        backtest(InProcess(), given.cases, name=name, profiles=profiles, settings=each, terms=terms)
        for name, each in zip(names, judged, strict=True)
    ]
    return results, differences(results[0], results[1]) if other is not None else None


def _not_compared(settings: Settings, other: Settings, against: Path) -> tuple[str, ...]:
    """What of the second settings is left aside, a sentence; nothing where it says the same."""
    apart = [f"[{name}]" for name in _READING if getattr(settings, name) != getattr(other, name)]
    if not apart:
        return ()
    sections = f"{' and '.join(apart)} {'is' if len(apart) == 1 else 'are'}"
    left = f"Of {against.name}, {sections} left aside: cases are made by the first policy"
    return (f"{left}, and [isolation] and [risk] are compared.",)


def _names(policy: Path, against: Path | None) -> tuple[str, ...]:
    """File names; where both are called the same, told apart."""
    if against is None:
        return (policy.name,)
    if policy.name != against.name:
        return (policy.name, against.name)
    return (f"{policy.name} (--policy)", f"{against.name} (--against)")


def _with_paths(
    results: Sequence[PolicyResult], policy: Path, against: Path | None
) -> tuple[PolicyResult, ...]:
    paths = [policy, *([against] if against is not None else [])]
    return tuple(
        result.model_copy(update={"policy": str(path)}) for result, path in zip(results, paths, strict=True)
    )


def _write_page(path: Path, text: str) -> None:
    """Write the page whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            "--out", f"{path} cannot be written ({error.strerror})", "Name a file, such as backtest.html"
        ) from error
