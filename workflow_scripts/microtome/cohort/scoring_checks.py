"""The submissions that a config wants to be scored, by their names."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath


def name_submissions(given: str | Sequence[str]) -> dict[str, str]:
    """Name one submission, or several, by their files or folders without suffix.

    Examples
    --------
    >>> name_submissions(["results/unet.zip", "mine/ensemble.zip"])
    {'unet': 'results/unet.zip', 'ensemble': 'mine/ensemble.zip'}
    """
    return {PurePath(path).stem: path for path in _list(given)}


def check_scoring(section: Mapping[str, Mapping]) -> Iterator[str]:
    """Find submissions to a challenge whose scores would have one name."""
    for challenge, parts in section.items():
        stems = Counter(PurePath(path).stem for path in _list(parts["submission"]))
        for name, n in stems.items():
            if n > 1:
                yield (
                    f"scoring.{challenge}.submission: {n} are called {name}, and so would their"
                    " scores be; rename one"
                )


def _list(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given
