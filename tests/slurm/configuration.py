"""The cluster's configuration files."""

import os
import pwd
import random
import socket
from pathlib import Path

from .software import library_folder

CPU_NODES = ("cpu1", "cpu2", "cpu3")
GPU_NODES = ("gpu1", "gpu2")
NODES = CPU_NODES + GPU_NODES
# A card is a character device or CUDA_VISIBLE_DEVICES is not set; nothing is done to the device.
_CARDS = {"nvidia0": "/dev/null", "nvidia1": "/dev/zero"}
_SHAPE = "CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1"


def configure(folder: Path, root: Path, password: str | None) -> dict[str, int]:
    """Write slurm.conf, gres.conf and, with accounting, slurmdbd.conf to ``folder/etc``.

    Parameters
    ----------
    folder : Path
        Folder of the cluster.
    root : Path
        Where the packages are unpacked.
    password : str or None
        Of the accounting database; None means no accounting.

    Returns
    -------
    dict of int
        Ports of the nodes and of ``slurmctld``, ``slurmdbd`` and ``mariadb``.
    """
    daemons = ["slurmctld", "slurmdbd", "mariadb"]
    ports = dict(zip([*daemons, *NODES], free_ports(len(daemons) + len(NODES)), strict=True))
    host = socket.gethostname().split(".")[0]
    user = pwd.getpwuid(os.getuid()).pw_name
    for name, device in _CARDS.items():
        (folder / "dev" / name).symlink_to(device)
    template = Path(__file__).with_name("slurm.conf.in").read_text()
    text = template.format(
        host=host,
        user=user,
        folder=folder,
        plugins=library_folder(root) / "slurm-wlm",
        controller_port=ports["slurmctld"],
        accounting=_accounting(folder, ports) if password else "",
        nodes="\n".join(_node(name, host, ports[name]) for name in NODES),
    )
    (folder / "etc" / "slurm.conf").write_text(text)
    cards = f"NodeName=gpu[1-2] Name=gpu Type=v100 File={folder}/dev/nvidia[0-1]\n"
    (folder / "etc" / "gres.conf").write_text(cards)
    if password:
        _write_slurmdbd(folder, root, user, ports, password)
    return ports


def free_ports(n: int) -> list[int]:
    """Ports that nothing listens on, below those that outgoing connections take.

    A port of a daemon that is away for a while would else be taken by somebody's connection.
    """
    found: list[int] = []
    for port in random.sample(range(12000, 32000), 2000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == n:
            break
    return found


def _node(name: str, host: str, port: int) -> str:
    own = "RealMemory=16000"
    if name in GPU_NODES:
        own = "RealMemory=32000 Gres=gpu:v100:2 Feature=v100"
    return f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {_SHAPE} {own}"


def _accounting(folder: Path, ports: dict[str, int]) -> str:
    return f"""AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports["slurmdbd"]}
AccountingStoragePass={folder}/munge/socket
AccountingStorageTRES=gres/gpu"""


def _write_slurmdbd(
    folder: Path, root: Path, user: str, ports: dict[str, int], password: str
) -> None:
    path = folder / "etc" / "slurmdbd.conf"
    path.touch(mode=0o600)  # slurmdbd refuses one that others may read
    path.write_text(
        f"""AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
PluginDir={library_folder(root) / "slurm-wlm"}
DbdHost=localhost
DbdPort={ports["slurmdbd"]}
SlurmUser={user}
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports["mariadb"]}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm
"""
    )
