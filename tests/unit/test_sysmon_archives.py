"""Archives and compressed files: what they hold is read, bombs and tricks are stopped, damage is told."""

from __future__ import annotations

import bz2
import io
import lzma
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.edr.sysmon_file.limits import ReadLimits
from connectors.errors import LogUnreadable
from tests import sysmon_samples as samples
from tests.sysmon_reading import read_bytes, read_path, told
from tests.sysmon_samples import HOST, gzip, lines, tar_of, zip_of

RECORD = samples.flat(3, HOST, **samples.network())
LOG = lines(*(samples.flat(3, HOST, **samples.network(SourcePort=str(port))) for port in range(200)))
#: Does not compress, so that a cut falls into the data.
RANDOM = random.Random(218009)  # noqa: S311  test data
NOISE = lines(*(samples.flat(3, HOST, Image=RANDOM.randbytes(40).hex()) for _ in range(400)))


@pytest.mark.parametrize(
    ("pack", "member"),
    [
        (lambda log: log, ""),
        (gzip, ""),
        (lambda log: gzip(log[:5000]) + gzip(log[5000:]), ""),
        (lambda log: gzip(log) + bytes(512), ""),
        (lambda log: zip_of({"a/b.json": log}), "!a/b.json"),
        (lambda log: zip_of({"b.json": log}, compression=zipfile.ZIP_STORED), "!b.json"),
        (lambda log: b"MZ self-extractor" * 9 + zip_of({"b.json": log}), None),
        (lambda log: tar_of({"b.json": log}), "!b.json"),
        (lambda log: gzip(tar_of({"b.json": log})), "!b.json"),
        (lambda log: tar_of({"b.json": log}, kind=tarfile.GNU_FORMAT), "!b.json"),
        (lambda log: tar_of({"b.json": log}, kind=tarfile.USTAR_FORMAT), "!b.json"),
        (lambda log: zip_of({"b.gz": gzip(log)}), "!b.gz"),
        (lambda log: zip_of({"c.tgz": gzip(tar_of({"b.json": log}))}), "!c.tgz!b.json"),
        (lambda log: zip_of({"c.zip": zip_of({"b.json": log})}), "!c.zip!b.json"),
        (lambda log: gzip(tar_of({"c.zip": zip_of({"b.json": log})})), "!c.zip!b.json"),
        (lambda log: gzip(gzip(log)), ""),
    ],
    ids=range(16),
)
def test_ways_to_pack(tmp_path: Path, pack: Callable[[bytes], bytes], member: str | None) -> None:
    if member is None:
        with pytest.raises(LogUnreadable, match="no Sysmon log of a known format"):
            read_bytes(tmp_path, pack(LOG))  # the archive begins with something else
        return
    events, report = read_bytes(tmp_path, pack(LOG))
    assert [event.data["SourcePort"] for event in events] == [str(port) for port in range(200)]
    assert report.problems == []
    assert report.sources == [f"{tmp_path / 'log'}{member}"]
    assert {event.source for event in events} == set(report.sources)
    assert report.bytes_read == (tmp_path / "log").stat().st_size


def test_several_members_of_several_kinds(tmp_path: Path) -> None:
    members = {
        "empty.json": b"",
        "folder/": b"",
        "logs/1.json": LOG,
        "logs/2.xml": lines(samples.xml(3, HOST, **samples.network())),
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }
    for archive in (zip_of(members), tar_of(members)):
        events, report = read_bytes(tmp_path, archive)
        label = str(tmp_path / "log")
        assert len(events) == 201
        assert report.sources == [f"{label}!logs/1.json", f"{label}!logs/2.xml"]
        assert {(problem.source, problem.reason) for problem in report.problems} >= {
            (f"{label}!empty.json", "is empty"),
            (f"{label}!picture.png", "is no Sysmon log of a known format"),
        }


def test_deeper_nesting_is_told_not_read(tmp_path: Path) -> None:
    inner = {"b.gz": gzip(LOG)}
    for archive in (
        zip_of({"c.zip": zip_of(inner)}),
        gzip(gzip(gzip(LOG))),
        tar_of({"c.tgz": gzip(tar_of(inner))}),
    ):
        events, report = read_bytes(tmp_path, archive)
        assert events == []
        assert [reason for _, reason in told(report)] == [
            "archives nested deeper than 2 are not read; unpack it first"
        ]


# --- names and kinds that must not matter ----------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../../tmp/evil.json", "/etc/evil.json", "C:\\evil.json", "a\x1b[31m\nb", "x" * 300]
)
def test_a_members_name_is_only_a_label(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for archive in (zip_of({name: LOG}), tar_of({name: LOG}), tar_of({name: LOG}, kind=tarfile.GNU_FORMAT)):
        events, report = read_bytes(tmp_path, archive)
        assert len(events) == 200
        assert report.sources == [f"{tmp_path / 'log'}!{name}"]
        assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "is a symbolic link and is not read"),
        (tarfile.LNKTYPE, "is a hard link and is not read"),
        (tarfile.CHRTYPE, "is a device and is not read"),
        (tarfile.BLKTYPE, "is a device and is not read"),
        (tarfile.FIFOTYPE, "is a named pipe and is not read"),
        (b"Z", "is of a kind that is not read"),
    ],
)
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes, word: str) -> None:
    link = tarfile.TarInfo("link.json")
    link.type, link.linkname = kind, "/etc/passwd"
    events, report = read_bytes(tmp_path, tar_of({"b.json": LOG}, extra=[link]))
    assert len(events) == 200
    assert [(problem.source, problem.reason) for problem in report.problems] == [
        (f"{tmp_path / 'log'}!link.json", word)
    ]


def test_a_symbolic_link_in_a_zip(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.json")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("b.json", LOG)
    events, report = read_bytes(tmp_path, buffer.getvalue())
    assert len(events) == 200
    assert told(report) == [(None, "is a symbolic link and is not read")]


def test_an_encrypted_member(tmp_path: Path) -> None:
    archive = bytearray(zip_of({"a.json": LOG, "b.json": LOG}))
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    events, report = read_bytes(tmp_path, bytes(archive))
    assert len(events) == 200
    assert [(problem.source[-6:], problem.reason) for problem in report.problems] == [
        ("a.json", "is encrypted and is not read")
    ]


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
def test_other_ways_of_packing_are_named(tmp_path: Path, method: int, name: str) -> None:
    _, report = read_bytes(tmp_path, zip_of({"a.json": LOG}, compression=method))
    assert told(report) == [(None, f"is packed with {name}, which is not read; unpack it first")]


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_other_compressed_files_are_no_known_format(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(LogUnreadable):
        read_bytes(tmp_path, pack(LOG))


# --- caps --------------------------------------------------------------------------------------------

SMALL = ReadLimits(archive_bytes=3_000_000, ratio=50, ratio_from_bytes=500_000, members=5, spool_bytes=20_000)
BOMB = RECORD + b"\n" + b" " * 5_000_000


@pytest.mark.parametrize(
    "pack", [gzip, lambda log: zip_of({"a.json": log}), lambda log: gzip(tar_of({"a": log}))]
)
def test_a_bomb_is_stopped_by_its_ratio(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    events, report = read_bytes(tmp_path, pack(BOMB), limits=SMALL)
    assert len(events) == 1
    assert (
        "unpacks to more than 488.3 KiB, over 50 times its size on disk, as no real log does; stopped there"
        in {reason for _, reason in told(report)}
    )


def test_a_bomb_is_stopped_by_its_size(tmp_path: Path) -> None:
    noise = b" " * 5000 + RANDOM.randbytes(200_000).hex().encode()
    events, report = read_bytes(tmp_path, gzip(lines(RECORD, noise * 10)), limits=SMALL)
    assert len(events) == 1
    assert "unpacks to more than the cap of 2.861 MiB; stopped there" in {
        reason for _, reason in told(report)
    }


def test_the_cap_holds_for_all_members_together(tmp_path: Path) -> None:
    members = {f"{number}.json": lines(*[RECORD] * 300) for number in range(4)}
    events, report = read_bytes(tmp_path, zip_of(members), limits=SMALL)
    assert 300 < len(events) < 600
    assert told(report)[-1] == (None, "the members that follow are not read: a cap was reached")
    assert len(report.sources) == 2


def test_a_bomb_inside_an_archive_is_stopped(tmp_path: Path) -> None:
    for archive in (zip_of({"a.gz": gzip(gzip(BOMB) * 3)}), zip_of({"a.zip": zip_of({"b": BOMB})})):
        events, report = read_bytes(tmp_path, archive, limits=SMALL)
        assert len(events) <= 1
        assert report.problem_count


def test_the_default_caps_stop_a_real_bomb(tmp_path: Path) -> None:
    zeros = gzip(RECORD + b"\n" + bytes(80 * 1024 * 1024))
    events, report = read_bytes(tmp_path, zeros)
    assert len(events) == 1
    assert (
        None,
        "unpacks to more than 64 MiB, over 200 times its size on disk, as no real log does; stopped there",
    ) in (told(report))


def test_overlapping_members_count_each_time(tmp_path: Path) -> None:
    archive = zip_of({"a.json": lines(*[RECORD] * 300)})
    at = archive.index(b"PK\x01\x02")
    end = archive.index(b"PK\x05\x06")
    entry = archive[at:end]
    again = archive[:at] + entry * 5 + archive[end : end + 8]
    again += (5).to_bytes(2, "little") * 2 + (len(entry) * 5).to_bytes(4, "little") + archive[end + 16 :]
    events, report = read_bytes(tmp_path, again, limits=SMALL)
    assert len(events) < 600
    assert told(report)[-1] == (None, "the members that follow are not read: a cap was reached")


def test_too_many_members(tmp_path: Path) -> None:
    members = {f"{number}.json": lines(RECORD) for number in range(7)}
    for archive in (zip_of(members), tar_of(members)):
        events, report = read_bytes(tmp_path, archive, limits=SMALL)
        assert len(events) == 5
        assert told(report) == [(None, "has more than 5 members; the rest is not read")]


def test_a_big_zip_inside_an_archive(tmp_path: Path) -> None:
    inner = zip_of({"b.json": NOISE})
    _, report = read_bytes(tmp_path, tar_of({"a.zip": inner}), limits=SMALL)
    assert told(report) == [(None, "a zip inside an archive is read up to 19.53 KiB; unpack it first")]


def test_a_tar_with_a_giant_extended_header(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    archive = info.tobuf(tarfile.GNU_FORMAT)
    _, report = read_bytes(tmp_path, archive + bytes(2048))
    assert told(report) == [
        (None, "the tar archive has an extended header of more than 1 MiB; the rest is not read")
    ]


def test_sizes_beyond_all_measure(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.json")
    info.size = 2**70
    _, report = read_bytes(tmp_path, info.tobuf(tarfile.GNU_FORMAT) + lines(RECORD))
    assert (None, "the tar archive ends inside this member: it is cut") in told(report)
    archive = bytearray(zip_of({"a.json": LOG}))
    at = archive.index(b"PK\x01\x02")
    archive[at + 42 : at + 46] = b"\xfe\xff\xff\xff"
    _, report = read_bytes(tmp_path, bytes(archive))
    assert told(report) == [
        (None, "is not where the directory of the zip archive says: the archive is damaged")
    ]


# --- damage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_gzip(tmp_path: Path, share: float) -> None:
    packed = gzip(NOISE)
    events, report = read_bytes(tmp_path, packed[: int(len(packed) * share)])
    assert abs(len(events) - 400 * share) < 20
    assert told(report)[-1] == (None, "the compressed data end too early: the file is cut")


def test_a_gzip_that_is_only_a_header(tmp_path: Path) -> None:
    for size in (2, 5, 10):
        _, report = read_bytes(tmp_path, gzip(LOG)[:size])
        assert report.problem_count >= 1


def test_a_gzip_with_all_optional_fields(tmp_path: Path) -> None:
    packed = gzip(LOG)
    header = (
        packed[:3]
        + bytes([2 | 4 | 8 | 16])
        + packed[4:10]
        + b"\x03\x00abc"
        + b"name\0"
        + b"comment\0"
        + b"\1\2"
    )
    events, report = read_bytes(tmp_path, header + packed[10:])
    assert (len(events), report.problems) == (200, [])
    _, report = read_bytes(tmp_path, packed[:3] + b"\x08" + packed[4:10] + b"x" * 100_000)
    assert (None, "the gzip header is cut or of an unknown kind") in told(report)


def test_a_gzip_with_a_wrong_checksum_is_read_and_told(tmp_path: Path) -> None:
    packed = gzip(LOG)
    events, report = read_bytes(tmp_path, packed[:-8] + b"\0" * 4 + packed[-4:])
    assert len(events) == 200
    assert told(report) == [
        (None, "the checksum of the compressed data is wrong: some of what was read may be damaged")
    ]


def test_a_gzip_damaged_in_the_middle(tmp_path: Path) -> None:
    packed = gzip(NOISE * 20)
    half = len(packed) // 2
    events, report = read_bytes(tmp_path, packed[:half] + b"\xff" * 50 + packed[half + 50 :])
    assert len(events) > 0
    assert report.problem_count >= 1


def test_bytes_after_a_gzip(tmp_path: Path) -> None:
    events, report = read_bytes(tmp_path, gzip(LOG) + b"trailing text")
    assert len(events) == 200
    assert told(report) == [(None, "bytes that are not gzip follow the compressed data; they are not read")]


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_a_cut_zip_is_read_as_far_as_it_goes(tmp_path: Path, share: float) -> None:
    packed = zip_of({"a.json": LOG, "b.json": NOISE, "c.json": NOISE})
    events, report = read_bytes(tmp_path, packed[: int(len(packed) * share)])
    assert abs(len(events) - 200 - 800 * share) < 40
    assert (None, "the compressed data end too early: the file is cut") in told(report)
    assert report.sources[0] == f"{tmp_path / 'log'}!a.json"


def test_a_cut_zip_written_as_a_stream(tmp_path: Path) -> None:
    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]  # a buffer
            return len(data)  # type: ignore[arg-type]

    file = Unseekable()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", LOG)
        archive.writestr("b.json", LOG)
    events, report = read_bytes(tmp_path, file.data)
    assert (len(events), report.problems) == (400, [])
    events, report = read_bytes(tmp_path, file.data[: file.data.index(b"PK\x01\x02") + 10])
    assert len(events) == 400
    assert told(report) == [
        (None, "the zip archive has no directory at its end: it is cut; read as far as it goes")
    ]


def test_a_zip_member_with_a_wrong_checksum(tmp_path: Path) -> None:
    archive = bytearray(zip_of({"a.json": LOG, "b.json": LOG}))
    archive[archive.index(b"PK\x01\x02") + 16] ^= 0xFF
    events, report = read_bytes(tmp_path, bytes(archive))
    assert len(events) == 400
    assert told(report) == [
        (None, "its size or checksum is not the stated one: some of what was read may be damaged")
    ]


def test_a_zip_with_a_damaged_directory(tmp_path: Path) -> None:
    archive = bytearray(zip_of({"a.json": LOG, "b.json": LOG}))
    second = archive.index(b"PK\x01\x02", archive.index(b"PK\x01\x02") + 4)
    archive[second] = 0
    events, report = read_bytes(tmp_path, bytes(archive))
    assert len(events) == 200
    assert told(report) == [(None, "the directory of the zip archive is damaged; the rest is not read")]


def test_a_zip_with_64_bit_sizes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("a.json", "w", force_zip64=True) as member:
        member.write(LOG)
    plain = bytearray(buffer.getvalue())
    at = plain.index(b"PK\x01\x02")
    end = plain.index(b"PK\x05\x06")
    entry = plain[at:end]
    wide = len(LOG).to_bytes(8, "little") * 2 + bytes(8)
    entry[20:28] = b"\xff" * 8
    entry[42:46] = b"\xff" * 4
    entry[30:32] = (len(wide) + 4).to_bytes(2, "little")
    entry = entry[:46] + b"a.json" + b"\1\0" + len(wide).to_bytes(2, "little") + wide
    size, start = len(entry).to_bytes(8, "little"), at.to_bytes(8, "little")
    one = (1).to_bytes(8, "little")
    end64 = b"PK\x06\x06" + (44).to_bytes(8, "little") + b"\x2d\0\x2d\0" + bytes(8) + one * 2 + size + start
    locator = b"PK\x06\x07" + bytes(4) + (at + len(entry)).to_bytes(8, "little") + b"\1\0\0\0"
    tail = b"PK\x05\x06" + bytes(4) + b"\1\0\1\0" + b"\xff" * 8 + b"\0\0"
    events, report = read_bytes(tmp_path, bytes(plain[:at] + entry + end64 + locator + tail))
    assert (len(events), report.problems) == (200, [])


def test_a_cut_tar(tmp_path: Path) -> None:
    archive = tar_of({"a.json": LOG, "b.json": LOG})
    events, report = read_bytes(tmp_path, archive[: len(LOG) + 3000])
    assert 200 <= len(events) < 210
    assert told(report)[-1] == (None, "the tar archive ends inside this member: it is cut")
    events, report = read_bytes(tmp_path, archive.rstrip(b"\0"))
    assert len(events) == 400
    assert "it is cut" in report.problems[-1].reason


def test_a_tar_damaged_in_the_middle(tmp_path: Path) -> None:
    archive = bytearray(tar_of({"a.json": LOG, "b.json": LOG}))
    archive[archive.index(b"b.json") + 1] ^= 0xFF
    events, report = read_bytes(tmp_path, bytes(archive))
    assert len(events) == 200
    assert told(report) == [(None, "the tar archive is damaged: a header is not one; the rest is not read")]


def test_long_names_and_ustar_prefixes(tmp_path: Path) -> None:
    name = "/".join(["folder"] * 20) + "/b.json"
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        _, report = read_bytes(tmp_path, tar_of({name: LOG}, kind=kind))
        assert report.sources == [f"{tmp_path / 'log'}!{name}"]


PACKED = [
    gzip(LOG),
    zip_of({"a.json": LOG, "b.xml": samples.xml(3, HOST, **samples.network())}),
    tar_of({"a.json": lines(RECORD)}),
    gzip(tar_of({"a.json": LOG})),
    zip_of({"a.zip": zip_of({"b.gz": LOG})}),
]


@given(
    packed=st.sampled_from(PACKED),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    cut=st.floats(0.3, 1.2),
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_to_an_archive_is_read_or_told(
    tmp_path: Path, packed: bytes, changes: list[tuple[float, bytes]], cut: float
) -> None:
    data = bytearray(packed)
    for share, new in changes:
        at = int(share * len(data))
        data[at : at + len(new)] = new
    path = tmp_path / "log"
    path.write_bytes(data[: int(cut * len(data))])
    try:
        events, report = read_path(path)
    except LogUnreadable:
        return
    assert len(events) <= 401
    assert report.sources or report.problem_count


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    events, _ = read_bytes(tmp_path, zip_of({"a.zip": zip_of({"b.json": LOG})}))
    assert len(events) == 200
    assert list(folder.iterdir()) == []
