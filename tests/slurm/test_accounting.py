"""With slurmdbd: SLURM remembers ended jobs, and the executor goes on as without."""

import pytest

from .errors import ClusterError
from .runs import until
from .toys import HELD, let_end, outputs, slurm_job


def test_accounting(accounting_cluster, cluster):
    """With it sacct knows ended jobs, those of its own cluster; without it sacct fails."""
    job = accounting_cluster.submit("exit 3", "--job-name=known")
    assert accounting_cluster.wait(job, "COMPLETED", "FAILED")["state"] == "FAILED"
    asked = (
        "sacct",
        "--noheader",
        "--allocations",
        "--parsable2",
        "--format=JobName,State,ExitCode",
    )
    known = "known|FAILED|3:0\n"
    until(lambda: accounting_cluster.run(*asked, f"--jobs={job}").stdout == known, "the job's end")
    assert "known" not in {other["name"] for other in cluster.jobs()}
    with pytest.raises(ClusterError, match="accounting storage is disabled"):
        cluster.run(*asked)


def test_an_accounting_cluster_is_the_same(accounting_cluster, make_run):
    """With sacct there, a cancelled job is known and tried again."""
    run = make_run(HELD, on=accounting_cluster, n=2)
    run.start()
    accounting_cluster.run("scancel", slurm_job(run))
    until(lambda: run.events("member_failed"), "the end noticed")
    let_end(run, 2)
    assert run.finish() == 0, run.said()
    assert outputs(run) == ["0", "1"]
    assert (run.folder / "logs" / "slurm").exists()
