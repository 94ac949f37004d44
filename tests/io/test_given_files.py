"""Whether a given file still is the one that a step has read."""

import os
from pathlib import Path

import pytest

from microtome.io.given_files import identify, identify_unnoted, note_file

LARGE = 20_000_001
YEAR_NS = 365 * 24 * 3600 * 10**9


def write(path: Path, content: bytes, *, n_bytes: int = 0, dated: os.stat_result | None = None):
    """Write a file of `n_bytes`, with the dates of another; nothing is stored of what is 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if n_bytes:
        os.truncate(path, n_bytes)
    if dated:
        os.utime(path, ns=(dated.st_atime_ns, dated.st_mtime_ns))


def set_date(path: Path, ns: int) -> None:
    """Move the date of change of a file by so many ns."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + ns))


def is_same(path: Path, noted: dict) -> bool:
    """Whether the state is still the noted one; if not, a second look finds the same new one."""
    state = identify(path, noted)
    assert state == identify(path, noted)
    return state == noted["state"]


@pytest.mark.parametrize("ns", [-YEAR_NS, -1, 1, YEAR_NS])
def test_a_new_date_alone_makes_no_other_small_file(tmp_path, ns):
    """Older or newer: the content is what it was."""
    path = tmp_path / "a.xml"
    write(path, b"<a/>")
    noted = note_file(path)
    set_date(path, ns)
    assert is_same(path, noted)


@pytest.mark.parametrize("ns", [-YEAR_NS, -1, 1, YEAR_NS])
def test_a_new_date_makes_another_large_file(tmp_path, ns):
    """It is not read to its end, so any change of the date counts, back or forth."""
    path = tmp_path / "a.svs"
    write(path, b"", n_bytes=LARGE)
    noted = note_file(path)
    set_date(path, ns)
    assert not is_same(path, noted)


@pytest.mark.parametrize("n_bytes", [100, LARGE])
def test_another_content_of_the_same_size_and_date(tmp_path, n_bytes):
    """What `cp -p` and `touch -r` leave: the header tells, whatever size and date say."""
    path = tmp_path / "a.svs"
    write(path, b"one", n_bytes=n_bytes)
    noted = note_file(path)
    write(path, b"two", n_bytes=n_bytes, dated=path.stat())
    assert not is_same(path, noted)


@pytest.mark.parametrize("ns", [-YEAR_NS, 0])
def test_the_last_byte_of_a_small_file_counts(tmp_path, ns):
    """Replaced by one of the same size, older or of the same date."""
    path = tmp_path / "a.geojson"
    write(path, bytes(99_999) + b"1")
    noted, before = note_file(path), path.stat()
    write(path, bytes(99_999) + b"2", dated=before)
    set_date(path, ns)
    assert not is_same(path, noted)


@pytest.mark.parametrize("n_bytes", [100, LARGE])
def test_other_permissions_make_no_other_file(tmp_path, n_bytes):
    """Nor does a new name and back."""
    path = tmp_path / "a.svs"
    write(path, b"one", n_bytes=n_bytes)
    noted = note_file(path)
    path.chmod(0o640)
    path.rename(tmp_path / "b.svs").rename(path)
    assert is_same(path, noted)


@pytest.mark.parametrize(("before", "after"), [(100, 101), (LARGE, LARGE + 1), (LARGE, 100)])
def test_another_size_makes_another_file(tmp_path, before, after):
    """Even if nothing but zeros came or went, at the same date."""
    path = tmp_path / "a.svs"
    write(path, b"", n_bytes=before)
    noted = note_file(path)
    write(path, b"", n_bytes=after, dated=path.stat())
    assert not is_same(path, noted)


def test_nothing_is_read_while_nothing_changed(tmp_path, monkeypatch):
    """One look at size and dates for each of thousands of slides."""
    path = tmp_path / "a.svs"
    write(path, b"one")
    noted = note_file(path)
    looked = []
    stat = Path.stat
    monkeypatch.setattr(Path, "open", None)
    monkeypatch.setattr(Path, "stat", lambda one, **how: looked.append(one) or stat(one, **how))
    assert is_same(path, noted)
    assert len(looked) <= 2 * 2  # `is_same` looks twice
    identify(path)


@pytest.mark.parametrize(
    ("slide", "beside"),
    [
        ("a.mrxs", "a/Data0001.dat"),
        ("a.MRXS", "a/Slidedat.ini"),
        ("a.vsi", "_a_/stack1/frame_t.ets"),
        ("a.vms", "a(1,0).jpg"),
        ("a.dcm", "b.dcm"),
        ("IM01", "IM02"),
        ("folder", "folder/a.dcm"),
    ],
)
def test_what_belongs_to_a_slide_counts(tmp_path, slide, beside):
    """Files in its folder or beside it, which hold the pixels: another one, and one more."""
    path, part = tmp_path / "in" / slide, tmp_path / "in" / beside
    write(part, b"one")
    if not path.is_dir():
        write(path, b"names them")
    noted = note_file(path)
    assert is_same(path, noted)
    write(part, b"two", dated=part.stat())
    assert not is_same(path, noted)
    noted = note_file(path)
    write(part.with_stem(f"{part.stem}2"), b"one")
    assert not is_same(path, noted)


def test_neighbours_of_other_slides_do_not_count(tmp_path):
    """A TIFF stands alone; a folder of very many DICOM files holds many slides."""
    for name in ("a.svs", "a.xml", "b.svs"):
        write(tmp_path / name, b"one")
    for k in range(101):
        write(tmp_path / f"{k}.dcm", b"one")
    noted = {name: note_file(tmp_path / name) for name in ("a.svs", "0.dcm")}
    for name in ("a.xml", "b.svs", "1.dcm"):
        write(tmp_path / name, b"other")
    assert all(is_same(tmp_path / name, known) for name, known in noted.items())


def test_what_is_no_file_is_not_read(tmp_path):
    """An absent file has a state, which changes when it comes; a pipe would block for ever."""
    path = tmp_path / "a.svs"
    noted = note_file(path)
    assert is_same(path, noted)
    os.mkfifo(tmp_path / "b.svs")
    note_file(tmp_path / "b.svs")
    write(path, b"one")
    assert not is_same(path, noted)


def test_files_of_which_nothing_was_noted(tmp_path):
    """Weights that a config names: the content of a small file, the date of a large one."""
    small, large = tmp_path / "small", tmp_path / "folder" / "large"
    write(small, b"one")
    write(large, b"one", n_bytes=LARGE)
    before = [identify_unnoted(path) for path in (small, large)]
    for path in (small, large):
        set_date(path, -YEAR_NS)
    assert identify_unnoted(small) == before[0]
    assert identify_unnoted(large) != before[1]
    write(small, b"two", dated=small.stat())
    assert identify_unnoted(small) != before[0]
