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
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing further was done\n")
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        complain(error)
        sys.exit(EXIT_FAILED)
    sys.exit(0)


def complain(error: Exception) -> None:
    """One line on stderr, whatever text from outside the error carries."""
    from playbooks.report.display import safe_error

    sys.stderr.write(f"regsvcs-response: {safe_error(error)}\n")
