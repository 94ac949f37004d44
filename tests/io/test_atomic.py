"""Files that are whole or absent, steps that exclude a slide, and logs that a person reads."""

import errno
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY
from microtome.cohort.exclusion import find_reason, run_stage
from microtome.errors import InputError
from microtome.io.atomic import atomic, read_json, write_json

LIBRARY = REPOSITORY / "workflow_scripts"


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
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)


def test_a_folder_is_replaced_whole(tmp_path):
    """A store takes the place of the old one, of which no file remains."""
    path = tmp_path / "a.zarr"
    with atomic(path) as temporary:
        fill(temporary, "old", "c/0")
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


def test_a_block_that_writes_nothing_leaves_the_old_output(tmp_path):
    """Forgetting to write is an error, and costs neither an old file nor an old folder."""
    (tmp_path / "a.txt").write_text("old")
    fill(tmp_path / "a.zarr", "old")
    for name in ("a.txt", "a.zarr"):
        with pytest.raises(FileNotFoundError), atomic(tmp_path / name):
            pass
        assert (tmp_path / name).exists()


def test_leftovers_of_a_killed_job_are_overwritten(tmp_path):
    """A job killed half way left its temporary name; the next one does not stumble over it."""
    path = tmp_path / "a.zarr"
    with atomic(path) as temporary:
        leftover = temporary
        fill(temporary, "new")
    fill(leftover, "half")
    with atomic(path) as temporary:
        assert not temporary.exists()
        fill(temporary, "newer")
    assert names(path) == {"newer"}
    assert names(tmp_path) == {"a.zarr"}


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
    for path, status in zip(paths, before, strict=True):
        write_json(path, status)
    run_stage(
        work,
        status=tmp_path / "status.json",
        before=paths,
        outputs=[tmp_path / "out.tif"],
        **arguments,
    )
    return read_json(tmp_path / "status.json")


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


def test_first_reason(tmp_path):
    """The reason of the earliest step that excluded the slide, or none."""
    paths = [tmp_path / name for name in ("a.json", "b.json")]
    for path in paths:
        write_json(path, OK)
    assert find_reason(paths) == find_reason([]) == ""
    write_json(paths[1], {"state": "excluded", "reason": "x"})
    assert find_reason(paths) == "x"


def run_with_log(tmp_path: Path, code: str) -> tuple[subprocess.CompletedProcess, list[str]]:
    """Run a script whose log is a file; give its end and the lines of the log."""
    log = tmp_path / "rule.log"
    script = (
        f"import sys; sys.path.insert(0, {str(LIBRARY)!r})\n"
        "from microtome.errors import InputError\n"
        "from microtome.logs import log, start_log\n"
        f"start_log({str(log)!r})\n{code}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    return done, log.read_text().splitlines()


def test_a_mistake_of_the_users_ends_the_log_with_one_line(tmp_path):
    """One line, though the message had two; no traceback, exit code 1."""
    done, lines = run_with_log(
        tmp_path, 'log.info("begun")\nraise InputError("slide a:\\nno tissue")'
    )
    assert done.returncode == 1
    assert len(lines) == 2
    assert lines[0].endswith("INFO begun")
    assert lines[1].endswith("ERROR slide a: no tissue")
    assert done.stderr == ""


@pytest.mark.parametrize("trouble", ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES"])
def test_a_disk_that_fails_is_one_line(tmp_path, trouble):
    """A disk that is full, broken or not ours to write: its cause and file, no traceback."""
    code = (
        f"import errno, os\nraise OSError(errno.{trouble}, os.strerror(errno.{trouble}), 'a.tif')"
    )
    done, lines = run_with_log(tmp_path, code)
    assert done.returncode == 1
    assert len(lines) == 1
    assert os.strerror(getattr(errno, trouble)) in lines[0]
    assert lines[0].endswith("'a.tif'")


@pytest.mark.parametrize("code", ["open('gone.txt')", "import os\nos.mkdir('.')"])
def test_a_file_that_the_program_gets_wrong_is_a_bug(tmp_path, code):
    """A file that is not there, or is there already, is no trouble of the disk."""
    done, lines = run_with_log(tmp_path, code)
    assert done.returncode == 1
    assert any("Traceback" in line for line in lines)


def test_a_bug_keeps_its_traceback(tmp_path):
    """Any other error is logged with the line of code that raised it."""
    done, lines = run_with_log(tmp_path, "def guilty():\n    return 1 / 0\nguilty()")
    assert done.returncode == 1
    assert "CRITICAL the program failed" in lines[0]
    assert any("in guilty" in line for line in lines)
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_warnings_go_to_the_log(tmp_path):
    """What a library warns of is in the log, and the job goes on."""
    done, lines = run_with_log(tmp_path, 'import warnings; warnings.warn("be careful")')
    assert done.returncode == 0
    assert "be careful" in "\n".join(lines)
    assert done.stderr == ""


def test_a_log_starts_anew(tmp_path):
    """A rule that runs again does not append to its old log."""
    run_with_log(tmp_path, 'log.info("first")')
    _, lines = run_with_log(tmp_path, 'log.info("second")')
    assert len(lines) == 1
    assert lines[0].endswith("second")
