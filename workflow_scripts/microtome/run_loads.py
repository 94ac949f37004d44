"""How many jobs of each stage ran at each time of a cohort's runs."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from microtome.run_history import History, Run
from microtome.run_stages import Stage, stage_order

_MOST_STAGES = 12
REST: Stage = ("other", "")
_BINS = 700
# Between two driver runs lie minutes or days, in which nothing ran.
_GAP_SHARE = 0.015
_UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))


@dataclass
class TimeAxis:
    """Time from the first run's begin, with the times between runs cut to a gap.

    Attributes
    ----------
    unit : str
        What places are counted in: hours, or less where all runs took less than three of them.
    end : float
        Place of the last run's end.
    """

    runs: list[Run]

    def __post_init__(self) -> None:
        self.lengths_s = [max(run.ended_s - run.begun_s, 1) for run in self.runs]
        total_s = sum(self.lengths_s)
        self.unit, self.unit_s = next(
            (unit for unit in _UNITS if total_s >= 3 * unit[1]), _UNITS[-1]
        )
        self.gap = _GAP_SHARE * total_s / self.unit_s
        before_s = np.cumsum([0, *self.lengths_s[:-1]])
        self._offsets = before_s / self.unit_s + self.gap * np.arange(len(self.runs))
        self.end = self.place(len(self.runs) - 1, self.runs[-1].begun_s + self.lengths_s[-1])

    def place(self, run: int, t: float) -> float:
        """Place of the Unix time `t` of a run, in the axis's unit."""
        return float(self._offsets[run] + (t - self.runs[run].begun_s) / self.unit_s)

    def edges_s(self, run: int) -> np.ndarray:
        """Ends of the run's bins, Unix seconds."""
        n_bins = max(2, round(_BINS * self.lengths_s[run] / sum(self.lengths_s)))
        begun_s = self.runs[run].begun_s
        return np.linspace(begun_s, begun_s + self.lengths_s[run], n_bins + 1)


def mean_running(starts_s: np.ndarray, ends_s: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """Mean number of jobs running in each bin.

    Parameters
    ----------
    starts_s, ends_s : ndarray of shape (n_jobs,)
        When each ran, Unix seconds.
    edges_s : ndarray of shape (n_bins + 1,)
        Ends of the bins, ascending.

    Returns
    -------
    ndarray of shape (n_bins,)
        A job that runs for a tenth of a bin counts a tenth.
    """

    def passed_s(times_s: np.ndarray) -> np.ndarray:
        """Sum of the time since each of `times_s`, at each edge."""
        times_s = np.sort(times_s)
        n_before = np.searchsorted(times_s, edges_s)
        sums = np.concatenate(([0.0], np.cumsum(times_s - edges_s[0])))
        return n_before * (edges_s - edges_s[0]) - sums[n_before]

    return np.diff(passed_s(starts_s) - passed_s(ends_s)) / np.diff(edges_s)


def stage_loads(history: History, axis_of: TimeAxis) -> dict[Stage, list[np.ndarray]]:
    """Stage -> run -> mean number of its jobs running in each bin."""
    spans: dict[Stage, list[list[tuple[float, float]]]] = defaultdict(
        lambda: [[] for _ in history.runs]
    )
    for number, run in enumerate(history.runs):
        for job in run.state.jobs.values():
            for one in job.tries:
                if one.started_s is not None:
                    ended_s = run.ended_s if one.ended_s is None else one.ended_s
                    spans[job.stage][number].append((one.started_s, ended_s))
    time_s = {s: sum(b - a for run in runs for a, b in run) for s, runs in spans.items()}
    kept = set(sorted(time_s, key=lambda stage: -time_s[stage])[:_MOST_STAGES])
    loads: dict[Stage, list[np.ndarray]] = {}
    for stage, runs in sorted(spans.items(), key=lambda item: stage_order(item[0])):
        curves = []
        for number, run in enumerate(runs):
            edges_s = axis_of.edges_s(number)
            ends = np.clip(np.array(run, float).reshape(-1, 2), edges_s[0], edges_s[-1])
            curves.append(mean_running(ends[:, 0], ends[:, 1], edges_s))
        name = stage if stage in kept else REST
        before = loads.get(name)
        loads[name] = (
            curves if before is None else [a + b for a, b in zip(before, curves, strict=True)]
        )
    return loads
