"""Archives of submissions: the same bytes from the same files."""

import os
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtome.errors import InputError
from microtome.submission.archive import is_safe_name, write_archive

CONTENT = {
    "prediction.csv": b"wsi_id,ratio\n" * 100,
    "b/mask.tif": bytes(1000),
    "a.PNG": bytes(900),
    "empty.csv": b"",
}


def files(folder) -> dict:
    """Write the members' files, under names of their own."""
    folder.mkdir(parents=True)
    found = {}
    for i, (name, content) in enumerate(CONTENT.items()):
        found[name] = folder / f"{i}{name[-4:]}"
        found[name].write_bytes(content)
    return found


def test_reading_back(tmp_path):
    """What was packed comes back, sorted by name; no folders, nothing else."""
    write_archive(tmp_path / "a.zip", files(tmp_path / "files"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["a.PNG", "b/mask.tif", "empty.csv", "prediction.csv"]
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENT
        assert archive.testzip() is None
        assert archive.comment == b""


def test_form_of_members(tmp_path):
    """One date and one mode for all; masks are stored, tables deflated."""
    write_archive(tmp_path / "a.zip", files(tmp_path / "files"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for member in archive.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.create_system == 3
            assert member.external_attr >> 16 == stat.S_IFREG | 0o644
            is_mask = member.filename.endswith((".tif", ".PNG"))
            assert member.compress_type == (zipfile.ZIP_STORED if is_mask else zipfile.ZIP_DEFLATED)


def test_same_bytes_again(tmp_path):
    """Neither the order nor the files' own names, dates and permissions change a byte."""
    first = files(tmp_path / "first")
    second = dict(reversed(files(tmp_path / "second").items()))
    for path in second.values():
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    second["b/mask.tif"] = second["b/mask.tif"].rename(tmp_path / "renamed.tif")
    write_archive(tmp_path / "a.zip", first)
    write_archive(tmp_path / "b.zip", second)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_change_changes_the_bytes(tmp_path):
    """Another content of the same length gives another archive."""
    members = files(tmp_path / "files")
    write_archive(tmp_path / "a.zip", members)
    members["b/mask.tif"].write_bytes(b"1" + bytes(999))
    write_archive(tmp_path / "b.zip", members)
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "b.zip").read_bytes()


def test_large_members_are_zip64(tmp_path, monkeypatch):
    """A member above the limit is written all the same, and read back."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 950)
    write_archive(tmp_path / "a.zip", files(tmp_path / "files"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        versions = {member.filename: member.extract_version for member in archive.infolist()}
        assert versions["b/mask.tif"] == 45
        assert versions["a.PNG"] == 20
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENT


def test_a_missing_file(tmp_path):
    """Nothing is written where a file is missing; the line names it."""
    with pytest.raises(InputError, match=r"gone\.tif: is no file, so .*a\.zip cannot be made"):
        write_archive(tmp_path / "a.zip", {"a.tif": tmp_path / "gone.tif"})
    assert not (tmp_path / "a.zip").exists()


UNSAFE = [
    "",
    "/a",
    "../a",
    "a/../b",
    "a/..",
    "./a",
    "a//b",
    "a/",
    "a\\b",
    "..\\a",
    "C:a",
    "a\0",
    "a\nb",
    "\x7f",
]


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_lead_elsewhere(tmp_path, name):
    """No name leaves the folder on any system, or is no file's name on some."""
    (tmp_path / "x").touch()
    assert not is_safe_name(name)
    with pytest.raises(ValueError, match="is no name for a file in an archive"):
        write_archive(tmp_path / "a.zip", {name: tmp_path / "x"})
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize("name", ["a", "a.tif", "detections/a_1-2.csv", "..a", "a..b", "-a", "µ"])
def test_names_that_are_fine(name):
    """Dots are no trouble where they are not all of a name."""
    assert is_safe_name(name)


@given(st.text(alphabet="ab./\\:\0", max_size=8))
def test_safe_names_stay_inside(name):
    """A safe name, resolved, is below the folder and is itself."""
    if is_safe_name(name):
        found = os.path.normpath(f"/folder/{name}")
        assert found == f"/folder/{name}"
        assert name
