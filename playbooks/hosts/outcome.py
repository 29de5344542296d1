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


def run_app(app: typer.Typer) -> NoReturn:
    """Run a Typer app and leave with the right code. Never shows a traceback for what was foreseen."""
    try:
        app(standalone_mode=True)
    except InputError as error:
        complain(error)
        sys.exit(EXIT_BAD_INPUT)
    except ResponseError as error:
        complain(error)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        # The reader (head, less) has gone; that is its right. Keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("interrupted; nothing further was done", file=sys.stderr)  # noqa: T201
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        complain(error)
        sys.exit(EXIT_FAILED)
    sys.exit(0)


def complain(error: Exception) -> None:
    """One line on stderr, whatever text from outside the error carries."""
    from playbooks.report.display import safe_error

    print(f"regsvcs-response: {safe_error(error)}", file=sys.stderr)  # noqa: T201
