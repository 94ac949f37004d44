"""Slides are copied to the node's own disk, read there, and nothing is left."""

import errno
import json
import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from helpers.pictures import files_of, grid_of, noise, write_slide
from helpers.slide_files import write_tiled
from microtome.errors import InputError
from microtome.parallel.local_copies import copy_to_scratch
from microtome.parallel.process_facts import started_at
from microtome.patches.store_step import extract_patches
from microtome.slides.inspection import inspect, open_inspected
from microtome.training.batches import Patches
from microtome.training.open_data import data_of_rule, open_training_data, slides_of_rule

HOST = platform.node()
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def slide(tmp_path):
    """Write a slide and inspect it; give its id and what was found."""
    path = write_slide(tmp_path / "a.svs", noise(160, 224))
    return {"a": inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)}


@pytest.fixture
def scratch(tmp_path):
    """Give a folder that is not there yet."""
    return tmp_path / "scratch" / "me"


def info_of(path: Path, vendor: str) -> dict:
    """As much as copying needs to know."""
    return {"path": str(path), "vendor": vendor, "file_bytes": path.stat().st_size}


@contextmanager
def refused(text: str) -> Iterator[None]:
    """Expect one line of an error, given as a pattern."""
    with pytest.raises(InputError, match=f"^{text}"):
        yield


def left_in(folder: Path) -> list[str]:
    """Names of what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def test_without_a_folder_or_a_slide_nothing_is_copied(slide, scratch):
    """With null slides are read where they are; a job that reads none leaves no trace."""
    for slides, folder in ((slide, None), ({}, str(scratch))):
        with copy_to_scratch(slides, folder=folder) as copies:
            assert copies == {}
    assert not scratch.exists()


def test_the_copy_is_the_slide_and_goes(slide, scratch):
    """It has the slide's bytes and name, in a folder of this process that others cannot read."""
    with copy_to_scratch(slide, folder=str(scratch)) as copies:
        copy = Path(copies["a"])
        own = scratch / f"microtome-{HOST}-{os.getpid()}-{started_at(os.getpid())}"
        assert copy.relative_to(own).name == "a.svs"
        assert own.stat().st_mode & 0o777 == 0o700
        assert copy.read_bytes() == Path(slide["a"]["path"]).read_bytes()
        with open_inspected(slide["a"], name="a", spacing_tolerance=0.02, read_from=copy) as opened:
            assert opened.path == copy
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert left_in(scratch) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_slides_of_one_name_do_not_meet(tmp_path, scratch):
    """Two slides whose files have the same name in two folders are two copies."""
    paths = {name: tmp_path / name / "scan.tif" for name in "ab"}
    for name, path in paths.items():
        path.parent.mkdir()
        path.write_text(name)
    slides = {name: info_of(path, "tiff") for name, path in paths.items()}
    with copy_to_scratch(slides, folder=str(scratch)) as copies:
        assert [Path(copies[name]).read_text() for name in "ab"] == ["a", "b"]


def test_variables_are_filled_in(slide, scratch, monkeypatch):
    """$NAME and ${NAME} stand for what the node says."""
    monkeypatch.setenv("NODE_DISK", str(scratch))
    for text in ("$NODE_DISK/x", "${NODE_DISK}/x"):
        with copy_to_scratch(slide, folder=text) as copies:
            assert Path(copies["a"]).is_relative_to(scratch / "x")


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_variable(slide, monkeypatch, value):
    """A variable that is not set, or empty, is named, and nothing is made at the root."""
    monkeypatch.delenv("NODE_DISK", raising=False)
    if value is not None:
        monkeypatch.setenv("NODE_DISK", value)
    text = rf"config: scratch_dir: \$NODE_DISK/x: the variable NODE_DISK is not set on {HOST}; "
    with refused(text), copy_to_scratch(slide, folder="$NODE_DISK/x"):
        pass


def test_a_folder_that_cannot_be_made(slide, tmp_path):
    """Below a file there is no folder: one line that names both and what to do."""
    (tmp_path / "file").write_text("")
    text = (
        rf"config: scratch_dir: {tmp_path}/file/x: the folder {tmp_path}/file/x/microtome-\S+"
        rf" cannot be made on {HOST} \(Not a directory\); name one that can be written to, or set"
        r" scratch_dir: null$"
    )
    with refused(text), copy_to_scratch(slide, folder=f"{tmp_path}/file/x"):
        pass


@pytest.mark.parametrize("share", [1.04, 1.06])
def test_too_little_room(slide, scratch, monkeypatch, caplog, share):
    """Without room for the slide and 5 % it is read where it is, with a warning."""
    is_copied = share > 1.05
    free = int(slide["a"]["file_bytes"] * share)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, free))
    with copy_to_scratch(slide, folder=str(scratch)) as copies:
        assert bool(copies) is is_copied
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert bool(warnings) is not is_copied
    if warnings:
        assert f"slide a: {slide['a']['path']} has {slide['a']['file_bytes']} bytes" in warnings[0]
        assert f"only {free} left: it is read where it is" in warnings[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails(slide, scratch, monkeypatch, caplog, number):
    """Full meanwhile, the slide is read where it is; broken, that is an error. Nothing is left."""

    def fail(source, target):
        Path(target).write_bytes(b"half")
        raise OSError(number, "trouble", str(target))

    monkeypatch.setattr(shutil, "copyfile", fail)
    is_full = number == errno.ENOSPC
    with (
        nullcontext() if is_full else pytest.raises(OSError, match="trouble"),
        copy_to_scratch(slide, folder=str(scratch)) as copies,
    ):
        assert copies == {}
        assert [p.name for p in scratch.rglob("*")] == left_in(scratch)
    assert ("became full" in caplog.text) is is_full
    assert left_in(scratch) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda source, copy: os.utime(source, ns=(1, 1)),
        lambda source, copy: Path(source).write_bytes(Path(source).read_bytes() + b"more"),
        lambda source, copy: Path(copy).write_bytes(b"half"),
    ],
    ids=["date", "size", "cut copy"],
)
def test_a_slide_that_changes_while_it_is_copied(slide, scratch, monkeypatch, change):
    """A copy of two states, or one that is not whole, is never read."""
    real = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", lambda *paths: (real(*paths), change(*paths)))
    text = f"slide a: {slide['a']['path']} has changed while it was copied; run again$"
    with refused(text), copy_to_scratch(slide, folder=str(scratch)):
        pass
    assert left_in(scratch) == []


def test_a_slide_that_is_gone(slide, scratch):
    """A file that is no longer there is one line."""
    Path(slide["a"]["path"]).unlink()
    text = r"slide a: \S+a\.svs is no longer there \(No such file"
    with refused(text), copy_to_scratch(slide, folder=str(scratch)):
        pass


def test_mirax_brings_its_folder(tmp_path, scratch, monkeypatch):
    """An .mrxs is copied with all of the folder beside it, and no other file; room is for all."""
    inside = {name: name.encode() * 100 for name in ("b/Data0.dat", "b/deep/Slidedat.ini")}
    files = {"b.mrxs": b"index", **inside}
    for name, content in {**files, "c/other.dat": b"c", "b.txt": b"b"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(content)
    slides = {"b": info_of(tmp_path / "b.mrxs", "mirax")}
    with copy_to_scratch(slides, folder=str(scratch)) as copies:
        assert files_of(Path(copies["b"]).parent) == files
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 100))
    with copy_to_scratch(slides, folder=str(scratch)) as copies:
        assert copies == {}


@pytest.mark.parametrize(
    ("kind", "is_copied"),
    [
        (("a.vms", "hamamatsu"), False),
        (("a.NDPI", "hamamatsu"), True),
        (("a.tif", "ventana"), True),
        (("a.xyz", "one to come"), False),
    ],
)
def test_what_may_be_many_files_stays(tmp_path, scratch, caplog, kind, is_copied):
    """A kind of slide whose files are not known one by one is read where it is; the log says so."""
    file, vendor = kind
    (tmp_path / file).write_bytes(b"x")
    with (
        caplog.at_level(logging.INFO, logger="microtome"),
        copy_to_scratch({"a": info_of(tmp_path / file, vendor)}, folder=str(scratch)) as copies,
    ):
        assert bool(copies) is is_copied
    assert ("more than one file: it is read where it is" in caplog.text) is not is_copied


def test_mistakes_name_the_original(slide, scratch):
    """What is said of the copy is said of the file that the user knows."""
    text = f"slide a: {slide['a']['path']} is odd$"
    with refused(text), copy_to_scratch(slide, folder=str(scratch)) as copies:
        raise InputError(f"slide a: {copies['a']} is odd")
    assert left_in(scratch) == []


def test_what_killed_jobs_left_is_removed(slide, scratch):
    """Folders of processes that are gone go; those of others, and of other hosts, stay."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        start = started_at(other.pid)
        stays = [
            f"microtome-{HOST}-{other.pid}-{start}",
            "microtome-elsewhere-1-1",
            f"microtome-{HOST}-notes",
            "mine",
        ]
        goes = [f"microtome-{HOST}-{other.pid}-{start + 1}", f"microtome-{HOST}-4194399-5"]
        for name in stays + goes:
            (scratch / name / "0").mkdir(parents=True)
        (scratch / f"microtome-{HOST}-4194398-5").symlink_to(scratch / "mine")
        with copy_to_scratch(slide, folder=str(scratch)):
            pass
        assert left_in(scratch) == sorted([*stays, f"microtome-{HOST}-4194398-5"])
        assert (scratch / "mine" / "0").is_dir()
    finally:
        other.kill()
        other.wait()


def wait_for_end(pid: int) -> None:
    """Wait until a process is gone, or a zombie."""
    deadline = time.monotonic() + 300
    while started_at(pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_zombie_is_gone():
    """A process that has ended, though nobody has asked how, has no start."""
    process = subprocess.Popen(["true"])
    wait_for_end(process.pid)
    process.wait()
    assert started_at(os.getpid()) == started_at(os.getpid()) > 0


STOPPED = """
import os, sys, time
from microtome.parallel.local_copies import copy_to_scratch
info = {"path": sys.argv[1], "vendor": "tiff"}
with copy_to_scratch({"a": info}, folder=sys.argv[2]) as copies:
    ready, begun = os.pipe()
    child = os.fork()
    if not child:
        os.write(begun, b".")  # Python drops what a child is told before it has begun
        time.sleep(1000)
    os.read(ready, 1)
    print(copies["a"], child, flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def running(slide, scratch):
    """Start a job with a forked child, both asleep with a copy; give it, copy and child."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, slide["a"]["path"], str(scratch)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    copy, child = process.stdout.readline().split()
    assert Path(copy).exists()
    yield process, Path(copy), int(child)
    for pid in (process.pid, int(child)):
        if started_at(pid) is not None:
            os.kill(pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_sigterm_leaves_nothing(running, scratch):
    """Told to end, a job does, as without scratch, and cleans up; a forked child only ends."""
    process, copy, child = running
    os.kill(child, signal.SIGTERM)
    wait_for_end(child)
    assert copy.exists()
    assert process.poll() is None
    process.terminate()
    assert process.wait(300) == -signal.SIGTERM
    assert left_in(scratch) == []


def test_patches_have_the_same_bytes(tmp_path, scratch, monkeypatch):
    """A store of patches is the same with scratch, and names the original; the copy was read."""
    path = write_tiled(tmp_path / "b.svs", noise(160, 224), "jpeg 4:2:0", tile=(32, 32))
    info = inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)
    (tmp_path / "a.json").write_text(json.dumps(info))
    grid_of([(r, c) for r in range(5) for c in range(7)], patch_px=32).save(tmp_path / "a.npz")
    read = []
    real = open_inspected

    def opened(*arguments, **settings):
        read.append(settings["read_from"])
        return real(*arguments, **settings)

    monkeypatch.setattr("microtome.patches.store_step.open_inspected", opened)
    for place, folder in (("plain", None), ("copied", str(scratch))):
        extract_patches(
            tmp_path / f"{place}.zarr",
            name="a",
            slide_path=path,
            inspected=tmp_path / "a.json",
            grid=tmp_path / "a.npz",
            threads=1,
            slide_settings={"spacing_tolerance": 0.02},
            min_tissue_fraction=0.5,
            codec="pass-through",
            store_settings={"jpeg_quality": 90, "white_from": 256, "max_white_fraction": 1.0},
            code="x",
            scratch_dir=folder,
        )
    assert files_of(tmp_path / "plain.zarr") == files_of(tmp_path / "copied.zarr")
    assert read[0] is None
    assert str(read[1]).startswith(str(scratch))
    assert left_in(scratch) == []


def test_training_reads_the_copies(tmp_path, slide, scratch):
    """Patches read in training come from the copy, and are what they were to a checkpoint."""
    (tmp_path / "a.json").write_text(json.dumps(slide["a"]))
    grid_of([(0, 0), (1, 2), (3, 4)], patch_px=32).save(tmp_path / "a.npz")
    files = {
        "train": [f"{tmp_path}/a.npz"],
        "train_slides": [slide["a"]["path"]],
        "train_inspected": [f"{tmp_path}/a.json"],
    }
    settings = {"min_tissue_fraction": 0.5, "slide_settings": {"spacing_tolerance": 0.02}}
    slides = slides_of_rule(files)
    assert slides == slide

    def opened(copies: dict) -> Patches:
        data = json.loads(json.dumps(data_of_rule(files, settings, copies=copies)))
        return open_training_data(**data["train"], labelled=False, workers=1)

    plain = opened({})
    expected = np.stack([plain[i][0].numpy() for i in range(3)])
    with copy_to_scratch(slides, folder=str(scratch)) as copies:
        Path(slide["a"]["path"]).rename(tmp_path / "elsewhere.svs")
        copied = opened(copies)
        assert np.array_equal(expected, np.stack([copied[i][0].numpy() for i in range(3)]))
    assert copied.identity() == plain.identity()
    assert slides_of_rule({"train": ["a.zarr"]}) == {}  # stores need no slides
