"""The test cluster does what a real one does, and nothing of it stays behind."""

import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from . import machine
from .cluster import Cluster, main
from .configuration import NODES, free_ports
from .errors import ClusterError
from .host import refuse_real_cluster
from .software import unpacked

REPOSITORY = Path(__file__).parents[2]
ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED", "NODE_FAIL")


@pytest.fixture
def long(request):
    """A length of sleep that tells a test's processes from those of all others."""
    number = sum(map(ord, request.node.name))
    return f"3600.{os.getpid()}{number}"


@pytest.fixture
def power_on(tmp_path):
    """Start machines by name; they are off when the test ends, however it does."""
    notes = []

    def start(name, *command):
        notes.append(tmp_path / name)
        machine.power_on(notes[-1], tmp_path / "log", [*command], dict(os.environ))
        return notes[-1]

    yield start
    for note in notes:
        machine.power_off(note)


def sleepers(duration):
    """Living processes that sleep for just that long, on whatever machine."""
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if process.info["cmdline"] == ["sleep", duration]]


def folder_users(folder):
    """Living processes that know a folder, from their command or their environment."""
    found = []
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        try:
            known = [*(process.info["cmdline"] or []), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(folder) in text for text in known):
            found.append(process.info)
    return found


def eventually(found, timeout_s=300):
    """Wait until something is true."""
    end = time.monotonic() + timeout_s
    while not found() and time.monotonic() < end:
        time.sleep(0.1)
    return found()


def test_all_nodes_are_up(cluster):
    """Three CPU nodes and two GPU nodes, in three partitions."""
    assert sorted(cluster.node_states()) == ["cpu1", "cpu2", "cpu3", "gpu1", "gpu2"]
    text = cluster.run("sinfo", "--noheader", "--format=%P %N %G").stdout
    assert sorted(line.split() for line in text.splitlines()) == [
        ["cpu*", "cpu[1-3]", "(null)"],
        ["gpu", "gpu[1-2]", "gpu:v100:2"],
        ["gpu_low", "gpu[1-2]", "gpu:v100:2"],
    ]


@pytest.fixture
def together(cluster, tmp_path):
    """Give a function that submits a script with each of some options, all to run at once."""
    go = tmp_path / "go"

    def submit(script, *options):
        held = f"while [ ! -e {go} ]; do sleep 0.1; done; {script}"
        jobs = [cluster.submit(held, *given) for given in options]
        for job in jobs:
            cluster.wait(job, "RUNNING")
        go.touch()
        return jobs

    return submit


def test_jobs_of_a_partition_run_on_its_nodes(cluster, together):
    """A job that fills a node has it alone; the environment is the submitting command's."""
    full = together("echo $SLURMD_NODENAME", *[["--cpus-per-task=7"]] * 3)
    gpu = cluster.submit("echo $SLURMD_NODENAME $SLURM_CONF", "--partition=gpu", "-C", "v100")
    nodes = [cluster.wait(job, "COMPLETED")["node"] for job in full]
    assert sorted(nodes) == ["cpu1", "cpu2", "cpu3"]
    assert [cluster.output(job).split() for job in full] == [[node] for node in nodes]
    assert cluster.wait(gpu, "COMPLETED")["partition"] == "gpu"
    node, conf = cluster.output(gpu).split()
    assert node in {"gpu1", "gpu2"}
    assert conf == str(cluster.folder / "etc" / "slurm.conf")


def test_gpus_are_given(cluster, together):
    """Jobs on one node see a card each, a job of two sees both, a job without asking sees none."""
    own = ["--partition=gpu", "--nodelist=gpu1"]
    script = "echo ${CUDA_VISIBLE_DEVICES-none}"
    jobs = together(script, *[[*own, "--gres=gpu:v100:1"]] * 2)
    jobs += [cluster.submit(script, *own, option) for option in ("--gres=gpu:v100:2", "--mem=50")]
    for job in jobs:
        cluster.wait(job, "COMPLETED")
    seen = [cluster.output(job).strip() for job in jobs]
    assert sorted(seen[:2]) == ["0", "1"]
    assert seen[2:] == ["0,1", "none"]


def test_too_many_gpus_are_refused(cluster):
    """No node has three cards; the reason is in the error."""
    with pytest.raises(ClusterError, match=r"sbatch .*Requested node configuration"):
        cluster.submit("true", "--partition=gpu", "--gres=gpu:v100:3")


def test_a_killed_node(cluster, long):
    """All that ran there is gone at once, SLURM finds out, and what may start again does so."""
    script = f"setsid sleep {long} & sleep {long}"
    own = ["--nodelist=cpu3"]
    lost = cluster.submit(script, "--no-requeue", *own)
    again = cluster.submit(script, *own)
    for job in (lost, again):
        cluster.wait(job, "RUNNING")
    assert eventually(lambda: len(sleepers(long)) == 4)
    cluster.kill_node("cpu3")
    # A node that is silent is not known to be down yet.
    assert cluster.states()[again] == "RUNNING"
    assert not sleepers(long)
    nodes = [
        user["cmdline"][3] for user in folder_users(cluster.folder) if user["name"] == "slurmd"
    ]
    assert sorted(nodes) == ["cpu1", "cpu2", "gpu1", "gpu2"]
    cluster.wait(again, "PENDING")
    assert cluster.wait(lost, *ENDED)["state"] == "NODE_FAIL"
    assert cluster.node_states()["cpu3"] == "down*"
    cluster.start_node("cpu3")
    assert cluster.wait(again, "RUNNING")["restarts"] == "1"
    assert cluster.node_states()["cpu3"] == "mixed"
    cluster.run("scancel", again)


def test_a_running_node_is_not_started_twice(cluster):
    """A second daemon of the same node would take the first one's jobs."""
    with pytest.raises(ClusterError, match="slurmd-cpu2 runs already"):
        cluster.start_node("cpu2")


def test_waiting_in_vain(cluster):
    """What was waited for and what was found are in the error."""
    job = cluster.submit("sleep 60")
    text = rf"waited for job {job} TIMEOUT or FAILED in vain; it is .*'state': '(PENDING|RUNNING)'"
    with pytest.raises(ClusterError, match=text):
        cluster.wait(job, "TIMEOUT", "FAILED", timeout_s=0.5)
    cluster.run("scancel", job)


def test_stop_leaves_nothing(tmp_path_factory, long):
    """From the command line: what start prints is enough for a shell; after stop all is gone."""
    folder = tmp_path_factory.mktemp("c") / "c"
    command = [sys.executable, "-m", "tests.slurm.cluster"]
    started = subprocess.run(
        [*command, "start", str(folder)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    exports = dict(shlex.split(line)[1].split("=", 1) for line in started.stdout.splitlines())
    assert sorted(exports) == ["LD_LIBRARY_PATH", "PATH", "SLURM_CONF"]
    wrap = f"--wrap=env -i setsid sleep {long} & sleep {long}"
    for partition in ("cpu", "gpu"):
        subprocess.run(
            ["sbatch", f"--partition={partition}", "--output=/dev/null", wrap],
            env=os.environ | exports,
            cwd=folder,
            check=True,
            capture_output=True,
        )
    assert eventually(lambda: len(sleepers(long)) == 4)
    assert len(folder_users(folder)) > 2 * len(NODES)
    main(["stop", str(folder)])
    assert not folder.exists()
    assert not sleepers(long)
    assert not folder_users(folder)


def test_a_failed_start_leaves_nothing(tmp_path, monkeypatch):
    """What was started before a daemon that fails is stopped; that daemon's words are shown."""
    original = Cluster.start_controller

    def broken(self):
        (self.folder / "etc" / "slurm.conf").write_text("ClusterName=test\n")
        original(self)

    monkeypatch.setattr(Cluster, "start_controller", broken)
    folder = tmp_path / "c"
    start = time.monotonic()
    with pytest.raises(ClusterError, match=r"waited for slurmctld in vain: slurmctld: .*fatal"):
        Cluster(folder).start()
    assert time.monotonic() - start < 200  # not only when the limit of 300 s is over
    assert not folder.exists()
    assert not folder_users(folder)


def test_a_folder_in_use_is_refused(tmp_path):
    """Neither started in nor removed: a folder with somebody's files."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ClusterError, match="exists and is not empty"):
        Cluster(tmp_path).start()
    with pytest.raises(ClusterError, match="is no test cluster"):
        Cluster(tmp_path).stop()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_link_to_a_folder(tmp_path):
    """A link is followed: SLURM and `stop` see the folder itself."""
    (tmp_path / "link").symlink_to(tmp_path / "c")
    assert Cluster(tmp_path / "link").folder == tmp_path / "c"


def test_stopping_nothing(tmp_path):
    """A cluster that is not there is stopped already."""
    Cluster(tmp_path / "none").stop()


@pytest.mark.parametrize("name", ["with space", "x" * 80, "quote'", "umlaut-ä", "new\nline"])
def test_names_that_slurm_cannot_hold(name):
    """Paths that its files or its sockets cannot hold are refused."""
    with pytest.raises(ClusterError, match="letters, or with odd ones"):
        Cluster(f"/tmp/{name}")  # noqa: S108 (never made)


def test_a_checkout_that_slurm_cannot_be_run_from(tmp_path):
    """The packages' folder is named in its configuration too."""
    with pytest.raises(ClusterError, match="my software': longer than 1000 letters"):
        Cluster(tmp_path, software=tmp_path / "my software")


@pytest.mark.parametrize(
    ("environment", "file", "text"),
    [
        ({"SLURM_JOB_ID": "7"}, None, "inside job 7 of a SLURM cluster"),
        ({"SLURM_CONF": "/etc/other.conf"}, None, r"SLURM_CONF is /etc/other\.conf"),
        ({}, "etc/slurm/slurm.conf", r"etc/slurm/slurm\.conf exists"),
        ({}, "etc/slurm-llnl/slurm.conf", "etc/slurm-llnl exists"),
    ],
)
def test_a_host_with_a_slurm_is_refused(tmp_path, environment, file, text):
    """One line says what was found."""
    if file:
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    with pytest.raises(ClusterError, match=f"^no test cluster on .*{text}$"):
        refuse_real_cluster(environment, own_conf=tmp_path / "slurm.conf", root=tmp_path)


def test_a_host_without_a_slurm_is_not_refused(tmp_path, cluster):
    """A running test cluster and its own SLURM_CONF are no reason."""
    conf = cluster.folder / "etc" / "slurm.conf"
    assert "slurmctld" in {user["name"] for user in folder_users(cluster.folder)}
    refuse_real_cluster({"SLURM_CONF": str(conf)}, own_conf=conf, root=tmp_path)


@pytest.mark.parametrize("name", ["slurmd", "slurmctld-wlm"])
def test_a_real_daemon_is_refused(tmp_path, name):
    """A daemon that runs from elsewhere belongs to a real cluster."""
    program = tmp_path / name
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "60"]) as process:
        try:
            with pytest.raises(ClusterError, match=rf"{program} runs here$"):
                refuse_real_cluster({}, own_conf=tmp_path / "slurm.conf", root=tmp_path)
        finally:
            process.kill()


def test_start_refuses_inside_a_job(tmp_path, monkeypatch):
    """Nothing is made where a cluster is refused; the command line says so in one line."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with pytest.raises(SystemExit, match=r"^no test cluster .* inside job 7 of a SLURM cluster$"):
        main(["start", str(tmp_path / "c")])
    assert not (tmp_path / "c").exists()


def test_the_callers_slurm_variables_stay_out(monkeypatch, tmp_path):
    """What a shell has set for another cluster does not change commands of this one."""
    monkeypatch.setenv("SBATCH_PARTITION", "gpu")
    monkeypatch.setenv("SLURM_CLUSTERS", "other")
    monkeypatch.setenv("KEPT", "yes")
    env = Cluster(tmp_path / "c").env
    assert not {"SBATCH_PARTITION", "SLURM_CLUSTERS"} & set(env)
    assert env["KEPT"] == "yes"
    assert env["SLURM_CONF"] == str(tmp_path / "c" / "etc" / "slurm.conf")


def test_power_off_finds_what_left_its_session(tmp_path, monkeypatch, power_on, long):
    """Sessions, lost parents and ignored signals do not save a process; other machines live on."""
    at_once = machine._signal

    def slowly(process, how):
        at_once(process, how)
        time.sleep(0.03)  # what was killed first must not be noticed by what is killed last

    monkeypatch.setattr(machine, "_signal", slowly)
    inner = f"setsid sleep {long} & sleep {long}"
    noticed = tmp_path / "noticed"
    script = f"trap '' TERM HUP; (setsid sh -c '{inner}' &); sleep {long}"
    script = f"for n in 1 2 3 4; do (sleep {long}; touch {noticed}) & done; {script}"
    notes = [power_on(name, "sh", "-c", script) for name in ("one", "two")]
    assert eventually(lambda: len(sleepers(long)) == 2 * 7)
    found = machine.machine_of(notes[0])
    assert os.getsid(found.pid) == found.pid  # Ctrl-C at the terminal is not for the cluster
    assert machine.power_off(notes[0]) == []
    assert len(sleepers(long)) == 7
    assert not noticed.exists()
    assert machine.machine_of(notes[0]) is None
    assert not notes[0].exists()
    assert machine.machine_of(notes[1])
    assert machine.power_off(notes[1]) == []
    assert not sleepers(long)


def test_a_machine_ends_with_its_last_process(power_on):
    """A daemon's end is seen."""
    note = power_on("one", "sleep", "0.5")
    assert machine.machine_of(note)
    assert eventually(lambda: machine.machine_of(note) is None)


def test_a_number_that_another_process_has_now(tmp_path):
    """A process that is not the machine is left alone, even if it has got its number."""
    note = tmp_path / "note"
    with subprocess.Popen(["sleep", "60"]) as process:
        created = psutil.Process(process.pid).create_time()
        note.write_text(f"{process.pid} {created - 100}")
        assert machine.power_off(note) == []
        assert process.poll() is None
        note.write_text(f"{process.pid} {created}")
        machine.power_off(note)
        assert process.wait(timeout=10) == -signal.SIGKILL


FAKES = {
    "apt-get": """#!/bin/sh
echo "$@" >> {log}
for option; do case $option in -oDir::Cache=*) cache=${{option#*=}} ;; esac; done
touch $cache/archives/slurmd.deb
""",
    "dpkg-deb": """#!/bin/sh
mkdir -p $3/usr/sbin
echo fake > $3/usr/sbin/slurmd-wlm
""",
}


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Only these commands can be found; what apt-get was asked for is in a file."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in FAKES.items():
        (programs / name).write_text(text.format(log=tmp_path / "log"))
        (programs / name).chmod(0o755)
    for name in ("sh", "mkdir", "touch"):
        (programs / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_packages_are_unpacked_once(tmp_path, fakes):
    """Into the folder, with the daemons' usual names; what an interrupted try left is dropped."""
    folder = tmp_path / ".slurm"
    (folder / "partial" / "root").mkdir(parents=True)
    (folder / "partial" / "root" / "stale").touch()
    root = unpacked(folder)
    assert root == folder / "root"
    assert (root / "usr/sbin/slurmd").read_text() == "fake\n"
    asked = (tmp_path / "log").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["update", "install"]
    assert "--download-only" in asked[1]
    assert all(f"-oDir::State::Lists={folder}" in line for line in asked)
    assert not (root / "stale").exists()
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "lock", "root"]
    (fakes / "apt-get").unlink()
    assert unpacked(folder) == root


@pytest.mark.parametrize("failing", [0, 1])
def test_packages_that_cannot_be_fetched(tmp_path, fakes, failing):
    """The last line that apt or dpkg said is shown, and the next try begins anew."""
    name = list(FAKES)[failing]
    (fakes / name).write_text("#!/bin/sh\necho one\necho 'E: no network'\nexit 100\n")
    with pytest.raises(ClusterError, match=rf"^{name} .* failed: E: no network$"):
        unpacked(tmp_path / ".slurm")
    (fakes / name).write_text(FAKES[name].format(log=tmp_path / "log"))
    assert (unpacked(tmp_path / ".slurm") / "usr/sbin/slurmd").exists()


def test_a_host_without_apt(tmp_path, fakes):
    """Another distribution is told so."""
    (fakes / "apt-get").unlink()
    with pytest.raises(ClusterError, match="apt-get is missing: a Debian or Ubuntu host is needed"):
        unpacked(tmp_path / ".slurm")


def test_free_ports(monkeypatch):
    """Ports that somebody listens on are passed over; none is given twice."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        used = taken.getsockname()[1]
        monkeypatch.setattr(random, "sample", lambda ports, n: [used, *ports[:n]])
        found = free_ports(8)
    assert used not in found
    assert len(set(found)) == 8
