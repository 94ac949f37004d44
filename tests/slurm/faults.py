"""The faults that tests brought about, as a table at the end: docs/cluster.md has one such."""

from collections.abc import Callable

import pytest

_FAULTS: list[tuple[str, float, str, str]] = []


@pytest.fixture
def fault() -> Callable[[str, float, str, str], None]:
    """Give a function that notes a fault: what, how long until it was noticed, what was done."""

    def note(what: str, noticed_s: float, done: str, lost: str) -> None:
        _FAULTS.append((what, noticed_s, done, lost))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the faults as a table: docs/cluster.md has one such."""
    if _FAULTS:
        terminalreporter.write_line("| fault | noticed after | what was done | lost |")
        terminalreporter.write_line("| --- | --- | --- | --- |")
    for what, noticed_s, done, lost in _FAULTS:
        terminalreporter.write_line(f"| {what} | {noticed_s:.0f} s | {done} | {lost} |")
