"""Cases as they were when a person was asked, so that the guards can be evaluated again after the answer."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from pydantic import ValidationError

from connectors.errors import InputError
from connectors.state.database import make_private_folder
from connectors.state.line_file import sync_folder
from playbooks.case_steps import AssessedCase

#: The folder of kept cases beside the ledger.
CASES = "cases"

#: A kept case larger than this is not read, bytes.
MAX_CASE_BYTES = 64 * 1024 * 1024

_CASE_ID = re.compile(r"case-[0-9a-f]{16}")


class KeptCases:
    """One file a case in the folder `cases`, readable by its owner alone, written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Make nothing yet.

        Args:
            folder: the ledger's folder; the cases are kept in one below it.
        """
        self.folder = folder / CASES

    def keep(self, case: AssessedCase) -> None:
        """Keep a case; what was kept of it before is replaced.

        Raises:
            InputError: it cannot be written. What was kept before is as it was.
        """
        path = self.folder / f"{case.case_id}.json"
        try:
            make_private_folder(self.folder)
            _replace(path, case.model_dump_json().encode())
        except OSError as error:
            raise InputError(
                str(path),
                f"the case cannot be kept ({error.strerror or type(error).__name__})",
                "Check the folder of the ledger",
            ) from error

    def get(self, case_id: str) -> AssessedCase:
        """A kept case.

        Raises:
            InputError: there is none of this id, or it cannot be read.
        """
        if _CASE_ID.fullmatch(case_id) is None:
            raise InputError("case", f"{case_id!r} is no id of a case", "It looks like case-0123456789abcdef")
        path = self.folder / f"{case_id}.json"
        try:
            if path.stat().st_size > MAX_CASE_BYTES:
                raise InputError("case", f"{case_id} is kept in a file that is too large to be one")
            case = AssessedCase.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise InputError(
                "case",
                f"{case_id} is not kept in {self.folder}",
                "Cases are kept where isolation is not off; work its notable again",
            ) from error
        except OSError as error:
            raise InputError(
                "case", f"{case_id} cannot be read ({error.strerror or type(error).__name__})"
            ) from error
        except ValidationError as error:
            raise InputError("case", f"{case_id} is kept, but damaged", "Work its notable again") from error
        if case.case_id != case_id:
            raise InputError("case", f"{case_id} is kept, but damaged", "Work its notable again")
        return case


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # for its owner alone
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
    sync_folder(path.parent)
