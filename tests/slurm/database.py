"""MariaDB for accounting, in the cluster's folder and on a port of its own."""

import subprocess
from pathlib import Path

from .errors import ClusterError
from .software import environment

# As mariadb-install-db does it, less help texts and test databases.
_TABLES = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")


def prepared(root: Path, folder: Path, *, port: int, password: str) -> list[str]:
    """Make an empty database server's files.

    Parameters
    ----------
    root : Path
        Where the packages are unpacked.
    folder : Path
        Folder of the cluster; the files go to ``mariadb`` in it.
    port : int
        Port that the server is to listen on, on this host only.
    password : str
        Of the user ``slurm``, who may do everything with the database ``slurm``.

    Returns
    -------
    list of str
        The command that runs the server in the foreground.

    Raises
    ------
    ClusterError
        Where the server's own tables cannot be made.
    """
    data = folder / "mariadb"
    data.mkdir()
    command = [
        f"{root}/usr/sbin/mariadbd",
        "--no-defaults",
        "--user=root",  # means nothing to a caller who is not root
        f"--basedir={root}/usr",
        f"--datadir={data}",
        f"--tmpdir={data}",
        "--innodb-log-file-size=16M",
        "--innodb-lock-wait-timeout=900",  # slurmdbd asks for it
    ]
    scripts = [(root / "usr/share/mysql" / name).read_text() for name in _TABLES]
    made = subprocess.run(
        [*command, "--bootstrap"],
        input="\n".join(["CREATE DATABASE mysql;", "USE mysql;", *scripts]),
        check=False,
        env=environment(root),
        text=True,
        capture_output=True,
    )
    if made.returncode:
        said = next((line for line in made.stderr.splitlines() if "ERROR" in line), "no reason")
        raise ClusterError(f"mariadbd --bootstrap failed: {said}")
    first = folder / "etc" / "first.sql"
    first.touch(mode=0o600)
    first.write_text(
        "CREATE DATABASE slurm;\n"
        f"CREATE USER slurm@'%' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON slurm.* TO slurm@'%';\n"
    )
    network = ["--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"]
    return [*command, *network, f"--socket={data}/socket", f"--init-file={first}"]
