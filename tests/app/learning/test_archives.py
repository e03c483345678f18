"""Archives: honest ones give every image; hostile ones are refused by name, within memory, time and files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import (
    ArchiveBomb,
    ArchiveCorrupt,
    ArchiveRefused,
    ArchiveTooLarge,
    ArchiveTooManyFiles,
    ArchiveUnsupported,
)
from app.learning.archives import ArchiveLimits, Item, Member, Refused, archive_kind, read_archive
from nominal_client.litter import HIDDEN, LeftOut

SMALL = ArchiveLimits(files=50, total_bytes=4 << 20, file_bytes=1 << 20, ratio=100)
Files = dict[str, bytes]
Pack = Callable[[Files], bytes]


def png(value: int, size: int = 16) -> bytes:
    noise = np.random.default_rng(value).integers(0, 255, (size, size, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "png")
    return out.getvalue()


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names
        for name, data in files.items():
            archive.writestr(name.removeprefix("again:"), data)
    return out.getvalue()


def tarred(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            add(archive, name.removeprefix("again:"), data)
    return out.getvalue()


def add(
    archive: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), link
    archive.addfile(info, io.BytesIO(data))


PACKERS: dict[str, Pack] = {
    "zip": zipped,
    "stored zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "pax tar": tarred,
    "gnu tar": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
}
ANY = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
ZIP_AND_TAR = pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])


class Reader:
    """Writes an archive to a file and reads it back."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "upload"

    def __call__(self, data: bytes, limits: ArchiveLimits = SMALL) -> list[Item]:
        self.path.write_bytes(data)
        return list(read_archive(self.path, limits))

    def reasons(self, data: bytes, limits: ArchiveLimits = SMALL) -> dict[str, str | None]:
        return {
            item.name: item.error.reason if isinstance(item, Refused) else None for item in self(data, limits)
        }


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


# Honest archives


@ANY
def test_every_file_comes_back_with_its_bytes_and_its_name(pack: Pack, read: Reader) -> None:
    files = {"good/a.png": png(1), "good/b.png": png(2, 200), "ä" * 120 + ".png": png(3), "empty.png": b""}
    assert read(pack(files)) == [Member(name, data) for name, data in files.items()]


@pytest.mark.parametrize(
    "pack", [zipped, PACKERS["tar.gz"], PACKERS["tar.xz"]], ids=["zip", "tar.gz", "tar.xz"]
)
def test_an_empty_archive_holds_nothing(pack: Pack, read: Reader) -> None:
    assert read(pack({})) == []


@ZIP_AND_TAR
def test_litter_of_desktops_and_storage_is_named_and_never_read(pack: Pack, read: Reader) -> None:
    named = {
        "__MACOSX/._a.png": "__MACOSX/",
        "a/.DS_Store": "a/.DS_Store",
        "Thumbs.db": "Thumbs.db",
        "._a.png": "._a.png",
        "good/@eaDir/0.png/SYNOFILE_THUMB_M.png": "good/@eaDir/",
        "#recycle/old.png": "#recycle/",
        "$RECYCLE.BIN/S-1-5/old.png": "$RECYCLE.BIN/",
        "./.hidden/b.png": ".hidden/",
    }
    found = read(pack({**dict.fromkeys(named, png(2)), "./a.png": png(1)}))
    assert found == [*(LeftOut(name, HIDDEN) for name in named.values()), Member("a.png", png(1))]


def test_folder_entries_are_passed_over(read: Reader) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        add(archive, "good", kind=tarfile.DIRTYPE)
        add(archive, "good/a.png", png(1))
    assert read(out.getvalue()) == [Member("good/a.png", png(1))]
    assert read(zipped({"good/": b"", "good/a.png": png(1)})) == [Member("good/a.png", png(1))]


def test_several_compressed_streams_one_after_another_are_one_archive(read: Reader) -> None:
    data = tarred({"a.png": png(1), "b.png": png(2)})
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        assert [item.name for item in read(compress(data[:700]) + compress(data[700:]))] == ["a.png", "b.png"]


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x28\xb5\x2f\xfd zstd", png(1)])
def test_what_is_no_archive_is_named_so(data: bytes, read: Reader) -> None:
    assert archive_kind(data) is None
    with pytest.raises(ArchiveUnsupported):
        read(data)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_image_is_no_tar(compress: Callable[[bytes], bytes], read: Reader) -> None:
    with pytest.raises(ArchiveCorrupt, match="invalid header"):
        read(compress(png(1, 100)))


# Members that are refused while the others are read


@ZIP_AND_TAR
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../etc/cron.d/x", "path"),
        ("a/../../x.png", "path"),
        ("/etc/passwd", "path"),
        ("..\\x.png", "path"),
        ("C:\\x.png", "path"),
        ("\\\\host\\share\\x.png", "path"),
        ("n" * 256 + ".png", "name_too_long"),
        ("again:good.png", "duplicate_name"),
    ],
)
def test_a_name_that_may_not_be_is_refused_and_the_others_read(
    pack: Pack, name: str, reason: str, read: Reader
) -> None:
    items = read(pack({"good.png": png(1), name: png(2), "last.png": png(3)}))
    assert [item.error.reason if isinstance(item, Refused) else None for item in items] == [
        None,
        reason,
        None,
    ]
    assert all(len(item.name) <= 255 for item in items)


@ZIP_AND_TAR
def test_names_are_shown_without_control_or_direction_characters(pack: Pack, read: Reader) -> None:
    items = read(pack({"a\nb\u202egnp.exe\x1b[2J.png": png(1)}))
    assert [item.name for item in items] == ["a\ufffdb\ufffdgnp.exe\ufffd[2J.png"]


@ZIP_AND_TAR
@pytest.mark.parametrize(
    "inner", [zipped({"a": b"a"}), tarred({"a": b"a"}), gzip.compress(b"a", mtime=0), lzma.compress(b"a")]
)
def test_an_archive_inside_is_refused(pack: Pack, inner: bytes, read: Reader) -> None:
    assert read.reasons(pack({"inner.png": inner, "a.png": png(1)})) == {
        "inner.png": "nested_archive",
        "a.png": None,
    }


@ANY
def test_a_file_above_the_limit_is_refused(pack: Pack, read: Reader) -> None:
    limits = ArchiveLimits(file_bytes=1000, ratio=10_000)
    files = {"large.png": png(1, 40), "small.png": png(2, 8)}
    assert read.reasons(pack(files), limits) == {"large.png": "too_large", "small.png": None}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"V"]
)
def test_links_devices_and_pipes_in_a_tar_are_refused(kind: bytes, read: Reader) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        add(archive, "link.png", kind=kind, link="/etc/passwd")
        add(archive, "a.png", png(1))
    assert read.reasons(out.getvalue()) == {"link.png": "not_a_file", "a.png": None}


def test_a_sparse_file_in_a_tar_is_refused_without_unrolling_it(read: Reader) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("sparse.png")
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.realsize": str(1 << 50),
        }
        archive.addfile(info)
        add(archive, "a.png", png(1))
    assert read.reasons(out.getvalue()) == {"sparse.png": "not_a_file", "a.png": None}


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused(mode: int, read: Reader) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("link.png")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("a.png", png(1))
    assert read.reasons(out.getvalue()) == {"link.png": "not_a_file", "a.png": None}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_member_of_another_method_is_refused(method: int, read: Reader) -> None:
    assert read.reasons(zipped({"a.png": png(1)}, method)) == {"a.png": "compression"}


def directory_field(data: bytes, at: int, form: str, value: int) -> bytes:
    """The zip with one field of its first central directory entry overwritten."""
    start = data.index(b"PK\x01\x02") + at
    return data[:start] + struct.pack(form, value) + data[start + struct.calcsize(form) :]


@pytest.mark.parametrize("flag", [0x1, 0x41, 0x2000])
def test_an_encrypted_zip_member_is_refused(flag: int, read: Reader) -> None:
    data = directory_field(zipped({"a.png": png(1), "b.png": png(2)}), 8, "<H", flag)
    assert read.reasons(data) == {"a.png": "encrypted", "b.png": None}


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        (16, "<L", 1),  # checksum
        (20, "<L", 10),  # packed size too small
        (24, "<L", 10),  # unpacked size too small
        (24, "<L", 900_000),  # unpacked size too large
        (42, "<L", 7),  # offset into another member
        (42, "<L", 0x7FFFFFFF),  # offset outside the file
        (10, "<H", 0),  # said to be stored
    ],
)
def test_a_zip_directory_that_lies_gets_the_member_refused(
    at: int, form: str, value: int, read: Reader
) -> None:
    data = directory_field(zipped({"a.png": b"x" * 5000 + png(1, 64), "b.png": png(2)}), at, form, value)
    assert read.reasons(data) == {"a.png": "corrupt", "b.png": None}


def test_a_local_name_unlike_the_directory_is_refused(read: Reader) -> None:
    data = zipped({"a.png": png(1), "b.png": png(2)}).replace(b"a.png", b"z.png", 1)
    assert read.reasons(data) == {"a.png": "corrupt", "b.png": None}


def test_a_zip_member_that_unpacks_too_well_is_refused(read: Reader) -> None:
    limits = ArchiveLimits(file_bytes=8 << 20)
    data = zipped({"bomb.png": bytes(5 << 20), "a.png": png(1)})
    assert read.reasons(data, limits) == {"bomb.png": "ratio", "a.png": None}


# Archives that are refused whole


@ANY
def test_too_many_files_end_the_reading(pack: Pack, read: Reader) -> None:
    read.path.write_bytes(pack({f"{i}.png": bytes([i]) for i in range(51)}))
    taken: list[Item] = []
    with pytest.raises(ArchiveTooManyFiles, match="may hold 50 files"):
        taken.extend(read_archive(read.path, SMALL))


def test_a_hundred_thousand_tiny_files_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    entry = (
        struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
        + b"a.png"
    )
    directory = entry * 100_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, len(directory), 0, 0)
    path = tmp_path / "upload.zip"
    path.write_bytes(b"PK\x03\x04" + directory + end)
    tracemalloc.start()
    with pytest.raises(ArchiveTooManyFiles):
        next(read_archive(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(directory)


def test_a_tar_of_a_hundred_thousand_tiny_files_stops_at_the_limit(tmp_path: Path) -> None:
    member = tarred({"a.png": b"x"})[:1024]
    path = tmp_path / "upload.tar"
    path.write_bytes(member * 100_000)
    with pytest.raises(ArchiveTooManyFiles):
        list(read_archive(path, ArchiveLimits(files=1000)))


@ANY
def test_more_unpacked_bytes_than_the_limit_end_the_reading(pack: Pack, read: Reader) -> None:
    limits = ArchiveLimits(total_bytes=20_000, ratio=10_000)
    read.path.write_bytes(pack({f"{i}.png": png(i, 40) for i in range(10)}))
    with pytest.raises(ArchiveTooLarge):
        list(read_archive(read.path, limits))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_tar_that_unpacks_too_well_is_a_bomb(
    compress: Callable[[bytes], bytes], read: Reader
) -> None:
    data = compress(tarred({f"{i}.png": bytes(500_000) for i in range(40)}))
    with pytest.raises(ArchiveBomb):
        read(data, ArchiveLimits())


def overlapping(members: int, unpacked: int) -> bytes:
    """Fifield's bomb: every member quotes the next one's header and then shares one packed kernel."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed, content = packer.compress(bytes(unpacked)) + packer.flush(), bytes(unpacked)
    entries: list[tuple[bytes, int]] = []  # (directory entry, bytes from its header to the kernel's end)
    for i in range(members):
        sizes = (zlib.crc32(content), len(packed), len(content))
        local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, *sizes, 3, 0) + b"%03d" % i
        packed, content = local + packed, local + content
        entry = struct.pack("<4s4B4H3L5HL", b"PK\x01\x02", 20, 3, 20, 0, 0, 8, 0, 0, *sizes, 3, 0, 0, 0, 0, 0)
        entries.append((entry, len(packed)))
        packed = struct.pack("<BHH", 0, len(local), len(local) ^ 0xFFFF) + packed  # a stored block
    body = packed[5:]
    directory = b"".join(
        entry + struct.pack("<L", len(body) - back) + b"%03d" % i for i, (entry, back) in enumerate(entries)
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, members, members, len(directory), len(body), 0)
    return body + directory + end


def test_overlapping_members_are_bounded_by_the_ratio_of_the_whole(read: Reader) -> None:
    data = overlapping(40, 1 << 20)
    assert len(data) < 6000
    limits = [ArchiveLimits(file_bytes=2 << 20, ratio=ratio) for ratio in (10_000, 1100, 100)]
    assert set(read.reasons(data, limits[0]).values()) == {
        None,
        "nested_archive",
    }  # unpacked: it quotes headers
    with pytest.raises(ArchiveBomb):
        read(data, limits[1])
    assert "ratio" in read.reasons(data, limits[2]).values()


@ANY
def test_a_truncated_archive_is_named_wherever_it_is_cut(pack: Pack, read: Reader) -> None:
    data = pack({"a.png": png(1, 120), "b.png": png(2, 120)})
    for share in (0.05, 0.3, 0.5, 0.7, 0.85):
        with pytest.raises(ArchiveRefused):
            read(data[: int(len(data) * share)])


def test_members_before_the_cut_are_given(read: Reader) -> None:
    read.path.write_bytes(tarred({"a.png": png(1), "b.png": png(2, 100)})[:4000])
    items = read_archive(read.path, SMALL)
    assert next(items) == Member("a.png", png(1))
    with pytest.raises(ArchiveCorrupt, match="an end before it"):
        next(items)


def test_a_gzip_whose_checksum_is_wrong_is_named(read: Reader) -> None:
    data = bytearray(gzip.compress(tarred({"a.png": png(1)})))
    data[-6] ^= 1
    with pytest.raises(ArchiveCorrupt, match="CRC"):
        read(bytes(data))


def header(name: str = "a.png", kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def test_a_tar_size_below_zero_cannot_turn_the_reader_back(read: Reader) -> None:
    with pytest.raises(ArchiveCorrupt, match="a size of -512"):
        read(header(size=-512) + bytes(1024))


def test_a_tar_that_promises_more_than_it_holds_is_named(read: Reader) -> None:
    for size in (1 << 19, 1 << 62):
        with pytest.raises(ArchiveRefused):
            read(header(size=size) + bytes(4096))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_extended_header_is_refused_unread(kind: bytes, read: Reader) -> None:
    with pytest.raises(ArchiveCorrupt, match="extended header of 1099511627776 bytes"):
        read(header(kind=kind, size=1 << 40) + bytes(1 << 20))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_endless_row_of_extended_headers_is_refused(kind: bytes, read: Reader) -> None:
    with pytest.raises(ArchiveCorrupt, match="more than 16 extended headers"):
        read(header(kind=kind) * 5000 + bytes(1024))


@pytest.mark.parametrize(
    "record", [b"9" * 60_000, b"5 a=b", b"x path=y\n", b"0 a=b\n", b"11 path=y\n", b"17 size=notdigit\n"]
)
def test_a_broken_pax_record_is_named(record: bytes, read: Reader) -> None:
    block = record + bytes(-len(record) % 512)
    with pytest.raises(ArchiveCorrupt):
        read(header(kind=tarfile.XHDTYPE, size=len(record)) + block + header() + bytes(1024))


def test_an_xz_that_asks_for_gigabytes_of_dictionary_is_refused(read: Reader) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 16 << 20}]
    data = bytearray(lzma.compress(tarred({"a.png": png(1)}), filters=filters))
    size_byte, block = data.index(b"\x21\x01") + 2, 12  # the LZMA2 dictionary code in the block header
    data[size_byte] = 38  # 2 GiB
    length = (data[block] + 1) * 4
    data[block + length - 4 : block + length] = struct.pack(
        "<L", zlib.crc32(bytes(data[block : block + length - 4]))
    )
    with pytest.raises(ArchiveCorrupt, match="Memory usage limit"):
        read(bytes(data))


@ANY
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_never_raise_anything_unnamed(pack: Pack, read: Reader, data: st.DataObject) -> None:
    whole = bytearray(pack({"a.png": png(1, 8), "b/b.png": png(2, 8)}))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        items = read(bytes(whole))
    except ArchiveRefused:
        return
    assert all(len(item.data) <= SMALL.file_bytes for item in items if isinstance(item, Member))
