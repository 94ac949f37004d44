"""Executor ``packed-slurm``: Snakemake's jobs, many in one SLURM job.

Thin: which jobs go together, what becomes of them when a node dies, and what SLURM is asked is in
``packing``, ``pack_queue`` and ``slurm_commands``.
"""

import hashlib
import json
import shlex
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase
from snakemake_interface_executor_plugins.utils import encode_target_jobs_cli_args

from .driver_lock import DriverLock
from .errors import InputError
from .pack_events import job_key
from .pack_queue import Outcome, PackQueue
from .packing import Member, Pack, PackSize, Step
from .slurm_commands import ENDED, SilentError, cancel, queue, submit, time_limits
from .snakemake_lock import SnakemakeLock
from .telling import tell

# How long jobs of an earlier driver may take to end once they are cancelled.
_LEFTOVERS_S = 180

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=True,
    auto_deploy_default_storage_provider=False,
)


def _setting(default: object, text: str) -> object:
    return field(default=default, metadata={"help": text})


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """What a site edits; see README.md. Snakemake makes one where this executor is asked for."""

    partition: str = _setting("", "Partition of jobs without a GPU")
    gpu_partition: str = _setting("", "Partition of jobs with a GPU")
    card: str = _setting("", "Card model as in the cluster's gres, such as v100")
    account: str = _setting("", "Account that jobs are charged to")
    qos: str = _setting("", "Quality of service")
    extra: str = _setting("", "Further options for sbatch, as on its command line")
    prelude: str = _setting("", "Shell lines before each job, such as module load")
    max_minutes: int = _setting(1440, "Longest time limit of a job, in minutes")
    pack_minutes: int = _setting(120, "Time limit that small jobs are packed up to, in minutes")
    pack_cores: int = _setting(4, "Cores of a pack of small jobs")
    max_jobs: int = _setting(200, "So many SLURM jobs at a time")
    hold_seconds: int = _setting(30, "A pack that is not full waits this long for more jobs")
    poll_seconds: int = _setting(10, "Time between two looks at the queue")
    pack_by: str = _setting("", "Jobs on a GPU share a SLURM job if they agree in this wildcard")

    def __post_init__(self) -> None:
        """Mend the graph: Snakemake makes it after this and before the executor."""
        # Not with this module, which Snakemake imports where it finds it, and nodes do before it.
        from .large_graphs import mend_groups  # noqa: PLC0415

        mend_groups()


class Executor(RemoteExecutor):
    """Runs jobs in packs on a SLURM cluster."""

    # The thread that looks at jobs is there before `__post_init__` is called.
    _queue: PackQueue | None = None

    def __post_init__(self) -> None:
        """Take the folder, end what an earlier driver left, and begin with no packs."""
        self._settings = self.workflow.executor_settings
        # Cores of this machine (profiles/default) bound what runs here, not what runs on nodes.
        self.workflow.global_resources["_cores"] = None
        self.next_seconds_between_status_checks = self._settings.poll_seconds
        here = Path.cwd()
        cohort = hashlib.sha256(str(here.resolve()).encode()).hexdigest()[:8]
        stamp = datetime.now(UTC).strftime("%y%m%d%H%M%S")
        try:
            shlex.split(self._settings.extra or "")
        except ValueError as error:
            raise WorkflowError(f"packed-slurm-extra: {error}: {self._settings.extra}") from None
        self._locks: list[DriverLock | SnakemakeLock] = []
        try:
            driver = DriverLock(here / ".snakemake" / "packed-slurm.json")
            self._locks.append(driver)
            self._locks.append(SnakemakeLock(self.workflow.persistence, driver))
            self._cancel_leftovers(f"pack_{cohort}_")
            self._limits_min = time_limits()
        except (InputError, SilentError) as error:
            self._release_locks()
            raise WorkflowError(f"SLURM: {error}") from None
        self._ended: dict[int, Outcome] = {}
        self._queue = PackQueue(
            folder=here / "logs" / "slurm" / stamp,
            prefix=f"pack_{cohort}_{stamp}_",
            size=PackSize(self._settings.pack_minutes, self._settings.pack_cores),
            most_jobs=self._settings.max_jobs,
            hold_s=self._settings.hold_seconds,
            grace_s=max(5, self.workflow.execution_settings.latency_wait),
            submit=self._submit,
            tell=tell,
        )

    def run_job(self, job: JobExecutorInterface) -> None:
        """Take a job, or a group of jobs, on: it goes out with others of its kind."""
        member = self._member(job)
        # First of all known as active: it must not end before.
        self.report_job_submission(SubmittedJobInfo(job))
        self._queue.add(member)

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Submit, look, and report the jobs that have ended."""
        if self._queue is None:
            return
        try:
            self._locks[0].require_held()
            outcomes = self._queue.step()
        except InputError as error:
            self.cancel_jobs(active_jobs)
            raise WorkflowError(f"{error} (see the profile's packed-slurm-...)") from None
        except Exception:
            self.cancel_jobs(active_jobs)  # nobody would look after them
            raise
        # What came in since the list was made is reported with the next.
        self._ended |= {id(outcome.job): outcome for outcome in outcomes}
        for info in active_jobs:
            outcome = self._ended.pop(id(info.job), None)
            if outcome is None:
                yield info
            elif outcome.reason:
                self.report_job_error(info, msg=f"{outcome.reason}. ")
            else:
                self.report_job_success(info)

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel all packs of this run."""
        try:
            cancel(self._queue.slurm_ids())
        except (InputError, SilentError) as error:
            self.logger.error(f"SLURM does not answer, its jobs go on: {error}")

    def cancel(self) -> None:
        """End all packs, also the one that is being submitted just now."""
        self._queue.stop()
        super().cancel()
        self.cancel_jobs([])

    def shutdown(self) -> None:
        """End watching, and give the folder and Snakemake's methods back."""
        from .large_graphs import restore_groups  # noqa: PLC0415

        super().shutdown()
        self._release_locks()
        restore_groups()

    def _release_locks(self) -> None:
        while self._locks:
            self._locks.pop().release()

    def _cancel_leftovers(self, prefix: str) -> None:
        """End jobs of a driver that was killed: two jobs must not write one output."""
        end = time.time() + _LEFTOVERS_S
        cancelled: list[str] = []
        while left := _under_way(prefix):
            if time.time() > end:
                raise InputError(f"jobs of an earlier run do not end: {' '.join(left)}")
            if not cancelled:
                self.logger.warning(f"Cancelling {len(left)} jobs that an earlier run left.")
            new = [one for one in left if one not in cancelled]
            cancel(new)
            cancelled += new
            time.sleep(1)
        if cancelled:
            tell("leftovers_cancelled", slurm_ids=cancelled)

    def _member(self, job: JobExecutorInterface) -> Member:
        jobs = [one for level in job.toposorted for one in level] if job.is_group() else [job]
        steps = tuple(self._step(one, jobs) for one in jobs)
        asked = [one.resources for one in jobs]
        gpus = max(int(one.get("gpu", 0)) for one in asked)
        partition = asked[0].get("slurm_partition") or (
            self._settings.gpu_partition if gpus else self._settings.partition
        )
        label = job.groupid if job.is_group() else job.rule.name
        by = {str(one.wildcards.get(self._settings.pack_by, "")) for one in jobs if gpus}
        value = " ".join(sorted(by))
        runtimes = [int(one.get("runtime", 60)) for one in asked]
        return Member(
            job=job,
            steps=steps,
            label=f"{label} {value}".strip(),
            kind=(label, value, job.attempt, partition, asked[0].get("slurm_extra")),
            threads=max(one.threads for one in jobs),
            mem_mb=max(int(one.get("mem_mb", 2000)) for one in asked),
            runtime_min=sum(runtimes),
            gpus=gpus,
            longest_min=min(
                self._settings.max_minutes,
                self._limits_min.get(partition, self._settings.max_minutes),
            ),
            is_retry=job.attempt > 1,
            checkpoint=str(jobs[0].params.get("checkpoint", "")) if len(jobs) == 1 else "",
        )

    def _step(self, job: JobExecutorInterface, jobs: list[JobExecutorInterface]) -> Step:
        [target] = encode_target_jobs_cli_args(job.get_target_spec())
        needs = [one for one in self.dag.dependencies[job] if one in jobs]
        keys = tuple(sorted({_key(one) for one in needs}))
        return Step(key=_key(job), target=target, number=job.jobid, needs=keys)

    def _submit(self, pack: Pack, name: str, folder: Path) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "members": [
                [{"key": step.key, "target": step.target} for step in member.steps]
                for member in pack.members
            ],
            "arguments": self._arguments(pack, folder),
            # On a GPU they follow one another; a worker would hold up what runs side by side.
            "share_worker": pack.gpus > 0 and len(pack.members) > 1,
        }
        (folder / "pack.json").write_text(json.dumps(content, indent=1))
        script = folder / "job.sh"
        script.write_text(self._script(folder))
        return submit(script, self._options(pack, name, folder))

    def _arguments(self, pack: Pack, folder: Path) -> list[str]:
        """Arguments of the Snakemake that runs a pack on its node."""
        jobs = [job for member in pack.members for job in _single(member.job)]
        made = {str(file) for job in jobs for file in job.output}
        awaited = {str(file) for job in jobs for file in job.get_wait_for_files()} - made
        (folder / "inputs.txt").write_text("".join(f"{file}\n" for file in sorted(awaited)))
        general = self.workflow.spawned_job_args_factory.general_args(
            executor_common_settings=self.common_settings
        )
        gpus = ["--resources", f"gpu={pack.gpus}"] if pack.gpus else []
        return [
            *("--snakefile", str(self.get_snakefile())),
            *("--allowed-rules", *sorted({job.rule.name for job in jobs})),
            *("--cores", str(pack.cores)),
            *gpus,
            *("--attempt", str(jobs[0].attempt)),
            *("--wait-for-files-file", str(folder / "inputs.txt")),
            *shlex.split(general),
            *("--keep-going", "--mode", self.get_exec_mode().item_to_choice()),
        ]

    def _script(self, folder: Path) -> str:
        python = shlex.quote(self.get_python_executable())
        lines = [
            "#!/bin/bash",
            *(f"export {name}={shlex.quote(value)}" for name, value in self.envvars().items()),
            self._settings.prelude or "",
            f"exec {python} -m {__name__}.pack_runner {shlex.quote(str(folder))}",
        ]
        return "\n".join(line for line in lines if line) + "\n"

    def _options(self, pack: Pack, name: str, folder: Path) -> list[str]:
        """Options of sbatch for a pack."""
        settings = self._settings
        _, _, _, partition, own_extra = pack.members[0].kind
        card = f"gpu:{settings.card}" if settings.card else "gpu"
        options = {
            "job-name": name,
            "chdir": Path.cwd(),
            # From the folder of the run on: sbatch takes a % in what is above for a pattern.
            "output": str((folder / "out.txt").relative_to(Path.cwd())),
            "cpus-per-task": pack.cores,
            "mem": pack.mem_mb,
            "time": pack.runtime_min,
            "partition": partition,
            "account": settings.account,
            "qos": settings.qos,
            "gres": f"{card}:{pack.gpus}" if pack.gpus else None,
        }
        given = [f"--{key}={value}" for key, value in options.items() if value]
        further = [*shlex.split(settings.extra or ""), *shlex.split(own_extra or "")]
        # Where a node is lost or given to another job SLURM begins this one again.
        return [*given, "--nodes=1", "--ntasks=1", "--requeue", "--open-mode=append", *further]


def _under_way(prefix: str) -> list[str]:
    jobs = queue().values()
    return [job.slurm_id for job in jobs if job.name.startswith(prefix) and job.state not in ENDED]


def _single(job: JobExecutorInterface) -> list[JobExecutorInterface]:
    return list(job.jobs) if job.is_group() else [job]


def _key(job: JobExecutorInterface) -> str:
    return job_key(job.rule.name, dict(job.wildcards_dict))
