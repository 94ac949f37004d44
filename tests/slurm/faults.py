"""The faults that tests brought about, as a table at the end: docs/cluster.md has one such."""

from collections.abc import Callable

import pytest


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Callable[[str, float, str, str], None]:
    """Give a function that notes a fault: what, how long until it was noticed, what was done."""

    def note(what: str, noticed_s: float, done: str, lost: str) -> None:
        row = f"| {what} | {noticed_s:.0f} s | {done} | {lost} |"
        request.node.user_properties.append(("fault", row))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the faults as a table, whichever process ran the tests."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    properties = [getattr(report, "user_properties", []) for report in reports]
    rows = dict.fromkeys(row for one in properties for name, row in one if name == "fault")
    if rows:
        head = ("| fault | noticed after | what was done | lost |", "| --- | --- | --- | --- |")
        for line in (*head, *rows):
            terminalreporter.write_line(line)
