"""The picture of a cohort's runs: what ran when, how far it was, and what went wrong."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .run_history import History, Run
from .run_state import DONE
from .run_tables import KINDS, Fault
from .run_texts import count_text, duration_text
from .stages import Stage, stage_name

INK = "#263238"
_COLOURS = (
    *("#78909c", "#4db6ac", "#5e35b1", "#c2185b", "#ef6c00", "#f9a825", "#00897b", "#1e88e5"),
    *("#8d6e63", "#43a047", "#6a1b9a", "#37474f", "#a1887f", "#7986cb", "#aed581", "#4fc3f7"),
)
_GREY, _PALE, _RED = "#607d8b", "#cfd8dc", "#d50000"
# Width of the words over the beginning of a run.
_WORDS_SHARE = 0.2
_MOST_STAGES = 12
REST: Stage = ("other", "")
_BINS = 700
# Between two driver runs lie minutes or days, in which nothing ran.
_GAP_SHARE = 0.015
_UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))


@dataclass
class TimeAxis:
    """Time from the first run's begin, with the times between runs cut to a gap.

    Places on it are counted in `unit`: hours, or less where all runs took less than three of them.
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
    """Mean number of jobs running in each bin; one that runs for a tenth of it counts a tenth.

    `starts_s` and `ends_s` of the jobs and the ascending `edges_s` of the bins are Unix seconds.
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
    for stage, runs in sorted(spans.items(), key=lambda item: history.naming.order(item[0])):
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


def timeline_figure(path: str | Path, history: History, faults: list[Fault]) -> None:
    """Draw jobs running by stage over time, the share that is done, and each fault in a lane.

    There is at least one run; `path` is a PNG.
    """
    axis_of = TimeAxis(history.runs)
    kinds = {fault.kind for fault in faults}
    lanes = [kind for kind in KINDS if kind in kinds]
    lane_height = 0.24 * max(1, len(lanes))
    size = (12, 4.9 + lane_height)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    main, strip = figure.subplots(2, 1, sharex=True, height_ratios=(3.8, lane_height))
    figure.suptitle(_title(history), color=INK, fontsize=12, x=0.01, ha="left")
    loads = stage_loads(history, axis_of)
    _stack(main, loads, axis_of)
    _share_done(main, history, axis_of)
    _lanes(strip, faults, lanes, axis_of)
    _beginnings(main, strip, axis_of)
    strip.set_xlim(0, axis_of.end)
    strip.set_xlabel(f"{axis_of.unit} of running", fontsize=9, color=INK)
    # No software version or date in the file: the same run gives the same bytes.
    figure.savefig(path, format="png", metadata={"Software": None})


def _beginnings(main: Axes, strip: Axes, axis_of: TimeAxis) -> None:
    """Say when each run began, where there is room for the words."""
    free_from = 0.0
    for number, run in enumerate(axis_of.runs):
        at = axis_of.place(number, run.begun_s)
        for axes in (main, strip):
            axes.axvline(at, color=_GREY, lw=0.8, ls=":")
        begun = datetime.fromtimestamp(run.begun_s).astimezone()
        if number == 0 or free_from <= at <= axis_of.end * (1 - _WORDS_SHARE):
            text = f"begun {'again ' if number else ''}{begun:%d %b %Y %H:%M}"
            place = main.get_xaxis_transform()
            main.text(at, 1.01, text, transform=place, fontsize=8, color=_GREY, va="bottom")
            free_from = at + axis_of.end * _WORDS_SHARE


def _stack(axes: Axes, loads: dict[Stage, list[np.ndarray]], axis_of: TimeAxis) -> None:
    colours = _stage_colours(list(loads))
    for number in range(len(axis_of.runs)):
        edges_s = axis_of.edges_s(number)
        places = np.repeat([axis_of.place(number, t) for t in edges_s], 2)[1:-1]
        floor = np.zeros(len(places))
        for stage, curves in loads.items():
            top = floor + np.repeat(curves[number], 2)
            axes.fill_between(places, floor, top, color=colours[stage], lw=0)
            floor = top
    axes.set_ylim(0)
    axes.set_ylabel("jobs running", fontsize=9, color=INK)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    handles = [Patch(color=colours[stage], label=stage_name(stage)) for stage in reversed(loads)]
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.07, 1.0),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        borderaxespad=0,
    )
    _plain(axes)
    axes.grid(axis="y", color=_PALE, lw=0.6)
    axes.set_axisbelow(True)


def _stage_colours(stages: list[Stage]) -> dict[Stage, str]:
    """A colour a stage; what is apart in a stage has shades of it."""
    seen: Counter = Counter()
    names = list(dict.fromkeys(name for name, _ in stages))
    colours = {REST: _PALE}
    for stage in stages:
        if stage == REST:
            continue
        base = _COLOURS[names.index(stage[0]) % len(_COLOURS)]
        paler = min(0.6, 0.3 * seen[stage[0]])
        seen[stage[0]] += 1
        rgb = np.array(to_rgb(base))
        colours[stage] = to_hex(rgb + (1 - rgb) * paler)
    return colours


def _share_done(axes: Axes, history: History, axis_of: TimeAxis) -> None:
    """Draw how much of all jobs was done, on an axis at the right."""
    right = axes.twinx()
    n_jobs = history.n_jobs
    n_before = 0
    for number, run in enumerate(history.runs):
        ends_s = np.sort([t for finishes in run.state.finishes.values() for t, _ in finishes])
        edges_s = axis_of.edges_s(number)
        share = 100 * (n_before + np.searchsorted(ends_s, edges_s, side="right")) / max(n_jobs, 1)
        places = [axis_of.place(number, t) for t in edges_s]
        right.plot(places, np.minimum(share, 100), color="white", lw=3.2, alpha=0.8)
        right.plot(places, np.minimum(share, 100), color=INK, lw=1.4)
        n_before += len(ends_s)
    right.set_ylim(0, 103)
    right.set_yticks((25, 50, 75, 100), ("25 %", "50 %", "75 %", "100 %\ndone"))
    _plain(right)


def _lanes(axes: Axes, faults: list[Fault], lanes: list[str], axis_of: TimeAxis) -> None:
    for lane, kind in enumerate(lanes):
        here = [fault for fault in faults if fault.kind == kind]
        places = [axis_of.place(fault.run, fault.t) for fault in here]
        axes.plot(places, [lane] * len(here), "|", color=_RED, ms=11, mew=1.3, alpha=0.75)
        for fault, at in zip(here, places, strict=True):
            if fault.until_s is not None:
                width = (fault.until_s - fault.t) / axis_of.unit_s
                axes.barh(lane, width, left=at, height=0.62, color=_RED, alpha=0.35, lw=0)
        axes.text(
            1.008,
            lane,
            f"{len(here)}",
            transform=axes.get_yaxis_transform(),
            fontsize=9,
            color=INK,
            va="center",
        )
    axes.set_yticks(range(len(lanes)), lanes)
    axes.set_ylim(max(1, len(lanes)) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 2, 5, 10]))
    if not lanes:
        axes.text(
            0.5, 0.5, "no faults", transform=axes.transAxes, ha="center", va="center", color=_GREY
        )
    for lane in range(0, len(lanes), 2):
        axes.axhspan(lane - 0.5, lane + 0.5, color="#f5f7f8", zorder=0)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=9, colors=INK, length=0)
    axes.spines[:].set_visible(False)


def _title(history: History) -> str:
    n_done = sum(goes[-1].state == DONE for goes in history.jobs.values())
    took_s = sum(run.ended_s - run.begun_s for run in history.runs)
    return (
        f"{n_done} of {count_text(history.n_jobs, 'job')} in {duration_text(took_s)},"
        f" {count_text(len(history.runs), 'driver run')}"
    )
