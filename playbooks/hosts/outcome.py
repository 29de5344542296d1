"""From errors to exit codes: 0 done, 1 failed, 2 bad input or configuration, 130 interrupted."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

from connectors.errors import InputError, ResponseError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class Interrupted(KeyboardInterrupt):
    """Interrupted by a person; the text says what becomes of the work."""


class OutputClosed(Exception):
    """Whoever read standard output (head, less) has gone. Not an OSError: Typer would call it a failure."""


def run_app(app: typer.Typer) -> NoReturn:
    """Run a Typer app and leave with the right code. Never shows a traceback for what was foreseen."""
    try:
        try:
            app(standalone_mode=True)
        finally:
            sys.stdout.flush()
    except InputError as error:
        complain(error)
        sys.exit(EXIT_BAD_INPUT)
    except ResponseError as error:
        complain(error)
        sys.exit(EXIT_FAILED)
    except (OutputClosed, BrokenPipeError):
        # Its right. Keep the interpreter from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt as stop:
        _end_interrupted(stop)
    except SystemExit as ending:
        # Typer catches the interrupt itself and ends with this code, without a word.
        if ending.code == EXIT_INTERRUPTED:
            _end_interrupted(ending)
        raise
    except OSError as error:
        complain(error)
        sys.exit(EXIT_FAILED)
    sys.exit(0)


def _end_interrupted(ending: BaseException) -> NoReturn:
    said = "interrupted; nothing further was done"
    below: BaseException | None = ending
    while below is not None:
        if isinstance(below, Interrupted):
            said = str(below)
            break
        below = below.__cause__ or below.__context__
    sys.stderr.write(f"{said}\n")
    sys.exit(EXIT_INTERRUPTED)


def complain(error: Exception) -> None:
    """One line on stderr, whatever text from outside the error carries."""
    from playbooks.report.display import safe_error

    sys.stderr.write(f"regsvcs-response: {safe_error(error)}\n")
