"""Files that are whole or absent, steps that exclude a slide, and logs that a person reads."""

import errno
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY
from microtome.cohort.exclusion import run_stage
from microtome.errors import InputError
from microtome.io.atomic import atomic, read_json, write_json


def names(folder: Path) -> set[str]:
    """List what lies in a folder."""
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_when_it_is_whole(tmp_path):
    """Until the block ends the old content stands; then the new, and nothing is left over."""
    path = tmp_path / "deeper" / "a.json"
    with atomic(path) as temporary:
        temporary.write_text("old")
        assert not path.exists()
    with atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".json"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(path.parent) == {"a.json"}


def fill(folder: Path, *files: str) -> None:
    """Make a folder of small files."""
    folder.mkdir()
    for name in files:
        (folder / name).write_text(name)


def test_a_folder_is_replaced_whole(tmp_path):
    """A store takes the place of the old one, and of what a killed job left; no file remains."""
    path = tmp_path / "a.zarr"
    with atomic(path) as temporary:
        leftover = temporary
        fill(temporary, "old")
        (temporary / "c").mkdir()
    fill(leftover, "half")
    with atomic(path) as temporary:
        fill(temporary, "new")
        assert names(path) == {"old", "c"}
    assert names(path) == {"new"}
    assert names(tmp_path) == {"a.zarr"}


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit, InputError])
@pytest.mark.parametrize("write", [Path.write_text, fill], ids=["file", "folder"])
def test_failure_leaves_the_old_output(tmp_path, write, error):
    """However the block ends badly, the old file or store stays and the half one goes."""
    path = tmp_path / "a.zarr"
    write(path, "old")
    kept = content_of(path)

    def fail() -> None:
        with atomic(path) as temporary:
            write(temporary, "half")
            raise error

    with pytest.raises(error):
        fail()
    assert content_of(path) == kept
    assert names(tmp_path) == {"a.zarr"}


def content_of(path: Path) -> str | set[str]:
    """Text of a file, or names of a folder."""
    return names(path) if path.is_dir() else path.read_text()


def test_disk_trouble_names_the_output(tmp_path):
    """A full disk says which output it was about, where the system did not."""
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.bin'"):  # noqa: SIM117
        with atomic(tmp_path / "a.bin"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("write", [Path.write_text, fill], ids=["file", "folder"])
def test_a_block_that_writes_nothing_leaves_the_old_output(tmp_path, write):
    """Forgetting to write is an error, and costs neither an old file nor an old folder."""
    write(tmp_path / "a.zarr", "old")
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a.zarr"):
        pass
    assert (tmp_path / "a.zarr").exists()


def test_json_comes_back(tmp_path):
    """Indented text comes back, keys in the order given; what is no number is refused."""
    content = {"b": [1, 2.5, None], "a": {"µm": "x"}}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    assert (tmp_path / "a.json").read_text() == json.dumps(content, indent=1) + "\n"
    assert list(read_json(tmp_path / "a.json")) == ["b", "a"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert read_json(tmp_path / "a.json") == content


def stage(tmp_path: Path, work, *before: dict, **arguments: object) -> dict:
    """Run a step with one output, and return its status."""
    paths = [tmp_path / f"before_{i}.json" for i in range(len(before))]
    for path, earlier in zip(paths, before, strict=True):
        write_json(path, earlier)
    status, outputs = tmp_path / "status.json", [tmp_path / "out.tif"]
    run_stage(work, status=status, before=paths, outputs=outputs, **arguments)
    return read_json(status)


OK = {"state": "ok", "reason": ""}


def test_a_step_that_goes_well(tmp_path):
    """What the step found is in its status, its output as written."""

    def work(*, text: str) -> dict:
        (tmp_path / "out.tif").write_text(text)
        return {"tissue_mm2": 2.5}

    assert stage(tmp_path, work, OK, text="x") == {**OK, "tissue_mm2": 2.5}
    assert (tmp_path / "out.tif").read_text() == "x"


def test_a_mistake_in_the_input_excludes_the_slide(tmp_path, caplog):
    """InputError becomes the reason; the outputs are there but empty, old content too."""
    (tmp_path / "out.tif").write_text("of an earlier run")

    def work() -> dict:
        raise InputError("slide a: no tissue found")

    with caplog.at_level(logging.WARNING, "microtome"):
        found = stage(tmp_path, work, OK)
    assert found == {"state": "excluded", "reason": "slide a: no tissue found"}
    assert (tmp_path / "out.tif").read_bytes() == b""
    assert "slide a: no tissue found" in caplog.text


def test_an_earlier_exclusion_is_passed_on(tmp_path):
    """An excluded slide is not worked on again; the first reason stays."""

    def work() -> dict:
        raise AssertionError("called")

    bad = [{"state": "excluded", "reason": reason} for reason in ("cut off", "no tissue")]
    assert stage(tmp_path, work, OK, *bad) == {"state": "excluded", "reason": "cut off"}
    assert (tmp_path / "out.tif").read_bytes() == b""


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("a bug"), KeyError("a bug")])
def test_what_is_not_the_users_mistake_is_not_swallowed(tmp_path, error):
    """A full disk or a bug excludes no slide: it stops the job, without a status."""

    def work() -> dict:
        raise error

    with pytest.raises(type(error)):
        stage(tmp_path, work)
    assert not (tmp_path / "status.json").exists()


DISK = "import errno, os\nraise OSError(errno.{0}, os.strerror(errno.{0}), 'a.tif')"
# What a script does, with which code it ends, and all that its log says then.
ENDS = {
    "mistake": (
        'log.info("begun")\nraise InputError("slide a:\\nno tissue")',
        1,
        ".* INFO begun\n.* ERROR slide a: no tissue\n",
    ),
    **{
        name: (DISK.format(name), 1, f".*{os.strerror(getattr(errno, name))}.*'a.tif'\n")
        for name in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES")
    },
    "no such file": ("open('gone.txt')", 1, "(?s).*Traceback.*FileNotFoundError.*"),
    "there already": ("import os\nos.mkdir('.')", 1, "(?s).*Traceback.*FileExistsError.*"),
    "bug": (
        "def guilty():\n    return 1 / 0\nguilty()",
        1,
        "(?s).* CRITICAL the program failed\n.*in guilty\n.*ZeroDivisionError: division by zero\n",
    ),
    "warning": ('import warnings; warnings.warn("be careful")', 0, "(?s).*be careful.*"),
    "well": ('log.info("second")', 0, ".* INFO second\n"),
}


@pytest.mark.parametrize(("code", "exit_code", "text"), ENDS.values(), ids=ENDS)
def test_the_log_says_how_a_script_ended(tmp_path, code, exit_code, text):
    """Mistakes and disk trouble are one line, bugs keep their traceback; a log starts anew."""
    log = tmp_path / "rule.log"
    log.write_text("of an earlier run\n")
    script = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY / 'workflow_scripts')!r})\n"
        "from microtome.errors import InputError\n"
        "from microtome.logs import log, start_log\n"
        f"start_log({str(log)!r})\n{code}\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (exit_code, "")
    assert re.fullmatch(text, log.read_text())
