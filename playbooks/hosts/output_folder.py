"""The folder that `run --out` writes: each case as JSON, Markdown and HTML, their list, rejected notables."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

import orjson

from connectors.errors import InputError
from connectors.siem.notable import RejectedNotable
from connectors.state.line_file import sync_folder
from playbooks.case import CaseReport
from playbooks.report import markdown
from playbooks.report.document import to_json

_log = logging.getLogger(__name__)

#: Sub-folder for notables that could not be used, as they came.
REJECTED = "rejected"

#: What the name of an earlier report of a case ends with that knew more.
BEFORE = ".before"

#: A report larger than this is not read back, bytes.
MAX_REPORT = 256 * 1024 * 1024

#: The page that lists the cases of the last run.
INDEX = "index.html"


class OutputFolder:
    """Writes reports whole or not at all. File names are made of hashes, never of a log's text.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._make(path)

    def write(self, reports: Sequence[CaseReport]) -> tuple[str, ...]:
        """Write each case and the list of these cases; an earlier report of the same case is replaced.

        Returns:
            The cases whose earlier report has the lineage that this one lacks: it stays beside the new one,
            as CASE + BEFORE. Telemetry that does not answer must not take away what it answered before.
        """
        from playbooks.report import case_page  # jinja2 is loaded only where pages are written

        richer = tuple(each.case_id for each in reports if self._keep_richer(each))
        for report in reports:
            self._write(report)
            self._mark_replaced(report)
        _replace(self.path / INDEX, case_page.render_index(reports).encode())
        return richer

    def replacing(self, reports: Sequence[CaseReport]) -> tuple[CaseReport, ...]:
        """The reports with the cases of earlier runs whose place they take.

        A case is replaced where all its notables are in the new one: it stood under another id while less was
        known of its machine or process.
        """
        return tuple(self._replacing(each) for each in reports)

    def _replacing(self, report: CaseReport) -> CaseReport:
        held = {each.event_id for each in report.facts.notables}
        known = self._report(report.case_id)
        if known is not None and known.replaced_by is not None:
            # A run that knows less does not take the mark away.
            better = self._report(known.replaced_by)
            if better is not None and held <= {each.event_id for each in better.facts.notables}:
                return report.model_copy(update={"replaced_by": known.replaced_by})
        earlier = {each: self._report(each) for each in report.earlier_ids}
        replaced = [
            case_id
            for case_id, before in earlier.items()
            if before is not None and {each.event_id for each in before.facts.notables} <= held
        ]
        return report.model_copy(update={"replaces": tuple(replaced)})

    def _mark_replaced(self, report: CaseReport) -> None:
        for case_id in report.replaces:
            before = self._report(case_id)
            if before is not None and before.replaced_by != report.case_id:
                self._write(before.model_copy(update={"replaced_by": report.case_id}))

    def _report(self, case_id: str) -> CaseReport | None:
        """The report of an earlier run; None where there is none, or none of this version."""
        try:
            return CaseReport.model_validate_json(_content(self.path / f"{case_id}.json"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("%s: not read: %s", case_id, type(error).__name__)
            return None

    def _write(self, report: CaseReport) -> None:
        from playbooks.report import case_page  # jinja2 is loaded only where pages are written

        _replace(self.path / f"{report.case_id}.json", to_json(report))
        _replace(self.path / f"{report.case_id}.md", markdown.render(report).encode())
        _replace(self.path / f"{report.case_id}.html", case_page.render(report).encode())

    def _keep_richer(self, report: CaseReport) -> bool:
        if report.facts.lineage is not None:
            return False
        try:
            earlier = orjson.loads(_content(self.path / f"{report.case_id}.json"))
        except (OSError, orjson.JSONDecodeError):
            return False
        facts = earlier.get("facts") if isinstance(earlier, dict) else None
        if not isinstance(facts, dict) or not facts.get("lineage"):
            return False
        for kind in ("json", "md", "html"):
            path = self.path / f"{report.case_id}.{kind}"
            if path.is_file():
                _replace(self.path / f"{report.case_id}{BEFORE}.{kind}", _content(path))
        return True

    def keep_rejected(self, rejected: Sequence[RejectedNotable]) -> None:
        """Keep unusable notables, each once; as they came, unless they say otherwise."""
        for each in rejected:
            self._keep("notable", each.raw.encode("utf-8", "surrogatepass"))

    def keep(self, name: str, data: bytes) -> None:
        """Write a file of ours, whole or not at all, so that it is there after a crash too."""
        _replace(self.path / name, data)
        sync_folder(self.path)

    def keep_inputs(self, inputs: Sequence[bytes]) -> None:
        """Keep whole inputs in which no notable could be found, as they came, each once."""
        for raw in inputs:
            self._keep("input", raw)

    def _keep(self, kind: str, raw: bytes) -> None:
        self._make(self.path / REJECTED)
        name = hashlib.sha256(raw).hexdigest()[:16]
        _replace(self.path / REJECTED / f"{kind}-{name}.json", raw)

    def _make(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("--out", f"{path} cannot be made ({error.strerror})", "Name a folder") from error


def _content(path: Path) -> bytes:
    """What is in a file of ours: a plain one, of a size that a report can have.

    Raises:
        OSError: it is none, or cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_REPORT:
            raise OSError(errno.EINVAL, "is no report")
        return file.read()


def _replace(path: Path, data: bytes) -> None:
    """Write through a temporary file beside it, so that a crash leaves the old file or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
