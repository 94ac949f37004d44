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


@pytest.mark.parametrize(
    ("limit", "version"), [(2**31 - 1, 20), (950, 45)], ids=["classic", "zip64"]
)
def test_members(tmp_path, monkeypatch, limit, version):
    """What was packed comes back; one date and mode, masks are stored, beyond a limit as ZIP64."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    write_archive(tmp_path / "a.zip", files(tmp_path / "files"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["a.PNG", "b/mask.tif", "empty.csv", "prediction.csv"]
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENT
        assert archive.comment == b""
        for member in archive.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.create_system == 3
            assert member.external_attr >> 16 == stat.S_IFREG | 0o644
            is_mask = member.filename.endswith((".tif", ".PNG"))
            assert member.compress_type == (zipfile.ZIP_STORED if is_mask else zipfile.ZIP_DEFLATED)
        versions = [archive.getinfo(name).extract_version for name in ("b/mask.tif", "a.PNG")]
        assert versions == [version, 20]


def test_same_bytes_again(tmp_path):
    """Order, names, dates and permissions of the files change no byte; their content does."""
    first = files(tmp_path / "first")
    second = dict(reversed(files(tmp_path / "second").items()))
    for path in second.values():
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    second["b/mask.tif"] = second["b/mask.tif"].rename(tmp_path / "renamed.tif")
    write_archive(tmp_path / "a.zip", first)
    write_archive(tmp_path / "b.zip", second)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    second["b/mask.tif"].write_bytes(b"1" + bytes(999))
    write_archive(tmp_path / "b.zip", second)
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "b.zip").read_bytes()


def test_a_missing_file(tmp_path):
    """Nothing is written where a file is missing; the line names it."""
    with pytest.raises(InputError, match=r"gone\.tif: is no file, so .*a\.zip cannot be made"):
        write_archive(tmp_path / "a.zip", {"a.tif": tmp_path / "gone.tif"})
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize("name", ["", "/a", "../a", "a/../b", "a//b", "a\\b", "C:a", "a\0", "a\nb"])
def test_names_that_lead_elsewhere(tmp_path, name):
    """No name leaves the folder on any system, or is no file's name on some."""
    (tmp_path / "x").touch()
    with pytest.raises(ValueError, match="is no name for a file in an archive"):
        write_archive(tmp_path / "a.zip", {name: tmp_path / "x"})
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize("name", ["detections/a_1-2.csv", "..a", "a..b", "-a", "µ"])
def test_names_that_are_fine(name):
    """Dots are no trouble where they are not all of a name."""
    assert is_safe_name(name)


@given(st.text(alphabet="ab./\\:\0", max_size=8))
def test_safe_names_stay_inside(name):
    """A safe name, resolved, is below the folder and is itself."""
    assert not is_safe_name(name) or os.path.normpath(f"/folder/{name}") == f"/folder/{name}"
