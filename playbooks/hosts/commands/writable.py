"""Whether files can be made in a folder: tried, since rights alone do not tell it of every file system."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile


def can_be_written(folder: Path) -> bool:
    """Whether a file can be made there. The one that is tried is gone again at once, or never has a name."""
    try:
        with TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
