"""Scheduler ``first-fit``: every ready job that there is room for.

Those of Snakemake weigh each ready job against each other. On a cluster, which has room for all of
them, nothing is gained by that, and for 5000 jobs it takes a minute in which no other can begin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snakemake_interface_scheduler_plugins.base import SchedulerBase
from snakemake_interface_scheduler_plugins.interfaces.jobs import JobSchedulerInterface
from snakemake_interface_scheduler_plugins.settings import SchedulerSettingsBase


@dataclass
class SchedulerSettings(SchedulerSettingsBase):
    """There are none."""


class Scheduler(SchedulerBase):
    """Takes jobs as they come, those of higher priority first."""

    def select_jobs(
        self,
        selectable_jobs: Sequence[JobSchedulerInterface],
        remaining_jobs: Sequence[JobSchedulerInterface],
        available_resources: Mapping[str, int | str],
        input_sizes: Mapping[str, int],
    ) -> list[JobSchedulerInterface]:
        """Choose jobs that together do not exceed the resources."""
        left = dict(available_resources)
        chosen = []
        for job in sorted(selectable_jobs, key=lambda job: job.priority, reverse=True):
            asked = {name: job.scheduler_resources.get(name, 0) for name in left}
            if all(asked[name] <= left[name] for name in left):
                chosen.append(job)
                left = {name: left[name] - asked[name] for name in left}
        return chosen
