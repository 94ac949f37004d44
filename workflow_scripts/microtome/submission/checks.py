"""Whether the organizers of a challenge would take a submission, before it is sent."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from microtome.errors import InputError, one_line
from microtome.submission.mask_checks import check_mask_png, check_mask_tiff
from microtome.submission.sources import Source, open_source
from microtome.submission.table_checks import (
    check_detections,
    check_predictions,
    check_probabilities,
    check_stages,
)

Sizes = Mapping[str, tuple[int, int]]

_TABLE_BYTES = 2**26
_MASK_BYTES = 2**24  # beside one for each px
_MOST_LINES = 10  # of one file, and of files that do not belong
_MOST_CHARACTERS = 300


class _Expected(NamedTuple):
    """How one file of a submission is checked."""

    check: Callable[[Path], Iterable[str]]
    max_bytes: int


def check_submission(
    challenge: str, source: str | Path, cases: Sizes | Mapping[str, Collection[str]]
) -> list[str]:
    """Say what is wrong with a submission.

    Parameters
    ----------
    challenge : {'paip2019', 'camelyon16', 'camelyon17', 'digestpath'}
        Which one's form to hold it to.

        ========== ===============================================================
        paip2019   ``<case>.tif`` and ``prediction.csv``
        camelyon16 ``probabilities.csv`` and ``detections/<slide>.csv``
        camelyon17 ``submission.csv``
        digestpath ``<image>.png``
        ========== ===============================================================
    source : str or Path
        A folder or a ZIP. Nothing is trusted in it, and nothing is unpacked under its own name.
    cases : mapping
        What has to be there. For CAMELYON17 patient -> its slides, else case, slide or image ->
        width and height in level-0 px.

    Returns
    -------
    list of str
        One line each, of files that do not belong there first, then by name; of one file no more
        than ten, and how many more there are. Empty where nothing is wrong.

    Raises
    ------
    ValueError
        There is no such challenge.
    """
    if challenge not in _CHALLENGES:
        raise ValueError(f"{challenge!r} is none of {', '.join(_CHALLENGES)}")
    expected = _CHALLENGES[challenge](cases)
    try:
        with open_source(source) as files:
            problems = _few(
                f"{name}: {files.faults[name] or f'does not belong to {challenge}; take it out'}"
                for name in sorted(files.faults.keys() - expected.keys())
            )
            for name in sorted(expected):
                wrong = _wrong(files, name, expected[name])
                problems += [f"{name}: {line}" for line in _few(wrong)]
    except InputError as error:
        problems = [str(error)]
    return [_shortened(one_line(problem)) for problem in problems]


def require_valid(
    challenge: str, source: str | Path, cases: Sizes | Mapping[str, Collection[str]]
) -> None:
    """Stop where `check_submission` finds anything wrong.

    Raises
    ------
    InputError
        The first thing that is wrong, and how many more there are.
    """
    problems = check_submission(challenge, source, cases)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputError(f"{source}: {problems[0]}{more}")


def _wrong(files: Source, name: str, expected: _Expected) -> Iterator[str]:
    """Say what is wrong with a file that has to be there."""
    fault = files.faults.get(name, "is missing")
    if fault:
        yield fault
        return
    try:
        with files.local(name, max_bytes=expected.max_bytes) as path:
            yield from expected.check(path)
    except InputError as error:
        yield str(error)


def _few(lines: Iterable[str]) -> list[str]:
    """Keep the first lines, and say how many there are beside them."""
    lines = iter(lines)
    first = list(islice(lines, _MOST_LINES))
    n_more = sum(1 for _ in lines)
    return [*first, f"and {n_more} more of this kind"] if n_more else first


def _shortened(line: str) -> str:
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]} ..."


def _masks(cases: Sizes, suffix: str, check: Callable) -> dict[str, _Expected]:
    return {
        f"{case}{suffix}": _Expected(
            partial(check, size_px=(width, height)), width * height + _MASK_BYTES
        )
        for case, (width, height) in cases.items()
    }


def _paip2019(cases: Sizes) -> dict[str, _Expected]:
    table = _Expected(partial(check_predictions, cases=cases), _TABLE_BYTES)
    return {**_masks(cases, ".tif", check_mask_tiff), "prediction.csv": table}


def _camelyon16(cases: Sizes) -> dict[str, _Expected]:
    lesions = {
        f"detections/{slide}.csv": _Expected(
            partial(check_detections, size_px=size_px), _TABLE_BYTES
        )
        for slide, size_px in cases.items()
    }
    table = _Expected(partial(check_probabilities, slides=cases), _TABLE_BYTES)
    return {**lesions, "probabilities.csv": table}


def _camelyon17(cases: Mapping[str, Collection[str]]) -> dict[str, _Expected]:
    return {"submission.csv": _Expected(partial(check_stages, patients=cases), _TABLE_BYTES)}


def _digestpath(cases: Sizes) -> dict[str, _Expected]:
    return _masks(cases, ".png", check_mask_png)


_CHALLENGES = {
    "paip2019": _paip2019,
    "camelyon16": _camelyon16,
    "camelyon17": _camelyon17,
    "digestpath": _digestpath,
}
