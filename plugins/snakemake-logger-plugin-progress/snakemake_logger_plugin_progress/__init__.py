"""Snakemake's logger plugin `progress`: how far each stage is, what failed, and a run log."""

import sys
from contextlib import suppress
from dataclasses import dataclass, field
from logging import ERROR, LogRecord

from rich.console import Console
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from .command_mistakes import reword_error
from .errors import InputError
from .progress import Progress
from .run_log import RunLog
from .run_recorder import workflow_stages


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Settings on Snakemake's command line and in profiles, as `logger-progress-...`."""

    interval_s: int = field(
        default=30,
        metadata={
            "help": "Seconds between two lines about a stage, where it is no terminal.",
            "env_var": False,
            "required": False,
            "type": int,
        },
    )
    report: str = field(
        default="",
        metadata={
            "help": "Folder that a report of all runs is written to at the end of each.",
            "env_var": False,
            "required": False,
        },
    )


class _Formatter(DefaultFormatter):
    """Says as Snakemake does what it says, but for mistakes that it answers with a traceback."""

    def format(self, record: LogRecord) -> str:
        text = super().format(record)
        if record.levelno < ERROR:
            return text
        with suppress(InputError):
            return reword_error(text, sys.argv[1:], workflow_stages().what_there_is)
        return text


class LogHandler(LogHandlerBase):
    """Shows a run's progress; a dry run and a verbose one are printed as Snakemake does."""

    writes_to_stream = True  # in place of Snakemake's own messages
    writes_to_file = False  # the run log is not Snakemake's log
    has_filter = True  # it needs the records of each job, however quiet it is to be
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        common = self.common_settings
        quiet = set(common.quiet or ())
        keep = DefaultFilter(
            quiet, common.debug_dag, common.verbose, common.dryrun, common.printshellcmds
        )
        formatter = _Formatter(quiet, common.show_failed_logs)
        stream = sys.stdout if common.stdout else sys.stderr
        self._plain = None
        if common.dryrun or common.verbose or common.printshellcmds or common.debug_dag:
            self._plain = ColorizingTextHandler(common.nocolor, stream, formatter, keep)
        self._progress = None
        if not common.dryrun:
            is_silent = self._plain is not None or Quietness.ALL in quiet
            self._progress = Progress(
                # A log file has no width to wrap at.
                Console(file=stream, no_color=common.nocolor, quiet=is_silent, highlight=False),
                RunLog(),
                interval_s=self.settings.interval_s if self.settings else 30,
                as_text=lambda record: formatter.format(record) if keep.filter(record) else None,
                shows_stages=not is_silent and Quietness.PROGRESS not in quiet,
                report=self.settings.report if self.settings else "",
            )

    def emit(self, record: LogRecord) -> None:
        """Take in a record; a fault of the display must not end a run."""
        try:
            if self._plain and self._plain.filter(record):
                self._plain.emit(record)
            if self._progress:
                self._progress.record(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say how the run ended."""
        if self._progress:
            self._progress.close()
        super().close()
