"""`audit`: verify the chain, write it out, and tell where it ends."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from connectors.errors import InputError
from connectors.facts.ledger import AuditHead, AuditLine
from connectors.state import audit
from connectors.state.ledger import Ledger
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import SCHEMA_VERSION
from playbooks.hosts.commands.ledger_reading import ledger_to_read
from playbooks.hosts.outcome import EXIT_FAILED
from playbooks.hosts.terminal_output import note, write, write_json
from playbooks.report import wording
from playbooks.settings import load_settings

_HEAD = re.compile(r"(\d{1,18}):([0-9a-fA-F]{64})")

#: Lines written to standard output at once.
_AT_ONCE = 1000

#: A file with a head is no longer than this, characters.
_HEAD_CHARS = 10_000


def verify(file: str, *, head: str, config: Path | None, as_json: bool) -> None:
    """Check the ledger's audit, or an exported one.

    Raises:
        InputError: the file or the head cannot be read.
        LedgerUnusable: the ledger cannot be read.
        SystemExit: 1 after all was printed, where the chain is broken.
    """
    kept = _head_of(head) if head else None
    if file:
        with _lines_of(file) as lines:
            verdict = _verified_export(lines, kept)
    else:
        verdict = audit.verify(_ledger(config).audit(), head=kept)
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                "ok": verdict.ok,
                "lines": verdict.lines,
                "problem": verdict.problem,
                "head": verdict.head.model_dump(mode="json"),
                "head_given": kept is not None,
            }
        )
    else:
        intact = wording.count(verdict.lines, "line")
        print_lines(
            [f"intact: {intact}, head {_text(verdict.head)}"]
            if verdict.ok
            else [f"broken: {verdict.problem}", f"intact up to here: {intact}"]
        )
    if kept is None and verdict.ok:
        note("no --head was given: lines that were cut off the end do not show")
    if not verdict.ok:
        sys.stdout.flush()
        sys.exit(EXIT_FAILED)


def export(file: str, *, config: Path | None, as_json: bool) -> None:
    """Write the audit, the oldest line first.

    Raises:
        InputError: the file is there already, or cannot be written.
        LedgerUnusable: the ledger cannot be read.
    """
    ledger = _ledger(config)
    last = AuditHead(number=0, digest=audit.NO_DIGEST)
    if file == "-":
        for lines in batched(ledger.audit(), _AT_ONCE, strict=False):
            write("\n".join(audit.export_line(line) for line in lines))
            last = AuditHead(number=lines[-1].number, digest=lines[-1].digest)
    else:
        with _new_file(Path(file)) as handle:
            for line in ledger.audit():
                handle.write(audit.export_line(line) + "\n")
                last = AuditHead(number=line.number, digest=line.digest)
    if as_json and file != "-":
        write_json({"schema_version": SCHEMA_VERSION, "file": file, "head": last.model_dump(mode="json")})
    else:
        where = "" if file == "-" else f" to {file}"
        note(f"{wording.count(last.number, 'line')} written{where}, head {_text(last)}")


def head(*, config: Path | None, as_json: bool) -> None:
    """Print where the audit ends.

    Raises:
        LedgerUnusable: the ledger cannot be read.
    """
    found = _ledger(config).head()
    if as_json:
        write_json({"schema_version": SCHEMA_VERSION, **found.model_dump(mode="json")})
    else:
        print_lines([_text(found)])


def _ledger(config: Path | None) -> Ledger:
    there = ledger_to_read(load_settings(config))
    there.tell_new()
    return there.ledger


def _text(head: AuditHead) -> str:
    return f"{head.number}:{head.digest}"


def _head_of(given: str) -> AuditHead:
    """A head as `audit head` prints it, or the file that it was kept in.

    Raises:
        InputError: it is neither.
    """
    if found := _HEAD.fullmatch(given.strip()):
        return AuditHead(number=int(found[1]), digest=found[2].lower())
    try:
        with Path(given).open(encoding="utf-8") as file:
            text = file.read(_HEAD_CHARS).strip()
    except (OSError, ValueError) as error:
        raise InputError(
            "--head", f"{given!r} is neither NUMBER:DIGEST nor a file that can be read"
        ) from error
    if found := _HEAD.fullmatch(text):
        return AuditHead(number=int(found[1]), digest=found[2].lower())
    try:
        return AuditHead.model_validate(_without_version(text))
    except (ValidationError, ValueError) as error:
        raise InputError("--head", f"{given} holds no head", "Keep what `audit head` prints") from error


def _without_version(text: str) -> object:
    import json

    document = json.loads(text)
    if isinstance(document, dict):
        document.pop("schema_version", None)
    return document


def _verified_export(lines: Iterable[str], kept: AuditHead | None) -> audit.AuditVerdict:
    """As audit.verify; a line that is none breaks the chain as well."""
    unreadable: list[InputError] = []

    def read() -> Iterator[AuditLine]:
        try:
            yield from audit.read_export(lines)
        except InputError as error:
            unreadable.append(error)

    verdict = audit.verify(read(), head=kept)
    if not unreadable:
        return verdict
    return verdict._replace(ok=False, problem=f"{unreadable[0].field} {unreadable[0].problem}")


@contextmanager
def _lines_of(file: str) -> Iterator[Iterable[str]]:
    if file == "-":
        yield sys.stdin
        return
    try:
        # An export is ASCII: whatever else is in it was changed, and makes its line one that is none.
        with Path(file).open(encoding="ascii", errors="replace", newline="\n") as handle:
            yield handle
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror})", "Check the path") from error


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """A file that was not there, for its owner alone; gone again where it could not be written whole."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError(
            str(path), "is there already", "Name a new file: an earlier export is kept"
        ) from error
    except OSError as error:
        raise InputError(str(path), f"cannot be written ({error.strerror})", "Check the folder") from error
    try:
        with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
