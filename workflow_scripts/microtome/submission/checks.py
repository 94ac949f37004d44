"""Whether the organizers of a challenge would take a submission, before it is sent."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

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
_CHALLENGES = ("paip2019", "camelyon16", "camelyon17", "digestpath")

# How a file is checked, and how large it may be.
_Expected = tuple[Callable[[Path], Iterable[str]], int]


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
        than ten, and how many more there are. Empty if nothing is wrong.

    Raises
    ------
    ValueError
        There is no such challenge.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     check_submission("camelyon17", folder, {"patient_100": ["patient_100_node_0"]})
    ['submission.csv: is missing']
    """
    if challenge not in _CHALLENGES:
        raise ValueError(f"{challenge!r} is none of {', '.join(_CHALLENGES)}")
    expected = _list_expected(challenge, cases)
    try:
        with open_source(source) as files:
            problems = _keep_few(
                f"{name}: {files.faults[name] or f'does not belong to {challenge}; take it out'}"
                for name in sorted(files.faults.keys() - expected.keys())
            )
            for name in sorted(expected):
                wrong = _check_file(files, name, *expected[name])
                problems += [f"{name}: {line}" for line in _keep_few(wrong)]
    except InputError as error:
        problems = [str(error)]
    return [_shorten(one_line(problem)) for problem in problems]


def require_valid(
    challenge: str, source: str | Path, cases: Sizes | Mapping[str, Collection[str]]
) -> None:
    """Raise the first problem that `check_submission` finds, with how many more there are."""
    problems = check_submission(challenge, source, cases)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputError(f"{source}: {problems[0]}{more}")


def _check_file(
    files: Source, name: str, check: Callable[[Path], Iterable[str]], max_bytes: int
) -> Iterator[str]:
    """Say what is wrong with a file that has to be there."""
    fault = files.faults.get(name, "is missing")
    if fault:
        yield fault
        return
    try:
        with files.open_local(name, max_bytes=max_bytes) as path:
            yield from check(path)
    except InputError as error:
        yield str(error)


def _keep_few(lines: Iterable[str]) -> list[str]:
    """Keep the first lines, and say how many there are beside them."""
    lines = iter(lines)
    first = list(islice(lines, _MOST_LINES))
    n_more = sum(1 for _ in lines)
    return [*first, f"and {n_more} more of this kind"] if n_more else first


def _shorten(line: str) -> str:
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]} ..."


def _list_expected(challenge: str, cases: Mapping) -> dict[str, _Expected]:
    """List the files that have to be there, by their names."""

    def table(check: Callable, **wanted: object) -> _Expected:
        return partial(check, **wanted), _TABLE_BYTES

    if challenge == "camelyon17":
        return {"submission.csv": table(check_stages, patients=cases)}
    if challenge == "camelyon16":
        lesions = {
            f"detections/{slide}.csv": table(check_detections, size_px=size_px)
            for slide, size_px in cases.items()
        }
        return {**lesions, "probabilities.csv": table(check_probabilities, slides=cases)}
    is_tiff = challenge == "paip2019"
    suffix, check = (".tif", check_mask_tiff) if is_tiff else (".png", check_mask_png)
    masks = {
        f"{case}{suffix}": (partial(check, size_px=(width, height)), width * height + _MASK_BYTES)
        for case, (width, height) in cases.items()
    }
    if is_tiff:
        return {**masks, "prediction.csv": table(check_predictions, cases=cases)}
    return masks
