"""Python processes that begin with NumPy, PyTorch and Snakemake imported already.

A small cohort is some sixty jobs, and most of what they took was the import of the same packages.
`Preloaded` starts a process that imports them when it is first asked for a program, parses the
library, and forks for each program.
Its `python` is a command like Python itself for ``python SCRIPT ...`` and ``python -m MODULE ...``;
any other call of it is real Python.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from microtome.planning.code_hash import code_hash_of_all

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"
PACKAGES = (
    "snakemake.cli",
    "snakemake.script",
    "snakemake.report.html_reporter",
    "jsonschema",
    "nbformat",
    "rich.console",
    "smart_open",
    "torch",
    "torchvision",
    "segmentation_models_pytorch",
    "matplotlib.pyplot",
    "scipy.ndimage",
    "scipy.signal",
    "shapely",
    "skimage.measure",
    "skimage.morphology",
    "sklearn.ensemble",
    "tifffile",
    "zarr",
    "openslide",
    "safetensors.torch",
)
# Small: it begins in 15 ms. It hands over its files, folder, environment and words, and waits.
COMMAND = """#!{python} -IS
import array, json, os, socket, sys
words = sys.argv[1 + (sys.argv[1:2] == ["-u"]):]
if not words or words[0].startswith("-") and words[0] != "-m":
    os.execv({python!r}, [{python!r}, *words])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
asked = json.dumps({{"words": words, "folder": os.getcwd(), "env": dict(os.environ)}}).encode()
socket.send_fds(server, [len(asked).to_bytes(8, "big")], [0, 1, 2])
server.sendall(asked)
os._exit(int(server.recv(8) or b"1"))
"""


class Preloaded:
    """A process that forks for each program, and the command that asks it.

    Parameters
    ----------
    folder : Path
        A new folder; its path is short enough for a socket's address.
    """

    def __init__(self, folder: Path):
        folder.mkdir()
        self.python = folder / "python"
        address = str(folder / "socket")
        self.python.write_text(COMMAND.format(python=sys.executable, address=address))
        self.python.chmod(0o755)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(address)
            server.listen(64)
            words = [sys.executable, __file__, str(server.fileno()), str(self.python)]
            self.process = subprocess.Popen(words, pass_fds=[server.fileno()])

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def fork_for_all(server: socket.socket, python: str) -> None:
    """Fork a process for each program that is asked for; returns in that process alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while True:
        client, _ = server.accept()
        if os.fork() == 0:
            break
        client.close()
    server.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(client, 8, 3)
    text = client.makefile("rb").read(int.from_bytes(head, "big"))
    if (child := os.fork()) != 0:
        wait_for(child, client)
    os.setsid()
    client.close()
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    end_with(lambda: become(**json.loads(text), python=python))


def end_with(program: Callable[[], None]) -> None:
    """Run a program and end the process, which does not take apart all that was imported."""
    status = 0
    try:
        program()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # Python would say so, too
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def wait_for(child: int, client: socket.socket) -> None:
    """Tell how a program ended; a program whose command was killed is killed too."""
    handle = os.pidfd_open(child)
    ready, _, _ = select.select([handle, client], [], [])
    if handle not in ready:
        os.killpg(child, signal.SIGKILL)  # and all that it began
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(BrokenPipeError):
        client.send(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def become(words: list[str], folder: str, env: dict[str, str], python: str) -> None:
    """Run a program in this process as Python would have."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    paths = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    module = words[0] == "-m"
    sys.argv = words[module:]
    sys.path[:0] = [folder if module else os.path.dirname(os.path.abspath(words[0])), *paths]  # noqa: PTH100, PTH120
    sys.executable = python  # what it starts is forked as well
    if not module or words[1] != "snakemake":
        # What was parsed of the library is for Snakemake alone.
        for name in [name for name in sys.modules if name.split(".")[0] == "microtome"]:
            del sys.modules[name]
    if module:
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    sys.path.pop(0)
    listening = socket.socket(fileno=int(sys.argv[1]))
    select.select([listening], [], [])
    for package in PACKAGES:
        __import__(package)
    # Runs hash copies of these files; what an equal text means is known then.
    code_hash_of_all(SCRIPTS / "jobs", root=SCRIPTS)
    gc.freeze()
    fork_for_all(listening, sys.argv[2])
