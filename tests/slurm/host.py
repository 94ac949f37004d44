"""Whether a host may have a test cluster: not one that has, or is part of, a real one."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from .errors import ClusterError

_CONFIGURED = ("etc/slurm/slurm.conf", "etc/slurm-llnl")
_DAEMONS = ("slurmctld", "slurmd")
_MACHINE = "/tests/slurm/machine.py"


def refuse_real_cluster(
    environment: Mapping[str, str], *, own_conf: Path, root: Path = Path("/")
) -> None:
    """Raise where a SLURM is in use that is not a test cluster.

    Parameters
    ----------
    environment : mapping of str
        The caller's environment variables.
    own_conf : Path
        slurm.conf of the test cluster, which SLURM_CONF may name.
    root : Path
        Root of the host's files.

    Raises
    ------
    ClusterError
        In one line that names what was found.
    """
    found = None
    if "SLURM_JOB_ID" in environment:
        found = f"this is inside job {environment['SLURM_JOB_ID']} of a SLURM cluster"
    elif environment.get("SLURM_CONF", str(own_conf)) != str(own_conf):
        found = f"SLURM_CONF is {environment['SLURM_CONF']}"
    for name in _CONFIGURED:
        if (root / name).exists():
            found = found or f"{root / name} exists"
    if name := _foreign_daemon():
        found = found or f"{name} runs here"
    if found:
        raise ClusterError(f"no test cluster on a host with a SLURM of its own: {found}")


def _foreign_daemon() -> str | None:
    """Path of a SLURM daemon that is not below a machine of some test cluster."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"].removesuffix("-wlm") not in _DAEMONS:
            continue
        with suppress(psutil.NoSuchProcess):  # it has ended since
            above = [word for parent in process.parents() for word in parent.cmdline()]
            if not any(word.endswith(_MACHINE) for word in above):  # of whatever checkout
                return process.exe()
    return None
