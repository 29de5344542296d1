"""Warnings of the parts below, told on stderr as notes of one line, each once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from connectors.errors import ConfigError
from playbooks.hosts.outcome import complain
from playbooks.hosts.terminal_output import note

#: Loggers of ours. A library's warning is not told: it may hold anything.
_OURS = ("actions", "connectors", "playbooks")

#: Whatever it says, it is about one folder and is told once.
_STORE = "connectors.state.database"


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Tell warnings of ours while the block runs, and none of a library's.

    Ours go to stderr by this handler alone: a library may have put handlers on the root logger that write to
    standard output, where a report or JSON stands. A source that answers after its deadline may still log
    when the block is left: then nothing is told.
    """
    logging.getLogger().addHandler(_SILENT)
    notes = _Notes()
    ours = [logging.getLogger(name) for name in _OURS]
    propagated = [each.propagate for each in ours]
    for each in ours:
        each.addHandler(notes)
        each.propagate = False
    try:
        yield
    finally:
        for each, propagate in zip(ours, propagated, strict=True):
            each.removeHandler(notes)
            each.propagate = propagate


def tell_unreadable(unreadable: Mapping[str, ConfigError]) -> bool:
    """Say on stderr which keys cannot be read; True when there is one. The other sources are asked."""
    for error in unreadable.values():
        complain(error)
    return bool(unreadable)


class _Notes(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a warning, once."""
        text = record.getMessage()
        store = record.name == _STORE
        about = _STORE if store else text
        if about not in self._told:
            self._told.add(about)
            note(f"answers and quotas are not kept for the next run: {text}" if store else text)


#: Stays: without any handler Python prints warnings by itself.
_SILENT = logging.NullHandler()
