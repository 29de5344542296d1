"""Archives whose bytes depend on names and contents alone.

Order, times, owners and modes are fixed: a tar otherwise holds those of the checkout, and a gzip or zip
header the time of writing. The same Python build gives the same bytes; another zlib may compress otherwise.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime

#: Time of every entry, and of the manifest: 2026-01-01T00:00:00Z. It says nothing about the build.
FIXED_TIME_S = 1_767_225_600


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
