"""What a person sees of a run: a block that is redrawn, or in a file a line a stage with news."""

import threading
import time
from collections.abc import Callable
from logging import WARNING, LogRecord
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .errors import InputError, one_line
from .run_log import RunLog
from .run_recorder import Recorder, workflow_stages
from .run_state import DONE, FAILED, RUNNING, RunState
from .run_texts import (
    count_text,
    duration_text,
    failure_lines,
    notice_line,
    plan_line,
    share_text,
    slurm_text,
    stage_line,
    stage_rate,
    summary_lines,
)
from .stages import Stage, stage_name

_BAR_CHARACTERS = 24
# The header, the line of finished stages, a blank one before and the cursor's.
_OTHER_LINES = 4
_REDRAWN_S, _CHECKED_S, _ALIVE_S = 0.5, 1.0, 60.0
# Records of other events have a place in the display, or are of no use to who looks at it.
_TEXTS = ("", "error")


class Progress:
    """Takes Snakemake's records, writes the run log, and shows how far the run is.

    On a terminal a block is redrawn at the foot of `console`, elsewhere a stage has a line every
    `interval_s` at most; unless `shows_stages` only failures and warnings are shown. `as_text`
    gives a record as Snakemake would print it, None for one that it would not. At the end a report
    is written into the folder `report` below the working folder, if there is to be one.
    """

    def __init__(
        self,
        console: Console,
        log: RunLog,
        *,
        interval_s: float,
        as_text: Callable[[LogRecord], str | None],
        shows_stages: bool = True,
        report: str = "",
    ) -> None:
        self._console, self._log = console, log
        self._interval_s, self._as_text = interval_s, as_text
        self._shows_stages, self._report = shows_stages, report
        self._state = RunState()
        self._recorder = Recorder(self._tell)
        # Printing waits for the screen, so nothing is printed while this one is held.
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._tick_on, daemon=True)
        self._is_running = self._is_closed = False
        self._shown: dict = {}
        self._next_lines_s = self._next_alive_s = 0.0
        self._plan = ""
        self._last: list[str] = []

    def record(self, record: LogRecord) -> None:
        """Take in one of Snakemake's records."""
        event = str(getattr(record, "event", "") or "")
        if event == "run_info":
            self._begin()
        self._recorder.record(record)
        # What Snakemake tells while jobs run is of interest only where something is wrong.
        if getattr(record, "is_last", False):
            self._last.append(record.getMessage())
            return
        is_text = event in _TEXTS and not _is_of_job(record)
        if is_text and (not self._is_running or record.levelno >= WARNING):
            text = self._as_text(record)
            if text:
                self._print([text], style="red" if record.levelno > WARNING else "")

    def close(self) -> None:
        """Say how the run ended. Calls after the first do nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stopped.set()
        if self._ticker.is_alive():
            self._ticker.join(timeout=5)
        if self._live:
            self._live.stop()
        if self._is_running:
            now = time.time()
            if not self._live:
                self._print(self._stage_lines(now))
            self._recorder.end(now)
            with self._lock:
                lines = summary_lines(self._state, now)
            self._print(lines, style="bold")
            if self._log.path:
                self._print([f"{'':10}Run log: {self._log.path}"])
                self._write_report(self._log.path.parents[2])
            self._print(self._last)

    def tick(self, now: float) -> None:
        """Show what is due at this time (Unix seconds)."""
        self._recorder.plan(now)
        if now >= self._next_alive_s:
            self._next_alive_s = now + _ALIVE_S
            self._log.write("alive", t=now)
        if self._live:
            with self._lock:
                block = progress_block(self._state, now, height=self._console.height)
            self._live.update(block, refresh=True)
        elif now >= self._next_lines_s:
            self._next_lines_s = now + self._interval_s
            self._print(self._stage_lines(now))

    def _begin(self) -> None:
        if self._is_running:
            return
        self._is_running = True
        try:
            self._recorder.stages = workflow_stages()
        except InputError as error:
            self._print([str(error)], style="yellow")
        now = time.time()
        self._next_alive_s, self._next_lines_s = now + _ALIVE_S, now + self._interval_s
        if self._console.is_terminal and self._shows_stages:
            # Drawn by the ticker only: a thread of Rich's own would need our lock while it has its.
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._ticker.start()

    def _tick_on(self) -> None:
        while not self._stopped.wait(_REDRAWN_S if self._live else _CHECKED_S):
            self.tick(time.time())

    def _tell(self, event: str, **what: object) -> None:
        """Write an event to the run log, and show what there is to be seen of it."""
        self._take_in(self._log.write(event, **what))

    def _take_in(self, event: dict) -> None:
        lines, style = [], ""
        with self._lock:
            self._state.apply(event)
            if event["event"] == "job_failed":
                job = self._state.jobs.get(event.get("job"))
                lines = failure_lines(event, job) if job else []
                style = "yellow" if event.get("again") else "red"
            elif event["event"] == "planned":
                lines = self._new_plan(event["t"])
            elif notice := notice_line(event, self._state):
                lines, style = [notice], "yellow"
        self._print(lines, style=style)

    def _write_report(self, directory: Path) -> None:
        """Write the report; the results are there whatever becomes of it."""
        if not self._report:
            return
        try:
            # Matplotlib takes a second: only where it is needed.
            from .run_report import make_run_report  # noqa: PLC0415

            folder = make_run_report(directory, self._report)
            self._print([f"{'':10}Run report: {folder / 'summary.md'}"])
        except Exception as error:
            text = one_line(error) or type(error).__name__
            self._print([f"{'':10}No run report: {text}"], style="yellow")

    def _new_plan(self, t: float) -> list[str]:
        before, self._plan = self._plan, plan_line(self._state)
        if self._plan == before or not self._shows_stages:
            return []
        return [f"{time.strftime('%H:%M:%S', time.localtime(t))}  {self._plan}"]

    def _stage_lines(self, now: float) -> list[str]:
        """Lines of the stages of which something is new."""
        if not self._shows_stages:
            return []
        with self._lock:
            stages = self._state.stages()
            width = max((len(stage_name(stage)) for stage in stages), default=0)
            lines = []
            for stage in stages:
                counts = self._state.counts[stage]
                news = counts[DONE], counts[RUNNING], counts[FAILED]
                if any(news) and self._shown.get(stage) != news:
                    self._shown[stage] = news
                    lines.append(stage_line(self._state, stage, now, width=width))
        return lines

    def _print(self, lines: list[str], *, style: str = "") -> None:
        if lines:
            self._console.print(Text("\n".join(lines), style=style), soft_wrap=True)


def _is_of_job(record: LogRecord) -> bool:
    """Say whether it is Snakemake's trace of a job's failure, which is told in better words."""
    kind = getattr(record, "exception", "")
    return kind == "MissingOutputException" or (
        kind == "RuleException" and "\nCalledProcessError in file" in record.getMessage()
    )


def progress_block(state: RunState, now: float, *, height: int) -> Group:
    """Draw the stages under way as a table, and name those that are finished.

    `height` is that of the terminal in lines: what does not fit is counted.
    """
    stages = state.stages()
    over = [s for s in stages if state.counts[s][DONE] == state.total(s)]
    shown = [s for s in stages if s not in over]
    # Stages where nothing happens yet are the first to go.
    most = max(1, height - _OTHER_LINES)
    if len(shown) > most:
        under_way = [s for s in shown if state.counts[s][RUNNING] or state.counts[s][DONE]]
        kept = set((under_way + [s for s in shown if s not in under_way])[:most])
        shown = [s for s in shown if s in kept]
    hidden = len(stages) - len(over) - len(shown)
    table = Table.grid(padding=(0, 2))
    for column in ("left", "left", "right", "right", "left", "left", "left", "right", "left"):
        table.add_column(justify=column, no_wrap=True)
    for stage in shown:
        table.add_row(*_cells(state, stage, now))
    ends = [f"{stage_name(stage)} {state.total(stage)}" for stage in over]
    foot = [Text(f"finished: {', '.join(ends)}", style="green", no_wrap=True)] if ends else []
    if hidden:
        foot.append(Text(f"and {count_text(hidden, 'stage')} to come", style="dim"))
    return Group("", _header(state, now), table, *foot)


def _header(state: RunState, now: float) -> Text:
    parts = [
        f"{state.n_done} of {count_text(state.n_jobs, 'job')}",
        share_text(state.n_done, state.n_jobs),
        duration_text(state.took_s(now)),
        slurm_text(state),
    ]
    style = "bold yellow" if state.is_slurm_silent else "bold"
    return Text("   ".join(filter(None, parts)), style=style, no_wrap=True)


def _cells(state: RunState, stage: Stage, now: float) -> list[object]:
    counts, total = state.counts[stage], state.total(stage)
    failed = counts[FAILED]
    rate, left = stage_rate(state, stage, now)
    return [
        Text(stage_name(stage), style="" if counts[RUNNING] else "dim"),
        ProgressBar(
            total=total, completed=counts[DONE], width=_BAR_CHARACTERS, complete_style="cyan"
        ),
        f"{counts[DONE]}/{total}",
        share_text(counts[DONE], total),
        Text(f"running {counts[RUNNING]}", style="" if counts[RUNNING] else "dim"),
        Text(f"waiting {state.waiting(stage)}", style="dim"),
        Text(f"failed {failed}", style="red" if failed else "dim"),
        rate,
        left,
    ]
