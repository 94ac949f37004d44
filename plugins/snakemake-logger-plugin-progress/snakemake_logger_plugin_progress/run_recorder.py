"""From the records that Snakemake logs to the events of a run log."""

import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from logging import LogRecord
from os import getpid
from pathlib import Path
from platform import node

from .errors import one_line
from .stages import Stages, read_stages

_READ_BYTES = 2**16
_MOST_CHARACTERS = 300
# Clocks of node and driver differ a little, and file systems round times.
_CLOCKS_S = 60
# Of a job whose outputs are missing there is no record but this text, which ends with their names.
_MISSING = re.compile(r"Job (\d+) +completed successfully, but")
_NAME = re.compile(r"^(\S.*?) \(missing", re.MULTILINE)
_WITH_ANOTHER = "another job of its group failed"
_NO_WORD = "it ended without a word in its log"


class Recorder:
    """Tells a run log what records say: by ``tell(event, t=..., **what)``.

    Snakemake's own are put into events; other plugins' that have ``told``, a dict, are told on.
    """

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self.stages = Stages()
        self._is_begun = self._is_local = self._is_ok = False
        self._n_planned: int | None = None
        self._jobs: dict[int, dict] = {}
        self._over: set[int] = set()
        self._n_failed: Counter = Counter()
        self._of_group: dict[int, str] = {}
        self._rules_of_group: dict[int, set[str]] = {}
        self._why: dict[int, str] = {}
        self._told: dict[int, str] = {}

    def record(self, record: LogRecord) -> None:
        """Take in one of Snakemake's records, or of a plugin's."""
        event, told = str(getattr(record, "event", "")), getattr(record, "told", None)
        if isinstance(told, dict):
            if event == "member_failed":  # why SLURM says that a job failed
                self._told[told.get("job")] = str(told.get("reason", ""))
            self._tell(event, **{"t": record.created, **told})
        elif take_in := getattr(self, f"_on_{event}", None):
            take_in(record)

    def plan(self, t: float) -> None:
        """Tell anew how many jobs there are, where a checkpoint has added some."""
        dag = getattr(_workflow(), "dag", None)
        if dag is None or not self._is_begun or len(dag) == self._n_planned:
            return
        # Snakemake may change the graph at this moment; then the next time will do.
        with suppress(RuntimeError):
            n_jobs = len(dag)
            jobs = {*dag.needrun_jobs(), *dag.finished_jobs}
            kinds = Counter(
                (job.rule.name, job.wildcards_dict.get(self.stages.apart, ""))
                for job in jobs
                if not job.is_norun
            )
            counts: Counter = Counter()
            apart: dict[str, dict[str, int]] = {}
            for (rule, value), n in sorted(kinds.items()):
                counts[rule] += n
                if value:
                    apart.setdefault(rule, {})[value] = n
            self._tell("planned", t=t, jobs=counts, apart=apart)
            self._n_planned = n_jobs

    def end(self, t: float) -> None:
        """Tell that the run is over."""
        if self._is_begun:
            self._tell("run_ended", t=t, ok=self._is_ok)
            self._is_begun = False

    def _on_run_info(self, record: LogRecord) -> None:
        self._is_begun = True
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        what = {"host": node(), "pid": getpid(), "command": command, "stages": asdict(self.stages)}
        self._tell("run_started", t=record.created, **what)
        self.plan(record.created)

    def _on_resources_info(self, record: LogRecord) -> None:
        if hasattr(record, "cores"):
            self._is_local = True

    def _on_group_info(self, record: LogRecord) -> None:
        rules = {job.rule.name for job in record.jobs}
        for job in record.jobs:
            group = job.dag.get_job_group(job)
            self._of_group[job.jobid] = group.jobid if group else record.group_id
            self._rules_of_group[job.jobid] = rules

    def _on_job_info(self, record: LogRecord) -> None:
        if not record.output and not record.shellcmd:  # a target, which runs nothing
            return
        self.plan(record.created)
        number, asked = record.jobid, record.resources
        if number in self._jobs and number not in self._over:
            self._failed(record.created, number, "its outputs were missing")
        self._over.discard(number)
        self._told.pop(number, None)
        self._jobs[number] = {
            "rule": record.rule_name,
            "wildcards": {name: str(value) for name, value in record.wildcards.items()},
            "log": list(record.log),
            "submitted_s": record.created,
        }
        self._tell(
            "job_submitted",
            t=record.created,
            job=number,
            rule=record.rule_name,
            wildcards=self._jobs[number]["wildcards"],
            log=self._jobs[number]["log"],
            benchmark=record.benchmark,
            attempt=self._n_failed[number] + 1,
            threads=record.threads,
            mem_mb=_whole(asked.get("mem_mb")),
            runtime_min=_whole(asked.get("runtime")),
            gpu=_whole(asked.get("gpu")) or 0,
            group=self._of_group.get(number),
        )
        if self._is_local or record.local:
            self._tell("job_started", t=record.created, job=number)

    def _on_job_finished(self, record: LogRecord) -> None:
        if record.job_id in self._jobs:
            self._over.add(record.job_id)
            self._tell("job_finished", t=record.created, job=record.job_id)

    def _on_group_error(self, record: LogRecord) -> None:
        """Find which of a group's jobs brought the others down; a record of each follows."""
        members = {info["jobid"]: info["log"] for info in record.job_error_info}
        found = {
            number: reason
            for number, logs in members.items()
            if (reason := last_error(logs, since_s=self._since_s(number)))
        }
        if not found:  # killed, then: the one that was at work has written last
            number = max(members, key=lambda member: last_written_s(members[member]))
            found[number] = self._reason(number, members[number])
        for number in members:
            self._why[number] = found.get(number, _WITH_ANOTHER)

    def _on_job_error(self, record: LogRecord) -> None:
        number, logs = record.jobid, list(record.log)
        reason = self._why.pop(number, "") or self._reason(number, logs, str(record.rule_msg or ""))
        self._failed(record.created, number, reason, log=logs)

    def _reason(self, number: int, logs: list[str], message: str = "") -> str:
        since_s = self._since_s(number)
        return (
            last_error(logs, since_s=since_s)
            or self._told.get(number)
            or message
            or last_line(logs, since_s=since_s)
            or _NO_WORD
        )

    def _since_s(self, number: int) -> float:
        return self._jobs[number]["submitted_s"] if number in self._jobs else 0

    def _failed(self, t: float, number: int, reason: str, log: list[str] | None = None) -> None:
        job = self._jobs.get(number)
        if job is None or number in self._over:
            return
        self._over.add(number)
        self._n_failed[number] += 1
        attempt = self._n_failed[number]
        rules = self._rules_of_group.get(number, {job["rule"]})
        again = attempt <= max(map(_retries, rules))  # a group is tried again as a whole
        self._tell(
            "job_failed",
            t=t,
            job=number,
            rule=job["rule"],
            log=job["log"] if log is None else log,
            reason=reason,
            attempt=attempt,
            with_group=reason == _WITH_ANOTHER,
            again=again,
        )
        if again:
            self._tell("job_retried", t=t, job=number, attempt=attempt + 1)

    def _on_progress(self, record: LogRecord) -> None:
        self._is_ok = record.done >= record.total

    def _on_error(self, record: LogRecord) -> None:
        text = record.getMessage()
        found = _MISSING.search(text)
        if found:
            missing = ", ".join(_NAME.findall(text)) or "one"
            reason = f"it ended well, but an output is missing: {missing}"
            self._failed(record.created, int(found[1]), reason)


def workflow_stages() -> Stages:
    """The stages of the workflow of this process."""
    snakefile = getattr(_workflow(), "main_snakefile", None)
    return read_stages(Path(snakefile).parent) if snakefile else Stages()


def _workflow() -> object:
    """Snakemake's workflow of this process, which no record shows; None outside of Snakemake."""
    return getattr(sys.modules.get("snakemake.workflow"), "workflow", None)


def _retries(rule: str) -> int:
    """How often a job of a rule is tried again."""
    try:
        return _workflow().get_rule(rule).restart_times
    except Exception:  # only the words "tried again" depend on it
        return 0


def _whole(value: object) -> int | None:
    """A resource as a number; None where it is not known yet, or is no number."""
    return value if isinstance(value, int) else None


def last_error(paths: list[str], *, since_s: float) -> str:
    """What went wrong by the logs of a job that was sent at `since_s` (Unix seconds).

    The message of the last ERROR or CRITICAL line, with the last line of the traceback where one
    follows; empty where there is none. A log that is older, missing or cannot be read is passed
    over.
    """
    for path in paths:
        lines = _last_lines(path, since_s)
        for place in range(len(lines) - 1, -1, -1):
            words = lines[place].split(maxsplit=3)
            if len(words) == 4 and words[2] in ("ERROR", "CRITICAL"):
                after = f": {lines[-1]}" if place + 1 < len(lines) else ""
                return _short(words[3] + after)
    return ""


def last_line(paths: list[str], *, since_s: float) -> str:
    """The last line of a job's logs, whatever it says; older than `since_s` none counts."""
    return next((_short(lines[-1]) for path in paths if (lines := _last_lines(path, since_s))), "")


def last_written_s(paths: list[str]) -> float:
    """When the last of some logs was written, Unix seconds; 0 where there is none."""
    return max(map(_written_s, paths), default=0)


def _written_s(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return 0


def _last_lines(path: str, since_s: float) -> list[str]:
    if _written_s(path) < since_s - _CLOCKS_S:
        return []
    try:
        with Path(path).open("rb") as file:
            file.seek(-min(_READ_BYTES, file.seek(0, 2)), 2)
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def _short(line: str) -> str:
    line = one_line(line)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}..."
