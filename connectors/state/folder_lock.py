"""One process at a time works in a folder.

The system's own lock on a file: it ends with the process, also with one that was killed. The file itself
stays; taking it away would let two processes lock two files of one name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.errors import ResponseError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: The file that is locked.
NAME = ".lock"


class FolderInUse(ResponseError):
    """Another process works in the folder. Nothing was changed."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while the block runs.

    Args:
        folder: is there.

    Raises:
        FolderInUse: another process, or another block of this one, holds it.
        OSError: the file cannot be made, or the file system knows no locks.
    """
    handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError) as error:
            raise FolderInUse(
                f"{folder} is in use by another run. Let it end, or name another folder"
            ) from error
        yield
    finally:
        os.close(handle)  # ends the lock


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
