"""How much a log may cost to read. Every cap that stops the reading is named in the report.

Real logs pack about 30:1 (29:1 for NXLog JSON in tar.gz, 23:1 for flat ndjson in zip); text that repeats
itself reaches about 100:1, and deflate cannot do more than 1032:1 in one layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.edr.sysmon_file.streams import StreamBroken

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """Caps of one reading. Sizes are in bytes; each cap on archives holds per file on disk.

    Attributes:
        record_bytes: one line, XML event or JSON value; a bigger one is skipped without being held.
        archive_bytes: all that a compressed file or archive may unpack to, inner archives included.
        ratio: how many times its size on disk it may unpack to, once past `ratio_from_bytes`.
        ratio_from_bytes: below this the ratio is not looked at: a small bomb does no harm.
        members: members of one archive; the rest is not read.
        spool_bytes: a zip inside an archive needs seeking, so it is copied to a temporary file of at most
            this size.
    """

    record_bytes: int = 16 * MIB
    archive_bytes: int = 8 * GIB
    ratio: int = 200
    ratio_from_bytes: int = 64 * MIB
    members: int = 10_000
    spool_bytes: int = GIB


class CapReached(StreamBroken):
    """Unpacking was stopped at a cap; nothing more of this file is read."""


class Budget:
    """Counts what one file on disk has unpacked to, over all its layers and members."""

    def __init__(self, limits: ReadLimits, disk_bytes: int) -> None:
        self.limits = limits
        self.stopped = False
        self._allowed = _allowed_bytes(limits, disk_bytes)
        self._reason = _cap_reason(limits, self._allowed)
        self._spent = 0

    def spend(self, count: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            CapReached: the file unpacks to more than it may.
        """
        self._spent += count
        if self._spent > self._allowed:
            self.stopped = True
            raise CapReached(self._reason)


def _allowed_bytes(limits: ReadLimits, disk_bytes: int) -> int:
    by_ratio = max(limits.ratio_from_bytes, limits.ratio * disk_bytes)
    return min(limits.archive_bytes, by_ratio)


def _cap_reason(limits: ReadLimits, allowed: int) -> str:
    if allowed == limits.archive_bytes:
        return f"unpacks to more than the cap of {size_text(allowed)}; stopped there"
    return (
        f"unpacks to more than {size_text(allowed)}, over {limits.ratio} times its size on disk, as no real"
        " log does; stopped there"
    )


def size_text(count: int) -> str:
    """A size for a person: `16 MiB`, `8 GiB`, `100 bytes`."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"
