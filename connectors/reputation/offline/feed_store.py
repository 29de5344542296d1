"""The copies of feeds on disk: one file a feed and one manifest, which alone says which file counts.

A copy's file has its checksum in its name and is complete before the manifest names it, so that a process
that dies anywhere leaves either the old copy or the new one. Nothing but a regular file of ours is deleted.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT, Fact, Instant
from connectors.reputation.offline.feed_settings import Feed
from connectors.state.database import make_private_folder

MANIFEST = "manifest.json"
LOCK = "update.lock"

#: A manifest larger than this is not ours, bytes.
_MAX_MANIFEST = 1024 * 1024

#: Without blocking: a pipe in a file's place would wait for its writer for ever. Windows has neither the flag
#: nor such files, but would change line ends.
_READING: int = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_SUFFIX = ".feed"
_PART = ".part-"


class FeedCopy(Fact):
    """What the manifest says of one feed.

    Attributes:
        url: where the copy came from.
        tried_at: when a download was last begun, whatever came of it.
        fetched_at: when the copy was downloaded or last confirmed by the server; None = there is no copy.
        file: name of the copy in the folder.
        sha256: of the copy, hex.
        count: entries in it.
        size: bytes.
        credit: the author's copyright line.
        problem: what was wrong at the last try; "" when it went well.
    """

    url: str
    tried_at: Instant | None = None
    fetched_at: Instant | None = None
    etag: str = ""
    last_modified: str = ""
    file: str = ""
    sha256: str = ""
    count: int = 0
    size: int = 0
    credit: str = ""
    problem: str = ""


class Manifest(Fact):
    """All copies, by the name of the feed."""

    version: int = 1
    feeds: dict[str, FeedCopy] = Field(default_factory=dict)


class StoreBroken(Exception):
    """The store, or one copy in it, cannot be used. Says why in one sentence."""


class UpdateUnderWay(Exception):
    """Another process is updating the store."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest; an empty one where there is none.

    Raises:
        StoreBroken: it cannot be read.
    """
    try:
        content = _read(folder / MANIFEST, limit=_MAX_MANIFEST)
    except FileNotFoundError:
        return Manifest()
    except OSError as error:
        raise StoreBroken(f"{MANIFEST} cannot be read ({error.strerror})") from error
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise StoreBroken(f"{MANIFEST} is damaged; delete it and update the feeds") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest at one stroke.

    Raises:
        OSError: it cannot be written.
    """
    _write(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())


def read_copy(folder: Path, copy: FeedCopy, *, limit: int) -> bytes:
    """The bytes of a copy, verified.

    Raises:
        StoreBroken: the file is missing, too large or not the one that was downloaded.
    """
    if Path(copy.file).name != copy.file or not copy.file.endswith(_SUFFIX):
        raise StoreBroken(f"{MANIFEST} names a file that is no copy of ours")
    try:
        content = _read(folder / copy.file, limit=limit)
    except OSError as error:
        raise StoreBroken(f"its copy cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != copy.sha256:
        raise StoreBroken("its copy is not what was downloaded (checksum); update the feeds")
    return content


def read_own_list(path: Path, *, limit: int) -> bytes:
    """The bytes of a list of the user's.

    Raises:
        StoreBroken: the file cannot be read, is no regular file or is too large.
    """
    try:
        return _read(path, limit=limit, called=str(path))
    except OSError as error:
        raise StoreBroken(f"{path} cannot be read ({error.strerror})") from error


def own_list_changed(path: Path) -> datetime:
    """When a list of the user's was last changed.

    Raises:
        StoreBroken: it is not there, cannot be looked at, or its time is no date that a fact can hold.
    """
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (ValueError, OverflowError) as error:
        raise StoreBroken(f"{path} has a time of change that is no date") from error
    except OSError as error:
        raise StoreBroken(f"{path} cannot be read ({error.strerror})") from error
    if not EARLIEST_INSTANT <= changed < LATEST_INSTANT:
        raise StoreBroken(f"{path} was changed in the year {changed.year}: set its time anew, as with touch")
    return changed


def write_copy(folder: Path, feed: Feed, content: bytes) -> tuple[str, str]:
    """Write a copy beside the one that counts.

    Returns:
        Its file name and its checksum.

    Raises:
        OSError: it cannot be written.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{feed.name}-{sha256[:16]}{_SUFFIX}"
    _write(folder / name, content)
    return name, sha256


def delete_old_copies(folder: Path, feed: Feed, *, keep: str) -> None:
    """Delete the copies of a feed that no longer count."""
    for path in folder.glob(f"{feed.name}-{'[0-9a-f]' * 16}{_SUFFIX}"):
        if path.name != keep and path.is_file():
            path.unlink(missing_ok=True)


@contextmanager
def update_lock(folder: Path) -> Iterator[None]:
    """Hold the store for writing. SQLite's own lock: of all systems, and gone when the process is.

    Raises:
        UpdateUnderWay: another process or thread holds it.
        OSError: the folder cannot be written.
    """
    make_private_folder(folder)
    _make_private_lock(folder / LOCK)
    try:
        lock = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise OSError(f"the lock {LOCK} cannot be opened ({error})") from error
    with closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise UpdateUnderWay(str(folder)) from error
            raise OSError(f"the lock {LOCK} cannot be taken ({error})") from error
        yield


def _make_private_lock(path: Path) -> None:
    """Make the file when absent, for its owner alone; SQLite would let everyone read it.

    Raises:
        OSError: it cannot be made, or is no regular file.
    """
    descriptor = os.open(path, _READING | os.O_CREAT, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"the lock {LOCK} is no regular file")
    finally:
        os.close(descriptor)


def delete_leftovers(folder: Path) -> None:
    """Delete what writers left that died while writing. Only under the lock: nobody else writes then."""
    for path in folder.glob(f"{_PART}*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def _read(path: Path, *, limit: int, called: str = "") -> bytes:
    """The bytes of a regular file; an error names it as `called`, or by its name alone."""
    with os.fdopen(os.open(path, _READING), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise StoreBroken(f"{called or path.name} is no regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise StoreBroken(f"{called or path.name} is larger than {limit} bytes")
    return content


def _write(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=_PART, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
