"""The block at the foot of a terminal: a line a stage, with a bar."""

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from microtome.progress_text import slurm_text, stage_rate
from microtome.run_jobs import DONE, FAILED, RUNNING
from microtome.run_stages import Stage, stage_name, stage_order
from microtome.run_state import RunState
from microtome.run_words import count_text, duration_text, share_text

_BAR_CHARACTERS = 24
# The header, the line of finished stages, a blank one before and the cursor's.
_OTHER_LINES = 4


def progress_block(state: RunState, now: float, *, height: int) -> Group:
    """Draw the stages under way as a table, and name those that are finished.

    Parameters
    ----------
    state : RunState
        The run so far.
    now : float
        Unix seconds.
    height : int
        Lines of the terminal; what does not fit is counted.
    """
    stages = sorted(state.stages(), key=stage_order)
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
    return Group("", _header(state, stages, now), table, *foot)


def _header(state: RunState, stages: list[Stage], now: float) -> Text:
    done = sum(state.counts[stage][DONE] for stage in stages)
    total = sum(map(state.total, stages))
    begun_s = state.begun_s if state.begun_s is not None else now
    parts = [
        f"{done} of {count_text(total, 'job')}",
        share_text(done, total),
        duration_text(now - begun_s),
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
