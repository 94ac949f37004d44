"""SLURM, munge and MariaDB as the distribution packs them, unpacked into a folder of the checkout.

Nothing is installed and no root is needed: the packages, and those they need that the host lacks,
are fetched with lists and a cache of their own, and run from where they were unpacked.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from .errors import ClusterError

SOFTWARE = Path(__file__).parents[2] / ".slurm"
PACKAGES = (
    "munge",
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurm-wlm-basic-plugins",
    # Accounting.
    "slurmdbd",
    "slurm-wlm-mysql-plugin",
    "mariadb-server-core",
    "mariadb-client-core",
)


def unpacked(folder: Path = SOFTWARE) -> Path:
    """Give the folder that the packages are unpacked in; done once, then reused.

    Parameters
    ----------
    folder : Path
        Where downloads and the unpacked files are kept.

    Returns
    -------
    Path
        The root below which ``usr/bin/sbatch`` and the others are.

    Raises
    ------
    ClusterError
        Where the host has no apt, or the packages cannot be fetched.
    """
    root = folder / "root"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two clusters may be started at the same time
        if not root.exists():
            (folder / ".gitignore").write_text("*\n")
            partial = folder / "partial"
            shutil.rmtree(partial, ignore_errors=True)  # of one that was interrupted
            for package in _fetched(partial):
                _run("dpkg-deb", "--extract", package, partial / "root")
            _name_daemons(partial / "root")
            (partial / "root").rename(root)
            shutil.rmtree(partial)
    return root


def environment(root: Path) -> dict[str, str]:
    """PATH and LD_LIBRARY_PATH with the unpacked packages before everything else."""
    libraries = [str(library_folder(root)), str(library_folder(root) / "slurm-wlm")]
    libraries += [f"{root}/lib/{library_folder(root).name}"]
    return {
        "PATH": _joined([f"{root}/usr/bin", f"{root}/usr/sbin"], "PATH"),
        "LD_LIBRARY_PATH": _joined(libraries, "LD_LIBRARY_PATH"),
    }


def library_folder(root: Path) -> Path:
    """The folder of libraries, whose name is that of the machine's architecture."""
    return next(root.glob("usr/lib/*/slurm-wlm")).parent


def _fetched(folder: Path) -> list[Path]:
    """Download the packages and what they need beyond what the host has."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # Lists, cache and locks of our own: those of the host stay as they are.
    own = [
        f"-oDir::State::Lists={folder}/lists",
        f"-oDir::Cache={folder}/cache",
        "-oDebug::NoLocking=1",
        "-oAPT::Sandbox::User=root",
    ]
    _run("apt-get", "update", "--quiet", *own)
    wanted = ["install", "--yes", "--no-install-recommends", "--download-only"]
    _run("apt-get", *wanted, "--quiet", *own, *PACKAGES)
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def _name_daemons(root: Path) -> None:
    """Give the daemons their usual names, as installing would (Debian calls them slurmd-wlm)."""
    for path in root.glob("usr/sbin/*-wlm"):
        path.with_name(path.name.removesuffix("-wlm")).symlink_to(path.name)


def _joined(first: list[str], name: str) -> str:
    rest = [part for part in os.environ.get(name, "").split(":") if part and part not in first]
    return ":".join([*first, *rest])


def _run(*command: str | Path) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except FileNotFoundError:
        raise ClusterError(f"{command[0]} is missing: a Debian or Ubuntu host is needed") from None
    except subprocess.CalledProcessError as error:
        said = (error.stdout.strip().splitlines() or ["nothing"])[-1]
        raise ClusterError(f"{command[0]} {command[1]} failed: {said}") from None
