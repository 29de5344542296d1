"""Archives whose bytes depend on names and contents alone.

Order, times, owners and modes are fixed: a tar otherwise holds those of the checkout, and a gzip or zip
header the time of writing. The same Python build gives the same bytes; another zlib may compress otherwise.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

#: Time of every entry, and of the manifest: 2026-01-01T00:00:00Z. It says nothing about the build.
FIXED_TIME_S = 1_767_225_600

_FORBIDDEN_NAME = re.compile(
    r"(^|/)(tests?|\.[^/]*|__pycache__|conftest\.py|test_[^/]*|[^/]*_test\.py|id_(rsa|ed25519)[^/]*)(/|$)"
    r"|\.(pyc|pyo|pem|key|p12|pfx|env|log|evtx)$"
)
_SECRETS = (
    re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY"),
    re.compile(rb"://[^/\s:@'\"{}<>]+:[^/\s:@'\"{}<>]+@"),
)


def fixed_time_text() -> str:
    """FIXED_TIME_S as the manifest writes times."""
    return datetime.fromtimestamp(FIXED_TIME_S, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sha256(data: bytes) -> str:
    """The digest, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def tar_gz(files: Mapping[str, bytes]) -> bytes:
    """A .tgz of these files (path in the archive -> content), the same bytes for the same files."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o644
            entry.mtime = FIXED_TIME_S
            tar.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


def repacked_zip(data: bytes) -> bytes:
    """A zip, such as a wheel, with the same files in a fixed order, time, mode and form.

    Entries are stored, not compressed, so that the bytes depend on no zlib.

    Raises:
        zipfile.BadZipFile: `data` is no zip.
    """
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as given,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as written,
    ):
        for name in sorted(name for name in given.namelist() if not name.endswith("/")):
            entry = zipfile.ZipInfo(name, datetime.fromtimestamp(FIXED_TIME_S, UTC).timetuple()[:6])
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            written.writestr(entry, given.read(name))
    return packed.getvalue()


def private_contents(files: Mapping[str, bytes], private_paths: Iterable[Path]) -> list[str]:
    """One sentence for each file that must not leave this machine: empty when all may.

    Args:
        files: path in the archive -> content, without other people's wheels.
        private_paths: folders of this machine that no file may name, such as the checkout and the home.
    """
    # A folder right under the root, such as /root or /app, may be named by chance.
    needles = [str(path).encode() for path in private_paths if len(path.parts) > 2]
    found = []
    for name, content in sorted(files.items()):
        if _FORBIDDEN_NAME.search(name):
            found.append(f"{name}: a file of this kind is not packaged")
        elif any(needle in content for needle in needles):
            found.append(f"{name}: holds a path of this machine")
        elif any(pattern.search(content) for pattern in _SECRETS):
            found.append(f"{name}: holds what looks like a secret")
    return found
