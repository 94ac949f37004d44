"""One process scores slide after slide, and what goes wrong in one is that slide's alone."""

import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import microtome
from microtome.errors import InputError
from microtome.inference.step import score_step
from microtome.parallel import step_client as worker
from microtome.parallel import step_server as worker_process
from microtome.parallel.process_facts import started_at
from microtome.parallel.step_client import run_step

# Seconds between two looks whether who waits, works or began it all is still there.
LOOK_EVERY_S = 0.4
TRIAL = '''
"""Steps that go well or wrong."""
import ctypes, json, os, signal, sys, time, warnings
from pathlib import Path
from microtome.errors import InputError
from microtome.logs import log
from microtome.inference.step import score_step

def note_step(*, path, **settings):
    log.info("noted")
    warnings.warn("said of each slide")
    print("printed")
    about = {"pid": os.getpid(), "cwd": os.getcwd(), **settings}
    Path(path).write_text(json.dumps(about))

def refuse_step(*, name):
    raise InputError(f"slide {name}: odd")

def fail_step():
    raise KeyError("a fault")

def fill_step():
    raise OSError(28, "No space left on device", "a.zarr")

def kill_step():
    os.kill(os.getpid(), signal.SIGKILL)

def crash_step():
    ctypes.string_at(0)

def leave_a_child_step():
    if os.fork() == 0:
        time.sleep(120)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)

def sleep_step(*, begun, done, for_s):
    Path(begun).write_text(str(os.getpid()))
    time.sleep(for_s)
    Path(done).write_text("done")

def quit_step():
    sys.exit(3)

def helper():
    log.info("helped")
'''
CLIENT = """
import json, sys
from microtome.logs import start_log
from microtome.parallel.step_client import run_step
from microtome import trial
step, path, settings = sys.argv[1:]
start_log(path)
run_step(getattr(trial, step), log=path, **json.loads(settings))
assert not {"torch", "numpy", "openslide", "zarr"} & sys.modules.keys()
"""


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """Give a module of steps that is taken for one of the library's in every process."""
    place = tmp_path / "path"
    place.mkdir()
    (place / "trial.py").write_text(TRIAL)
    lines = (
        f"import microtome; microtome.__path__.append({str(place)!r})\n"
        f"from microtome.parallel import step_client; step_client.LOOK_EVERY_S = {LOOK_EVERY_S}\n"
    )
    (place / "sitecustomize.py").write_text(lines)
    monkeypatch.setattr(worker, "LOOK_EVERY_S", LOOK_EVERY_S)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(microtome, "__path__", [*microtome.__path__, str(place)])
    yield importlib.import_module("microtome.trial")
    del sys.modules["microtome.trial"]


@pytest.fixture
def folder(monkeypatch):
    """Make the folder of a worker as a pack's runner does, and end the worker as it does."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "runner_pid").write_text(str(os.getpid()))
        monkeypatch.setenv("PACKED_SLURM_WORKER", name)
        yield place
        end_worker(place)


def end_worker(folder: Path) -> None:
    """Kill the worker, where there is one, and wait for its end."""
    if (folder / "pid").exists():
        pid = int((folder / "pid").read_text())
        if started_at(pid) is not None:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: started_at(pid) is None)


def wait_for(is_so, *, for_s=300) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + for_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def client(step: str, log: Path, **settings: object) -> subprocess.Popen:
    """Start a process that asks for a step, as the rule's script does."""
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, step, str(log), json.dumps(settings)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.DEVNULL,
    )


def noting(folder: Path, name: str) -> subprocess.Popen:
    """Start a client whose step notes NAME.json, with NAME.log."""
    return client("note_step", folder / f"{name}.log", path=str(folder / f"{name}.json"))


def asleep(folder: Path, *, for_s: float = 1000) -> tuple[subprocess.Popen, int]:
    """Start a client whose step sleeps, with 1.log; give it and the worker's number."""
    begun, done = folder / "begun", folder / "done"
    settings = {"begun": str(begun), "done": str(done), "for_s": for_s}
    process = client("sleep_step", folder / "1.log", **settings)
    wait_for(lambda: begun.exists() and begun.read_text())
    return process, int(begun.read_text())


def noted(path: Path) -> dict:
    """What the step `note_step` noted."""
    return json.loads(path.read_text())


def note(trial, folder: Path, name: str = "note", **settings: object) -> dict:
    """Have the step `note_step` run; give what it noted."""
    path = folder / f"{name}.json"
    run_step(trial.note_step, log=str(folder / f"{name}.log"), path=str(path), **settings)
    return noted(path)


def test_without_a_folder_the_step_runs_here(trial, tmp_path, monkeypatch):
    """Where no runner has named a folder, and with an empty name, nothing is started."""
    monkeypatch.delenv("PACKED_SLURM_WORKER", raising=False)
    assert note(trial, tmp_path)["pid"] == os.getpid()
    monkeypatch.setenv("PACKED_SLURM_WORKER", "")
    assert note(trial, tmp_path)["pid"] == os.getpid()


def test_one_process_for_all(trial, folder, tmp_path):
    """Step after step runs in the one process that `pid` names, with settings and place."""
    settings = {"numbers": [1, 2.5, None], "entry": {"b": 1, "a": {"c": True}}, "word": "µ"}
    first = note(trial, tmp_path, **settings)
    assert first.pop("pid") == int((folder / "pid").read_text()) != os.getpid()
    assert first == {"cwd": str(Path.cwd()), **settings}
    assert list(first["entry"]) == ["b", "a"]
    assert note(trial, tmp_path)["pid"] == int((folder / "pid").read_text())
    assert (folder / "worker.log").read_text().count("printed") == 2


def test_each_slide_has_its_place_and_its_log(trial, folder, tmp_path, monkeypatch):
    """Paths are relative to who asks; messages and warnings, the same ones too, go to its log."""
    for name in "ab":
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Path("x.log").write_text("begun\n")
        run_step(trial.note_step, log="x.log", path="x.json")
    for name in "ab":
        assert noted(tmp_path / name / "x.json")["cwd"] == str(tmp_path / name)
        lines = (tmp_path / name / "x.log").read_text().splitlines()
        assert lines[0] == "begun"
        assert sum(line.endswith("INFO noted") for line in lines) == 1
        assert sum("UserWarning: said" in line for line in lines) == 1


def test_a_mistake_is_one_line(trial, folder, tmp_path):
    """What the step refuses is said as it was said there, and the worker goes on."""
    pid = note(trial, tmp_path)["pid"]
    with pytest.raises(InputError, match=r"^slide é: odd$"):
        run_step(trial.refuse_step, log=str(tmp_path / "a.log"), name="é")
    assert note(trial, tmp_path)["pid"] == pid


def test_a_fault_has_its_traceback_in_the_log(trial, folder, tmp_path):
    """An unforeseen error ends the client; its log shows where in the worker. It is a new one."""
    pid = note(trial, tmp_path)["pid"]
    process = client("fail_step", tmp_path / "a.log")
    assert process.wait(300) == 1
    text = (tmp_path / "a.log").read_text()
    assert "CRITICAL the program failed" in text
    assert "KeyError: 'a fault'" in text
    assert "trial.py" in text
    assert note(trial, tmp_path)["pid"] != pid


def test_a_full_disk_is_one_line(trial, folder, tmp_path):
    """A disk's trouble is told in one line, as without a worker."""
    process = client("fill_step", tmp_path / "a.log")
    assert process.wait(300) == 1
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("ERROR [Errno 28] No space left on device: 'a.zarr'")


@pytest.mark.parametrize("step", ["kill_step", "crash_step", "quit_step", "leave_a_child_step"])
def test_a_worker_that_ends_in_the_middle(trial, folder, tmp_path, step, caplog):
    """That slide fails with a line that names it, soon; the next one gets a new worker."""
    pid = note(trial, tmp_path)["pid"]
    start = time.monotonic()
    text = rf"^slide-1: the worker ended in the middle of {step}: killed, out of memory, or a"
    with pytest.raises(InputError, match=text):
        run_step(getattr(trial, step), log=str(tmp_path / "slide-1.log"))
    assert time.monotonic() - start < 100
    assert ("Segmentation fault" in caplog.text) is (step == "crash_step")
    assert "printed" not in caplog.text  # of the slide before
    assert note(trial, tmp_path)["pid"] == int((folder / "pid").read_text()) != pid


def test_two_clients_start_one_worker(trial, folder, tmp_path):
    """Whoever comes first starts it; all are served, and need none of what is slow to import."""
    clients = [noting(tmp_path, name) for name in "abcd"]
    assert [c.wait(300) for c in clients] == [0] * 4
    assert len({noted(tmp_path / f"{name}.json")["pid"] for name in "abcd"}) == 1


def test_who_waits_is_not_hurt_by_another_slide(trial, folder, tmp_path):
    """A slide whose turn has not come when the worker dies is done by the next worker."""
    first, pid = asleep(tmp_path)
    second = noting(tmp_path, "2")
    time.sleep(1)
    assert second.poll() is None
    os.kill(pid, signal.SIGKILL)
    assert [first.wait(300), second.wait(300)] == [1, 0]
    assert "1: the worker ended in the middle" in (tmp_path / "1.log").read_text()
    assert noted(tmp_path / "2.json")["pid"] == int((folder / "pid").read_text()) != pid


def test_a_client_that_is_killed_takes_its_request_along(trial, folder, tmp_path):
    """The worker does not go on with what nobody waits for, which may run elsewhere by now."""
    process, pid = asleep(tmp_path, for_s=4)
    process.kill()
    process.wait()
    wait_for(lambda: started_at(pid) is None)
    time.sleep(0.1)
    assert not (tmp_path / "done").exists()
    assert note(trial, tmp_path)["pid"] != pid


def test_a_client_that_waits_long_is_served(trial, folder, tmp_path):
    """A step may take longer than it takes to look whether the worker is alive."""
    files = {name: str(tmp_path / name) for name in ("log", "begun", "done")}
    run_step(trial.sleep_step, **files, for_s=2.5 * worker.LOOK_EVERY_S)
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("gone", ["runner", "folder"])
def test_the_worker_ends_with_its_runner(trial, folder, tmp_path, busy, gone):
    """Idle or at work, it ends soon after the runner or the folder is gone."""
    runner = subprocess.Popen(["sleep", "60"])
    (folder / "runner_pid").write_text(str(runner.pid))
    pid = note(trial, tmp_path)["pid"]
    asking = asleep(tmp_path)[0] if busy else None
    time.sleep(2.2 * worker.LOOK_EVERY_S)
    assert started_at(pid) is not None
    if gone == "folder":
        shutil.rmtree(folder)
    else:
        runner.kill()
        runner.wait()
    wait_for(lambda: started_at(pid) is None)
    runner.kill()
    runner.wait()
    if asking:
        assert asking.wait(300) == 1
        (line,) = [x for x in (tmp_path / "1.log").read_text().splitlines() if "ended in" in x]
        assert "ERROR 1: the worker ended in the middle of sleep_step" in line


def test_a_folder_with_a_long_name(trial, tmp_path, monkeypatch):
    """A socket's path may have 107 bytes; the folder of a pack may have more."""
    place = tmp_path / ("x" * 120)
    place.mkdir(mode=0o700)
    monkeypatch.setenv("PACKED_SLURM_WORKER", str(place))
    assert note(trial, tmp_path)["pid"] == int((place / "pid").read_text())
    end_worker(place)


@pytest.mark.parametrize(
    "make",
    [
        lambda place: None,
        lambda place: place.mkdir(0o750),
        lambda place: place.symlink_to(place.parent),
        lambda place: place.touch(0o600),
    ],
    ids=["absent", "open to others", "a link", "a file"],
)
def test_a_folder_that_is_not_ours_alone(trial, tmp_path, monkeypatch, caplog, make):
    """A folder that others could write to is not used: the step runs here, and the log says so."""
    place = tmp_path / "place"
    make(place)
    monkeypatch.setenv("PACKED_SLURM_WORKER", str(place))
    assert note(trial, tmp_path)["pid"] == os.getpid()
    assert f"{place} is no folder of ours alone" in caplog.text


def test_a_worker_that_cannot_start(trial, folder, tmp_path, monkeypatch, caplog):
    """The step runs here then, with a warning; nobody waits for ever."""
    monkeypatch.setattr(worker, "_PROCESS", "microtome.no_such_module")
    assert note(trial, tmp_path)["pid"] == os.getpid()
    assert "no worker can be had; going on without" in caplog.text


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("microtome.trial", "helper"),  # no step
        ("microtome.trial", "no_such_step"),
        ("subprocess", "call_step"),
        ("microtome", "x_step"),
        ("microtome.trial.__main__", "x_step"),
        ("microtome.trial", "score_step"),  # of another module
    ],
)
def test_only_steps_of_the_library_are_run(trial, module, name):
    """Whatever else is asked for is refused; scoring, which its rule asks for, is not."""
    text = f"^the worker runs the steps of microtome only, not {name} of {module}$"
    with pytest.raises(InputError, match=text):
        worker_process._step(module, name)
    assert worker_process._step("microtome.inference.step", "score_step") is score_step


def test_a_client_that_goes_before_it_asks(trial, folder, tmp_path):
    """A connection that says nothing, or half a line, harms nobody."""
    pid = note(trial, tmp_path)["pid"]
    for half in (b"", b'{"module": '):
        with socket.socket(socket.AF_UNIX) as connection:
            with worker.socket_address(folder) as address:
                connection.connect(address)
            connection.sendall(half)
        assert note(trial, tmp_path)["pid"] == pid
